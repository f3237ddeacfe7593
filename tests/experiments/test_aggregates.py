"""The three tables after a refresh, against plain Python on the same rows (`recomputation`), for every kind of KPI."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.database import Database
from experiments.aggregation import aggregates, derivation
from kpi.outcomes import LARGEST_VALUE
from tests.experiments.aggregating import MOMENT, START, assert_same, refresh, running, send
from tests.experiments.recomputation import DAY, KPIS, Amount, Did, Duration, Exposed, recompute
from tests.experiments.registering import freeze

# --- any rows, in any order ------------------------------------------------------------------------------------------

edges = st.sampled_from([timedelta(0), MOMENT, timedelta(hours=13), DAY - MOMENT])
"""Where in a day: at its edges and inside."""
around = st.sampled_from([-MOMENT, timedelta(0), MOMENT, timedelta(hours=7)])
"""Where beside the edge of a window."""
plans_said = st.sampled_from([None, "", "pro", "free", "ü", 5, 2.5, True])
scores_said = st.sampled_from([None, 0.1, 0.1, 3, -7.25, "4.5", " 4", "4x", "", True, 1e13, "1e3", "-.5", "４"])
values = st.sampled_from([None, 0.0, 0.1, 1.0, 2.5, -3.0, 1e6 + 0.1])


@st.composite
def exposed_rows(draw: st.DrawFn) -> list[Exposed]:
    rows = st.builds(
        Exposed,
        unit=st.sampled_from(["u1", "u2", "u3", "u4", "u5"]),
        variant=st.sampled_from([0, 0, 1, 2]),
        at=st.builds(lambda day, edge: START + day * DAY + edge, st.integers(0, 3), edges),
        plan=plans_said,
        score=scores_said,
    )
    return draw(st.lists(rows, min_size=1, max_size=9, unique_by=lambda row: (row.unit, row.variant, row.at)))


def did_rows(exposed: list[Exposed]) -> st.SearchStrategy[list[Did]]:
    """Outcomes beside the edges of the windows that these exposures open."""
    row = st.builds(
        lambda one, day, beside, event, value: Did(
            unit=one.unit, event=event, at=one.at + day * DAY + beside, value=value
        ),
        st.sampled_from(exposed),
        st.integers(-2, 3),
        around,
        st.sampled_from(["did", "did", "did", "deleted", "other"]),
        values,
    )
    return st.lists(row, max_size=12)


@settings(max_examples=40, deadline=None, database=None, derandomize=True)
@given(st.data())
async def test_refresh_any_rows_in_any_order_equal_a_recomputation(database: Database, data: st.DataObject) -> None:
    exposed = data.draw(exposed_rows())
    did = data.draw(did_rows(exposed))
    now = data.draw(st.builds(lambda day, beside: START + day * DAY + beside, st.integers(1, 7), around))
    to = await running(database)
    rows: list[Exposed | Did] = [*exposed, *did]
    arrivals = data.draw(st.permutations(rows + rows[::3]))  # some are sent twice
    cut = data.draw(st.integers(0, len(arrivals)))
    await send(database, to, arrivals[:cut])
    await refresh(database, to, now - DAY)  # what is left of it must not show later
    await send(database, to, arrivals[cut:])
    expected = recompute(exposed, did, now)
    first = await refresh(database, to, now)
    assert_same(first, expected)
    assert_same(await refresh(database, to, now, everything=True), expected)


# --- one rule at a time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kpi", [key for key, measure in KPIS.items() if not isinstance(measure, Duration)])
@pytest.mark.parametrize("entered", [timedelta(0), DAY - MOMENT], ids=["first-moment", "last-moment"])
async def test_numbers_count_an_entry_day_once_its_day_and_the_window_have_passed(
    database: Database, kpi: str, entered: timedelta
) -> None:
    to = await running(database)
    await send(database, to, [Exposed(unit="u1", variant=0, at=START + entered, plan=None)])
    final = START + DAY + DAY * KPIS[kpi].definition.window[1]
    for now, counted in ((final - MOMENT, 0), (final, 1), (final + 9 * DAY, 1)):
        found = await refresh(database, to, now)
        numbers = {place: n for place, (n, *_) in found.moments.items()} | {**found.values}
        assert [n for (key, segment, *_), n in numbers.items() if (key, segment) == (kpi, "")] == [1] * counted


async def test_numbers_of_quantiles_have_four_significant_digits_and_equal_ones_are_one_row(database: Database) -> None:
    to = await running(database)
    done = {"u1": 1234.4, "u2": 1233.6, "u3": -0.00098765, "u4": 999.96, "u5": 1e11 + 7, "u6": 0.1}
    await send(database, to, [Exposed(unit=unit, variant=0, at=START, plan=None) for unit in done])
    await send(database, to, [Did(unit=unit, event="did", at=START, value=value) for unit, value in done.items()])
    found = await refresh(database, to, START + 3 * DAY)
    numbers = {place[-1]: n for place, n in found.values.items() if place[1] == ""}
    assert numbers == {1234: 2, -0.0009877: 1, 1000: 1, 1e11: 1, 0.1: 1}


async def test_moments_over_all_days_count_every_unit_once(database: Database) -> None:
    to = await running(database)
    rows = [Exposed(unit=f"u{n}", variant=n % 3, at=START + n * DAY / 4, plan=None) for n in range(20)]
    await send(database, to, rows)
    for days in range(1, 12):
        found = await refresh(database, to, START + days * DAY)
        counted = sum(n for (key, segment, *_), (n, *_) in found.moments.items() if (key, segment) == ("act-2", ""))
        assert counted == min(20, max(0, 4 * (days - 2)))


async def test_durations_end_with_the_first_event_or_loss_and_the_event_wins_within_a_day(database: Database) -> None:
    to = await running(database)
    days = {
        "u1": [("did", 0.2), ("did", 2.2)],
        "u2": [("deleted", 0.2), ("deleted", 2.2), ("did", 1.2)],
        "u3": [("deleted", 1.2), ("did", 1.8)],
        "u4": [("did", 3.0)],  # tau has passed
    }
    units = [Exposed(unit=unit, variant=0, at=START + DAY / 3, plan=None) for unit in days]
    did = [
        Did(unit=unit, event=event, at=START + DAY / 3 + number * DAY, value=None)
        for unit, events_of in days.items()
        for event, number in events_of
    ]
    await send(database, to, [*units, *did])
    found = (await refresh(database, to, START + 9 * DAY)).durations
    own = ("", 0, START.date())
    assert {place[-1]: ends for place, ends in found.items() if place[:4] == ("ttv-3", *own)} == {0: (1, 0), 1: (2, 0)}
    with_loss = {place[-1]: ends for place, ends in found.items() if place[:4] == ("ttv-3-loss", *own)}
    assert with_loss == {0: (1, 1), 1: (1, 0)}


async def test_crossover_is_left_out_and_counted_once_it_is_known(database: Database) -> None:
    to = await running(database)
    await send(database, to, [Exposed(unit="u1", variant=0, at=START, plan=None)])
    before = await refresh(database, to, START + 2 * DAY)
    await send(database, to, [Exposed(unit="u1", variant=1, at=START + DAY, plan=None)])
    after = await refresh(database, to, START + 2 * DAY + MOMENT)
    assert (before.entries[("", 0, START.date())], before.crossovers) == (1, 0)
    assert (after.entries, after.moments, after.crossovers) == ({}, {}, 1)


async def test_segments_beyond_the_twenty_most_common_are_read_together(database: Database) -> None:
    to = await running(database)
    rows = [
        Exposed(unit=f"{plan}-{n}", variant=n % 2, at=START, plan=f"p{plan:02}")
        for plan in range(25)
        for n in range(2 if plan % 2 else 1)
    ]
    await send(database, to, rows)
    found = await refresh(database, to, START + 5 * DAY)
    assert_same(found, recompute(rows, [], START + 5 * DAY))
    assert len({segment for segment, *_ in found.entries}) == 1 + derivation.SEGMENT_VALUES + 1
    others = {f"p{plan:02}" for plan in range(16, 26, 2)}  # of the 13 rare ones, the 8 first by name are kept
    assert sum(n for (segment, *_), n in found.entries.items() if segment == "plan=(other)") == len(others)


async def test_refresh_before_any_event_is_known_counts_units_that_did_nothing(database: Database) -> None:
    to = await running(database)
    await send(database, to, [Exposed(unit="u1", variant=0, at=START, plan=None)])
    found = await refresh(database, to, START + 9 * DAY)
    assert {place[0]: summary[:3] for place, summary in found.moments.items() if place[1] == ""} == {
        # What is centred lies below its centre where nothing was done.
        key: (1, -6 if key == "mix-3" else 0, 0)
        for key, measure in KPIS.items()
        if isinstance(measure, Amount)
    }
    assert {place[:2]: (place[-1], n) for place, n in found.values.items()}["p75-2", ""] == (0, 1)
    assert found.durations == {}


async def test_refresh_largest_values_allowed_do_not_overflow(database: Database) -> None:
    to = await running(database)
    units = [Exposed(unit=f"u{n}", variant=0, at=START, plan=None) for n in range(3)]
    huge = [
        Did(unit=f"u{n}", event="did", at=START + MOMENT * again, value=LARGEST_VALUE * (-1) ** n)
        for n in range(3)
        for again in range(5)
    ]
    await send(database, to, [*units, *huge])
    assert_same(await refresh(database, to, START + 9 * DAY), recompute(units, huge, START + 9 * DAY))


async def test_refresh_outcomes_of_another_workspace_do_not_count(database: Database) -> None:
    here, there = await running(database), await running(database)
    unit, act = Exposed(unit="u1", variant=0, at=START, plan=None), Did(unit="u1", event="did", at=START, value=1)
    await send(database, here, [unit])
    await send(database, there, [unit, act])
    now = START + 9 * DAY
    assert_same(await refresh(database, here, now), recompute([unit], [], now))
    assert_same(await refresh(database, there, now), recompute([unit], [act], now))


async def test_refresh_what_came_in_before_an_end_in_the_past_counts_only_until_the_end(database: Database) -> None:
    to, ends, now = await running(database), START + 2 * DAY, START + 9 * DAY
    inside = [
        Exposed(unit="u1", variant=0, at=START, plan=None),
        Exposed(unit="u2", variant=1, at=ends - MOMENT, plan=None),
    ]
    late = [Exposed(unit="u1", variant=1, at=ends, plan=None), Exposed(unit="u3", variant=1, at=ends, plan=None)]
    await send(database, to, inside + late)
    assert_same(await refresh(database, to, now), recompute(inside + late, [], now))
    await freeze(database, to.experiment, now=now, frozen_at=ends)
    assert_same(await refresh(database, to, now), recompute(inside, [], now))


async def test_refresh_in_parts_that_begin_at_odd_ids_equals_a_recomputation(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = [
        "'",
        "''",
        "\\",
        "\\'",
        "{unit}",
        "{0}",
        "$1",
        "%s",
        '"',
        "\n",
        " ",
        "ü",
        "Ü",
        "漢",
        "~",
        ",",
        "{,}",
        "--",
        "\u200d",
        "a",
    ]
    exposed = [
        Exposed(unit=name + tail, variant=place % 3, at=START + place % 2 * DAY, plan="pro" if tail else None)
        for place, name in enumerate(odd)
        for tail in ("", "1", "2")
    ]
    did = [Did(unit=one.unit, event="did", at=one.at + timedelta(hours=9), value=1.5) for one in exposed[::2]]
    to, now = await running(database), START + 9 * DAY
    await send(database, to, [*exposed, *did])
    monkeypatch.setattr(aggregates, "LARGE", 0)
    async with database.raw() as connection:
        await connection.execute("DELETE FROM exposures WHERE experiment_id <> $1", to.experiment.id)
        await connection.execute("ANALYZE exposures")
        bounds = await connection.fetch(aggregates.BOUNDS.format(share=100), aggregates.PARTS)
    assert len({row["bound"] for row in bounds}) == aggregates.PARTS - 1
    assert_same(await refresh(database, to, now, everything=True), recompute(exposed, did, now))

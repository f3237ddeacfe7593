"""A KPI's history from raw rows: expected values are plain arithmetic on a few units."""

from datetime import date
from typing import Any

import numpy as np
import pytest

from api.database import Database
from kpi.enums import Granularity, Unit
from kpi.history.entry import Entry
from kpi.history.periods import DAY
from kpi.history.sums import Level, Sums
from kpi.history.values import asked, read, series, state_of
from kpi.kinds import Activation, Mean, Quantile, Ratio, Retention, TimeToValue, Total
from kpi.kinds.mean import Of
from kpi.kinds.terms import Amount, How, Measured, Term
from kpi.tables import Definition, Workspace
from stats.moments import Moments
from stats.survival import rmst
from stats.survival.counts import life_table
from tests.conftest import Ask
from tests.kpi.history.rows import NOW, cohorts, derive, describe, join, kept, send

SIGNED_UP = Entry(event="signed_up")


@pytest.fixture
async def rows(database: Database, workspace: Workspace) -> None:
    """Four users of two weeks: two activated within a week, one too late, one never."""
    await send(
        database,
        workspace,
        [
            ("ann", "signed_up", "2026-05-04T08:00:00Z", None),
            ("ann", "activated", "2026-05-05T07:00:00Z", None),
            ("ann", "paid", "2026-05-06T07:00:00Z", 20),
            ("ann", "signed_up", "2026-05-20T08:00:00Z", None),
            ("ben", "signed_up", "2026-05-05T08:00:00Z", None),
            ("ben", "activated", "2026-05-08T08:00:00Z", None),
            ("cat", "activated", "2026-05-01T08:00:00Z", None),
            ("cat", "signed_up", "2026-05-06T08:00:00Z", None),
            ("cat", "activated", "2026-05-13T08:00:00Z", None),
            ("dan", "signed_up", "2026-05-11T08:00:00Z", None),
            ("dan", "paid", "2026-05-12T07:00:00Z", 40),
            ("dan", "paid", "2026-05-13T07:00:00Z", 5),
        ],
    )


@pytest.mark.usefixtures("rows")
async def test_values_of_a_share_by_week_are_those_of_the_units_that_entered_in_it(
    database: Database, workspace: Workspace
) -> None:
    definition = await kept(database, workspace, Activation(event="activated", window_days=7), SIGNED_UP)
    await derive(database, definition)
    found = series(await cohorts(database, definition), segment="", granularity=Granularity.WEEK)
    assert found.start_on == [date(2026, 5, 4), date(2026, 5, 11)]
    assert found.n == [3, 1]
    assert found.value == [pytest.approx(2 / 3), 0]
    assert found.is_final == [True, True]


@pytest.mark.usefixtures("rows")
async def test_values_of_an_amount_are_its_mean_and_the_error_of_the_mean(
    database: Database, workspace: Workspace
) -> None:
    definition = await kept(database, workspace, Mean(event="paid", window_days=7), SIGNED_UP)
    await derive(database, definition)
    found = series(await cohorts(database, definition), segment="", granularity=Granularity.MONTH)
    paid = np.array([20, 0, 0, 45])
    assert found.value == [pytest.approx(paid.mean())]
    assert found.standard_error == [pytest.approx(paid.std(ddof=1) / 2)]


@pytest.mark.usefixtures("rows")
async def test_values_of_a_time_to_value_keep_those_who_have_not_got_there(
    database: Database, workspace: Workspace
) -> None:
    definition = await kept(database, workspace, TimeToValue(event="activated", tau_days=10), SIGNED_UP)
    await derive(database, definition)
    found = series(await cohorts(database, definition), segment="", granularity=Granularity.QUARTER)
    # Days are counted whole: a unit that gets there on its day 0 took one day; who never does, ten.
    assert found.value == [pytest.approx((1 + 4 + 8 + 10) / 4)]


@pytest.mark.usefixtures("rows")
async def test_values_of_windows_that_are_open_are_not_there_yet(database: Database, workspace: Workspace) -> None:
    definition = await kept(database, workspace, Activation(event="activated", window_days=7), SIGNED_UP)
    await derive(database, definition, date(2026, 5, 13))
    found = series(await cohorts(database, definition), segment="", granularity=Granularity.WEEK)
    assert (found.n, found.value) == ([2, 0], [1, None])
    assert found.is_final == [False, False]
    await derive(database, definition, date(2026, 5, 14))
    found = series(await cohorts(database, definition), segment="", granularity=Granularity.WEEK)
    assert (found.n, found.value) == ([3, 0], [pytest.approx(2 / 3), None])


async def test_values_measured_every_month_are_of_the_window_up_to_its_end(
    database: Database, workspace: Workspace
) -> None:
    await send(
        database,
        workspace,
        [
            ("ann", "visited", "2026-04-30T23:00:00Z", None),
            ("ann", "visited", "2026-05-01T01:00:00Z", None),
            ("ben", "visited", "2026-05-03T01:00:00Z", None),
            ("ben", "visited", "2026-05-04T01:00:00Z", None),
        ],
    )
    month = Entry(every=Granularity.MONTH)
    definition = await kept(database, workspace, Mean(event="visited", window_days=30, of=Of.COUNT), month)
    await derive(database, definition)
    found = series(await cohorts(database, definition), segment="", granularity=Granularity.MONTH)
    # May has 31 days: its window of 30 opens with the second, when ann had gone.
    assert found.start_on == [date(2026, 4, 1), date(2026, 5, 1), date(2026, 6, 1)][: len(found.start_on)]
    assert (found.n[:2], found.value[:2]) == ([1, 1], [1, 2])


async def test_day_more_measures_the_periods_that_end_on_it_and_leaves_those_before_alone(
    database: Database, workspace: Workspace
) -> None:
    definition = await kept(database, workspace, Mean(event="paid", window_days=28), Entry(every=Granularity.WEEK))
    paid = [("ann", "paid", f"2026-05-{day}T08:00:00Z", 10) for day in ("05", "12", "19")]
    await send(database, workspace, paid)
    await derive(database, definition, date(2026, 5, 19))
    async with database.raw() as connection:
        await connection.execute("UPDATE history_moments SET mean = -1 WHERE definition_id = $1", definition.id)
    await derive(database, definition, date(2026, 5, 24))  # a Sunday, which is not over
    assert (await weekly(database, definition)) == {date(2026, 5, 10): -1, date(2026, 5, 17): -1}
    await derive(database, definition, date(2026, 5, 25))
    assert (await weekly(database, definition)) == {
        date(2026, 5, 10): -1, date(2026, 5, 17): -1, date(2026, 5, 24): 30
    }  # fmt: skip
    await send(database, workspace, [("ann", "paid", "2026-05-11T08:00:00Z", 5)])
    await derive(database, definition, date(2026, 5, 25))
    assert (await weekly(database, definition)) == {
        date(2026, 5, 10): -1, date(2026, 5, 17): 25, date(2026, 5, 24): 35
    }  # fmt: skip


async def weekly(database: Database, definition: Definition) -> dict[date, float]:
    """The means that are stored, by the last day of the week."""
    async with database.raw() as connection:
        rows = await connection.fetch(
            "SELECT entered_on, mean FROM history_moments WHERE definition_id = $1", definition.id
        )
    return {row["entered_on"]: row["mean"] for row in rows}


@pytest.mark.parametrize(("days", "expected"), [(10, [3, 4, 1]), (3, [2, 1])])
async def test_windows_of_periods_overlap_or_leave_gaps_and_hold_their_start_but_not_their_end(
    database: Database, workspace: Workspace, days: int, expected: list[int]
) -> None:
    """Of ten days up to the Sundays 10, 17 and 24 May: from the 1st, the 8th and the 15th on; of three, from 8th."""
    moments = ("07T23:59:59.999999", "08T00:00:00", "10T23:59:59.999999", "11T00:00:00", "15T00:00:00")
    await send(database, workspace, [("ann", "visited", f"2026-05-{moment}Z", None) for moment in moments])
    kind = Mean(event="visited", window_days=days, of=Of.COUNT)
    definition = await kept(database, workspace, kind, Entry(every=Granularity.WEEK))
    await derive(database, definition)
    found = await cohorts(database, definition)
    assert found.days == (date(2026, 5, 10), date(2026, 5, 17), date(2026, 5, 24))[: len(expected)]
    assert found.moments is not None
    assert found.moments.mean.tolist() == expected


async def test_values_of_accounts_count_what_their_members_do_while_they_belong(
    database: Database, workspace: Workspace
) -> None:
    await join(
        database,
        workspace,
        [
            ("ann", "acme", "2026-05-01T00:00:00Z"),
            ("ann", "bolt", "2026-05-10T00:00:00Z"),
            ("ben", "bolt", "2026-05-01T00:00:00Z"),
        ],
    )
    await send(
        database,
        workspace,
        [
            ("acme", "signed_up", "2026-05-02T08:00:00Z", None),
            ("ben", "signed_up", "2026-05-03T08:00:00Z", None),
            ("ann", "activated", "2026-05-09T07:00:00Z", None),
            ("ann", "activated", "2026-05-11T07:00:00Z", None),
            ("cyd", "activated", "2026-05-11T07:00:00Z", None),
        ],
    )
    counted = Mean(event="activated", window_days=14, of=Of.COUNT)
    definition = await kept(database, workspace, counted, SIGNED_UP, unit=Unit.ACCOUNT)
    await derive(database, definition)
    found = series(await cohorts(database, definition), segment="", granularity=Granularity.DAY)
    assert (found.start_on, found.value) == ([date(2026, 5, 2), date(2026, 5, 3)], [1, 1])


async def test_error_of_users_that_go_by_account_is_that_of_the_accounts(
    database: Database, workspace: Workspace
) -> None:
    users = {"a": [1, 1, 1], "b": [0, 0], "c": [1, 0, 0, 0]}
    members = [(f"{account}{place}", account) for account, did in users.items() for place, _ in enumerate(did)]
    await join(database, workspace, [(unit, account, "2026-05-01T00:00:00Z") for unit, account in members])
    await send(database, workspace, [(unit, "signed_up", "2026-05-04T08:00:00Z", None) for unit, _ in members])
    acted = [f"{account}{place}" for account, did in users.items() for place, one in enumerate(did) if one]
    await send(database, workspace, [(unit, "activated", "2026-05-05T08:00:00Z", None) for unit in acted])
    entry = Entry(event="signed_up", is_clustered=True)
    definition = await kept(database, workspace, Activation(event="activated", window_days=7), entry)
    await derive(database, definition)
    level = (await cohorts(database, definition)).level()
    sizes, sums = np.array([3, 2, 4]), np.array([3, 0, 1])
    share = sums.sum() / sizes.sum()
    # Liang & Zeger (1986) with G / (G - 1).
    variance = 3 / 2 * ((sums - share * sizes) ** 2).sum() / sizes.sum() ** 2
    assert level.value == pytest.approx(share)
    assert level.standard_error == pytest.approx(variance**0.5)


@pytest.mark.usefixtures("rows")
async def test_curve_of_a_retention_is_counted_by_day(database: Database, workspace: Workspace) -> None:
    kind = Retention(event="activated", day=7, has_curve=True)
    definition = await kept(database, workspace, kind, SIGNED_UP)
    await derive(database, definition)
    found = await cohorts(database, definition)
    assert found.events is not None
    assert {(str(found.days[c]), int(d)) for c, d in np.argwhere(found.events)} == {
        ("2026-05-05", 3),
        ("2026-05-06", 7),
    }


@pytest.mark.usefixtures("rows")
async def test_value_of_a_total_is_the_sum_and_its_error_that_of_a_number_of_units_left_to_chance(
    database: Database, workspace: Workspace
) -> None:
    definition = await kept(database, workspace, Total(event="paid", window_days=7), SIGNED_UP)
    await derive(database, definition)
    level = (await cohorts(database, definition)).level()
    paid = np.array([20, 0, 0, 45])
    # A compound Poisson sum varies as the sum of squares: Daley & Vere-Jones (2003), An Introduction to the Theory of
    # Point Processes I, section 2.
    assert level.value == pytest.approx(65)
    assert level.standard_error == pytest.approx((paid**2).sum() ** 0.5)


async def test_value_of_a_quantile_is_an_ordered_number_of_the_units(database: Database, workspace: Workspace) -> None:
    units = [f"u{place}" for place in range(100)]
    await send(database, workspace, [(unit, "signed_up", "2026-05-04T08:00:00Z", None) for unit in units])
    paid = [(unit, "paid", "2026-05-05T08:00:00Z", place + 1.0) for place, unit in enumerate(units)]
    await send(database, workspace, paid)
    kind = Quantile(event="paid", window_days=7, quantile=0.5)
    definition = await kept(database, workspace, kind, SIGNED_UP)
    await derive(database, definition)
    level = (await cohorts(database, definition)).level()
    # The worked example of `stats.quantiles.ranks`, by the binomial.
    assert (level.n, level.value, level.lower, level.upper) == (100, 50, 40, 61)


async def test_value_of_net_retention_is_a_ratio_of_sums_of_levels(database: Database, workspace: Workspace) -> None:
    await send(
        database,
        workspace,
        [
            ("acme", "mrr", "2025-01-10T00:00:00Z", 100),
            ("bolt", "mrr", "2025-02-10T00:00:00Z", 50),
            ("bolt", "mrr", "2026-02-10T00:00:00Z", 0),
            ("acme", "mrr", "2026-03-10T00:00:00Z", 130),
            ("cosy", "mrr", "2026-03-11T00:00:00Z", 500),
            ("dyne", "mrr", "2025-05-01T00:00:00Z", 70),
        ],
    )
    at_end, at_start = (Amount(event="mrr", of=of) for of in (Measured.LEVEL_AT_END, Measured.LEVEL_AT_START))
    kind = Ratio(
        window_days=365,
        numerator=Term(amount=at_end, how=How.KEPT, other=at_start),
        denominator=Term(amount=at_start),
    )
    definition = await kept(database, workspace, kind, Entry(every=Granularity.QUARTER), unit=Unit.ACCOUNT)
    await derive(database, definition)
    found = series(await cohorts(database, definition), segment="", granularity=Granularity.QUARTER)
    net = dict(zip(found.start_on, found.value, strict=True))
    # At the end of March 2026, of those who paid a year before: acme 100 to 130, bolt 50 to 0.
    assert net[date(2026, 1, 1)] == pytest.approx((130 + 0) / (100 + 50))
    assert net[date(2026, 4, 1)] == pytest.approx((130 + 0 + 70) / (100 + 50 + 70))
    assert net[date(2025, 1, 1)] is None
    measured = dict(zip(found.start_on, found.n, strict=True))
    # A ratio counts the units that stand on either side of its line: of the four, the three that paid a year before.
    assert (measured[date(2026, 4, 1)], measured[date(2025, 1, 1)]) == (3, 0)


async def test_value_among_customers_counts_those_who_did_nothing(database: Database, workspace: Workspace) -> None:
    await send(
        database,
        workspace,
        [
            ("acme", "mrr", "2025-01-10T00:00:00Z", 100),
            ("bolt", "mrr", "2026-02-10T00:00:00Z", 50),
            ("cosy", "mrr", "2026-02-10T00:00:00Z", 50),
            ("cosy", "mrr", "2026-05-20T00:00:00Z", 0),
            ("acme", "ticket", "2026-05-10T00:00:00Z", None),
            ("acme", "ticket", "2026-05-12T00:00:00Z", None),
            ("cosy", "ticket", "2026-05-12T00:00:00Z", None),
            ("dyne", "ticket", "2026-05-12T00:00:00Z", None),
        ],
    )
    kind = Mean(event="ticket", window_days=28, of=Of.COUNT)
    definition = await kept(database, workspace, kind, Entry(every=Granularity.MONTH, among="mrr"), unit=Unit.ACCOUNT)
    await derive(database, definition)
    found = series(await cohorts(database, definition), segment="", granularity=Granularity.MONTH)
    by_month = {day: (n, value) for day, n, value in zip(found.start_on, found.n, found.value, strict=True)}
    assert by_month[date(2026, 5, 1)] == (2, 1)  # acme twice, bolt never; cosy has left, dyne is no customer
    assert by_month[date(2026, 3, 1)] == (3, 0)


async def test_unit_that_enters_again_is_counted_again_and_varies_as_one(
    database: Database, workspace: Workspace
) -> None:
    await send(
        database,
        workspace,
        [
            ("acme", "at_risk", "2026-03-01T00:00:00Z", None),
            ("acme", "saved", "2026-03-09T00:00:00Z", None),
            ("acme", "at_risk", "2026-05-01T00:00:00Z", None),
            ("acme", "saved", "2026-05-09T00:00:00Z", None),
            ("bolt", "at_risk", "2026-05-02T00:00:00Z", None),
            ("cosy", "at_risk", "2026-05-03T00:00:00Z", None),
            ("cosy", "saved", "2026-05-04T00:00:00Z", None),
        ],
    )
    kind = Activation(event="saved", window_days=30)
    entry = Entry(event="at_risk", is_repeated=True)
    definition = await kept(database, workspace, kind, entry, unit=Unit.ACCOUNT)
    await derive(database, definition)
    level = (await cohorts(database, definition)).level()
    # acme saved twice, bolt never, cosy once; what varies are the three accounts: Liang & Zeger (1986), G / (G - 1).
    sizes, sums = np.array([2, 1, 1]), np.array([2, 0, 1])
    variance = 3 / 2 * ((sums - 0.75 * sizes) ** 2).sum() / 16
    assert level.n == 4
    assert level.value == pytest.approx(0.75)
    assert level.standard_error == pytest.approx(variance**0.5)


async def test_segment_is_what_was_known_of_the_unit_when_it_entered(database: Database, workspace: Workspace) -> None:
    await describe(database, workspace, [("ann", "plan", "pro", None), ("ben", "plan", "pro", "2026-05-20T00:00:00Z")])
    await send(database, workspace, [(unit, "signed_up", "2026-05-04T08:00:00Z", None) for unit in ("ann", "ben")])
    await send(database, workspace, [("ann", "activated", "2026-05-04T09:00:00Z", None)])
    kind = Activation(event="activated", window_days=7)
    definition = await kept(database, workspace, kind, SIGNED_UP, segments=["plan"])
    await derive(database, definition)
    found = {name: (await cohorts(database, definition, name)).level() for name in ("", "plan=pro", "plan=(none)")}
    assert {name: (level.n, level.value) for name, level in found.items()} == {
        "": (2, 0.5),
        "plan=pro": (1, 1),
        "plan=(none)": (1, 0),
    }


@pytest.mark.usefixtures("rows")
async def test_api_tells_values_and_how_far_they_reach(database: Database, workspace: Workspace, ask: Ask) -> None:
    definition = await kept(database, workspace, Activation(event="activated", window_days=7), SIGNED_UP)
    await derive(database, definition)
    data = await ask(
        """{ kpi(key: "activation") {
            entry { event every isClustered } segmentNames freshness { lastOn isStale failure }
            values(granularity: WEEK, fromOn: "2026-05-01", toOn: "2026-06-30") { starts n value isFinal }
        } }"""
    )
    kpi = data["kpi"]
    assert kpi["entry"] == {"event": "signed_up", "every": None, "isClustered": False}
    assert kpi["freshness"] == {"lastOn": "2026-06-30", "isStale": False, "failure": None}
    assert kpi["segmentNames"] == [""]
    assert kpi["values"]["starts"] == ["2026-05-04", "2026-05-11"]
    assert kpi["values"]["n"] == [3, 1]


async def test_api_refuses_an_entry_that_no_kpi_can_have(ask: Ask) -> None:
    data = await ask(
        'mutation { kpiRegister(input: {key: "k", name: "K", owner: "Ada", direction: LOWER,'
        ' definition: {timeToValue: {event: "activated", tauDays: 14}}, entry: {every: MONTH},'
        ' segments: ["plan", "plan"]}) { kpi { id } userErrors { path message } } }'
    )
    assert [error["path"] for error in data["kpiRegister"]["userErrors"]] == [["entry", "every"], ["segments"]]


async def test_preview_shows_the_past_by_both_definitions_and_stores_nothing(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    rows = [("ann", "signed_up", "2026-05-04T08:00:00Z", None), ("ben", "signed_up", "2026-05-05T08:00:00Z", None)]
    await send(database, workspace, [*rows, ("ann", "activated", "2026-05-09T08:00:00Z", None)])
    definition = await kept(database, workspace, Activation(event="activated", window_days=7), SIGNED_UP)
    await derive(database, definition)
    sent = """mutation ($id: ID!, $days: Int!) { kpiRedefinePreview(input: {id: $id,
        definition: {activation: {event: "activated", windowDays: $days}}}) {
        before { value n } after { starts value n } userErrors { path } } }"""
    kpi = (await ask('{ kpi(key: "activation") { id } }'))["kpi"]
    found = (await ask(sent, {"id": kpi["id"], "days": 3}, now=NOW))["kpiRedefinePreview"]
    assert found["before"] == {"value": [0.5], "n": [2]}
    assert found["after"] == {"starts": ["2026-05-01"], "value": [0], "n": [2]}
    kept_as_it_was = (await ask('{ kpi(key: "activation") { definitionVersion history { reason } } }'))["kpi"]
    assert kept_as_it_was == {"definitionVersion": 1, "history": []}
    refused = (await ask(sent, {"id": kpi["id"], "days": 0}, now=NOW))["kpiRedefinePreview"]
    assert refused["userErrors"] == [{"path": ["definition", "activation", "windowDays"]}]


@pytest.mark.usefixtures("rows")
async def test_cohorts_that_are_read_together_are_those_of_each_alone(database: Database, workspace: Workspace) -> None:
    kinds = (
        Activation(event="activated", window_days=7, has_curve=True),
        TimeToValue(event="activated", tau_days=10),
        Quantile(event="paid", window_days=7, quantile=0.5),
        Ratio(
            window_days=7,
            numerator=Term(amount=Amount(event="paid", of=Measured.VALUE)),
            denominator=Term(amount=Amount(event="activated", of=Measured.COUNT)),
        ),
    )
    definitions = [
        await kept(database, workspace, kind, SIGNED_UP, key=f"kpi-{place}") for place, kind in enumerate(kinds)
    ]
    for definition in definitions:
        await derive(database, definition)
    async with database.read() as session:
        states = await state_of(session, [definition.id for definition in definitions])
        spans = [(date(2026, 5, 1), date(2026, 5, 31)), (date(2026, 5, 5), date(2026, 5, 6)), (NOW.date(), NOW.date())]
        wanted = [
            one
            for definition in definitions
            for first, last in spans
            if (one := asked(definition, states[definition.id], first=first, last=last)) is not None
        ]
        together = await read(session, wanted)
        alone = [(await read(session, [one]))[one] for one in wanted]
    assert len(wanted) == 12
    assert [together[one].days for one in wanted] == [one.days for one in alone]
    assert [together[one].level() for one in wanted] == [one.level() for one in alone]
    assert {len(one.days) for one in alone} == {4, 2, 0}


def test_levels_of_spans_count_every_cohort_for_as_long_as_it_was_watched() -> None:
    draw = np.random.default_rng(8)
    days = tuple(date(2026, 5, 1) + place * DAY for place in range(12))
    entered = draw.integers(20, 60, 12)
    cells = np.stack([draw.multinomial(n, [0.1] * 10) for n in entered])
    found = Sums(
        kind=TimeToValue(event="activated", tau_days=4),
        through=date(2026, 5, 13),
        days=days,
        entered=entered,
        events=cells[:, :4],
        losses=cells[:, 4:8],
    )
    spans = [slice(0, 5), slice(5, 12), slice(11, 12), slice(3, 3)]
    levels = found.levels(spans)
    for span, level in zip(spans[:2], levels[:2], strict=True):
        ages = found.ages[0, span]
        table = life_table(entered[span], cells[span, :4], cells[span, 4:8], ages)
        mean = rmst.estimate(table, 4)
        assert level.n == entered[span][ages > 0].sum()
        assert level.value == pytest.approx(float(mean.value), rel=1e-12)
        assert level.standard_error == pytest.approx(float(np.sqrt(mean.variance)), rel=1e-12)
    assert levels[2:] == [Level(n=0), Level(n=0)]


def test_level_of_units_that_are_all_alike_has_no_interval_unless_it_is_a_share() -> None:
    known: dict[str, Any] = {"days": (date(2026, 5, 1),), "entered": np.array([7]), "through": date(2026, 6, 1)}
    alike = Moments(n=np.array([7.0]), mean=np.array([1.0]), m2=np.array([0.0]))
    amount = Sums(kind=Mean(event="paid", window_days=7, of=Of.COUNT), moments=alike, **known).level()
    assert amount == Level(n=7, value=1.0, standard_error=0.0)
    share = Sums(kind=Activation(event="activated", window_days=7), moments=alike, **known).level()
    # Wilson's lower limit of 7 of 7: n / (n + z * z), with z = 1.959964
    assert share.lower == pytest.approx(7 / (7 + 1.959964**2), rel=1e-6)

"""Aggregates handed in: what fits, what replaces what, and that results come out as for the rows behind them."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import astuple, replace
from datetime import timedelta
from math import isnan
from typing import Any

import pytest

from api.database import Database, driver
from experiments import exposures, queries
from experiments.aggregation import aggregates, given, slices, warehouse
from experiments.aggregation.covariates import COLUMNS
from experiments.aggregation.floor import GRACE
from experiments.inference import analysis
from experiments.tables import Experiment
from kpi.ingest import Report
from stats.results import Reason
from tests.experiments.aggregating import (
    START,
    VARIANTS,
    Running,
    assert_same,
    choices,
    exposure_row,
    refresh,
    running,
    send,
    tables,
)
from tests.experiments.recomputation import DAY, KPIS, Did, Exposed
from tests.experiments.registering import freeze, plan_choice, register, start
from tests.experiments.test_floor import cleared
from tests.kpi.wire import told

NOW = START + 12 * DAY + timedelta(hours=6)
ON = START.date()
LAST_FINAL = NOW.date() - timedelta(days=1)
PLACE = ("definition_id", "segment", "variant_id", "entered_on")
SHARES = {
    *("act-1", "act-2", "ret-1", "activation", "act-2-score", "ret-1-before"),
    *("act-3-curve", "ret-2-curve", "roll-2-curve"),
}


def row(**more: Any) -> dict[str, Any]:
    """How many entered the control on the first day, with some of it replaced."""
    return {"experiment": "shorter-form", "variant": "control", "enteredOn": ON, "n": 100} | more


async def give(database: Database, to: Running, *rows: dict[str, Any], now: Any = NOW) -> Report:
    async with database.raw() as connection:
        return await warehouse.ingest(connection, workspace_id=to.workspace.id, rows=rows, now=now)


async def words(database: Database, to: Running, *rows: dict[str, Any]) -> list[str]:
    return told(await give(database, to, *rows))


async def exported(database: Database, of: Running, key: str) -> list[dict[str, Any]]:
    """The three tables as a warehouse would have summed them, for an experiment of another key."""
    async with database.raw() as connection:
        found = await aggregates.read(connection, of.experiment.id)
        variants = await given.variant_numbers(connection, [of.experiment.id])
    names = {number: name for name, number in variants[of.experiment.id].items()}
    kpis = {planned.definition.id: planned.kpi for planned in of.plan.kpis}
    adjusting = {tuple(row[name] for name in PLACE): row for row in found.covariates}
    moments = [row | adjusting.get(tuple(row[name] for name in PLACE), {}) for row in found.moments]
    return [_wire(line, names, kpis, key) for line in (*found.durations, *moments, *found.entries)]


def _wire(line: Mapping[str, Any], names: dict[int, str], kpis: dict[int, str], key: str) -> dict[str, Any]:
    names_said = ("n", "mean", "m2", "day", "events", "losses", *COLUMNS)
    said = {name: line[name] for name in names_said if line.get(name) is not None}
    said = {{"mean_x": "meanX", "m2_x": "m2X", "c_xy": "cXy"}.get(name, name): value for name, value in said.items()}
    place = {"experiment": key, "variant": names[line["variant_id"]], "enteredOn": line["entered_on"]}
    place |= {"segment": line["segment"]} if line["segment"] else {}
    if "definition_id" not in line:
        return place | said
    kpi = kpis[line["definition_id"]]
    if kpi in SHARES and "n" in said:
        said |= {"successes": round(said["n"] * said.pop("mean"))}
        del said["m2"]
    return place | said | {"kpi": kpi}


async def twin(database: Database, to: Running, key: str = "twin") -> Running:
    """Another experiment of the same plan."""
    plan = plan_choice(kpis=choices(), segment_attributes=["plan"])
    async with database.write() as session:
        made = await register(session, to.workspace, key=key, variants=VARIANTS, plan=plan)
    return replace(to, experiment=await start(database, made, now=START))


async def evaluated(database: Database, experiment: Experiment) -> analysis.Results:
    async with database.read() as session:
        seen = await analysis.results(session, await driver(session), experiment)
    assert seen is not None
    return seen


async def test_aggregates_of_the_same_units_give_the_findings_that_their_rows_give(database: Database) -> None:
    raw = await running(database)
    given = await twin(database, raw)
    met = [
        Exposed(unit=f"u{n}", variant=n % 3, at=START + n * DAY / 40, plan=("free", "pro")[n % 2]) for n in range(300)
    ]
    did = [Did(unit=f"u{n}", event="did", at=met[n].at + n % 5 * DAY / 2, value=n % 7) for n in range(0, 300, 2)]
    lost = [Did(unit=f"u{n}", event="deleted", at=met[n].at + DAY, value=None) for n in range(0, 300, 9)]
    other = [Did(unit=f"u{n}", event="activated", at=met[n].at + DAY, value=None) for n in range(0, 300, 4)]
    await send(database, raw, [*met, *did, *lost, *other])
    await refresh(database, raw, NOW)
    sent = await exported(database, raw, "twin")
    report = await give(database, given, *sent)
    assert told(report) == ["accepted"] * len(sent)
    await refresh(database, given, NOW)
    ours, theirs = await evaluated(database, raw.experiment), await evaluated(database, given.experiment)
    assert len(ours.evaluation.findings) == 2 * (1 + len(KPIS))
    assert len(ours.evaluation.segment_findings) > len(ours.evaluation.findings)
    for mine, their in (
        (ours.evaluation.findings, theirs.evaluation.findings),
        (ours.evaluation.segment_findings, theirs.evaluation.segment_findings),
    ):
        summed = [(a, b) for a, b in zip(mine, their, strict=True) if a.kpi != "p75-2"]  # no sum says a quantile
        assert [numbers(a) for a, _ in summed] == [pytest.approx(numbers(b), rel=1e-9) for _, b in summed]
        assert {b.reason for b in their if b.kpi == "p75-2"} == {Reason.INSUFFICIENT_DATA}
    assert (ours.exposed, ours.verdict) == (theirs.exposed, theirs.verdict)


def numbers(finding: Any) -> list[float]:
    """Every number of a finding, in order."""
    found: list[float] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list | tuple):
            for one in value:
                walk(one)
        elif isinstance(value, float | int) and not isnan(value):
            found.append(float(value))

    walk(astuple(finding))
    assert len(found) > 10
    return found


async def test_refresh_leaves_given_aggregates_alone_and_reaches_as_far_as_they_were_sent(database: Database) -> None:
    to = await running(database)
    await give(database, to, row(), row(kpi="act-1", successes=40), row(kpi="ttv-3", n=None, day=0, events=7))
    first = await refresh(database, to, NOW)
    assert first.entries == {("", 0, ON): 100}
    assert first.moments == {("act-1", "", 0, ON): (100, 0.4, 24)}  # 100 x 0.4 x 0.6
    assert first.durations == {("ttv-3", "", 0, ON, 0): (7, 0)}
    async with database.raw() as connection:
        for again in (NOW + DAY, NOW + 20 * DAY):
            await aggregates.refresh(
                connection,
                experiment_id=to.experiment.id,
                workspace_id=to.workspace.id,
                plan=to.plan,
                changes=slices.EVERYTHING,
                now=again,
                version="test",
            )
        through = await connection.fetchval(
            "SELECT data_through FROM refreshes WHERE experiment_id = $1", to.experiment.id
        )
        lines = await queries.behind(connection, [], NOW.replace(hour=0) + 20 * DAY)
    assert await tables(database, to) == first
    assert through == NOW
    assert to.experiment.id not in {line["id"] for line in lines}  # nobody sent anything since
    await give(database, to, row(), now=NOW + 2 * DAY)
    assert await refresh(database, to, NOW + 2 * DAY) == first


async def test_row_replaces_its_cell_and_the_same_again_is_a_duplicate(database: Database) -> None:
    to = await running(database)
    rows = [row(kpi="sum-2", mean=2.5, m2=30.0), row(), row(kpi="ttv-3", n=None, day=1, events=3, losses=0)]
    assert await words(database, to, *rows) == ["accepted"] * 3
    assert await words(database, to, *rows, rows[0]) == ["duplicate"] * 4
    changed = [row(n=90), row(kpi="sum-2", n=90, mean=2.0, m2=30.0)]
    assert await words(database, to, *changed) == ["INCONSISTENT", "accepted"]  # entries first, and 100 are counted
    assert await words(database, to, *changed) == ["accepted", "duplicate"]
    found = await refresh(database, to, NOW)
    assert (found.entries, found.moments) == ({("", 0, ON): 90}, {("sum-2", "", 0, ON): (90, 2.0, 30.0)})


ADJUSTED: dict[str, Any] = {"kpi": "sum-2-score", "mean": 1.0, "m2": 4.0, "meanX": -2.0, "m2X": 9.0, "cXy": -6.0}
"""A cell of a KPI with a covariate: the two are as alike as can be, 6^2 = 4 x 9."""
PER = ADJUSTED | {"kpi": "per-2"}
"""Of a ratio: x is what it divides by."""
BAD: list[tuple[str, str, dict[str, Any]]] = [
    ("UNKNOWN_EXPERIMENT", "experiment", {"experiment": "none"}),
    ("UNKNOWN_VARIANT", "variant", {"variant": "none"}),
    ("UNKNOWN_KPI", "kpi", {"kpi": "none", "successes": 1}),
    ("UNKNOWN_SEGMENT", "segment", {"segment": "country=DE"}),
    ("UNKNOWN_SEGMENT", "segment", {"segment": "plan"}),
    ("OUTSIDE_ENROLMENT", "enteredOn", {"enteredOn": ON - DAY}),
    ("NOT_FINAL", "enteredOn", {"enteredOn": NOW.date()}),
    ("NOT_FINAL", "enteredOn", {"enteredOn": LAST_FINAL, "kpi": "act-1", "successes": 1}),
    ("NOT_FINAL", "enteredOn", {"enteredOn": LAST_FINAL, "kpi": "ttv-3", "n": None, "day": 0, "events": 1}),
    ("MALFORMED", "n", {"n": -1}),
    ("MALFORMED", "n", {"n": 2**31}),
    ("MALFORMED", "n", {"n": None}),
    ("MALFORMED", "mean", {"mean": 1.0}),
    ("MALFORMED", "kpi", {"kpi": "p75-2", "mean": 1.0, "m2": 1.0}),
    ("MALFORMED", "successes", {"kpi": "sum-2", "successes": 1}),
    ("MALFORMED", "standardDeviation", {"kpi": "sum-2", "mean": 1.0}),
    ("MALFORMED", "standardDeviation", {"kpi": "sum-2", "mean": 1.0, "m2": 1.0, "standardDeviation": 1.0}),
    ("MALFORMED", "m2", {"kpi": "sum-2", "mean": 1.0, "m2": -1.0}),
    ("NOT_FINITE", "m2", {"kpi": "sum-2", "mean": 1.0, "m2": float("inf")}),
    ("NOT_FINITE", "mean", {"kpi": "sum-2", "mean": float("nan"), "m2": 1.0}),
    ("NOT_FINITE", "mean", {"kpi": "sum-2", "mean": 1e101, "m2": 1.0}),
    ("INCONSISTENT", "m2", {"kpi": "sum-2", "n": 1, "mean": 1.0, "m2": 1.0}),
    ("INCONSISTENT", "successes", {"kpi": "act-1", "successes": 101}),
    ("INCONSISTENT", "mean", {"kpi": "act-1", "mean": 0.333, "m2": 22.2}),
    ("INCONSISTENT", "mean", {"kpi": "act-1", "mean": 1.1, "m2": 0.0}),
    ("INCONSISTENT", "m2", {"kpi": "act-1", "mean": 0.4, "m2": 25.0}),
    ("INCONSISTENT", "n", {"kpi": "act-1", "n": 101, "successes": 1}),
    ("INCONSISTENT", "kpi", {"kpi": "act-1", "successes": 1, "segment": "plan=pro"}),
    ("INCONSISTENT", "events", {"kpi": "ttv-3", "n": None, "day": 1, "events": 51, "losses": 50}),
    ("MALFORMED", "day", {"kpi": "ttv-3", "n": None, "day": 3, "events": 1}),
    ("MALFORMED", "day", {"kpi": "ttv-3", "n": None, "events": 1}),
    ("MALFORMED", "day", {"kpi": "ret-2-curve", "n": None, "day": 0, "events": 1}),
    ("MALFORMED", "day", {"kpi": "ret-2-curve", "n": None, "day": 3, "events": 1}),
    ("MALFORMED", "n", {"kpi": "ret-2-curve", "day": 1, "events": 1}),
    ("MALFORMED", "events", {"kpi": "act-3-curve", "n": None, "day": 1}),
    ("MALFORMED", "losses", {"kpi": "act-3-curve", "n": None, "day": 1, "events": 1, "losses": 1}),
    ("MALFORMED", "day", {"kpi": "act-1", "day": 0, "successes": 1}),
    ("NOT_FINAL", "enteredOn", {"enteredOn": LAST_FINAL, "kpi": "ret-2-curve", "n": None, "day": 1, "events": 1}),
    ("BAD_TEXT", "variant", {"variant": "a\0"}),
    ("MALFORMED", "meanX", {"kpi": "sum-2", "mean": 1.0, "m2": 1.0, "meanX": 1.0}),
    ("MALFORMED", "meanX", {"meanX": 1.0}),
    ("MALFORMED", "meanX", ADJUSTED | {"meanX": None}),
    ("MALFORMED", "standardDeviationX", ADJUSTED | {"m2X": None}),
    ("MALFORMED", "standardDeviationX", ADJUSTED | {"standardDeviationX": 1.0}),
    ("MALFORMED", "cXy", ADJUSTED | {"cXy": None}),
    ("MALFORMED", "m2X", ADJUSTED | {"m2X": -1.0}),
    ("NOT_FINITE", "meanX", ADJUSTED | {"meanX": float("nan")}),
    ("NOT_FINITE", "cXy", ADJUSTED | {"cXy": float("inf")}),
    ("INCONSISTENT", "cXy", ADJUSTED | {"cXy": 6.1}),
    ("MALFORMED", "meanX", PER | {"meanX": None}),
    ("MALFORMED", "cXy", PER | {"cXy": None}),
    ("MALFORMED", "missing", PER | {"missing": 1}),
    ("INCONSISTENT", "cXy", PER | {"cXy": 6.1}),
    ("NOT_FINAL", "enteredOn", PER | {"enteredOn": LAST_FINAL}),
    ("NOT_FINAL", "enteredOn", {"enteredOn": LAST_FINAL, "kpi": "roll-2-curve", "n": None, "day": 1, "events": 1}),
    ("INCONSISTENT", "missing", ADJUSTED | {"missing": 101}),
    ("INCONSISTENT", "m2X", ADJUSTED | {"n": 1, "m2": 0.0}),
]


async def test_row_that_does_not_fit_is_told_why_and_its_neighbours_count(database: Database) -> None:
    to = await running(database)
    report = await give(database, to, *(row(**more) for _, _, more in BAD), row())
    assert report.accepted == (len(BAD),)
    assert [(str(one.code), one.path) for one in report.refusals] == [(code, path) for code, path, _ in BAD]
    assert all(one.message.endswith(".") for one in report.refusals)
    assert (await refresh(database, to, NOW)).moments == {}


async def test_events_of_several_days_together_are_no_more_than_entered(database: Database) -> None:
    to = await running(database)
    day = {"kpi": "ttv-3", "n": None}
    days = [row(**day, day=0, events=60), row(**day, day=1, events=41), row(**day, day=1, events=40)]
    assert await words(database, to, row(), *days) == ["accepted", "accepted", "INCONSISTENT", "accepted"]
    assert await words(database, to, row(**day, day=0, events=61), row(**day, day=0, events=59)) == [
        "INCONSISTENT",
        "accepted",
    ]


async def test_unit_of_a_curve_may_come_back_on_many_days_and_reach_it_on_one(database: Database) -> None:
    to = await running(database)
    back, reached = ({"kpi": kpi, "n": None} for kpi in ("ret-2-curve", "act-3-curve"))
    rows = [row(**back, day=1, events=100), row(**back, day=2, events=100), row(**back, day=2, events=101)]
    assert await words(database, to, row(), *rows) == ["accepted", "accepted", "accepted", "INCONSISTENT"]
    days = [row(**reached, day=0, events=60), row(**reached, day=2, events=41), row(**reached, day=2, events=40)]
    assert await words(database, to, *days) == ["accepted", "INCONSISTENT", "accepted"]
    # All of them have done it by then, which is another count of the same units.
    assert await words(database, to, row(kpi="act-3-curve", successes=100)) == ["accepted"]
    found = await refresh(database, to, NOW)
    assert found.durations == {
        ("act-3-curve", "", 0, ON, 0): (60, 0),
        ("act-3-curve", "", 0, ON, 2): (40, 0),
        ("ret-2-curve", "", 0, ON, 1): (100, 0),
        ("ret-2-curve", "", 0, ON, 2): (100, 0),
    }


async def test_amount_by_its_standard_deviation_is_the_amount_by_its_squared_deviations(database: Database) -> None:
    to = await running(database)
    # 1, 2 and 6: mean 3, sample standard deviation root of (4 + 1 + 9) / 2
    said = row(n=3, kpi="sum-2", mean=3.0, standardDeviation=7**0.5)
    assert await words(database, to, row(n=3), said) == ["accepted"] * 2
    ((n, mean, m2),) = (await refresh(database, to, NOW)).moments.values()
    assert [n, mean, m2] == pytest.approx([3, 3, 14])


async def test_covariate_by_its_standard_deviation_is_the_covariate_by_its_squared_deviations(
    database: Database,
) -> None:
    to = await running(database)
    by_m2, by_deviation = (
        row(**ADJUSTED, missing=3),
        row(**ADJUSTED | {"m2X": None}, standardDeviationX=(9 / 99) ** 0.5),
    )
    assert await words(database, to, row(), by_m2, by_m2) == ["accepted", "accepted", "duplicate"]
    place = ("sum-2-score", "", 0, ON)
    assert (await refresh(database, to, NOW)).moments == {place: (100, 1, 4, -2, 9, -6, 3)}
    assert await words(database, to, by_deviation) == ["accepted"]  # none is missing now
    assert (await refresh(database, to, NOW)).moments == {place: pytest.approx((100, 1, 4, -2, 9, -6, 0))}


async def test_shares_by_mean_and_by_successes_are_one_cell(database: Database) -> None:
    to = await running(database)
    by_mean, by_count = row(kpi="act-1", mean=0.25, m2=18.75), row(kpi="act-1", successes=25)
    assert await words(database, to, row(), by_mean, by_count) == ["accepted", "accepted", "duplicate"]


async def test_segment_beyond_the_twentieth_value_is_rejected_and_the_rest_may_be_summed_up(database: Database) -> None:
    to = await running(database)
    named = [row(segment=f"plan=p{number}") for number in range(20)]
    assert await words(database, to, *named) == ["accepted"] * 20
    assert await words(database, to, row(segment="plan=p20"), row(segment="plan=(other)"), named[3]) == [
        "UNKNOWN_SEGMENT",
        "accepted",
        "duplicate",
    ]


async def test_experiment_takes_rows_or_aggregates_whichever_came_first(database: Database) -> None:
    given, raw = await running(database), await running(database)
    met = Exposed(unit="u1", variant=0, at=START, plan=None)
    assert await words(database, given, row()) == ["accepted"]
    await send(database, raw, [met])
    async with database.raw() as connection:
        rows = [exposure_row(met)]
        report = await exposures.ingest(connection, workspace_id=given.workspace.id, rows=rows, now=NOW)
    for refused in (report, await give(database, raw, row())):
        (one,) = refused.refusals
        assert (one.code, one.path) == ("OTHER_SOURCE", "experiment")


async def test_rows_that_were_all_rejected_decide_nothing(database: Database) -> None:
    to = await running(database)
    assert await words(database, to, row(variant="none")) == ["UNKNOWN_VARIANT"]
    await send(database, to, [Exposed(unit="u1", variant=0, at=START, plan=None)])


async def test_first_rows_and_first_aggregates_at_once_one_of_them_waits_and_is_rejected(database: Database) -> None:
    to = await running(database)
    rows = [exposure_row(Exposed(unit="u1", variant=0, at=START, plan=None))]

    async def late(
        first: Callable[[Any], Awaitable[Report]], second: Callable[[], Coroutine[Any, Any, Report]]
    ) -> Report:
        async with database.raw() as connection:
            await first(connection)
            waiting = asyncio.create_task(second())
            await asyncio.sleep(0.3)
            assert not waiting.done()
        return await waiting

    async def met() -> Report:
        async with database.raw() as connection:
            return await exposures.ingest(connection, workspace_id=to.workspace.id, rows=rows, now=NOW)

    report = await late(
        lambda connection: warehouse.ingest(connection, workspace_id=to.workspace.id, rows=[row()], now=NOW), met
    )
    assert told(report) == ["OTHER_SOURCE"]
    other = await running(database)
    report = await late(
        lambda connection: exposures.ingest(connection, workspace_id=other.workspace.id, rows=rows, now=NOW),
        lambda: give(database, other, row()),
    )
    assert told(report) == ["OTHER_SOURCE"]


async def test_aggregates_of_another_workspace_are_of_no_experiment_here(database: Database) -> None:
    here, there = await running(database), await running(database)
    stranger = replace(here, workspace=there.workspace)
    assert await words(database, stranger, row()) == ["accepted"]
    assert (await tables(database, here)).entries == {}
    assert (await tables(database, there)).entries == {("", 0, ON): 100}


@pytest.mark.parametrize("days", [0, 1, 4, 8])
async def test_stop_in_the_past_closes_enrolment_for_aggregates_as_it_does_for_rows(
    database: Database, days: int
) -> None:
    raw = await running(database)
    given, late = await twin(database, raw), await twin(database, raw, key="late")
    draw = random.Random(days)  # noqa: S311 - a test's rows
    met = [
        Exposed(unit=f"u{n}", variant=n % 3, at=START + draw.random() * 8 * DAY, plan=draw.choice(("free", "pro")))
        for n in range(90)
    ]
    did = [Did(unit=one.unit, event="did", at=one.at + draw.random() * 2 * DAY, value=draw.random()) for one in met]
    await send(database, raw, [*met, *did])
    await refresh(database, raw, NOW)
    cells = {key: await exported(database, raw, key) for key in ("twin", "late")}
    await give(database, given, *cells["twin"])
    await refresh(database, given, NOW)
    for one in (raw, given, late):
        await freeze(database, one.experiment, frozen_at=START + days * DAY)
    report = await give(database, late, *cells["late"])
    assert {(refusal.code, refusal.path) for refusal in report.refusals} <= {("OUTSIDE_ENROLMENT", "enteredOn")}
    expected = replace(await refresh(database, raw, NOW), tallies={}, values={})  # nobody hands them in
    assert sum(expected.entries.values()) == 2 * sum(one.at < START + days * DAY for one in met)
    assert_same(await refresh(database, given, NOW), expected)
    if days:  # else all that came late was refused, so it has not become an experiment of aggregates
        assert_same(await refresh(database, late, NOW), expected)


async def test_stop_within_a_day_keeps_the_cells_of_that_day(database: Database) -> None:
    to = await running(database)
    await give(database, to, *(row(enteredOn=ON + n * DAY) for n in range(4)))
    await refresh(database, to, NOW)
    await freeze(database, to.experiment, frozen_at=START + 1.5 * DAY)
    assert {day for _, _, day in (await refresh(database, to, NOW)).entries} == {ON, ON + DAY}


async def test_aggregates_below_the_floor_are_too_old_and_the_floor_waits_until_they_are_final(
    database: Database,
) -> None:
    to, now = await running(database), START + 40 * DAY
    assert await words(database, to, row(), row(kpi="act-1", successes=40)) == ["accepted"] * 2
    before = await refresh(database, to, NOW)
    first = await cleared(database, to, now)
    assert first == (now - 7 * DAY - GRACE).date()  # the longest window is 7 days, and nobody has sent anything since
    report = await give(database, to, row(), row(n=1), row(enteredOn=first - DAY), row(enteredOn=first), now=now)
    assert told(report) == ["TOO_OLD", "TOO_OLD", "TOO_OLD", "accepted"]
    assert {refusal.path for refusal in report.refusals} == {"enteredOn"}
    assert report.refusals[0].message.startswith(f"enteredOn is before {first}: ")
    assert (await refresh(database, to, now)).entries == {**before.entries, ("", 0, first): 100}
    async with database.raw() as connection:
        refused = await connection.fetchval("SELECT refused_before FROM workspaces WHERE id = $1", to.workspace.id)
    assert refused == first  # it reads no outcomes, so none are too old for it

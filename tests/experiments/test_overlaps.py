"""Units that two experiments share, on real Postgres: who counts, what is stored, and what follows from it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from math import fsum
from typing import Any

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from api.database import Database, driver
from experiments import exposures, queries
from experiments.aggregation import aggregates, forgetting, overlaps
from experiments.aggregation.overlaps import Claim, Overlaps
from experiments.aggregation.slices import EVERYTHING
from experiments.enums import Role
from experiments.inference import analysis
from experiments.inference.health import CheckKind, HealthState
from experiments.inference.interaction import compared
from experiments.life import moves
from experiments.planning import plan as plans
from experiments.planning.draft import KpiChoice
from experiments.tables import Experiment
from kpi import events, kinds, memberships, storage
from kpi.enums import Unit
from kpi.tables import Workspace
from tests.experiments.recomputation import DAY, Did, Exposed, Measured
from tests.experiments.registering import CONTROL, TREATMENT, actor, plan_choice, register, start
from tests.kpi.registering import register_hypothesis, register_kpi

START = datetime.fromisoformat("2026-03-02T00:00:00Z")
BEFORE = START - 9 * DAY
HOUR = timedelta(hours=1)
THIRD = replace(TREATMENT, key="third", name="Third")
KPIS: dict[str, kinds.Kind] = {
    "activation": kinds.Activation(event="did", window_days=2),
    "depth": kinds.Mean(event="did", window_days=3),
    "ttv": kinds.TimeToValue(event="did", tau_days=4),
    "lost": kinds.TimeToValue(event="did", tau_days=4, loss_event="deleted"),
}
Cell = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """An experiment and the one beside it, in a workspace of their own."""

    workspace: Workspace
    own: Experiment
    other: Experiment


async def registered(
    database: Database, workspace: Workspace, unit: Unit = Unit.USER, kpis: Iterable[str] = ("activation",)
) -> None:
    """What experiments in the workspace are on: a hypothesis, and these KPIs."""
    async with database.write() as session:
        for key in kpis:
            await register_kpi(session, workspace, key=key, definition=KPIS[key], baseline=None, unit=unit)
        await register_hypothesis(session, workspace)


async def running(
    database: Database,
    workspace: Workspace,
    key: str,
    kpis: Iterable[str] = ("activation",),
    layer: str | None = None,
    **changes: Any,
) -> Experiment:
    """An experiment that takes units in; half of them where it shares a layer."""
    deciding = [KpiChoice(kpi=kpi, role=Role.PRIMARY, mde_difference=0.1) for kpi in kpis]
    plan = plan_choice(kpis=deciding, layer=layer, traffic=None if layer is None else 0.5)
    async with database.write() as session:
        made = await register(session, workspace, key=key, plan=plan, **changes)
    return await start(database, made, now=BEFORE, started_at=BEFORE)


async def pair(database: Database, workspace: Workspace, unit: Unit = Unit.USER, **changes: Any) -> Pair:
    await registered(database, workspace, unit, KPIS)
    own = await running(database, workspace, "own", KPIS, variants=[CONTROL, TREATMENT, THIRD])
    return Pair(workspace=workspace, own=own, other=await running(database, workspace, "other", **changes))


async def met(database: Database, experiment: Experiment, rows: Sequence[Exposed]) -> None:
    keys = ("control", "treatment", "third")
    wire = [
        {"experiment": experiment.key, "unit": row.unit, "variant": keys[row.variant], "exposedAt": row.at}
        for row in rows
    ]
    async with database.raw() as connection:
        report = await exposures.ingest(
            connection, workspace_id=experiment.workspace_id, rows=wire, now=START + 90 * DAY
        )
    assert report.refusals == ()


async def did(database: Database, workspace: Workspace, rows: Sequence[Did]) -> None:
    wire = [{"unit": row.unit, "event": row.event, "occurredAt": row.at, "value": row.value} for row in rows]
    async with database.raw() as connection:
        report = await events.ingest(connection, workspace_id=workspace.id, rows=wire, now=START + 90 * DAY)
    assert report.refusals == ()


async def refreshed(database: Database, experiment: Experiment, now: datetime) -> None:
    """Its aggregates as of a moment."""
    async with database.raw() as connection:
        await aggregates.refresh(
            connection,
            experiment_id=experiment.id,
            workspace_id=experiment.workspace_id,
            plan=plans.from_document(experiment.plan),
            changes=EVERYTHING,
            now=now,
            version="test",
        )


async def claimed(database: Database, experiment: Experiment) -> Claim:
    """The experiment claimed for us, whatever else is due."""
    statement = """
        INSERT INTO overlap_runs (experiment_id, claimed_at) VALUES ($1, clock_timestamp())
        ON CONFLICT (experiment_id) DO UPDATE SET claimed_at = clock_timestamp() RETURNING claimed_at
    """
    async with database.raw() as connection:
        return Claim(experiment_id=experiment.id, claimed_at=await connection.fetchval(statement, experiment.id))


async def derived(database: Database, experiment: Experiment, now: datetime) -> Overlaps:
    """Refresh it and derive its overlaps."""
    await refreshed(database, experiment, now)
    due = await claimed(database, experiment)
    async with database.raw() as connection:
        assert await overlaps.refresh(connection, due)
    found = await stored(database, experiment, now)
    assert found is not None
    return found


async def stored(database: Database, experiment: Experiment, as_of: datetime) -> Overlaps | None:
    async with database.raw() as connection:
        kpis = compared(plans.from_document(experiment.plan))
        return await overlaps.read(connection, experiment.id, as_of, kpis)


async def results(database: Database, experiment: Experiment, as_of: datetime | None = None) -> analysis.Results:
    async with database.read() as session:
        found = (await queries.experiments_by_id(session, experiment.workspace_id, [experiment.id]))[experiment.id]
        seen = await analysis.results(session, await driver(session), found, as_of)
    assert seen is not None
    return seen


async def places(database: Database, *of: Experiment) -> dict[int, int]:
    """The place of each variant of some experiments, from 0, by its id."""
    async with database.read() as session:
        found = await queries.variants_of(session, [one.id for one in of])
    return {row.id: place for rows in found.values() for place, row in enumerate(rows)}


# --- who counts: the same in plain Python ----------------------------------------------------------------------------


def first(rows: Iterable[Exposed]) -> dict[str, Exposed]:
    """The first exposure of each unit that met one variant only."""
    by_unit = defaultdict(list)
    for row in rows:
        by_unit[row.unit].append(row)
    return {
        unit: min(own, key=lambda row: row.at) for unit, own in by_unit.items() if len({r.variant for r in own}) == 1
    }


def both(own: Iterable[Exposed], other: Iterable[Exposed], through: datetime) -> list[tuple[Exposed, Exposed]]:
    beside = first(other)
    pairs = [(row, beside[row.unit]) for row in first(own).values() if row.unit in beside]
    return [(row, one) for row, one in pairs if row.at < through and one.at < through]


def counted(own: Iterable[Exposed], other: Iterable[Exposed], through: datetime) -> dict[Cell, int]:
    return Counter((row.variant, one.variant) for row, one in both(own, other, through))


def number(kpi: str, unit: Measured) -> float:
    if kpi == "activation":
        return float(bool(unit.within("did", 0, 2)))
    if kpi == "depth":
        return unit.total(3)
    day = unit.first_day("did", 4)
    return 4.0 if day is None else min(day + 1.0, 4.0)


def summed(
    own: Iterable[Exposed], other: Iterable[Exposed], acts: Sequence[Did], through: datetime
) -> dict[Cell, tuple[float, float, float]]:
    """n, mean and M2 by KPI and both variants, of units that are final."""
    values = defaultdict(list)
    for row, one in both(own, other, through):
        unit = Measured(entry=row, did=[act for act in acts if act.unit == row.unit])
        for kpi, days in (("activation", 2), ("depth", 3), ("ttv", 4)):
            final = row.at.replace(hour=0, minute=0) + (1 + days) * DAY
            if final <= through and one.at < row.at + days * DAY:
                values[kpi, row.variant, one.variant].append(number(kpi, unit))
    return {cell: _summary(found) for cell, found in values.items()}


def _summary(values: Sequence[float]) -> tuple[float, float, float]:
    mean = fsum(values) / len(values)
    return len(values), mean, fsum((value - mean) ** 2 for value in values)


def drawn(seed: int, units: int = 240) -> tuple[list[Exposed], list[Exposed], list[Did]]:
    """Units that meet one or both at odd times; some meet two variants of one; what they did before and after."""
    random = np.random.default_rng(seed)

    def at(earliest: int, latest: int) -> datetime:
        return START + int(random.integers(earliest * 24, latest * 24)) * HOUR

    def some(variants: int, earliest: int) -> list[Exposed]:
        rows = [
            Exposed(unit=f"u{n}", variant=int(random.integers(variants)), at=at(earliest, 9), plan=None)
            for n in range(units)
            if random.random() < 0.9
        ]
        again = [row for row in rows if random.random() < 0.2]
        return [*rows, *(replace(row, variant=int(random.integers(variants)), at=at(earliest, 9)) for row in again)]

    acts = [
        Did(unit=f"u{random.integers(units)}", event="did", at=at(-3, 12) + n * HOUR / 1_000, value=float(n % 7))
        for n in range(3 * units)
    ]
    return some(3, 0), some(2, -8), acts


async def assert_says(
    database: Database, of: Pair, found: Overlaps | None, rows: tuple[list[Exposed], list[Exposed], list[Did]], at: date
) -> None:
    through = START + (at - START.date())
    place = await places(database, of.own, of.other)
    kpi = {planned.definition.id: planned.kpi for planned in plans.from_document(of.own.plan).kpis}
    assert found is not None
    assert {other for other, *_ in found.counts} <= {of.other.id}
    assert {(place[v], place[w]): n for (_, v, w), n in found.counts.items()} == counted(rows[0], rows[1], through)
    expected = summed(*rows, through)
    assert {(kpi[d], place[v], place[w]): cell for (_, d, v, w), cell in found.moments.items()} == {
        cell: pytest.approx(sums, rel=1e-9, abs=1e-9) for cell, sums in expected.items()
    }


@pytest.mark.parametrize("seed", [1, 2])
async def test_overlaps_are_what_the_rows_say_in_plain_python_and_any_past_day_is_a_prefix(
    database: Database, workspace: Workspace, seed: int
) -> None:
    of, rows = await pair(database, workspace), drawn(seed)
    await met(database, of.own, rows[0])
    await met(database, of.other, rows[1])
    await did(database, workspace, rows[2])
    now = START + 13 * DAY + 5 * HOUR
    await assert_says(database, of, await derived(database, of.own, now), rows, now.date())
    for days in (2, 5, 9):
        past = START + days * DAY + HOUR
        await assert_says(database, of, await stored(database, of.own, past), rows, past.date())


async def test_overlaps_are_derived_anew_from_rows_that_came_late_and_twice_the_same(
    database: Database, workspace: Workspace
) -> None:
    of, rows = await pair(database, workspace), drawn(3, units=60)
    await met(database, of.own, rows[0])
    early = await derived(database, of.own, START + 6 * DAY)
    assert (early.counts, early.moments) == ({}, {})
    await met(database, of.other, rows[1])
    await did(database, workspace, rows[2])
    for _ in range(2):
        now = START + 11 * DAY
        await assert_says(database, of, await derived(database, of.own, now), rows, now.date())


async def test_overlaps_of_accounts_count_what_their_members_do(database: Database, workspace: Workspace) -> None:
    of = await pair(database, workspace, Unit.ACCOUNT)
    own = [Exposed(unit=f"a{n}", variant=n % 2, at=START + n * HOUR, plan=None) for n in range(8)]
    other = [Exposed(unit=f"a{n}", variant=n // 2 % 2, at=START - DAY, plan=None) for n in range(7)]
    acts = [Did(unit=f"m{n}", event="did", at=START + DAY + n * HOUR, value=1.0 + n) for n in (0, 3, 4, 7)]
    wire = [{"member": f"m{n}", "account": f"a{n}", "sinceAt": START} for n in range(8)]
    async with database.raw() as connection:
        report = await memberships.ingest(connection, workspace_id=workspace.id, rows=wire, now=START + 90 * DAY)
    assert report.refusals == ()
    await met(database, of.own, own)
    await met(database, of.other, other)
    await did(database, workspace, acts)
    credited = [replace(act, unit=act.unit.replace("m", "a")) for act in acts]
    now = START + 10 * DAY
    await assert_says(database, of, await derived(database, of.own, now), (own, other, credited), now.date())


# --- which experiments -----------------------------------------------------------------------------------------------


async def test_only_experiments_that_measure_at_the_same_time_without_a_common_layer_are_looked_at(
    database: Database, workspace: Workspace
) -> None:
    await registered(database, workspace)
    own = await running(database, workspace, "own", layer="onboarding")
    beside = await running(database, workspace, "elsewhere", layer="pricing")
    free = await running(database, workspace, "free")
    await running(database, workspace, "same-layer", layer="onboarding")
    over = await running(database, workspace, "over-before")
    units = [Exposed(unit=f"u{n}", variant=0, at=START, plan=None) for n in range(3)]
    for key in ("elsewhere", "free", "same-layer", "over-before", "own"):
        async with database.read() as session:
            found = await queries.experiment_by_key(session, workspace.id, key)
        assert found is not None
        await met(database, found, units)
    async with database.raw() as connection:  # as if it had ended before this one began
        statement = "UPDATE experiments SET state = 'STOPPED', frozen_at = $2, stopped_at = $2 WHERE id = $1"
        await connection.execute(statement, over.id, BEFORE + HOUR)
        await connection.execute("UPDATE experiments SET started_at = $2 WHERE id = $1", own.id, BEFORE + HOUR)
    found_beside = await derived(database, own, START + 5 * DAY)
    assert {other for other, *_ in found_beside.counts} == {beside.id, free.id}


async def test_experiments_on_other_kinds_of_units_and_given_aggregates_are_not_looked_at(
    database: Database, workspace: Workspace
) -> None:
    of = await pair(database, workspace)
    units = [Exposed(unit=f"u{n}", variant=0, at=START, plan=None) for n in range(3)]
    for one in (of.own, of.other):
        await met(database, one, units)
    assert (await derived(database, of.own, START + 5 * DAY)).counts
    for unit, given_at in (("ACCOUNT", None), ("USER", START)):
        async with database.raw() as connection:
            change = "UPDATE experiments SET unit = $2, given_at = $3 WHERE id = $1"
            await connection.execute(change, of.other.id, unit, given_at)
        assert (await derived(database, of.own, START + 5 * DAY)).counts == {}


async def test_units_of_another_workspace_with_the_same_names_are_not_shared(
    database: Database, workspace: Workspace
) -> None:
    of = await pair(database, workspace)
    async with database.write() as session:
        foreign = Workspace(key=f"{workspace.key}-foreign", name="foreign", created_at=START)
        session.add(foreign)
    await registered(database, foreign)
    theirs = await running(database, foreign, "theirs")
    units = [Exposed(unit=f"u{n}", variant=n % 2, at=START, plan=None) for n in range(6)]
    for one, some in ((of.own, units), (of.other, units[:2]), (theirs, units)):
        await met(database, one, some)
    found = await derived(database, of.own, START + 5 * DAY)
    assert sum(found.counts.values()) == 2
    assert (await derived(database, theirs, START + 5 * DAY)).counts == {}


async def test_of_many_experiments_those_with_most_units_in_common_are_compared(
    database: Database, workspace: Workspace
) -> None:
    await registered(database, workspace)
    own = await running(database, workspace, "own")
    units = [Exposed(unit=f"u{n}", variant=n % 2, at=START, plan=None) for n in range(14)]
    await met(database, own, units)
    others = [await running(database, workspace, f"beside-{n}") for n in range(12)]
    for n, other in enumerate(others):
        await met(database, other, units[: n + 1])
    found = await derived(database, own, START + 5 * DAY)
    assert {other for other, *_ in found.counts} == {one.id for one in others[2:]}
    assert {other for other, *_ in found.moments} == {one.id for one in others[2:]}
    assert [one.units for one in (await results(database, own)).interactions] == list(range(12, 2, -1))


# --- what follows ----------------------------------------------------------------------------------------------------


async def trial(database: Database, workspace: Workspace, *, planted: float, follows: float = 0.0) -> Pair:
    """1,600 units in both experiments; `follows` of them take the variant of the first in the second, too."""
    await registered(database, workspace)
    own, other = [await running(database, workspace, key) for key in ("own", "other")]
    random = np.random.default_rng(8)
    a, b = random.integers(0, 2, (2, 1_600))
    b = np.where(random.random(1_600) < follows, a, b)
    acted = random.random(1_600) < 0.3 + 0.1 * a + planted * a * b
    for one, variants in ((own, a), (other, b)):
        rows = [
            Exposed(unit=f"u{n}", variant=int(v), at=START + n * HOUR / 40, plan=None) for n, v in enumerate(variants)
        ]
        await met(database, one, rows)
    acts = [
        Did(unit=f"u{n}", event="did", at=START + n * HOUR / 40 + DAY, value=1.0)
        for n in np.flatnonzero(acted).tolist()
    ]
    await did(database, workspace, acts)
    design = np.column_stack([np.ones(1_600), a, b, a * b])
    fitted = OLS(acted.astype(float), design).fit(cov_type="HC2")
    await derived(database, own, START + 6 * DAY)
    (found,) = (await results(database, own)).interactions
    (contrast,) = found.contrasts
    assert (found.other_id, found.other, found.units, contrast.units) == (other.id, "other", 1_600, 1_600)
    assert contrast.difference == pytest.approx(fitted.params[3])
    assert (contrast.with_control, contrast.with_variant) == pytest.approx(
        (fitted.params[1], fitted.params[1] + fitted.params[3])
    )
    return Pair(workspace=workspace, own=own, other=other)


async def states(database: Database, of: Experiment) -> dict[CheckKind, HealthState]:
    found = await results(database, of)
    kinds_of = (CheckKind.INTERACTION, CheckKind.SHARED_SPLIT)
    return {check.kind: check.state for check in found.health.checks if check.kind in kinds_of}


async def test_planted_interaction_is_suspected_and_decides_nothing(database: Database, workspace: Workspace) -> None:
    of = await trial(database, workspace, planted=0.3)
    assert (await results(database, of.own)).interactions[0].contrasts[0].is_suspect
    assert await states(database, of.own) == {
        CheckKind.INTERACTION: HealthState.WARNING,
        CheckKind.SHARED_SPLIT: HealthState.OK,
    }
    assert (await results(database, of.own)).health.state is HealthState.WARNING


async def test_effects_that_add_up_are_not_suspected(database: Database, workspace: Workspace) -> None:
    of = await trial(database, workspace, planted=0.0)
    assert set((await states(database, of.own)).values()) == {HealthState.OK}


async def test_assignments_that_follow_each_other_are_reported(database: Database, workspace: Workspace) -> None:
    of = await trial(database, workspace, planted=0.0, follows=0.2)
    assert (await results(database, of.own)).interactions[0].is_split_broken
    assert (await states(database, of.own))[CheckKind.SHARED_SPLIT] is HealthState.WARNING


async def test_results_of_a_past_moment_are_those_of_that_moment(database: Database, workspace: Workspace) -> None:
    of, rows = await pair(database, workspace), drawn(4)
    await met(database, of.own, rows[0])
    await met(database, of.other, rows[1])
    await did(database, workspace, rows[2])
    past = START + 6 * DAY + HOUR
    await derived(database, of.own, past)
    (then,) = (await results(database, of.own)).interactions
    await derived(database, of.own, START + 12 * DAY)
    ((again,), (now,)) = [(await results(database, of.own, at)).interactions for at in (past, None)]
    assert [contrast.units for contrast in again.contrasts] == [contrast.units for contrast in then.contrasts]
    assert (again.units, then.data_through) == (then.units, START + 6 * DAY)
    assert now.units > then.units


# --- what is kept, and what is forgotten -----------------------------------------------------------------------------


async def forgotten(database: Database, of: Pair, unit: str) -> None:
    async with database.raw() as connection:
        await forgetting.forget(connection, workspace_id=of.workspace.id, unit=unit, now=START + 80 * DAY)


async def test_forgotten_unit_is_in_nothing_that_is_shown(database: Database, workspace: Workspace) -> None:
    of, rows = await pair(database, workspace), drawn(5, units=60)
    await met(database, of.own, rows[0])
    await met(database, of.other, rows[1])
    await did(database, workspace, rows[2])
    now = START + 12 * DAY
    await derived(database, of.own, now)
    unit = both(rows[0], rows[1], now)[0][0].unit
    await forgotten(database, of, unit)
    assert await stored(database, of.own, now) is None
    assert (await results(database, of.own)).interactions == ()
    left = tuple([row for row in some if row.unit != unit] for some in rows)
    await assert_says(database, of, await derived(database, of.own, now), left, now.date())  # type: ignore[arg-type]  # a tuple of three


async def test_unit_that_is_forgotten_while_overlaps_are_derived_is_not_stored(
    database: Database, workspace: Workspace
) -> None:
    of, rows = await pair(database, workspace), drawn(6, units=30)
    await met(database, of.own, rows[0])
    await met(database, of.other, rows[1])
    await refreshed(database, of.own, START + 12 * DAY)
    due = await claimed(database, of.own)
    await forgotten(database, of, both(rows[0], rows[1], START + 12 * DAY)[0][0].unit)
    async with database.raw() as connection:
        assert not await overlaps.refresh(connection, due)
    async with database.raw() as connection:
        assert await connection.fetchval("SELECT count(*) FROM overlap_counts WHERE experiment_id = $1", of.own.id) == 0


async def below_floor(database: Database, of: Pair, days: int) -> datetime:
    """Raise the floor to a day, and drop the outcomes below."""
    floor = START + days * DAY
    dropped = "DELETE FROM outcomes WHERE workspace_id = $1 AND occurred_at < $2"
    async with database.raw() as connection:
        await storage.raise_floor(connection, of.workspace.id, floor.date(), floor.date())
        await connection.execute(dropped, of.workspace.id, floor)
    return floor


async def test_days_below_the_floor_stay_as_they_were_stored(database: Database, workspace: Workspace) -> None:
    of, rows = await pair(database, workspace), drawn(7, units=120)
    await met(database, of.own, rows[0])
    await met(database, of.other, rows[1])
    await did(database, workspace, rows[2])
    now = START + 13 * DAY
    before = await derived(database, of.own, now)
    await below_floor(database, of, 4)
    after = await derived(database, of.own, now)
    assert (after.counts, after.moments.keys()) == (before.counts, before.moments.keys())
    assert [list(cell) for cell in after.moments.values()] == [
        pytest.approx(list(before.moments[place])) for place in after.moments
    ]


async def test_days_below_the_floor_stay_when_the_exposures_are_gone_as_well(
    database: Database, workspace: Workspace
) -> None:
    of, rows = await pair(database, workspace), drawn(10, units=120)
    await met(database, of.own, rows[0])
    await met(database, of.other, rows[1])
    await did(database, workspace, rows[2])
    now = START + 16 * DAY
    before = await derived(database, of.own, now)
    await below_floor(database, of, 12)
    async with database.raw() as connection:
        await connection.execute("DELETE FROM exposures WHERE experiment_id = $1", of.own.id)
    after = await derived(database, of.own, now)
    assert before.counts
    assert (after.counts, after.moments) == (before.counts, before.moments)


async def test_stopped_experiment_counts_nothing_that_is_final_only_later(
    database: Database, workspace: Workspace
) -> None:
    of, rows = await pair(database, workspace), drawn(9, units=60)
    await met(database, of.own, rows[0])
    await met(database, of.other, rows[1])
    await did(database, workspace, rows[2])
    async with database.write() as session:
        stop = START + 10 * DAY
        await moves.stop(session, actor=actor(of.own, START + 20 * DAY), experiment_id=of.own.id, stopped_at=stop)
    await assert_says(database, of, await derived(database, of.own, START + 15 * DAY), rows, stop.date())

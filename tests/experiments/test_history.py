"""What an experiment has seen, read once from Postgres: the control's units, on their days, with their final values."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from api.database import Database, driver
from experiments import exposures, queries
from experiments.aggregation import aggregates
from experiments.aggregation.slices import EVERYTHING
from experiments.enums import Policy, Role
from experiments.inference.cohorts import EVERYBODY, decode
from experiments.planning import history
from experiments.planning import plan as plans
from experiments.planning.draft import KpiChoice
from experiments.planning.history import Past, Trial
from experiments.planning.rehearsal import Missing, Scene, scenes
from experiments.tables import Experiment
from kpi import events
from kpi.kinds import Mean, TimeToValue
from kpi.kinds.mean import Of
from kpi.tables import Workspace
from stats.arrays import Array
from stats.calibration.splits import SplitTimes, SplitValues
from stats.sequential.staggered import tables_by_day
from stats.survival import rmst
from tests.experiments.registering import CONTROL, PRIMARY, TREATMENT, draft, freeze, plan_choice, start
from tests.kpi.registering import register_kpi

BEGAN = datetime(2026, 3, 2, tzinfo=UTC)
FIRST_DAY, ENTRY_DAYS, DAILY = 1, 12, 40
NOW = BEGAN + timedelta(days=19, hours=5)
VARIANTS = [CONTROL, replace(TREATMENT, weight=0.5)]
KINDS = {
    "spent": Mean(event="paid", window_days=2, cap=30.0),
    "visits": Mean(event="paid", window_days=2, of=Of.COUNT),
    "first-value": TimeToValue(event="activated", tau_days=4),
}
SPLITS = 1_000


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A unit, the day it entered and what it paid, each payment a day of its own."""

    name: str
    variant: str
    entered_at: datetime
    paid: list[float]
    activated_after: float | None


def company(seed: int = 12) -> list[Unit]:
    """Units of both variants; how often they activate differs from day to day."""
    draw = np.random.default_rng(seed)
    units = []
    for number in range(DAILY * ENTRY_DAYS):
        day = FIRST_DAY + number // DAILY
        does = draw.random() < (0.15 if day % 2 else 0.6)
        units.append(
            Unit(
                name=f"u{number}",
                variant="control" if number % 4 else "treatment",
                entered_at=BEGAN + timedelta(days=day, seconds=int(draw.integers(86_000))),
                paid=draw.lognormal(2, 1, draw.integers(0, 3)).round(2).tolist(),
                activated_after=float(draw.uniform(0, 10)) if does else None,
            )
        )
    return units


def outcomes(unit: Unit) -> list[dict[str, Any]]:
    did = [("paid", 0.4 + place, value) for place, value in enumerate(unit.paid)]
    if unit.activated_after is not None:
        did.append(("activated", unit.activated_after, 0.0))
    return [
        {
            "unit": unit.name,
            "event": event,
            "occurredAt": (unit.entered_at + timedelta(days=after)).isoformat(),
            "value": value,
        }
        for event, after, value in did
    ]


async def ingested(database: Database, workspace: Workspace, units: list[Unit]) -> None:
    exposed = [
        {
            "experiment": "shorter-form",
            "unit": unit.name,
            "variant": unit.variant,
            "exposedAt": unit.entered_at.isoformat(),
        }
        for unit in units
    ]
    did = [row for unit in units for row in outcomes(unit)]
    async with database.raw() as connection:
        for ingest, rows in ((exposures.ingest, exposed), (events.ingest, did)):
            for place in range(0, len(rows), 500):
                batch = rows[place : place + 500]
                report = await ingest(connection, workspace_id=workspace.id, rows=batch, now=NOW + timedelta(days=9))
                assert report.refusals == ()


async def refreshed(database: Database, experiment: Experiment, now: datetime = NOW) -> None:
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


async def made(database: Database, workspace: Workspace) -> Experiment:
    """A started experiment with a KPI of every kind."""
    async with database.write() as session:
        for key, kind in KINDS.items():
            await register_kpi(session, workspace, key=key, definition=kind, baseline=None)
    choices = [PRIMARY, *(KpiChoice(kpi=key, role=Role.SECONDARY) for key in KINDS)]
    plan = plan_choice(kpis=choices, policy=Policy.GROUP_SEQUENTIAL)
    return await start(database, await draft(database, workspace, variants=VARIANTS, plan=plan), now=BEGAN)


@pytest_asyncio.fixture
async def experiment(database: Database, workspace: Workspace) -> Experiment:
    """An experiment that twelve days of units have entered, refreshed a week later."""
    found = await made(database, workspace)
    await ingested(database, workspace, company())
    await refreshed(database, found)
    return found


async def read(database: Database, experiment: Experiment, most: int = 200_000) -> tuple[Past, dict[str, Trial]]:
    async with database.read() as session:
        past = await history.past(session, await driver(session), experiment)
    async with database.raw() as connection:
        found = await history.trials(connection, past, most=most)
    return past, {trial.kpi: trial for trial in found if isinstance(trial, Trial)}


def day_of(unit: Unit) -> date:
    return unit.entered_at.date()


def controls() -> list[Unit]:
    return [unit for unit in company() if unit.variant == "control"]


async def test_amounts_are_those_of_the_control_by_day_and_value(database: Database, experiment: Experiment) -> None:
    _, trials = await read(database, experiment)
    worth: dict[str, Callable[[Unit], float]] = {
        "spent": lambda unit: min(round(sum(unit.paid), 2), 30.0),
        "visits": lambda unit: float(len(unit.paid)),
    }
    for kpi, value in worth.items():
        split = trials[kpi].split
        assert isinstance(split, SplitValues)
        expected = Counter(((day_of(unit) - BEGAN.date()).days + 3, round(value(unit), 6)) for unit in controls())
        cells = zip(split.final_on.tolist(), split.values.round(6).tolist(), split.counts.tolist(), strict=True)
        assert {(day, value): count for day, value, count in cells} == expected
        assert trials[kpi].units == len(controls())


async def test_cap_takes_the_first_entry_days_whose_units_are_no_more_than_it(
    database: Database, experiment: Experiment
) -> None:
    _, trials = await read(database, experiment, most=100)
    split = trials["visits"].split
    assert isinstance(split, SplitValues)
    by_day = Counter((day_of(unit) - BEGAN.date()).days + 3 for unit in controls())
    whole = [day for day in sorted(by_day) if sum(n for other, n in by_day.items() if other <= day) <= 100]
    assert len(whole) < len(by_day)
    assert {day: int(split.counts[split.final_on == day].sum()) for day in by_day} == {
        day: by_day[day] if day in whole else 0 for day in by_day
    }


async def test_arms_together_are_what_the_service_reads_of_the_control_on_every_day(
    database: Database, experiment: Experiment
) -> None:
    past, trials = await read(database, experiment)
    assert past.aggregates is not None
    snapshots = past.aggregates.snapshots(7)
    ages = past.aggregates.ages(snapshots)
    assert list(trials) == ["activation", *KINDS]
    for planned in past.plan.kpis:
        split = trials[planned.kpi].split
        served = decode(planned).read(past.aggregates.cohorts(planned.definition.id, EVERYBODY), ages)
        places = [snapshots.index(BEGAN.date() + timedelta(days=day)) for day in split.days.tolist()]
        n, value = whole(split)
        np.testing.assert_allclose(n, np.broadcast_to(served.n[0, places], n.shape))
        np.testing.assert_allclose(value, np.broadcast_to(served.value[0, places], n.shape), rtol=1e-9)


def whole(split: SplitValues | SplitTimes) -> tuple[Array, Array]:
    """Units and their value of both arms of three splits, on each day looked at."""
    draw = np.random.default_rng(13)
    if isinstance(split, SplitValues):
        control, treatment = split.arms(draw, 3)
        both = (control + treatment).cumulative()
        return both.n, both.mean
    arms = split.arms(draw, 3)
    together = replace(
        arms[0], **{name: sum(getattr(arm, name) for arm in arms) for name in ("entered", "events", "losses")}
    )
    days = split.days - split.first - 1
    table = tables_by_day(together, int(days[-1]))
    at = np.minimum(days, together.entered.shape[-1]) - 1
    return np.cumsum(together.entered, axis=-1)[..., at], rmst.estimate(table, split.tau).value[..., days - 1]


async def test_splits_find_nothing_but_chance_though_days_differ(database: Database, experiment: Experiment) -> None:
    _, trials = await read(database, experiment)
    shares = trials["activation"]
    assert (shares.own, shares.plan.alpha) == ("Group sequential", 0.05)
    assert shares.split.share == pytest.approx(1 / 3)
    for kpi, trial in trials.items():
        found = {row.family: row for row in trial.replayed(np.random.default_rng(14), replicates=SPLITS)}
        assert list(found) == ["Fixed", "Group sequential", "Always valid", "Peeking"], kpi
        assert [row.family for row in found.values() if row.is_broken] == [], kpi
        assert found["Fixed"].false_positives.value > 0.025, kpi
        assert found["Peeking"].false_positives.value > 1.5 * 0.05, kpi


async def test_units_enter_by_whole_day_since_the_start(database: Database, experiment: Experiment) -> None:
    past, _ = await read(database, experiment)
    assert past.entered is not None
    assert past.entered.tolist() == [0, *[DAILY] * ENTRY_DAYS, *[0] * (19 - 1 - ENTRY_DAYS)]
    (of, *_) = scenes(past.plan, past.entered)
    assert isinstance(of, Scene)
    rate = DAILY * ENTRY_DAYS / 19
    assert of.world.n.sum() == pytest.approx(DAILY * ENTRY_DAYS + rate * (28 - 19), abs=2)


async def test_frozen_experiment_expects_no_more_units(database: Database, experiment: Experiment) -> None:
    stopped = await freeze(database, experiment, now=NOW)
    past, _ = await read(database, stopped)
    (of, *_) = scenes(past.plan, past.entered, is_closed=past.is_closed)
    assert isinstance(of, Scene)
    assert of.world.n.sum() == DAILY * ENTRY_DAYS


async def test_kpi_whose_windows_are_all_open_is_named_and_the_others_go_on(
    database: Database, workspace: Workspace
) -> None:
    experiment = await made(database, workspace)
    await ingested(database, workspace, company())
    await refreshed(database, experiment, BEGAN + timedelta(days=7))
    async with database.read() as session:
        past = await history.past(session, await driver(session), experiment)
    async with database.raw() as connection:
        found = await history.trials(connection, past)
    assert found[0] == Missing(
        kpi="activation", sentence="“activation” of “shorter-form” has too few units whose window has closed."
    )
    assert {part.kpi for part in found if isinstance(part, Trial)} == set(KINDS)


async def test_unit_that_met_both_variants_is_split_with_nobody(database: Database, experiment: Experiment) -> None:
    twice = controls()[7]
    other = replace(twice, variant="treatment", entered_at=twice.entered_at + timedelta(hours=1), paid=[])
    async with database.read() as session:
        owner = await session.get_one(Workspace, experiment.workspace_id)
    await ingested(database, owner, [replace(other, activated_after=None)])
    await refreshed(database, experiment)
    _, trials = await read(database, experiment)
    everybody = len(controls()) - 1
    late = sum(day_of(unit) == BEGAN.date() + timedelta(days=ENTRY_DAYS) for unit in controls())
    found = {kpi: trial.units for kpi, trial in trials.items()}
    assert found == {"activation": everybody - late, "spent": everybody, "visits": everybody, "first-value": everybody}


async def test_experiment_without_data_says_so(database: Database, workspace: Workspace) -> None:
    experiment = await made(database, workspace)
    for is_refreshed in (False, True):
        if is_refreshed:
            await refreshed(database, experiment)
        async with database.read() as session:
            past = await history.past(session, await driver(session), experiment)
        async with database.raw() as connection:
            found = await history.trials(connection, past)
        assert past.entered is None
        assert found == [Missing(kpi="activation", sentence="“shorter-form” has no data yet.")]


async def test_only_started_experiments_of_the_workspace_are_listed(
    database: Database, workspace: Workspace, experiment: Experiment
) -> None:
    async with database.write() as session:
        elsewhere = Workspace(key=f"{workspace.key}-other", name="other", created_at=BEGAN)
        session.add(elsewhere)
        await session.flush()
    unstarted = await draft(database, elsewhere)
    async with database.read() as session:
        assert [row.id for row in await queries.started_experiments(session, workspace.id)] == [experiment.id]
        assert await queries.started_experiments(session, elsewhere.id) == []
    assert unstarted.workspace_id == elsewhere.id

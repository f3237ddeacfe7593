"""Holdouts, against Postgres: who may be one, and the units held out that came in all the same."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from api.database import Database
from experiments import entrants, exposures
from experiments.enums import Role
from experiments.inference.facts import FactName
from experiments.inference.health import CheckKind
from experiments.life import moves
from experiments.planning.draft import KpiChoice
from experiments.tables import Experiment
from kpi.enums import Unit
from kpi.errors import Invalid
from kpi.tables import Workspace
from tests.experiments.registering import CONTROL, NOW, TREATMENT, actor, draft, freeze, plan_choice, register, start
from tests.experiments.test_analysis import MIDNIGHT, refresh, results
from tests.kpi.registering import register_kpi

DAY = timedelta(days=1)
NEW = replace(TREATMENT, key="new")


async def held_out(database: Database, workspace: Workspace) -> tuple[Experiment, Experiment]:
    """A holdout, and an experiment that keeps its control out; both run."""
    everything = await start(database, await draft(database, workspace, key="everything"))
    async with database.write() as session:
        keeper = await register(
            session, workspace, key="keeper", variants=[CONTROL, NEW], plan=plan_choice(holdout="everything")
        )
    return everything, await start(database, keeper)


async def meet(database: Database, workspace: Workspace, experiment: str, variant: str, *units: str, day: int) -> None:
    rows = [
        {"experiment": experiment, "unit": unit, "variant": variant, "exposedAt": MIDNIGHT + day * DAY}
        for unit in units
    ]
    async with database.raw() as connection:
        report = await exposures.ingest(connection, workspace_id=workspace.id, rows=rows, now=NOW + 50 * DAY)
    assert report.refusals == ()


async def leaked(
    database: Database, experiment: Experiment, until: datetime = NOW + 50 * DAY, units: int = 10
) -> tuple[int, int] | None:
    """Units of the control that were looked up, and those of them that leaked."""
    async with database.raw() as connection:
        control = "SELECT id FROM variants WHERE experiment_id = $1 AND is_control"
        control_id = await connection.fetchval(control, experiment.id)
        return await entrants.leaks(connection, experiment.id, control_id, until, units)


async def test_units_held_out_that_met_something_new_are_counted_once_whatever_came_first(
    database: Database, workspace: Workspace
) -> None:
    everything, keeper = await held_out(database, workspace)
    async with database.write() as session:
        second = await register(session, workspace, key="second", plan=plan_choice(holdout="everything"))
        other = await register(session, workspace, key="other")
    await start(database, second)
    await start(database, other)
    await meet(database, workspace, "keeper", "new", "early", day=0)
    await meet(database, workspace, "everything", "control", "early", "late", "kept", "bare", "torn", "away", day=1)
    await meet(database, workspace, "everything", "treatment", "shown", day=1)
    await meet(database, workspace, "keeper", "new", "late", "shown", "stranger", day=2)
    await meet(database, workspace, "second", "treatment", "late", day=2)
    await meet(database, workspace, "keeper", "control", "bare", "torn", day=2)
    await meet(database, workspace, "keeper", "new", "torn", day=3)
    await meet(database, workspace, "other", "treatment", "away", day=2)
    assert await leaked(database, everything) == (6, 3)  # early, late, torn
    assert await leaked(database, everything, MIDNIGHT + 3 * DAY) == (6, 2)
    assert await leaked(database, everything, MIDNIGHT + 1 * DAY) == (0, 0)
    assert await leaked(database, keeper) is None
    await meet(database, workspace, "everything", "treatment", "late", day=4)  # a crossover is not in the analysis
    assert await leaked(database, everything) == (5, 2)


async def test_results_of_a_holdout_count_its_leaks_and_others_have_no_such_check(
    database: Database, workspace: Workspace
) -> None:
    everything, keeper = await held_out(database, workspace)
    await meet(database, workspace, "everything", "control", "a", "b", "c", "d", day=0)
    await meet(database, workspace, "everything", "treatment", "e", "f", "g", "h", day=0)
    await meet(database, workspace, "keeper", "new", "a", "e", day=1)
    for experiment in (everything, keeper):
        await refresh(database, experiment, MIDNIGHT + 5 * DAY)
    (check,) = [one for one in (await results(database, everything)).health.checks if one.kind is CheckKind.HOLDOUT]
    assert {fact.name: fact.value for fact in check.facts} == {FactName.UNITS: 1, FactName.SHARE: 0.25}
    seen = await results(database, keeper)
    assert CheckKind.HOLDOUT not in {one.kind for one in seen.health.checks}
    assert seen.exposed == 2  # both were taken in


async def test_leaks_of_a_large_control_are_looked_up_for_some_of_it(database: Database, workspace: Workspace) -> None:
    everything, _ = await held_out(database, workspace)
    units = [f"u{number}" for number in range(400)]
    await meet(database, workspace, "everything", "control", *units, day=0)
    await meet(database, workspace, "keeper", "new", *units[::2], day=1)
    looked_up, found = await leaked(database, everything, units=8 * entrants.LOOKED_AT) or (0, 0)
    assert looked_up == pytest.approx(400 / 8, abs=4 * (400 * 7 / 64) ** 0.5)  # binomial: four standard errors
    assert found == pytest.approx(looked_up / 2, abs=2 * looked_up**0.5)
    again = await leaked(database, everything, units=8 * entrants.LOOKED_AT)
    assert again == (looked_up, found)


async def refused(database: Database, workspace: Workspace, **plan: Any) -> list[tuple[str, tuple[str, ...]]]:
    with pytest.raises(Invalid) as invalid:
        async with database.write() as session:
            await register(session, workspace, key="another", plan=plan_choice(**plan))
    return [(problem.code, problem.path) for problem in invalid.value.problems]


async def test_holdout_is_there_counts_the_same_units_and_is_not_over(database: Database, workspace: Workspace) -> None:
    assert (await draft(database, workspace, key="everything")).holdout_id is None
    async with database.write() as session:
        await register_kpi(session, workspace, key="seats", unit=Unit.ACCOUNT)
    seats = KpiChoice(kpi="seats", role=Role.PRIMARY, mde_difference=0.02)
    at_its_place = ("plan", "holdout")
    assert await refused(database, workspace, holdout="nothing") == [("NOT_FOUND", at_its_place)]
    assert await refused(database, workspace, holdout="another") == [("NOT_FOUND", at_its_place)]
    assert await refused(database, workspace, holdout="\0") == [("NOT_FOUND", at_its_place)]
    assert await refused(database, workspace, holdout="everything", kpis=[seats]) == [("BAD_USER_INPUT", at_its_place)]


async def test_holdout_that_is_frozen_still_holds_and_one_that_is_stopped_does_not(
    database: Database, workspace: Workspace
) -> None:
    everything, keeper = await held_out(database, workspace)
    assert keeper.holdout_id == everything.id
    await freeze(database, everything)
    async with database.write() as session:
        assert (await register(session, workspace, key="late", plan=plan_choice(holdout="everything"))).holdout_id
    async with database.write() as session:
        await moves.stop(session, actor=actor(everything), experiment_id=everything.id)
    assert await refused(database, workspace, holdout="everything") == [("BAD_USER_INPUT", ("plan", "holdout"))]

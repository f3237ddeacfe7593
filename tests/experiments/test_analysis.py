"""From stored rows to results, and which experiments a refresh is due for."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from api.database import Database
from experiments import aggregates, analysis, exposures, queries
from experiments import plan as plans
from experiments.tables import Experiment
from experiments.verdict import Rule
from kpi import events
from kpi.tables import Workspace
from tests.experiments.registering import NOW, draft, start
from tests.kpi.registering import register_kpi

DAY = timedelta(days=1)
MIDNIGHT = datetime.fromisoformat("2026-03-02T00:00:00Z")


async def refresh(database: Database, experiment: Experiment, now: datetime) -> None:
    async with database.raw() as connection:
        found = await queries.sealed_plan(connection, experiment.id)
        await aggregates.refresh(
            connection,
            experiment_id=experiment.id,
            workspace_id=found.workspace_id,
            plan=plans.from_document(found.document),
            now=now,
            version="test",
        )


async def results(database: Database, experiment: Experiment) -> analysis.Results:
    async with database.read() as session:
        found = (await queries.experiments_by_id(session, experiment.workspace_id, [experiment.id]))[experiment.id]
        line = (await queries.refreshes_of(session, [experiment.id]))[experiment.id]
        variants = (await queries.variants_of(session, [experiment.id]))[experiment.id]
    async with database.raw() as connection:
        return await analysis.results(connection, found, line, {variant.key: variant.id for variant in variants})


async def send(database: Database, workspace: Workspace, units: int, doing: Sequence[int]) -> None:
    """Units by turns in control and treatment, exposed a minute apart; some of them do it a day later."""
    at = [MIDNIGHT + timedelta(minutes=number) for number in range(units)]
    met = [
        {
            "experiment": "shorter-form",
            "unit": f"u{number}",
            "variant": ("control", "treatment")[number % 2],
            "exposedAt": at[number],
        }
        for number in range(units)
    ]
    did = [{"unit": f"u{number}", "event": "activated", "occurredAt": at[number] + DAY} for number in doing]
    async with database.raw() as connection:
        for ingest, rows in ((exposures.ingest, met), (events.ingest, did)):
            report = await ingest(connection, workspace_id=workspace.id, rows=rows, now=NOW + 50 * DAY)
            assert len(report.accepted) == len(rows)


async def test_results_of_stored_rows_say_what_the_rows_say(database: Database, workspace: Workspace) -> None:
    experiment = await start(database, await draft(database, workspace))
    await send(database, workspace, 400, [number for number in range(400) if number % 4 in (0, 1, 3)])
    await refresh(database, experiment, MIDNIGHT + 30 * DAY)
    found = await results(database, experiment)
    (finding,) = found.evaluation.findings
    assert (found.exposed, finding.control.n, finding.treatment.n, finding.control.open) == (400, 200, 200, 0)
    assert (finding.control.value, finding.treatment.value, finding.difference) == (0.5, 1.0, 0.5)
    assert (finding.is_better, found.verdict.rule) == (True, Rule.PRIMARY_BETTER)
    assert found.is_sealed_before_data


async def test_results_twice_are_the_same(database: Database, workspace: Workspace) -> None:
    experiment = await start(database, await draft(database, workspace))
    await send(database, workspace, 60, range(20))
    await refresh(database, experiment, MIDNIGHT + 12 * DAY)
    assert await results(database, experiment) == await results(database, experiment)


async def test_results_before_any_unit_keep_running(database: Database, workspace: Workspace) -> None:
    experiment = await start(database, await draft(database, workspace))
    await refresh(database, experiment, NOW + timedelta(hours=1))
    found = await results(database, experiment)
    assert (found.exposed, found.verdict.rule) == (0, Rule.UNDECIDED)


async def test_results_of_a_start_in_the_past_say_that_the_plan_came_after(
    database: Database, workspace: Workspace
) -> None:
    experiment = await start(database, await draft(database, workspace), started_at=NOW - 20 * DAY)
    await refresh(database, experiment, NOW)
    assert not (await results(database, experiment)).is_sealed_before_data


# --- what is due -----------------------------------------------------------------------------------------------------


async def due(
    database: Database,
    experiment: Experiment,
    *,
    touched: Sequence[int] = (),
    events: Sequence[int] = (),
    day: datetime,
) -> bool:
    async with database.raw() as connection:
        return experiment.id in await queries.due_experiments(connection, touched, events, day)


async def event_number(database: Database, workspace: Workspace, name: str) -> int:
    async with database.raw() as connection:
        insert = "INSERT INTO events (workspace_id, name) VALUES ($1, $2) RETURNING id"
        return int(await connection.fetchval(insert, workspace.id, name))


async def test_due_draft_is_never_due(database: Database, workspace: Workspace) -> None:
    experiment = await draft(database, workspace)
    assert not await due(database, experiment, touched=[experiment.id], day=MIDNIGHT)


async def test_due_started_experiment_without_aggregates_is_due(database: Database, workspace: Workspace) -> None:
    experiment = await start(database, await draft(database, workspace))
    assert await due(database, experiment, day=MIDNIGHT)


async def test_due_refreshed_experiment_is_due_again_for_its_exposures_events_and_a_new_day(
    database: Database, workspace: Workspace
) -> None:
    experiment = await start(database, await draft(database, workspace))
    activated, other = [await event_number(database, workspace, name) for name in ("activated", "other")]
    await refresh(database, experiment, MIDNIGHT)
    assert not await due(database, experiment, day=MIDNIGHT)
    assert not await due(database, experiment, touched=[experiment.id + 1], events=[other], day=MIDNIGHT)
    assert await due(database, experiment, touched=[experiment.id], day=MIDNIGHT)
    assert await due(database, experiment, events=[other, activated], day=MIDNIGHT)
    assert await due(database, experiment, day=MIDNIGHT + DAY)


async def test_due_another_workspaces_event_of_the_same_name_is_no_news(
    database: Database, workspace: Workspace
) -> None:
    experiment = await start(database, await draft(database, workspace))
    async with database.write() as session:
        other = Workspace(key=f"{workspace.key}-other", name="other", created_at=NOW)
        session.add(other)
    number = await event_number(database, other, "activated")
    await refresh(database, experiment, MIDNIGHT)
    assert not await due(database, experiment, events=[number], day=MIDNIGHT)


@pytest.mark.parametrize("key", ["none", "a\0", "\ud800"])
async def test_experiment_by_key_that_nothing_has_is_none(database: Database, workspace: Workspace, key: str) -> None:
    async with database.write() as session:
        await register_kpi(session, workspace)
        assert await queries.experiment_by_key(session, workspace.id, key) is None


async def test_experiment_by_key_of_another_workspace_is_none(database: Database, workspace: Workspace) -> None:
    made = await draft(database, workspace)
    async with database.write() as session:
        other = Workspace(key=f"{workspace.key}-other", name="other", created_at=NOW)
        session.add(other)
    async with database.read() as session:
        assert await queries.experiment_by_key(session, workspace.id, made.key) == made
        assert await queries.experiment_by_key(session, other.id, made.key) is None
        assert await queries.experiments_by_id(session, other.id, [made.id]) == {}

"""From stored rows to results, and which experiments a refresh is due for."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from api.database import Database, driver
from api.jobs.faults import is_pausing
from api.jobs.refresh import due_of
from experiments import exposures, queries
from experiments.aggregation import aggregates
from experiments.aggregation.slices import EVERYTHING, Changes
from experiments.enums import Duty
from experiments.inference import analysis, recall
from experiments.inference.facts import FactName
from experiments.inference.health import CheckKind, HealthState
from experiments.inference.treatments import Rule, VerdictState
from experiments.life import amendments, moves
from experiments.planning import plan as plans
from experiments.tables import Experiment
from kpi import events
from kpi.shelf import Shelf
from kpi.tables import Workspace
from tests.experiments.registering import NOW, actor, draft, freeze, start
from tests.kpi.registering import register_kpi

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)
MIDNIGHT = datetime.fromisoformat("2026-03-02T00:00:00Z")


async def refresh(database: Database, experiment: Experiment, now: datetime) -> None:
    async with database.raw() as connection:
        found = await queries.sealed_plan(connection, experiment.id)
        await aggregates.refresh(
            connection,
            experiment_id=experiment.id,
            workspace_id=found.workspace_id,
            plan=plans.from_document(found.document),
            changes=EVERYTHING,
            now=now,
            version="test",
        )


async def results(database: Database, experiment: Experiment, as_of: datetime | None = None) -> analysis.Results:
    async with database.read() as session:
        found = (await queries.experiments_by_id(session, experiment.workspace_id, [experiment.id]))[experiment.id]
        seen = await analysis.results(session, await driver(session), found, as_of)
    assert seen is not None
    return seen


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


async def test_results_twice_are_the_same(
    database: Database, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = await start(database, await draft(database, workspace))
    await send(database, workspace, 60, range(20))
    await refresh(database, experiment, MIDNIGHT + 12 * DAY)
    first = await results(database, experiment)
    monkeypatch.setattr(recall, "WORKED", Shelf(recall.MOST))  # they are worked out again
    assert await results(database, experiment) == first


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


# --- the checks ------------------------------------------------------------------------------------------------------


async def stalled(database: Database, experiment: Experiment, days: int) -> tuple[HealthState, float] | None:
    """What is said of enrolment after so many days, and for how many days it has stood still."""
    await refresh(database, experiment, MIDNIGHT + days * DAY)
    found = [check for check in (await results(database, experiment)).health.checks if check.kind is CheckKind.STALLED]
    return next(((check.state, check.facts[0].value) for check in found), None)


async def test_health_asks_for_units_only_while_they_may_enter(database: Database, workspace: Workspace) -> None:
    experiment = await start(database, await draft(database, workspace))
    await send(database, workspace, 60, [])
    assert await stalled(database, experiment, 5) == (HealthState.WARNING, 4)
    for move, at in ((moves.pause, 6), (moves.resume, 8)):
        async with database.write() as session:
            await move(session, actor=actor(experiment, MIDNIGHT + at * DAY), experiment_id=experiment.id)
        if move is moves.pause:
            assert await stalled(database, experiment, 7) is None
    assert await stalled(database, experiment, 10) == (HealthState.OK, 2)
    assert await stalled(database, experiment, 12) == (HealthState.WARNING, 4)
    await freeze(database, experiment, now=MIDNIGHT + 13 * DAY)
    assert await stalled(database, experiment, 14) is None
    then = await results(database, experiment, MIDNIGHT + 7 * DAY)
    assert CheckKind.STALLED not in {check.kind for check in then.health.checks}
    then = await results(database, experiment, MIDNIGHT + 5 * DAY)
    assert then.health.state is HealthState.WARNING


async def test_health_counts_crossovers_by_the_variant_they_met_first(database: Database, workspace: Workspace) -> None:
    experiment = await start(database, await draft(database, workspace))
    await send(database, workspace, 40, [])
    met = [
        {"experiment": "shorter-form", "unit": f"u{number}", "variant": "treatment", "exposedAt": MIDNIGHT + 3 * DAY}
        for number in (0, 2, 4, 6, 7)  # the last one has met it before
    ]
    async with database.raw() as connection:
        await exposures.ingest(connection, workspace_id=workspace.id, rows=met, now=NOW + 50 * DAY)
    await refresh(database, experiment, MIDNIGHT + 5 * DAY)
    found = await results(database, experiment)
    (check,) = [check for check in found.health.checks if check.kind is CheckKind.CROSSOVERS]
    facts = {(fact.name, fact.about): fact.value for fact in check.facts}
    assert (facts[FactName.UNITS, "Control"], facts[FactName.UNITS, "Shorter form"]) == (4, 0)
    assert (facts[FactName.SHARE, ""], check.state) == (0.1, HealthState.WARNING)
    assert (found.crossovers, found.exposed) == (4, 36)


async def test_verdict_of_an_amended_plan_says_that_it_explores(database: Database, workspace: Workspace) -> None:
    experiment = await start(database, await draft(database, workspace))
    await send(database, workspace, 400, [number for number in range(400) if number % 4 in (0, 1, 3)])
    await refresh(database, experiment, MIDNIGHT + 30 * DAY)
    async with database.write() as session:
        given = actor(experiment, MIDNIGHT + 30 * DAY, reason="faster")
        change = amendments.PlanChange(alpha=0.1)
        await amendments.amend(session, actor=given, experiment_id=experiment.id, change=change)
    await refresh(database, experiment, MIDNIGHT + 31 * DAY)
    found = await results(database, experiment)
    assert (found.verdict.state, found.verdict.rule) == (VerdictState.INCONCLUSIVE, Rule.EXPLORATORY)
    before = await results(database, experiment, MIDNIGHT + 29 * DAY)
    assert (before.verdict.state, before.verdict.rule) == (VerdictState.SHIP, Rule.PRIMARY_BETTER)


# --- what is due -----------------------------------------------------------------------------------------------------


def entry(noun: str, *touched: int, on: date | None = None, at: datetime | None = None) -> dict[str, Any]:
    """An entry of the ledger."""
    days = None if noun == "outcomes" else [on or MIDNIGHT.date()]
    return {"id": 7, "noun": noun, "touched": list(touched), "days": days, "earliest_at": at}


async def due(
    database: Database, experiment: Experiment, *pending: dict[str, Any], day: datetime = MIDNIGHT
) -> Changes | None:
    """What the refresh at the beginning of a day has to do; None if nothing."""
    async with database.raw() as connection:
        found = await queries.behind(connection, [experiment.workspace_id], day)
    for row in found:
        if row["id"] == experiment.id:
            told = [entry | {"workspace_id": experiment.workspace_id} for entry in pending]
            return getattr(due_of(row, told, NOW, day), "changes", None)
    return None


async def event_number(database: Database, workspace: Workspace, name: str) -> int:
    async with database.raw() as connection:
        insert = "INSERT INTO events (workspace_id, name) VALUES ($1, $2) RETURNING id"
        return int(await connection.fetchval(insert, workspace.id, name))


async def test_due_draft_is_never_due(database: Database, workspace: Workspace) -> None:
    experiment = await draft(database, workspace)
    assert await due(database, experiment, entry("exposures", experiment.id)) is None


async def test_due_started_experiment_without_aggregates_is_due(database: Database, workspace: Workspace) -> None:
    experiment = await start(database, await draft(database, workspace))
    assert await due(database, experiment) == Changes()


async def test_due_refreshed_experiment_is_due_again_for_its_exposures_late_outcomes_and_a_new_day(
    database: Database, workspace: Workspace
) -> None:
    experiment = await start(database, await draft(database, workspace))
    activated, other = [await event_number(database, workspace, name) for name in ("activated", "other")]
    await refresh(database, experiment, MIDNIGHT)
    late, fresh = MIDNIGHT - timedelta(microseconds=1), MIDNIGHT
    assert await due(database, experiment) is None
    elsewhere = entry("exposures", experiment.id + 1), entry("outcomes", other, at=late)
    assert await due(database, experiment, *elsewhere) is None
    assert await due(database, experiment, entry("outcomes", activated, at=fresh)) is None
    assert await due(database, experiment, entry("outcomes", other, activated, at=late)) == Changes(outcomes=(7,))
    moved = entry("exposures", experiment.id, on=date(2026, 3, 1))
    assert await due(database, experiment, moved) == Changes(days=frozenset([date(2026, 3, 1)]))
    assert await due(database, experiment, day=MIDNIGHT + DAY) == Changes()


async def test_due_another_workspaces_event_of_the_same_name_is_no_news(
    database: Database, workspace: Workspace
) -> None:
    experiment = await start(database, await draft(database, workspace))
    async with database.write() as session:
        other = Workspace(key=f"{workspace.key}-other", name="other", created_at=NOW)
        session.add(other)
    number = await event_number(database, other, "activated")
    await refresh(database, experiment, MIDNIGHT)
    assert await due(database, experiment, entry("outcomes", number, at=MIDNIGHT - DAY)) is None


async def test_due_experiment_whose_refresh_failed_rests_an_hour_and_then_twice_as_long_and_is_derived_anew(
    database: Database, workspace: Workspace
) -> None:
    experiment = await start(database, await draft(database, workspace))
    await refresh(database, experiment, MIDNIGHT)
    await failed(database, experiment, NOW - HOUR + MOMENT)
    assert await due(database, experiment, entry("exposures", experiment.id)) is None
    await failed(database, experiment, NOW - 2 * HOUR + MOMENT)
    assert await due(database, experiment, entry("exposures", experiment.id)) is None
    async with database.raw() as connection:
        await queries.clear_fault(connection, experiment.id, Duty.REFRESH)
    await failed(database, experiment, NOW - HOUR)
    assert await due(database, experiment) == EVERYTHING
    await failed(database, experiment, NOW - 2 * HOUR)
    assert await due(database, experiment) == EVERYTHING


async def test_due_refreshes_go_on_where_another_duty_failed(database: Database, workspace: Workspace) -> None:
    experiment = await start(database, await draft(database, workspace))
    await refresh(database, experiment, MIDNIGHT)
    await failed(database, experiment, NOW, Duty.LOOKS)
    assert await due(database, experiment) is None
    assert await due(database, experiment, day=MIDNIGHT + DAY) == Changes()


@pytest.mark.parametrize(
    ("stopped_at", "expected"), [(MIDNIGHT, None), (MIDNIGHT + HOUR, Changes())], ids=["reached", "not yet"]
)
async def test_due_stopped_experiment_is_due_up_to_its_stop_and_then_for_what_comes_late_only(
    database: Database, workspace: Workspace, stopped_at: datetime, expected: Changes | None
) -> None:
    experiment = await start(database, await draft(database, workspace))
    await refresh(database, experiment, MIDNIGHT)
    async with database.write() as session:
        await moves.stop(session, actor=actor(experiment), experiment_id=experiment.id, stopped_at=stopped_at)
    assert await due(database, experiment, day=MIDNIGHT + DAY) == expected
    late = entry("exposures", experiment.id)
    assert await due(database, experiment, late, day=MIDNIGHT + DAY) == Changes(days=frozenset([MIDNIGHT.date()]))


async def failed(database: Database, experiment: Experiment, at: datetime, duty: Duty = Duty.REFRESH) -> None:
    async with database.raw() as connection:
        await queries.note_fault(connection, experiment.id, duty, "NumericValueOutOfRangeError", at)


@pytest.mark.parametrize(("attempts", "hours"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 16), (10_000, 16)])
def test_experiment_rests_twice_as_long_each_time_and_less_than_a_day(attempts: int, hours: int) -> None:
    row = {"failed_at": NOW, "attempts": attempts}
    assert is_pausing(row, NOW + hours * HOUR - MOMENT)
    assert not is_pausing(row, NOW + hours * HOUR)
    assert not is_pausing(row, NOW - MOMENT)  # the clock was set back
    assert not is_pausing({"failed_at": None, "attempts": None}, NOW)


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

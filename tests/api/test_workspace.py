"""A workspace's settings and the forgetting of a unit through GraphQL, and the duty that drops old rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

from api.commands.forgetting import forgotten
from api.database import Database
from api.jobs import retention
from api.jobs.refresh import refresh_due
from experiments.aggregation.forgetting import Forgotten
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import Try
from tests.conftest import Ask

AT = "2026-06-02T08:00:00Z"
NOW = datetime(2026, 6, 20, tzinfo=UTC)


async def updated(ask: Ask, **given: Any) -> dict[str, Any]:
    return dict((await ask(documents.WORKSPACE_UPDATE, {"input": given}))["workspaceUpdate"])


async def sent(ask: Ask, *units: str) -> None:
    entered = [documents.exposure(unit, "tour", AT) for unit in units]
    await ask(documents.EXPOSURES_INGEST, {"input": {"exposures": entered}}, now=NOW)
    did = [documents.outcome(unit, "activated", AT) for unit in units]
    await ask(documents.OUTCOMES_INGEST, {"input": {"outcomes": did}}, now=NOW)


async def counted(database: Database, workspace: Workspace, unit: str) -> int:
    async with database.raw() as connection:
        return int(
            await connection.fetchval(
                "SELECT count(*) FROM outcomes WHERE workspace_id = $1 AND unit = $2", workspace.id, unit
            )
        )


async def test_settings_that_are_given_change_and_the_others_stay(ask: Ask, workspace: Workspace) -> None:
    fresh = {
        "key": workspace.key,
        "name": workspace.name,
        "retentionDays": None,
        "hashesUnits": False,
        "firstEntryOn": None,
        "firstOutcomeOn": None,
    }
    assert (await updated(ask))["workspace"] == fresh
    assert (await updated(ask, retentionDays=90))["workspace"] == fresh | {"retentionDays": 90}
    both = fresh | {"retentionDays": 90, "hashesUnits": True}
    assert (await updated(ask, hashesUnits=True))["workspace"] == both
    assert (await updated(ask, retentionDays=None))["workspace"] == both | {"retentionDays": None}
    assert (await ask("{ workspace { key hashesUnits } }"))["workspace"] == {"key": workspace.key, "hashesUnits": True}


async def test_settings_that_cannot_be_are_told_all_at_once_and_change_nothing(ask: Ask, started: str) -> None:
    assert started
    await sent(ask, "u1")
    found = await updated(ask, retentionDays=0, hashesUnits=True)
    assert found["workspace"] is None
    assert [(error["code"], error["path"]) for error in found["userErrors"]] == [
        ("BAD_USER_INPUT", ["retentionDays"]),
        ("WRONG_STATE", ["hashesUnits"]),
    ]
    assert (await ask("{ workspace { retentionDays } }"))["workspace"]["retentionDays"] is None


async def test_unit_that_is_forgotten_is_told_by_counts_and_a_second_time_by_none(ask: Ask, started: str) -> None:
    assert started
    await sent(ask, "u1", "u2")
    for expected in ((1, 1, 0), (0, 0, 0)):
        found = (await ask(documents.UNIT_FORGET, {"input": {"unit": "u1"}}))["unitForget"]
        assert (found["outcomes"], found["exposures"], found["rejections"]) == expected
        assert found["userErrors"] == []


async def test_unit_of_a_stranger_is_not_forgotten(
    database: Database, workspace: Workspace, ask: Ask, attempt: Try, stranger: Any, started: str
) -> None:
    assert started
    await sent(ask, "u1")
    found = await attempt(documents.UNIT_FORGET, {"input": {"unit": "u1"}}, caller=stranger)
    assert found["data"]["unitForget"]["outcomes"] == 0
    assert await counted(database, workspace, "u1") == 1


async def test_unit_that_cannot_be_is_refused(ask: Ask) -> None:
    for unit in ("", "x" * 201, "nul\0"):
        found = (await ask(documents.UNIT_FORGET, {"input": {"unit": unit}}))["unitForget"]
        assert [error["path"] for error in found["userErrors"]] == [["unit"]]
        assert found["outcomes"] is None


async def test_worker_drops_old_rows_once_they_are_counted_and_may_do_so_twice(
    database: Database, workspace: Workspace, ask: Ask, started: str
) -> None:
    assert started
    await sent(ask, "u1", "u2")
    await updated(ask, retentionDays=10)
    await refresh_due(database)
    for _ in range(2):
        await retention.drop_old_rows(database)
        assert await counted(database, workspace, "u1") == 0
    found = (await ask("{ workspace { firstEntryOn firstOutcomeOn } }"))["workspace"]
    today = datetime.now(UTC).date()
    # The only KPI has a window of 7 days, and late rows are waited for as long.
    assert found == {
        "firstEntryOn": str(today - timedelta(days=14)),
        "firstOutcomeOn": str(today - timedelta(days=7)),
    }


async def test_worker_keeps_rows_of_a_workspace_without_a_retention(
    database: Database, workspace: Workspace, ask: Ask, started: str
) -> None:
    assert started
    await sent(ask, "u1")
    await refresh_due(database)
    await retention.drop_old_rows(database)
    assert await counted(database, workspace, "u1") == 1


async def test_command_forgets_a_unit_of_a_workspace_and_knows_when_there_is_none(
    ask: Ask, database: Database, workspace: Workspace, started: str
) -> None:
    assert started
    await sent(ask, "u1")
    found = await forgotten(database, workspace.key, "u1")
    assert found == Forgotten(outcomes=1, exposures=1, memberships=0, traits=0, rejections=0)
    assert await counted(database, workspace, "u1") == 0
    assert await forgotten(database, "no-such-workspace", "u1") is None

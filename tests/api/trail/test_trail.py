"""The audit trail: an entry with each change and none without, in one chain, which nobody rewrites unseen."""

import asyncio
import hashlib
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from api.database import CLIENT_FAULTS, Database, driver
from api.graphql.nodes import local_id
from api.trail import chain
from api.trail.entry import BEGINNING, Chain, Deed
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import Try
from tests.conftest import Ask

NOW = datetime(2026, 6, 1, tzinfo=UTC)


async def rows(database: Database, workspace: Workspace) -> list[Mapping[str, Any]]:
    """The trail of a workspace, as it is stored."""
    statement = "SELECT * FROM audit_entries WHERE workspace_id = $1 ORDER BY number"
    async with database.raw() as connection:
        return list(await connection.fetch(statement, workspace.id))


async def walked(database: Database, workspace: Workspace, kept: Mapping[int, str] | None = None) -> Chain:
    """What walking a workspace's chain finds."""
    async with database.raw() as connection:
        return await chain.verify(connection, workspace.id, kept)


def deed(workspace: Workspace, **said: Any) -> Deed:
    """Something that somebody did."""
    usual: dict[str, Any] = {
        "workspace_id": workspace.id,
        "done_at": NOW,
        "actor": "ada",
        "key": "k",
        "action": "tested",
    }
    return Deed(**usual | said)


async def told(database: Database, workspace: Workspace, n: int) -> None:
    """Leave some entries."""
    for place in range(n):
        async with database.raw() as connection:
            at = NOW + timedelta(days=place)
            await chain.append(
                connection, deed(workspace, done_at=at, node_type="Kpi", node_id="7", details={"n": place})
            )


async def test_mutation_leaves_one_entry_with_who_what_and_the_hashes(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    given = documents.kpi()
    await ask(documents.KPI_REGISTER, {"input": given})
    (entry,) = await rows(database, workspace)
    said = json.dumps(given, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert (entry["number"], entry["actor"], entry["key"], entry["action"]) == (1, "test", "test", "kpiRegister")
    assert (entry["node_type"], entry["before_hash"]) == ("Kpi", None)
    assert entry["input_hash"] == hashlib.sha256(said).hexdigest()
    assert entry["previous_hash"] == BEGINNING
    assert len(entry["after_hash"]) == len(entry["hash"]) == 64


async def test_what_a_mutation_finds_is_what_the_one_before_left(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    await ask(documents.KPI_REGISTER, {"input": documents.kpi()})
    (identity,) = (await ask("{ kpis { nodes { id } } }"))["kpis"]["nodes"]
    for owner in ("Grace", "Mary"):
        change = {"id": identity["id"], "reason": "r", "owner": owner}
        await ask(documents.KPI_CHANGE % {"verb": "Update"}, {"input": change})
    made, first, second = await rows(database, workspace)
    assert [entry["node_id"] for entry in (made, first, second)] == [str(local_id("Kpi", identity["id"]))] * 3
    assert first["before_hash"] == made["after_hash"]
    assert second["before_hash"] == first["after_hash"] != second["after_hash"]


async def test_mutation_that_is_refused_or_changes_nothing_leaves_no_entry(
    database: Database, workspace: Workspace, ask: Ask, attempt: Try
) -> None:
    await ask(documents.KPI_REGISTER, {"input": documents.kpi()})
    await attempt(documents.KPI_REGISTER, {"input": documents.kpi()})
    await ask(documents.WORKSPACE_UPDATE, {"input": {}})
    (identity,) = (await ask("{ kpis { nodes { id } } }"))["kpis"]["nodes"]
    await attempt(documents.KPI_CHANGE % {"verb": "Update"}, {"input": {"id": identity["id"], "reason": ""}})
    assert [entry["action"] for entry in await rows(database, workspace)] == ["kpiRegister"]


async def test_batch_leaves_its_number_in_the_ledger_and_a_retry_leaves_nothing(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    sent = {"outcomes": [documents.outcome(unit, "activated", "2026-06-03T00:00:00Z") for unit in ("u1", "u1", "u2")]}
    for _ in range(2):
        await ask(documents.OUTCOMES_INGEST, {"input": sent})
    (entry,) = await rows(database, workspace)
    async with database.raw() as connection:
        ledger = await connection.fetchval("SELECT min(id) FROM ingests WHERE workspace_id = $1", workspace.id)
    batch = {"id": ledger, "noun": "outcomes", "accepted": 2, "duplicates": 1, "rejected": 0}
    assert entry["details"] == {"ledger": [batch]}
    assert entry["input_hash"] is None


async def test_forgetting_a_unit_leaves_no_trace_of_its_name(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    unit = "ada-lovelace"
    sent = {"outcomes": [documents.outcome(unit, "activated", "2026-06-03T00:00:00Z")]}
    await ask(documents.OUTCOMES_INGEST, {"input": sent})
    await ask(documents.UNIT_FORGET, {"input": {"unit": unit}})
    found = await rows(database, workspace)
    assert [entry["action"] for entry in found] == ["outcomesIngest", "unitForget"]
    guessed = hashlib.sha256(json.dumps({"unit": unit}, separators=(",", ":")).encode()).hexdigest()
    assert not any(trace in str(dict(entry)) for entry in found for trace in (unit, guessed))


@pytest.mark.parametrize("is_recorded", [True, False])
async def test_crash_between_change_and_entry_leaves_neither(
    database: Database, workspace: Workspace, is_recorded: bool
) -> None:
    """The connection is ended from outside, before the entry is written or before it is committed."""
    with pytest.raises(CUT):
        await cut_off(database, workspace, is_recorded=is_recorded)
    async with database.raw() as connection:
        assert await connection.fetchval("SELECT count(*) FROM events WHERE workspace_id = $1", workspace.id) == 0
    assert await rows(database, workspace) == []


CUT = (*CLIENT_FAULTS, asyncpg.PostgresError)


async def cut_off(database: Database, workspace: Workspace, *, is_recorded: bool) -> None:
    """Change something on a connection that is then ended."""
    async with database.raw() as connection:
        since = await chain.mark(connection)
        await connection.execute("INSERT INTO events (workspace_id, name) VALUES ($1, 'e')", workspace.id)
        if is_recorded:
            assert await chain.record(connection, since, deed(workspace))
        async with database.acting(None).raw() as other:
            await other.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
        if not is_recorded:
            await chain.record(connection, since, deed(workspace))


async def test_writers_at_once_leave_one_chain_without_gaps(database: Database, workspace: Workspace, ask: Ask) -> None:
    """Random mutations of several writers: registering, renaming, batches, and what is refused."""
    await ask(documents.KPI_REGISTER, {"input": documents.kpi()})
    (kpi,) = (await ask("{ kpis { nodes { id } } }"))["kpis"]["nodes"]
    draw = random.Random(7)  # noqa: S311 - the same steps each time

    async def writer(name: int) -> int:
        told = 0
        for step in range(8):
            what = draw.choice(["batch", "rename", "refused", "retry"])
            if what == "batch":
                row = documents.outcome(f"u{name}-{step}", "activated", "2026-06-03T00:00:00Z")
                await ask(documents.OUTCOMES_INGEST, {"input": {"outcomes": [row]}})
            elif what == "rename":
                change = {"id": kpi["id"], "reason": "r", "owner": f"{name}-{step}"}
                await ask(documents.KPI_CHANGE % {"verb": "Update"}, {"input": change})
            elif what == "refused":
                await ask(documents.KPI_REGISTER, {"input": documents.kpi()})
            else:
                await ask(documents.WORKSPACE_UPDATE, {"input": {}})
            told += what in ("batch", "rename")
        return told

    expected = 1 + sum(await asyncio.gather(*(writer(name) for name in range(6))))
    found = await walked(database, workspace)
    assert (found.entries, found.number, found.first_broken) == (expected, expected, None)
    assert expected > 15


COLUMNS = (
    "workspace_id",
    "number",
    "done_at",
    "actor",
    "key",
    "action",
    "node_type",
    "node_id",
    "input_hash",
    "before_hash",
    "after_hash",
    "details",
    "request_id",
    "previous_hash",
    "hash",
)
OTHER = {
    "workspace_id": "-workspace_id",
    "number": "number + 1000",
    "done_at": "done_at + interval '1 microsecond'",
    "details": """details || '{"n": 7000}'""",
}
"""Another value of a column; a text gets a letter more."""


@pytest.mark.parametrize("number", [1, 3, 5])
@pytest.mark.parametrize("column", COLUMNS)
async def test_another_value_in_any_column_of_any_row_is_found(
    database: Database, workspace: Workspace, column: str, number: int
) -> None:
    await told(database, workspace, 5)
    before = await walked(database, workspace)
    other = OTHER.get(column, f"coalesce({column}, '') || 'x'")
    async with database.acting(None).trial() as session:
        connection = await driver(session)
        await connection.execute("SET LOCAL session_replication_role = replica")  # no trigger runs
        await connection.execute(
            f"UPDATE audit_entries SET {column} = {other} WHERE workspace_id = $1 AND number = $2",  # noqa: S608 - ours
            workspace.id,
            number,
        )
        found = await chain.verify(connection, workspace.id, {before.number: before.hash})
    moved = {"workspace_id": {1: 2, 3: 4, 5: 5}, "number": {1: 2, 3: 4, 5: 1005}}
    assert found.first_broken == moved.get(column, {}).get(number, number)
    assert found.reason
    assert before == Chain(entries=5, number=5, hash=before.hash)


async def test_rehashed_entry_breaks_the_one_after_it(database: Database, workspace: Workspace) -> None:
    """Who changes an entry and works out its hash anew must do so for all that follow, and for what was kept."""
    await told(database, workspace, 3)
    kept = await walked(database, workspace)
    async with database.acting(None).trial() as session:
        connection = await driver(session)
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("DELETE FROM audit_entries WHERE workspace_id = $1 AND number >= 2", workspace.id)
        await chain.append(connection, deed(workspace, actor="eve"))
        assert (await chain.verify(connection, workspace.id)).first_broken is None  # nothing after it, nothing kept
        assert (await chain.verify(connection, workspace.id, {kept.number: kept.hash})).first_broken == 3
        await chain.append(connection, deed(workspace))
        assert (await chain.verify(connection, workspace.id, {kept.number: kept.hash})).first_broken == 3


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_entries SET actor = 'eve'", "DELETE FROM audit_entries", "TRUNCATE audit_entries"],
)
async def test_nobody_changes_or_removes_entries(database: Database, workspace: Workspace, statement: str) -> None:
    await told(database, workspace, 2)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only added to"):
        async with database.acting(None).raw() as connection:
            await connection.execute(statement)
    assert len(await rows(database, workspace)) == 2


async def test_retired_entries_leave_one_that_stands_for_them(database: Database, workspace: Workspace) -> None:
    await told(database, workspace, 5)
    before = await rows(database, workspace)
    async with database.acting(None).raw() as connection:
        assert await chain.retire(connection, deed(workspace), NOW + timedelta(days=3)) == 3
    after = await rows(database, workspace)
    assert [entry["number"] for entry in after] == [4, 5, 6]
    assert after[-1]["details"] == {"through": 3, "hash": before[2]["hash"]}
    assert (await walked(database, workspace)).first_broken is None
    async with database.acting(None).raw() as connection:
        assert await chain.retire(connection, deed(workspace), NOW + timedelta(days=9)) == 3
    assert [entry["number"] for entry in await rows(database, workspace)] == [7]
    assert await walked(database, workspace) == Chain(
        entries=1, number=7, hash=(await rows(database, workspace))[0]["hash"]
    )


async def test_beginning_that_is_gone_without_a_word_is_found(database: Database, workspace: Workspace) -> None:
    await told(database, workspace, 4)
    async with database.acting(None).trial() as session:
        connection = await driver(session)
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("DELETE FROM audit_entries WHERE workspace_id = $1 AND number < 3", workspace.id)
        found = await chain.verify(connection, workspace.id)
    assert (found.first_broken, found.reason) == (
        3,
        "What came before it is gone, and no entry says that it was retired.",
    )

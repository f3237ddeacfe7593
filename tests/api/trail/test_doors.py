"""The audit trail as it is asked for: by GraphQL, as a file, and at the command line."""

import asyncio
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, get_named_type, is_input_object_type

from api import schema
from api.auth.keys import Scope
from api.auth.tenants import ensure_workspace
from api.commands import audit, forgetting, key, migrate
from api.database import Database
from api.graphql.nodes import global_id, local_id
from api.graphql.recording import OF_UNITS
from api.graphql.schema import SDL
from api.jobs.looks import publish_due
from api.jobs.refresh import refresh_due
from api.jobs.uploads import take_in_uploads
from api.trail import chain
from kpi import events
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import SECRET, Client, MakeKey, Try, bearing
from tests.api.databases import migrated, url_of
from tests.api.test_uploads import send
from tests.api.trail.test_trail import NOW, deed, rows, told, walked
from tests.conftest import Ask
from tests.waiting import PATIENCE

LOG = """
query Log($filter: AuditEntryFilter) {
  auditLog(filter: $filter) { totalCount nodes { number action actor node hash } }
}
"""


async def numbers(ask: Ask, **wanted: Any) -> list[int]:
    """The entries that a filter finds."""
    return [entry["number"] for entry in (await ask(LOG, {"filter": wanted}))["auditLog"]["nodes"]]


async def test_log_is_filtered_by_action_actor_node_and_span(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    await told(database, workspace, 3)
    async with database.raw() as connection:
        await chain.append(connection, deed(workspace, done_at=NOW, actor="eve", action="other"))
    assert await numbers(ask) == [4, 3, 2, 1]
    assert await numbers(ask, action={"eq": "other"}) == await numbers(ask, actor={"contains": "EV"}) == [4]
    assert await numbers(ask, node={"eq": global_id("Kpi", 7)}) == [3, 2, 1]
    assert await numbers(ask, node={"in": ["nonsense", global_id("Kpi", 8)]}) == []
    span = {"gte": (NOW + timedelta(days=1)).isoformat(), "lt": (NOW + timedelta(days=2)).isoformat()}
    assert await numbers(ask, doneAt=span) == [2]


async def test_pages_of_the_log_follow_each_other(database: Database, workspace: Workspace, ask: Ask) -> None:
    await told(database, workspace, 3)
    document = """query P($after: String) {
      auditLog(first: 2, after: $after) { nodes { number } pageInfo { endCursor hasNextPage } } }"""
    first = (await ask(document))["auditLog"]
    rest = (await ask(document, {"after": first["pageInfo"]["endCursor"]}))["auditLog"]
    assert [entry["number"] for entry in (*first["nodes"], *rest["nodes"])] == [3, 2, 1]


async def test_another_workspace_has_another_trail(
    database: Database, workspace: Workspace, attempt: Try, stranger: Any
) -> None:
    await told(database, workspace, 2)
    answer = await attempt("{ auditLog { totalCount } auditVerify { entries } }", caller=stranger)
    assert answer["data"] == {"auditLog": {"totalCount": 0}, "auditVerify": {"entries": 0}}


async def test_kept_hash_shows_that_the_end_is_gone(database: Database, workspace: Workspace, ask: Ask) -> None:
    await told(database, workspace, 2)
    document = "query V($n: Int, $h: String) { auditVerify(number: $n, hash: $h) { number hash firstBroken reason } }"
    found = (await ask(document))["auditVerify"]
    assert (found["number"], found["firstBroken"]) == (2, None)
    assert (await ask(document, {"n": 2, "h": found["hash"]}))["auditVerify"]["firstBroken"] is None
    assert (await ask(document, {"n": 3, "h": found["hash"]}))["auditVerify"]["firstBroken"] == 3


async def test_exported_lines_are_hashed_as_the_page_says(
    client: Client, make_key: MakeKey, database: Database, workspace: Workspace
) -> None:
    """As docs/audit.md does it, with nothing of ours."""
    await told(database, workspace, 3)
    async with database.raw() as connection:
        await chain.append(connection, deed(workspace, actor="Zoë \u2028 “x” \x7f\t"))
    answer = await client.get("/v1/audit.ndjson", headers=bearing(await make_key(Scope.ADMIN)))
    previous = "0" * 64
    for line in answer.content.decode().strip("\n").split("\n"):
        entry = json.loads(line)
        kept = entry.pop("hash")
        text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert (hashlib.sha256(text.encode()).hexdigest(), entry["previousHash"]) == (kept, previous)
        previous = kept
    assert previous == (await walked(database, workspace)).hash


async def test_file_needs_admin(client: Client, make_key: MakeKey) -> None:
    others = [scope for scope in Scope if scope is not Scope.ADMIN]
    assert (await client.get("/v1/audit.ndjson", headers=bearing(await make_key(*others)))).status_code == 403
    assert (await client.get("/v1/audit.ndjson")).status_code == 401


@pytest.mark.parametrize(("scopes", "status"), [((Scope.READ,), 401), ((Scope.READ, Scope.ADMIN), 200)])
async def test_file_is_for_who_is_signed_in_as_admin(
    client: Client, make_key: MakeKey, scopes: tuple[Scope, ...], status: int
) -> None:
    await client.post("/sign-in", data={"key": await make_key(*scopes)})
    assert (await client.get("/v1/audit.ndjson")).status_code == status


async def test_rows_by_http_and_by_a_file_leave_an_entry_a_batch(
    client: Client, make_key: MakeKey, database: Database, workspace: Workspace
) -> None:
    key = await make_key(Scope.INGEST)
    row = documents.outcome("u1", "activated", "2026-06-03T00:00:00Z")
    for _ in range(2):
        await client.post("/v1/outcomes", json=[row], headers=bearing(key))
    await send(client, key, b"unit,event,occurred_at\nu2,activated,2026-06-03T00:00:00Z\n", noun="outcomes")
    await take_in_uploads(database)
    found = await rows(database, workspace)
    assert [(entry["action"], entry["actor"]) for entry in found] == [
        ("/v1/outcomes", "test"),
        ("/v1/uploads", "test"),
        ("takeInUploads", "worker"),
    ]
    assert [entry["details"]["ledger"][0]["accepted"] for entry in (found[0], found[2])] == [1, 1]


async def test_commands_leave_entries(database: Database, workspace: Workspace, tmp_path: Path) -> None:
    made = await key.made(database, workspace.key, "ci", [Scope.READ], SECRET)
    _, public_id, secret = made.split("_", 2)
    assert await key._revoked(database, workspace.key, public_id)
    assert not await key._revoked(database, workspace.key, public_id)
    file = tmp_path / "audit.ndjson"
    await audit.exported(database, workspace.key, file)
    found = await rows(database, workspace)
    assert [(entry["action"], entry["key"]) for entry in found] == [
        ("truelift key create", "command"),
        ("truelift key revoke", "command"),
    ]
    assert [json.loads(line)["number"] for line in file.read_text().splitlines()] == [1, 2]
    assert len(secret) > 40
    assert secret not in file.read_text()
    assert (await audit.verified(database, workspace.key, {})).first_broken is None


async def test_published_looks_are_told_with_their_hashes(
    database: Database, workspace: Workspace, ask: Ask, started: str
) -> None:
    exposed = [documents.exposure(f"u{n}", "tour", "2026-06-02T00:00:00Z") for n in range(3)]
    await ask(documents.EXPOSURES_INGEST, {"input": {"exposures": exposed}})
    await refresh_due(database)
    await publish_due(database)
    looks = (await ask('{ experiment(key: "guided-tour") { publishedLooks { plannedOn documentHash } } }'))[
        "experiment"
    ]
    expected = {look["plannedOn"]: look["documentHash"] for look in looks["publishedLooks"]}
    found = [entry for entry in await rows(database, workspace) if entry["action"] == "publishLooks"]
    assert len(expected) > 0
    assert [(entry["details"], entry["node_id"]) for entry in found] == [
        ({"looks": expected}, str(local_id("Experiment", started)))
    ]
    await publish_due(database)
    assert [entry["action"] for entry in await rows(database, workspace)].count("publishLooks") == 1


async def test_slow_mutation_holds_up_nobody(database: Database, workspace: Workspace) -> None:
    """The chain is locked by who adds, not by who works."""
    async with database.raw() as slow:
        since = await chain.mark(slow)
        await slow.execute("INSERT INTO events (workspace_id, name) VALUES ($1, 'slow')", workspace.id)
        async with asyncio.timeout(PATIENCE):  # who waited for the slow one would wait for ever
            await told(database, workspace, 3)
        await chain.record(slow, since, deed(workspace))
    assert [entry["number"] for entry in await rows(database, workspace)] == [1, 2, 3, 4]


def test_inputs_that_name_units_are_not_hashed() -> None:
    """By the schema: a mutation whose input has a unit, a member or an account somewhere, however deep."""
    mutations = build_schema(SDL.read_text(encoding="utf-8")).mutation_type
    assert mutations is not None
    found = {name for name, field in mutations.fields.items() if names_units(field.args["input"].type, set())}
    assert found == OF_UNITS


def names_units(kind: Any, seen: set[str]) -> bool:
    """Whether an input holds a text that is a unit's id."""
    named = get_named_type(kind)
    if not is_input_object_type(named) or named.name in seen:
        return False
    seen.add(named.name)
    own = {name for name, field in named.fields.items() if get_named_type(field.type).name == "String"}
    return bool(own & {"unit", "member", "account"}) or any(
        names_units(field.type, seen) for field in named.fields.values()
    )


async def test_migrating_and_forgetting_at_the_command_line_are_told(database_url: str) -> None:
    own = Database(url_of(database_url, await migrated(database_url)))
    await key.made(own, "w", "ci", [Scope.READ], SECRET)
    await schema.downgrade(own.engine, "0029")
    for _ in range(2):
        await migrate.migrated(own)
    async with own.write() as session:
        owner = await ensure_workspace(session, "w", NOW)
    async with own.raw() as connection:
        row = documents.outcome("u1", "activated", "2026-06-03T00:00:00Z")
        await events.ingest(connection, workspace_id=owner.id, rows=[row], now=datetime.now(UTC))
    await forgetting.forgotten(own, "w", "u1")
    found = await rows(own, owner)
    await own.close()
    assert [entry["action"] for entry in found] == ["truelift migrate", "truelift forget"]
    assert found[0]["details"] == {"before": "0029", "after": schema.newest()}
    assert "u1" not in str([dict(entry)["details"] for entry in found])

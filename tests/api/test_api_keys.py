"""Keys by GraphQL: made, rotated, ended; what they may do, until when, and when they were last used."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from api.auth import keys
from api.auth.keys import Caller, Scope
from api.database import Database
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import SECRET, Client, MakeKey, Try, bearing
from tests.api.people import faults
from tests.conftest import Ask

VIEWER = {"query": "{ viewer { apiKey { name scopes } } }"}
LISTED = "{ apiKeys { totalCount nodes { id key name scopes createdBy lastUsedAt expiresAt revokedAt } } }"
CREATE = """mutation K($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) {
  secret apiKey { id key } userErrors { code path message }
} }"""
ROTATE = CREATE.replace("Create", "Rotate")
NOTE = "UPDATE api_keys SET last_used_at = $2 WHERE workspace_id = $1"
NOTED = "SELECT last_used_at FROM api_keys WHERE workspace_id = $1"
REVOKE = documents.API_KEY % {"verb": "Revoke"}


class Admin:
    """Somebody with a key, over HTTP: keys are hashed under the server's own secret."""

    def __init__(self, client: Client, key: str) -> None:
        self.client, self.key = client, key

    async def does(self, document: str, **given: Any) -> Any:
        body = {"query": document, "variables": {"input": given}}
        answer = (await self.client.post("/graphql", json=body, headers=bearing(self.key))).json()
        (payload,) = answer["data"].values()
        return payload


@pytest_asyncio.fixture
async def admin(client: Client, make_key: MakeKey) -> Admin:
    return Admin(client, await make_key(*Scope))


async def opens(client: Client, key: str) -> bool:
    return (await client.post("/graphql", json=VIEWER, headers=bearing(key))).status_code == 200


async def test_key_that_is_made_opens_what_its_scopes_say_and_is_shown_once(
    client: Client, admin: Admin, ask: Ask
) -> None:
    made = await admin.does(CREATE, name=" warehouse ", scopes=["read", "schema:read", "read"])
    assert made["userErrors"] == []
    assert made["secret"].startswith(f"tl_{made['apiKey']['key']}_")
    told = await client.post("/graphql", json=VIEWER, headers=bearing(made["secret"]))
    assert told.json()["data"]["viewer"]["apiKey"] == {"name": "warehouse", "scopes": ["read", "schema:read"]}
    listed = await ask(LISTED)
    assert listed["apiKeys"]["nodes"][0]["createdBy"] == "test"
    assert made["secret"].split("_", 2)[2] not in json.dumps(listed)


async def test_faults_of_a_key_are_told_all_at_once(client: Client, make_key: MakeKey, ask: Ask) -> None:
    weak = Admin(client, await make_key(Scope.ADMIN, Scope.READ))
    payload = await weak.does(
        CREATE, name=" ", scopes=["read", "write", "decide", "admin"], expiresAt="2020-01-01T00:00:00Z"
    )
    assert faults(payload) == [
        ("BAD_USER_INPUT", ["name"]),
        ("BAD_USER_INPUT", ["scopes", "1"]),
        ("BAD_USER_INPUT", ["scopes", "2"]),
        ("BAD_USER_INPUT", ["expiresAt"]),
    ]
    assert faults(await weak.does(CREATE, name="n", scopes=[])) == [("BAD_USER_INPUT", ["scopes"])]
    assert faults(await weak.does(CREATE, name="n\0", scopes=["read"])) == [("BAD_USER_INPUT", ["name"])]
    assert (await ask(LISTED))["apiKeys"]["totalCount"] == 1


async def test_nobody_gets_hold_of_a_key_that_may_do_what_they_may_not(
    client: Client, admin: Admin, make_key: MakeKey
) -> None:
    strong = await admin.does(CREATE, name="n", scopes=["decide", "read"])
    weak = Admin(client, await make_key(Scope.ADMIN, Scope.READ))
    assert faults(await weak.does(ROTATE, id=strong["apiKey"]["id"])) == [("BAD_USER_INPUT", ["id"])]
    assert await opens(client, strong["secret"])
    assert faults(await weak.does(REVOKE, id=strong["apiKey"]["id"])) == []
    assert not await opens(client, strong["secret"])


async def test_rotated_key_works_at_once_and_the_old_secret_for_the_grace_alone(
    client: Client, admin: Admin, database: Database
) -> None:
    first = await admin.does(CREATE, name="n", scopes=["read"])
    identity = first["apiKey"]["id"]
    second = await admin.does(ROTATE, id=identity, graceHours=1)
    assert second["apiKey"] == first["apiKey"]
    assert [await opens(client, made["secret"]) for made in (first, second)] == [True, True]
    async with database.read() as session:
        for made, minutes, works in ((first, 59, True), (first, 61, False), (second, 61, True)):
            at = datetime.now(UTC) + timedelta(minutes=minutes)
            assert (await keys.caller(session, made["secret"], SECRET, at) is not None) is works
    third = await admin.does(ROTATE, id=identity)
    assert [await opens(client, made["secret"]) for made in (first, second, third)] == [False, True, True]
    fourth = await admin.does(ROTATE, id=identity, graceHours=0)
    assert [await opens(client, made["secret"]) for made in (second, third, fourth)] == [False, False, True]


@pytest.mark.parametrize("hours", [-1, 169, 2_147_483_647])
async def test_grace_of_less_than_nothing_or_more_than_a_week_is_refused(admin: Admin, hours: int) -> None:
    made = await admin.does(CREATE, name="n", scopes=["read"])
    payload = await admin.does(ROTATE, id=made["apiKey"]["id"], graceHours=hours)
    assert (faults(payload), payload["secret"]) == ([("BAD_USER_INPUT", ["graceHours"])], None)


async def test_key_works_until_it_expires_and_cannot_be_rotated_after(
    client: Client, admin: Admin, attempt: Try, caller: Caller
) -> None:
    now = datetime.now(UTC)
    made = await admin.does(CREATE, name="n", scopes=["read"], expiresAt=(now + timedelta(hours=1)).isoformat())
    assert await opens(client, made["secret"])
    given = {"input": {"id": made["apiKey"]["id"]}}
    for verb in ("Rotate", "Revoke"):
        late = await attempt(documents.API_KEY % {"verb": verb}, given, now=now + timedelta(hours=2), caller=caller)
        assert faults(late["data"][f"apiKey{verb}"]) == [("WRONG_STATE", ["id"])]


async def test_key_is_over_at_the_moment_it_expires(
    database: Database, workspace: Workspace, make_key: MakeKey
) -> None:
    key, ends = await make_key(Scope.READ), datetime.now(UTC) + timedelta(hours=1)
    async with database.write() as session:
        row = await keys.lock(session, workspace.id, key.split("_")[1])
        assert row is not None
        row.expires_at = ends
    async with database.read() as session:
        before, after = ends - timedelta(microseconds=1), ends
        assert (found := await keys.caller(session, key, SECRET, before)) is not None
        assert found.ends_at == ends
        assert await keys.caller(session, key, SECRET, after) is None


async def test_last_use_is_noted_once_an_hour(
    client: Client, database: Database, workspace: Workspace, make_key: MakeKey
) -> None:
    key = await make_key(Scope.READ)

    async def noted(before: datetime | None = None) -> Any:
        """What is noted after a use, where this was noted before."""
        if before is not None:
            async with database.raw() as connection:
                await connection.execute(NOTE, workspace.id, before)
        assert await opens(client, key)
        async with database.raw() as connection:
            return await connection.fetchval(NOTED, workspace.id)

    first = await noted()
    assert first is not None
    assert await noted() == first
    assert await noted(lately := first - timedelta(minutes=50)) == lately
    assert await noted(first - timedelta(minutes=70)) > first


async def test_stranger_finds_no_key_and_changes_none(admin: Admin, attempt: Try, stranger: Caller) -> None:
    identity = (await admin.does(CREATE, name="n", scopes=["read"]))["apiKey"]["id"]
    document = "query Q($id: ID!) { node(id: $id) { id } apiKeys { totalCount } }"
    answer = await attempt(document, {"id": identity}, caller=stranger)
    assert answer["data"] == {"node": None, "apiKeys": {"totalCount": 0}}
    for verb in ("Rotate", "Revoke"):
        answer = await attempt(documents.API_KEY % {"verb": verb}, {"input": {"id": identity}}, caller=stranger)
        assert faults(answer["data"][f"apiKey{verb}"]) == [("NOT_FOUND", ["id"])]


async def test_keys_are_nodes_for_admins_only_and_changes_of_them_are_in_the_trail(
    admin: Admin, ask: Ask, attempt: Try, caller: Caller
) -> None:
    identity = (await admin.does(CREATE, name="n", scopes=["read"]))["apiKey"]["id"]
    await admin.does(ROTATE, id=identity)
    await admin.does(REVOKE, id=identity)
    document = "query Q($id: ID!) { node(id: $id) { ... on ApiKey { name } } }"
    assert (await ask(document, {"id": identity}))["node"] == {"name": "n"}
    reader = replace(caller, scopes=frozenset({Scope.READ}))
    assert (await attempt(document, {"id": identity}, caller=reader))["data"] == {"node": None}
    trail = (await ask("{ auditLog { nodes { action node actor } } }"))["auditLog"]["nodes"]
    actions = ("apiKeyRevoke", "apiKeyRotate", "apiKeyCreate")
    assert trail == [{"action": action, "node": identity, "actor": "test"} for action in actions]

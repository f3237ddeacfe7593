"""Documents that are known by their hash: those of our pages, and those that a workspace has registered."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
import pytest

import web
from api.app import build
from api.auth import keys
from api.auth.keys import Caller, Scope
from api.auth.tenants import ensure_workspace
from api.database import Database
from api.graphql.trusted import MOST_REGISTERED
from api.settings import Settings
from kpi.shelf import Shelf
from kpi.tables import Workspace
from tests.api.conftest import SECRET, Client, MakeKey, bearing
from tests.api.servers import serving
from tests.api.test_endpoint import code
from tests.api.test_sockets import heard, say, welcomed

GRAPHQL = {"accept": "application/graphql-response+json"}


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def by_hash(digest: str, **beside: Any) -> dict[str, Any]:
    """A request that states a hash, in the words of Apollo's protocol."""
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest}}} | beside


def a_document() -> str:
    """A document that nobody has sent."""
    return f"query A{uuid4().hex} {{ viewer {{ workspace }} }}"


def registering(text: str) -> dict[str, Any]:
    return by_hash(hash_of(text), query=text)


@pytest.fixture
async def reader(client: Client, make_key: MakeKey) -> Client:
    """A client with a key that may read."""
    client.headers.update(bearing(await make_key(Scope.READ)))
    return client


@asynccontextmanager
async def elsewhere(database: Database, key: str, **settings: Any) -> AsyncIterator[Client]:
    """A client of another process of the same service: what this one remembers, that one does not."""
    app = build(database, settings=Settings(**settings), secret=SECRET, with_worker=False)
    async with Client(
        transport=httpx.ASGITransport(app), base_url="http://truelift.test", headers=bearing(key)
    ) as client:
        yield client


async def key_of_another(database: Database) -> str:
    """A key of another workspace."""
    async with database.write() as session:
        other = await ensure_workspace(session, f"other-{uuid4().hex[:12]}", datetime.now(UTC))
        return await keys.create(
            session, workspace_id=other.id, name="x", scopes=[*Scope], secret=SECRET, now=datetime.now(UTC)
        )


@pytest.mark.parametrize("name", ["experiments", "kpis"])
async def test_document_of_a_page_is_known_by_its_hash_and_costs_what_its_text_costs(reader: Client, name: str) -> None:
    text, variables = web.documents[name], {"first": 2}
    whole = (await reader.post("/graphql", json={"query": text, "variables": variables})).json()
    hashed = (await reader.post("/graphql", json=by_hash(hash_of(text), variables=variables))).json()
    assert "errors" not in whole
    assert hashed["data"] == whole["data"]
    assert hashed["extensions"]["cost"]["requested"] == whole["extensions"]["cost"]["requested"]


async def test_document_is_known_by_its_hash_once_both_were_sent_and_in_every_process(
    reader: Client, database: Database, workspace: Workspace, make_key: MakeKey
) -> None:
    text = a_document()
    unknown = await reader.post("/graphql", json=by_hash(hash_of(text)))
    assert (unknown.status_code, code(unknown)) == (200, "PERSISTED_QUERY_NOT_FOUND")
    assert unknown.json()["errors"][0]["message"] == "PersistedQueryNotFound"  # what clients of the protocol look for
    assert (await reader.post("/graphql", json=registering(text))).json()["data"]["viewer"]
    async with elsewhere(database, await make_key(Scope.READ)) as other:
        for client in (reader, other):
            answer = await client.post("/graphql", json=by_hash(hash_of(text)))
            assert answer.json()["data"] == {"viewer": {"workspace": workspace.key}}


async def test_hash_that_is_not_known_is_400_to_who_takes_answers_of_graphql(reader: Client) -> None:
    answer = await reader.post("/graphql", json=by_hash("0" * 64), headers=GRAPHQL)
    assert (answer.status_code, code(answer)) == (400, "PERSISTED_QUERY_NOT_FOUND")


async def test_hash_is_known_over_get_and_as_a_stream(reader: Client) -> None:
    text = a_document()
    parameters = {"extensions": json.dumps(registering(text)["extensions"])}
    first = await reader.get("/graphql", params=parameters | {"query": text})
    again = await reader.get("/graphql", params=parameters)
    streamed = await reader.get("/graphql", params=parameters, headers={"accept": "text/event-stream"})
    assert first.json()["data"] == again.json()["data"]
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert json.dumps(again.json()["data"], separators=(",", ":")) in streamed.text


async def test_mutation_that_is_known_by_its_hash_is_still_refused_by_get(reader: Client) -> None:
    text = f"mutation M{uuid4().hex} {{ __typename }}"
    assert (await reader.post("/graphql", json=registering(text))).json()["data"]
    asked = {"extensions": json.dumps(by_hash(hash_of(text))["extensions"])}
    answer = await reader.get("/graphql", params=asked)
    assert (answer.status_code, code(answer)) == (405, "METHOD_NOT_ALLOWED")


async def test_document_of_another_workspace_is_not_known(reader: Client, database: Database) -> None:
    text = a_document()
    await reader.post("/graphql", json=registering(text))
    stranger = bearing(await key_of_another(database))
    answer = await reader.post("/graphql", json=by_hash(hash_of(text)), headers=stranger)
    assert code(answer) == "PERSISTED_QUERY_NOT_FOUND"


async def test_hash_of_another_document_is_refused_and_nothing_is_remembered(reader: Client) -> None:
    text, other = a_document(), a_document()
    answer = await reader.post("/graphql", json=by_hash(hash_of(other), query=text))
    assert (answer.status_code, code(answer)) == (400, "BAD_REQUEST")
    for digest in (hash_of(text), hash_of(other)):
        assert code(await reader.post("/graphql", json=by_hash(digest))) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize("stated", [1, {}, {"version": 2, "sha256Hash": "0" * 64}, {"sha256Hash": "A" * 64}, [], "x"])
@pytest.mark.parametrize("beside", [{}, {"query": "{ viewer { workspace } }"}])
async def test_what_is_no_hash_is_refused(reader: Client, stated: object, beside: dict[str, str]) -> None:
    answer = await reader.post("/graphql", json={"extensions": {"persistedQuery": stated}} | beside)
    assert (answer.status_code, code(answer)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("wrong", ["{", "{ nothing }", "{ a " * 17 + "}" * 17, "query A { viewer { workspace } } " * 2])
async def test_document_that_cannot_be_run_is_not_remembered(reader: Client, wrong: str) -> None:
    assert (await reader.post("/graphql", json=registering(wrong))).json()["errors"]
    assert code(await reader.post("/graphql", json=by_hash(hash_of(wrong)))) == "PERSISTED_QUERY_NOT_FOUND"


async def test_what_one_key_may_ask_by_a_hash_another_may_not(reader: Client, make_key: MakeKey) -> None:
    text = f"query A{uuid4().hex} {{ __schema {{ description }} }}"
    knowing = bearing(await make_key(Scope.READ, Scope.SCHEMA))
    assert (await reader.post("/graphql", json=registering(text), headers=knowing)).json()["data"]
    answer = await reader.post("/graphql", json=by_hash(hash_of(text)))
    assert code(answer) == "FORBIDDEN"
    assert "data" not in answer.json()


async def test_limits_hold_for_a_document_that_is_known(reader: Client) -> None:
    text = f"query A{uuid4().hex}($n: Int) {{ hypotheses(first: $n) {{ nodes {{ evidence {{ status }} }} }} }}"
    assert (await reader.post("/graphql", json=registering(text) | {"variables": {"n": 1}})).json()["data"]
    answer = await reader.post("/graphql", json=by_hash(hash_of(text), variables={"n": 100}))
    assert (code(answer), answer.json()["errors"][0]["extensions"]["limit"]) == ("LIMIT_EXCEEDED", "cost")


async def test_workspace_keeps_so_many_documents_and_forgets_the_oldest(
    reader: Client, database: Database, workspace: Workspace, make_key: MakeKey
) -> None:
    async with database.raw() as connection:
        await connection.execute(
            "INSERT INTO trusted_documents"
            " SELECT $1, sha256(convert_to(body, 'UTF8')), body, now() - age * interval '1 h'"
            " FROM (SELECT 'query A' || age || ' { viewer { workspace } }' AS body, age"
            " FROM generate_series(1, $2) AS age) AS made",
            workspace.id,
            MOST_REGISTERED,
        )
    text = a_document()
    await reader.post("/graphql", json=registering(text))
    oldest, second, newest = (
        f"query A{age} {{ viewer {{ workspace }} }}" for age in (MOST_REGISTERED, MOST_REGISTERED - 1, 1)
    )
    async with elsewhere(database, await make_key(Scope.READ)) as other:
        asked = [await other.post("/graphql", json=by_hash(hash_of(found))) for found in (oldest, second, newest, text)]
    assert ["data" in answer.json() for answer in asked] == [False, True, True, True]


async def test_where_only_trusted_documents_are_run_a_key_that_may_see_the_schema_registers_them(
    database: Database, make_key: MakeKey
) -> None:
    text, reading = a_document(), bearing(await make_key(Scope.READ))
    async with elsewhere(database, await make_key(Scope.READ, Scope.SCHEMA), trusted_only=True) as client:

        async def told(sent: dict[str, Any]) -> tuple[int, bool]:
            answer = await client.post("/graphql", json=sent, headers=reading)
            return answer.status_code, "data" in answer.json()

        assert await told({"query": text}) == await told(registering(text)) == (403, False)
        assert (await client.post("/graphql", json=registering(text))).json()["data"]
        assert await told(by_hash(hash_of(text))) == await told({"query": text}) == (200, True)
        assert await told(by_hash(hash_of(web.documents["kpis"]), variables={"first": 1})) == (200, True)


async def test_websocket_takes_hashes_and_registers_documents(
    database_url: str, make_key: MakeKey, caller: Caller
) -> None:
    text = a_document()

    async def told(socket: Any, payload: dict[str, Any]) -> Any:
        await say(socket, {"id": "a", "type": "subscribe", "payload": payload})
        message = await heard(socket)
        if message["type"] == "next":
            assert await heard(socket) == {"id": "a", "type": "complete"}
        return message

    async with serving(database_url) as service, welcomed(service, await make_key(Scope.READ)) as socket:
        unknown = await told(socket, by_hash(hash_of(text)))
        assert unknown["type"] == "error"
        assert unknown["payload"] == [
            {"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}
        ]
        wrong = await told(socket, by_hash("0" * 64, query=text))
        assert wrong["payload"][0]["extensions"]["code"] == "BAD_REQUEST"
        for payload in (registering(text), by_hash(hash_of(text))):
            assert (await told(socket, payload))["payload"]["data"] == {"viewer": {"workspace": caller.workspace}}


def test_shelf_forgets_what_was_not_wanted_for_the_longest_time_until_the_rest_fits() -> None:
    shelf: Shelf[str, int] = Shelf(10)
    shelf.put("a", 1, 4)
    shelf.put("b", 2, 4)
    assert shelf.get("a") == 1
    shelf.put("c", 3, 4)
    assert [shelf.get(key) for key in "abc"] == [1, None, 3]
    assert shelf.full == 8
    shelf.put("a", 5, 6)  # the same again, larger
    assert ([shelf.get(key) for key in "ac"], shelf.full) == ([5, 3], 10)
    shelf.put("d", 4, 11)
    assert ([shelf.get(key) for key in "acd"], shelf.full) == ([None] * 3, 0)

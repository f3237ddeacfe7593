"""graphql-transport-ws on a real server, message by message: what is answered, what closes the websocket, and why."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio
from starlette.types import Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Response
from websockets.typing import Data, Origin, Subprotocol

from api.auth import callers, keys
from api.auth.keys import Caller, Scope
from api.auth.tenants import ensure_workspace
from api.commands import serving as commands
from api.database import Database
from api.graphql import endpoint
from tests.api import documents
from tests.api.conftest import SECRET, MakeKey, bearing
from tests.api.servers import PATIENCE, serving
from tests.conftest import Ask
from tests.service.running import free_port

PROTOCOL = "graphql-transport-ws"
UPDATED = "subscription S($id: ID!) { experimentResultsUpdated(id: $id) { experiment { key } } }"
VIEWER = "{ viewer { workspace } }"


@pytest_asyncio.fixture
async def service(
    database_url: str, database: Database, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[httpx.AsyncClient]:
    """A server; whatever a test sends it, nothing in it fails."""
    assert database  # at the newest schema
    async with serving(database_url) as client:
        yield client
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


@asynccontextmanager
async def opened(
    service: httpx.AsyncClient, protocol: str | None = PROTOCOL, **headers: str
) -> AsyncIterator[ClientConnection]:
    """A websocket on which nothing has been said."""
    url = str(service.base_url.join("/graphql")).replace("http:", "ws:")
    protocols = None if protocol is None else [Subprotocol(protocol)]
    origin = Origin(headers.pop("origin")) if "origin" in headers else None
    async with connect(
        url, subprotocols=protocols, additional_headers=headers, origin=origin, open_timeout=PATIENCE
    ) as socket:
        yield socket


@asynccontextmanager
async def welcomed(service: httpx.AsyncClient, key: str) -> AsyncIterator[ClientConnection]:
    """A websocket that a key has opened."""
    async with opened(service) as socket:
        await say(socket, {"type": "connection_init", "payload": {"Authorization": f"Bearer {key}"}})
        assert await heard(socket) == {"type": "connection_ack"}
        yield socket


async def say(socket: ClientConnection, message: object) -> None:
    await socket.send(json.dumps(message))


async def heard(socket: ClientConnection) -> Any:
    """The next message."""
    return json.loads(await asyncio.wait_for(socket.recv(), PATIENCE))


async def closed(socket: ClientConnection) -> int:
    """The code that the websocket is closed with, whatever is said before."""
    await asyncio.wait_for(socket.wait_closed(), PATIENCE)
    assert socket.close_code is not None
    return int(socket.close_code)


def subscribe(identity: str, query: str, **variables: object) -> dict[str, Any]:
    return {"id": identity, "type": "subscribe", "payload": {"query": query, "variables": variables}}


async def asked(socket: ClientConnection, query: str, **variables: object) -> Any:
    """What an operation of one event is answered with."""
    await say(socket, subscribe("q", query, **variables))
    answer = await heard(socket)
    assert answer["id"] == "q"
    if answer["type"] == "next":
        assert await heard(socket) == {"id": "q", "type": "complete"}
    return answer


@pytest.mark.parametrize("protocol", [None, "graphql-ws", "chat"])
async def test_other_protocol_is_refused_with_4406(service: httpx.AsyncClient, protocol: str | None) -> None:
    url = str(service.base_url.join("/graphql")).replace("http:", "ws:")
    protocols = None if protocol is None else [Subprotocol(protocol), Subprotocol(PROTOCOL)]
    async with connect(url, subprotocols=protocols) as socket:
        if protocol is not None:
            assert socket.subprotocol == PROTOCOL  # the one of both that we speak
            return
        assert await closed(socket) == 4406


async def test_websocket_that_says_nothing_is_closed_with_4408(
    database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database
    assert endpoint.INIT_SECONDS == 10
    monkeypatch.setattr(endpoint, "INIT_SECONDS", 0.2)
    async with serving(database_url) as client, opened(client) as socket:
        assert await closed(socket) == 4408


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://127.0.0.1:1", "http://["])
async def test_page_of_another_origin_is_refused(service: httpx.AsyncClient, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with opened(service, origin=origin):
            pass
    assert refused.value.response.status_code == 403


async def test_key_may_come_in_the_header_or_in_the_first_message(
    service: httpx.AsyncClient, make_key: MakeKey, caller: Caller
) -> None:
    key = await make_key(Scope.READ)
    own = str(service.base_url)
    async with opened(service, **bearing(key), origin=own) as socket:
        await say(socket, {"type": "connection_init", "payload": None})
        assert await heard(socket) == {"type": "connection_ack"}
        assert (await asked(socket, VIEWER))["payload"]["data"] == {"viewer": {"workspace": caller.workspace}}
    async with welcomed(service, key) as socket:
        assert (await asked(socket, VIEWER))["payload"]["data"] == {"viewer": {"workspace": caller.workspace}}


@pytest.mark.parametrize(
    "payload", [None, {}, {"authorization": 7}, {"authorization": "Bearer tl_x_y"}, {"authorization": "tl_x_y"}]
)
async def test_key_that_does_not_work_is_refused_with_4403(service: httpx.AsyncClient, payload: object) -> None:
    async with opened(service) as socket:
        await say(socket, {"type": "connection_init", "payload": payload})
        assert await closed(socket) == 4403


async def test_operation_before_anybody_is_known_is_refused_with_4401(service: httpx.AsyncClient) -> None:
    async with opened(service) as socket:
        await say(socket, subscribe("q", VIEWER))
        assert await closed(socket) == 4401


async def test_second_greeting_is_refused_with_4429(service: httpx.AsyncClient, make_key: MakeKey) -> None:
    async with welcomed(service, await make_key(Scope.READ)) as socket:
        await say(socket, {"type": "connection_init"})
        assert await closed(socket) == 4429


NO_MESSAGES: dict[str, Data] = {
    "no JSON": "{",
    "null": "null",
    "text": '"x"',
    "list": "[]",
    "deep": "[" * 100_000,
    "number of 5,000 digits": "9" * 5_000,
    "half a surrogate pair": '{"type": "ping", "payload": {"a": "\\ud800"}}',
    "bytes": b'{"type": "ping"}',
    "no type": "{}",
    "numeric type": '{"type": 1}',
    "type in a list": '{"type": ["ping"]}',
    "unknown type": json.dumps({"type": "x" * 10_000}),
    "type of the server's": '{"type": "next", "id": "q"}',
    "no id": '{"type": "subscribe", "payload": {"query": "{ __typename }"}}',
    "numeric id": '{"type": "subscribe", "id": 1, "payload": {"query": "{ __typename }"}}',
    "empty id": '{"type": "subscribe", "id": "", "payload": {"query": "{ __typename }"}}',
    "complete without id": '{"type": "complete"}',
    "no payload": '{"type": "subscribe", "id": "q"}',
    "payload as text": '{"type": "subscribe", "id": "q", "payload": "{ __typename }"}',
    "no query": '{"type": "subscribe", "id": "q", "payload": {}}',
    "numeric query": '{"type": "subscribe", "id": "q", "payload": {"query": 1}}',
    "variables in a list": '{"type": "subscribe", "id": "q", "payload": {"query": "{ __typename }", "variables": []}}',
    "numeric name": '{"type": "subscribe", "id": "q", "payload": {"query": "{ __typename }", "operationName": 1}}',
    "ping with a list": '{"type": "ping", "payload": []}',
}


@pytest.mark.parametrize("name", NO_MESSAGES)
async def test_message_that_is_none_closes_the_websocket_with_4400_and_the_server_goes_on(
    service: httpx.AsyncClient, make_key: MakeKey, name: str
) -> None:
    key = await make_key(Scope.READ)
    async with welcomed(service, key) as socket:
        await socket.send(NO_MESSAGES[name])
        assert await closed(socket) == 4400
    answer = await service.post("/graphql", json={"query": VIEWER}, headers=bearing(key))
    assert answer.status_code == 200


async def test_message_over_a_million_bytes_closes_the_websocket_with_1009(
    service: httpx.AsyncClient, make_key: MakeKey
) -> None:
    async with welcomed(service, await make_key(Scope.READ)) as socket:
        await say(socket, subscribe("q", VIEWER, a="x" * 900_000))
        assert (await heard(socket))["type"] == "next"
    async with welcomed(service, await make_key(Scope.READ)) as socket:
        await say(socket, subscribe("q", VIEWER, a="x" * 1_000_000))
        assert await closed(socket) == 1009


async def test_messages_that_come_too_fast_close_the_websocket_with_4429(
    service: httpx.AsyncClient, make_key: MakeKey
) -> None:
    async with welcomed(service, await make_key(Scope.READ)) as socket:
        for place in range(40):  # twenty operations begun and ended again, at once
            await say(socket, {"id": str(place // 2), "type": "complete"} if place % 2 else {"type": "pong"})
        assert (await asked(socket, VIEWER))["type"] == "next"
        with suppress(ConnectionClosed):
            for _ in range(1_000):
                await say(socket, {"type": "pong"})
        assert await closed(socket) == 4429
        assert socket.close_reason == "Too many messages; 20 a second are read."
    async with opened(service) as stranger:  # before anybody is known as well
        with suppress(ConnectionClosed):
            for _ in range(1_000):
                await say(stranger, {"type": "pong"})
        assert await closed(stranger) == 4429


async def test_reader_that_takes_nothing_is_cut_off_though_much_is_still_to_be_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However much, and whoever sends it: what is talked here is a stream without an end."""
    monkeypatch.setattr(commands, "PING_SECONDS", 0.3)
    started, ended, port = asyncio.Event(), asyncio.Event(), free_port()

    async def endless(_scope: object, _receive: object, send: Send) -> None:
        await send({"type": "websocket.accept"})
        try:
            while True:
                await send({"type": "websocket.send", "text": "x" * 1_000_000})
        finally:
            ended.set()

    config = commands.configured(endless, host="127.0.0.1", port=port, subscriptions=1)  # type: ignore[arg-type]  # all that is needed of one
    config.lifespan, config.timeout_graceful_shutdown = "off", 1
    server = commands.Server(config, started.set)
    serving = asyncio.create_task(server.serve())
    await started.wait()
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)  # which reads no more than a few bytes
    lines = ("GET / HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade")
    keys = ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13")
    writer.write("\r\n".join((*lines, *keys, "", "")).encode())
    await asyncio.wait_for(ended.wait(), PATIENCE)
    writer.transport.abort()
    server.should_exit = True
    await serving


async def test_ping_is_answered_before_and_after_the_greeting(service: httpx.AsyncClient, make_key: MakeKey) -> None:
    async with opened(service) as socket:
        await say(socket, {"type": "ping", "payload": {"a": 1}})
        assert await heard(socket) == {"type": "pong"}
        await say(socket, {"type": "connection_init", "payload": bearing(await make_key(Scope.READ))})
        assert await heard(socket) == {"type": "connection_ack"}
        await say(socket, {"type": "pong"})
        await say(socket, {"type": "ping"})
        assert await heard(socket) == {"type": "pong"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "BAD_REQUEST"),
        ("{ nothing }", "BAD_REQUEST"),
        ("{ __schema { description } }", "FORBIDDEN"),
        ("query A { __typename } query B { __typename }", "BAD_REQUEST"),
        ("fragment A on Query { __typename }", "BAD_REQUEST"),
        ("query A($id: ID!) { node(id: $id) { id } }", "BAD_REQUEST"),
        (
            "{ a " * 17 + "}" * 17,
            "LIMIT_EXCEEDED",
        ),
        ("{ viewer { workspace } } #" + "x" * 32_000, "PAYLOAD_TOO_LARGE"),
    ],
)
async def test_wrong_document_is_an_error_of_its_operation_and_the_websocket_stays(
    service: httpx.AsyncClient, make_key: MakeKey, query: str, code: str
) -> None:
    async with welcomed(service, await make_key(Scope.READ)) as socket:
        answer = await asked(socket, query)
        assert answer["type"] == "error"
        assert [error["extensions"]["code"] for error in answer["payload"]] == [code]
        assert (await asked(socket, VIEWER))["type"] == "next"  # the same id is free again


async def test_id_that_is_taken_closes_the_websocket_with_4409(
    service: httpx.AsyncClient, make_key: MakeKey, started: str
) -> None:
    async with welcomed(service, await make_key(Scope.READ)) as socket:
        for _ in range(2):
            await say(socket, subscribe("long" * 100, UPDATED, id=started))
        assert await closed(socket) == 4409


async def test_twenty_operations_at_once_and_the_place_of_one_that_ended_is_free(
    service: httpx.AsyncClient, make_key: MakeKey, started: str
) -> None:
    async with welcomed(service, await make_key(Scope.READ)) as socket:
        for place in range(20):
            await say(socket, subscribe(str(place), UPDATED, id=started))
        assert {(await heard(socket))["id"] for _ in range(20)} == {str(place) for place in range(20)}
        refused = await asked(socket, VIEWER)
        assert (refused["type"], refused["payload"][0]["extensions"]["code"]) == ("error", "RATE_LIMITED")
        await say(socket, {"id": "7", "type": "complete"})
        assert (await asked(socket, VIEWER))["type"] == "next"


async def test_each_operation_of_a_websocket_sees_what_is_true_when_it_runs(
    service: httpx.AsyncClient, make_key: MakeKey, ask: Ask, drafted: str
) -> None:
    state = "query Q($id: ID!) { node(id: $id) { ... on Experiment { state } } }"
    async with welcomed(service, await make_key(Scope.READ)) as socket:
        before = await asked(socket, state, id=drafted)
        await ask(documents.EXPERIMENT_START, {"input": {"id": drafted, "startedAt": "2026-06-01T00:00:00Z"}})
        after = await asked(socket, state, id=drafted)
    states = [answer["payload"]["data"]["node"]["state"] for answer in (before, after)]
    assert states == ["DRAFT", "RUNNING"]


async def test_websocket_of_a_key_that_is_revoked_is_closed_with_4401_as_soon_as_that_is_told(
    service: httpx.AsyncClient, make_key: MakeKey, database: Database, started: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "RECHECK_SECONDS", 60 * PATIENCE)  # so it is not by being looked up again
    key = await make_key(Scope.READ)
    async with (
        welcomed(service, key) as idle,
        welcomed(service, key) as busy,
        welcomed(service, await make_key(Scope.READ)) as other,
    ):
        await say(busy, subscribe("s", UPDATED, id=started))
        assert (await heard(busy))["type"] == "next"
        async with database.write() as session:
            found = await keys.caller(session, key, SECRET, datetime.now(UTC))
            assert found is not None
            await keys.revoke(session, found.workspace_id, found.public_id, datetime.now(UTC))
        assert {await closed(idle), await closed(busy)} == {4401}
        assert (await asked(other, VIEWER))["type"] == "next"


async def test_workspace_at_its_limit_of_subscriptions_takes_no_other_workspaces_place(
    database_url: str, database: Database, make_key: MakeKey, started: str
) -> None:
    async with database.write() as session:
        other = await ensure_workspace(session, f"{started}-other", datetime.now(UTC))
        stranger = await keys.create(
            session, workspace_id=other.id, name="x", scopes=[Scope.READ], secret=SECRET, now=datetime.now(UTC)
        )
    async with (
        serving(database_url, max_workspace_subscriptions=1) as client,
        welcomed(client, await make_key(Scope.READ)) as socket,
        welcomed(client, stranger) as elsewhere,
    ):
        await say(socket, subscribe("first", UPDATED, id=started))
        assert (await heard(socket))["type"] == "next"
        refused = await asked(socket, UPDATED, id=started)
        assert refused["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
        missing = await asked(elsewhere, UPDATED, id=started)  # it is looked for, and is not of this workspace
        assert missing["payload"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_websocket_too_many_is_refused_with_503_and_the_place_of_one_that_left_is_free(
    database_url: str, database: Database
) -> None:
    assert database
    async with serving(database_url, max_subscriptions=1) as client:
        async with opened(client):
            refused = await refusal(client)
            assert refused is not None
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        async with asyncio.timeout(PATIENCE):
            while await refusal(client):  # until the place is given back
                pass


async def refusal(service: httpx.AsyncClient) -> Response | None:
    """What a websocket is refused with; None where it is taken."""
    try:
        async with opened(service):
            return None
    except InvalidStatus as refused:
        return refused.response


async def test_bug_in_a_subscription_is_masked_in_its_event(
    service: httpx.AsyncClient, make_key: MakeKey, database: Database, started: str, caplog: pytest.LogCaptureFixture
) -> None:
    query = UPDATED.replace("{ key }", "{ key hypothesis { key } }")
    async with database.acting(None).raw() as connection:
        await connection.execute("ALTER TABLE hypotheses RENAME TO hypotheses_of_the_day_before")
    try:
        async with welcomed(service, await make_key(Scope.READ)) as socket:
            await say(socket, subscribe("s", query, id=started))
            told = await heard(socket)
    finally:
        async with database.acting(None).raw() as connection:
            await connection.execute("ALTER TABLE hypotheses_of_the_day_before RENAME TO hypotheses")
    (error,) = told["payload"]["errors"]
    assert (error["message"], error["extensions"]["code"]) == ("Something went wrong on our side.", "INTERNAL")
    assert error["extensions"]["traceId"] in caplog.text
    caplog.clear()

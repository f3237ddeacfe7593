"""Subscriptions over server-sent events, on a real server: what is told, to whom, and when it ends."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio

from api.auth import callers, keys
from api.auth.keys import Scope
from api.database import Database
from api.jobs.refresh import refresh_due
from tests.api import documents
from tests.api.conftest import SECRET, MakeKey, bearing
from tests.api.servers import PATIENCE, serving
from tests.conftest import Ask

UPDATED = """subscription S($id: ID!) { experimentResultsUpdated(id: $id) {
  experiment { key results { dataThrough diagnostics { exposed } } }
} }"""
PROGRESSED = "subscription S($id: ID!) { jobProgressed(id: $id) { job { state progress { accepted } } } }"
Event = tuple[str, Any]


@pytest_asyncio.fixture
async def service(database_url: str, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    assert database  # at the newest schema
    async with serving(database_url) as client:
        yield client


async def events(
    client: httpx.AsyncClient, key: str, document: str, identity: str, sent: dict[str, str] | None = None
) -> AsyncGenerator[Event, None]:
    """The events of a subscription as they come, heartbeats left out; with other headers instead of a key's."""
    headers = {"accept": "text/event-stream"} | (sent or bearing(key))
    body = {"query": document, "variables": {"id": identity}}
    async with client.stream("POST", "/graphql", json=body, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = ""
        async for line in answer.aiter_lines():
            if line.startswith("event:"):
                name = line.removeprefix("event:").strip()
            elif line.startswith("data:"):
                data = line.removeprefix("data:").strip()
                yield name, json.loads(data) if data else None


async def after(stream: AsyncIterator[Event]) -> Any:
    """The next event."""
    return await asyncio.wait_for(anext(stream), PATIENCE)


async def test_subscriber_is_told_of_each_refresh_and_sees_what_is_true_then(
    service: httpx.AsyncClient, make_key: MakeKey, ask: Ask, database: Database, started: str
) -> None:
    async with aclosing(events(service, await make_key(Scope.READ), UPDATED, started)) as stream:
        name, first = await after(stream)
        assert name == "next"
        assert first["data"]["experimentResultsUpdated"]["experiment"] == {"key": "guided-tour", "results": None}
        for count in (1, 2):
            exposure = documents.exposure(f"u{count}", "tour", "2026-06-02T00:00:00Z")
            await ask(documents.EXPOSURES_INGEST, {"input": {"exposures": [exposure]}})
            await refresh_due(database)
            _, told = await after(stream)
            results = told["data"]["experimentResultsUpdated"]["experiment"]["results"]
            assert results["diagnostics"]["exposed"] == count


async def test_subscriber_of_a_job_is_told_until_it_ends(service: httpx.AsyncClient, make_key: MakeKey) -> None:
    key = await make_key(Scope.READ, Scope.INGEST)
    line = json.dumps({"event": "e", "unit": "u", "occurredAt": "2026-06-02T00:00:00Z"})
    answer = await service.post(
        "/v1/uploads?noun=outcomes&format=ndjson",
        content=line,
        headers=bearing(key) | {"content-type": "application/x-ndjson"},
    )
    identity = answer.json()["job"]["id"]
    async with aclosing(events(service, key, PROGRESSED, identity)) as stream:
        _, first = await after(stream)
        assert first["data"]["jobProgressed"]["job"] == {"state": "WAITING", "progress": {"accepted": 0}}
        cancel = {"query": documents.JOB_CANCEL, "variables": {"input": {"id": identity}}}
        await service.post("/graphql", json=cancel, headers=bearing(key))
        _, last = await after(stream)
        assert last["data"]["jobProgressed"]["job"] == {"state": "CANCELLED", "progress": {"accepted": 0}}
        assert await after(stream) == ("complete", None)


async def test_revoked_key_hears_nothing_more_as_soon_as_that_is_told(
    service: httpx.AsyncClient, make_key: MakeKey, database: Database, started: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "RECHECK_SECONDS", 60 * PATIENCE)  # so it is not by being looked up again
    key = await make_key(Scope.READ)
    async with aclosing(events(service, key, UPDATED, started)) as stream:
        await after(stream)
        async with database.write() as session:
            found = await keys.caller(session, key, SECRET, datetime.now(UTC))
            assert found is not None
            await keys.revoke(session, found.workspace_id, found.public_id, datetime.now(UTC))
        assert await after(stream) == ("complete", None)


@pytest.mark.parametrize("identity", ["nonsense", "RXhwZXJpbWVudDo5OTk5OTk5OTk"])
async def test_subscription_to_nothing_is_told_so_and_ends(
    service: httpx.AsyncClient, make_key: MakeKey, identity: str
) -> None:
    async with aclosing(events(service, await make_key(Scope.READ), UPDATED, identity)) as stream:
        _, told = await after(stream)
        assert [error["extensions"]["code"] for error in told["errors"]] == ["NOT_FOUND"]
        assert await after(stream) == ("complete", None)


async def test_subscription_with_a_key_that_may_not_read_is_refused(
    service: httpx.AsyncClient, make_key: MakeKey, started: str
) -> None:
    async with aclosing(events(service, await make_key(Scope.INGEST), UPDATED, started)) as stream:
        _, told = await after(stream)
        assert [error["extensions"]["code"] for error in told["errors"]] == ["FORBIDDEN"]


async def test_one_subscription_too_many_is_refused_and_the_place_of_one_that_left_is_free(
    database_url: str, make_key: MakeKey, started: str
) -> None:
    key = await make_key(Scope.READ)
    async with serving(database_url, max_subscriptions=1) as client:
        async with aclosing(events(client, key, UPDATED, started)) as first:
            await after(first)
            async with aclosing(events(client, key, UPDATED, started)) as second:
                _, told = await after(second)
                assert [error["extensions"]["code"] for error in told["errors"]] == ["RATE_LIMITED"]
        told = {"errors": []}
        async with asyncio.timeout(PATIENCE):
            while "errors" in told:  # until the place is given back
                async with aclosing(events(client, key, UPDATED, started)) as third:
                    _, told = await after(third)


async def test_subscriber_is_told_again_when_the_listening_connection_was_cut(
    service: httpx.AsyncClient, make_key: MakeKey, database: Database, started: str
) -> None:
    async with aclosing(events(service, await make_key(Scope.READ), UPDATED, started)) as stream:
        await after(stream)
        async with database.acting(None).raw() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'truelift news'"
            )
        name, _ = await after(stream)
        assert name == "next"

"""What `/metrics` says of a service that runs, read by the reader of Prometheus's own client."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from websockets import InvalidStatus, Subprotocol
from websockets.asyncio.client import connect

from api.auth.keys import Scope
from api.auth.tenants import ensure_workspace
from api.database import Database
from api.jobs.refresh import refresh_due
from api.jobs.uploads import take_in_uploads
from api.telemetry.state import State
from kpi import events
from tests.api.conftest import MakeKey, bearing
from tests.api.databases import migrated, url_of
from tests.api.servers import serving
from tests.service.running import free_port

AT = "2026-06-02T08:00:00Z"
WORD = "sixteen letters or more"
DASHBOARD = Path(__file__).parents[3] / "docs" / "grafana" / "truelift.json"
SECRETIVE = "alice@example.org"

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@asynccontextmanager
async def watched(url: str, **settings: Any) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A service, and the address of its metrics."""
    port = free_port()
    async with serving(url, metrics_port=port, **settings) as client:
        yield client, f"http://127.0.0.1:{port}/metrics"


async def samples(address: str, **headers: str) -> Samples:
    """Every number that is told, by its name and labels."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(address, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return read(answer.text)


def read(text: str) -> Samples:
    families = text_string_to_metric_families(text)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def told(found: Samples, name: str, **labels: str) -> float:
    return found.get((name, tuple(sorted(labels.items()))), 0.0)


def grown(before: Samples, after: Samples, name: str, **labels: str) -> float:
    return told(after, name, **labels) - told(before, name, **labels)


async def test_requests_and_operations_are_counted_by_names_of_ours_and_nobody_elses(
    database_url: str, make_key: MakeKey
) -> None:
    key = bearing(await make_key(Scope.READ))
    async with watched(database_url) as (client, address):
        before = await samples(address)
        for document in ("query Mine { viewer { workspace } }", "{ alice }", "{ kpis { totalCount } }", "{"):
            await client.post("/graphql", json={"query": document}, headers=key)
        await client.post("/graphql", json={"query": "{ kpis { totalCount } }"})
        await client.get(f"/{SECRETIVE}")
        await client.get("/experiments/alice")
        after = await samples(address)
        text = str(after)
    name = "truelift_http_request_seconds_count"
    assert grown(before, after, name, route="/graphql", status="200") == 4
    assert grown(before, after, name, route="/graphql", status="401") == 1
    assert grown(before, after, name, route="(none)", status="404") == 1
    assert [key for key in after if key[0] == name and ("route", "/experiments/{key}") in key[1]] != []
    name = "truelift_graphql_operation_seconds_count"
    assert grown(before, after, name, operation="query viewer", outcome="OK") == 1
    assert grown(before, after, name, operation="query kpis", outcome="OK") == 1
    assert grown(before, after, name, operation="query (other)", outcome="BAD_REQUEST") == 1
    assert grown(before, after, name, operation="(unreadable)", outcome="BAD_REQUEST") == 1
    assert grown(before, after, "truelift_graphql_cost_count") == 3
    assert not re.search("alice|Mine", text)


async def test_websockets_are_counted_open_and_as_opened_or_refused(database_url: str) -> None:
    async with watched(database_url) as (client, address):
        here = str(client.base_url).replace("http", "ws", 1)
        before = await samples(address)
        with pytest.raises(InvalidStatus):
            await connect(f"{here}/nowhere")
        async with connect(f"{here}/graphql", subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            assert socket.response is not None
            assert len(socket.response.headers["x-request-id"]) == 32
            assert told(await samples(address), "truelift_websockets_open") == 1
        after = await samples(address)
    name = "truelift_http_request_seconds_count"
    assert grown(before, after, name, route="/graphql", status="101") == 1
    assert grown(before, after, name, route="(none)", status="403") == 1
    assert grown(before, after, name, route="(none)", status="500") == 0


async def test_rows_are_counted_by_noun_and_answer_at_every_door(
    database_url: str, make_key: MakeKey, database: Database
) -> None:
    key = bearing(await make_key(Scope.INGEST))
    row = {"unit": SECRETIVE, "event": "played", "occurredAt": AT, "eventId": "e1"}
    body = b"\n".join(json.dumps(one).encode() for one in (row, row | {"eventId": "e2"}, row, {"unit": 1}))
    document = "mutation ($input: OutcomesIngestInput!) { outcomesIngest(input: $input) { report { accepted } } }"
    file = f"unit,event,occurred_at,event_id\n{SECRETIVE},played,{AT},e3\n{SECRETIVE},played,{AT},e1\n,,,\n"
    async with watched(database_url) as (client, address):
        before = await samples(address)
        lines = {"content-type": "application/x-ndjson", **key}
        assert (await client.post("/v1/outcomes", content=body, headers=lines)).status_code == 200
        await client.post(
            "/graphql", json={"query": document, "variables": {"input": {"outcomes": [row]}}}, headers=key
        )
        sent = await client.post("/v1/uploads?noun=outcomes&format=csv", content=file.encode(), headers=key)
        assert sent.status_code == 202
        waiting = await samples(address)
        await take_in_uploads(database)
        after = await samples(address)
    assert told(waiting, "truelift_open_jobs", state="WAITING") >= 1
    found = [
        grown(before, after, "truelift_ingest_rows_total", noun="outcomes", answer=answer)
        for answer in ("accepted", "duplicate", "rejected")
    ]
    assert found == [2 + 1, 1 + 1 + 1, 1 + 1]
    assert SECRETIVE not in str(after)


@pytest_asyncio.fixture
async def quiet(database_url: str) -> AsyncIterator[Database]:
    """A database of its own, in which nothing of other tests waits."""
    found = Database(url_of(database_url, await migrated(database_url)))
    yield found
    await found.close()


async def test_what_waits_is_told_with_its_age_and_no_more_once_it_is_refreshed(quiet: Database) -> None:
    async with quiet.write() as session:
        workspace = await ensure_workspace(session, "acme", datetime.now(UTC))
    rows = [{"unit": "u", "event": "played", "occurredAt": AT}]
    async with quiet.raw() as connection:
        await events.ingest(connection, workspace_id=workspace.id, rows=rows, now=datetime.now(UTC))
        await connection.execute(
            "UPDATE ingests SET received_at = received_at - interval '1 hour' WHERE workspace_id = $1", workspace.id
        )
    state = State(database=quiet, worker_name="nobody by this name")
    waiting = await _looked(state)
    assert waiting["truelift_pending_ingests"] == 1
    assert waiting["truelift_oldest_pending_seconds"] == pytest.approx(3_600, abs=60)
    assert (waiting["truelift_database_up"], waiting["truelift_workers_connected"]) == (1, 0)
    assert waiting["truelift_pool_size"] == 10
    await refresh_due(quiet)
    done = await _looked(state)
    assert (done["truelift_pending_ingests"], done["truelift_oldest_pending_seconds"]) == (0, 0)


async def _looked(state: State) -> dict[str, float]:
    return {family.name: family.samples[0].value for family in await state.look()}


async def test_database_that_is_away_is_told_beside_what_the_process_knows() -> None:
    away = Database(f"postgresql+asyncpg://nobody@127.0.0.1:{free_port()}/nothing")
    found = await _looked(State(database=away, worker_name="", open={"truelift_websockets_open": ("Open.", lambda: 7)}))
    await away.close()
    assert (found["truelift_database_up"], found["truelift_websockets_open"]) == (0, 7)
    assert "truelift_pending_ingests" not in found


async def test_worker_tells_what_each_duty_took_and_when_its_rounds_ended(database_url: str) -> None:
    began = datetime.now(UTC).timestamp()
    async with watched(database_url, with_worker=True, refresh_seconds=0.1) as (_, address):
        for _ in range(300):
            found = await samples(address)
            if told(found, BEAT, round="results") >= began and told(found, BEAT, round="deliveries") >= began:
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError("the worker's rounds do not end")
    assert found["truelift_duty_seconds_count", (("duty", "refresh_due"),)] >= 1
    assert found["truelift_duty_seconds_count", (("duty", "deliver_due"),)] >= 1
    assert told(found, "truelift_workers_connected") >= 1
    assert told(found, "truelift_pool_wait_seconds_count") > 0


BEAT = "truelift_worker_heartbeat_timestamp_seconds"


async def test_metrics_are_not_told_by_the_application_and_not_without_the_token_where_there_is_one(
    database_url: str,
) -> None:
    async with watched(database_url, metrics_token=WORD) as (client, address):
        assert (await client.get("/metrics")).status_code == 404
        async with httpx.AsyncClient() as stranger:
            for header in ({}, {"authorization": f"Bearer {WORD[1:]}"}, {"authorization": WORD}):
                refused = await stranger.get(address, headers=header)
                assert (refused.status_code, refused.content) == (401, b"")
        assert told(await samples(address, authorization=f"Bearer {WORD}"), "truelift_database_up") == 1


async def test_dashboard_asks_for_metrics_that_a_service_tells(database_url: str) -> None:
    async with watched(database_url) as (_, address), httpx.AsyncClient() as client:
        text = (await client.get(address)).text
    families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    asked = [target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]]
    named = {name for one in asked for name in re.findall(r"\b(?:truelift|process)_\w+", one)}
    assert len(named) > 15
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in named} <= families
    assert {name for name in families if name.startswith("truelift_")} == {
        re.sub(r"_(bucket|count|sum)$", "", name) for name in named if name.startswith("truelift_")
    }

"""Many who follow: each kind over both protocols, and what equal subscriptions take together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest_asyncio
from sqlmodel import func, select

from api.auth.keys import Scope
from api.database import Database
from api.graphql.news import Channel
from api.graphql.nodes import global_id, local_id
from api.jobs.refresh import refresh_due
from api.jobs.tables import Job, JobState, Noun
from api.telemetry.metrics import REGISTRY
from kpi.alerts import queries as alert_queries
from kpi.alerts.tables import Alert, AlertRule
from kpi.enums import AlertKind, AlertState, Granularity, Severity
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import MakeKey
from tests.api.servers import PATIENCE, serving
from tests.api.test_sockets import heard, say, subscribe, welcomed
from tests.api.test_subscriptions import PROGRESSED, UPDATED, after, events
from tests.conftest import Ask

RAISED = "subscription { alertRaised { alert { sentence } } }"
NOW = datetime(2026, 6, 2, tzinfo=UTC)


@pytest_asyncio.fixture
async def service(database_url: str, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    assert database  # at the newest schema
    async with serving(database_url) as client:
        yield client


async def refreshed(ask: Ask, database: Database, unit: str) -> None:
    """One more unit is exposed, and the results are refreshed."""
    exposure = documents.exposure(unit, "tour", NOW.isoformat())
    await ask(documents.EXPOSURES_INGEST, {"input": {"exposures": [exposure]}})
    await refresh_due(database)


async def job(database: Database, workspace: Workspace) -> Job:
    """A job that goes on."""
    at: dict[str, Any] = dict.fromkeys(("created_at", "touched_at", "started_at"), NOW)
    made = Job(workspace_id=workspace.id, noun=Noun.OUTCOMES, state=JobState.RUNNING, parameters={}, **at)
    async with database.write() as session:
        session.add(made)
    return made


async def progressed(database: Database, of: Job) -> None:
    async with database.write() as session:
        of.accepted += 1
        await session.merge(of)
        await session.exec(select(func.pg_notify(Channel.JOBS, str(of.id))))


async def raised(database: Database, workspace: Workspace, kpi_id: int, heard: asyncio.Task[Any]) -> None:
    """Alerts of rules on a KPI, until one is heard of: the first may come before anybody listens."""
    while not heard.done():
        await raise_one(database, workspace, kpi_id)
        await asyncio.wait({heard}, timeout=1)


async def raise_one(database: Database, workspace: Workspace, kpi_id: int) -> None:
    """An alert of a rule on a KPI."""
    of: dict[str, Any] = {"workspace_id": workspace.id, "kpi_id": kpi_id, "segment": "", "granularity": Granularity.DAY}
    of |= {"kind": AlertKind.THRESHOLD, "severity": Severity.INFO}
    rule = AlertRule(**of, parameters={}, is_enabled=True, cooldown_days=0, created_by="a", created_at=NOW)
    async with database.write() as session:
        session.add(rule)
        await session.flush()
        said: dict[str, Any] = {"value": 0.1, "limit": 0.2, "sentence": "It fell.", "evidence": {}}
        on: dict[str, Any] = {"start_on": NOW.date(), "end_on": NOW.date(), "raised_at": datetime.now(UTC)}
        session.add(Alert(**of, **said, **on, rule_id=rule.id, state=AlertState.RAISED))
        await session.flush()
        await alert_queries.tell(session, workspace.id)


async def test_each_kind_is_told_alike_over_both_protocols(
    service: httpx.AsyncClient, make_key: MakeKey, ask: Ask, database: Database, workspace: Workspace, started: str
) -> None:
    key, works = await make_key(Scope.READ), await job(database, workspace)
    kpi = local_id("Kpi", (await ask('{ kpi(key: "activation") { id } }'))["kpi"]["id"])
    assert kpi is not None
    asked = {"r": (UPDATED, started), "j": (PROGRESSED, global_id("Job", works.id)), "a": (RAISED, "")}
    async with AsyncExitStack() as stack:
        socket = await stack.enter_async_context(welcomed(service, key))
        streams = {
            name: await stack.enter_async_context(aclosing(events(service, key, document, identity)))
            for name, (document, identity) in asked.items()
        }
        for name, (document, identity) in asked.items():
            await say(socket, subscribe(name, document, **({"id": identity} if identity else {})))
        waiting = asyncio.create_task(after(streams["a"]))  # has no first event
        first = {said["id"]: said["payload"]["data"] for said in [await heard(socket), await heard(socket)]}
        assert first == {name: (await after(streams[name]))[1]["data"] for name in "rj"}
        changes = {
            "r": refreshed(ask, database, "u"),
            "j": progressed(database, works),
            "a": raised(database, workspace, kpi, waiting),
        }
        for name, change in changes.items():
            await change
            said = await heard(socket)
            assert said["id"] == name
            _, told = await (waiting if name == "a" else after(streams[name]))
            assert told["data"] == said["payload"]["data"] != first.get(name)
        assert told["data"] == {"alertRaised": {"alert": {"sentence": "It fell."}}}


async def test_equal_subscriptions_read_once_and_each_is_told(
    service: httpx.AsyncClient, make_key: MakeKey, ask: Ask, database: Database, started: str
) -> None:
    key, many = await make_key(Scope.READ), 24
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(aclosing(events(service, key, UPDATED, started))) for _ in range(many)
        ]
        await asyncio.gather(*map(after, streams))
        told = [asyncio.create_task(after(stream)) for stream in streams]
        before = taken()
        await refreshed(ask, database, "u")
        async with asyncio.timeout(PATIENCE):
            said = await asyncio.gather(*told)
        assert all(event == said[0] for event in said)
        results = said[0][1]["data"]["experimentResultsUpdated"]["experiment"]["results"]
        assert results["diagnostics"]["exposed"] == 1
        assert taken() - before < many  # each for itself would look up the key and read the experiment and its results


def taken() -> float:
    """How often a connection was taken out of a pool."""
    return REGISTRY.get_sample_value("truelift_pool_wait_seconds_count") or 0.0

"""A question that takes too long is given up, with what it asked of Postgres; a change is not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import monotonic

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api.app import build
from api.auth.cookies import SIGNED_IN
from api.auth.keys import Scope
from api.database import Database, is_away
from api.settings import Settings
from api.telemetry.metrics import REGISTRY
from tests.api import documents
from tests.api.conftest import SECRET, Client, MakeKey, bearing
from tests.api.test_endpoint import code, event
from tests.api.test_sign_in import signed_in_at
from tests.waiting import came

DEADLINE = 0.4
WAITING = """SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%hypotheses%'"""
HYPOTHESES = "{ hypotheses { totalCount } }"


@pytest_asyncio.fixture
async def hasty(database: Database, make_key: MakeKey) -> AsyncIterator[Client]:
    """A client of a service whose questions have little time; it is signed in as well."""
    settings = Settings(deadline_seconds=DEADLINE)
    app = build(database, settings=settings, secret=SECRET, with_worker=False)
    key = await make_key(*Scope)
    cookies = {SIGNED_IN: await signed_in_at(database, key, SECRET, datetime.now(UTC))}
    transport = httpx.ASGITransport(app)
    async with Client(
        transport=transport, base_url="http://truelift.test", headers=bearing(key), cookies=cookies, timeout=60
    ) as client:
        yield client


@asynccontextmanager
async def locked(database: Database, table: str) -> AsyncIterator[None]:
    """Whoever reads or writes a table waits."""
    async with database.raw() as connection:
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
async def test_query_that_takes_too_long_is_answered_504_and_asks_no_more_of_postgres(
    hasty: Client, database: Database, accept: str
) -> None:
    before = given_up()
    async with locked(database, "hypotheses"):
        began = monotonic()
        answer = await hasty.post("/graphql", json={"query": HYPOTHESES}, headers={"accept": accept})
        assert monotonic() - began >= DEADLINE

        async def nobody_waits() -> bool:
            async with database.read() as session:
                return not await session.scalar(text(WAITING))

        await came(nobody_waits)
    assert (answer.status_code, code(answer)) == (504, "DEADLINE_EXCEEDED")
    assert "data" not in answer.json()
    assert given_up() == before + 1
    again = await hasty.post("/graphql", json={"query": HYPOTHESES})
    assert again.json()["data"] == {"hypotheses": {"totalCount": 0}}


def given_up() -> float:
    labels = {"operation": "query hypotheses", "outcome": "DEADLINE_EXCEEDED"}
    return REGISTRY.get_sample_value("truelift_graphql_operation_seconds_count", labels) or 0.0


async def test_query_as_a_stream_and_a_page_have_the_same_time(hasty: Client, database: Database) -> None:
    async with locked(database, "kpis"):
        streamed, page = await asyncio.gather(
            hasty.post("/graphql", json={"query": "{ kpis { totalCount } }"}, headers={"accept": "text/event-stream"}),
            hasty.get("/kpis"),
        )
    assert event(streamed)["errors"][0]["extensions"]["code"] == "DEADLINE_EXCEEDED"
    assert page.status_code == 504


async def test_change_is_not_cut_off(hasty: Client, database: Database) -> None:
    sent = {"query": documents.KPI_REGISTER, "variables": {"input": documents.kpi()}}
    async with locked(database, "definitions"):
        change = asyncio.create_task(hasty.post("/graphql", json=sent))
        await asyncio.sleep(2 * DEADLINE)
        assert not change.done()
    answer = (await change).json()
    assert answer["data"]["kpiRegister"]["userErrors"] == []


async def test_statement_of_a_question_is_ended_by_postgres_itself(database: Database) -> None:
    began = monotonic()
    with pytest.raises(DBAPIError, match="statement timeout") as ended:
        async with database.within(DEADLINE).read() as session:
            await session.scalar(text("SELECT pg_sleep(20)"))
    assert is_away(ended.value)
    assert DEADLINE <= monotonic() - began < 10
    async with database.read() as session:
        assert await session.scalar(text("SELECT current_setting('statement_timeout')")) == "30s"

"""Alive, and ready: what is missing is said in words."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest_asyncio

from api import schema
from api.app import build
from api.database import Database
from api.jobs.worker import work
from api.settings import Settings
from tests.api.conftest import SECRET, Client
from tests.api.databases import made, url_of
from tests.waiting import came


@pytest_asyncio.fixture
async def empty(database_url: str) -> AsyncIterator[Database]:
    """A database of its own, without a table."""
    found = Database(url_of(database_url, await made(database_url)))
    yield found
    await found.close()


@pytest_asyncio.fixture
async def checker(empty: Database) -> AsyncIterator[Client]:
    """A client of an application on that database."""
    app = build(empty, settings=Settings(), secret=SECRET, with_worker=False)
    async with Client(transport=httpx.ASGITransport(app), base_url="http://truelift.test") as client:
        yield client


async def checks(client: Client) -> tuple[int, dict[str, str]]:
    answer = await client.get("/readyz")
    return answer.status_code, answer.json()


async def test_database_without_tables_is_not_ready_and_says_what_to_run(checker: Client) -> None:
    status, found = await checks(checker)
    assert status == 503
    assert found["status"] == "not ready"
    assert found["database"] == "ok"
    assert found["migrations"] == (
        f"The database is empty, and this version needs {schema.newest()}: run `truelift migrate`."
    )


async def test_database_behind_is_not_ready_and_says_what_to_run(checker: Client, empty: Database) -> None:
    await schema.upgrade(empty.engine)
    async with empty.raw() as connection:
        await connection.execute("UPDATE alembic_version SET version_num = '0000'")
    status, found = await checks(checker)
    assert (status, found["migrations"]) == (
        503,
        f"The database is at revision 0000, and this version needs {schema.newest()}: run `truelift migrate`.",
    )


async def test_service_is_ready_while_its_worker_runs_and_not_after(checker: Client, empty: Database) -> None:
    await schema.upgrade(empty.engine)
    status, found = await checks(checker)
    assert (status, found["migrations"]) == (503, "ok")
    assert found["worker"] == "No worker is running: start `truelift work`, or `truelift serve`."
    async with working(empty):
        await came(lambda: _is_ready(checker))
        assert (await checks(checker))[1] == {"status": "ready", "database": "ok", "migrations": "ok", "worker": "ok"}
    assert (await checks(checker))[0] == 503


async def test_worker_hears_of_what_came_in_and_settles_it(empty: Database) -> None:
    await schema.upgrade(empty.engine)
    async with working(empty, seconds=3_600):
        async with empty.raw() as connection:
            await connection.execute(CAME_IN)
        await came(lambda: _is_settled(empty))


CAME_IN = """
INSERT INTO workspaces (key, name, created_at) VALUES ('w', 'w', now());
INSERT INTO ingests (workspace_id, noun, accepted, duplicates, rejected, touched, is_pending, received_at)
SELECT id, 'outcomes', 1, 0, 0, '{1}', true, now() FROM workspaces;
SELECT pg_notify('truelift_ingested', '1');
"""


@asynccontextmanager
async def working(database: Database, seconds: float = 0.2) -> AsyncIterator[None]:
    """A worker in this process, while the block runs."""
    worker = asyncio.create_task(work(database, seconds=seconds))
    try:
        yield
    finally:
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker


async def _is_ready(client: Client) -> bool:
    return (await checks(client))[0] == 200


async def _is_settled(database: Database) -> bool:
    async with database.raw() as connection:
        return bool(await connection.fetchval("SELECT NOT bool_or(is_pending) FROM ingests"))

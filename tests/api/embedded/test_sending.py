"""Rows on their way to a server that dies: whoever sends them is told, whatever was in the buffers."""

import asyncio
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from api import embedded, schema
from api.auth.tenants import DEFAULT, ensure_workspace
from api.database import CLIENT_FAULTS, Database
from kpi import events

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAP = """
CREATE FUNCTION nap() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(600); RETURN new; END $$ LANGUAGE plpgsql;
CREATE TRIGGER nap BEFORE INSERT ON outcomes FOR EACH ROW EXECUTE FUNCTION nap();
"""
"""Postgres takes a first row and reads no further, so that what is sent stays in the buffers."""
NAPPING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
ROWS = [
    {"unit": f"{n:0200d}", "event": "played", "occurredAt": "2026-03-01T10:00:00Z", "eventId": str(n)}
    for n in range(5_000)
]
"""More than a megabyte."""


async def send(database: Database, workspace_id: int) -> None:
    async with database.raw() as connection:
        await events.ingest(connection, workspace_id=workspace_id, rows=ROWS, now=NOW)


async def napping(database: Database) -> int:
    """The process that has begun to take rows in, once it has."""
    while True:
        async with database.raw() as connection:
            found: Any = await connection.fetchval(NAPPING)
        if found is not None:
            return int(found)
        await asyncio.sleep(0.05)


async def cut_off(url: str) -> BaseException | None:
    """What the sender is told when the server dies, None where it is not told anything."""
    database = Database(url)
    await schema.upgrade(database.engine)
    async with database.write() as session:
        owner = await ensure_workspace(session, DEFAULT, NOW)
    async with database.raw() as connection:
        await connection.execute(NAP)
    sending = asyncio.create_task(send(database, owner.id))
    os.kill(await napping(database), signal.SIGKILL)
    ended, _ = await asyncio.wait((sending,), timeout=30)
    told = sending.exception() if ended else None
    await database.close()
    return told


def test_rows_in_the_buffers_of_a_connection_that_ends_are_not_waited_for(made: Path) -> None:
    with embedded.running(made) as database:
        told = asyncio.run(cut_off(database.url))
    assert isinstance(told, (*CLIENT_FAULTS, asyncpg.PostgresError))

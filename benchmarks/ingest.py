"""Rows a second through the ingest function, as a ratio to COPY into a table without an index, in the same run.

python -m benchmarks.ingest [--rows 200000] [--rounds 3]
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from api import embedded, schema
from api.auth.tenants import ensure_workspace
from api.database import Database
from kpi import events

BATCH = 5_000
START = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = "CREATE UNLOGGED TABLE IF NOT EXISTS bench_limit (id int, unit text, at timestamptz, value float8)"


def rows(count: int, salt: int) -> list[dict[str, Any]]:
    """Outcomes of 20 users an hour, as a JSON door would hand them over."""
    return [
        {
            "unit": f"user-{number % 20_000:06d}",
            "event": "session_started",
            "occurredAt": (START + timedelta(seconds=180 * number + salt)).isoformat(),
            "value": float(number % 97),
            "eventId": f"{salt}-{number}",
        }
        for number in range(count)
    ]


async def copy_limit(connection: asyncpg.Connection, batch: list[dict[str, Any]]) -> None:
    """The limit: the same values by COPY into a table that checks nothing."""
    records = [(0, row["unit"], START, row["value"]) for row in batch]
    await connection.copy_records_to_table("bench_limit", records=records)


async def measured(database: Database, given: list[dict[str, Any]], step: Callable[..., Awaitable[object]]) -> float:
    """Rows a second, a transaction a batch."""
    began = time.perf_counter()
    for place in range(0, len(given), BATCH):
        async with database.raw() as connection:
            await step(connection, given[place : place + BATCH])
    return len(given) / (time.perf_counter() - began)


async def compare(url: str, count: int, rounds: int) -> None:
    """Measure in turn, several rounds, and print the best ratio of each."""
    database = Database(url)
    await schema.upgrade(database.engine)
    async with database.write() as session:
        owner = await ensure_workspace(session, "bench", datetime.now(UTC))

    async def ingest(connection: asyncpg.Connection, batch: list[dict[str, Any]]) -> None:
        await events.ingest(connection, workspace_id=owner.id, rows=batch, now=datetime.now(UTC))

    async with database.raw() as connection:
        await connection.execute(LIMIT)
    for number in range(rounds):
        given = rows(count, number)
        limit = await measured(database, given, copy_limit)
        first = await measured(database, given, ingest)
        again = await measured(database, given, ingest)
        print(  # noqa: T201 - a benchmark prints
            f"COPY {limit:9,.0f}/s   ingest {first:9,.0f}/s = {first / limit:.2f} of COPY"
            f"   re-send {again:9,.0f}/s = {again / first:.2f} of the first send"
        )
    await database.close()


def main() -> None:
    """Start a database of its own and measure."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=200_000)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with embedded.running(Path(folder) / "data") as database:
            asyncio.run(compare(database.url, given.rows, given.rounds))


if __name__ == "__main__":
    main()

"""Rows a second through every door, as a ratio to COPY into a table without an index, in the same run.

python -m benchmarks.ingest [--rows 200000] [--rounds 3]      the function, NDJSON over HTTP, CSV and Parquet
python -m benchmarks.ingest --gigabytes 1                     memory of the service while so much passes its door

The service is a process of its own with one worker, and holds the whole contract: checks, no double counting, an answer
for every row after the commit.
"""

import argparse
import asyncio
import csv
import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow as pa
import pyarrow.parquet as pq

from api import embedded, schema
from api.auth import keys
from api.auth.keys import Scope
from api.auth.tenants import DEFAULT, ensure_workspace
from api.commands.importing import import_file
from api.database import Database
from api.files.mapping import Mapping
from api.jobs.tables import Noun
from benchmarks.peers import show
from kpi import events

BATCH = 5_000
START = datetime(2024, 1, 1, tzinfo=UTC)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service: its port, its process, a key."""

    port: int
    pid: int
    key: str

    def post(self, body: bytes | Iterator[bytes]) -> dict[str, Any]:
        """Send outcomes as NDJSON and return what became of them."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3_600)
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/x-ndjson"}
        connection.request("POST", "/v1/outcomes", body, headers, encode_chunked=not isinstance(body, bytes))
        answer = connection.getresponse()
        told: dict[str, Any] = json.loads(answer.read())
        if answer.status != http.client.OK or told["rejected"]:
            raise RuntimeError(f"{answer.status}: {told}")
        return told

    def seconds(self) -> float:
        """Processor time the process has used."""
        used = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Megabytes of the process that lie in memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) // 1024


@asynccontextmanager
async def service(database: Database, workspace_id: int, data_dir: Path) -> AsyncIterator[Service]:
    """The service on the same data, in a process of its own, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    secret = secrets.token_hex(32)
    command = [str(Path(sys.executable).parent / "truelift"), "serve", "--data-dir", str(data_dir), "--port", str(port)]
    environment = os.environ | {"TRUELIFT_SECRET": secret}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.DEVNULL)
    async with database.write() as session:
        key = await keys.create(
            session,
            workspace_id=workspace_id,
            name="bench",
            scopes=[Scope.INGEST],
            secret=secret.encode(),
            now=datetime.now(UTC),
        )
    await _until_open(port)
    try:
        yield Service(port=port, pid=process.pid, key=key)
    finally:
        process.terminate()
        await process.wait()


async def _until_open(port: int) -> None:
    for _ in range(600):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    raise RuntimeError("the service did not start")


def ndjson(given: list[dict[str, Any]]) -> bytes:
    """Rows as the body of a request."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in given)


def files(folder: Path, given: list[dict[str, Any]], salt: int) -> dict[str, Path]:
    """The same rows as CSV and as Parquet; each file's events are its own."""
    found = {kind: folder / f"rows-{salt}.{kind}" for kind in ("csv", "parquet")}
    for kind, path in found.items():
        mine = [row | {"eventId": f"{kind}-{row['eventId']}"} for row in given]
        if kind == "csv":
            with path.open("w", newline="") as handle:
                writer = csv.DictWriter(handle, list(mine[0]))
                writer.writeheader()
                writer.writerows(mine)
        else:
            times = [row | {"occurredAt": datetime.fromisoformat(row["occurredAt"])} for row in mine]
            pq.write_table(pa.Table.from_pylist(times), path)
    return found


async def import_rate(database: Database, workspace_id: int, path: Path, count: int) -> float:
    """Rows a second of a file."""
    mapping = Mapping.load(kind="outcomes")
    began = time.perf_counter()
    tally = await import_file(database, workspace_id, Noun.OUTCOMES, path, mapping, path.with_suffix(".rejects"))
    if tally.accepted != count:
        raise RuntimeError(f"{path.name}: {tally}")
    return count / (time.perf_counter() - began)


async def compare(url: str, data_dir: Path, count: int, rounds: int) -> None:
    """Measure in turn, several rounds; the ratios of each round and the best."""
    database = Database(url)
    await schema.upgrade(database.engine)
    async with database.write() as session:
        owner = await ensure_workspace(session, DEFAULT, datetime.now(UTC))

    async def ingest(connection: asyncpg.Connection, batch: list[dict[str, Any]]) -> None:
        await events.ingest(connection, workspace_id=owner.id, rows=batch, now=datetime.now(UTC))

    async with database.raw() as connection:
        await connection.execute(LIMIT)
    best: dict[str, float] = {}
    async with service(database, owner.id, data_dir) as running:
        for number in range(rounds):
            given = rows(count, number)
            body = ndjson([row | {"eventId": f"http-{row['eventId']}"} for row in given])
            limit = await measured(database, given, copy_limit)
            ratios = {"function": await measured(database, given, ingest) / limit}
            used = running.seconds()
            ratios["http"] = await _sent(running, body, count) / limit
            spent = {"http": running.seconds() - used}
            ratios["http re-send/first send"] = await _sent(running, body, count) / limit / ratios["http"]
            for kind, path in files(data_dir.parent, given, number).items():
                used = time.process_time()
                ratios[kind] = await import_rate(database, owner.id, path, count) / limit
                spent[kind] = time.process_time() - used
            best = {name: max(ratio, best.get(name, 0)) for name, ratio in ratios.items()}
            told = "   ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
            python = "   ".join(f"{name} {1e6 * seconds / count:.1f}" for name, seconds in spent.items())
            show(f"COPY {limit:9,.0f}/s   of COPY: {told}   Python, us a row: {python}")
    show("best   " + "   ".join(f"{name} {ratio:.2f}" for name, ratio in best.items()))
    await database.close()


async def _sent(running: Service, body: bytes, count: int) -> float:
    began = time.perf_counter()
    await asyncio.to_thread(running.post, body)
    return count / (time.perf_counter() - began)


async def watch(url: str, data_dir: Path, gigabytes: float) -> None:
    """The service's memory while one body of so many gigabytes passes its door."""
    database = Database(url)
    await schema.upgrade(database.engine)
    async with database.write() as session:
        owner = await ensure_workspace(session, DEFAULT, datetime.now(UTC))
    piece = ndjson(rows(10_000, 0))  # the same rows over and over: what counts here is what passes
    async with service(database, owner.id, data_dir) as running:
        idle = running.memory()
        pieces = (piece for _ in range(int(gigabytes * 1e9 / len(piece))))
        began = time.perf_counter()
        sending = asyncio.create_task(asyncio.to_thread(running.post, pieces))
        most = idle
        while not sending.done():
            await asyncio.sleep(0.2)
            most = max(most, running.memory())
        told = await sending
        seconds, passed = time.perf_counter() - began, told["accepted"] + told["duplicates"]
        show(f"{passed:,} rows in {seconds:.0f} s; memory {idle} MB idle, {most} MB at most")
    await database.close()


def main() -> None:
    """Start a database of its own and measure."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=200_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--gigabytes", type=float, default=0.0)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        data_dir = Path(folder) / "data"
        with embedded.running(data_dir) as database:
            if given.gigabytes:
                asyncio.run(watch(database.url, data_dir, given.gigabytes))
            else:
                asyncio.run(compare(database.url, data_dir, given.rows, given.rounds))


if __name__ == "__main__":
    main()

"""How long an acknowledged row takes until a subscriber sees it in the results, while rows keep coming.

    python -m benchmarks.freshness [--rows-per-second 5000] [--seconds 60]

`truelift serve` and `truelift work` run as processes of their own. A fifth of the rows are exposures, the others their
outcomes. A subscriber is told of each refresh over server-sent events and notes how many units the results count: an
exposure is seen when they are as many as had been acknowledged with it.
"""

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median, quantiles

import httpx

from api import embedded, schema
from api.auth import keys
from api.auth.keys import Scope
from api.database import Database
from api.graphql.nodes import global_id
from benchmarks.faults.service import Service, is_ready, place, until
from benchmarks.peers import show
from tests.experiments.aggregating import Running, running
from tests.service.running import free_port

BATCHES_PER_SECOND = 10
OUTCOMES_PER_UNIT = 4
LAST_SECONDS = 30
"""How long the subscriber waits for the last units."""
UPDATED = """subscription S($id: ID!) { experimentResultsUpdated(id: $id) {
  experiment { results { diagnostics { exposed } } }
} }"""


async def keep_sending(client: httpx.AsyncClient, key: str, per_second: int, seconds: int) -> list[tuple[int, float]]:
    """Send at a steady rate; how many exposures had been acknowledged, and when."""
    units = count()
    acknowledged, began = [(0, time.monotonic())], time.monotonic()
    size = per_second // (1 + OUTCOMES_PER_UNIT) // BATCHES_PER_SECOND
    for number in range(seconds * BATCHES_PER_SECOND):
        await asyncio.sleep(max(0.0, began + number / BATCHES_PER_SECOND - time.monotonic()))
        entered = [f"unit-{next(units)}" for _ in range(size)]
        await asyncio.gather(*(_send(client, key, noun, entered) for noun in ("exposures", "outcomes")))
        acknowledged.append((acknowledged[-1][0] + size, time.monotonic()))
    return acknowledged


async def _send(client: httpx.AsyncClient, key: str, noun: str, units: list[str]) -> None:
    now = datetime.now(UTC).isoformat()
    rows: list[dict[str, object]]
    if noun == "exposures":
        rows = [{"experiment": "shorter-form", "unit": unit, "variant": "control", "exposedAt": now} for unit in units]
    else:
        rows = [
            {"unit": unit, "event": "activated", "occurredAt": now, "value": 1.0, "eventId": f"{unit}-{part}"}
            for unit in units
            for part in range(OUTCOMES_PER_UNIT)
        ]
    body = "\n".join(map(json.dumps, rows))
    headers = {"authorization": f"Bearer {key}", "content-type": "application/x-ndjson"}
    answer = await client.post(f"/v1/{noun}", content=body, headers=headers)
    answer.raise_for_status()


async def follow(client: httpx.AsyncClient, key: str, experiment: str) -> AsyncIterator[tuple[int, float]]:
    """How many units the results count, each time the subscriber is told, and when that was."""
    headers = {"authorization": f"Bearer {key}", "accept": "text/event-stream"}
    body = {"query": UPDATED, "variables": {"id": experiment}}
    async with client.stream("POST", "/graphql", json=body, headers=headers) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                told = json.loads(line.removeprefix("data: "))["data"]["experimentResultsUpdated"]["experiment"]
                if told["results"] is not None:
                    yield told["results"]["diagnostics"]["exposed"], time.monotonic()


def delays(acknowledged: list[tuple[int, float]], seen: list[tuple[int, float]]) -> list[float]:
    """Seconds from acknowledging each batch to the first results that count it. Raises if one was never seen."""
    found = []
    for sent, at in acknowledged[1:]:
        first = next((moment for exposed, moment in seen if exposed >= sent), None)
        if first is None:
            raise RuntimeError(f"{sent} units were acknowledged and {seen[-1][0] if seen else 0} seen")
        found.append(max(0.0, first - at))
    return found


async def watch(folder: Path, per_second: int, seconds: int) -> None:
    """Measure once, and print."""
    service = Service(data=folder / "data", port=free_port())
    with embedded.running(service.data) as found:
        database = Database(found.url)
        await schema.upgrade(database.engine)
        to = await running(database)
        service.start("api")
        service.start("worker")
        try:
            await until(lambda: is_ready(service))
            key = await _key(database, service, to)
            async with httpx.AsyncClient(base_url=service.address, timeout=60) as client:
                seen: list[tuple[int, float]] = []
                reading = asyncio.create_task(_collect(client, key, to, seen))
                acknowledged = await keep_sending(client, key, per_second, seconds)
                await until(lambda: bool(seen) and seen[-1][0] >= acknowledged[-1][0], LAST_SECONDS)
                reading.cancel()
        finally:
            service.end()
            await database.close()
    took, sent = acknowledged[-1][1] - acknowledged[0][1], acknowledged[-1][0] * (1 + OUTCOMES_PER_UNIT)
    found_delays = delays(acknowledged, seen)
    slowest = quantiles(found_delays, n=100, method="inclusive")[98]
    show(
        f"{sent / took:,.0f} rows/s for {took:.0f} s, told {len(seen)} times: acknowledged -> seen"
        f" median {median(found_delays):.2f} s, 99 % {slowest:.2f} s, worst {max(found_delays):.2f} s"
    )


async def _collect(client: httpx.AsyncClient, key: str, to: Running, seen: list[tuple[int, float]]) -> None:
    async for told in follow(client, key, global_id("Experiment", to.experiment.id)):
        seen.append(told)  # noqa: PERF401 - whoever waits for the last one looks meanwhile


async def _key(database: Database, service: Service, to: Running) -> str:
    async with database.write() as session:
        return await keys.create(
            session,
            workspace_id=to.workspace.id,
            name="freshness",
            scopes=[Scope.INGEST, Scope.READ],
            secret=(service.data / "secret").read_bytes(),
            now=datetime.now(UTC),
        )


def main() -> None:
    """Start a service of its own and measure."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows-per-second", type=int, default=5_000)
    arguments.add_argument("--seconds", type=int, default=60)
    given = arguments.parse_args()
    with place() as folder:
        asyncio.run(watch(folder, given.rows_per_second, given.seconds))


if __name__ == "__main__":
    main()

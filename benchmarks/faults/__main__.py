"""The service under load while its parts are killed, cut off, paused and starved, and what that costs.

    python -m benchmarks.faults [--points 200] [--seed 1]

Starts `truelift serve`, `truelift work` and their Postgres in a folder of its own, and sends rows over HTTP. At every
point something happens to one of them; then every acknowledged row must be there once, the aggregates must equal a
recompute, and the service must be back by itself; what was killed is started again, as a supervisor would. A seed
repeats the rows and the order of events. Linux only; as root it also fills the disk, a file system in memory.
"""

import argparse
import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from api import embedded, schema
from api.auth import keys
from api.database import Database
from api.jobs.worker import FAULTS as AWAY
from benchmarks.faults.checks import check_aggregates, check_processes, check_rows
from benchmarks.faults.happenings import FAULTS, Fault, Scene, fill_disk
from benchmarks.faults.load import Load
from benchmarks.faults.service import Service, is_ready, place, small_disk, until
from tests.api.embedded.processes import everything
from tests.experiments.aggregating import Running, pending, running
from tests.service.running import free_port

SENDERS = 3
PLAIN_EVERY = 10
"""Points between two recomputations in plain Python; `doctor --recompute` is asked at each."""


class Point(NamedTuple):
    """What a fault cost: seconds until the service was ready and took rows again, and until nothing was pending."""

    fault: str
    back: float
    caught_up: float


async def endure(folder: Path, *, points: int, seed: int, faults: tuple[Fault, ...]) -> tuple[list[Point], Load]:
    """Live through so many faults; returns what each cost. Raises Broken or TimeoutError when one was too much."""
    data = folder / "data"
    service = Service(data=data, port=free_port())
    with embedded.running(data) as place:
        database = Database(place.url)
        await schema.upgrade(database.engine)
        to = await running(database)
        service.start("api")
        service.start("worker")
        try:
            load = Load(service, await _key(database, data, to), seed)
            scene = Scene(service=service, database=database, draw=random.Random(seed))  # noqa: S311 - as above
            await until(lambda: is_ready(service))
            async with _sending(load):
                found = [await _point(scene, load, to, number, faults) for number in range(points)]
        finally:
            service.end()
            await database.close()
    await until(lambda: everything(data) == [], 20)
    return found, load


async def _point(scene: Scene, load: Load, to: Running, number: int, faults: tuple[Fault, ...]) -> Point:
    fault = scene.draw.choice(faults)
    load.going.set()
    await asyncio.sleep(scene.draw.uniform(0.05, 1))
    with suppress(*AWAY):  # we are cut off ourselves
        await fault(scene)
    ended = time.monotonic()
    await until(lambda: load.acknowledged_at > ended)
    await until(lambda: is_ready(scene.service))
    back = time.monotonic() - ended
    await asyncio.sleep(scene.draw.uniform(0, 0.3))
    await load.rest()
    caught_up = await until(lambda: _is_caught_up(scene.database, to))
    await check_rows(scene.database, to, load.rows)
    is_plain = number % PLAIN_EVERY == 0
    await check_aggregates(scene.database, to, load.rows, is_plain=is_plain)
    check_processes(scene.service)
    return Point(fault=fault.__name__.replace("_", " "), back=back, caught_up=caught_up)


@asynccontextmanager
async def _sending(load: Load) -> AsyncIterator[None]:
    senders = [asyncio.create_task(load.send()) for _ in range(SENDERS)]
    yield
    for sender in senders:
        sender.cancel()
    await asyncio.gather(*senders, return_exceptions=True)


async def _is_caught_up(database: Database, to: Running) -> bool:
    return await pending(database, to) == 0


async def _key(database: Database, data: Path, to: Running) -> str:
    await until((data / "secret").exists)
    async with database.write() as session:
        return await keys.create(
            session,
            workspace_id=to.workspace.id,
            name="faults",
            scopes=[keys.Scope.INGEST],
            secret=(data / "secret").read_bytes(),
            now=datetime.now(UTC),
        )


def table(points: list[Point]) -> str:
    """What each fault cost, in seconds."""
    lines = [
        "| fault | times | back: median | 90 % | worst | caught up: median | worst |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name in [*sorted({point.fault for point in points}), ""]:
        some = [point for point in points if name in ("", point.fault)]
        back, caught = [point.back for point in some], [point.caught_up for point in some]
        tenth = quantiles(back, n=10, method="inclusive")[-1] if len(back) > 1 else back[0]
        lines.append(
            f"| {name or 'all'} | {len(some)} | {median(back):.2f} | {tenth:.2f} | {max(back):.2f}"
            f" | {median(caught):.2f} | {max(caught):.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Live through faults and print the table; what breaks is named by an error."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--points", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    with place() as folder, small_disk(folder) as skipped:
        faults = FAULTS if skipped else (*FAULTS, fill_disk)
        points, load = asyncio.run(endure(folder, points=given.points, seed=given.seed, faults=faults))
    print(table(points))  # noqa: T201 - a benchmark prints
    print(  # noqa: T201 - as above
        f"\n{len(load.rows):,} rows acknowledged, {load.resent:,} batches sent again; none lost, none double, no slice"
        f" that differs, no process left. Seed {given.seed}. {skipped}"
    )


if __name__ == "__main__":
    main()

"""What happens to the service."""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from api.database import Database
from benchmarks.faults.service import Service
from tests.api.embedded.processes import kill, postmaster

END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything a fault may touch."""

    service: Service
    database: Database
    draw: random.Random


Fault = Callable[[Scene], Awaitable[None]]


async def kill_api(scene: Scene) -> None:
    """The API process is killed."""
    scene.service.kill("api")


async def kill_worker(scene: Scene) -> None:
    """The worker is killed."""
    scene.service.kill("worker")


async def kill_postgres(scene: Scene) -> None:
    """Postgres' first process is killed."""
    kill([postmaster(scene.service.data)])


async def drop_connections(scene: Scene) -> None:
    """Every connection to Postgres ends."""
    async with scene.database.raw() as connection:
        await connection.execute(END_OTHERS)


async def pause_api(scene: Scene) -> None:
    """The API stands still."""
    await _paused(scene, [scene.service.processes["api"].pid])


async def pause_worker(scene: Scene) -> None:
    """The worker stands still."""
    await _paused(scene, [scene.service.processes["worker"].pid])


async def pause_postgres(scene: Scene) -> None:
    """Postgres stands still, with all its processes."""
    first = postmaster(scene.service.data)
    await _paused(scene, [first, *_children(first)])


async def fill_disk(scene: Scene) -> None:
    """Nothing can be written."""
    ballast = scene.service.data.parent / "ballast"
    with ballast.open("wb") as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 20))
            file.flush()
    await asyncio.sleep(scene.draw.uniform(0.5, 2))
    ballast.unlink()


def _children(pid: int) -> list[int]:
    return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def _paused(scene: Scene, pids: list[int]) -> None:
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if number == signal.SIGSTOP:
            await asyncio.sleep(scene.draw.uniform(0.2, 3))


FAULTS: tuple[Fault, ...] = (
    kill_api,
    kill_worker,
    kill_postgres,
    drop_connections,
    pause_api,
    pause_worker,
    pause_postgres,
)

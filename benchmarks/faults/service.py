"""The service as processes of its own, and waiting for it."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from api.jobs.worker import FAULTS as AWAY
from tests.service.running import clean

ROOT = Path(__file__).parents[2]
TRUELIFT = (sys.executable, "-c", "from api.commands.main import app; app(prog_name='truelift')")
DISK = "512m"
PATIENCE = 90.0
"""Seconds after which what has not come back is broken."""


class Broken(Exception):
    """Something that must be true is not."""


def require(truth: object, sentence: str) -> None:
    """Raise Broken where something is not true."""
    if not truth:
        raise Broken(sentence)


@dataclass(kw_only=True)
class Service:
    """The API and the worker as processes of their own, on the embedded Postgres of a folder."""

    data: Path
    port: int
    settings: dict[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, name: str) -> None:
        """Start the API or the worker."""
        words = {"api": ["serve", "--no-worker", "--port", str(self.port)], "worker": ["work"]}[name]
        with (self.data.parent / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(  # noqa: S603 - our own program
                [*TRUELIFT, *words, "--data-dir", str(self.data)],
                cwd=ROOT,
                env=clean() | {"TRUELIFT_REFRESH_SECONDS": "1"} | self.settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self, name: str) -> None:
        """End one without a chance to leave, and start it again."""
        self.processes[name].kill()
        self.processes[name].wait()
        self.start(name)

    def end(self) -> None:
        """End both as they should end."""
        for process in self.processes.values():
            process.send_signal(signal.SIGINT)
        for process in self.processes.values():
            process.wait(30)

    def revive(self) -> None:
        """Start again what has ended by itself: a supervisor would."""
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                self.start(name)


async def until(condition: Callable[[], object | Awaitable[object]], seconds: float = PATIENCE) -> float:
    """Wait until something comes about, whoever is away meanwhile; returns the seconds it took."""
    began = time.monotonic()
    while True:
        with suppress(*AWAY, httpx.HTTPError):
            found = condition()
            if await found if isinstance(found, Awaitable) else found:
                return time.monotonic() - began
        if time.monotonic() - began > seconds:
            raise TimeoutError("it did not come back")
        await asyncio.sleep(0.03)


async def is_ready(service: Service) -> bool:
    """Whether everything is there that a user needs; what has ended by itself is started again."""
    service.revive()
    async with httpx.AsyncClient(timeout=2) as client:
        return (await client.get(f"{service.address}/readyz")).status_code == 200


@contextmanager
def place() -> Iterator[Path]:
    """A folder that the account Postgres runs as can reach."""
    with tempfile.TemporaryDirectory(prefix="truelift-faults-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def small_disk(folder: Path) -> Iterator[str]:
    """Put a small disk into a folder if that may be; otherwise say why not."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "tmpfs", str(folder)]
    may = os.geteuid() == 0
    is_mounted = may and subprocess.run(command, check=False, capture_output=True).returncode == 0  # noqa: S603 - ours
    try:
        yield "" if is_mounted else "The disk was not filled: that needs root and the right to mount."
    finally:
        if is_mounted:
            subprocess.run(["/bin/umount", "-l", str(folder)], check=True)  # noqa: S603 - ours, by its name

"""A real `truelift demo` in a process of its own."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api import embedded
from api.database import Database

TRUELIFT = Path(sys.executable).parent / "truelift"
PATIENCE = 600
"""Seconds a start may take on a machine that does other things as well."""


@dataclass(kw_only=True)
class Service:
    """A running service, its address and its data."""

    process: subprocess.Popen[bytes]
    address: str
    data_dir: Path

    @property
    def read_key(self) -> str:
        """The demo's read key."""
        return self._key("read_key")

    @property
    def admin_key(self) -> str:
        """The demo's admin key."""
        return self._key("admin_key")

    def _key(self, name: str) -> str:
        return str(json.loads((self.data_dir / "demo.json").read_text())[name])

    def ask(self, query: str, *, key: str | None = None) -> dict[str, object]:
        """The data of a GraphQL answer; asked with the read key unless another is named."""
        headers = {"authorization": f"Bearer {key or self.read_key}"}
        answer = httpx.post(f"{self.address}/graphql", json={"query": query}, headers=headers, timeout=PATIENCE)
        found: dict[str, object] = answer.raise_for_status().json()["data"]
        return found

    def kill(self) -> None:
        """End it as a machine does that loses power."""
        self.process.kill()
        self.process.wait()

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        """End it and return its exit code."""
        self.process.send_signal(how)
        try:
            return self.process.wait(timeout=PATIENCE)
        finally:
            self.process.kill()  # what does not end when it is told to


def start_demo(data_dir: Path) -> Service:
    """Start the demo on a free port and return at once."""
    port = free_port()
    command = [str(TRUELIFT), "demo", "--data-dir", str(data_dir), "--port", str(port)]
    with (data_dir.parent / f"{data_dir.name}.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean())
    return Service(process=process, address=f"http://127.0.0.1:{port}", data_dir=data_dir)


def wait_until_ready(service: Service) -> None:
    """Return when the service is ready for work; fail when it has ended."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        assert service.process.poll() is None, (service.data_dir.parent / f"{service.data_dir.name}.log").read_text()
        try:
            if httpx.get(f"{service.address}/readyz", timeout=10).status_code == 200:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.1)
    raise AssertionError("the demo did not become ready")


def stored(data_dir: Path) -> int:
    """Rows in the database."""

    async def count(url: str) -> int:
        database = Database(url)
        try:
            async with database.engine.connect() as connection:
                return int((await connection.execute(text("SELECT count(*) FROM outcomes"))).scalar_one())
        finally:
            await database.close()

    with embedded.running(data_dir) as database:
        return asyncio.run(count(database.url))


def stored_or_none(data_dir: Path) -> int | None:
    """Rows in the database; None before there is a database, and before it has a table."""
    if not data_dir.joinpath("pgdata").exists():
        return None
    try:
        return stored(data_dir)
    except SQLAlchemyError:
        return None


def free_port() -> int:
    """A port nobody listens on, that nobody takes before it is listened on, and that this process gives out once.

    Systems hand out ports from 32,768 on, to every connection that is made meanwhile: these are from below.
    """
    return next(port for port in _PORTS if _is_free(port))


def _ports() -> Iterator[int]:
    """Those of this worker alone, from anywhere on: another run of the tests may be going on beside."""
    own = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 12 * 1_000 + 20_000
    first = os.getpid() % 1_000
    return (own + (first + place) % 1_000 for place in count())


_PORTS = _ports()


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False


def clean() -> dict[str, str]:
    """The environment without settings of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TRUELIFT_", "DATABASE_URL"))}

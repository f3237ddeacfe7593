"""Real processes: one that uses an embedded database, and finding and killing those of a data folder.

Run as `python -m tests.api.embedded.processes DATA_DIR` it is such a user: it says "ready" and the socket's folder, or
"refused" and the sentence; it leaves when its input ends.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import asyncpg

from api import embedded

PATIENCE = 60
"""Seconds after which what should have come about on a busy machine is a failure."""


class UserProcess:
    """A process that uses an embedded database, seen from the test."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.pid = process.pid
        self._process = process
        self._socket_dir = ""

    def socket_dir(self) -> str:
        """Wait until it can use the database."""
        assert self._process.stdout is not None
        if not self._socket_dir:
            word, _, self._socket_dir = self._process.stdout.readline().strip().partition(" ")
            assert word == "ready", self._socket_dir
        return self._socket_dir

    def sentence(self) -> str:
        """Wait until it was refused, and why."""
        assert self._process.stdout is not None
        word, _, sentence = self._process.stdout.read().strip().partition(" ")
        assert word == "refused", sentence
        return sentence

    def leave(self) -> None:
        """Let it leave as it should."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(PATIENCE) == 0

    def interrupt(self) -> None:
        """Press Ctrl-C, which goes to it and its children."""
        os.killpg(self.pid, signal.SIGINT)
        self._process.wait(PATIENCE)

    def kill(self) -> None:
        """Let it end without a chance to leave."""
        self._process.kill()
        self._process.wait(PATIENCE)


def answer(socket_dir: str, statement: str) -> object:
    """Fetch the first value that a statement gives, through a connection of its own."""

    async def fetch() -> object:
        connection = await asyncpg.connect(host=socket_dir, user="truelift", database="truelift")
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(fetch())


def everything(folder: Path) -> list[int]:
    """All processes at work in a folder, or named after it, but not this one."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if pid != os.getpid() and _concerns(pid, folder)]


def keepers(folder: Path) -> list[int]:
    return [pid for pid in everything(folder) if "api.embedded.keeper" in command(pid)]


def postmaster(folder: Path) -> int:
    """Wait until the server has noted its number: while one takes the place of another there is none."""
    assert comes(lambda: _noted(folder))
    return int(_noted(folder))


def owner(pid: int) -> int | None:
    """Tell which account a process runs as; None if it has ended."""
    try:
        return (Path("/proc") / str(pid)).stat().st_uid
    except OSError:
        return None


def command(pid: int) -> str:
    """Tell what a process was started as; nothing if it has ended."""
    try:
        return os.fsdecode((Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" "))
    except OSError:
        return ""


def _noted(folder: Path) -> str:
    try:
        return (folder / "pgdata/postmaster.pid").read_text().partition("\n")[0]
    except FileNotFoundError:
        return ""


def _concerns(pid: int, folder: Path) -> bool:
    try:
        return str(folder) in command(pid) or str((Path("/proc") / str(pid) / "cwd").readlink()).startswith(str(folder))
    except OSError:  # it has ended meanwhile
        return False


def kill(pids: Iterable[int]) -> None:
    """Send SIGKILL to all, as fast as that goes, and wait for their end."""
    pids = list(pids)
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    assert comes(lambda: not any(_lives(pid) for pid in pids))


def _lives(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def comes(condition: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Whether something comes about in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _main() -> None:
    try:
        with embedded.running(Path(sys.argv[1])) as database:
            sys.stdout.write(f"ready {database.socket_dir}\n")
            sys.stdout.flush()
            sys.stdin.read()
    except embedded.EmbeddedError as error:
        sys.stdout.write(f"refused {error.sentence}\n")


if __name__ == "__main__":
    _main()

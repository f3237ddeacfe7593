"""Folders that every account can reach, and processes that use the embedded database in them."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from sysconfig import get_path

import pytest

from api import embedded
from tests.api.embedded.processes import UserProcess, comes, everything, kill

ROOT = Path(__file__).parents[3]


def somewhere() -> Path:
    """Make a folder that Postgres reaches when we are root and it is not; pytest's own is closed to others.

    It is in memory where there is room: forty databases come and go, and the disk is not what is tested.
    """
    memory = Path("/dev/shm")  # noqa: S108 - a private folder in it
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2**30
    path = Path(tempfile.mkdtemp(prefix="embedded-", dir=memory if roomy else None))
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def processes_are_seen() -> None:
    """Skip where processes cannot be found by the folder they work in."""
    if not Path("/proc/self/cwd").exists():
        pytest.skip("finds processes through /proc, which this system has not")


@pytest.fixture
def place() -> Iterator[Path]:
    """Give an empty folder, and end what runs in it."""
    path = somewhere()
    yield path
    kill(everything(path))
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def original() -> Iterator[Path]:
    """Make a database once, to be copied: that is quicker than to make many."""
    path = somewhere()
    with embedded.running(path / "data"):
        pass
    yield path / "data"
    shutil.rmtree(path)


@pytest.fixture
def made(place: Path, original: Path) -> Path:
    """Give a data folder that holds a database already."""
    subprocess.run(["/bin/cp", "-a", original, place / "data"], check=True)
    return place / "data"


def python_for(uid: int) -> str:
    """Find this Python for another account, which cannot reach it below /root."""
    candidates = [sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"]
    for python in candidates:
        with suppress(OSError):
            subprocess.run([python, "-c", ""], check=True, user=uid, group=uid, extra_groups=[], cwd="/")
            return python
    pytest.skip(f"account {uid} can reach none of {', '.join(candidates)}")


class Users:
    """Starts processes that use the embedded database."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._started: list[UserProcess] = []

    def start(
        self,
        data_dir: Path,
        *,
        uid: int | None = None,
        umask: int = -1,
        before: Sequence[str] = (),
        environment: dict[str, str] | None = None,
    ) -> UserProcess:
        """Start a process that calls `running(data_dir)`, as another account or through another command if need be."""
        python = sys.executable if uid is None else python_for(uid)
        process = subprocess.Popen(
            [*before, python, "-m", "tests.api.embedded.processes", str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
            umask=umask,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": get_path("purelib"), "PYTHONDONTWRITEBYTECODE": "1"} | (environment or {}),
        )
        self._started.append(UserProcess(self._stack.enter_context(process)))
        return self._started[-1]

    def end(self) -> None:
        """Kill those that have not left."""
        for user in self._started:
            user.kill()


@pytest.fixture
def users(place: Path) -> Iterator[Users]:
    """Start processes, end them with the test, and see that the server goes after them."""
    with ExitStack() as stack:
        started = Users(stack)
        yield started
        started.end()
    assert comes(lambda: everything(place) == [])

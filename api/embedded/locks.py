"""Locks held by the kernel: they end with their holders, however those end, so nothing here can be stale.

- `lease`: every user shares it. The keeper takes it exclusively once no user is left, and holds it to its own end.
- `keeper.lock`: a user takes it and the keeper it starts inherits it, so there is one keeper, and no moment without.
- `ready.lock`: the keeper holds it while its server answers, so users know that they can connect.
- `server.lock`: all processes of Postgres inherit it, so it is free when the last of a former server has ended.

A flock belongs to the open file, not to the process: a child that inherits the descriptor holds the lock too. Python
closes descriptors in children unless they are passed on purpose, which is done for `keeper.lock` and `server.lock`.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STEP_SECONDS = 0.02
"""How often a waiting process looks again."""


def opened(path: Path) -> int:
    """Open a file to lock it, and make it if need be; never through a link somebody else has laid."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def shared(descriptor: int) -> bool:
    """Take the shared lock if nobody holds the exclusive one; says whether it was taken."""
    return _locked(descriptor, fcntl.LOCK_SH)


def exclusive(descriptor: int) -> bool:
    """Take the exclusive lock if nobody holds any; says whether it was taken."""
    return _locked(descriptor, fcntl.LOCK_EX)


def _locked(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def tried(path: Path) -> Iterator[int | None]:
    """Give the descriptor of an exclusive lock, None where it is taken; at the end only who inherited it keeps it."""
    descriptor = opened(path)
    try:
        yield descriptor if exclusive(descriptor) else None
    finally:
        os.close(descriptor)


@contextmanager
def awaited(path: Path, seconds: float) -> Iterator[int]:
    """Wait for an exclusive lock; TimeoutError if its turn does not come within `seconds`."""
    descriptor = opened(path)
    try:
        if not any(exclusive(descriptor) for _ in moments(seconds)):
            raise TimeoutError(errno.ETIMEDOUT, "another process holds on to it", str(path))
        yield descriptor
    finally:
        os.close(descriptor)


def owned(path: Path) -> bool:
    """Tell whether somebody holds the exclusive lock. Those who ask do not disturb one another."""
    descriptor = opened(path)
    try:
        return not shared(descriptor)
    finally:
        os.close(descriptor)


def moments(seconds: float) -> Iterator[None]:
    """Give moments to look whether it is time: one now, then one a step, until `seconds` have passed."""
    deadline = time.monotonic() + seconds
    yield
    while time.monotonic() < deadline:
        time.sleep(STEP_SECONDS)
        yield

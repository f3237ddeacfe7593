"""The one log of an embedded database: bounded in size, and quoted when something goes wrong."""

import os
import shutil
from pathlib import Path

LIMIT_BYTES = 16 * 2**20
"""A log this long becomes `postgres.log.1`; so the two never take more than about twice this."""

QUOTED_LINES = 12


def appending(path: Path) -> int:
    """Open the log to write at its end, wherever that is after others have written or cut it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(path, flags, 0o600)


def bound(path: Path) -> None:
    """Cut the log when it is too long. Copied and emptied, because a running server cannot be given a new file."""
    if path.exists() and path.stat().st_size > LIMIT_BYTES:
        shutil.copyfile(path, path.with_name(path.name + ".1"))
        os.truncate(path, 0)


def tail(path: Path) -> str:
    """Quote the log, if there is one."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 8192))
        return last_lines(file.read().decode(errors="replace"))


def last_lines(text: str) -> str:
    """Quote what was said last: the cause is there."""
    return "\n".join(text.strip().splitlines()[-QUOTED_LINES:])

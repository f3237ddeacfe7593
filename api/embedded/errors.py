"""Why the embedded database cannot serve, in a sentence for a person.

Exception
    EmbeddedError
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ELSEWHERE = "choose another data folder, or set DATABASE_URL to a Postgres server of your own"
NO_SPACE = os.strerror(errno.ENOSPC)


class EmbeddedError(Exception):
    """The embedded database cannot be started or reached; `sentence` says why and what to do."""

    code = "embedded_database_unavailable"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@contextmanager
def explained(data_dir: Path) -> Iterator[None]:
    """Whatever the operating system refuses inside becomes an EmbeddedError."""
    try:
        yield
    except OSError as error:
        raise EmbeddedError(_sentence(error, data_dir)) from error


def _sentence(error: OSError, data_dir: Path) -> str:
    place = error.filename or data_dir
    if NO_SPACE in str(error):  # also inside the many errors of one that copies many files
        return disk_full(data_dir)
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return f"No permission for {place}: allow this account to read and write it, or {ELSEWHERE}."
        case errno.EROFS:
            return f"{place} is on a read-only disk: make it writable, or {ELSEWHERE}."
        case errno.EDQUOT:
            return disk_full(data_dir)
    return f"The database in {data_dir} cannot be used: {error.strerror or error} ({place}). Mend that, or {ELSEWHERE}."


def disk_full(data_dir: Path) -> str:
    """Say that there is no space left."""
    return f"The disk of {data_dir} is full: free some space (a new database needs about 70 MB), or {ELSEWHERE}."

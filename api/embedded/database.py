"""The face of the embedded Postgres: where its data live, and the database while it runs."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from platformdirs import user_data_path

from api.embedded.errors import EmbeddedError


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedDatabase:
    """A running embedded database."""

    data_dir: Path  # everything of this database is in this folder
    socket_dir: Path  # the server listens here and nowhere else; only its owner and root can enter
    log_path: Path  # what the server and its keeper say

    @property
    def url(self) -> str:
        """The address for SQLAlchemy's asyncpg dialect."""
        return f"postgresql+asyncpg://truelift@/truelift?host={quote(str(self.socket_dir))}"


def default_data_dir(name: str) -> Path:
    """Name the folder for the database `name`: in the user's own data folder, for root below /var/lib."""
    if sys.platform != "win32" and os.geteuid() == 0:
        return Path("/var/lib/truelift") / name
    return user_data_path("truelift", appauthor=False) / name


@contextmanager
def running(data_dir: Path) -> Iterator[EmbeddedDatabase]:
    """Use the database of `data_dir`: made if it is new, started if nobody runs it yet, shared by all who ask for it.

    Blocks (a second or two the first time), so call it before an event loop starts. The server ends when the last
    process leaves, however it leaves. Raises EmbeddedError with a sentence for a person.
    """
    if sys.platform == "win32":
        raise EmbeddedError(
            "The embedded database runs on Linux and macOS only: set DATABASE_URL to a Postgres server."
        )
    from api.embedded import user  # noqa: PLC0415 - what it is made of (flock, accounts) does not exist on Windows

    with user.lease(data_dir) as (folder, socket_dir):
        yield EmbeddedDatabase(data_dir=folder.root, socket_dir=socket_dir, log_path=folder.log)

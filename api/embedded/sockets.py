"""The folder of the server's socket: whoever can enter it is let in, so only one account (and root) can."""

import hashlib
import re
import stat
import tempfile
from pathlib import Path

from api.embedded.account import Account
from api.embedded.errors import EmbeddedError
from api.embedded.folder import Folder

_SOCKET = ".s.PGSQL.5432"
_LONGEST_BYTES = 100
"""A socket's path may have 103 bytes on macOS and 107 on Linux."""

_PLAIN = re.compile(r"[\w/. +-]+", re.ASCII)
"""Others (a comma, a colon) mean something to a Postgres client in a host's name."""


def prepare(folder: Folder, account: Account) -> Path:
    """Make the socket's folder: in the data folder, or where that path does not suit a socket, in a temporary one."""
    path = place(folder, account)
    path.mkdir(mode=0o700, exist_ok=True)
    if path.lstat().st_uid == 0:  # made by root just now: nobody else could
        account.own(path)
    _require_private(path, account)
    return path


def place(folder: Folder, account: Account) -> Path:
    """Where the socket's folder is: the same for the same data folder and account."""
    name = hashlib.sha256(f"{folder.root}\0{account.uid}".encode()).hexdigest()[:16]
    temporary = (Path(base) / f"truelift-{name}" for base in (tempfile.gettempdir(), "/tmp"))  # noqa: S108 - private
    return next(path for path in (folder.root / "socket", *temporary) if _suits(path))


def _suits(path: Path) -> bool:
    return len(str(path / _SOCKET).encode()) <= _LONGEST_BYTES and _PLAIN.fullmatch(str(path)) is not None


def _require_private(path: Path, account: Account) -> None:
    found = path.lstat()  # not through a link
    private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) & 0o077 == 0
    if not private or found.st_uid != account.uid:
        raise EmbeddedError(
            f"{path} should be a private folder of {account.name}, and is not: somebody else made it. Remove it."
        )

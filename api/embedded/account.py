"""The system account that Postgres runs as: one's own, but never root, because Postgres refuses that."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypedDict

from api.embedded.errors import ELSEWHERE, EmbeddedError

STAND_INS = ("postgres", "nobody")
"""Accounts that stand in for root, the first that exists; none is ever created."""


class Surroundings(TypedDict):
    """Arguments for subprocess: who a process is and what it sees; none of our folder, locale or PG* variables."""

    user: int | None
    group: int | None
    extra_groups: Sequence[int] | None
    cwd: str
    env: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account by its numbers; it may have no name, as in a container."""

    uid: int
    gid: int

    @classmethod
    def choose(cls, pgdata: Path) -> Self:
        """Choose one's own account; for root the owner of the data, else the first stand-in there is."""
        if os.geteuid() != 0:
            return cls(uid=os.geteuid(), gid=os.getegid())
        if pgdata.exists() and pgdata.stat().st_uid != 0:
            return cls(uid=pgdata.stat().st_uid, gid=pgdata.stat().st_gid)
        return cls._stand_in()

    @classmethod
    def _stand_in(cls) -> Self:
        for name in STAND_INS:
            with suppress(KeyError):
                entry = pwd.getpwnam(name)
                return cls(uid=entry.pw_uid, gid=entry.pw_gid)
        names = " nor ".join(STAND_INS)
        raise EmbeddedError(f"Postgres does not run as root and there is neither {names} here: start as another user.")

    @property
    def name(self) -> str:
        """What people call it."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"user {self.uid}"

    @property
    def foreign(self) -> bool:
        """Whether it is another account than this process's: root steps down to it."""
        return self.uid != os.geteuid()

    @property
    def surroundings(self) -> Surroundings:
        """What to give to subprocess, so that a child runs as this account."""
        return Surroundings(
            user=self.uid if self.foreign else None,
            group=self.gid if self.foreign else None,
            extra_groups=[] if self.foreign else None,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
        )

    def run(
        self, command: Sequence[str], *, standard_input: str = "", inherited: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end as this account; `stdout` is all it said. OSError where it cannot be started."""
        return subprocess.run(  # noqa: S603 - our own programs
            command,
            check=False,
            input=standard_input,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            pass_fds=inherited,
            **self.surroundings,
        )

    def own(self, path: Path) -> None:
        """Give it a file or folder made by this process."""
        if self.foreign:
            os.chown(path, self.uid, self.gid)

    def require_way_to(self, folder: Path) -> None:
        """EmbeddedError naming the first folder that it cannot enter on the way to `folder`, inclusive."""
        if not self.foreign or self._enters(folder):
            return
        blocking = next(path for path in (*reversed(folder.parents), folder) if not self._enters(path))
        raise EmbeddedError(
            f"Postgres does not run as root but as {self.name}, who may not enter {blocking}: "
            f"allow it (chmod o+x {blocking}), or {ELSEWHERE}."
        )

    def _enters(self, folder: Path) -> bool:
        # Asked of the kernel, as that account: permission bits alone do not know access lists and security modules.
        return self.run(["test", "-x", str(folder)]).returncode == 0

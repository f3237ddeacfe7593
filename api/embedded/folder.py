"""The data folder of one embedded database: what is where in it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """Paths of a data folder. What the four locks mean is told in `locks`."""

    root: Path
    lease: Path
    keeper_lock: Path
    ready_lock: Path
    server_lock: Path
    pgdata: Path  # the files of Postgres; moved here when complete
    log: Path

    @classmethod
    def at(cls, root: Path) -> Self:
        """Name the paths below `root`; nothing has to exist yet."""
        return cls(
            root=root,
            lease=root / "lease",
            keeper_lock=root / "keeper.lock",
            ready_lock=root / "ready.lock",
            server_lock=root / "server.lock",
            pgdata=root / "pgdata",
            log=root / "postgres.log",
        )

    def make(self) -> None:
        """Create the folder and its missing parents; what exists already keeps its permissions."""
        missing = [path for path in (self.root, *self.root.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            path.chmod(0o711 if os.geteuid() == 0 else 0o700)  # root's stand-in has to pass through
        self.root.mkdir(exist_ok=True)  # complains if it is not a folder

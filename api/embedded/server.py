"""The Postgres server as a process: started, asked, stopped."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from api.embedded import locks
from api.embedded.account import Account
from api.embedded.binaries import SYNC_METHOD, Binaries
from api.embedded.folder import Folder

SETTINGS = {
    "listen_addresses": "",  # no TCP: the socket is the only way in
    "port": "5432",  # a part of the socket's name
    "shared_buffers": "256MB",
    "max_connections": "100",
    "wal_compression": "pglz",
    "max_wal_size": "4GB",  # bulk loads then wait for few checkpoints
    "checkpoint_timeout": "15min",
    "jit": "off",  # costs more than it saves at these sizes
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "fsync": "on",  # what is acknowledged is durable
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "recovery_init_sync_method": SYNC_METHOD,
}

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None

_NO_REPLY = 2
"""What pg_isready returns when nobody listens."""

_FORMER_SECONDS = 30.0
"""How long a former server of the same data may take to shut down."""

_STOP_SECONDS = 60.0
"""How long a fast shutdown may take; after that the server is told to stop at once and recovers at its next start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How to run Postgres over one data folder."""

    folder: Folder
    socket_dir: Path
    binaries: Binaries
    account: Account

    @property
    def arguments(self) -> list[str]:
        """Itself as words on a command line, for `from_arguments`."""
        numbers = [str(self.account.uid), str(self.account.gid)]
        return [str(self.folder.root), str(self.socket_dir), str(self.binaries.site), *numbers]

    @classmethod
    def from_arguments(cls, arguments: Sequence[str]) -> Self:
        """Read what `arguments` gave."""
        root, socket_dir, site, uid, gid = arguments
        return cls(
            folder=Folder.at(Path(root)),
            socket_dir=Path(socket_dir),
            binaries=Binaries(site=Path(site)),
            account=Account(uid=int(uid), gid=int(gid)),
        )

    def start(self) -> subprocess.Popen[bytes]:
        """Start Postgres as a child that shuts down when this process dies; it logs to this process's output.

        All processes of the server inherit its lock. TimeoutError where those of a former server do not end.
        """
        if locks.owned(self.folder.server_lock) and self._reply() != _NO_REPLY:
            self._stop_former()
        with locks.awaited(self.folder.server_lock, _FORMER_SECONDS) as lock:
            self._forget_misleading_pids()
            command = [self.binaries.program("postgres"), "-D", str(self.folder.pgdata), *self._options()]
            return subprocess.Popen(  # noqa: S603 - our own program
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=[lock],
                preexec_fn=_following(signal.SIGINT),  # noqa: PLW1509 - the keeper has one thread
                **self.account.surroundings,
            )

    def _forget_misleading_pids(self) -> None:
        """Remove pid files of a former server that Postgres would wrongly believe alive, and so refuse to start.

        Postgres removes left-over files itself, unless their number is in use: by another process of the same account,
        as is likely after a container's restart, or by the dead server where no parent asks after its children.
        """
        for path in (self._pid_file, self.socket_dir / ".s.PGSQL.5432.lock"):
            if path.exists() and self._misleads(_lines(path)[0]):
                path.unlink()

    def _misleads(self, pid: str) -> bool:
        if not Path("/proc/self").exists():
            name = self.account.run(["ps", "-o", "comm=", "-p", pid]).stdout.strip()
            return name != "" and not name.endswith("postgres")
        try:
            return not Path(f"/proc/{pid}/cwd").samefile(self.folder.pgdata)  # a server works in its data folder
        except PermissionError:  # of another account, which Postgres sees for itself
            return False
        except FileNotFoundError:  # gone, or dead and not buried
            return Path(f"/proc/{pid}").exists()

    @property
    def _pid_file(self) -> Path:
        return self.folder.pgdata / "postmaster.pid"

    def _options(self) -> list[str]:
        settings = SETTINGS | {"unix_socket_directories": f'"{self.socket_dir}"'}
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def answers(self, process: subprocess.Popen[bytes]) -> bool:
        """Ask the server whether it takes connections; not before it says so, because it logs whom it turns away."""
        noted = _lines(self._pid_file)  # its pid in the first line, how it is in the eighth
        return noted[:1] == [str(process.pid)] and noted[7:8] == ["ready"] and self._reply() == 0

    def _reply(self) -> int:
        command = [self.binaries.program("pg_isready"), "-q", "-t", "2", "-h", str(self.socket_dir), "-p", "5432"]
        command += ["-U", "truelift", "-d", "truelift"]
        return self.account.run(command).returncode

    def _stop_former(self) -> None:
        # A keeper was killed and its server lives on: on macOS, where it is not told. It answers in our own folder, so
        # the pid it has written down is its own.
        command = [self.binaries.program("pg_ctl"), "stop", "-D", str(self.folder.pgdata), "-m", "fast"]
        self.account.run(command)

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Shut down the server that `start` gave."""
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait()


def _following(number: int) -> Callable[[], None]:
    """For subprocess's preexec_fn: the child gets this signal when this process dies (Linux; elsewhere it lives on).

    It runs after the child has changed its account, which would undo it. To the kernel the parent is the thread that
    starts the child, so this is for a process of one thread, as the keeper is.
    """
    parent = os.getpid()

    def follow() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return follow


def _lines(path: Path) -> list[str]:
    """Read a pid file of Postgres, which may go away meanwhile."""
    try:
        return [line.strip() for line in path.read_text().split("\n")]
    except FileNotFoundError:
        return [""]

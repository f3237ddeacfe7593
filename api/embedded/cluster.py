"""The files of the database: made once, complete or not at all."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from api.embedded import locks, log
from api.embedded.account import Account
from api.embedded.binaries import SYNC_METHOD, Binaries
from api.embedded.errors import NO_SPACE, EmbeddedError, disk_full
from api.embedded.folder import Folder

_INITDB = (
    "--username=truelift",  # the first role, so a superuser
    "--auth=trust",  # the folder of the socket is the guard
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",  # the same order on every machine, whatever its C library
    "--builtin-locale=C.UTF-8",
)
_SINGLE_USER = ("-F", "-c", "exit_on_error=on", "postgres")
_CREATE_DATABASE = "CREATE DATABASE truelift\n"

_FORMER_SECONDS = 10.0
"""How long the initdb of a process that was killed may go on; it takes half a second when nothing is in its way."""


def ensure(folder: Folder, binaries: Binaries, account: Account) -> None:
    """Make the database if the folder has none. Only for who holds the keeper's lock.

    Raises EmbeddedError where another Postgres wrote the files, or they cannot be made.
    """
    written_by = _version(folder.pgdata)
    if written_by is None:
        _create(folder, binaries, account)
    elif written_by != binaries.major:
        raise EmbeddedError(
            f"The data in {folder.pgdata} were written by Postgres {written_by}, and this release brings "
            f"{binaries.major}: export them with the former release and import them with this one, "
            f"or serve them with a Postgres {written_by} and DATABASE_URL."
        )


def _version(pgdata: Path) -> str | None:
    if not pgdata.exists() or not any(pgdata.iterdir()):
        return None
    try:
        return (pgdata / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise EmbeddedError(f"{pgdata} holds files that are no Postgres database: move them away.") from None


def _create(folder: Folder, binaries: Binaries, account: Account) -> None:
    fresh = folder.root / "pgdata.new"
    with locks.awaited(folder.server_lock, _FORMER_SECONDS) as lock:
        shutil.rmtree(fresh, ignore_errors=True)  # of a start that was interrupted
        try:
            _fill(fresh, binaries, account, lock)
            fresh.rename(folder.pgdata)
            _sync(folder.root)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _fill(fresh: Path, binaries: Binaries, account: Account, lock: int) -> None:
    fresh.mkdir(mode=0o700)
    account.own(fresh)
    initdb = [binaries.program("initdb"), "-D", str(fresh)]
    single_user = [binaries.program("postgres"), "--single", "-D", str(fresh), *_SINGLE_USER]
    _run([*initdb, "--no-sync", *_INITDB], account, lock)
    _run(single_user, account, lock, standard_input=_CREATE_DATABASE)
    _run([*initdb, "--sync-only", f"--sync-method={SYNC_METHOD}"], account, lock)


def _run(command: Sequence[str], account: Account, lock: int, standard_input: str = "") -> None:
    done = account.run(command, standard_input=standard_input, inherited=[lock])
    if done.returncode != 0:
        raise EmbeddedError(_failure(command, done.stdout))


def _failure(command: Sequence[str], output: str) -> str:
    program, folder = Path(command[0]).name, Path(command[command.index("-D") + 1]).parent
    problem = disk_full(folder) if NO_SPACE in output else "The database could not be made."
    return f"{problem} {program} said:\n{log.last_lines(output)}"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

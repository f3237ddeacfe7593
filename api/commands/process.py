"""What every command needs of its surroundings: settings, a database that runs, a secret; and how it fails.

A command that cannot go on says why in one sentence on standard error and ends with 1.
"""

import asyncio
import getpass
import os
import secrets
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import asyncpg
import typer
from rich.console import Console

from api import embedded, roles, schema
from api.database import CLIENT_FAULTS, Database, Role
from api.embedded import EmbeddedError
from api.errors import RolesMissing
from api.settings import Settings, SettingsError, load
from api.trail.entry import BY_COMMAND, Deed
from kpi.actor import Actor
from kpi.errors import Invalid, NotFound

console = Console(stderr=True, highlight=False)
"""Where commands talk to people; standard output is for what a script reads."""

T = TypeVar("T")
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="The folder of the embedded Postgres, when DATABASE_URL is not set.")
]
Port = Annotated[int | None, typer.Option(help="The port to listen on; 8000 unless set.", min=1, max=65535)]
WorkspaceKey = Annotated[str, typer.Option("--workspace", help="The key of the workspace.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Settings, the database's address, the secret that keys are hashed under, and the embedded database's folder."""

    settings: Settings
    url: str
    secret: bytes
    folder: Path | None

    @property
    def is_embedded(self) -> bool:
        """Whether the database is our own."""
        return self.folder is not None


def by_command(workspace_id: int, action: str, now: datetime, **details: object) -> Deed:
    """What the account on this machine does by a command, for the audit trail."""
    return Deed(
        workspace_id=workspace_id,
        done_at=now,
        actor=_account(),
        key=BY_COMMAND,
        action=f"truelift {action}",
        details=details,
    )


def as_actor(deed: Deed) -> Actor:
    """Who does it, as domain services know them."""
    return Actor(workspace_id=deed.workspace_id, name=deed.actor, id=deed.key, now=deed.done_at)


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as containers have
        return str(os.getuid())


def fail(sentence: str) -> NoReturn:
    """Say why and end."""
    console.print(f"[bold red]truelift:[/] {sentence}", soft_wrap=True)
    sys.exit(1)


@contextmanager
def surroundings(data_dir: Path | None = None, port: int | None = None) -> Iterator[Surroundings]:
    """The surroundings of a command, while it runs; starts the embedded Postgres when there is no DATABASE_URL.

    `port` is where the service is to be found, if it is not where the settings say.
    """
    settings = _settings()
    if port is not None:
        settings = settings.model_copy(update={"port": port})
    if settings.database_url is not None:
        yield _external(settings, settings.database_url)
        return
    folder = data_dir or settings.data_dir or embedded.default_data_dir("data")
    try:
        with embedded.running(folder) as database:
            yield Surroundings(settings=settings, url=database.url, secret=_secret(settings, folder), folder=folder)
    except EmbeddedError as error:
        fail(str(error))


def run(
    around: Surroundings, step: Callable[[Database], Awaitable[T]], *, is_migration: bool = False, hint: str = ""
) -> T:
    """Run one step on the database, once it has this version's schema. What goes wrong there becomes a sentence.

    `hint` says what to do when the database goes away in the middle.
    """
    return asyncio.run(_run(around, step, is_migration, hint))


async def told(doing: Awaitable[T], *, missing: str) -> T:
    """What is done; what is wrong with its input becomes the command's last sentence."""
    try:
        return await doing
    except Invalid as invalid:
        fail(" ".join(problem.message for problem in invalid.problems))
    except NotFound:
        fail(missing)


async def _run(around: Surroundings, step: Callable[[Database], Awaitable[T]], is_migration: bool, hint: str) -> T:
    database = Database(around.url, pool_size=around.settings.pool_size)
    try:
        if is_migration:
            return await step(database)
        await _prepare(around, database)
        return await step(database.acting(Role.WORKER))
    except RolesMissing as error:
        fail(str(error))
    except (*CLIENT_FAULTS, asyncpg.PostgresError) as error:
        fail(f"{_unusable(error)} {hint}".strip())
    finally:
        await database.close()


async def _prepare(around: Surroundings, database: Database) -> None:
    """The embedded database is ours to migrate; one that was given is migrated only when told to."""
    if around.is_embedded:
        await schema.upgrade(database.engine)
        return
    found = await schema.current(database.engine)
    if found != schema.newest():
        fail(schema.behind(found))
    await roles.check(database.engine)


def _unusable(error: Exception) -> str:
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()
    return f"The database cannot be used: {reason[0] if reason else type(error).__name__}."


def check_port(host: str, port: int, *, by: str = "--port or PORT=") -> None:
    """Fail when nobody could listen here, before anything heavy is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            fail(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another port with {by}.")


def _settings() -> Settings:
    try:
        return load()
    except SettingsError as error:
        fail(str(error))


def _external(settings: Settings, url: str) -> Surroundings:
    if settings.secret is None:
        fail("TRUELIFT_SECRET is missing: with DATABASE_URL set, give 32 characters or more that only you know.")
    return Surroundings(settings=settings, url=url, secret=settings.secret.encode(), folder=None)


def _secret(settings: Settings, folder: Path) -> bytes:
    """The given secret, or one made once and kept beside the database."""
    if settings.secret is not None:
        return settings.secret.encode()
    path = folder / "secret"
    with suppress(FileExistsError), os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_hex(32).encode())
    return path.read_bytes()

"""`truelift audit`: walking the audit trail, writing it out, and retiring what is old."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import asyncpg
import typer

from api.auth.tenants import DEFAULT, workspace
from api.commands.process import DataDir, WorkspaceKey, by_command, console, fail, run, surroundings
from api.database import Database
from api.doors.audit import lines
from api.files.times import moment
from api.trail import chain
from api.trail.entry import Chain

app = typer.Typer(help="Walk, export and retire the audit trail.", no_args_is_help=True, add_completion=False)

Kept = Annotated[
    list[str] | None, typer.Option("--kept", help="A number and its hash that were written down, as 17:9f86...")
]
OWNER = "Entries are retired with the login that owns the tables, the one that migrates."
Before = Annotated[str, typer.Option("--before", help="A day or time, UTC unless it names a zone.")]


@app.command()
def verify(kept: Kept = None, workspace: WorkspaceKey = DEFAULT, data_dir: DataDir = None) -> None:
    """Walk the chain, and name the first entry that does not hold. Ends with 1 when there is one."""
    known = dict(map(_kept, kept or ()))
    with surroundings(data_dir) as around:
        found = run(around, lambda database: verified(database, workspace, known))
    if found.first_broken is not None:
        fail(f"Entry {found.first_broken} of the workspace “{workspace}” does not hold. {found.reason}")
    console.print(f"{found.entries:,} entries hold together. Write the last one down:")
    typer.echo(f"{found.number}:{found.hash}")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="The file of JSON lines to write.")],
    workspace: WorkspaceKey = DEFAULT,
    data_dir: DataDir = None,
) -> None:
    """Write the trail as JSON lines, oldest first."""
    with surroundings(data_dir) as around:
        run(around, lambda database: exported(database, workspace, file))


@app.command()
def retire(before: Before, workspace: WorkspaceKey = DEFAULT, data_dir: DataDir = None) -> None:
    """Drop the entries from before a moment; one entry stands for them. Export them first: they do not come back."""
    try:
        until = moment(before)
    except ValueError:
        fail(f"--before {before!r} is no moment like 2026-06-01 or 2026-06-01T08:00:00Z.")
    with surroundings(data_dir) as around:
        dropped = run(around, lambda database: retired(database, workspace, until), hint=OWNER)
    console.print(f"{dropped:,} entries were retired.")


async def verified(database: Database, key: str, kept: dict[int, str]) -> Chain:
    """Walk a workspace's chain."""
    async with _trail(database, key) as (connection, workspace_id):
        return await chain.verify(connection, workspace_id, kept)


async def exported(database: Database, key: str, file: Path) -> None:
    """Write a workspace's trail to a file."""
    async with _trail(database, key) as (connection, workspace_id):
        with file.open("wb") as sink:
            async for piece in lines(connection, workspace_id):
                sink.write(piece)


async def retired(database: Database, key: str, before: datetime) -> int:
    """Retire a workspace's entries from before a moment; returns how many there were. Only their owner may."""
    async with _trail(database.acting(None), key) as (connection, workspace_id):
        return await chain.retire(connection, by_command(workspace_id, "audit retire", datetime.now(UTC)), before)


@asynccontextmanager
async def _trail(database: Database, key: str) -> AsyncIterator[tuple[asyncpg.Connection, int]]:
    async with database.read() as session:
        owner = await workspace(session, key)
    if owner is None:
        fail(f"There is no workspace “{key}”.")
    async with database.raw() as connection:
        yield connection, owner.id


def _kept(text: str) -> tuple[int, str]:
    number, _, kept = text.partition(":")
    if not (number.isdecimal() and len(kept) == 64):
        fail(f"--kept {text!r} is no number and hash as `truelift audit verify` prints them.")
    return int(number), kept

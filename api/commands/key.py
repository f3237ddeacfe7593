"""`truelift key`: making, listing, rotating and revoking API keys."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.table import Column, Table

from api.auth import issuing, keys
from api.auth.keys import Scope
from api.auth.tables import ApiKey
from api.auth.tenants import DEFAULT, ensure_workspace, workspace
from api.commands.process import DataDir, WorkspaceKey, as_actor, by_command, console, fail, run, surroundings, told
from api.database import Database, driver
from api.trail import chain

app = typer.Typer(help="Make, list, rotate and revoke API keys.", no_args_is_help=True, add_completion=False)
PublicId = Annotated[str, typer.Argument(help="The id that `truelift key list` shows.")]
LONGEST = 36_500
"""Days that a key works at most, if it is to end: a hundred years."""
HOURS, MOST_HOURS = (int(grace / timedelta(hours=1)) for grace in (issuing.GRACE, issuing.MOST_GRACE))


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[list[Scope], typer.Option("--scope", help="What it may do; give it once for each.")],
    days: Annotated[
        int | None, typer.Option("--days", help="How long it works; without end, if not said.", min=1, max=LONGEST)
    ] = None,
    workspace: WorkspaceKey = DEFAULT,
    data_dir: DataDir = None,
) -> None:
    """Make a key and print it. It cannot be shown again."""
    with surroundings(data_dir) as around:
        scopes = [*dict.fromkeys(scope)]
        typer.echo(run(around, lambda database: made(database, workspace, name, scopes, around.secret, days=days)))


@app.command("list")
def show(workspace: WorkspaceKey = DEFAULT, data_dir: DataDir = None) -> None:
    """List keys, newest first; secrets are not kept and so not shown."""
    with surroundings(data_dir) as around:
        found = run(around, lambda database: _listed(database, workspace))
    others = ("name", "scopes", "created", "last used", "expires", "revoked")
    table = Table(Column("id", no_wrap=True), *(Column(name, overflow="fold") for name in others))
    for key in found:
        times = map(_shown, (key.created_at, key.last_used_at, key.expires_at, key.revoked_at))
        table.add_row(key.public_id, key.name, " ".join(key.scopes), *times)
    console.print(table)


@app.command()
def rotate(
    public_id: PublicId,
    grace: Annotated[
        int, typer.Option("--grace-hours", help="How long the old secret works too.", min=0, max=MOST_HOURS)
    ] = HOURS,
    workspace: WorkspaceKey = DEFAULT,
    data_dir: DataDir = None,
) -> None:
    """Give a key a new secret, and print the key. The old secret works for a day too, unless you say otherwise."""
    with surroundings(data_dir) as around:
        fresh = run(around, lambda database: _rotated(database, workspace, public_id, grace, around.secret))
    typer.echo(fresh)
    console.print(f"The secret before works for {grace} hours more." if grace else "The secret before works no more.")


@app.command()
def revoke(
    public_id: PublicId,
    workspace: WorkspaceKey = DEFAULT,
    data_dir: DataDir = None,
) -> None:
    """End a key at once, and sign its browsers out."""
    with surroundings(data_dir) as around:
        is_revoked = run(around, lambda database: _revoked(database, workspace, public_id))
    if not is_revoked:
        fail(f"There is no working key {public_id} in the workspace “{workspace}”.")
    console.print(f"The key {public_id} no longer works.")


async def made(
    database: Database, workspace_key: str, name: str, scopes: list[Scope], secret: bytes, *, days: int | None = None
) -> str:
    """A new key of a workspace, which is made if it is new."""
    now = datetime.now(UTC)
    ends = None if days is None else now + timedelta(days=days)
    async with database.write() as session:
        owner = await ensure_workspace(session, workspace_key, now)
        deed, every = by_command(owner.id, "key create", now), frozenset(Scope)
        making = issuing.create(
            session, actor=as_actor(deed), scopes=every, secret=secret, name=name, wanted=scopes, expires_at=ends
        )
        row, key = await told(making, missing="The key was not made.")
        details = {"key": row.public_id, "name": row.name, "scopes": sorted(scopes)}
        await chain.append(await driver(session), replace(deed, details=details))
        return key


async def _rotated(database: Database, workspace_key: str, public_id: str, hours: int, secret: bytes) -> str:
    async with database.write() as session:
        owner = await ensure_workspace(session, workspace_key, datetime.now(UTC))
        deed = by_command(owner.id, "key rotate", datetime.now(UTC), key=public_id, graceHours=hours)
        every = frozenset(Scope)
        doing = issuing.rotate(
            session, actor=as_actor(deed), scopes=every, secret=secret, which=public_id, grace=timedelta(hours=hours)
        )
        _, key = await told(doing, missing=f"There is no key {public_id} in the workspace “{workspace_key}”.")
        await session.flush()
        await chain.append(await driver(session), deed)
        return key


async def _listed(database: Database, workspace_key: str) -> list[ApiKey]:
    async with database.read() as session:
        owner = await workspace(session, workspace_key)
        return [] if owner is None else await keys.listed(session, owner.id)


async def _revoked(database: Database, workspace_key: str, public_id: str) -> bool:
    async with database.write() as session:
        owner = await workspace(session, workspace_key)
        now = datetime.now(UTC)
        if owner is None or not await keys.revoke(session, owner.id, public_id, now):
            return False
        await session.flush()
        await chain.append(await driver(session), by_command(owner.id, "key revoke", now, key=public_id))
        return True


def _shown(at: datetime | None) -> str:
    return "" if at is None else at.isoformat(timespec="seconds")

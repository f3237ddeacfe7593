"""`truelift key`: making, listing and revoking API keys."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from api.auth import keys
from api.auth.keys import Scope
from api.auth.tables import ApiKey
from api.auth.tenants import DEFAULT, ensure_workspace, workspace
from api.commands.process import DataDir, WorkspaceKey, by_command, console, fail, run, surroundings
from api.database import Database, driver
from api.trail import chain

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True, add_completion=False)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[list[Scope], typer.Option("--scope", help="What it may do; give it once for each.")],
    workspace: WorkspaceKey = DEFAULT,
    data_dir: DataDir = None,
) -> None:
    """Make a key and print it. It cannot be shown again."""
    with surroundings(data_dir) as around:
        typer.echo(
            run(around, lambda database: made(database, workspace, name, [*dict.fromkeys(scope)], around.secret))
        )


@app.command("list")
def show(workspace: WorkspaceKey = DEFAULT, data_dir: DataDir = None) -> None:
    """List keys, newest first; secrets are not kept and so not shown."""
    with surroundings(data_dir) as around:
        found = run(around, lambda database: _listed(database, workspace))
    table = Table("id", "name", "scopes", "created", "revoked")
    for key in found:
        revoked = key.revoked_at.isoformat(timespec="seconds") if key.revoked_at else ""
        created = key.created_at.isoformat(timespec="seconds")
        table.add_row(key.public_id, key.name, " ".join(key.scopes), created, revoked)
    console.print(table)


@app.command()
def revoke(
    public_id: Annotated[str, typer.Argument(help="The id that `truelift key list` shows.")],
    workspace: WorkspaceKey = DEFAULT,
    data_dir: DataDir = None,
) -> None:
    """End a key at once, and sign its browsers out."""
    with surroundings(data_dir) as around:
        is_revoked = run(around, lambda database: _revoked(database, workspace, public_id))
    if not is_revoked:
        fail(f"There is no working key {public_id} in the workspace “{workspace}”.")
    console.print(f"The key {public_id} no longer works.")


async def made(database: Database, workspace_key: str, name: str, scopes: list[Scope], secret: bytes) -> str:
    """A new key of a workspace, which is made if it is new."""
    now = datetime.now(UTC)
    async with database.write() as session:
        owner = await ensure_workspace(session, workspace_key, now)
        key = await keys.create(session, workspace_id=owner.id, name=name, scopes=scopes, secret=secret, now=now)
        details = {"key": key.split("_")[1], "name": name, "scopes": sorted(scopes)}
        await chain.append(await driver(session), by_command(owner.id, "key create", now, **details))
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

"""`truelift migrate`: the database at the schema of this version."""

from datetime import UTC, datetime

import typer

from api.auth.tenants import workspace_ids
from api.commands.process import DataDir, by_command, console, run, surroundings
from api.database import Database
from api.schema import current, newest, upgrade
from api.trail import chain

app = typer.Typer(add_completion=False)


@app.command()
def migrate(data_dir: DataDir = None) -> None:
    """Bring the database to the schema of this version."""
    with surroundings(data_dir) as around:
        run(around, migrated, is_migration=True)
    console.print(f"The database is at revision {newest()}.")


async def migrated(database: Database) -> None:
    """Bring the database to the newest revision, and tell the audit trail of every workspace that is there.

    Migrations commit on their own, so that these entries come just after.
    """
    before = await current(database.engine)
    await upgrade(database.engine)
    if before == newest():
        return
    async with database.read() as session:
        ids = await workspace_ids(session)
    for workspace_id in ids:
        async with database.raw() as connection:
            deed = by_command(workspace_id, "migrate", datetime.now(UTC), before=before, after=newest())
            await chain.append(connection, deed)

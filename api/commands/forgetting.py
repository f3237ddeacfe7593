"""`truelift forget`: removing all rows of a unit."""

from datetime import UTC, datetime
from typing import Annotated

import asyncpg
import typer

from api.auth.tenants import DEFAULT, workspace
from api.commands.process import DataDir, WorkspaceKey, by_command, console, fail, run, surroundings
from api.database import Database
from api.jobs import service
from api.trail import chain
from experiments.aggregation.forgetting import Forgotten

app = typer.Typer(add_completion=False)


@app.command()
def forget(
    unit: Annotated[str, typer.Argument(help="The id of the unit, as its senders write it.")],
    workspace: WorkspaceKey = DEFAULT,
    data_dir: DataDir = None,
) -> None:
    """Remove a unit's outcomes, exposures and rejected rows; the worker derives the results anew without it."""
    with surroundings(data_dir) as around:
        found = run(around, lambda database: forgotten(database, workspace, unit))
    if found is None:
        fail(f"There is no workspace “{workspace}”.")
    console.print(
        f"Removed {found.outcomes:,} outcomes, {found.exposures:,} exposures, {found.memberships:,} memberships,"
        f" {found.traits:,} traits and {found.rejections:,} rejected rows."
    )


async def forgotten(database: Database, workspace_key: str, unit: str) -> Forgotten | None:
    """Forget a unit of a workspace; None where there is no such workspace."""
    async with database.read() as session:
        owner = await workspace(session, workspace_key)
    if owner is None:
        return None
    try:
        async with database.raw() as connection:
            now = datetime.now(UTC)
            async with chain.recorded(connection, by_command(owner.id, "forget", now)):
                return await service.forget(connection, workspace_id=owner.id, unit=unit, now=now)
    except asyncpg.LockNotAvailableError:
        fail(
            "Rows of this workspace are just being taken in, and do not let it through; nothing was removed. Try again."
        )

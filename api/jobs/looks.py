"""Publishing the planned looks that have come: one transaction for each experiment with a new refresh."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from api.database import Database, driver
from api.jobs.faults import each, is_pausing
from experiments import queries
from experiments.enums import Duty
from experiments.life import publishing


async def publish_due(database: Database) -> list[int]:
    """Publish what refreshes made due; returns the experiments that were looked at. Safe to run twice.

    A refresh is marked as known in the transaction that publishes, so a crash in between means it is done again.
    """
    async with database.raw() as connection:
        found = await queries.unpublished(connection)
        now = await queries.clock(connection)
    due = {row["id"]: partial(_publish, database, row) for row in found if not is_pausing(row, now)}
    await each(database, Duty.LOOKS, due)
    return list(due)


async def _publish(database: Database, row: Mapping[str, Any]) -> None:
    async with database.duty() as session:
        connection = await driver(session)
        await publishing.publish_looks(session, connection, workspace_id=row["workspace_id"], experiment_id=row["id"])
        await queries.note_looked(connection, row["id"], row["computed_at"])
        await queries.clear_fault(connection, row["id"], Duty.LOOKS)

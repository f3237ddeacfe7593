"""Publishing the planned looks that have come: one transaction for each experiment with a new refresh."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from api.database import Database, driver
from api.jobs.faults import each, is_pausing
from api.trail import chain
from api.trail.entry import BY_WORKER, Deed
from experiments import queries
from experiments.enums import Duty
from experiments.life import publishing, story


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
        days = await publishing.publish_looks(
            session, connection, workspace_id=row["workspace_id"], experiment_id=row["id"]
        )
        await queries.note_looked(connection, row["id"], row["computed_at"])
        await queries.clear_fault(connection, row["id"], Duty.LOOKS)
        await session.flush()
        if days:
            await chain.append(connection, await _deed(session, row, days))


async def _deed(session: AsyncSession, row: Mapping[str, Any], days: Sequence[date]) -> Deed:
    """Looks that were published, each with the hash of what it says."""
    (looks,) = (await story.published_looks_of(session, [row["id"]])).values()
    said = {look.planned_on.isoformat(): look.document_hash for look in looks if look.planned_on in days}
    return Deed(
        workspace_id=row["workspace_id"],
        done_at=datetime.now(UTC),
        actor=BY_WORKER,
        key=BY_WORKER,
        action="publishLooks",
        node_type="Experiment",
        node_id=str(row["id"]),
        details={"looks": said},
    )

"""Dropping raw rows that a workspace no longer keeps: raise its floor, then clear below it, a batch a transaction."""

import logging
from datetime import UTC, datetime

import asyncpg

from api.database import Database
from api.replies import keeping
from experiments.aggregation import floor
from kpi import storage

log = logging.getLogger("truelift.retention")
BATCHES = 20
"""Batches dropped of a workspace before other duties have their turn."""


async def drop_old_rows(database: Database) -> None:
    """Drop what is older than each workspace keeps, and replies that were kept for long enough.

    Safe to run twice, and beside another worker.
    """
    now = datetime.now(UTC)
    async with database.raw() as connection:
        await keeping.drop_old(connection, now)
        found = await storage.workspaces_to_clear(connection, now.date())
    for row in found:
        await clear(database, workspace_id=row["id"], retention_days=row["retention_days"], now=now)


async def clear(database: Database, *, workspace_id: int, retention_days: int, now: datetime) -> None:
    """Raise one workspace's floor, if nothing stands in its way, and drop some of what lies below."""
    try:
        async with database.raw() as connection:
            await floor.raise_floor(connection, workspace_id=workspace_id, retention_days=retention_days, now=now)
    except asyncpg.LockNotAvailableError:
        log.info("Workspace %d takes in rows just now; its old ones are dropped later.", workspace_id)
    for _ in range(BATCHES):
        async with database.raw() as connection:
            if not await floor.drop_rows(connection, workspace_id=workspace_id):
                return

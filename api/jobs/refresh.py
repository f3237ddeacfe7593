"""Bringing aggregates up to the data: which experiments are behind, and one refresh of each.

A change stays pending in the ledger until every experiment it touches has been refreshed, so a crash between any two
steps only means that a refresh is done again.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from api.database import Database
from api.version import VERSION
from experiments import aggregates, queries
from experiments import plan as plans
from experiments.slices import EVERYTHING, Changes, changes
from kpi import queries as ledger

log = logging.getLogger("truelift.refresh")
BATCHES = 10_000
"""Changes looked at in one pass."""
AT_ONCE = 2
"""Experiments refreshed at the same time."""
PAUSE = timedelta(hours=1)
"""How long an experiment is left alone after a refresh of it failed."""
REJECTIONS_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An experiment that is behind, and what changed."""

    experiment_id: int
    changes: Changes


async def refresh_due(database: Database) -> list[int]:
    """Refresh every experiment that is behind; returns their ids. One transaction each.

    An experiment whose rows Postgres cannot add up is logged, left as it was for an hour, and then derived anew; it
    holds up nobody else's.
    """
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    async with database.raw() as connection:
        pending = await ledger.pending_ingests(connection, BATCHES)
        found = await queries.behind(connection, {row["workspace_id"] for row in pending}, midnight)
    due = [one for row in found if (one := due_of(row, pending, now, midnight)) is not None]
    permits = asyncio.Semaphore(AT_ONCE)
    for outcome in await asyncio.gather(*(_attempt(database, one, permits) for one in due), return_exceptions=True):
        if outcome is not None:
            raise outcome
    if pending:
        async with database.raw() as connection:
            await ledger.settle_ingests(connection, [row["id"] for row in pending])
    return [one.experiment_id for one in due]


async def refresh(database: Database, due: Due) -> None:
    """Refresh one experiment, as of now."""
    async with database.raw() as connection:
        found = await queries.sealed_plan(connection, due.experiment_id)
        await aggregates.refresh(
            connection,
            experiment_id=due.experiment_id,
            workspace_id=found.workspace_id,
            plan=plans.from_document(found.document),
            changes=due.changes,
            now=datetime.now(UTC),
            version=VERSION,
        )
        await queries.clear_fault(connection, due.experiment_id)


async def forget_rejections(database: Database) -> None:
    """Drop rejected rows that were kept long enough."""
    async with database.raw() as connection:
        await ledger.drop_rejections(connection, datetime.now(UTC) - REJECTIONS_KEPT)


async def _attempt(database: Database, due: Due, permits: asyncio.Semaphore) -> None:
    async with permits:
        try:
            await refresh(database, due)
        except asyncpg.DataError as error:
            log.exception("Experiment %d could not be refreshed.", due.experiment_id)
            async with database.raw() as connection:
                await queries.note_fault(connection, due.experiment_id, type(error).__name__, datetime.now(UTC))


def due_of(
    row: Mapping[str, Any], pending: Iterable[Mapping[str, Any]], now: datetime, midnight: datetime
) -> Due | None:
    """What an experiment's refresh has to do, if anything."""
    if row["failed_at"] is not None:
        is_over = row["failed_at"] + PAUSE <= now
        return Due(experiment_id=row["id"], changes=EVERYTHING) if is_over else None
    found = changes(
        (entry for entry in pending if entry["workspace_id"] == row["workspace_id"]),
        experiment_id=row["id"],
        events=row["events"],
        data_through=row["data_through"],
    )
    is_behind = row["data_through"] is None or row["data_through"] < midnight
    return Due(experiment_id=row["id"], changes=found) if is_behind or found != Changes() else None

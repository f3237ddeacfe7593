"""Bringing aggregates up to the data: which experiments are behind, and one refresh of each.

A batch stays pending in the ledger until every experiment it touches has been refreshed, so a crash between any two
steps only means that a refresh is done again.
"""

import logging
from datetime import UTC, datetime, timedelta

import asyncpg

from api.database import Database
from api.version import VERSION
from experiments import aggregates, queries
from experiments import plan as plans
from kpi import queries as ledger

log = logging.getLogger("truelift.refresh")
BATCHES = 10_000
"""Ledger entries looked at in one pass."""
REJECTIONS_KEPT = timedelta(days=30)


async def refresh_due(database: Database) -> list[int]:
    """Refresh every experiment that is behind; returns their ids. One transaction each.

    An experiment whose rows Postgres cannot add up is logged and stays as it was until something new comes in or a day
    passes (one without any aggregates is tried again each time); it holds up nobody else's.
    """
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    async with database.raw() as connection:
        pending = await ledger.pending_ingests(connection, BATCHES)
        touched = sorted({number for row in pending if row["noun"] == "exposures" for number in row["touched"]})
        events = sorted({number for row in pending if row["noun"] == "outcomes" for number in row["touched"]})
        due = await queries.due_experiments(connection, touched, events, midnight)
    for experiment_id in due:
        try:
            await refresh(database, experiment_id)
        except asyncpg.DataError:
            log.exception("Experiment %d could not be refreshed.", experiment_id)
    if pending:
        async with database.raw() as connection:
            await ledger.settle_ingests(connection, [row["id"] for row in pending])
    return due


async def refresh(database: Database, experiment_id: int) -> None:
    """Refresh one experiment, as of now."""
    async with database.raw() as connection:
        found = await queries.sealed_plan(connection, experiment_id)
        await aggregates.refresh(
            connection,
            experiment_id=experiment_id,
            workspace_id=found.workspace_id,
            plan=plans.from_document(found.document),
            now=datetime.now(UTC),
            version=VERSION,
        )


async def forget_rejections(database: Database) -> None:
    """Drop rejected rows that were kept long enough."""
    async with database.raw() as connection:
        await ledger.drop_rejections(connection, datetime.now(UTC) - REJECTIONS_KEPT)

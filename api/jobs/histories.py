"""Bringing the histories of KPIs up to the data: after midnight, and when rows of days before came in late."""

import logging
from datetime import UTC

import asyncpg

from api.database import Database
from experiments import queries
from kpi.history import refresh

log = logging.getLogger("truelift.histories")


async def refresh_histories(database: Database) -> list[int]:
    """Refresh every KPI's history that is behind; returns the definitions. One transaction each.

    One that Postgres cannot add up is noted, rests, and holds up no other.
    """
    async with database.raw() as connection:
        midnight = (await queries.clock(connection)).astimezone(UTC).date()
        due = await refresh.due(connection, midnight)
    for definition_id in due:
        try:
            async with database.raw() as connection:
                await refresh.refresh(connection, definition_id, midnight)
        except (asyncpg.DataError, asyncpg.ProgramLimitExceededError) as error:
            log.exception("The history of definition %d cannot be derived; it is tried again later.", definition_id)
            async with database.raw() as connection:
                await refresh.note_failure(connection, definition_id, error)
    return due

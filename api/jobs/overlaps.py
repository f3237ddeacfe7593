"""Deriving what experiments share with others, once a day each: one experiment a round, for it may take minutes."""

import logging

import asyncpg

from api.database import Database
from experiments.aggregation import overlaps

log = logging.getLogger("truelift.overlaps")


async def derive_overlaps(database: Database) -> int | None:
    """Derive the overlaps of the experiment that is furthest behind; returns its id, None where nothing is due.

    Safe to run twice, and beside another worker. What is too large, or does not add up, is logged and shown as it was;
    it is tried again some hours later, and holds up nobody else.
    """
    async with database.raw() as connection:
        due = await overlaps.claim(connection)
    if due is None:
        return None
    try:
        async with database.raw() as connection:
            await overlaps.refresh(connection, due)
    except (asyncpg.DataError, asyncpg.QueryCanceledError):
        log.exception("The overlaps of experiment %d could not be derived.", due.experiment_id)
    return due.experiment_id

"""Dropping files that nobody takes in, in a process that is no worker: it may be the worker that never comes."""

import asyncio
import logging

from api.database import Database
from api.jobs.uploads import sweep
from api.jobs.worker import FAULTS

log = logging.getLogger("truelift.sweep")
PAUSE = 600.0
"""Seconds between two rounds."""


async def keep_sweeping(database: Database) -> None:
    """Sweep now and then until cancelled; a database that is away is left to the next round."""
    while True:
        try:
            await sweep(database)
        except FAULTS as fault:
            log.warning("Nothing was swept: the database does not answer (%s).", type(fault).__name__)
        await asyncio.sleep(PAUSE)

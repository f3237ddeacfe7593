"""The worker: wakes when data come in, and every few seconds, and does what is due.

One duty is one function that is safe to run twice, and one line in `DUTIES`. A database that goes away is waited for.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from api.database import Database
from api.jobs.refresh import forget_rejections, refresh_due

log = logging.getLogger("truelift.worker")
APPLICATION = "truelift worker"
"""The name under which a worker's connection is seen in Postgres; readiness looks for it."""
LONGEST_WAIT = 30.0
"""Seconds between attempts at a database that does not answer."""
FAULTS = (OSError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a database that goes away looks like from here. Anything else is a bug and ends the worker."""

DUTIES: tuple[Callable[[Database], Awaitable[object]], ...] = (refresh_due, forget_rejections)


async def work(database: Database, *, seconds: float) -> None:
    """Do what is due until cancelled."""
    wait = seconds
    while True:
        began = monotonic()
        try:
            await _until_fault(database, seconds)
        except FAULTS as fault:
            wait = seconds if monotonic() - began > LONGEST_WAIT else wait
            log.warning("The database does not answer (%s); trying again in %.0f s.", type(fault).__name__, wait)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)


async def _until_fault(database: Database, seconds: float) -> None:
    async with database.listening("truelift_ingested", APPLICATION) as news:
        while True:
            for duty in DUTIES:
                await duty(database)
            await news.wait(seconds)

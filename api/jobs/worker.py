"""The worker: wakes when data come in, and every few seconds, and does what is due.

One duty is one function that is safe to run twice, and one line in `DUTIES`. A database that goes away is waited for.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial, wraps
from time import monotonic

import asyncpg

from api.database import CLIENT_FAULTS, Database, News
from api.delivery.outside import Outside
from api.jobs.alerts import judge_alerts
from api.jobs.deliveries import deliver_due, forget_deliveries
from api.jobs.evidence import weigh_due
from api.jobs.histories import measure_baselines, refresh_histories
from api.jobs.links import estimate_links
from api.jobs.looks import publish_due
from api.jobs.overlaps import derive_overlaps
from api.jobs.refresh import forget_rejections, refresh_due
from api.jobs.rehearsals import rehearse_drafts
from api.jobs.retention import drop_old_rows
from api.jobs.reviews import open_reviews
from api.jobs.uploads import take_in_uploads
from api.telemetry import metrics, tracing
from kpi.notices import CHANNEL

log = logging.getLogger("truelift.worker")
APPLICATION = "truelift worker"
"""The name under which a worker's connection is seen in Postgres; readiness looks for it."""
LONGEST_WAIT = 5.0
"""Seconds between attempts at a database that does not answer."""
BREATH = 0.25
"""Seconds from one round to the next at least: while rows pour in, each of their batches is news."""
FAULTS = (*CLIENT_FAULTS, asyncpg.PostgresError)
"""What a database that goes away looks like from here. Anything else is a bug and ends the worker, unless it is one
experiment's: `faults` keeps that from the others."""

Duty = Callable[[Database], Awaitable[object]]
DUTIES: tuple[Duty, ...] = (refresh_due, publish_due, weigh_due, forget_rejections, forget_deliveries, drop_old_rows)

LONG_DUTIES: tuple[Duty, ...] = (
    take_in_uploads,
    refresh_histories,
    measure_baselines,
    estimate_links,
    judge_alerts,
    rehearse_drafts,
    derive_overlaps,
    open_reviews,
)
"""Duties that may take minutes go their own round, so that results stay fresh meanwhile."""


async def work(database: Database, *, seconds: float, outside: Outside | None = None) -> None:
    """Do what is due until cancelled. Without a way to the outside nothing is delivered."""
    wait = seconds
    while True:
        began = monotonic()
        try:
            await _until_fault(database, seconds, outside)
        except* FAULTS as faults:
            wait = seconds if monotonic() - began > LONGEST_WAIT else wait
            name = type(faults.exceptions[0]).__name__
            log.warning("The database does not answer (%s); trying again in %.0f s.", name, wait)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)


async def _until_fault(database: Database, seconds: float, outside: Outside | None) -> None:
    async with database.listening("truelift_ingested", APPLICATION) as news, asyncio.TaskGroup() as group:
        group.create_task(_rounds(database, "results", DUTIES, news, seconds))
        group.create_task(_rounds(database, "files", LONG_DUTIES, await news.also("truelift_jobs"), seconds))
        if outside is not None:
            deliver = wraps(deliver_due)(partial(deliver_due, outside=outside))
            group.create_task(_rounds(database, "deliveries", (deliver,), await news.also(CHANNEL), seconds))


async def _rounds(database: Database, name: str, duties: Sequence[Duty], news: News, seconds: float) -> None:
    while True:
        began = monotonic()
        for duty in duties:
            await timed(duty, database)
        metrics.HEARTBEAT.labels(name).set_to_current_time()
        await news.wait(seconds)
        await asyncio.sleep(began + BREATH - monotonic())  # not at all after a quiet time


async def timed(duty: Duty, database: Database) -> None:
    """Do a duty, and tell what it took."""
    name = duty.__name__
    with metrics.DUTY.labels(name).time(), tracing.duty(name):
        await duty(database)

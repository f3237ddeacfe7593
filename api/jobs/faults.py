"""Experiments that a duty fails on: each is logged, rests, is tried again, and holds up nobody else.

A bug or an impossible number in one experiment is that experiment's. A database that is away is everybody's: it ends
the round, and the worker waits for it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from api.database import Database, is_away
from api.telemetry import metrics
from experiments import queries
from experiments.enums import Duty

log = logging.getLogger("truelift.faults")
AT_ONCE = 2
"""Experiments that a duty is busy with at the same time."""
PAUSE = timedelta(hours=1)
"""How long an experiment is left alone after a duty failed on it; twice as long after each further time."""
DOUBLINGS = 4
"""So often: from then on it is tried every 16 hours, which is before the next day is over."""
FAILED = {
    Duty.REFRESH: "could not be refreshed",
    Duty.LOOKS: "could not have its looks published",
    Duty.EVIDENCE: "could not be weighed with all others on its hypothesis",
}
"""What it means that a duty failed."""


async def each(database: Database, duty: Duty, steps: Mapping[int, Callable[[], Awaitable[None]]]) -> None:
    """Take a step for each experiment, by id. What is wrong with one of them is noted; what is not theirs is raised."""
    permits = asyncio.Semaphore(AT_ONCE)

    async def take(step: Callable[[], Awaitable[None]]) -> None:
        async with permits:
            with metrics.STEP.labels(duty.name).time():
                await step()

    outcomes = await asyncio.gather(*(take(step) for step in steps.values()), return_exceptions=True)
    for experiment_id, outcome in zip(steps, outcomes, strict=True):
        if isinstance(outcome, Exception) and not is_away(outcome):
            await _note(database, experiment_id, duty, outcome)
        elif outcome is not None:
            raise outcome


def pause(attempts: int) -> timedelta:
    """How long an experiment rests after a duty has failed on it so often in a row."""
    return PAUSE * int(2 ** min(attempts - 1, DOUBLINGS))


def is_pausing(row: Mapping[str, Any], now: datetime) -> bool:
    """Whether an experiment still rests from a failure; a clock that was set back ends the pause."""
    if row["failed_at"] is None:
        return False
    return bool(row["failed_at"] <= now < row["failed_at"] + pause(row["attempts"]))


async def _note(database: Database, experiment_id: int, duty: Duty, error: Exception) -> None:
    async with database.raw() as connection:
        now = await queries.clock(connection)
        noted = await queries.note_fault(connection, experiment_id, duty, type(error).__name__, now)
    metrics.FAULTS.labels(duty.name).inc()
    log.error(
        "Experiment “%s” of “%s” %s, %d times in a row now; it is tried again in %s.",
        noted.experiment,
        noted.workspace,
        FAILED[duty],
        noted.attempts,
        pause(noted.attempts),
        exc_info=error,
    )

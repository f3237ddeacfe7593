"""The floor: entry days before it are final for good, so the rows they came from may be dropped.

A workspace that keeps raw rows for N days has a floor N days back, or further where an experiment still needs its rows:
a day is frozen only when the longest window of all its KPIs has closed and some days for late rows have passed since.
From then on no late row, stop or full recompute derives it anew. The aggregates stay. Outcomes before the floor are
kept as long as a covariate of a later day reads them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import asyncpg

from experiments import entrants
from experiments.aggregation import covariates
from experiments.aggregation.slices import DAY, EVER
from experiments.inference.cohorts import decode
from experiments.life.lifecycle import last_entry_on
from experiments.planning import plan as plans
from kpi import storage
from kpi.events import first_id, time_of
from kpi.gate import midnight

GRACE = timedelta(days=7)
"""How long outcomes may come late, at the least, after the window they belong to has closed."""
LOCK_SECONDS = 2
"""How long rows that come in may be kept waiting while the floor is raised."""
NEVER = datetime.max.replace(tzinfo=UTC)
BATCH = 5_000
"""Rows dropped in one transaction at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """An experiment that has started: its longest window, how far it is refreshed, when its enrolment ended.

    One that is given aggregates reads no outcomes; what is final only after its window may still be sent.
    """

    window: timedelta
    through: date | None
    frozen_on: date | None
    is_given: bool = False

    @property
    def free_before(self) -> date:
        """The first entry day whose rows it still needs."""
        if self.through is None:
            return EVER
        is_over = self.frozen_on is not None and self.frozen_on + DAY + self.window + GRACE <= self.through
        return date.max if is_over else self.through - self.window - GRACE

    def closed(self, frozen: date) -> date:
        """The first day on which nothing happens any more that belongs to its frozen days."""
        if self.is_given:
            return frozen
        return min(frozen, date.max if self.frozen_on is None else self.frozen_on + DAY) + self.window


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The first entry day that is not frozen, and the first day of which outcomes are taken."""

    frozen_before: date
    refused_before: date


def floor(retention_days: int, today: date, holders: Iterable[Holder]) -> Floor:
    """How high the floor may be."""
    found = list(holders)
    frozen = min([today - timedelta(days=retention_days), *(holder.free_before for holder in found)])
    return Floor(frozen_before=frozen, refused_before=max([frozen, *(holder.closed(frozen) for holder in found)]))


async def raise_floor(connection: asyncpg.Connection, *, workspace_id: int, retention_days: int, now: datetime) -> bool:
    """Raise a workspace's floor as far as it may go, in the caller's transaction; False when it has to wait.

    It waits for a refresh that runs, for changes below that the aggregates do not know yet, and for an experiment whose
    refresh failed. Raises LockNotAvailableError when rows that come in do not let it through.
    """
    # Rows that come in are made to wait only when all else is as it should be; who waited looks again.
    if await _next(connection, workspace_id, retention_days, now) is None:
        return False
    await storage.lock_rows(connection, workspace_id, seconds=LOCK_SECONDS)
    risen = await _next(connection, workspace_id, retention_days, now)
    if risen is None:
        return False
    await storage.raise_floor(connection, workspace_id, risen.frozen_before, risen.refused_before)
    return True


async def _next(connection: asyncpg.Connection, workspace_id: int, retention_days: int, now: datetime) -> Floor | None:
    """The next floor; None where it would not be higher, or the aggregates lack something below it or are at work."""
    holders = [_holder(row, now) for row in await entrants.started_in(connection, workspace_id)]
    risen = floor(retention_days, now.astimezone(UTC).date(), holders)
    last = await storage.frozen_before(connection, workspace_id)
    is_higher = risen.frozen_before > (last or EVER)
    is_unsettled = await entrants.is_unsettled(
        connection, workspace_id, risen.frozen_before, midnight(risen.refused_before)
    )
    if not is_higher or is_unsettled or not await entrants.lock_refreshes(connection, workspace_id):
        return None
    return risen


async def drop_rows(connection: asyncpg.Connection, *, workspace_id: int) -> bool:
    """Drop one batch of rows below the floor, in the caller's transaction; False when there is nothing left to do.

    The exposures of an experiment that still takes units in stay: they are how a unit that comes back is known.
    """
    row = await storage.lock_clearing(connection, workspace_id)
    end = midnight(row["frozen_before"]) if row else None
    if row is None or end is None or (row["dropped_before"] is not None and row["dropped_before"] >= end):
        return False
    if await entrants.drop_exposures(connection, workspace_id, end, BATCH):
        return True
    end = min(end, await _needed_from(connection, workspace_id, row["frozen_before"]))
    if row["dropped_before"] is not None and row["dropped_before"] >= end:
        return False
    first = first_id(row["dropped_before"]) if row["dropped_before"] else UUID(int=0)
    until = await storage.nth_outcome(connection, workspace_id, first, first_id(end), BATCH)
    await storage.drop_outcomes(connection, workspace_id, first, until or first_id(end))
    # Of rows at one millisecond some may be left; they are dropped with the next batch.
    reached = end if until is None else max(time_of(until), row["dropped_before"] or time_of(until))
    await storage.note_dropped(connection, workspace_id, reached)
    return until is not None


async def _needed_from(connection: asyncpg.Connection, workspace_id: int, frozen_before: date) -> datetime:
    """When the first outcomes happened that covariates of days still to be derived may read."""
    found = NEVER
    for row in await entrants.started_in(connection, workspace_id):
        days = covariates.longest(plans.from_document(row["plan"]).kpis)
        first = max(frozen_before, row["started_at"].astimezone(UTC).date())
        frozen_on = last_entry_on(row["frozen_at"])
        if days and not row["is_given"] and (frozen_on is None or frozen_on >= frozen_before):
            found = min(found, datetime.combine(first, time(tzinfo=UTC)) - days * DAY)
    return found


def _holder(row: asyncpg.Record, now: datetime) -> Holder:
    """Who gets no more holds up nobody: aggregates are due at a time, sent or not, and nothing counts after a stop."""
    plan = plans.from_document(row["plan"])
    reach, stopped_at = row["data_through"], row["stopped_at"]
    is_complete = reach is not None and stopped_at is not None and reach >= stopped_at
    return Holder(
        window=timedelta(days=max(decode(planned).window[1] for planned in plan.kpis)),
        through=_day(now if row["is_given"] or is_complete else reach),
        frozen_on=last_entry_on(row["frozen_at"]),
        is_given=row["is_given"],
    )


def _day(at: datetime | None) -> date | None:
    return None if at is None else at.astimezone(UTC).date()

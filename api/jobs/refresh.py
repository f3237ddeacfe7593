"""Bringing aggregates up to the data: which experiments are behind, and one refresh of each.

A change stays pending in the ledger until every experiment it touches has been refreshed, so a crash between any two
steps only means that a refresh is done again. Times are those of the database's clock: several workers must agree on
which midnight has passed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from api.database import Database
from api.jobs.faults import each, is_pausing
from api.version import VERSION
from experiments import queries
from experiments.aggregation import aggregates
from experiments.aggregation.slices import EVERYTHING, Changes, changes
from experiments.enums import Duty
from experiments.planning import plan as plans
from kpi import batches
from kpi.enums import Unit
from kpi.history import refresh as histories

BATCHES = 10_000
"""Changes looked at in one pass."""
WORTH_A_REST = timedelta(seconds=1)
LONGEST_REST = timedelta(minutes=5)
"""An experiment rests after a refresh as long as that took: every batch of a backfill touches the days all others do,
and each would have them derived again. What takes less than a second does not rest, so a small change shows at once."""
REJECTIONS_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An experiment that is behind, and what changed."""

    experiment_id: int
    changes: Changes


async def refresh_due(database: Database) -> list[int]:
    """Refresh every experiment that is behind; returns their ids. One transaction each.

    An experiment whose refresh fails, as when Postgres cannot add up its rows, is left as it was for a while and then
    derived anew; it holds up nobody else's. What is news to one that rests stays pending.
    """
    async with database.raw() as connection:
        pending = await batches.pending_ingests(connection, BATCHES)
        now = await queries.clock(connection)  # after the changes: none of them is of a day that was not over by then
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        found = await queries.behind(connection, {row["workspace_id"] for row in pending}, midnight)
    resting = [row for row in found if is_resting(row, now)]
    awake = [row for row in found if row not in resting]
    due = [one for row in awake if (one := due_of(row, pending, now, midnight)) is not None]
    await each(database, Duty.REFRESH, {one.experiment_id: partial(refresh, database, one) for one in due})
    kept = {entry["id"] for row in resting for entry in pending if news(row, [entry], midnight) != Changes()}
    if settled := [entry["id"] for entry in pending if entry["id"] not in kept]:
        async with database.raw() as connection:
            await histories.outdate(connection, settled)
            await batches.settle_ingests(connection, settled)
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
            now=await queries.clock(connection),
            version=VERSION,
        )
        await queries.clear_fault(connection, due.experiment_id, Duty.REFRESH)


async def forget_rejections(database: Database) -> None:
    """Drop rejected rows that were kept long enough."""
    async with database.raw() as connection:
        await batches.drop_rejections(connection, datetime.now(UTC) - REJECTIONS_KEPT)


def due_of(
    row: Mapping[str, Any], pending: Iterable[Mapping[str, Any]], now: datetime, midnight: datetime
) -> Due | None:
    """What an experiment's refresh has to do, if anything. Once it reaches the stop, a new day is no news to it."""
    if row["failed_at"] is not None:
        return None if is_pausing(row, now) else Due(experiment_id=row["id"], changes=EVERYTHING)
    found = news(row, pending, midnight)
    reach = min(at for at in (midnight, row["given_at"], row["stopped_at"]) if at is not None)
    is_behind = row["data_through"] is None or row["data_through"] < reach
    return Due(experiment_id=row["id"], changes=found) if is_behind or found != Changes() else None


def is_resting(row: Mapping[str, Any], now: datetime) -> bool:
    """Whether an experiment rests after a refresh that took long; handed-in aggregates take none."""
    if row["computed_at"] is None or row["given_at"] is not None:
        return False
    ended: datetime = row["computed_at"]
    took: timedelta = ended - row["data_through"]
    return took >= WORTH_A_REST and ended <= now < ended + min(took, LONGEST_REST)


def news(row: Mapping[str, Any], pending: Iterable[Mapping[str, Any]], midnight: datetime) -> Changes:
    """What pending entries mean for an experiment.

    Another worker may be refreshing it up to this midnight right now, without having seen them: outcomes of before are
    late by then, if not yet by its last refresh.
    """
    return changes(
        (entry for entry in pending if entry["workspace_id"] == row["workspace_id"]),
        experiment_id=row["id"],
        unit=Unit(row["unit"]),
        events=row["events"],
        data_through=max(row["data_through"] or midnight, midnight),
    )

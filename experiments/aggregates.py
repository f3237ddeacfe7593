"""From raw rows to the three tables that analysis reads: entries (C), moments (M) and durations (T).

A refresh derives the slices that are due (`experiments.slices`, `experiments.derivation`). Nothing below the grain of
an entry day leaves the database. The law: the tables are what deriving everything anew would give.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time

import asyncpg

from experiments.cohorts import Rows, decode
from experiments.derivation import Derivation
from experiments.plan import Plan
from experiments.slices import NONE, Changes, Days, due, merged
from kpi.queries import event_numbers

MEMORY = "128MB"
"""What one sort or hash table of a refresh may take before it goes to disk."""

LATE_DAYS = """
SELECT DISTINCT (x.exposed_at AT TIME ZONE 'UTC')::date AS day
FROM outcomes o JOIN exposures x ON x.experiment_id = $1 AND x.unit = o.unit
WHERE o.ingest_id BETWEEN $2 AND $3 AND o.ingest_id = ANY($4::bigint[]) AND o.event_id = ANY($5::int[])
    AND o.occurred_at < $6 AND o.occurred_at >= x.exposed_at
    AND o.occurred_at < x.exposed_at + make_interval(hours => 24 * $7::int)
"""
"""The entry days of units that did something before the last midnight of which nobody knew then."""

READ_ENTRIES = "SELECT segment, variant_id, entered_on, n FROM entry_counts WHERE experiment_id = $1 AND n > 0"
READ_MOMENTS = (
    "SELECT definition_id, segment, variant_id, entered_on, n, mean, m2 FROM moments WHERE experiment_id = $1"
)
READ_DURATIONS = (
    "SELECT definition_id, segment, variant_id, entered_on, day, events, losses FROM durations WHERE experiment_id = $1"
)
RECORD = """
INSERT INTO refreshes (experiment_id, data_through, computed_at, crossovers, version)
SELECT $1, $2, clock_timestamp(), coalesce(sum(crossovers), 0), $3 FROM entry_counts WHERE experiment_id = $1
ON CONFLICT (experiment_id) DO UPDATE SET data_through = excluded.data_through,
    computed_at = excluded.computed_at, crossovers = excluded.crossovers, version = excluded.version
"""


async def read(connection: asyncpg.Connection, experiment_id: int) -> Rows:
    """An experiment's aggregates as they are stored."""
    return Rows(
        entries=await connection.fetch(READ_ENTRIES, experiment_id),
        moments=await connection.fetch(READ_MOMENTS, experiment_id),
        durations=await connection.fetch(READ_DURATIONS, experiment_id),
    )


async def refresh(
    connection: asyncpg.Connection,
    *,
    experiment_id: int,
    workspace_id: int,
    plan: Plan,
    changes: Changes,
    now: datetime,
    version: str,
) -> None:
    """Bring an experiment's aggregates up to its rows, in the caller's transaction. Safe to run twice.

    A stop in the past closes enrolment for rows that had come in already, as it does for those still to come.
    A lock lets one refresh of an experiment run at a time.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('refresh'), $1)", experiment_id)
    await connection.execute(f"SET LOCAL work_mem = '{MEMORY}'")
    last = await connection.fetchval("SELECT data_through FROM refreshes WHERE experiment_id = $1", experiment_id)
    now = now if last is None else max(now, last)  # of two workers' clocks, the one ahead counts
    through, before = _day(now), last and _day(last)
    numbers = await event_numbers(connection, workspace_id, plan.events)
    late = await _late_days(connection, experiment_id, plan, numbers, changes, before)
    for piece in due(plan.kpis, merged([changes.days, late]), before=before, through=through):
        derivation = Derivation(
            experiment_id=experiment_id,
            piece=piece,
            through=through,
            attributes=plan.segment_attributes,
            numbers=numbers,
        )
        for statement, arguments in derivation.statements():
            await connection.execute(statement, *arguments)
    await connection.execute(RECORD, experiment_id, now, version)
    await connection.execute("SELECT pg_notify('truelift_refreshed', $1)", str(experiment_id))


async def _late_days(
    connection: asyncpg.Connection,
    experiment_id: int,
    plan: Plan,
    numbers: Mapping[str, int],
    changes: Changes,
    before: date | None,
) -> Days:
    if before is None or not changes.batches:
        return NONE
    rows = await connection.fetch(
        LATE_DAYS,
        experiment_id,
        min(changes.batches),
        max(changes.batches),
        list(changes.batches),
        list(numbers.values()),
        datetime.combine(before, time(tzinfo=UTC)),
        max(decode(planned).window[1] for planned in plan.kpis),
    )
    return frozenset(row["day"] for row in rows)


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()

"""From raw rows to the three tables that analysis reads, and from those to arrays.

The refresh writes, in one transaction, what the rows say at a moment: entries (C), moments (M) and durations (T) by
segment, variant and entry day. Nothing below the grain of an entry day leaves the database; what `values` adds is how
many units of a day have which amount.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from experiments.cohorts import Rows
from experiments.plan import Plan, PlannedKpi
from kpi import kinds
from kpi.queries import event_numbers

SEGMENT_VALUES = 20
"""Values of an attribute that become segments of their own; the rest are read together as “(other)”."""

ENTRIES = """
CREATE TEMP TABLE entries ON COMMIT DROP AS
SELECT unit, variant_id, exposed_at AS entered_at, (exposed_at AT TIME ZONE 'UTC')::date AS entered_on, attributes
FROM exposures, (SELECT least($2::timestamptz, stopped_at) AS closes FROM experiments WHERE id = $1) enrolment
WHERE experiment_id = $1 AND exposed_at < closes AND (crossed_at IS NULL OR crossed_at >= closes)
"""

MEMBERSHIPS = f"""
CREATE TEMP TABLE memberships ON COMMIT DROP AS
WITH attribute AS (SELECT unnest($1::text[]) AS name),
said AS (
    SELECT e.unit, a.name, coalesce(nullif(e.attributes ->> a.name, ''), '(none)') AS value
    FROM entries e CROSS JOIN attribute a
),
named AS (
    SELECT name, value FROM (
        SELECT name, value, row_number() OVER (PARTITION BY name ORDER BY count(*) DESC, value) AS place
        FROM said GROUP BY name, value
    ) ranked WHERE place <= {SEGMENT_VALUES:d}
)
SELECT unit, '' AS segment FROM entries
UNION ALL
SELECT s.unit, s.name || '=' || coalesce(n.value, '(other)') FROM said s LEFT JOIN named n USING (name, value)
"""  # noqa: S608 - a constant of ours

ENTRY_COUNTS = """
INSERT INTO entry_counts (experiment_id, segment, variant_id, entered_on, n)
SELECT $1, m.segment, e.variant_id, e.entered_on, count(*)
FROM entries e JOIN memberships m USING (unit) GROUP BY 2, 3, 4
"""

WINDOWED = """
FROM entries e LEFT JOIN outcomes o ON o.event_id IN ({events}) AND o.unit = e.unit AND o.occurred_at < $2
    AND o.occurred_at >= e.entered_at + make_interval(hours => 24 * {start:d})
    AND o.occurred_at < e.entered_at + make_interval(hours => 24 * {until:d})
"""

MOMENTS = """
INSERT INTO moments (experiment_id, definition_id, segment, variant_id, entered_on, n, mean, m2)
WITH units AS (
    SELECT e.unit, e.variant_id, e.entered_on, ({per_unit})::float8 AS y
    {windowed}
    WHERE e.entered_on + 1 + {until:d} <= ($2 AT TIME ZONE 'UTC')::date
    GROUP BY e.unit, e.variant_id, e.entered_on
)
SELECT $1, $3, m.segment, u.variant_id, u.entered_on, count(*), avg(u.y), var_pop(u.y) * count(*)
FROM units u JOIN memberships m USING (unit) GROUP BY 3, 4, 5
"""

DURATIONS = """
INSERT INTO durations (experiment_id, definition_id, segment, variant_id, entered_on, day, events, losses)
WITH units AS (
    SELECT e.unit, e.variant_id, e.entered_on, {per_unit}
    {windowed}
    GROUP BY e.unit, e.variant_id, e.entered_on, e.entered_at
),
ends AS (
    SELECT unit, variant_id, entered_on, least(event_day, loss_day) AS day,
        (event_day IS NOT NULL AND event_day <= coalesce(loss_day, event_day))::int AS is_event
    FROM units AS units (unit, variant_id, entered_on, event_day, loss_day)
    WHERE event_day IS NOT NULL OR loss_day IS NOT NULL
)
SELECT $1, $3, m.segment, d.variant_id, d.entered_on, d.day, sum(d.is_event), sum(1 - d.is_event)
FROM ends d JOIN memberships m USING (unit) GROUP BY 3, 4, 5, 6
"""

VALUES = """
WITH units AS (
    SELECT e.unit, e.entered_on, ({per_unit})::float8 AS y
    {windowed}
    WHERE e.unit IN (SELECT unit FROM entries WHERE variant_id = $1 ORDER BY entered_at, unit LIMIT $3)
        AND e.entered_on + 1 + {until:d} <= ($2 AT TIME ZONE 'UTC')::date
    GROUP BY e.unit, e.entered_on
)
SELECT entered_on, y, count(*) AS n FROM units GROUP BY 1, 2 ORDER BY 1, 2
"""

READ_ENTRIES = "SELECT segment, variant_id, entered_on, n FROM entry_counts WHERE experiment_id = $1"
READ_MOMENTS = (
    "SELECT definition_id, segment, variant_id, entered_on, n, mean, m2 FROM moments WHERE experiment_id = $1"
)
READ_DURATIONS = (
    "SELECT definition_id, segment, variant_id, entered_on, day, events, losses FROM durations WHERE experiment_id = $1"
)


async def read(connection: asyncpg.Connection, experiment_id: int) -> Rows:
    """An experiment's aggregates as they are stored."""
    return Rows(
        entries=await connection.fetch(READ_ENTRIES, experiment_id),
        moments=await connection.fetch(READ_MOMENTS, experiment_id),
        durations=await connection.fetch(READ_DURATIONS, experiment_id),
    )


async def values(
    connection: asyncpg.Connection,
    *,
    experiment_id: int,
    workspace_id: int,
    variant_id: int,
    kpis: Sequence[PlannedKpi],
    through: datetime,
    most: int,
) -> dict[int, list[asyncpg.Record]]:
    """Final values of a variant's first `most` units, by definition: how many of an entry day have which value.

    In the caller's transaction, once in it. Only KPIs with one number a unit have values.
    """
    await connection.execute(ENTRIES, experiment_id, through)
    await connection.execute("ANALYZE entries")
    numbers = await event_numbers(connection, workspace_id, [event for kpi in kpis for event in kpi.definition.events])
    return {
        planned.definition.id: await connection.fetch(_filled(VALUES, planned, numbers), variant_id, through, most)
        for planned in kpis
    }


async def refresh(
    connection: asyncpg.Connection, *, experiment_id: int, workspace_id: int, plan: Plan, now: datetime, version: str
) -> None:
    """Recompute an experiment's aggregates from its rows, in the caller's transaction. Safe to run twice.

    A stop in the past closes enrolment for rows that had come in already, as it does for those still to come.
    A lock lets one refresh of an experiment run at a time.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('refresh'), $1)", experiment_id)
    await connection.execute(ENTRIES, experiment_id, now)
    await connection.execute(MEMBERSHIPS, plan.segment_attributes)
    await connection.execute("ANALYZE entries, memberships")
    for table in ("entry_counts", "moments", "durations"):
        await connection.execute(f"DELETE FROM {table} WHERE experiment_id = $1", experiment_id)  # noqa: S608 - one of ours
    await connection.execute(ENTRY_COUNTS, experiment_id)
    numbers = await event_numbers(connection, workspace_id, plan.events)
    for planned in plan.kpis:
        await connection.execute(_statement(planned, numbers), experiment_id, now, planned.definition.id)
    await _record(connection, experiment_id, now, version)


def _statement(planned: PlannedKpi, numbers: Mapping[str, int]) -> str:
    kind = kinds.decode(planned.definition.kind, planned.definition.parameters)
    return _filled(MOMENTS if kind.aggregate is kinds.Aggregate.MOMENTS else DURATIONS, planned, numbers)


def _filled(shape: str, planned: PlannedKpi, numbers: Mapping[str, int]) -> str:
    kind = kinds.decode(planned.definition.kind, planned.definition.parameters)
    start, until = kind.window
    # A number no event has: an event nobody has sent yet is one that has not happened.
    events = ", ".join(str(numbers.get(name, -1)) for name in kind.events)
    windowed = WINDOWED.format(events=events, start=start, until=until)
    return shape.format(per_unit=kind.per_unit(numbers), windowed=windowed, until=until)


async def _record(connection: asyncpg.Connection, experiment_id: int, now: datetime, version: str) -> None:
    await connection.execute(
        """
        INSERT INTO refreshes (experiment_id, data_through, computed_at, crossovers, version)
        SELECT $1, $2, clock_timestamp(), count(x.unit), $3
        FROM experiments e LEFT JOIN exposures x ON x.experiment_id = e.id AND x.crossed_at < least($2, e.stopped_at)
        WHERE e.id = $1
        ON CONFLICT (experiment_id) DO UPDATE SET data_through = excluded.data_through,
            computed_at = excluded.computed_at, crossovers = excluded.crossovers, version = excluded.version
        """,
        experiment_id,
        now,
        version,
    )
    await connection.execute("SELECT pg_notify('truelift_refreshed', $1)", str(experiment_id))

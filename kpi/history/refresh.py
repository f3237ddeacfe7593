"""Bringing a KPI's sums up to its rows: which cohorts are out of date, and one refresh of a definition.

A cohort is derived anew until it is final, and again when a row that belongs to it comes in late. The law: the sums are
what deriving everything anew would give.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from itertools import chain
from time import monotonic

import asyncpg

from kpi import kinds, storage
from kpi.enums import Unit
from kpi.history import entry as entries
from kpi.history import units
from kpi.history.derivation import EVER, Derivation
from kpi.history.measured import reach
from kpi.history.periods import DAY

MEMORY = "128MB"
"""What one sort or hash table of a refresh may take before it goes to disk."""

OUTDATE = """
UPDATE histories h SET stale_from = least(h.stale_from, news.day)
FROM (
    SELECT h.definition_id, min(CASE
        WHEN i.noun = 'outcomes' THEN (i.earliest_at AT TIME ZONE 'UTC')::date - h.reach
        ELSE '{ever}'::date END) AS day
    FROM ingests i JOIN histories h ON h.workspace_id = i.workspace_id
    WHERE i.id = ANY($1::bigint[]) AND i.is_pending AND (
        i.noun IN ('memberships', 'traits') OR i.noun = 'outcomes' AND EXISTS (
            SELECT FROM events v WHERE v.id = ANY(i.touched) AND v.name = ANY(h.events)
        )
    ) GROUP BY 1
) news
WHERE h.definition_id = news.definition_id AND news.day < h.through
"""
"""What came in of a day that is not over is found with its day. Others move only what is derived already."""
OUTDATE_ALL = "UPDATE histories SET stale_from = '{ever}' WHERE workspace_id = $1 AND through IS NOT NULL"
FORGET = """
DELETE FROM unit_scores s USING histories h
WHERE h.definition_id = s.definition_id AND h.workspace_id = $1 AND s.unit = ANY($2::text[])
"""
DUE = """
SELECT h.definition_id FROM histories h
    JOIN definitions d ON d.id = h.definition_id
    JOIN (SELECT kpi_id, max(version) AS version FROM definitions GROUP BY 1) newest
        ON newest.kpi_id = d.kpi_id AND newest.version = d.version
WHERE (h.through IS NULL OR h.through < $1 OR h.stale_from IS NOT NULL)
    AND (h.failed_at IS NULL OR h.failed_at < clock_timestamp() - interval '10 minutes')
    AND (h.computed_at IS NULL OR h.through < $1
        OR h.computed_at < clock_timestamp() - least(h.seconds * 10, 600) * interval '1 second')
ORDER BY h.computed_at NULLS FIRST, h.definition_id
"""
"""Of newest definitions. After a refresh one rests for ten times as long as it took: a backfill is many batches."""
STATE = """
SELECT h.through, h.stale_from, h.events, d.kind, d.parameters, d.entry, k.unit, k.segments, h.workspace_id
FROM histories h JOIN definitions d ON d.id = h.definition_id JOIN kpis k ON k.id = d.kpi_id
WHERE h.definition_id = $1 FOR UPDATE OF h
"""
FIRST = """
SELECT min(occurred_at AT TIME ZONE 'UTC')::date FROM outcomes WHERE event_id = ANY($1::int[])
"""
DONE = """
UPDATE histories SET through = $2, stale_from = NULL, computed_at = clock_timestamp(), seconds = $3, reach = $4,
    failed_at = NULL, failure = NULL
WHERE definition_id = $1
"""
FAILED = "UPDATE histories SET failed_at = clock_timestamp(), failure = $2 WHERE definition_id = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What one refresh did: the first cohort it derived, and how long it took."""

    first: date
    through: date
    seconds: float


async def outdate(connection: asyncpg.Connection, ingests: Collection[int]) -> None:
    """Note which cohorts pending batches change, in the transaction that settles them."""
    await connection.execute(OUTDATE.format(ever=EVER), list(ingests))


async def outdate_all(connection: asyncpg.Connection, workspace_id: int) -> None:
    """Have all of a workspace's histories derived anew, as after rows were removed."""
    await connection.execute(OUTDATE_ALL.format(ever=EVER), workspace_id)


async def forget(connection: asyncpg.Connection, workspace_id: int, units: Collection[str]) -> None:
    """Remove what is kept of units by name, after what else changes with them is outdated: no refresh is under way."""
    await connection.execute(FORGET, workspace_id, list(units))


async def due(connection: asyncpg.Connection, midnight: date) -> list[int]:
    """The definitions whose sums do not reach a midnight, or are out of date."""
    return [row["definition_id"] for row in await connection.fetch(DUE, midnight)]


async def refresh(connection: asyncpg.Connection, definition_id: int, midnight: date) -> Refreshed:
    """Bring a definition's sums up to a midnight, in the caller's transaction. Safe to run twice.

    Cohorts before the workspace's floor stay as they are: the rows they came from may be gone.
    """
    start = monotonic()
    await connection.execute(f"SET LOCAL work_mem = '{MEMORY}'")
    state = await connection.fetchrow(STATE, definition_id)
    through = max(midnight, state["through"] or midnight)
    numbers = await storage.event_numbers(connection, state["workspace_id"], state["events"])
    first, began = await _first(connection, state, numbers.values())
    derivation = Derivation(
        definition_id=definition_id,
        workspace_id=state["workspace_id"],
        unit=Unit(state["unit"]),
        kind=_kind(state),
        entry=_entry(state),
        segments=state["segments"],
        numbers=numbers,
        first=first,
        began=began,
        through=through,
    )
    floor = await storage.frozen_before(connection, state["workspace_id"]) or EVER
    for statement, arguments in chain(derivation.statements(), units.statements(derivation, floor)):
        await connection.execute(statement, *arguments)
    seconds = monotonic() - start
    await connection.execute(DONE, definition_id, through, seconds, reach(derivation.kind, derivation.entry))
    await connection.execute("SELECT pg_notify('truelift_measured', $1)", str(definition_id))
    return Refreshed(first=first, through=through, seconds=seconds)


async def note_failure(connection: asyncpg.Connection, definition_id: int, error: Exception) -> None:
    """Remember that a history could not be derived, so that it rests and others go on."""
    await connection.execute(FAILED, definition_id, type(error).__name__)


async def _first(connection: asyncpg.Connection, state: asyncpg.Record, events: Collection[int]) -> tuple[date, date]:
    """The first cohort to derive, and the day of the first row, before which there is no period to measure.

    The first one that was not final or is out of date, and never one below the floor.
    """
    floor: date = await storage.frozen_before(connection, state["workspace_id"]) or EVER
    if state["through"] is None or state["stale_from"] == EVER:
        began: date | None = await connection.fetchval(FIRST, list(events))
        return floor, max(floor, began or state["through"] or EVER)
    open_since: date = state["through"] - reach(_kind(state), _entry(state)) * DAY
    first = max(floor, min(state["stale_from"] or open_since, open_since))
    return first, first


def _kind(state: asyncpg.Record) -> kinds.Kind:
    return kinds.decode(state["kind"], state["parameters"])


def _entry(state: asyncpg.Record) -> entries.Entry:
    entry = entries.decode(state["entry"])
    if entry is None:
        raise ValueError("a definition without an entry has no history")
    return entry

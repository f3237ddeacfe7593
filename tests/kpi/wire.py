"""Rows as a door hands them over, and reading back what became of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from hypothesis import strategies as st

from kpi.ingest import Report

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
HALF_A_PAIR = "\ud800"
Row = dict[str, Any]

texts = st.text(st.characters(), max_size=6)  # any character there is: NUL and lone surrogates too
scalars = st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats() | texts
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=5
)
"""What a JSON parser may find in a row."""


def outcome(unit: str = "u1", event: str = "activated", **more: Any) -> Row:
    """A good outcome, a day old, with some of it replaced."""
    return {"unit": unit, "event": event, "occurredAt": NOW - timedelta(days=1)} | more


def told(report: Report) -> list[str]:
    """What each row was told, in order: accepted, duplicate, or the code of the rejection."""
    words = dict.fromkeys(report.accepted, "accepted") | dict.fromkeys(report.duplicates, "duplicate")
    words |= {refusal.index: str(refusal.code) for refusal in report.refusals}
    return [words[index] for index in range(len(words))]


async def stored(connection: asyncpg.Connection, workspace_id: int) -> list[tuple[Any, ...]]:
    """A workspace's outcomes as unit, event, time and value, in that order."""
    rows = await connection.fetch(
        "SELECT o.unit, e.name, o.occurred_at, o.value FROM outcomes o JOIN events e ON e.id = o.event_id"
        " WHERE o.workspace_id = $1 ORDER BY 1, 2, 3, 4",
        workspace_id,
    )
    return [tuple(row) for row in rows]

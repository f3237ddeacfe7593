"""Rows on their way out: what an export of outcomes, exposures or aggregates holds, read by a cursor in batches.

The columns have the names that `truelift import` reads, so that what is exported can be taken in elsewhere.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import asyncpg

from experiments import queries
from experiments.aggregation import covariates, exports
from experiments.planning import plan as plans
from kpi import storage
from kpi.errors import NotFound
from kpi.events import first_id
from kpi.gate import hidden

BATCH = 5_000
"""Rows read at a time."""
ATTRIBUTE = "attributes."
"""What the name of an exposure's attribute follows in the name of its column."""
EVER, NEVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


class Noun(StrEnum):
    """What is exported."""

    OUTCOMES = "outcomes"
    EXPOSURES = "exposures"
    AGGREGATES = "aggregates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which rows: of one experiment, of one unit (as its senders name it), of a time from one moment up to another."""

    experiment: str | None = None
    unit: str | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """Columns with the types of their cells, and the statement whose rows fill them."""

    columns: dict[str, type]
    statement: str
    arguments: tuple[object, ...]

    async def batches(self, connection: asyncpg.Connection) -> AsyncIterator[list[asyncpg.Record]]:
        """The rows as of now, through a cursor of the caller's transaction: memory stays flat."""
        cursor = await connection.cursor(self.statement, *self.arguments)
        while batch := await cursor.fetch(BATCH):
            yield batch


async def extract(connection: asyncpg.Connection, *, workspace_id: int, noun: Noun, of: Selection) -> Extract:
    """What an export holds. Raises NotFound for an experiment that is none of the workspace's."""
    experiment_id = await _experiment(connection, workspace_id, of.experiment)
    unit = None if of.unit is None else await _names(connection, workspace_id, of.unit)
    start, end = of.from_at or EVER, of.to_at or NEVER
    if noun is Noun.AGGREGATES:
        arguments: tuple[object, ...] = (workspace_id, experiment_id, start.date(), end.date())
        return Extract(columns=AGGREGATES, statement=exports.EXPORT_AGGREGATES, arguments=arguments)
    if noun is Noun.OUTCOMES:
        days = 0 if experiment_id is None else await _days_before(connection, experiment_id)
        arguments = (workspace_id, experiment_id, unit, start, end, first_id(start), first_id(end), days)
        return Extract(columns=OUTCOMES, statement=exports.EXPORT_OUTCOMES, arguments=arguments)
    names = await exports.attribute_names(connection, workspace_id, experiment_id)
    return Extract(
        columns=EXPOSURES | dict.fromkeys((f"{ATTRIBUTE}{name}" for name in names), str),
        statement=exports.export_exposures(len(names)),
        arguments=(workspace_id, experiment_id, unit, start, end, *names),
    )


OUTCOMES: dict[str, type] = {"unit": str, "event": str, "occurredAt": datetime, "value": float, "eventId": str}
EXPOSURES: dict[str, type] = {
    "experiment": str,
    "unit": str,
    "variant": str,
    "exposedAt": datetime,
    "isCrossing": bool,
}
TEXTS, COUNTS = ("experiment", "variant", "enteredOn", "kpi", "segment"), ("day", "events", "losses")
AGGREGATES: dict[str, type] = {
    **dict.fromkeys(TEXTS, str),
    "n": int,
    "crossovers": int,
    "mean": float,
    "m2": float,
    **dict.fromkeys(COUNTS, int),
    "meanX": float,
    "m2X": float,
    "cXy": float,
    "missing": int,
}


async def _days_before(connection: asyncpg.Connection, experiment_id: int) -> int:
    """The days before exposure that an experiment reads."""
    found = await queries.sealed_plan(connection, experiment_id)
    return covariates.longest(plans.from_document(found.document).kpis)


async def _names(connection: asyncpg.Connection, workspace_id: int, unit: str) -> list[str]:
    """A unit as its senders name it and as it is stored. Not by the gate: an export would keep it shut for long."""
    secret = await storage.unit_secret(connection, workspace_id)
    return [unit] if secret is None else [unit, hidden(secret, unit)]


async def _experiment(connection: asyncpg.Connection, workspace_id: int, key: str | None) -> int | None:
    if key is None:
        return None
    found = await exports.experiment_number(connection, workspace_id, key)
    if found is None:
        raise NotFound
    return found

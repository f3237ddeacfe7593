"""Statements on units' own numbers: who is at risk, worst first, and what is known of each."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from kpi.risk.ranking import Ranking, Rule

LISTED = """
SELECT u.unit, u.score, u.parts, u.level, u.segments, u.rank, u.n, u.score - b.score AS change
FROM (
    SELECT *, rank() OVER (ORDER BY {sign} * score) AS rank, count(*) OVER () AS n
    FROM unit_scores WHERE definition_id = $1 AND ended_on = $2
) u LEFT JOIN unit_scores b ON b.definition_id = $1 AND b.unit = u.unit AND b.ended_on = $3
WHERE ($4::float8 IS NULL OR {sign} * u.score < {sign} * $4)
    AND ($5::numeric IS NULL OR u.rank <= ceil($5 * u.n))
    AND ($6::text = '' OR $6 = ANY(u.segments))
"""
COUNTED = "SELECT count(*) FROM ({listed}) l"
PAGE = """
SELECT * FROM ({listed}) l
WHERE ($7::float8 IS NULL OR ({sign} * score, unit) > ({sign} * $7, $8::text))
    AND ($9::float8 IS NULL OR ({sign} * score, unit) < ({sign} * $9, $10::text))
ORDER BY {sign} * score {order}, unit {order} LIMIT $11
"""
EVERY = "SELECT * FROM ({listed}) l ORDER BY {sign} * score, unit"
KNOWN = """
SELECT DISTINCT ON (unit, name) unit, name, value FROM traits
WHERE workspace_id = $1 AND unit = ANY($2::text[]) AND name = ANY($3::text[]) AND since_at <= $4
ORDER BY unit, name, since_at DESC
"""
BATCH = 5_000
"""Rows read at a time."""

Place = tuple[float, str]
"""The score and the name of a unit, after which a page begins or before which it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """So many units from the start of what lies between two places, or from its end."""

    size: int
    backwards: bool = False
    after: Place | None = None
    before: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRisk:
    """A unit at risk: its number, its place among all `n`, how its number changed since the period before, and level.

    `change` is None for a unit that was not there before, `level` where units are not counted by one.
    """

    unit: str
    score: float
    values: Sequence[float]
    level: float | None
    segments: Sequence[str]
    rank: int
    n: int
    change: float | None

    @property
    def percentile(self) -> float:
        """The share of all units that stand worse, in per cent."""
        return 100 * (self.rank - 1) / self.n


async def count(connection: asyncpg.Connection, of: Ranking, rule: Rule) -> int:
    """How many units are at risk."""
    return int(await connection.fetchval(_filled(COUNTED, of), *_arguments(of, rule)))


async def page(connection: asyncpg.Connection, of: Ranking, rule: Rule, part: Slice) -> list[AtRisk]:
    """A slice of the units at risk, the worst first; backwards, the last one first."""
    ends = (*(part.after or (None, None)), *(part.before or (None, None)))
    statement = _filled(PAGE, of, order="DESC" if part.backwards else "ASC")
    return [_at_risk(row) for row in await connection.fetch(statement, *_arguments(of, rule), *ends, part.size)]


async def everyone(connection: asyncpg.Connection, of: Ranking, rule: Rule) -> AsyncIterator[list[AtRisk]]:
    """All units at risk, worst first, in batches through a cursor of the caller's transaction."""
    cursor = await connection.cursor(_filled(EVERY, of), *_arguments(of, rule))
    while rows := await cursor.fetch(BATCH):
        yield [_at_risk(row) for row in rows]


async def known(
    connection: asyncpg.Connection, workspace_id: int, units: Sequence[str], names: Collection[str], now: datetime
) -> dict[tuple[str, str], str | None]:
    """What is known of units now: the value of each of some traits, by unit and name."""
    rows = await connection.fetch(KNOWN, workspace_id, units, list(names), now) if names else []
    return {(row["unit"], row["name"]): row["value"] for row in rows}


def _filled(template: str, of: Ranking, order: str = "ASC") -> str:
    return template.format(listed=LISTED.format(sign=of.sign), sign=of.sign, order=order)


def _arguments(of: Ranking, rule: Rule) -> tuple[object, ...]:
    return of.definition_id, of.ends.newest, of.ends.before, rule.below, rule.share, rule.segment


def _at_risk(row: asyncpg.Record) -> AtRisk:
    return AtRisk(values=row["parts"], **{name: row[name] for name in AtRisk.__slots__ if name != "values"})

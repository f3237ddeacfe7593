"""Marking the units at risk with a trait, so that segments, senders and targeting know them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from kpi import storage, traits
from kpi.errors import Invalid, Problem, bad
from kpi.ingest import is_text
from kpi.risk import listing
from kpi.risk.ranking import Ranking, Rule

YES = "yes"
"""The value of the trait; who is not at risk has none."""
LONGEST_NAME = 100
HELD = """
SELECT DISTINCT ON (unit) unit, value FROM traits
WHERE workspace_id = $1 AND name = $2 AND since_at <= $3 ORDER BY unit, since_at DESC
"""
OTHERS = "SELECT EXISTS (SELECT FROM traits WHERE workspace_id = $1 AND name = $2 AND value <> $3)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """How many units have the mark now that had none, still have it, and have lost it."""

    marked: int
    kept: int
    unmarked: int


def trait_problems(trait: str) -> list[Problem]:
    """What is wrong with the name of a trait."""
    if 1 <= len(trait) <= LONGEST_NAME and is_text(trait):
        return []
    return [bad(f"A trait's name has 1 to {LONGEST_NAME} characters, all of them text.", "trait")]


async def mark(connection: asyncpg.Connection, of: Ranking, rule: Rule, *, trait: str, now: datetime) -> Marked:
    """Have exactly the units at risk carry the trait from now on, in the caller's transaction.

    Raises Invalid for a trait that says something else of units, and where the workspace takes no more names.
    """
    await storage.lock_traits(connection, of.workspace_id)
    if await connection.fetchval(OTHERS, of.workspace_id, trait, YES):
        raise Invalid(
            [bad(f"“{trait}” says other things of units: choose a name that is used for this alone.", "trait")]
        )
    held = {row["unit"] for row in await connection.fetch(HELD, of.workspace_id, trait, now) if row["value"] == YES}
    at_risk = {one.unit async for batch in listing.everyone(connection, of, rule) for one in batch}
    await _write(connection, of.workspace_id, trait, now, marked=at_risk - held, unmarked=held - at_risk)
    return Marked(marked=len(at_risk - held), kept=len(at_risk & held), unmarked=len(held - at_risk))


async def _write(
    connection: asyncpg.Connection,
    workspace_id: int,
    trait: str,
    now: datetime,
    *,
    marked: Iterable[str],
    unmarked: Iterable[str],
) -> None:
    values = [*((unit, YES) for unit in sorted(marked)), *((unit, None) for unit in sorted(unmarked))]
    rows = [{"unit": unit, "name": trait, "value": value, "sinceAt": now.isoformat()} for unit, value in values]
    if not rows:
        return
    report = await traits.ingest(connection, workspace_id=workspace_id, rows=rows, now=now, is_stored=True)
    if report.refusals:
        raise Invalid([bad(report.refusals[0].message, "trait")])

"""Forgetting a unit: its rows are removed, and what they were part of is derived anew without them."""

import re
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import msgspec

from experiments import entrants
from experiments.aggregation import overlaps
from kpi import batches, storage
from kpi.history import refresh as histories

LOCK_SECONDS = 20
"""How long a forgetting waits for rows that are just being taken in, and they for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """How many rows of a unit were removed."""

    outcomes: int
    exposures: int
    memberships: int
    traits: int
    rejections: int


async def forget(connection: asyncpg.Connection, *, workspace_id: int, unit: str, now: datetime) -> Forgotten:
    """Remove a unit's rows and kept rejections, in the caller's transaction. Safe to run twice.

    The unit is named as its senders name it, or as it is stored. Entry days above the floor are derived anew; those
    below are sums that no longer hold a row of anybody. Rows that come in later are those of a new unit; those that
    come in just now are waited for. Raises LockNotAvailableError when that takes too long.
    """
    names = await stop_rows(connection, workspace_id, unit)
    days = await entrants.days_of_accounts(connection, workspace_id, names)
    exposures = await entrants.forget_exposures(connection, workspace_id, names)
    days += exposures
    outcomes = await storage.forget_outcomes(connection, workspace_id, names)
    memberships = await storage.forget_memberships(connection, workspace_id, names)
    traits = await storage.forget_traits(connection, workspace_id, names)
    rejections = await batches.forget_rejections(connection, workspace_id, [_mention(name) for name in names])
    if days:
        await entrants.note_forgotten(connection, workspace_id, days, now)
        await overlaps.outdate(connection, {experiment_id for experiment_id, _ in days})
    await histories.outdate_all(connection, workspace_id)
    await histories.forget(connection, workspace_id, names)
    return Forgotten(
        outcomes=outcomes, exposures=len(exposures), memberships=memberships, traits=traits, rejections=rejections
    )


async def stop_rows(connection: asyncpg.Connection, workspace_id: int, unit: str) -> list[str]:
    """Let no row of the workspace come in or go until the transaction ends; returns the names a unit may go by."""
    await storage.lock_rows(connection, workspace_id, seconds=LOCK_SECONDS)
    gate = await storage.gate(connection, workspace_id, "exposures")
    return sorted({unit, gate.unit(unit)})


def _mention(unit: str) -> str:
    """A pattern for a unit's id in a kept row, which is JSON or Python: not as a part of a longer word."""
    spellings = {msgspec.json.encode(unit).decode()[1:-1], ascii(unit)[1:-1]}
    return rf"(^|[^[:alnum:]_])({'|'.join(sorted(map(re.escape, spellings)))})($|[^[:alnum:]_])"

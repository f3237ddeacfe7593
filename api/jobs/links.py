"""Estimating the links of ladders: every week, after a decision, and where somebody who asked could not wait."""

import logging
from datetime import UTC, datetime

import asyncpg

from api.database import Database, driver
from experiments.programme import links
from kpi import ladder
from kpi.actor import Actor
from kpi.errors import Invalid
from kpi.queries import kpis_by_id

log = logging.getLogger("truelift.links")
SCHEDULE = "schedule"
"""Who estimates links that nobody asks for."""


async def estimate_links(database: Database) -> list[links.Due]:
    """Estimate every link that is due, one transaction each; returns the pairs. Safe to run twice.

    One that would close a circle, or does not add up, is left as it was, with a note in the log, until it is due again.
    """
    async with database.read() as session:
        now = datetime.now(UTC)
        due = await links.due(session, now)
    for pair in due:
        try:
            await _estimate(database, pair, now)
        except (Invalid, asyncpg.DataError, asyncpg.ProgramLimitExceededError) as error:
            log.warning("The link of KPIs %d and %d is left as it was: %s", pair[1], pair[2], error)
        async with database.write() as session:
            kpis = await kpis_by_id(session, pair[0], pair[1:])
            await ladder.note_estimated(session, leading=kpis[pair[1]], lagging=kpis[pair[2]], at=now)
    return due


async def _estimate(database: Database, pair: links.Due, now: datetime) -> None:
    reason = "Estimated every week, and after a decision."
    actor = Actor(workspace_id=pair[0], name=SCHEDULE, id=SCHEDULE, now=now, reason=reason)
    async with database.duty() as session:
        await links.estimate(session, await driver(session), actor=actor, pair=pair)

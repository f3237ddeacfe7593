"""Bringing the histories of KPIs up to the data: after midnight, and when rows of days before came in late."""

import logging
from datetime import UTC, datetime

import asyncpg

from api.database import Database, driver
from api.trail import chain
from api.trail.entry import BY_WORKER, Deed
from experiments import queries
from kpi import governance
from kpi import queries as kpi_queries
from kpi.actor import Actor
from kpi.errors import Invalid
from kpi.history import baselines, refresh
from kpi.tables import BaselineSchedule, Kpi

log = logging.getLogger("truelift.histories")


SCHEDULE = "schedule"
"""Who measures baselines that nobody asks for one by one."""


async def measure_baselines(database: Database) -> None:
    """Measure every baseline whose period has ended; one that cannot be measured is tried with the next period."""
    async with database.read() as session:
        now = datetime.now(UTC)
        due = await kpi_queries.baselines_due(session, now.date())
    for schedule, kpi, definition, history in due:
        if history.through is None or history.through < now.date() or not baselines.is_due(schedule, now.date()):
            continue
        first, last = baselines.window(definition, history.through, schedule.days)
        reason = f"Measured every {schedule.every.lower()}, as scheduled."
        actor = Actor(workspace_id=kpi.workspace_id, name=SCHEDULE, id=SCHEDULE, now=now, reason=reason)
        try:
            async with database.write() as session:
                connection = await driver(session)
                async with chain.recorded(connection, _deed(kpi, now)):
                    await governance.measure_baseline(session, actor=actor, kpi_id=kpi.id, from_on=first, to_on=last)
                    await session.flush()
        except Invalid as invalid:
            log.warning("The baseline of KPI “%s” cannot be measured: %s", kpi.key, invalid)
        async with database.write() as session:
            (await session.get_one(BaselineSchedule, kpi.id)).measured_on = now.date()


def _deed(kpi: Kpi, now: datetime) -> Deed:
    return Deed(
        workspace_id=kpi.workspace_id,
        done_at=now,
        actor=BY_WORKER,
        key=BY_WORKER,
        action="measureBaselines",
        node_type="Kpi",
        node_id=str(kpi.id),
    )


async def refresh_histories(database: Database) -> list[int]:
    """Refresh every KPI's history that is behind; returns the definitions. One transaction each.

    One that Postgres cannot add up is noted, rests, and holds up no other.
    """
    async with database.raw() as connection:
        midnight = (await queries.clock(connection)).astimezone(UTC).date()
        due = await refresh.due(connection, midnight)
    for definition_id in due:
        try:
            async with database.raw() as connection:
                await refresh.refresh(connection, definition_id, midnight)
        except (asyncpg.DataError, asyncpg.ProgramLimitExceededError) as error:
            log.exception("The history of definition %d cannot be derived; it is tried again later.", definition_id)
            async with database.raw() as connection:
                await refresh.note_failure(connection, definition_id, error)
    return due

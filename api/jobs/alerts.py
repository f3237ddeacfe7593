"""Judging the alert rules of KPIs whose history was refreshed: one transaction for each rule."""

import logging

from api.database import Database
from kpi.alerts import judging, queries

log = logging.getLogger("truelift.alerts")


async def judge_alerts(database: Database) -> list[int]:
    """Judge every rule with news; returns them. Safe to run twice: a period is judged once.

    A rule whose numbers cannot be worked out says so, and holds up no other.
    """
    async with database.read() as session:
        due, now = await queries.due(session), await queries.clock(session)
    for rule_id in due:
        try:
            async with database.duty() as session:
                await judging.judge(session, rule_id, now)
        except (ValueError, ArithmeticError) as error:
            log.exception("The alert rule %d cannot be judged; it is tried again after the next refresh.", rule_id)
            async with database.duty() as session:
                await judging.give_up(session, rule_id, f"It could not be worked out ({type(error).__name__}).")
    return due

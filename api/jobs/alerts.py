"""Judging the alert rules of KPIs whose history was refreshed: one transaction for each rule."""

import logging
from collections.abc import Sequence
from datetime import datetime

from api.database import Database, driver
from api.trail import chain
from api.trail.entry import BY_WORKER, Deed
from kpi.alerts import judging, queries
from kpi.alerts.tables import Alert

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
                if changed := await judging.judge(session, rule_id, now):
                    await chain.append(await driver(session), _deed(rule_id, changed, now))
        except (ValueError, ArithmeticError) as error:
            log.exception("The alert rule %d cannot be judged; it is tried again after the next refresh.", rule_id)
            async with database.duty() as session:
                await judging.give_up(session, rule_id, f"It could not be worked out ({type(error).__name__}).")
    return due


def _deed(rule_id: int, changed: Sequence[Alert], now: datetime) -> Deed:
    """The alerts that a rule raised and resolved; one may be both, after a pause of many periods."""
    return Deed(
        workspace_id=changed[0].workspace_id,
        done_at=now,
        actor=BY_WORKER,
        key=BY_WORKER,
        action="judgeAlerts",
        node_type="AlertRule",
        node_id=str(rule_id),
        details={
            "raised": sorted({alert.id for alert in changed if alert.raised_at == now}),
            "resolved": sorted({alert.id for alert in changed if alert.resolved_at == now}),
        },
    )

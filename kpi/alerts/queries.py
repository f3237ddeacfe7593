"""Statements on alert rules, alerts and annotations. Each names the workspace it reads, or rows of one."""

from collections import defaultdict
from collections.abc import Collection
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy.orm import aliased
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from kpi.alerts.tables import Alert, AlertRule, Annotation
from kpi.enums import AlertState
from kpi.history.tables import History
from kpi.tables import Arrival, Definition, Event, Kpi

CHANNEL = "truelift_alerts"
"""Where a new alert is told; the payload is the workspace's number."""


class Subject(NamedTuple):
    """What a rule watches."""

    kpi: Kpi
    definition: Definition
    history: History


async def clock(session: AsyncSession) -> datetime:
    """The time of the database, which raises and rests by one clock."""
    now: datetime = (await session.exec(select(func.clock_timestamp()))).one()
    return now


def _newest() -> Any:
    versions = aliased(Definition)
    return select(func.max(versions.version)).where(versions.kpi_id == Kpi.id).correlate(Kpi).scalar_subquery()


async def due(session: AsyncSession) -> list[int]:
    """The rules whose KPI's history was refreshed since they were judged, or that were changed since."""
    unknown = (col(AlertRule.known_at).is_(None)) | (col(AlertRule.known_at) < col(History.computed_at))
    found = (
        select(AlertRule.id)
        .where(AlertRule.kpi_id == Kpi.id, Definition.kpi_id == Kpi.id, Definition.version == _newest())
        .where(History.definition_id == Definition.id, col(History.through).is_not(None))
        .where(col(AlertRule.is_enabled), col(AlertRule.removed_at).is_(None), unknown)
    )
    return list(await session.exec(found.order_by(col(AlertRule.id))))


async def subject(session: AsyncSession, rule: AlertRule) -> Subject | None:
    """What a rule watches: the newest definition of its KPI; None before its history was derived."""
    found = (
        select(Kpi, Definition, History)
        .where(Kpi.id == rule.kpi_id, Definition.kpi_id == Kpi.id, Definition.version == _newest())
        .where(History.definition_id == Definition.id, col(History.through).is_not(None))
    )
    row = (await session.exec(found)).one_or_none()
    return None if row is None else Subject(*row)


async def lock_rule(session: AsyncSession, rule_id: int, workspace_id: int | None = None) -> AlertRule | None:
    """A rule, locked until the transaction ends; None where it was removed, or is another workspace's."""
    found = select(AlertRule).where(AlertRule.id == rule_id, col(AlertRule.removed_at).is_(None))
    mine = found if workspace_id is None else found.where(AlertRule.workspace_id == workspace_id)
    return (await session.exec(mine.with_for_update().execution_options(populate_existing=True))).one_or_none()


async def lock_alert(session: AsyncSession, workspace_id: int, alert_id: int) -> Alert | None:
    """An alert of a workspace, locked until the transaction ends."""
    mine = select(Alert).where(Alert.workspace_id == workspace_id, Alert.id == alert_id)
    return (await session.exec(mine.with_for_update().execution_options(populate_existing=True))).one_or_none()


async def open_alert(session: AsyncSession, rule_id: int) -> Alert | None:
    """The alert of a rule that is not resolved, locked."""
    found = select(Alert).where(Alert.rule_id == rule_id, Alert.state != AlertState.RESOLVED)
    return (await session.exec(found.with_for_update().execution_options(populate_existing=True))).one_or_none()


async def last_resolved_at(session: AsyncSession, rule_id: int) -> datetime | None:
    """When the last alert of a rule was resolved."""
    return (await session.exec(select(func.max(Alert.resolved_at)).where(Alert.rule_id == rule_id))).one()


async def count_open(session: AsyncSession, kpi_ids: Collection[int]) -> dict[int, int]:
    """How many alerts of KPIs are not resolved; KPIs without one are absent."""
    open_ = select(Alert.kpi_id, func.count()).where(Alert.state != AlertState.RESOLVED)
    counted = open_.where(col(Alert.kpi_id).in_(kpi_ids)).group_by(col(Alert.kpi_id))
    return {kpi_id: n for kpi_id, n in await session.exec(counted)}  # noqa: C416 - a result has keys of its own


async def rules_of(session: AsyncSession, kpi_ids: Collection[int]) -> dict[int, list[AlertRule]]:
    """The rules of KPIs that were not removed, the oldest first."""
    found: dict[int, list[AlertRule]] = defaultdict(list)
    mine = select(AlertRule).where(col(AlertRule.kpi_id).in_(kpi_ids), col(AlertRule.removed_at).is_(None))
    for row in await session.exec(mine.order_by(col(AlertRule.id))):
        found[row.kpi_id].append(row)
    return found


async def rules_by_id(session: AsyncSession, workspace_id: int, ids: Collection[int]) -> dict[int, AlertRule]:
    """Rules of a workspace, removed ones too; those of others are absent."""
    mine = select(AlertRule).where(AlertRule.workspace_id == workspace_id, col(AlertRule.id).in_(ids))
    return {row.id: row for row in await session.exec(mine)}


async def alerts_by_id(session: AsyncSession, workspace_id: int, ids: Collection[int]) -> dict[int, Alert]:
    """Alerts of a workspace by id; those of others are absent."""
    mine = select(Alert).where(Alert.workspace_id == workspace_id, col(Alert.id).in_(ids))
    return {row.id: row for row in await session.exec(mine)}


async def raised_since(session: AsyncSession, workspace_id: int, moment: datetime) -> list[Alert]:
    """The alerts of a workspace raised since a moment, the oldest first."""
    mine = select(Alert).where(Alert.workspace_id == workspace_id, Alert.raised_at >= moment)
    return list(await session.exec(mine.order_by(col(Alert.raised_at), col(Alert.id))))


async def annotations_of(session: AsyncSession, kpi_ids: Collection[int]) -> dict[int, list[Annotation]]:
    """The annotations of KPIs, the newest day first."""
    found: dict[int, list[Annotation]] = defaultdict(list)
    mine = select(Annotation).where(col(Annotation.kpi_id).in_(kpi_ids))
    for row in await session.exec(mine.order_by(col(Annotation.noted_on).desc(), col(Annotation.id).desc())):
        found[row.kpi_id].append(row)
    return found


async def lock_annotation(session: AsyncSession, workspace_id: int, annotation_id: int) -> Annotation | None:
    """An annotation of a workspace, locked until the transaction ends."""
    mine = select(Annotation).where(Annotation.workspace_id == workspace_id, Annotation.id == annotation_id)
    return (await session.exec(mine.with_for_update().execution_options(populate_existing=True))).one_or_none()


async def arrivals_of(session: AsyncSession, workspace_id: int, events: Collection[str]) -> dict[str, dict[date, int]]:
    """The rows of events by the day they came in; an event that never came has none."""
    found: dict[str, dict[date, int]] = {event: {} for event in events}
    mine = select(Event.name, Arrival).where(
        Arrival.event_id == Event.id, Event.workspace_id == workspace_id, col(Event.name).in_(events)
    )
    for event, row in await session.exec(mine):
        found[event][row.arrived_on] = row.n
    return found


async def unseen(session: AsyncSession, workspace_id: int, events: Collection[str]) -> list[str]:
    """Those of some events of which no row has ever come in, by name."""
    came = select(Event.name).join(Arrival).where(Event.workspace_id == workspace_id, col(Event.name).in_(events))
    known = set(await session.exec(came.distinct()))
    return sorted(set(events) - known)


async def tell(session: AsyncSession, workspace_id: int) -> None:
    """Tell whoever listens that a workspace has a new alert, once the transaction is committed."""
    await session.exec(select(func.pg_notify(CHANNEL, str(workspace_id))))

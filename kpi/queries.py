"""Statements on what is registered. Each names the workspace it reads: authorisation is part of the query."""

from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import TypeVar

from sqlalchemy.orm import aliased
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from kpi.history.tables import History
from kpi.ingest import is_text
from kpi.tables import (
    Baseline,
    BaselineSchedule,
    Definition,
    Hypothesis,
    Kpi,
    KpiChange,
    KpiLink,
    KpiPair,
    Notice,
    Target,
    Workspace,
)

Version = TypeVar("Version", Definition, Target, KpiChange)


async def kpis_by_key(session: AsyncSession, workspace_id: int, keys: Collection[str]) -> dict[str, Kpi]:
    """KPIs of a workspace by key; unknown keys are absent."""
    found = select(Kpi).where(Kpi.workspace_id == workspace_id, col(Kpi.key).in_(filter(is_text, keys)))
    rows = await session.exec(found)
    return {row.key: row for row in rows}


async def kpis_of(session: AsyncSession, workspace_id: int) -> list[Kpi]:
    """All KPIs of a workspace, in the order of their keys."""
    return list(await session.exec(select(Kpi).where(Kpi.workspace_id == workspace_id).order_by(col(Kpi.key))))


async def all_kpis(session: AsyncSession, workspace_id: int) -> list[Kpi]:
    """The KPIs of a workspace, in order of key."""
    return list(await session.exec(select(Kpi).where(Kpi.workspace_id == workspace_id).order_by(Kpi.key)))


async def hypotheses_by_key(session: AsyncSession, workspace_id: int, keys: Collection[str]) -> dict[str, Hypothesis]:
    """Hypotheses of a workspace by key; unknown keys are absent."""
    among = col(Hypothesis.key).in_(filter(is_text, keys))
    found = select(Hypothesis).where(Hypothesis.workspace_id == workspace_id, among)
    return {row.key: row for row in await session.exec(found)}


async def kpis_by_id(session: AsyncSession, workspace_id: int, ids: Collection[int]) -> dict[int, Kpi]:
    """KPIs of a workspace by id; those of others are absent."""
    rows = await session.exec(select(Kpi).where(Kpi.workspace_id == workspace_id, col(Kpi.id).in_(ids)))
    return {row.id: row for row in rows}


async def hypotheses_by_id(session: AsyncSession, workspace_id: int, ids: Collection[int]) -> dict[int, Hypothesis]:
    """Hypotheses of a workspace by id; those of others are absent."""
    found = select(Hypothesis).where(Hypothesis.workspace_id == workspace_id, col(Hypothesis.id).in_(ids))
    return {row.id: row for row in await session.exec(found)}


async def latest_definitions(session: AsyncSession, kpi_ids: Collection[int]) -> dict[int, Definition]:
    """The newest definition of each KPI, by KPI id."""
    rows = await session.exec(
        select(Definition).where(col(Definition.kpi_id).in_(kpi_ids)).order_by(col(Definition.version))
    )
    return {row.kpi_id: row for row in rows}


async def latest_baselines(session: AsyncSession, definition_ids: Collection[int]) -> dict[int, Baseline]:
    """The newest baseline of everybody of each definition, by definition id; a definition without one is absent."""
    rows = await session.exec(
        select(Baseline)
        .where(col(Baseline.definition_id).in_(definition_ids), Baseline.segment == "")
        .order_by(col(Baseline.version))
    )
    return {row.definition_id: row for row in rows}


async def baselines_of(session: AsyncSession, definition_ids: Collection[int]) -> dict[int, list[Baseline]]:
    """All baselines of definitions, the oldest first."""
    found: dict[int, list[Baseline]] = {}
    every = select(Baseline).where(col(Baseline.definition_id).in_(definition_ids)).order_by(col(Baseline.version))
    for row in await session.exec(every):
        found.setdefault(row.definition_id, []).append(row)
    return found


async def baselines_due(session: AsyncSession, today: date) -> list[tuple[BaselineSchedule, Kpi, Definition, History]]:
    """Schedules whose baseline was not measured today, with what they are of."""
    versions = aliased(Definition)
    newest = select(func.max(versions.version)).where(versions.kpi_id == Kpi.id).correlate(Kpi).scalar_subquery()
    due = (
        select(BaselineSchedule, Kpi, Definition, History)
        .where(BaselineSchedule.kpi_id == Kpi.id, Definition.kpi_id == Kpi.id, Definition.version == newest)
        .where(History.definition_id == Definition.id, col(History.through).is_not(None))
        .where((col(BaselineSchedule.measured_on).is_(None)) | (col(BaselineSchedule.measured_on) < today))
    )
    return list(await session.exec(due))


async def lock_kpi(session: AsyncSession, workspace_id: int, kpi_id: int) -> Kpi | None:
    """A KPI of a workspace, locked until the transaction ends; None for an unknown one, or another workspace's."""
    mine = select(Kpi).where(Kpi.workspace_id == workspace_id, Kpi.id == kpi_id)
    return (await session.exec(mine.with_for_update())).one_or_none()


async def definitions_of(session: AsyncSession, kpi_ids: Collection[int]) -> dict[int, list[Definition]]:
    """All definitions of KPIs by KPI, the newest first."""
    every = select(Definition).where(col(Definition.kpi_id).in_(kpi_ids)).order_by(col(Definition.version).desc())
    return _by_kpi(await session.exec(every))


async def newest_versions(session: AsyncSession, workspace_id: int, keys: Collection[str]) -> dict[str, int]:
    """The version of the newest definition of a workspace's KPIs, by key."""
    newest = func.max(Definition.version)
    mine = select(Kpi.key, newest).where(Kpi.workspace_id == workspace_id, col(Kpi.key).in_(filter(is_text, keys)))
    found = mine.where(Definition.kpi_id == Kpi.id).group_by(col(Kpi.key))
    return {key: version for key, version in await session.exec(found)}  # noqa: C416 - a result has keys of its own


async def targets_of(session: AsyncSession, kpi_ids: Collection[int]) -> dict[int, list[Target]]:
    """All targets of KPIs by KPI, the newest first."""
    every = select(Target).where(col(Target.kpi_id).in_(kpi_ids)).order_by(col(Target.version).desc())
    return _by_kpi(await session.exec(every))


async def changes_of(session: AsyncSession, kpi_ids: Collection[int]) -> dict[int, list[KpiChange]]:
    """All changes of KPIs by KPI, the newest first."""
    every = select(KpiChange).where(col(KpiChange.kpi_id).in_(kpi_ids)).order_by(col(KpiChange.number).desc())
    return _by_kpi(await session.exec(every))


async def newest_links(session: AsyncSession, workspace_id: int) -> list[KpiLink]:
    """The newest version of each link of a workspace by each source, what was withdrawn or is undefined among them."""
    order = (col(KpiLink.leading_id), col(KpiLink.lagging_id), col(KpiLink.source), col(KpiLink.version))
    every = select(KpiLink).where(KpiLink.workspace_id == workspace_id).order_by(*order)
    newest = {(link.leading_id, link.lagging_id, link.source): link for link in await session.exec(every)}
    return list(newest.values())


async def links_of(session: AsyncSession, workspace_id: int, kpi_ids: Collection[int]) -> dict[int, list[KpiLink]]:
    """The newest version of each link of a workspace by each source, by either of its KPIs; as `newest_links`."""
    found: dict[int, list[KpiLink]] = {}
    for link in await newest_links(session, workspace_id):
        for kpi_id in {link.leading_id, link.lagging_id}.intersection(kpi_ids):
            found.setdefault(kpi_id, []).append(link)
    return found


async def known_pairs(session: AsyncSession) -> list[tuple[int, int, int, datetime | None]]:
    """Workspace, leading and lagging KPI of every link, whatever it is known from; and when data were last asked."""
    pair = col(KpiLink.leading_id), col(KpiLink.lagging_id)
    is_it = (pair[0] == col(KpiPair.leading_id)) & (pair[1] == col(KpiPair.lagging_id))
    every = select(col(KpiLink.workspace_id), *pair, KpiPair.estimated_at).outerjoin(KpiPair, is_it).distinct()
    return list(await session.exec(every.order_by(col(KpiLink.workspace_id), *pair)))


async def lock_ladder(session: AsyncSession, workspace_id: int) -> None:
    """One change of a workspace's ladder at a time, until the transaction ends."""
    await session.exec(select(func.pg_advisory_xact_lock(func.hashtext("ladder"), workspace_id)))


def _by_kpi(rows: Iterable[Version]) -> dict[int, list[Version]]:
    found: dict[int, list[Version]] = {}
    for row in rows:
        found.setdefault(row.kpi_id, []).append(row)
    return found


async def workspace_by_id(session: AsyncSession, workspace_id: int) -> Workspace:
    """A workspace."""
    return (await session.exec(select(Workspace).where(Workspace.id == workspace_id))).one()


async def lock_workspace(session: AsyncSession, workspace_id: int) -> Workspace:
    """A workspace, locked until the transaction ends, with nobody taking in rows meanwhile."""
    await session.exec(select(func.pg_advisory_xact_lock(func.hashtext("floor"), workspace_id)))
    return (await session.exec(select(Workspace).where(Workspace.id == workspace_id).with_for_update())).one()


async def announce(session: AsyncSession, notice: Notice, channel: str) -> None:
    """Keep a notice, and wake whoever listens once it is committed."""
    session.add(notice)
    await session.exec(select(func.pg_notify(channel, "")))

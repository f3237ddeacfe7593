"""The statements on what a programme remembers of its experiments."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any

import asyncpg
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments.enums import Choice
from experiments.planning import terms
from experiments.planning.plan import PinnedProtocol
from experiments.programme.programme import Life
from experiments.tables import Learning, LearningVersion, Protocol, ProtocolVersion
from kpi.ingest import is_text

LIVES = """
SELECT e.started_at, e.stopped_at, d.decided_at, d.choice, coalesce(d.differs, false) AS differs,
    e.sealed_at <= e.started_at AS is_sealed_before_data,
    EXISTS (
        SELECT FROM amendments a WHERE a.experiment_id = e.id AND a.breaks_error_control AND a.created_at < $3
    ) AS is_exploratory,
    EXISTS (SELECT FROM learnings l WHERE l.workspace_id = $1 AND l.experiment_id = e.id) AS has_learning
FROM experiments e LEFT JOIN LATERAL (
    SELECT min(created_at) OVER () AS decided_at, choice, differs FROM decisions
    WHERE experiment_id = e.id AND created_at < $3 ORDER BY number DESC LIMIT 1
) d ON true
WHERE e.workspace_id = $1 AND e.started_at < $3
    AND (e.started_at >= $2 OR e.stopped_at >= $2 OR d.decided_at >= $2)
"""


async def learnings_by_id(session: AsyncSession, workspace_id: int, ids: Collection[int]) -> dict[int, Learning]:
    """Learnings of a workspace by id; those of others are absent."""
    found = select(Learning).where(Learning.workspace_id == workspace_id, col(Learning.id).in_(ids))
    return {row.id: row for row in await session.exec(found)}


async def lock_learning(session: AsyncSession, workspace_id: int, learning_id: int) -> Learning | None:
    """One learning, locked until the transaction ends, so that two changes make two versions."""
    found = select(Learning).where(Learning.workspace_id == workspace_id, Learning.id == learning_id)
    return (await session.exec(found.with_for_update())).first()


async def same_learning(
    session: AsyncSession, workspace_id: int, experiment_id: int, said: dict[str, Any]
) -> Learning | None:
    """A learning of the experiment that says exactly this, if it was recorded already."""
    stated = [col(getattr(Learning, name)).is_not_distinct_from(value) for name, value in said.items()]
    found = select(Learning).where(
        Learning.workspace_id == workspace_id, Learning.experiment_id == experiment_id, *stated
    )
    return (await session.exec(found)).first()


async def count_versions(session: AsyncSession, learning_id: int) -> int:
    """How often a learning was changed."""
    found = select(func.count()).where(col(LearningVersion.learning_id) == learning_id)
    return (await session.exec(found)).one()


async def versions_of(session: AsyncSession, learning_ids: Collection[int]) -> dict[int, list[LearningVersion]]:
    """What learnings said before they were changed, the first version first."""
    among = col(LearningVersion.learning_id).in_(learning_ids)
    found = select(LearningVersion).where(among).order_by(col(LearningVersion.number))
    grouped: dict[int, list[LearningVersion]] = defaultdict(list)
    for row in await session.exec(found):
        grouped[row.learning_id].append(row)
    return grouped


async def lives(connection: asyncpg.Connection, workspace_id: int, begin: datetime, end: datetime) -> list[Life]:
    """The experiments that something happened to from a moment on and before another, as it was known at its end.

    Whether something was learned is asked as of now: it is written down when an experiment is long over.
    """
    rows = await connection.fetch(LIVES, workspace_id, begin, end)
    return [Life(**(dict(row) | {"choice": row["choice"] and Choice(row["choice"])})) for row in rows]


async def protocols_by_id(session: AsyncSession, workspace_id: int, ids: Collection[int]) -> dict[int, Protocol]:
    """Protocols of a workspace by id; those of others are absent."""
    found = select(Protocol).where(Protocol.workspace_id == workspace_id, col(Protocol.id).in_(ids))
    return {row.id: row for row in await session.exec(found)}


async def protocols_by_key(session: AsyncSession, workspace_id: int, keys: Collection[str]) -> dict[str, Protocol]:
    """Protocols of a workspace by key; unknown keys are absent."""
    among = col(Protocol.key).in_(filter(is_text, keys))
    found = select(Protocol).where(Protocol.workspace_id == workspace_id, among)
    return {row.key: row for row in await session.exec(found)}


async def lock_protocol(session: AsyncSession, workspace_id: int, protocol_id: int) -> Protocol | None:
    """One protocol, locked until the transaction ends, so that two changes make two versions."""
    found = select(Protocol).where(Protocol.workspace_id == workspace_id, Protocol.id == protocol_id)
    return (await session.exec(found.with_for_update())).first()


async def protocol_versions_of(
    session: AsyncSession, protocol_ids: Collection[int]
) -> dict[int, list[ProtocolVersion]]:
    """The versions of protocols, the first one first; the last one is what new plans are made by."""
    among = col(ProtocolVersion.protocol_id).in_(protocol_ids)
    found = select(ProtocolVersion).where(among).order_by(col(ProtocolVersion.version))
    grouped: dict[int, list[ProtocolVersion]] = defaultdict(list)
    for row in await session.exec(found):
        grouped[row.protocol_id].append(row)
    return grouped


async def latest_protocol(session: AsyncSession, workspace_id: int, key: str) -> terms.Protocol | None:
    """The version of a protocol that new plans are made by; None where there is no such protocol."""
    found = (await protocols_by_key(session, workspace_id, [key])).get(key)
    if found is None:
        return None
    latest = (await protocol_versions_of(session, [found.id]))[found.id][-1]
    pin = PinnedProtocol(key=key, version=latest.version)
    return terms.Protocol(pin=pin, terms=terms.from_document(latest.terms))

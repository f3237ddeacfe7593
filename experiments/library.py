"""The statements on what a programme remembers of its experiments."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments.tables import Learning, LearningVersion


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

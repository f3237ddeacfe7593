"""Statements on reviews and what they found is to be done. Each names the workspace it reads."""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import and_, col, exists, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments.enums import State
from experiments.programme.reviews.enums import ItemState, ReviewKind
from experiments.programme.reviews.tables import ActionItem, Review
from experiments.tables import Decision, Experiment
from kpi.alerts.tables import Alert
from kpi.tables import Hypothesis, Kpi, Workspace

EVER = frozenset({State.RUNNING, State.PAUSED, State.FROZEN, State.STOPPED})
"""Where an experiment is that may wait for a decision."""


async def reviews_by_id(session: AsyncSession, workspace_id: int, ids: Collection[int]) -> dict[int, Review]:
    """Reviews of a workspace by id; those of others are absent."""
    found = select(Review).where(Review.workspace_id == workspace_id, col(Review.id).in_(ids))
    return {row.id: row for row in await session.exec(found)}


async def lock_review(session: AsyncSession, workspace_id: int, review_id: int) -> Review | None:
    """One review, locked until the transaction ends, so that nothing is changed while it is closed."""
    found = select(Review).where(Review.workspace_id == workspace_id, Review.id == review_id)
    return (await session.exec(found.with_for_update())).first()


async def open_review(session: AsyncSession, review: Review) -> Review:
    """Keep a review, or find the one there is of its period."""
    row = review.model_dump(exclude={"id", "snapshot"})
    await session.exec(insert(Review).values(row).on_conflict_do_nothing())
    mine = select(Review).where(
        Review.workspace_id == review.workspace_id, Review.kind == review.kind, Review.from_on == review.from_on
    )
    return (await session.exec(mine)).one()


async def workspaces_without(session: AsyncSession, kind: ReviewKind, from_on: date, ended_at: datetime) -> list[int]:
    """The workspaces that want reviews opened, had KPIs with an owner when a period ended, and have no review of it."""
    reviewed = col(Kpi.workspace_id) == Workspace.id, col(Kpi.owner) != "", col(Kpi.created_at) < ended_at
    wanted = (*reviewed, col(Kpi.is_leading)) if kind is ReviewKind.WEEKLY else reviewed
    there = col(Review.workspace_id) == Workspace.id, col(Review.kind) == kind, col(Review.from_on) == from_on
    found = select(Workspace.id).where(col(Workspace.opens_reviews), exists().where(*wanted), ~exists().where(*there))
    return list(await session.exec(found.order_by(col(Workspace.id))))


async def items_by_id(session: AsyncSession, workspace_id: int, ids: Collection[int]) -> dict[int, ActionItem]:
    """What is to be done by id; what others have to do is absent."""
    found = select(ActionItem).where(ActionItem.workspace_id == workspace_id, col(ActionItem.id).in_(ids))
    return {row.id: row for row in await session.exec(found)}


async def lock_item(session: AsyncSession, workspace_id: int, item_id: int) -> ActionItem | None:
    """Something to do, locked until the transaction ends."""
    found = select(ActionItem).where(ActionItem.workspace_id == workspace_id, ActionItem.id == item_id)
    return (await session.exec(found.with_for_update())).first()


async def same_item(session: AsyncSession, review_id: int, said: dict[str, Any]) -> ActionItem | None:
    """Something to do that the review has already, in the same words."""
    stated = [col(getattr(ActionItem, name)).is_not_distinct_from(value) for name, value in said.items()]
    return (await session.exec(select(ActionItem).where(ActionItem.review_id == review_id, *stated))).first()


async def items_for(session: AsyncSession, review: Review) -> list[tuple[ActionItem, Review, str | None, str | None]]:
    """What a review found is to be done, and what earlier ones left open, each with the keys of what it is about."""
    own = ActionItem.review_id == review.id
    is_earlier = or_(Review.to_on < review.to_on, and_(Review.to_on == review.to_on, col(Review.id) < review.id))
    found = (
        select(ActionItem, Review, Kpi.key, Experiment.key)
        .join(Review, col(Review.id) == ActionItem.review_id)
        .join(Kpi, col(Kpi.id) == ActionItem.kpi_id, isouter=True)
        .join(Experiment, col(Experiment.id) == ActionItem.experiment_id, isouter=True)
        .where(ActionItem.workspace_id == review.workspace_id)
        .where(or_(own, and_(is_earlier, ActionItem.state == ItemState.OPEN)))
    )
    return list(await session.exec(found.order_by(col(ActionItem.id))))


async def alerts_between(
    session: AsyncSession, workspace_id: int, begin: datetime, end: datetime
) -> list[tuple[Alert, Kpi]]:
    """The alerts that were raised before a moment and not resolved before another, the oldest first."""
    was_open = or_(col(Alert.resolved_at).is_(None), col(Alert.resolved_at) >= begin)
    found = (
        select(Alert, Kpi)
        .join(Kpi, col(Kpi.id) == Alert.kpi_id)
        .where(Alert.workspace_id == workspace_id, Alert.raised_at < end, was_open)
    )
    return list(await session.exec(found.order_by(col(Alert.raised_at), col(Alert.id))))


async def decided_between(
    session: AsyncSession, workspace_id: int, begin: datetime, end: datetime
) -> list[tuple[Decision, Experiment, str]]:
    """Decisions that were recorded from a moment on and before another, with the title of what was tested."""
    found = (
        select(Decision, Experiment, Hypothesis.title)
        .join(Experiment, col(Experiment.id) == Decision.experiment_id)
        .join(Hypothesis, col(Hypothesis.id) == Experiment.hypothesis_id)
        .where(Decision.workspace_id == workspace_id, Decision.created_at >= begin, Decision.created_at < end)
    )
    return list(await session.exec(found.order_by(col(Decision.id))))


async def undecided(session: AsyncSession, workspace_id: int) -> list[Experiment]:
    """The experiments of a workspace that started and wait for a decision, or for an answer, in order of key."""
    decided = exists().where(col(Decision.experiment_id) == Experiment.id)
    found = select(Experiment).where(Experiment.workspace_id == workspace_id, col(Experiment.state).in_(EVER), ~decided)
    return list(await session.exec(found.order_by(Experiment.key)))


async def hypotheses_on(session: AsyncSession, workspace_id: int, kpi_ids: Collection[int]) -> list[Hypothesis]:
    """The hypotheses on KPIs, in order of key."""
    found = select(Hypothesis).where(Hypothesis.workspace_id == workspace_id, col(Hypothesis.kpi_id).in_(kpi_ids))
    return list(await session.exec(found.order_by(Hypothesis.key)))

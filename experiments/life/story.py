"""The statements on what people did to experiments: steps, pauses, amendments, decisions."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import TypeVar

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, exists, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments.tables import Amendment, Decision, EntryCount, Experiment, Exposure, Pause, PublishedLook, Step

MOVED = "truelift_moved"
"""The channel that says in which workspace somebody moved an experiment."""
T = TypeVar("T", Step, Amendment, Decision, PublishedLook)


async def leave(session: AsyncSession, step: Step) -> None:
    """Leave a step, and tell that the workspace's experiments are no longer what they were."""
    session.add(step)
    await session.exec(select(func.pg_notify(MOVED, str(step.workspace_id))))


def begin_pause(session: AsyncSession, experiment: Experiment, now: datetime) -> None:
    """Take no units in from now on."""
    session.add(Pause(experiment_id=experiment.id, from_at=now, until_at=None))


async def end_pause(session: AsyncSession, experiment: Experiment, now: datetime) -> None:
    """Take units in again from now on, or from when the pause began if clocks disagree."""
    found = select(Pause).where(Pause.experiment_id == experiment.id, col(Pause.until_at).is_(None))
    for pause in await session.exec(found):
        pause.until_at = max(now, pause.from_at)


async def pauses_of(session: AsyncSession, experiment_ids: Collection[int]) -> dict[int, list[Pause]]:
    """The pauses of experiments, the first one first."""
    found = select(Pause).where(col(Pause.experiment_id).in_(experiment_ids)).order_by(col(Pause.from_at))
    grouped: dict[int, list[Pause]] = defaultdict(list)
    for pause in await session.exec(found):
        grouped[pause.experiment_id].append(pause)
    return grouped


async def steps_of(session: AsyncSession, experiment_ids: Collection[int]) -> dict[int, list[Step]]:
    """The steps of experiments in the order they were made."""
    return await _of(session, Step, experiment_ids)


async def amendments_of(session: AsyncSession, experiment_ids: Collection[int]) -> dict[int, list[Amendment]]:
    """The amendments of experiments' plans, the first one first."""
    return await _of(session, Amendment, experiment_ids)


async def decisions_of(session: AsyncSession, experiment_ids: Collection[int]) -> dict[int, list[Decision]]:
    """The decisions on experiments, the first one first; the last one holds."""
    return await _of(session, Decision, experiment_ids)


async def published_looks_of(session: AsyncSession, experiment_ids: Collection[int]) -> dict[int, list[PublishedLook]]:
    """The published looks of experiments, the first one first."""
    return await _of(session, PublishedLook, experiment_ids)


async def publish(session: AsyncSession, look: PublishedLook) -> bool:
    """Keep a published look; False for one that was published already, which stays as it was."""
    row = look.model_dump(exclude={"id"})
    kept = insert(PublishedLook).values(row).on_conflict_do_nothing().returning(col(PublishedLook.id))
    return (await session.exec(kept)).first() is not None


async def has_units(session: AsyncSession, experiment_id: int) -> bool:
    """Whether any unit has entered the experiment, by rows or by aggregates."""
    by_rows = exists().where(col(Exposure.experiment_id) == experiment_id)
    by_days = exists().where(col(EntryCount.experiment_id) == experiment_id)
    return bool((await session.exec(select(by_rows | by_days))).one())


async def _of(session: AsyncSession, table: type[T], experiment_ids: Collection[int]) -> dict[int, list[T]]:
    found = select(table).where(col(table.experiment_id).in_(experiment_ids)).order_by(col(table.id))
    grouped: dict[int, list[T]] = defaultdict(list)
    for row in await session.exec(found):
        grouped[row.experiment_id].append(row)
    return grouped

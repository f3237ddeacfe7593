"""Whether the rows behind a baseline are sound: days without any, days with far too many, sent twice, or come late."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

import numpy as np
from sqlalchemy import Date, cast, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from kpi.events import first_id
from kpi.tables import Arrival, Event, Ingest, Outcome
from stats.arrays import Mask
from stats.series.arrivals import gaps, jumps

BEFORE = 49
"""Days read before the window, for what is usual on a day of the week to be known from its first day on."""
ALPHA = 0.05
"""Over all days and events of an audit together."""
MANY_LATE = 0.05
"""Share of rows of a day that was over when they came: more, and values change after they were read."""
MANY_DUPLICATES = 0.2
"""Share of rows sent again: none counts twice, but somebody's pipeline may not know what it has sent."""
SHOWN = 5
"""Days that a sentence names."""


class Audit(StrEnum):
    """What is looked at."""

    GAPS = "GAPS"
    JUMPS = "JUMPS"
    DUPLICATES = "DUPLICATES"
    LATE = "LATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one look at an event's rows found, or at all outcomes' (None); `is_sound` when nothing speaks against it."""

    audit: Audit
    event: str | None
    is_sound: bool
    sentence: str


async def audit(
    session: AsyncSession, *, workspace_id: int, events: Collection[str], from_on: date, to_on: date
) -> list[Found]:
    """Look at the rows of some events of a workspace that happened between two days, both included."""
    numbers = await _numbers(session, workspace_id, events)
    first = from_on - timedelta(days=BEFORE)
    counts = await _counts(session, numbers.values(), first, to_on)
    arrived = await _arrived(session, numbers.values(), from_on)
    found = [_duplicates(*await _sent_twice(session, workspace_id, from_on))]
    for name in sorted(events):
        number = numbers.get(name, -1)
        by_day = counts.get(number, {})
        found += _days(name, by_day, first, from_on, to_on, alpha=ALPHA / (2 * max(len(events), 1)))
        found.append(_late(name, *arrived.get(number, (0, 0))))
    return found


def _days(
    name: str, by_day: Mapping[date, int], first: date, from_on: date, to_on: date, *, alpha: float
) -> Iterator[Found]:
    """Gaps and jumps of the window, each day at its part of alpha."""
    days = [first + timedelta(days=place) for place in range((to_on - first).days + 1)]
    began = min(by_day, default=from_on)
    series = np.array([by_day.get(day, 0) if day >= began else np.nan for day in days], np.float64)
    window = np.array([day >= from_on for day in days])
    each = alpha / max(window.sum(), 1)
    silent = _named(days, gaps(series, alpha=each).is_gap & window)
    odd = _named(days, jumps(series, alpha=each).is_jump & window)
    yield Found(
        audit=Audit.GAPS,
        event=name,
        is_sound=not silent,
        sentence=f"No rows where some are usual: {silent}." if silent else "There are rows wherever some are usual.",
    )
    yield Found(
        audit=Audit.JUMPS,
        event=name,
        is_sound=not odd,
        sentence=f"Far more or fewer rows than usual: {odd}." if odd else "No day has far more or fewer than usual.",
    )


def _named(days: Sequence[date], which: Mask) -> str:
    chosen = [day.isoformat() for day, one in zip(days, which, strict=True) if one]
    more = f" and {len(chosen) - SHOWN} more" if len(chosen) > SHOWN else ""
    return ", ".join(chosen[:SHOWN]) + more


def _late(name: str, n: int, late: int) -> Found:
    share = late / n if n else 0.0
    return Found(
        audit=Audit.LATE,
        event=name,
        is_sound=share <= MANY_LATE,
        sentence=f"{late:,} of {n:,} rows that came in since are of a day that was over ({share:.1%}).",
    )


def _duplicates(n: int, twice: int) -> Found:
    share = twice / (n + twice) if n + twice else 0.0
    return Found(
        audit=Audit.DUPLICATES,
        event=None,
        is_sound=share <= MANY_DUPLICATES,
        sentence=f"{twice:,} outcomes were sent again since ({share:.1%} of all that came); none counts twice.",
    )


async def _numbers(session: AsyncSession, workspace_id: int, names: Collection[str]) -> dict[str, int]:
    mine = select(Event.name, Event.id).where(Event.workspace_id == workspace_id, col(Event.name).in_(names))
    return {name: number for name, number in await session.exec(mine)}  # noqa: C416 - a result has keys of its own


async def _counts(
    session: AsyncSession, numbers: Collection[int], first: date, last: date
) -> dict[int, dict[date, int]]:
    day = cast(func.timezone("UTC", Outcome.occurred_at), Date)
    within = (col(Outcome.id) >= _id(first), col(Outcome.id) < _id(last + timedelta(days=1)))
    mine = select(Outcome.event_id, day, func.count()).where(col(Outcome.event_id).in_(numbers), *within)
    found: dict[int, dict[date, int]] = {}
    for number, on, n in await session.exec(mine.group_by(col(Outcome.event_id), day)):
        found.setdefault(number, {})[on] = n
    return found


async def _arrived(session: AsyncSession, numbers: Collection[int], since: date) -> dict[int, tuple[int, int]]:
    sums = select(Arrival.event_id, func.sum(Arrival.n), func.sum(Arrival.late))
    mine = sums.where(col(Arrival.event_id).in_(numbers), col(Arrival.arrived_on) >= since)
    return {number: (int(n), int(late)) for number, n, late in await session.exec(mine.group_by(col(Arrival.event_id)))}


async def _sent_twice(session: AsyncSession, workspace_id: int, since: date) -> tuple[int, int]:
    """Outcomes that were new, and those sent again: what a batch brings again, nobody keeps by event."""
    sums = select(func.coalesce(func.sum(Ingest.accepted), 0), func.coalesce(func.sum(Ingest.duplicates), 0))
    mine = sums.where(Ingest.workspace_id == workspace_id, Ingest.noun == "outcomes")
    n, twice = (await session.exec(mine.where(col(Ingest.received_at) >= _midnight(since)))).one()
    return int(n), int(twice)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(tzinfo=UTC))


def _id(day: date) -> object:
    return first_id(_midnight(day))

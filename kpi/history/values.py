"""A KPI's values by period: read from its sums, for everybody or a segment."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import kinds
from kpi.enums import Granularity
from kpi.history import entry as entries
from kpi.history import periods
from kpi.history.entry import Entry
from kpi.history.sums import ByAccount, Counted, Level, Sums
from kpi.kinds import Aggregate, Kind
from kpi.kinds.shape import Ints
from kpi.tables import (
    Definition,
    History,
    HistoryCluster,
    HistoryDuration,
    HistoryEntry,
    HistoryMoments,
    HistoryValue,
)
from stats.comoments import CoMoments
from stats.moments import Moments

EVERYBODY = ""
"""The segment that all units are in."""
MOST_PERIODS = 800
"""Periods that one answer holds: two years of days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A KPI's values in one segment, one place a period, the oldest first.

    `start_on` is a period's first day. A value is of the units that entered in the period, or of the period itself for
    a KPI that is measured every so often; None where there is no answer. `is_final` says that no unit's window is open.
    """

    segment: str
    granularity: Granularity
    start_on: list[date]
    n: list[int]
    value: list[float | None]
    standard_error: list[float | None]
    lower: list[float | None]
    upper: list[float | None]
    is_final: list[bool]


async def state_of(session: AsyncSession, definition_ids: Sequence[int]) -> dict[int, History]:
    """How far the histories of definitions reach; those without one are absent."""
    rows = await session.exec(select(History).where(col(History.definition_id).in_(definition_ids)))
    return {row.definition_id: row for row in rows}


async def segments_of(session: AsyncSession, definition_id: int) -> list[str]:
    """The segments that a definition has units in, by name; everybody's is the first."""
    found = select(HistoryEntry.segment).where(HistoryEntry.definition_id == definition_id).distinct()
    return sorted(await session.exec(found))


async def sums(
    session: AsyncSession, definition: Definition, *, segment: str = EVERYBODY, first: date, last: date
) -> Sums | None:
    """A definition's cohorts between two days, both included; None before its history was derived."""
    state = (await state_of(session, [definition.id])).get(definition.id)
    entry = entries.decode(definition.entry)
    if state is None or state.through is None or entry is None:
        return None
    kind, through = kinds.decode(definition.kind, definition.parameters), state.through
    return await read(session, definition.id, kind, entry, segment=segment, through=through, first=first, last=last)


async def read(
    session: AsyncSession,
    definition_id: int,
    kind: Kind,
    entry: Entry,
    *,
    segment: str = EVERYBODY,
    through: date,
    first: date,
    last: date,
) -> Sums:
    """The sums that stand under a definition's number, as this kind and entry fill them."""
    where = (definition_id, segment, first, last)
    entered = await _rows(session, HistoryEntry, where, "n")
    days = tuple(row[0] for row in entered)
    parts: dict[str, Any] = {}
    if kind.aggregate is Aggregate.MOMENTS:
        rows = await _rows(session, HistoryMoments, where, *MOMENTS)
        parts |= _moments(days, rows, has_pairs=kind.has_denominator)
    if kind.aggregate is Aggregate.DURATIONS or kind.curve is not None:
        parts |= _durations(days, kind, await _rows(session, HistoryDuration, where, "day", "events", "losses"))
    if not kind.adds_up:
        parts["counted"] = _counted(await _rows(session, HistoryValue, where, "value", "n"))
    if entry.has_clusters and kind.aggregate is Aggregate.MOMENTS and kind.adds_up:
        parts["accounts"] = _accounts(await _rows(session, HistoryCluster, where, "account", "n", "y", "x"))
    return Sums(
        kind=kind,
        through=through,
        days=days,
        entered=np.array([row[1] for row in entered], np.int64),
        is_periodic=entry.every is not None,
        **parts,
    )


def series(found: Sums, *, segment: str, granularity: Granularity) -> Series:
    """Values by period of the cohorts that were read. Raises ValueError for more periods than `MOST_PERIODS`."""
    levels = [(first, _in_period(found, first, granularity)) for first in _periods(found, granularity)]
    measured = [(first, part, part.level()) for first, part in levels]
    return Series(
        segment=segment,
        granularity=granularity,
        start_on=[first for first, _, _ in measured],
        is_final=[_is_over(found, first, granularity) and part.is_final for first, part, _ in measured],
        **{name: [getattr(level, name) for _, _, level in measured] for name in LEVEL},
    )


def _periods(found: Sums, granularity: Granularity) -> list[date]:
    """The periods from the first cohort to the last, those between without a unit too."""
    if not found.days:
        return []
    starts = [periods.start(found.days[0], granularity)]
    while (following := periods.after(starts[-1], granularity)) <= found.days[-1]:
        starts.append(following)
    if len(starts) > MOST_PERIODS:
        raise ValueError(f"{len(starts)} periods are more than {MOST_PERIODS}")
    return starts


def _in_period(found: Sums, first: date, granularity: Granularity) -> Sums:
    """The cohorts of a period; of periods measured within it the last, which says how it ended."""
    part = found.between(first, periods.last(first, granularity))
    return part.between(part.days[-1], part.days[-1]) if found.is_periodic and part.days else part


def _is_over(found: Sums, first: date, granularity: Granularity) -> bool:
    return periods.last(first, granularity) < found.through


LEVEL = ("n", "value", "standard_error", "lower", "upper")
MOMENTS = ("n", "mean", "m2", "mean_x", "m2_x", "c_xy")


async def _rows(session: AsyncSession, table: Any, where: tuple[int, str, date, date], *names: str) -> list[Any]:
    definition_id, segment, first, last = where
    columns = [table.entered_on, *(getattr(table, name) for name in names)]
    mine = select(*columns).where(table.definition_id == definition_id, table.segment == segment)
    within = mine.where(col(table.entered_on) >= first, col(table.entered_on) <= last)
    return list(await session.exec(within.order_by(col(table.entered_on))))


def _moments(days: Sequence[date], rows: Iterable[Any], *, has_pairs: bool) -> dict[str, Any]:
    by_day = {row[0]: row[1:] for row in rows}
    n, mean, m2, mean_x, m2_x, c_xy = np.array(
        [[part if part is not None else 0.0 for part in by_day.get(day, (0,) * 6)] for day in days], np.float64
    ).reshape(-1, 6).T  # fmt: skip
    if has_pairs:
        pairs = CoMoments.of_pair(n=n, first_mean=mean, second_mean=mean_x, first_m2=m2, second_m2=m2_x, c=c_xy)
        return {"moments": Moments(n=n, mean=mean, m2=m2), "pairs": pairs}
    return {"moments": Moments(n=n, mean=mean, m2=m2)}


def _durations(days: Sequence[date], kind: Kind, rows: Iterable[Any]) -> dict[str, Ints]:
    place = {day: index for index, day in enumerate(days)}
    length = max(kind.window[1], (kind.curve.days[-1] + 1) if kind.curve else 0)
    events, losses = np.zeros((2, len(days), length), np.int64)
    for entered_on, day, happened, lost in rows:
        events[place[entered_on], day], losses[place[entered_on], day] = happened, lost
    return {"events": events, "losses": losses}


def _accounts(rows: Sequence[Any]) -> ByAccount:
    columns: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        for place, part in enumerate(row):
            columns[place].append(part)
    return ByAccount(
        entered_on=tuple(columns[0]),
        accounts=tuple(columns[1]),
        n=np.array(columns[2], np.float64),
        y=np.array(columns[3], np.float64),
        x=np.array(columns[4], np.float64),
    )


def _counted(rows: Sequence[Any]) -> Counted:
    return Counted(
        entered_on=tuple(row[0] for row in rows),
        values=np.array([row[1] for row in rows], np.float64),
        n=np.array([row[2] for row in rows], np.int64),
    )


def level(found: Sums) -> Level:
    """The level of all cohorts that were read, taken together: of periods the last."""
    return (found.between(found.days[-1], found.days[-1]) if found.is_periodic and found.days else found).level()

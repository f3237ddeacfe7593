"""A KPI's values by period: read from its sums, for everybody or a segment."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
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
from kpi.history.tables import History, HistoryCluster, HistoryDuration, HistoryEntry, HistoryMoments, HistoryValue
from kpi.kinds import Aggregate, Kind
from kpi.tables import Definition
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


async def segments_of(session: AsyncSession, definition_ids: Sequence[int]) -> dict[int, list[str]]:
    """The segments that definitions have units in, by name; everybody's is the first."""
    columns = select(HistoryEntry.definition_id, HistoryEntry.segment).distinct()
    rows = await session.exec(columns.where(col(HistoryEntry.definition_id).in_(definition_ids)))
    found: dict[int, list[str]] = {identity: [] for identity in definition_ids}
    for definition_id, segment in sorted(rows):
        found[definition_id].append(segment)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Cohorts that are wanted: of a definition by its number, as this kind and entry fill them, in a segment.

    From one day to another, both included; `through` is the midnight that the definition's history reaches.
    """

    definition_id: int
    kind: Kind
    entry: Entry
    through: date
    segment: str = EVERYBODY
    first: date
    last: date


def asked(
    definition: Definition, state: History | None, *, segment: str = EVERYBODY, first: date, last: date
) -> Asked | None:
    """What to read of a definition, by how far its history reaches; None before it was derived."""
    entry = entries.decode(definition.entry)
    if state is None or state.through is None or entry is None:
        return None
    kind = kinds.decode(definition.kind, definition.parameters)
    return Asked(
        definition_id=definition.id,
        kind=kind,
        entry=entry,
        through=state.through,
        segment=segment,
        first=first,
        last=last,
    )


async def sums(
    session: AsyncSession, definition: Definition, *, segment: str = EVERYBODY, first: date, last: date
) -> Sums | None:
    """A definition's cohorts between two days, both included; None before its history was derived."""
    state = (await state_of(session, [definition.id])).get(definition.id)
    wanted = asked(definition, state, segment=segment, first=first, last=last)
    return None if wanted is None else (await read(session, [wanted]))[wanted]


async def read(session: AsyncSession, wanted: Iterable[Asked]) -> dict[Asked, Sums]:
    """The sums that stand under what is wanted: each cohort is read once, all of a table in one statement."""
    wanted = list(wanted)
    widest: dict[tuple[int, str], Asked] = {}
    for one in wanted:
        known = widest.setdefault((one.definition_id, one.segment), one)
        span = replace(one, first=min(one.first, known.first), last=max(one.last, known.last))
        widest[one.definition_id, one.segment] = span
    found = await _widest(session, list(widest.values()))
    whole = dict(zip(widest, found, strict=True))
    return {one: whole[one.definition_id, one.segment].between(one.first, one.last) for one in wanted}


async def _widest(session: AsyncSession, spans: Sequence[Asked]) -> list[Sums]:
    """The sums of spans, one by one as they are given."""
    entered = await _columns(session, HistoryEntry, spans, ("n",))
    parts: list[dict[str, Any]] = [{} for _ in spans]
    for table, names, is_kept, laid_out in PARTS:
        kept = [place for place, span in enumerate(spans) if is_kept(span)]
        columns = await _columns(session, table, [spans[place] for place in kept], names)
        for place, (on, *rest) in zip(kept, columns, strict=True):
            parts[place] |= laid_out(spans[place], entered[place][0], on, rest)
    return [
        Sums(
            kind=span.kind,
            through=span.through,
            days=_dates(on),
            entered=np.array(n, np.int64),
            is_periodic=span.entry.every is not None,
            **part,
        )
        for span, (on, n), part in zip(spans, entered, parts, strict=True)
    ]


def series(found: Sums, *, segment: str, granularity: Granularity) -> Series:
    """Values by period of the cohorts that were read. Raises ValueError for more periods than `MOST_PERIODS`."""
    if (many := count(found, granularity)) > MOST_PERIODS:
        raise ValueError(f"{many} periods are more than {MOST_PERIODS}")
    starts = _periods(found, granularity)
    spans = [_in_period(found, first, granularity) for first in starts]
    levels = found.levels(spans)
    is_over = [periods.last(first, granularity) < found.through for first in starts]
    return Series(
        segment=segment,
        granularity=granularity,
        start_on=starts,
        is_final=[over and final for over, final in zip(is_over, found.are_final(spans), strict=True)],
        **{name: [getattr(level, name) for level in levels] for name in LEVEL},
    )


def count(found: Sums, granularity: Granularity) -> int:
    """The periods from the first cohort to the last."""
    if not found.days:
        return 0
    return periods.number(found.days[-1], granularity) - periods.number(found.days[0], granularity) + 1


def _periods(found: Sums, granularity: Granularity) -> list[date]:
    """The periods from the first cohort to the last, those between without a unit too."""
    if not found.days:
        return []
    starts = [periods.start(found.days[0], granularity)]
    while (following := periods.after(starts[-1], granularity)) <= found.days[-1]:
        starts.append(following)
    return starts


def _in_period(found: Sums, first: date, granularity: Granularity) -> slice:
    """The places of a period's cohorts; of periods measured within it the last, which says how it ended."""
    span = found.span(first, periods.last(first, granularity))
    return slice(max(span.start, span.stop - 1), span.stop) if found.is_periodic else span


LEVEL = ("n", "value", "standard_error", "lower", "upper")
COLUMNS = """
SELECT c.* FROM unnest($1::int[], $2::text[], $3::date[], $4::date[])
    WITH ORDINALITY a (definition_id, segment, first, last, place)
CROSS JOIN LATERAL (
    SELECT {columns} FROM (
        SELECT h.*, h.entered_on - '0001-01-01'::date + 1 AS ordinal FROM {table} h
        WHERE h.definition_id = a.definition_id AND h.segment = a.segment AND h.entered_on BETWEEN a.first AND a.last
        ORDER BY h.entered_on
    ) h
) c ORDER BY a.place
"""
"""A row a span, an array a column: rows one by one would take ten times as long to read as to find."""


async def _columns(session: AsyncSession, table: Any, spans: Sequence[Asked], names: Sequence[str]) -> list[Any]:
    """Of each span the columns of a table in day order, days first, as numbers of the calendar."""
    if not spans:
        return []
    columns = ", ".join(f"coalesce(array_agg(h.{name}), '{{}}') AS {name}" for name in ("ordinal", *names))
    statement = COLUMNS.format(columns=columns, table=table.__tablename__)
    given = zip(*((one.definition_id, one.segment, one.first, one.last) for one in spans), strict=True)
    connection = await session.connection()
    return list(await connection.exec_driver_sql(statement, tuple(list(part) for part in given)))


def _dates(ordinals: Iterable[int]) -> tuple[date, ...]:
    return tuple(date.fromordinal(day) for day in ordinals)


def _moments(span: Asked, days: Sequence[int], on: Sequence[int], columns: Sequence[Any]) -> dict[str, Any]:
    """Nothing where a cohort is not final yet."""
    n, mean, m2, mean_x, m2_x, c_xy = laid = np.zeros((6, len(days)))
    laid[:, np.searchsorted(days, on)] = np.nan_to_num(np.array(columns, np.float64))
    moments = Moments(n=n, mean=mean, m2=m2)
    if not span.kind.has_denominator:
        return {"moments": moments}
    pairs = CoMoments.of_pair(n=n, first_mean=mean, second_mean=mean_x, first_m2=m2, second_m2=m2_x, c=c_xy)
    return {"moments": moments, "pairs": pairs}


def _durations(span: Asked, days: Sequence[int], on: Sequence[int], columns: Sequence[Any]) -> dict[str, Any]:
    kind = span.kind
    length = max(kind.window[1], (kind.curve.days[-1] + 1) if kind.curve else 0)
    events, losses = np.zeros((2, len(days), length), np.int64)
    place = np.searchsorted(days, on), np.array(columns[0], np.int64)
    events[place], losses[place] = columns[1:]
    return {"events": events, "losses": losses}


def _accounts(_span: Asked, _days: Sequence[int], on: Sequence[int], columns: Sequence[Any]) -> dict[str, Any]:
    accounts, n, y, x = columns
    return {
        "accounts": ByAccount(
            entered_on=_dates(on),
            accounts=tuple(accounts),
            n=np.array(n, np.float64),
            y=np.array(y, np.float64),
            x=np.array(x, np.float64),
        )
    }


def _counted(_span: Asked, _days: Sequence[int], on: Sequence[int], columns: Sequence[Any]) -> dict[str, Any]:
    values, n = columns
    return {"counted": Counted(entered_on=_dates(on), values=np.array(values, np.float64), n=np.array(n, np.int64))}


def _has_moments(span: Asked) -> bool:
    return span.kind.aggregate is Aggregate.MOMENTS


PARTS: tuple[tuple[Any, tuple[str, ...], Callable[[Asked], bool], Callable[..., dict[str, Any]]], ...] = (
    (HistoryMoments, ("n", "mean", "m2", "mean_x", "m2_x", "c_xy"), _has_moments, _moments),
    (
        HistoryDuration,
        ("day", "events", "losses"),
        lambda span: not _has_moments(span) or span.kind.curve is not None,
        _durations,
    ),
    (HistoryValue, ("value", "n"), lambda span: not span.kind.adds_up, _counted),
    (
        HistoryCluster,
        ("account", "n", "y", "x"),
        lambda span: span.entry.has_clusters and _has_moments(span) and span.kind.adds_up,
        _accounts,
    ),
)
"""What is kept of cohorts beside how many units entered: table, columns, of whom, and how it is laid out."""


def level(found: Sums) -> Level:
    """The level of all cohorts that were read, taken together: of periods the last."""
    return (found.between(found.days[-1], found.days[-1]) if found.is_periodic and found.days else found).level()

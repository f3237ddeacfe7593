"""Which slices of an experiment's aggregates a refresh derives anew. Pure.

A slice is what the units of one entry day bring to one KPI. It is derived when its days have passed, and again when a
row that belongs to it comes in late. Everything else stays as it is, so a refresh costs what is new.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from experiments.plan import PlannedKpi
from kpi import kinds

Days = frozenset[date] | None
"""Entry days; None stands for all of them."""
NONE: Days = frozenset()
ALL: Days = None
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What came in since the last refresh: entry days that changed, and batches of outcomes with something late."""

    days: Days = NONE
    batches: tuple[int, ...] = ()


EVERYTHING = Changes(days=ALL)
"""Derive everything anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Slices that are derived together: these KPIs over these days, and how many entered on them if asked."""

    days: Days
    kpis: tuple[PlannedKpi, ...]
    with_entries: bool


def due(kpis: Sequence[PlannedKpi], stale: Days, *, before: date | None, through: date) -> list[Piece]:
    """What to derive, with the last midnight of the refresh before (None: there was none) and of this one.

    Stale days are derived for all KPIs; the other days of a KPI where one more of its days has passed.
    """
    if stale is None or before is None or through < before:
        return [Piece(days=None, kpis=tuple(kpis), with_entries=True)]
    again = frozenset(day for day in stale if day <= through) | _range(before + DAY, through + DAY)
    grouped: dict[frozenset[date], list[PlannedKpi]] = defaultdict(list)
    for planned in kpis:
        grouped[_matured(planned, before, through) - again].append(planned)
    pieces = [Piece(days=again, kpis=tuple(kpis), with_entries=True)]
    pieces += [Piece(days=days, kpis=tuple(some), with_entries=False) for days, some in grouped.items()]
    return [piece for piece in pieces if piece.days]


def changes(
    pending: Iterable[Mapping[str, Any]], *, experiment_id: int, events: Collection[int], data_through: datetime | None
) -> Changes:
    """What pending entries of the ledger mean for an experiment that reads these events."""
    found = list(pending)
    moved = [entry for entry in found if entry["noun"] != "outcomes" and experiment_id in entry["touched"]]
    done = [entry for entry in found if entry["noun"] == "outcomes" and not set(events).isdisjoint(entry["touched"])]
    return Changes(
        days=merged(None if entry["days"] is None else frozenset(entry["days"]) for entry in moved),
        batches=tuple(entry["id"] for entry in done if _is_late(entry["earliest_at"], data_through)),
    )


def merged(parts: Iterable[Days]) -> Days:
    """All days of all parts."""
    found: frozenset[date] = frozenset()
    for part in parts:
        if part is None:
            return None
        found |= part
    return found


def _is_late(earliest_at: datetime | None, data_through: datetime | None) -> bool:
    """Whether outcomes may belong to slices that are derived already: those of days that were over by then."""
    if earliest_at is None or data_through is None:
        return False
    return earliest_at < data_through.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _matured(planned: PlannedKpi, before: date, through: date) -> frozenset[date]:
    """The entry days of which something became final since the refresh before.

    For one number a unit: the day and then the window have passed. For durations: one more day inside the window has.
    """
    kind = kinds.decode(planned.definition.kind, planned.definition.parameters)
    until = timedelta(days=kind.window[1])
    if kind.aggregate is kinds.Aggregate.MOMENTS:
        return _range(before - until, through - until)
    return _range(before - until, through - DAY)


def _range(first: date, end: date) -> frozenset[date]:
    return frozenset(first + number * DAY for number in range((end - first).days))

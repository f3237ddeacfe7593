"""Which slices of an experiment's aggregates a refresh derives anew. Pure.

A slice is what the units of one entry day bring to one KPI. It is derived when its days have passed, and again when a
row that belongs to it comes in late. Everything else stays as it is, so a refresh costs what is new.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from experiments.aggregation import tallies
from experiments.planning.plan import PlannedKpi
from kpi import kinds
from kpi.enums import Unit

Days = frozenset[date] | None
"""Entry days; None stands for all of them."""
NONE: Days = frozenset()
ALL: Days = None
DAY = timedelta(days=1)
EVER = date(1, 1, 1)
"""Before any row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What came in since the last refresh: entry days that changed, and batches of which the rows say what changed.

    `outcomes` are those with something late, `memberships` those that move what members do to other accounts.
    """

    days: Days = NONE
    outcomes: tuple[int, ...] = ()
    memberships: tuple[int, ...] = ()


EVERYTHING = Changes(days=ALL)
"""Derive everything anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Slices that are derived together: these KPIs over these days, and how many entered on them if asked.

    With `since`, only what has become final since that midnight, for slices that are right as far as that. Where
    `days` are all, they are all from `first` on: what came in before is frozen. Of the KPIs in `waiting`, units that
    were early are tallied.
    """

    days: Days
    first: date = EVER
    kpis: tuple[PlannedKpi, ...]
    with_entries: bool = False
    since: date | None = None
    waiting: tuple[PlannedKpi, ...] = ()


def due(
    kpis: Sequence[PlannedKpi], stale: Days, *, before: date | None, through: date, floor: date | None = None
) -> list[Piece]:
    """What to derive, with the last midnight of the refresh before (None: there was none) and of this one.

    Slices of stale days, slices that have become final since, and of durations the days that have. Never those of
    entry days before the floor: they are final, and the rows they came from may be gone.
    """
    first, waiting = floor or EVER, tuple(tallies.waiting(kpis))
    if stale is None or before is None or through < before:
        return [Piece(days=None, first=first, kpis=tuple(kpis), with_entries=True, waiting=waiting)]
    again = frozenset(day for day in stale if first <= day <= through) | _range(max(before + DAY, first), through + DAY)
    grouped: dict[tuple[frozenset[date], date | None], list[PlannedKpi]] = defaultdict(list)
    for planned in kpis:
        for days, since in _slices(planned, again, before, through):
            grouped[frozenset(day for day in days if day >= first), since].append(planned)
    entries = Piece(days=again, kpis=tuple(grouped.pop((again, None), ())), with_entries=True)
    others = [Piece(days=days, kpis=tuple(some), since=since) for (days, since), some in grouped.items()]
    if waiting:
        over = frozenset(day for day in again if day < through) | _range(max(before, first), through)
        others.append(Piece(days=over, kpis=(), waiting=waiting))
    # Entries first: they give new segments their names.
    return [piece for piece in (entries, *others) if piece.days]


def changes(
    pending: Iterable[Mapping[str, Any]],
    *,
    experiment_id: int,
    unit: Unit,
    events: Collection[int],
    data_through: datetime | None,
) -> Changes:
    """What pending entries of the ledger mean for an experiment on these units that reads these events."""
    by_noun: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for entry in pending:
        by_noun[entry["noun"]].append(entry)
    done = [entry for entry in by_noun.pop("outcomes", []) if not set(events).isdisjoint(entry["touched"])]
    joined = by_noun.pop("memberships", []) if unit is Unit.ACCOUNT else []
    # All other nouns name the experiments they touched, and the entry days.
    moved = [entry for entries in by_noun.values() for entry in entries if experiment_id in entry["touched"]]
    return Changes(
        days=merged(None if entry["days"] is None else frozenset(entry["days"]) for entry in moved),
        outcomes=tuple(entry["id"] for entry in done if _is_late(entry["earliest_at"], data_through)),
        memberships=tuple(entry["id"] for entry in joined),
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


def _slices(
    planned: PlannedKpi, again: frozenset[date], before: date, through: date
) -> Iterator[tuple[frozenset[date], date | None]]:
    """The entry days to derive for a KPI. One number a unit is final after its window; durations, day by day of it.

    A KPI with both has all of it derived when its number becomes final: then all units are read, not just who acted.
    A curve that is whole has no day before that.
    """
    kind = kinds.decode(planned.definition.kind, planned.definition.parameters)
    until, is_number = timedelta(days=kind.window[1]), kind.aggregate is kinds.Aggregate.MOMENTS
    is_by_day = not is_number or (kind.curve is not None and not kind.curve.is_whole)
    whole = frozenset(day for day in again if day < through - (DAY if is_by_day else until))
    if is_number:
        whole |= _range(before - until, through - until)
    yield whole, None
    if is_by_day and through > before:
        yield _range(before - until, through - DAY) - whole, before


def _range(first: date, end: date) -> frozenset[date]:
    return frozenset(first + number * DAY for number in range((end - first).days))

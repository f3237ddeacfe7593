"""The three tables again, from the rows in plain Python: another implementation, read off the written definitions.

A unit enters with its first exposure, and is left out once another variant has been seen. Its window counts in periods
of 24 hours from there. An entry day counts in the moments once its day, and then the window, have passed; in the
durations day by day, likewise.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import fsum
from typing import Any

from experiments.planning.draft import CovariateChoice
from kpi import kinds
from kpi.kinds import Activation, Component, Composite, Kind, Mean, Quantile, Ratio, Retention, TimeToValue
from kpi.kinds.mean import Of
from kpi.kinds.retention import Form
from kpi.kinds.terms import Amount as Part
from kpi.kinds.terms import How, Term
from kpi.kinds.terms import Measured as What

DAY = timedelta(days=1)
MOST_VALUES = 20


@dataclass(frozen=True, kw_only=True)
class Exposed:
    """One exposure; variants count from 0."""

    unit: str
    variant: int
    at: datetime
    plan: Any
    score: Any = None


@dataclass(frozen=True, kw_only=True)
class Did:
    """One outcome."""

    unit: str
    event: str
    at: datetime
    value: float | None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A unit that entered, and what it did."""

    entry: Exposed
    did: list[Did]

    def within(self, event: str, start: int, until: int) -> list[Did]:
        """What it did from the start of one day of its own until the start of another."""
        opens = self.entry.at + start * DAY
        return [did for did in self.did if did.event == event and opens <= did.at < self.entry.at + until * DAY]

    def total(self, until: int) -> float:
        """What its events are worth together."""
        return fsum(did.value or 0.0 for did in self.within("did", 0, until))

    def first_day(self, event: str, until: int) -> int | None:
        """The day of its own on which it first did this."""
        return next(iter(self.days(event, until)), None)

    def days(self, event: str, until: int) -> list[int]:
        """The days of its own on which it did this, in order, each as often as it did."""
        return sorted((did.at - self.entry.at) // DAY for did in self.within(event, 0, until))


@dataclass(frozen=True, kw_only=True)
class Amount:
    """A KPI with one number a unit, and perhaps the days of its own that its curve counts it on.

    A ratio has a second number, `below` the line. `is_whole` where no day of the curve is final before all are.
    """

    definition: Kind
    days: int
    value: Callable[[Measured], float]
    choice: CovariateChoice | None = None
    covariate: Callable[[Measured], float | None] = lambda _: None
    most: float | None = None
    by_day: Callable[[Measured], set[int]] | None = None
    is_whole: bool = False
    below: Callable[[Measured], float] | None = None


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A KPI of which is counted how many units have which number."""

    definition: Kind
    days: int
    value: Callable[[Measured], float]


@dataclass(frozen=True, kw_only=True)
class Duration:
    """A KPI with the day something ends, and whether by the event that counts."""

    definition: Kind
    end: Callable[[Measured], tuple[int, bool] | None]


def _end(event: int | None, loss: int | None) -> tuple[int, bool] | None:
    if event is not None and (loss is None or event <= loss):
        return event, True
    return None if loss is None else (loss, False)


def _number(said: Any) -> float | None:
    """An attribute as a number, of a size that one reckons with."""
    if isinstance(said, bool) or not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?", str(said)):
        return None
    return float(said) if abs(float(said)) <= 1e12 else None


def _part(kpi: str, definition: Kind, **scale: float) -> Component:
    kind, parameters = kinds.encode(definition)
    return Component(kpi=kpi, version=1, kind=kind, parameters=parameters, **scale)


KPIS: dict[str, Amount | Ranked | Duration] = {
    "act-1": Amount(
        definition=Activation(event="did", window_days=1), days=1, value=lambda unit: bool(unit.within("did", 0, 1))
    ),
    "act-2": Amount(
        definition=Activation(event="did", window_days=2), days=2, value=lambda unit: bool(unit.within("did", 0, 2))
    ),
    "ret-1": Amount(
        definition=Retention(event="did", day=1), days=2, value=lambda unit: bool(unit.within("did", 1, 2))
    ),
    "sum-2": Amount(definition=Mean(event="did", window_days=2), days=2, value=lambda unit: unit.total(2)),
    "cap-2": Amount(
        definition=Mean(event="did", window_days=2, cap=2.5),
        days=2,
        value=lambda unit: min(unit.total(2), 2.5),
        most=2.5,
    ),
    "count-cap": Amount(
        definition=Mean(event="did", window_days=3, of=Of.COUNT, cap=1),
        days=3,
        value=lambda unit: min(len(unit.within("did", 0, 3)), 1),
        most=1,
    ),
    "sum-2-score": Amount(
        definition=Mean(event="did", window_days=2),
        days=2,
        value=lambda unit: unit.total(2),
        choice=CovariateChoice(attribute="score", when_missing=-1.5),
        covariate=lambda unit: _number(unit.entry.score),
    ),
    "act-2-score": Amount(
        definition=Activation(event="did", window_days=2),
        days=2,
        value=lambda unit: bool(unit.within("did", 0, 2)),
        choice=CovariateChoice(attribute="score"),
        covariate=lambda unit: _number(unit.entry.score),
    ),
    "sum-2-before": Amount(
        definition=Mean(event="did", window_days=2, cap=2.5),
        days=2,
        value=lambda unit: min(unit.total(2), 2.5),
        most=2.5,
        choice=CovariateChoice(pre_exposure_days=2),
        covariate=lambda unit: min(fsum(did.value or 0.0 for did in unit.within("did", -2, 0)), 2.5),
    ),
    "ret-1-before": Amount(
        definition=Retention(event="did", day=1),
        days=2,
        value=lambda unit: bool(unit.within("did", 1, 2)),
        choice=CovariateChoice(pre_exposure_days=1),
        covariate=lambda unit: float(bool(unit.within("did", -1, 0))),
    ),
    "act-3-curve": Amount(
        definition=Activation(event="did", window_days=3, has_curve=True),
        days=3,
        value=lambda unit: bool(unit.within("did", 0, 3)),
        by_day=lambda unit: {day for day in (unit.first_day("did", 3),) if day is not None},
    ),
    "ret-2-curve": Amount(
        definition=Retention(event="did", day=2, has_curve=True),
        days=3,
        value=lambda unit: bool(unit.within("did", 2, 3)),
        choice=CovariateChoice(pre_exposure_days=1),
        covariate=lambda unit: float(bool(unit.within("did", -1, 0))),
        by_day=lambda unit: {day for day in (1, 2) if unit.within("did", day, day + 1)},
    ),
    "roll-2-curve": Amount(
        definition=Retention(event="did", day=1, form=Form.ROLLING, until_day=2, has_curve=True),
        days=3,
        value=lambda unit: bool(unit.within("did", 1, 3)),
        by_day=lambda unit: set(range(1, max(unit.days("did", 3), default=0) + 1)),
        is_whole=True,
    ),
    "per-2": Amount(
        definition=Ratio(
            window_days=2,
            numerator=Term(
                amount=Part(event="did", of=What.VALUE),
                how=How.DIFFERENCE,
                other=Part(event="deleted", of=What.COUNT),
            ),
            denominator=Term(amount=Part(event="did", of=What.COUNT, last_days=1)),
        ),
        days=2,
        value=lambda unit: unit.total(2) - len(unit.within("deleted", 0, 2)),
        below=lambda unit: len(unit.within("did", 1, 2)),
    ),
    "mix-3": Amount(
        definition=Composite(
            components=(
                _part("cap-2", Mean(event="did", window_days=2, cap=2.5), weight=2, centre=1.5, spread=0.5),
                _part("count-cap", Mean(event="did", window_days=3, of=Of.COUNT, cap=1), weight=-0.25),
                _part("ret-1", Retention(event="did", day=1), weight=1),
            )
        ),
        days=3,
        value=lambda unit: (
            2 * (min(unit.total(2), 2.5) - 1.5) / 0.5
            - 0.25 * min(len(unit.within("did", 0, 3)), 1)
            + bool(unit.within("did", 1, 2))
        ),
    ),
    "p75-2": Ranked(
        definition=Quantile(event="did", window_days=2, quantile=0.75), days=2, value=lambda unit: unit.total(2)
    ),
    "ttv-3-second": Duration(
        definition=TimeToValue(event="did", tau_days=3, loss_event="deleted", occurrence=2),
        end=lambda unit: _end(next(iter(unit.days("did", 3)[1:]), None), unit.first_day("deleted", 3)),
    ),
    "ttv-3": Duration(
        definition=TimeToValue(event="did", tau_days=3), end=lambda unit: _end(unit.first_day("did", 3), None)
    ),
    "ttv-3-loss": Duration(
        definition=TimeToValue(event="did", tau_days=3, loss_event="deleted"),
        end=lambda unit: _end(unit.first_day("did", 3), unit.first_day("deleted", 3)),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The three tables, the tallies and the number of crossovers, keyed by words instead of ids."""

    entries: Mapping[tuple[str, int, date], int]
    moments: Mapping[tuple[str, str, int, date], tuple[float, ...]]
    durations: Mapping[tuple[str, str, int, date, int], tuple[int, int]]
    values: Mapping[tuple[str, str, int, date, float], int]
    tallies: Mapping[tuple[str, int, date], tuple[int, int]]
    crossovers: int


def recompute(exposed: Iterable[Exposed], did: Iterable[Did], now: datetime) -> Tables:
    """Everything from the rows, however often each of them was sent."""
    units, crossovers = _entered(exposed, now)
    acted = defaultdict(list)
    for one in set(did):
        acted[one.unit].append(one)
    placed = [
        (segment, Measured(entry=entry, did=acted[entry.unit]))
        for segment, entries in _segments(units).items()
        for entry in entries
    ]
    return Tables(
        entries=Counter((segment, unit.entry.variant, _day(unit)) for segment, unit in placed),
        moments={
            place: found
            for kpi, measure in KPIS.items()
            if isinstance(measure, Amount)
            for place, found in _moments(kpi, measure, placed, now).items()
        },
        durations={
            place: found
            for kpi, measure in KPIS.items()
            for place, found in _durations(kpi, measure, placed, now).items()
        },
        values=Counter(
            place
            for kpi, measure in KPIS.items()
            if isinstance(measure, Ranked)
            for place in _values(kpi, measure, placed, now)
        ),
        tallies={
            place: found
            for kpi, measure in KPIS.items()
            for place, found in _tallies(kpi, measure, [unit for segment, unit in placed if not segment], now).items()
        },
        crossovers=crossovers,
    )


def _entered(exposed: Iterable[Exposed], now: datetime) -> tuple[list[Exposed], int]:
    by_unit = defaultdict(list)
    for one in exposed:
        by_unit[one.unit].append(one)
    kept: list[Exposed] = []
    crossovers = 0
    for ones in by_unit.values():
        first = min(ones, key=lambda one: (one.at, one.variant))
        if first.at.date() > now.date():
            continue
        if any(one.variant != first.variant for one in ones):
            crossovers += 1
        else:
            kept.append(first)
    return kept, crossovers


def _segments(units: list[Exposed]) -> dict[str, list[Exposed]]:
    said = [_words(unit.plan) for unit in units]
    ranked = sorted(Counter(said).items(), key=lambda pair: (-pair[1], pair[0]))
    named = {value for value, _ in ranked[:MOST_VALUES]}
    found = defaultdict(list, {"": units})
    for unit, value in zip(units, said, strict=True):
        found[f"plan={value if value in named else '(other)'}"].append(unit)
    return found


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "(none)" if value in (None, "") else str(value)


def _day(unit: Measured) -> date:
    return unit.entry.at.astimezone(UTC).date()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(tzinfo=UTC))


def _moments(
    kpi: str, measure: Amount, placed: list[tuple[str, Measured]], now: datetime
) -> dict[tuple[str, str, int, date], tuple[float, ...]]:
    values = defaultdict(list)
    known = defaultdict(list)
    for segment, unit in placed:
        day = _day(unit)
        if _midnight(day) + DAY + measure.days * DAY <= now:
            values[kpi, segment, unit.entry.variant, day].append(float(measure.value(unit)))
            known[kpi, segment, unit.entry.variant, day].append((measure.below or measure.covariate)(unit))
    if measure.choice is None and measure.below is None:
        return {place: _summary(found) for place, found in values.items()}
    unknown = 0.0 if measure.choice is None else measure.choice.when_missing
    return {place: (*_summary(found), *_together(found, known[place], unknown)) for place, found in values.items()}


def _values(
    kpi: str, measure: Ranked, placed: list[tuple[str, Measured]], now: datetime
) -> Iterator[tuple[str, str, int, date, float]]:
    """Of each unit that is final its number, to four significant digits."""
    for segment, unit in placed:
        if _midnight(_day(unit)) + DAY + measure.days * DAY <= now:
            yield kpi, segment, unit.entry.variant, _day(unit), float(f"{measure.value(unit):.3e}")


def _together(values: list[float], known: list[float | None], unknown: float) -> tuple[float, float, float, int]:
    x = [unknown if one is None else one for one in known]
    n, mean_x, m2_x = _summary(x)
    mean = fsum(values) / n
    return mean_x, m2_x, fsum((a - mean) * (b - mean_x) for a, b in zip(values, x, strict=True)), known.count(None)


def _tallies(
    kpi: str, measure: Amount | Ranked | Duration, units: list[Measured], now: datetime
) -> dict[tuple[str, int, date], tuple[int, int]]:
    """Of the units of each final entry day those that count for as much as one may, or that were early."""
    is_tallied, days = _tallied(measure)
    if is_tallied is None:
        return {}
    found = defaultdict(list)
    for unit in units:
        if _midnight(_day(unit)) + DAY + days * DAY <= now:
            found[kpi, unit.entry.variant, _day(unit)].append(is_tallied(unit))
    return {place: (len(those), sum(those)) for place, those in found.items()}


def _tallied(measure: Amount | Ranked | Duration) -> tuple[Callable[[Measured], bool] | None, int]:
    """What is asked of each unit, and the days after its entry day that the answer takes."""
    if isinstance(measure.definition, Activation | TimeToValue):
        return lambda unit: bool(unit.within("did", -1, 0)), 0
    if isinstance(measure, Amount) and measure.most is not None:
        most = measure.most
        return lambda unit: measure.value(unit) >= most, measure.days
    return None, 0


def _summary(values: list[float]) -> tuple[float, float, float]:
    mean = fsum(values) / len(values)
    return len(values), mean, fsum((value - mean) ** 2 for value in values)


def _durations(
    kpi: str, measure: Amount | Ranked | Duration, placed: list[tuple[str, Measured]], now: datetime
) -> dict[tuple[str, str, int, date, int], tuple[int, int]]:
    cells: dict[tuple[str, str, int, date, int], list[int]] = defaultdict(lambda: [0, 0])
    for segment, unit in placed:
        whole = measure.days if isinstance(measure, Amount) and measure.is_whole else None
        for day, is_event in _counted(measure, unit):
            if _midnight(_day(unit)) + DAY + (day + 1 if whole is None else whole) * DAY <= now:
                cells[kpi, segment, unit.entry.variant, _day(unit), day][0 if is_event else 1] += 1
    return {place: (events, losses) for place, (events, losses) in cells.items()}


def _counted(measure: Amount | Ranked | Duration, unit: Measured) -> list[tuple[int, bool]]:
    """The days of its own that a unit is counted on, and whether by the event that counts."""
    if isinstance(measure, Duration):
        end = measure.end(unit)
        return [] if end is None else [end]
    if isinstance(measure, Ranked) or measure.by_day is None:
        return []
    return [(day, True) for day in measure.by_day(unit)]

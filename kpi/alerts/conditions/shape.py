"""What every condition of an alert is given, and what it answers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar

import numpy as np

from kpi.enums import AlertKind, Granularity
from kpi.history import periods
from kpi.history.values import Series
from kpi.kinds.shape import Floats, Scale

FEWEST_BETWEEN, MOST_BETWEEN = 10, 100_000
"""Periods between false alarms that may be asked for."""
MOST = 400
"""Final periods, the latest ones, that a condition looks back on."""
SHOWN = 30
"""Periods that are kept with an alert."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The final periods up to the one that is judged, which is the last; the oldest first. Arrays (T), NaN: no answer.

    `number` counts periods of the calendar, so that one left out is seen to be missing.
    """

    granularity: Granularity
    start_on: tuple[date, ...]
    n: Floats
    value: Floats
    standard_error: Floats

    @classmethod
    def of(cls, series: Series) -> "Past":
        """The final periods of a series."""
        final = [place for place, is_final in enumerate(series.is_final) if is_final]
        n, value, error = (
            np.array([column[place] for place in final], np.float64)
            for column in (series.n, series.value, series.standard_error)
        )
        days = tuple(series.start_on[place] for place in final)
        return cls(granularity=series.granularity, start_on=days, n=n, value=value, standard_error=error)

    @property
    def number(self) -> list[int]:
        """The periods' places in the calendar."""
        return [periods.number(first, self.granularity) for first in self.start_on]

    def between(self, first: int, last: int | None) -> "Past":
        """The periods from one place up to another, which is left out; without one up to the last."""
        some = slice(first, last)
        return Past(
            granularity=self.granularity,
            start_on=self.start_on[some],
            n=self.n[some],
            value=self.value[some],
            standard_error=self.standard_error[some],
        )

    def until(self, place: int) -> "Past":
        """What was known when the period at a place was the last: it, and as many before it as are looked at."""
        return self.between(max(0, place + 1 - MOST), place + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A level that a KPI had before, with the error of its sample; measured up to a day, and from one on if known."""

    value: float
    standard_error: float
    until: date
    since: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """A value that a KPI shall have by a day."""

    value: float
    due_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of the KPI beside its values: how it reads, which way is better (sign), what is aimed at.

    `arrivals` are the rows of each of its events by the day they came in, from the event's first day on.
    """

    scale: Scale
    sign: int
    baseline: Level | None = None
    target: Aim | None = None
    arrivals: Mapping[str, Mapping[date, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a condition says of a period: beyond its limit, back within, or neither, which leaves things as they are."""

    value: float
    limit: float
    is_beyond: bool
    is_within: bool
    sentence: str
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A condition says nothing of a period, and why."""

    because: str


class Condition(ABC):
    """What is watched; subclasses are frozen dataclasses of its parameters, which are stored."""

    kind: ClassVar[AlertKind]
    is_of_rows: ClassVar[bool] = False
    """Whether it watches days on which rows came in, whoever they are of, and not values."""

    @abstractmethod
    def problems(self, scale: Scale) -> list[tuple[str, str]]:
        """What is wrong with the parameters: field and sentence."""

    @abstractmethod
    def judge(self, past: Past, facts: Facts) -> Reading | Silence:
        """Judge the last period, by what was known by then and nothing later."""


def told(value: float, scale: Scale) -> str:
    """A value as people read it."""
    if scale.is_percentage:
        return f"{value:.1%}"
    return f"{value:,.2f} days" if scale is Scale.DAYS else f"{value:,.6g}"


PERIOD = {
    Granularity.DAY: "On {:%Y-%m-%d}",
    Granularity.WEEK: "In the week from {:%Y-%m-%d} on",
    Granularity.MONTH: "In {:%Y-%m}",
    Granularity.QUARTER: "In the quarter from {:%Y-%m} on",
}


def when(past: Past) -> str:
    """The period that is judged, to begin a sentence with."""
    return PERIOD[past.granularity].format(past.start_on[-1])


def run_length_problems(run_length: float) -> list[tuple[str, str]]:
    """The run between false alarms is one that can be kept."""
    if FEWEST_BETWEEN <= run_length <= MOST_BETWEEN:
        return []
    sentence = f"The run between false alarms is {FEWEST_BETWEEN} to {MOST_BETWEEN:,} periods."
    return [("runLength", sentence)]


def measured(past: Past, scale: Scale) -> Silence | None:
    """Silence where the last period has no value."""
    if np.isfinite(past.value[-1]):
        return None
    reads = "share" if scale is Scale.FRACTION else "value"
    return Silence(because=f"{when(past)} there is no {reads} to judge.")


def columns(past: Past, **more: Sequence[float]) -> dict[str, Any]:
    """The periods behind a reading, the latest of them, for a chart."""
    latest = slice(-SHOWN, None)
    found: dict[str, Any] = {"startOn": [day.isoformat() for day in past.start_on[latest]]}
    for name, values in {"value": past.value.tolist(), **more}.items():
        found[name] = [value if np.isfinite(value) else None for value in list(values)[latest]]
    return found

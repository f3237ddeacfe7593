"""What every kind of KPI offers, and the two shapes in which its aggregates come.

A unit's window opens when it is exposed and counts in periods of 24 hours. A cohort is the units of one UTC day; its
age at a snapshot (midnight) is the number of whole periods that *every* unit of it has been observed. A cohort counts
once its age covers the window, so each unit counts once, when it is final, and any past snapshot is a prefix of the
cohorts.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kpi.ingest import is_text
from stats.arrays import Numbers
from stats.comoments import CoMoments
from stats.moments import Moments
from stats.results import Comparisons

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Between: TypeAlias = Callable[[str, Mapping[str, int], int, int], str]
"""SQL of whether the outcome `o` is an event, between two of the unit's days: `Kind.between`."""

LONGEST_WINDOW = 365
"""Days; a KPI that needs longer to become final cannot steer an experiment."""
LONGEST_CURVE = 90
"""Days of a curve beside a number: each is counted by itself, and a page draws no more."""


class Aggregate(StrEnum):
    """Which table a kind's units are summed into."""

    MOMENTS = "moments"
    DURATIONS = "durations"


class Scale(StrEnum):
    """How a value reads: as a share of units, as days, as a plain amount, or as a rate.

    A rate is a sum over another one of the same unit of measure, such as revenue over revenue. It reads as a percentage
    and is computed as an amount: 104 % may well be.
    """

    FRACTION = "FRACTION"
    DAYS = "DAYS"
    AMOUNT = "AMOUNT"
    RATE = "RATE"

    @property
    def is_amount(self) -> bool:
        """Whether its numbers know no bounds, and what they vary by does not follow from their level."""
        return self in (Scale.AMOUNT, Scale.RATE)

    @property
    def is_percentage(self) -> bool:
        """Whether its numbers are read in per cent, and their differences in percentage points."""
        return self in (Scale.FRACTION, Scale.RATE)


class CurveOf(StrEnum):
    """How a curve reads: who has done it by the end of each day since exposure, on each day, or on it or later."""

    REACHED = "REACHED"
    RETURNED = "RETURNED"
    REMAINED = "REMAINED"


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCurve:
    """Days since exposure, from 0, of which units are counted for a curve that is shown beside a KPI's number."""

    of: CurveOf
    days: range

    @property
    def is_whole(self) -> bool:
        """Whether no day is final before all are: who has remained is known only once nobody can come back."""
        return self.of is CurveOf.REMAINED


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How many units have which number: a row for each number of a cohort in a variant, in any order. Axes: (R).

    `question`, `variant` and `cohort` are places on the axes Q, V and C of the cohorts they are part of.
    """

    question: Ints
    variant: Ints
    cohort: Ints
    value: Floats
    n: Ints

    def at(self, place: int) -> "Counted":
        """The rows of one question, as of a single one."""
        own = self.question == place
        return Counted(
            question=np.zeros(int(own.sum()), np.int64),
            variant=self.variant[own],
            cohort=self.cohort[own],
            value=self.value[own],
            n=self.n[own],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohorts:
    """Aggregates of a KPI in a segment, or of many at once.

    Axes: any leading ones Q (KPIs and segments), variants V (the control first), cohorts C in day order, days D.
    """

    entered: Ints  # (..., V, C) units that entered
    moments: Moments | None = None  # (..., V, C)
    pairs: CoMoments | None = None  # (..., V, C) of the KPI and its covariate, or of numerator and denominator
    missing: Ints | None = None  # (..., V, C) units whose covariate is not known
    events: Ints | None = None  # (..., V, C, D)
    losses: Ints | None = None  # (..., V, C, D)
    counted: Counted | None = None


class Sample(Protocol):
    """KPIs in every variant at every snapshot; all arrays are (..., V, S)."""

    @property
    def n(self) -> Floats:
        """Units counted."""

    @property
    def successes(self) -> Floats:
        """Units that did what the KPI is about; all units, where it is an amount."""

    @property
    def censored(self) -> Floats:
        """Units counted that were not observed to the end: lost, or still without what the KPI waits for."""

    @property
    def value(self) -> Floats:
        """The KPI's value; NaN where there is no answer yet."""

    @property
    def variance(self) -> Floats:
        """The variance of the value (its standard error squared)."""

    def compare(self, *, alpha: Numbers) -> Comparisons:
        """Each variant but the control against the control: arrays (..., V - 1, S), to which alpha broadcasts."""


class Kind(ABC):
    """A way to measure a KPI; subclasses are frozen dataclasses of its parameters."""

    aggregate: ClassVar[Aggregate]
    has_denominator: ClassVar[bool] = False
    adds_up: ClassVar[bool] = True
    """Whether a unit's number adds up over units and entry days. Where not, how many units have which number is kept,
    and experiments compare the KPI once, at the planned end."""

    @property
    @abstractmethod
    def scale(self) -> Scale:
        """How its value reads."""

    @property
    @abstractmethod
    def events(self) -> tuple[str, ...]:
        """Names of the events it reads."""

    @property
    @abstractmethod
    def window(self) -> tuple[int, int]:
        """Days after exposure, from and until, in which an outcome counts; a unit is final after `until`."""

    @property
    def cap(self) -> float | None:
        """The most that one unit counts for; None without a cap."""
        return None

    @property
    def first_event(self) -> str | None:
        """The event that a unit is expected to do for the first time after its exposure; None where there is none."""
        return None

    @property
    def lookback_days(self) -> int:
        """Days before the exposure from which on outcomes may matter to the unit's number; 0 where none before does."""
        return 0

    @property
    @abstractmethod
    def alike(self) -> Hashable:
        """What kinds must share for their KPIs to be read and compared together."""

    @abstractmethod
    def per_unit(self, numbers: Mapping[str, int]) -> str:
        """SQL over one exposure `e` and its unit's outcomes `o`, some maybe before; `numbers` are the events' ids.

        For moments the unit's number. For durations where its observation ends: twice the day of the event, or twice
        the day of the loss plus one; null while it goes on.
        """

    def divided_by(self, numbers: Mapping[str, int]) -> str | None:
        """SQL as of `per_unit`: the unit's part of the sum that a ratio divides by; None where there is no such sum."""
        return None

    @property
    def curve(self) -> DayCurve | None:
        """The days that are counted beside the unit's number, in the table of durations; None: no day is."""
        return None

    def by_day(self, numbers: Mapping[str, int]) -> str:
        """SQL as of `per_unit`: the unit's days of `curve` as bits, the first bit for day 0; null without any.

        Raises ValueError for a kind that has no curve.
        """
        raise ValueError("units are counted by day for a share only")

    def within(self, event: str, numbers: Mapping[str, int]) -> str:
        """SQL: whether the outcome `o` is this event, inside the unit's window."""
        return self.between(event, numbers, *self.window)

    def between(self, event: str, numbers: Mapping[str, int], start: int, until: int) -> str:
        """SQL: whether the outcome `o` is this event, so many days after the exposure; below 0 before it."""
        since, end = (f" + interval '{24 * day:d} hours'" if day else "" for day in (start, until))
        # A number no event has: an event nobody has sent yet is one that has not happened.
        is_event = f"o.event_id = {numbers.get(event, -1):d}"
        bounds = f"o.occurred_at >= e.exposed_at{since}", f"o.occurred_at < e.exposed_at{end}"
        # The bound that takes no adding up is asked first: it costs less, and leaves little of what is before exposure.
        return " AND ".join([is_event, *sorted(bounds, key=len)])

    def day_of(self, event: str, numbers: Mapping[str, int], occurrence: int = 1) -> str:
        """SQL as of `per_unit`: the day of the unit's nth such event within its window, from 0; null without one."""
        only = f"FILTER (WHERE {self.within(event, numbers)})"
        first = f"min(o.occurred_at) {only}"
        if occurrence > 1:
            first = f"(array_agg(o.occurred_at ORDER BY o.occurred_at) {only})[{occurrence:d}]"
        # A difference of two timestamps counts whole 24 hours as days.
        return f"date_part('day', {first} - e.exposed_at)::int"

    @abstractmethod
    def read(self, cohorts: Cohorts, ages: Ints, until: Ints | None = None) -> Sample:
        """The KPI at each snapshot; `ages` (S, C) are the cohorts' ages there.

        With leading axes Q, KPIs of kinds like this one: `until` (Q) is the day on which each of their windows ends.
        """

    @abstractmethod
    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the parameters: field and sentence."""


def window_problem(field: str, days: int, shortest: int = 1) -> list[tuple[str, str]]:
    """A window's length must be a number of days that an experiment can wait for."""
    if shortest <= days <= LONGEST_WINDOW:
        return []
    return [(field, f"A window is between {shortest} and {LONGEST_WINDOW} days; {days} is not.")]


def curve_problem(has_curve: bool | None, days: int) -> list[tuple[str, str]]:
    """A curve has two days at least, and no more than a page can draw."""
    if not has_curve or 2 <= days <= LONGEST_CURVE:
        return []
    return [("hasCurve", f"A curve by day has 2 to {LONGEST_CURVE} days; {days} is not.")]


def event_problem(field: str, name: str | None) -> list[tuple[str, str]]:
    """An event's name is 1 to 200 characters of text, as an outcome's is."""
    if name is None or (1 <= len(name) <= 200 and is_text(name)):
        return []
    return [(field, "An event's name has 1 to 200 characters, all of them text.")]

"""Mean: an amount per unit, such as revenue, the number of sessions, days of use, or margin."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from kpi.kinds.moments import MomentSample, Number, prefix
from kpi.kinds.shape import Cohorts, Ints, Scale, event_problem, window_problem
from kpi.kinds.sums import added_up


class Of(StrEnum):
    """What is added up: the events' values or their average, the events, days with one, or different values."""

    VALUE = "VALUE"
    AVERAGE = "AVERAGE"
    COUNT = "COUNT"
    DAYS = "DAYS"
    DISTINCT = "DISTINCT"


class Amounts(Number):
    """A KPI with an amount a unit, compared by the means of both variants."""

    scale = Scale.AMOUNT

    @property
    def alike(self) -> str:
        """The method: means of any event and window go together."""
        return "welch"

    def read(self, cohorts: Cohorts, ages: Ints, until: Ints | None = None) -> MomentSample:
        """The mean at each snapshot."""
        return prefix(cohorts, ages, self.window[1] if until is None else until, self.alike)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean(Amounts):
    """The mean per unit of what `event` adds up to within `window_days`, each unit capped at `cap` if given.

    What `less_event` adds up to is taken off first: margin is revenue less cost.
    """

    event: str
    window_days: int
    of: Of = Of.VALUE
    cap: float | None = None
    less_event: str | None = None

    @property
    def events(self) -> tuple[str, ...]:
        """Names of the events it reads."""
        return (self.event,) if self.less_event is None else (self.event, self.less_event)

    @property
    def window(self) -> tuple[int, int]:
        """From exposure until the window closes."""
        return 0, self.window_days

    def amount(self, numbers: Mapping[str, int], start: int, until: int) -> str:
        """The unit's total, 0 when it did nothing."""
        total = added_up(self.of, self.between(self.event, numbers, start, until))
        if self.less_event is not None:
            total = f"({total} - {added_up(self.of, self.between(self.less_event, numbers, start, until))})"
        return at_most(self.cap, total)

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the parameters."""
        found = event_problem("event", self.event) + event_problem("lessEvent", self.less_event)
        if self.less_event == self.event:
            found.append(("lessEvent", "What is taken off must be another event than the one that is added up."))
        return found + window_problem("windowDays", self.window_days) + cap_problem(self.cap)


def at_most(cap: float | None, total: str) -> str:
    """SQL of a unit's total, which counts for so much at most."""
    return total if cap is None else f"least({total}, {float(cap)!r}::float8)"


def cap_problem(cap: float | None) -> list[tuple[str, str]]:
    """A cap is a positive number."""
    return [] if cap is None or (isfinite(cap) and cap > 0) else [("cap", "A cap is a positive number.")]

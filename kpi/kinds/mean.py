"""Mean: an amount per unit, such as revenue or the number of sessions."""

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import ClassVar

from kpi.kinds.moments import MomentSample, Number, prefix
from kpi.kinds.shape import Cohorts, Ints, Scale, event_problem, window_problem


class Of(StrEnum):
    """What is added up: the events' values, or the events themselves."""

    VALUE = "VALUE"
    COUNT = "COUNT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean(Number):
    """The mean per unit of what `event` adds up to within `window_days`, each unit capped at `cap` if given."""

    event: str
    window_days: int
    of: Of = Of.VALUE
    cap: float | None = None
    scale: ClassVar[Scale] = Scale.AMOUNT

    @property
    def events(self) -> tuple[str, ...]:
        """Names of the events it reads."""
        return (self.event,)

    @property
    def window(self) -> tuple[int, int]:
        """From exposure until the window closes."""
        return 0, self.window_days

    def amount(self, only: str) -> str:
        """The unit's total, 0 when it did nothing."""
        only = f"FILTER (WHERE {only})"
        total = f"coalesce(sum(o.value) {only}, 0)" if self.of == Of.VALUE else f"(count(*) {only})::float8"
        return total if self.cap is None else f"least({total}, {float(self.cap)!r}::float8)"

    @property
    def alike(self) -> str:
        """The method: means of any event and window go together."""
        return "welch"

    def read(self, cohorts: Cohorts, ages: Ints, until: Ints | None = None) -> MomentSample:
        """The mean at each snapshot."""
        return prefix(cohorts, ages, self.window[1] if until is None else until, self.alike)

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the parameters."""
        found = event_problem("event", self.event) + window_problem("windowDays", self.window_days)
        if self.cap is not None and not (isfinite(self.cap) and self.cap > 0):
            found.append(("cap", "A cap is a positive number."))
        return found

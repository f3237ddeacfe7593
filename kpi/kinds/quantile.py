"""Quantile: the amount that a given share of units stays below, such as the median number of sessions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kpi.kinds.mean import Of
from kpi.kinds.moments import MomentSample, Number
from kpi.kinds.shape import Cohorts, Ints, Scale, event_problem, window_problem
from kpi.kinds.sums import added_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile(Number):
    """The `quantile` of what `event` adds up to for each unit within `window_days`: 0.5 for the median.

    It is no sum over entry days, so it is measured outside experiments only.
    """

    event: str
    window_days: int
    quantile: float
    of: Of = Of.VALUE
    scale = Scale.AMOUNT
    adds_up: ClassVar[bool] = False

    @property
    def events(self) -> tuple[str, ...]:
        """Names of the events it reads."""
        return (self.event,)

    @property
    def window(self) -> tuple[int, int]:
        """From exposure until the window closes."""
        return 0, self.window_days

    def amount(self, numbers: Mapping[str, int], start: int, until: int) -> str:
        """The unit's total, 0 when it did nothing."""
        return added_up(self.of, self.between(self.event, numbers, start, until))

    @property
    def alike(self) -> str:
        """Quantiles of any share go together."""
        return "quantile"

    def read(self, cohorts: Cohorts, ages: Ints, until: Ints | None = None) -> MomentSample:
        """Raises ValueError: the moments of entry days say nothing of a quantile."""
        raise ValueError("a quantile is not made up of entry days")

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the parameters."""
        found = event_problem("event", self.event) + window_problem("windowDays", self.window_days)
        if not 0 < self.quantile < 1:
            found.append(("quantile", "A quantile is a share of units between 0 and 1: 0.5 for the median."))
        return found

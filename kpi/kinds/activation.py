"""Activation: the share of units that do something within a window."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kpi.kinds.moments import MomentSample, prefix
from kpi.kinds.shape import Aggregate, Cohorts, Ints, Kind, Scale, event_problem, window_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation(Kind):
    """The share of units with at least one `event` within `window_days` of exposure."""

    event: str
    window_days: int
    aggregate: ClassVar[Aggregate] = Aggregate.MOMENTS
    scale: ClassVar[Scale] = Scale.FRACTION

    @property
    def events(self) -> tuple[str, ...]:
        """Names of the events it reads."""
        return (self.event,)

    @property
    def window(self) -> tuple[int, int]:
        """From exposure until the window closes."""
        return 0, self.window_days

    def per_unit(self, numbers: Mapping[str, int]) -> str:
        """1 when the event happened, else 0."""
        return "(count(o.id) > 0)::int"

    def read(self, cohorts: Cohorts, ages: Ints) -> MomentSample:
        """The share at each snapshot."""
        return prefix(cohorts, ages, self.window[1], "proportions")

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the parameters."""
        return event_problem("event", self.event) + window_problem("windowDays", self.window_days)

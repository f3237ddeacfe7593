"""Retention: the share of units that come back on a given day."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kpi.kinds.moments import MomentSample, prefix
from kpi.kinds.shape import Aggregate, Cohorts, Ints, Kind, Scale, event_problem, window_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention(Kind):
    """Day-N retention: the share of units with an `event` in the 24 hours that begin `day` x 24 h after exposure."""

    event: str
    day: int
    aggregate: ClassVar[Aggregate] = Aggregate.MOMENTS
    scale: ClassVar[Scale] = Scale.FRACTION

    @property
    def events(self) -> tuple[str, ...]:
        """Names of the events it reads."""
        return (self.event,)

    @property
    def window(self) -> tuple[int, int]:
        """The 24 hours of the day that counts."""
        return self.day, self.day + 1

    def per_unit(self, numbers: Mapping[str, int]) -> str:
        """1 when the unit came back that day, else 0."""
        return "(count(o.id) > 0)::int"

    def read(self, cohorts: Cohorts, ages: Ints) -> MomentSample:
        """The share at each snapshot."""
        return prefix(cohorts, ages, self.window[1], "proportions")

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the parameters."""
        return event_problem("event", self.event) + window_problem("day", self.day)

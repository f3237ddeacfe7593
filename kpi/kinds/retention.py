"""Retention: the share of units that come back on a given day."""

from collections.abc import Mapping
from dataclasses import dataclass

from kpi.kinds.moments import Share
from kpi.kinds.shape import CurveOf, DayCurve, curve_problem, event_problem, window_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention(Share):
    """Day-N retention: the share of units with an `event` in the 24 hours that begin `day` x 24 h after exposure.

    With `has_curve` the share that came back on each day from 1 up to then is shown as well.
    """

    event: str
    day: int
    has_curve: bool | None = None

    @property
    def events(self) -> tuple[str, ...]:
        """Names of the events it reads."""
        return (self.event,)

    @property
    def window(self) -> tuple[int, int]:
        """The 24 hours of the day that counts."""
        return self.day, self.day + 1

    @property
    def curve(self) -> DayCurve | None:
        """Every day after that of the exposure, with the units that came back on it."""
        return DayCurve(of=CurveOf.RETURNED, days=range(1, self.day + 1)) if self.has_curve else None

    def by_day(self, numbers: Mapping[str, int]) -> str:
        """All days on which the unit came back."""
        day = f"set_bit(B'{'0' * (self.day + 1)}', date_part('day', o.occurred_at - e.exposed_at)::int, 1)"
        return f"bit_or({day}) FILTER (WHERE {self.between(self.event, numbers, 1, self.day + 1)})"

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the parameters."""
        window = window_problem("day", self.day) or curve_problem(self.has_curve, self.day)
        return event_problem("event", self.event) + window

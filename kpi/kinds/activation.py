"""Activation: the share of units that do something within a window."""

from collections.abc import Mapping
from dataclasses import dataclass

from kpi.kinds.moments import Share
from kpi.kinds.shape import CurveOf, DayCurve, curve_problem, event_problem, window_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation(Share):
    """The share of units with at least one `event` within `window_days` of exposure.

    With `has_curve` the share that has done it by each day up to then is shown as well.
    """

    event: str
    window_days: int
    has_curve: bool | None = None

    @property
    def events(self) -> tuple[str, ...]:
        """Names of the events it reads."""
        return (self.event,)

    @property
    def window(self) -> tuple[int, int]:
        """From exposure until the window closes."""
        return 0, self.window_days

    @property
    def curve(self) -> DayCurve | None:
        """Every day of the window, with the units that did it for the first time."""
        return DayCurve(of=CurveOf.REACHED, days=range(self.window_days)) if self.has_curve else None

    def by_day(self, numbers: Mapping[str, int]) -> str:
        """The one day on which the unit first did it."""
        return f"set_bit(B'{'0' * self.window_days}', {self.day_of(self.event, numbers)}, 1)"

    @property
    def first_event(self) -> str:
        """The event that counts."""
        return self.event

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the parameters."""
        window = window_problem("windowDays", self.window_days) or curve_problem(self.has_curve, self.window_days)
        return event_problem("event", self.event) + window

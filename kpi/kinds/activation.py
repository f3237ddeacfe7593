"""Activation: the share of units that do something within a window."""

from dataclasses import dataclass

from kpi.kinds.moments import Share
from kpi.kinds.shape import event_problem, window_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation(Share):
    """The share of units with at least one `event` within `window_days` of exposure."""

    event: str
    window_days: int

    @property
    def events(self) -> tuple[str, ...]:
        """Names of the events it reads."""
        return (self.event,)

    @property
    def window(self) -> tuple[int, int]:
        """From exposure until the window closes."""
        return 0, self.window_days

    @property
    def first_event(self) -> str:
        """The event that counts."""
        return self.event

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the parameters."""
        return event_problem("event", self.event) + window_problem("windowDays", self.window_days)

"""Retention: the share of units that come back on a given day."""

from dataclasses import dataclass

from kpi.kinds.moments import Share
from kpi.kinds.shape import event_problem, window_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention(Share):
    """Day-N retention: the share of units with an `event` in the 24 hours that begin `day` x 24 h after exposure."""

    event: str
    day: int

    @property
    def events(self) -> tuple[str, ...]:
        """Names of the events it reads."""
        return (self.event,)

    @property
    def window(self) -> tuple[int, int]:
        """The 24 hours of the day that counts."""
        return self.day, self.day + 1

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the parameters."""
        return event_problem("event", self.event) + window_problem("day", self.day)

"""Total: what all units add up to, such as support incidents or references given."""

from collections.abc import Mapping
from dataclasses import dataclass

from kpi.kinds.mean import Amounts, Of, at_most, cap_problem
from kpi.kinds.shape import event_problem, window_problem
from kpi.kinds.sums import added_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Total(Amounts):
    """What `event` adds up to within `window_days` over all units, each capped at `cap` if given.

    The variants of an experiment differ in size, so there it is compared as the amount per unit.
    """

    event: str
    window_days: int
    of: Of = Of.VALUE
    cap: float | None = None

    @property
    def events(self) -> tuple[str, ...]:
        """Names of the events it reads."""
        return (self.event,)

    @property
    def window(self) -> tuple[int, int]:
        """From exposure until the window closes."""
        return 0, self.window_days

    def amount(self, numbers: Mapping[str, int], start: int, until: int) -> str:
        """The unit's part of the total, 0 when it did nothing."""
        return at_most(self.cap, added_up(self.of, self.between(self.event, numbers, start, until)))

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the parameters."""
        window = window_problem("windowDays", self.window_days)
        return event_problem("event", self.event) + window + cap_problem(self.cap)

"""Retention: the share of units that come back: on a given day, on one of several, or on it or later."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kpi.kinds.moments import Share
from kpi.kinds.shape import LONGEST_WINDOW, CurveOf, DayCurve, curve_problem, event_problem, window_problem


class Form(StrEnum):
    """When a unit has come back: on the day itself, on it or later, or on any day of a bracket.

    ROLLING and BRACKET both end with a last day, so that a unit counts once, when it is final.
    """

    DAY = "DAY"
    ROLLING = "ROLLING"
    BRACKET = "BRACKET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention(Share):
    """The share of units with an `event` in the 24 hours that begin `day` x 24 h after exposure, or on a later day.

    By its `form` that day alone counts, or each from there up to and including `until_day`. With `has_curve` the share
    that came back on each day from 1 up to the last is shown as well; of a ROLLING one, on each day or later.
    """

    event: str
    day: int
    has_curve: bool | None = None
    form: Form = Form.DAY
    until_day: int | None = None

    @property
    def events(self) -> tuple[str, ...]:
        """Names of the events it reads."""
        return (self.event,)

    @property
    def window(self) -> tuple[int, int]:
        """The days that count."""
        return self.day, (self.day if self.until_day is None else self.until_day) + 1

    @property
    def curve(self) -> DayCurve | None:
        """Every day after that of the exposure, with the units that came back on it, or on it or later."""
        of = CurveOf.REMAINED if self.form is Form.ROLLING else CurveOf.RETURNED
        return DayCurve(of=of, days=range(1, self.window[1])) if self.has_curve else None

    def by_day(self, numbers: Mapping[str, int]) -> str:
        """All days on which the unit came back; of a rolling one all up to the last of them."""
        end = self.window[1]
        only = f"FILTER (WHERE {self.between(self.event, numbers, 1, end)})"
        if self.form is Form.ROLLING:
            last = f"date_part('day', max(o.occurred_at) {only} - e.exposed_at)::int"
            return f"('0' || repeat('1', {last}) || repeat('0', {end - 1} - {last}))::varbit"
        return f"bit_or(set_bit(B'{'0' * end}', date_part('day', o.occurred_at - e.exposed_at)::int, 1)) {only}"

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the parameters."""
        window = window_problem("day", self.day) or self._last_problem() or curve_problem(self.has_curve, self._last)
        return event_problem("event", self.event) + window

    @property
    def _last(self) -> int:
        return self.window[1] - 1

    def _last_problem(self) -> list[tuple[str, str]]:
        if self.form is Form.DAY:
            sentence = "Retention on one day has no last day; a ROLLING or BRACKET one does."
            return [] if self.until_day is None else [("untilDay", sentence)]
        if self.until_day is None:
            return [("untilDay", "A ROLLING or BRACKET retention needs its last day, so that a unit can be final.")]
        if self.day < self.until_day <= LONGEST_WINDOW:
            return []
        return [("untilDay", f"The last day comes after day {self.day} and is {LONGEST_WINDOW} at most.")]

"""A value beyond a limit, with hysteresis; for sure, or as measured."""

from dataclasses import dataclass
from math import isfinite

from kpi.alerts.conditions.shape import (
    Condition,
    Facts,
    Past,
    Reading,
    Silence,
    columns,
    measured,
    run_length_problems,
    told,
    when,
)
from kpi.enums import AlertKind, Side
from kpi.history.sums import limits
from kpi.kinds.shape import Scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold(Condition):
    """Raised beyond `limit`, cleared only within `clear`, which is the limit or better.

    With `run_length` it is raised only where the period's one-sided interval of level 1 - 1 / run_length excludes the
    limit: a KPI whose true value is at the limit raises it once in `run_length` periods at most. Looking at every
    period adds the chances up and no more, so within T periods the chance is T / run_length at most (Boole).
    """

    kind = AlertKind.THRESHOLD
    side: Side
    limit: float
    clear: float | None = None
    run_length: float | None = None

    def problems(self, scale: Scale) -> list[tuple[str, str]]:
        """The way back is on the good side, and a share lies between 0 and 1."""
        found = [] if self.run_length is None else run_length_problems(self.run_length)
        for name, number in (("limit", self.limit), ("clear", self._clear)):
            if not isfinite(number):
                found.append((name, "A limit is a number."))
            elif scale is Scale.FRACTION and not 0 <= number <= 1:
                found.append((name, "This KPI is a share of units: its limits are fractions from 0 to 1."))
        if self._beyond(self._clear) > 0:
            found.append(("clear", f"What clears an alert {self.side.lower()} a limit is the limit, or better."))
        return found

    def judge(self, past: Past, facts: Facts) -> Reading | Silence:
        """Hold the period's value, or the near end of its interval, against the limit."""
        if (silence := measured(past, facts.scale)) is not None:
            return silence
        value = float(past.value[-1])
        near = value if self.run_length is None else self._near(past, facts.scale, 2 / self.run_length)
        if not isfinite(near):
            return Silence(because=f"{when(past)} the value has no interval to hold against the limit.")
        sure = "" if self.run_length is None else ", more than chance explains"
        return Reading(
            value=value,
            limit=self.limit,
            is_beyond=self._beyond(near) > 0,
            is_within=self.side.sign * (value - self._clear) <= 0,
            sentence=f"{when(past)} it was {told(value, facts.scale)}, {self.side.lower()} the limit of"
            f" {told(self.limit, facts.scale)}{sure}.",
            evidence={"nearEnd": near, "n": int(past.n[-1]), "periods": columns(past)},
        )

    @property
    def _clear(self) -> float:
        return self.limit if self.clear is None else self.clear

    def _beyond(self, value: float) -> float:
        return self.side.sign * (value - self.limit)

    def _near(self, past: Past, scale: Scale, alpha: float) -> float:
        """The end of the interval that is nearer to the good side."""
        n, value, error = (float(part[-1]) for part in (past.n, past.value, past.standard_error))
        lower, upper = limits(scale, n, value, error**2, alpha)
        return float(lower if self.side is Side.ABOVE else upper)

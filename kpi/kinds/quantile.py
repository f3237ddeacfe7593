"""Quantile: the amount that a given share of units stays below, such as the median number of sessions.

Kept are counts of units by their rounded numbers, which merge over entry days exactly.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kpi.kinds.mean import Of
from kpi.kinds.moments import Number, latest
from kpi.kinds.shape import Cohorts, Counted, Floats, Ints, Scale, event_problem, window_problem
from kpi.kinds.sums import added_up
from stats import quantiles
from stats.arrays import Mask, Numbers
from stats.quantiles import Quantiles
from stats.results import Comparisons

DIGITS = 4
"""Significant digits of a number that a quantile is told from: it is off by one part in 2,000 at most."""
ROUNDED = """CASE WHEN {number} = 0 THEN 0
    ELSE round(({number})::numeric, {digits} - 1 - floor(log(abs({number})::float8))::int)::float8 END"""
"""The logarithm is a float's, which costs nothing: just below a power of ten it may be one too high, and the number is
rounded to that power either way."""
ALPHA = 0.05
"""At which the limits are taken whose width is the standard error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantileSample:
    """Quantiles (..., V, S) of `n` units, with the limits of their order statistics."""

    n: Floats
    quantiles: Quantiles

    @property
    def successes(self) -> Floats:
        """All units: the number of each is an amount."""
        return self.n

    @property
    def censored(self) -> Floats:
        """None: a unit counts when its window has closed."""
        return np.zeros_like(self.n)

    @property
    def value(self) -> Floats:
        """The quantile; NaN before the first unit is final."""
        return self.quantiles.value

    @property
    def variance(self) -> Floats:
        """By the width of the limits; NaN without them."""
        found = self.quantiles.variance
        return np.where(np.isfinite(found), found, np.nan)

    def compare(self, *, alpha: Numbers) -> Comparisons:
        """Each variant but the control against the control: arrays (..., V - 1, S)."""
        return quantiles.compare(self.quantiles[..., :1, :], self.quantiles[..., 1:, :], alpha=alpha)


def rounded(number: str) -> str:
    """SQL of a unit's number to as many digits as are kept."""
    return ROUNDED.format(number=number, digits=DIGITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile(Number):
    """The `quantile` of what `event` adds up to for each unit within `window_days`: 0.5 for the median.

    It is no sum over entry days, and its difference holds at one look only: experiments compare it at their end.
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
    def alike(self) -> tuple[str, float]:
        """The method and the share."""
        return "quantile", self.quantile

    def read(self, cohorts: Cohorts, ages: Ints, until: Ints | None = None) -> QuantileSample:
        """The quantile at each snapshot, of all units that are final together."""
        if cohorts.counted is None:
            raise ValueError("these cohorts hold no counts of numbers")
        *arms, variants, width = cohorts.entered.shape
        shape = (*arms, variants, len(ages))
        last, is_any = (
            np.broadcast_to(part, shape).reshape(-1, len(ages))
            for part in latest(ages, self.window[1] if until is None else until)
        )
        found = np.full((4, *last.shape), np.nan)
        found[0] = 0.0
        for arm, rows in _arms(cohorts.counted, variants):
            found[:, arm] = self._of_arm(rows, width, last[arm], is_any[arm])
        n, value, lower, upper = found.reshape(4, *shape)
        return QuantileSample(n=n, quantiles=Quantiles(value=value, lower=lower, upper=upper, alpha=ALPHA))

    def _of_arm(self, rows: Counted, cohorts: int, last: Ints, is_any: Mask) -> Floats:
        """n, quantile and limits (4, S) of one variant, from its rows."""
        values, place = np.unique(rows.value, return_inverse=True)
        counts = np.bincount(place * cohorts + rows.cohort, rows.n, values.size * cohorts).reshape(values.size, cohorts)
        seen = np.where(is_any, counts.cumsum(axis=-1)[:, last], 0.0).T
        found = Quantiles.from_counts(values, seen, self.quantile, alpha=ALPHA)
        return np.stack((seen.sum(axis=-1), found.value, found.lower, found.upper))

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the parameters."""
        found = event_problem("event", self.event) + window_problem("windowDays", self.window_days)
        if not 0 < self.quantile < 1:
            found.append(("quantile", "A quantile is a share of units between 0 and 1: 0.5 for the median."))
        return found


def _arms(counted: Counted, variants: int) -> Iterator[tuple[int, Counted]]:
    """The rows of each variant that has any, with its place among the variants of all questions."""
    number = counted.question * variants + counted.variant
    order = np.argsort(number, kind="stable")
    arms, starts = np.unique(number[order], return_index=True)
    columns = ("question", "variant", "cohort", "value", "n")
    for arm, own in zip(arms.tolist(), np.split(order, starts[1:])[: arms.size], strict=True):
        yield arm, Counted(**{name: getattr(counted, name)[own] for name in columns})

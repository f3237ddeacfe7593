"""The share of units that have not had the event yet, by day.

Kaplan & Meier (1958), JASA 53; variance by Greenwood (1926); interval on the scale of log(-log S), which stays within
0 and 1 (Kalbfleisch & Prentice 1980).
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Codes, Mask, Numbers, divide, numbers
from stats.distributions import critical_z
from stats.results import Reason, Undefined, reason_codes, reason_of
from stats.survival.counts import LifeTable

HALF = 0.5
TOLERANCE = float(np.sqrt(np.finfo(np.float64).eps))  # R's, for "exactly a half" after many products


@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """The curve at times 1, 2, ..., D (last axis); at time 0 it is 1.

    NaN from the first day on that nobody was at risk. The variance and limits are NaN also at S = 0, and the limits at
    S = 1, where the interval does not exist.

    >>> from stats.survival.counts import life_table
    >>> found = estimate(life_table([10], [[2, 4]], [[0, 0]], [2]), level=0.95)
    >>> found.survival.round(3).tolist(), found.variance.round(3).tolist()
    ([0.8, 0.4], [0.016, 0.024])
    """

    survival: Array
    variance: Array
    lower: Array
    upper: Array
    level: Array  # broadcasts against the others


@dataclass(frozen=True, slots=True, kw_only=True)
class Medians:
    """The day by which half of the units have had the event; NaN with a reason where that day is not known.

    >>> from stats.survival.counts import life_table
    >>> median(estimate(life_table([10], [[2, 1]], [[0, 0]], [2]), level=0.95)).at()
    Undefined(reason=<Reason.NOT_REACHED: 'not_reached'>)
    """

    day: Array
    reason: Codes

    def at(self, *index: int) -> float | Undefined:
        """One cell as a plain number."""
        reason = reason_of(int(self.reason[index]))
        return Undefined(reason=reason) if reason else float(self.day[index])


def estimate(table: LifeTable, *, level: Numbers) -> Survival:
    """The curve with limits that cover the truth at each single day with probability `level`, which broadcasts.

    >>> from stats.survival.counts import life_table
    >>> found = estimate(life_table([10], [[2, 4]], [[0, 0]], [2]), level=0.95)
    >>> found.lower.round(3).tolist(), found.upper.round(3).tolist()
    ([0.409, 0.123], [0.946, 0.67])
    """
    survival, spread = curve(table), _greenwood(table)
    inside = np.where((survival > 0) & (survival < 1), survival, np.nan)
    log = np.log(inside)
    stretch = np.exp(critical_z(1 - numbers(level)) * np.sqrt(spread) / log)  # 1 at most, for the logarithm is negative
    return Survival(
        survival=survival,
        variance=np.square(np.where(survival > 0, survival, np.nan)) * spread,
        lower=np.exp(log / stretch),
        upper=np.exp(log * stretch),
        level=numbers(level),
    )


def curve(table: LifeTable) -> Array:
    """S at times 1 to D: the product of the shares that stay, NaN once nobody is at risk while S > 0.

    >>> from stats.survival.counts import life_table
    >>> curve(life_table([10], [[2, 3]], [[2, 0]], [2])).round(3).tolist()
    [0.8, 0.4]
    """
    staying = np.where(table.at_risk > 0, 1 - divide(table.events, table.at_risk), 1.0)
    survival = np.cumprod(staying, axis=-1)
    return np.where(unwatched(table) & (survival > 0), np.nan, survival)


def unwatched(table: LifeTable) -> Mask:
    """The duration days from the first one on at which nobody was at risk.

    >>> from stats.survival.counts import life_table
    >>> unwatched(life_table([10], [[2, 3]], [[0, 0]], [1])).tolist()
    [False, True]
    """
    return np.logical_or.accumulate(table.at_risk <= 0, axis=-1)


def median(survival: Survival) -> Medians:
    """The first day with S <= 0.5; where S is exactly 0.5 for a while, the middle of that while, as in R's survival.

    >>> from stats.survival.counts import life_table
    >>> median(estimate(life_table([10], [[2, 4]], [[0, 0]], [2]), level=0.95)).at()
    2.0
    """
    s = survival.survival
    days = np.arange(1.0, s.shape[-1] + 1)
    reached = s < HALF + TOLERANCE
    first = _first(reached, days)
    level = np.take_along_axis(s, reached.argmax(axis=-1)[..., np.newaxis], axis=-1)
    later = _first(reached & (s < level), days)
    midpoint = (np.abs(level[..., 0] - HALF) < TOLERANCE) & ~np.isnan(later)
    reason = reason_codes(
        (np.isnan(s[..., 0]), Reason.INSUFFICIENT_DATA),
        (np.isnan(first), Reason.NOT_REACHED),
    )
    return Medians(day=np.where(midpoint, (first + later) / 2, first), reason=reason)


def _first(holds: Mask, days: Array) -> Array:
    """The first day (last axis) on which it holds, NaN if on none."""
    return np.where(holds.any(axis=-1), days[holds.argmax(axis=-1)], np.nan)


def _greenwood(table: LifeTable) -> Array:
    """The running sum of d / (y (y - d)): the squared relative error of S, NaN after all at risk had the event."""
    terms = divide(table.events, table.at_risk * (table.at_risk - table.events))
    return np.cumsum(terms, axis=-1)

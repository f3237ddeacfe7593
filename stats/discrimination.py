"""How well a score tells those apart to whom something happened later from those to whom it did not.

The area under the ROC curve is the chance that, of one of each drawn at random, the score puts the right one first; a
tie counts half. Its variance is that of DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44, from the places of each
group's scores among the other's.

The interval is Agresti & Caffo's (2000), The American Statistician 54, whose two shares are areas of a score with two
values: each group is given one unit more with the highest score that was seen and one with the lowest, and the normal
interval is made of these. So it is right also where few are cases, or hardly any of them is out of place, which leaves
too small a variance to the interval on the log-odds that is often taken.
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Numbers, numbers
from stats.distributions import critical_z
from stats.results import Interval, Reason

FEWEST = 10
"""Of either group: below it, one more or less moves the answer by too much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrimination:
    """The area under the curve, its standard error, and its interval, whose middle lies nearer to a half."""

    auc: float | None
    standard_error: float | None = None
    interval: Interval | None = None
    reason: Reason | None = None


def discrimination(cases: Numbers, others: Numbers, *, alpha: float) -> Discrimination:
    """The chance that a score is higher in a case than in another one, from the scores (n,) and (m,) of both groups.

    Undefined for fewer than `FEWEST` in either, and without an interval where all scores are alike. Raises ValueError
    for scores that are not finite.

    >>> found = discrimination(range(5, 25), range(20), alpha=0.05)
    >>> round(found.auc, 4), round(found.standard_error, 4), round(found.interval.lower, 4)
    (0.7188, 0.0804, 0.5272)
    """
    x, y = numbers(cases), numbers(others)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("scores are finite numbers")
    if min(x.size, y.size) < FEWEST:
        return Discrimination(auc=None, reason=Reason.INSUFFICIENT_DATA)
    auc, variance = _area(x, y, ddof=1)
    extremes = _extremes(x, y)
    if extremes[0] == extremes[1]:
        return Discrimination(auc=auc, reason=Reason.ZERO_VARIANCE)
    middle, spread = _area(np.append(x, extremes), np.append(y, extremes), ddof=0)
    half = float(critical_z(alpha)) * spread**0.5
    interval = Interval(lower=max(0.0, middle - half), upper=min(1.0, middle + half), level=1 - alpha)
    return Discrimination(auc=auc, standard_error=variance**0.5, interval=interval)


def _area(x: Array, y: Array, *, ddof: int) -> tuple[float, float]:
    """The area, and the variance of it."""
    of_cases, of_others = _placements(x, y), 1 - _placements(y, x)
    return float(of_cases.mean()), float(of_cases.var(ddof=ddof) / x.size + of_others.var(ddof=ddof) / y.size)


def _extremes(x: Array, y: Array) -> Array:
    """The lowest and the highest score that either group has."""
    return np.array([min(x.min(), y.min()), max(x.max(), y.max())])


def _placements(x: Array, y: Array) -> Array:
    """Of each of x the share of y that lies below it, ties half."""
    ordered = np.sort(y)
    return (np.searchsorted(ordered, x, "left") + np.searchsorted(ordered, x, "right")) / (2 * y.size)

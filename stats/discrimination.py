"""How well a score tells those apart to whom something happened later from those to whom it did not.

The area under the ROC curve is the chance that, of one of each drawn at random, the score puts the right one first; a
tie counts half. Its variance is that of DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44, from the places of each
group's scores among the other's. The interval is normal on the log-odds, so that it stays within 0 and 1 (Pepe 2003,
The Statistical Evaluation of Medical Tests for Classification and Prediction, section 5.2).
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
    """The area under the curve, its standard error, and its interval; None where `reason` stands instead."""

    auc: float | None
    standard_error: float | None = None
    interval: Interval | None = None
    reason: Reason | None = None


def discrimination(cases: Numbers, others: Numbers, *, alpha: float) -> Discrimination:
    """The chance that a score is higher in a case than in another one, from the scores (n,) and (m,) of both groups.

    Undefined for fewer than `FEWEST` in either. Where the score parts both groups without fault there is no variance to
    make an interval of. Raises ValueError for scores that are not finite.

    >>> found = discrimination(range(5, 25), range(20), alpha=0.05)
    >>> round(found.auc, 4), round(found.standard_error, 4), round(found.interval.lower, 4)
    (0.7188, 0.0804, 0.5397)
    """
    x, y = numbers(cases), numbers(others)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("scores are finite numbers")
    if min(x.size, y.size) < FEWEST:
        return Discrimination(auc=None, reason=Reason.INSUFFICIENT_DATA)
    of_cases, of_others = _placements(x, y), 1 - _placements(y, x)
    auc = float(of_cases.mean())
    variance = float(of_cases.var(ddof=1) / x.size + of_others.var(ddof=1) / y.size)
    if not 0 < auc < 1 or variance == 0:
        return Discrimination(auc=auc, reason=Reason.ZERO_VARIANCE)
    error = variance**0.5
    return Discrimination(auc=auc, standard_error=error, interval=_interval(auc, error, alpha))


def _placements(x: Array, y: Array) -> Array:
    """Of each of x the share of y that lies below it, ties half."""
    ordered = np.sort(y)
    return (np.searchsorted(ordered, x, "left") + np.searchsorted(ordered, x, "right")) / (2 * y.size)


def _interval(auc: float, error: float, alpha: float) -> Interval:
    odds = np.log(auc / (1 - auc))
    half = float(critical_z(alpha)) * error / (auc * (1 - auc))
    lower, upper = (float(1 / (1 + np.exp(-end))) for end in (odds - half, odds + half))
    return Interval(lower=lower, upper=upper, level=1 - alpha)

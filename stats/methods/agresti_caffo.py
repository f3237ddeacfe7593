"""Difference of two proportions after adding one success and one failure to each arm: simple, and good for few units.

Agresti & Caffo (2000), "Simple and effective confidence intervals for proportions and differences of proportions
result from adding two successes and two failures", The American Statistician 54, 280-288.
"""

import numpy as np

from stats.arrays import Array, Numbers, divide
from stats.distributions import critical_z, level_of, normal_cdf
from stats.methods.successes import successes
from stats.moments import Moments
from stats.results import Comparisons, Reason, reason_codes

METHOD = "Agresti-Caffo interval and test"


def compare(control: Moments, treatment: Moments, *, alpha: Numbers, null: float = 0.0) -> Comparisons:
    """Treatment minus control of shares of units, from moments of 0/1 values; the arrays broadcast.

    `difference` is the observed one; test, interval and `variance` rest on the shares with the units added, so that the
    interval lies around a difference somewhat closer to zero. Limits beyond -1 and 1 are cut off. Undefined only for an
    empty arm. Raises ValueError for a mean outside [0, 1] and an alpha outside (0, 1).

    >>> found = compare(Moments.of_proportion(3, 10), Moments.of_proportion(9, 10), alpha=0.05).at()
    >>> print(f"{found.interval.lower:.4f} to {found.interval.upper:.4f}")
    0.1600 to 0.8400
    """
    won, won_variance = _with_added_units(control)
    tried, tried_variance = _with_added_units(treatment)
    difference = divide(successes(treatment), treatment.n) - divide(successes(control), control.n)
    reason = reason_codes((np.isnan(difference), Reason.INSUFFICIENT_DATA))
    variance = np.where(reason == 0, won_variance + tried_variance, np.nan)
    statistic = (tried - won - null) / np.sqrt(variance)
    margin = critical_z(alpha) * np.sqrt(variance)
    return Comparisons(
        difference=difference,
        variance=variance,
        statistic=statistic,
        p_value=2 * normal_cdf(-np.abs(statistic)),
        lower=np.clip(tried - won - margin, -1.0, 1.0),
        upper=np.clip(tried - won + margin, -1.0, 1.0),
        level=level_of(alpha),
        reason=reason,
        method=METHOD,
    )


def _with_added_units(arm: Moments) -> tuple[Array, Array]:
    """The share with one success and one failure added, and its variance."""
    n = arm.n + 2
    share = (successes(arm) + 1) / n
    return share, share * (1 - share) / n

"""Difference of two proportions.

Test: the score statistic of Miettinen & Nurminen (1985), Statistics in Medicine 4, at a difference of zero and without
their factor N/(N-1), which is the classical pooled z. Interval: Newcombe (1998), Statistics in Medicine 17, method 10,
from Wilson's limits of each proportion. The two rest on different variances, so close to the threshold one may say
yes and the other no.
"""

import numpy as np

from stats.arrays import Array, Numbers, divide
from stats.distributions import critical_z, level_of, normal_cdf
from stats.moments import Moments
from stats.results import Comparisons, Reason, reason_codes

METHOD = "Pooled score z-test, Newcombe interval"
ROUNDING = 1e-9  # how far beyond 0 or 1 a merged mean of 0/1 values may be


def compare(control: Moments, treatment: Moments, *, alpha: Numbers, null: float = 0.0) -> Comparisons:
    """Treatment minus control of shares of units, from moments of 0/1 values; the arrays broadcast.

    `variance` is the unpooled one, as the sequential kernel needs it. Undefined for an empty arm, and where all units
    of both arms agree. Raises ValueError for a mean outside [0, 1] and for a null other than 0.

    >>> control, treatment = Moments.of_proportion(100, 1000), Moments.of_proportion(130, 1000)
    >>> found = compare(control, treatment, alpha=0.05).at()
    >>> round(found.difference, 2), round(found.p_value, 4)
    (0.03, 0.0355)
    >>> round(found.interval.lower, 4), round(found.interval.upper, 4)
    (0.002, 0.0581)
    """
    if null:
        raise ValueError("two proportions are compared against a difference of zero only")
    won, tried = _share(control), _share(treatment)
    difference = tried - won
    pooled = divide(control.n * won + treatment.n * tried, control.n + treatment.n)
    pooled_variance = pooled * (1 - pooled) * (divide(1.0, control.n) + divide(1.0, treatment.n))
    reason = reason_codes(
        (np.isnan(difference), Reason.INSUFFICIENT_DATA),
        (pooled_variance == 0, Reason.ZERO_VARIANCE),
    )
    statistic = difference / np.sqrt(np.where(reason == 0, pooled_variance, np.nan))
    lower, upper = _newcombe(won, control.n, tried, treatment.n, alpha)
    return Comparisons(
        difference=difference,
        variance=divide(won * (1 - won), control.n) + divide(tried * (1 - tried), treatment.n),
        statistic=statistic,
        p_value=2 * normal_cdf(-np.abs(statistic)),
        lower=np.where(reason == 0, lower, np.nan),
        upper=np.where(reason == 0, upper, np.nan),
        level=level_of(alpha),
        reason=reason,
        method=METHOD,
    )


def _share(arm: Moments) -> Array:
    if np.any(arm.mean < -ROUNDING) or np.any(arm.mean > 1 + ROUNDING):
        raise ValueError("the mean of 0/1 values lies between 0 and 1")
    return np.clip(arm.mean, 0.0, 1.0)


def _newcombe(won: Array, n: Array, tried: Array, m: Array, alpha: Numbers) -> tuple[Array, Array]:
    control_lower, control_upper = wilson(won, n, alpha)
    lower, upper = wilson(tried, m, alpha)
    below = np.hypot(tried - lower, control_upper - won)
    above = np.hypot(upper - tried, won - control_lower)
    return tried - won - below, tried - won + above


def wilson(share: Array, n: Array, alpha: Numbers) -> tuple[Array, Array]:
    """The limits of one proportion by Wilson (1927), JASA 22, from the share of `n` units; the arrays broadcast.

    >>> lower, upper = wilson(np.array(0.1), np.array(20.0), 0.05)
    >>> round(float(lower), 4), round(float(upper), 4)
    (0.0279, 0.301)
    """
    q = critical_z(alpha)
    middle = n * share + q**2 / 2
    spread = q * np.sqrt(n * share * (1 - share) + q**2 / 4)
    return (middle - spread) / (n + q**2), (middle + spread) / (n + q**2)

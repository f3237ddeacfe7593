"""How many units a test needs, per arm, to find a difference of a given size with a given probability.

For proportions the form of R's power.prop.test (variance pooled under the null); for means the exact t test of R's
power.t.test. A significant difference in the wrong direction does not count as found.
"""

import numpy as np

from stats.arrays import Array, Numbers, numbers
from stats.distributions import critical_z, noncentral_t_cdf, normal_quantile, t_quantile

FEWEST = 2.0  # a variance needs two units


def information(difference: Numbers, *, alpha: float, power: float) -> Array:
    """The information (one over the variance of the estimated difference) that a fixed two-sided test needs.

    >>> information(0.02, alpha=0.05, power=0.8).round().item()
    19622.0
    """
    return np.square((critical_z(alpha) + _power_z(power)) / _nonzero(difference))


def units_per_arm_proportion(p0: Numbers, p1: Numbers, alpha: float, power: float) -> Array:
    """Units per arm to tell the share p1 from the share p0 (Fleiss, Levin & Paik 2003, section 4.2).

    >>> units_per_arm_proportion(0.10, 0.12, 0.05, 0.8).round(1).item()
    3840.8
    """
    before, after = numbers(p0), numbers(p1)
    if np.any(np.minimum(before, after) < 0) or np.any(np.maximum(before, after) > 1):
        raise ValueError("a share lies between 0 and 1")
    middle = (before + after) / 2
    under_null = critical_z(alpha) * np.sqrt(2 * middle * (1 - middle))
    under_alternative = _power_z(power) * np.sqrt(before * (1 - before) + after * (1 - after))
    return np.square((under_null + under_alternative) / _nonzero(after - before))


def units_per_arm_mean(sd: Numbers, difference: Numbers, alpha: float, power: float) -> Array:
    """Units per arm to find a difference of means with Student's t, both arms having the standard deviation sd.

    Not below two. Raises ValueError for an sd that is not positive.

    >>> units_per_arm_mean(1.0, 0.5, 0.05, 0.8).round(2).item()
    63.77
    """
    spread = numbers(sd)
    if not np.all(spread > 0):
        raise ValueError("a standard deviation is positive")
    effect = np.abs(_nonzero(difference)) / spread
    known_variance = 2 * np.square((critical_z(alpha) + _power_z(power)) / effect)
    return _smallest(effect, alpha, power, known_variance)


def _smallest(effect: Array, alpha: float, power: float, known_variance: Array) -> Array:
    """The n at which the t test reaches the power, by bisection from the n for a known variance, which is below it."""
    low = np.maximum(known_variance, FEWEST)
    high = low + 4 * FEWEST + critical_z(alpha) ** 2
    for _ in range(60):  # halves the bracket to below the spacing of floats
        middle = (low + high) / 2
        enough = _t_power(effect, middle, alpha) >= power
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


def _t_power(effect: Array, n: Array, alpha: float) -> Array:
    """The probability of a significant difference in the true direction (R's default)."""
    df = 2 * (n - 1)
    return 1 - noncentral_t_cdf(df, effect * np.sqrt(n / 2), -t_quantile(df, alpha / 2))


def _power_z(power: float) -> float:
    if not 0 < power < 1:
        raise ValueError(f"power lies between 0 and 1, not at {power}")
    return float(normal_quantile(power))


def _nonzero(difference: Numbers) -> Array:
    size = numbers(difference)
    if np.any(size == 0):
        raise ValueError("no number of units finds a difference of zero")
    return size

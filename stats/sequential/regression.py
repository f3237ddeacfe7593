"""The kernel for few units, where the variance itself is uncertain: exact for the regression of normal values.

Lindon, Ham, Tingley & Bojinov, "Anytime-valid linear models and regression adjusted causal inference in randomized
experiments", arXiv 2210.08589. t is the statistic of the treatment's coefficient in a linear regression, with or
without covariates. Its evidence is the ratio of two Student densities, one of them sqrt((g + n) / g) times as wide; in
the limit of many units it is the kernel of `confidence_sequence` with tau2 / variance = n / g. The authors' software
takes g = 1, which is far from narrow; `tuning` gives the g for a planned number of units.
"""

import numpy as np

from stats.arrays import Array, Numbers, divide, numbers
from stats.distributions import level_of
from stats.sequential import confidence_sequence as kernel


def tuning(planned_n: Numbers, alpha: float) -> Array:
    """The g of the narrowest interval at planned_n units of both arms together: fixed before the data.

    Raises ValueError unless planned_n is positive and 0 < alpha < 1.

    >>> tuning(5000, 0.05).round(1).item()
    630.0
    """
    units = numbers(planned_n)
    if not np.all(units > 0):
        raise ValueError("an experiment is planned for some units")
    return np.asarray(units / kernel.tuning(alpha))


def log_e_value(
    difference: Numbers, variance: Numbers, *, df: Numbers, n: Numbers, g: Numbers, null: Numbers = 0.0
) -> Array:
    """The logarithm of the evidence against the null; all arrays broadcast.

    `difference` and `variance` are the coefficient and its squared standard error, with the residual variance on `df`
    degrees of freedom (n units less the coefficients). NaN where the variance or df is not positive. Raises ValueError
    unless g is positive.

    >>> log_e_value(0.4, 0.01, df=198, n=200, g=25).round(3).item()
    5.744
    """
    known = np.where(numbers(variance) > 0, numbers(variance), np.nan)
    degrees = _positive(df)
    t2 = np.square(numbers(difference) - numbers(null)) / known / degrees
    kept = _kept(n, g)
    return np.asarray(np.log(kept) / 2 + (degrees + 1) / 2 * (np.log1p(t2) - np.log1p(kept * t2)))


def half_width(variance: Numbers, *, df: Numbers, n: Numbers, g: Numbers, alpha: float) -> Array:
    """Half the width of the always-valid interval; infinite while the units are too few for any, NaN as above.

    >>> half_width(0.01, df=198, n=200, g=tuning(200, 0.05), alpha=0.05).round(4).item()
    0.3067
    """
    level_of(alpha)
    degrees, kept = _positive(df), _kept(n, g)
    reached = np.exp((2 * np.log(alpha) + np.log(kept)) / (degrees + 1))
    room = reached - kept
    t2 = np.where(room > 0, degrees * divide(1 - reached, room), np.inf)
    known = np.where(numbers(variance) > 0, numbers(variance), np.nan)
    return np.asarray(np.sqrt(known * np.where(np.isnan(room), np.nan, t2)))


def _kept(n: Numbers, g: Numbers) -> Array:
    """The r of the paper: g / (g + n)."""
    if np.any(numbers(g) <= 0):
        raise ValueError("g is above zero")
    return divide(g, numbers(g) + numbers(n))


def _positive(values: Numbers) -> Array:
    given = numbers(values)
    return np.where(given > 0, given, np.nan)

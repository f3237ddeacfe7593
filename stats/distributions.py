"""The distribution functions this package needs, as array functions.

scipy.stats spends about 100 microseconds on a single value and half a second on its import; the functions it calls
underneath, in scipy.special, spend less than one microsecond. Even that module takes longer to import than numpy and
all of this package together, so it is imported when the first number is asked for. scipy ships no types, so this is
the one place that meets them untyped.
"""

from functools import cache
from importlib import import_module
from types import ModuleType

import numpy as np

from stats.arrays import Array, Numbers, numbers


@cache
def _special() -> ModuleType:
    return import_module("scipy.special")


def normal_cdf(z: Numbers) -> Array:
    """P(Z <= z) for a standard normal Z."""
    return np.asarray(_special().ndtr(z))


def log_normal_cdf(z: Numbers) -> Array:
    """The logarithm of P(Z <= z), which keeps its digits where the probability itself vanishes."""
    return np.asarray(_special().log_ndtr(z))


def normal_quantile(probability: Numbers) -> Array:
    """The z below which a standard normal falls with this probability."""
    return np.asarray(_special().ndtri(probability))


def t_cdf(df: Numbers, t: Numbers) -> Array:
    """P(T <= t) for Student's t; an infinite df is the normal."""
    return np.asarray(_special().stdtr(df, t))


def t_quantile(df: Numbers, probability: Numbers) -> Array:
    """The t below which Student's t falls with this probability; an infinite df is the normal."""
    return np.asarray(_special().stdtrit(df, probability))


def noncentral_t_cdf(df: Numbers, noncentrality: Numbers, t: Numbers) -> Array:
    """P(T <= t) for a noncentral t."""
    return np.asarray(_special().nctdtr(df, noncentrality, t))


def chi_square_tail(df: Numbers, statistic: Numbers) -> Array:
    """P(X > statistic) for a chi-square X."""
    return np.asarray(_special().chdtrc(df, statistic))


def f_tail(df: Numbers, other_df: Numbers, statistic: Numbers) -> Array:
    """P(X > statistic) for Fisher's F."""
    return np.asarray(_special().fdtrc(df, other_df, statistic))


def log_gamma(x: Numbers) -> Array:
    """The logarithm of the gamma function."""
    return np.asarray(_special().gammaln(x))


def log_beta(a: Numbers, b: Numbers) -> Array:
    """The logarithm of the beta function."""
    return np.asarray(_special().betaln(a, b))


def times_log(x: Numbers, y: Numbers) -> Array:
    """The product of x and log y: 0 where x is 0, whatever y is."""
    return np.asarray(_special().xlogy(x, y))


def binomial_quantile(probability: Numbers, n: Numbers, share: Numbers) -> Array:
    """The smallest k for which P(K <= k) is at least this probability, K the successes among n with this share."""
    near = np.ceil(np.clip(np.nan_to_num(_special().bdtrik(probability, n, share)), 0, n))
    fewer = np.maximum(near - 1, 0)  # the continuous inverse may end just above a whole number
    enough = _special().betainc(np.maximum(n - fewer, 1e-300), fewer + 1, 1 - np.asarray(share)) >= probability
    return np.asarray(np.where(enough, fewer, near))


def level_of(alpha: Numbers) -> Array:
    """The confidence level 1 - alpha. Raises ValueError unless 0 < alpha < 1."""
    given = numbers(alpha)
    if not np.all((given > 0) & (given < 1)):
        raise ValueError(f"alpha lies between 0 and 1, not at {given}")
    return 1 - given


def critical_z(alpha: Numbers) -> Array:
    """The z that a standard normal exceeds in absolute value with probability alpha."""
    level_of(alpha)
    return -normal_quantile(numbers(alpha) / 2)

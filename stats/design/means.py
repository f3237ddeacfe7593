"""Means of few units, where Student's t matters: exact by the noncentral t, for one side or two and any split.

R's power.t.test for equal arms; Chow, Shao & Wang (2008), section 3.2.1, for unequal ones. Both arms have one standard
deviation. For many units `normal` gives the same, and lets the arms differ.
"""

import numpy as np

from stats.arrays import Array, Numbers, numbers
from stats.design.normal import TWO_SIDED, bar, distance, positive
from stats.distributions import noncentral_t_cdf, t_quantile

FEWEST = 2.0  # units in all beyond which there is a degree of freedom
HALVINGS = 60


def power(
    sd: Numbers, difference: Numbers, *, n: Numbers, alpha: float, ratio: Numbers = 1.0, sides: int = TWO_SIDED
) -> Array:
    """The chance to find this difference in its own direction with n control units. All arrays broadcast.

    Raises ValueError for an sd, n or ratio not above zero, two units or fewer in all, and an alpha outside (0, 1).

    >>> power(1.0, 0.5, n=64, alpha=0.05).round(4).item()
    0.8015
    """
    bar(alpha, sides)
    size, parts = positive(n, "n"), positive(ratio, "a ratio")
    df = size * (1 + parts) - FEWEST
    if np.any(df <= 0):
        raise ValueError("a t test needs more than two units")
    away = np.abs(numbers(difference)) / positive(sd, "a standard deviation") * np.sqrt(size * parts / (1 + parts))
    return np.asarray(1 - noncentral_t_cdf(df, away, -t_quantile(df, alpha / sides)))


def units(
    sd: Numbers, difference: Numbers, *, alpha: float, power: float, ratio: Numbers = 1.0, sides: int = TWO_SIDED
) -> Array:
    """Control units to find this difference; not rounded, and never fewer than give both arms two. Arrays broadcast.

    Raises ValueError for a difference of zero, an sd or ratio not above zero, and a power not between alpha / sides
    and 1.

    >>> units(1.0, 0.5, alpha=0.05, power=0.8).round(2).item()
    63.77
    """
    gap = numbers(difference)
    if np.any(gap == 0):
        raise ValueError("no number of units finds a difference of zero")
    spread, gap, parts = np.broadcast_arrays(positive(sd, "a standard deviation"), gap, positive(ratio, "a ratio"))
    by_normal = (1 + 1 / parts) * np.square(distance(alpha, power, sides) * spread / gap)
    low = np.maximum(by_normal, FEWEST / np.minimum(parts, 1.0))  # the t test needs a little more
    high = 2 * low + 4 * distance(alpha, power, sides) ** 2
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        enough = _power(spread, gap, middle, alpha, parts, sides) >= power
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.asarray(high)


def mde(sd: Numbers, *, n: Numbers, alpha: float, power: float, ratio: Numbers = 1.0, sides: int = TWO_SIDED) -> Array:
    """The smallest difference found with this power by n control units, without a sign. All arrays broadcast.

    Raises ValueError as `units` and `power` do.

    >>> mde(1.0, n=63.77, alpha=0.05, power=0.8).round(3).item()
    0.5
    """
    spread, size, parts = np.broadcast_arrays(positive(sd, "a standard deviation"), numbers(n), numbers(ratio))
    reach = distance(alpha, power, sides)
    df = size * (1 + parts) - FEWEST
    low, high = (
        np.zeros(size.shape),
        3 * (reach - t_quantile(np.maximum(df, 1e-3), alpha / sides)) * np.sqrt((1 + 1 / parts) / size),
    )
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        enough = _power(numbers(1.0), middle, size, alpha, parts, sides) >= power
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.asarray(high * spread)


def _power(sd: Array, difference: Array, n: Array, alpha: float, ratio: Array, sides: int) -> Array:
    return power(sd, difference, n=n, alpha=alpha, ratio=ratio, sides=sides)

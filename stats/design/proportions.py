"""Shares of units: tested for a difference with the variance pooled, or for not being worse by a margin.

The test's variance is that of its null, the estimate's that of the truth, so n = (za sqrt(V0) + zb sqrt(V1))^2 / d^2.
Difference: Fleiss, Levin & Paik (2003), Statistical Methods for Rates and Proportions, section 4.2 and 4.4.
Non-inferiority: Farrington & Manning (1990), Statistics in Medicine 9; V0 from the most likely shares that lie exactly
the margin apart.
"""

import numpy as np

from stats.arrays import Array, Mask, Numbers, divide, numbers
from stats.design.normal import TWO_SIDED, bar, distance, positive
from stats.distributions import normal_cdf, normal_quantile
from stats.methods import miettinen_nurminen
from stats.moments import Moments

ROUNDING = 1e-12  # of a difference of shares
HALVINGS = 60  # narrow a bracket to below the spacing of floats


def units(
    p0: Numbers, p1: Numbers, *, alpha: float, power: float, ratio: Numbers = 1.0, sides: int = TWO_SIDED
) -> Array:
    """Control units to tell the share p1 (treatment) from p0 (control). All arrays broadcast; not rounded.

    Raises ValueError for equal shares, shares outside [0, 1] and a power not between alpha / sides and 1.

    >>> units(0.10, 0.12, alpha=0.05, power=0.8).round(1).item()
    3840.8
    """
    before, after = _shares(p0, p1)
    return _units(_pooled(before, after, ratio), before, after, after - before, ratio, alpha, power, sides)


def power(p0: Numbers, p1: Numbers, *, n: Numbers, alpha: float, ratio: Numbers = 1.0, sides: int = TWO_SIDED) -> Array:
    """The chance to tell p1 from p0 with n control units. All arrays broadcast.

    Raises ValueError for shares outside [0, 1] and an n that is not positive.

    >>> power(0.10, 0.12, n=3841, alpha=0.05).round(3).item()
    0.8
    """
    before, after = _shares(p0, p1)
    return _power(_pooled(before, after, ratio), before, after, np.abs(after - before), ratio, n, bar(alpha, sides))


def mde(
    p0: Numbers,
    *,
    n: Numbers,
    alpha: float,
    power: float,
    ratio: Numbers = 1.0,
    sides: int = TWO_SIDED,
    sign: int = 1,
) -> Array:
    """The smallest difference from p0, upwards (sign 1) or downwards (-1), found with this power by n control units.

    NaN where not even the share 1 (or 0) would be found. All arrays broadcast. Raises ValueError as `units` does.

    >>> mde(0.10, n=3840.85, alpha=0.05, power=0.8).round(4).item()
    0.02
    """
    distance(alpha, power, sides)
    before, size, parts = np.broadcast_arrays(numbers(p0), numbers(n), numbers(ratio))
    farthest = 1 - before if sign > 0 else before

    def found(step: Array) -> Array:
        after = np.clip(before + sign * step, 0.0, 1.0)
        return _power(_pooled(before, after, parts), *_shares(before, after), step, parts, size, bar(alpha, sides))

    low, high = np.zeros(before.shape), farthest
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        enough = found(middle) >= power
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(found(farthest) >= power, sign * high, np.nan)


def non_inferiority_units(
    p0: Numbers, p1: Numbers, *, margin: Numbers, alpha: float, power: float, ratio: Numbers = 1.0, sign: int = 1
) -> Array:
    """Control units to show that p1 is not worse than p0 by the margin or more; alpha is one-sided.

    `sign` is +1 where a larger share is better and -1 where a smaller one is. All arrays broadcast; not rounded.
    Raises ValueError where p1 is worse by the margin already, a margin outside (0, 1), and as `units` does.

    >>> non_inferiority_units(0.85, 0.85, margin=0.05, alpha=0.025, power=0.8).round(1).item()
    808.1
    """
    before, after = _shares(p0, p1)
    room = _room(before, after, margin, sign)
    if np.any(room <= ROUNDING):
        raise ValueError("a share that is worse by the margin cannot be shown not to be")
    null = _restricted(before, after, margin, ratio, sign)
    return _units(null, before, after, room, ratio, alpha, power, sides=1)


def non_inferiority_power(
    p0: Numbers, p1: Numbers, *, margin: Numbers, n: Numbers, alpha: float, ratio: Numbers = 1.0, sign: int = 1
) -> Array:
    """The chance to show with n control units that p1 is not worse than p0 by the margin or more.

    Arguments and errors as for `non_inferiority_units`; where p1 is worse by the margin exactly it is alpha.

    >>> non_inferiority_power(0.85, 0.85, margin=0.05, n=809, alpha=0.025).round(3).item()
    0.8
    """
    before, after = _shares(p0, p1)
    null = _restricted(before, after, margin, ratio, sign)
    return _power(null, before, after, _room(before, after, margin, sign), ratio, n, bar(alpha, sides=1))


def non_inferiority_mde(
    p0: Numbers, p1: Numbers, *, n: Numbers, alpha: float, power: float, ratio: Numbers = 1.0, sign: int = 1
) -> Array:
    """The smallest margin that n control units can show with this power; NaN where there is none below 1.

    Arguments and errors as for `non_inferiority_units`.

    >>> non_inferiority_mde(0.85, 0.85, n=808.1, alpha=0.025, power=0.8).round(4).item()
    0.05
    """
    distance(alpha, power, 1)
    before, after, size, parts = np.broadcast_arrays(*_shares(p0, p1), numbers(n), numbers(ratio))

    def shown(margin: Array) -> Mask:
        found = non_inferiority_power(before, after, margin=margin, n=size, alpha=alpha, ratio=parts, sign=sign)
        return np.asarray(found >= power)

    low, widest = np.full(before.shape, ROUNDING), np.full(before.shape, 1 - ROUNDING)
    high = widest
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        enough = shown(middle)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(shown(widest), high, np.nan)


def _units(
    null: Array, p0: Array, p1: Array, gap: Array, ratio: Numbers, alpha: float, power: float, sides: int
) -> Array:
    if np.any(gap == 0):
        raise ValueError("no number of units finds a difference of zero")
    distance(alpha, power, sides)
    reach = bar(alpha, sides) * np.sqrt(null) + normal_quantile(power) * np.sqrt(_unpooled(p0, p1, ratio))
    return np.asarray(np.square(reach / gap))


def _power(null: Array, p0: Array, p1: Array, gap: Array, ratio: Numbers, n: Numbers, high: float) -> Array:
    ahead = np.sqrt(positive(n, "n")) * gap - high * np.sqrt(null)
    error = np.sqrt(_unpooled(p0, p1, ratio))
    z = np.where(error > 0, divide(ahead, error), np.where(ahead > 0, np.inf, -np.inf))
    return normal_cdf(z)


def _unpooled(p0: Array, p1: Array, ratio: Numbers) -> Array:
    """The variance of the difference with one control unit, when these are the shares."""
    return np.asarray(p0 * (1 - p0) + divide(p1 * (1 - p1), positive(ratio, "a ratio")))


def _pooled(p0: Array, p1: Array, ratio: Numbers) -> Array:
    middle = (p0 + numbers(ratio) * p1) / (1 + numbers(ratio))
    return _unpooled(middle, middle, ratio)


def _restricted(p0: Array, p1: Array, margin: Numbers, ratio: Numbers, sign: int) -> Array:
    worse = numbers(margin)
    if not np.all((worse > 0) & (worse < 1)):
        raise ValueError("a margin lies between 0 and 1")
    control, treatment = (
        Moments(n=units, mean=share, m2=units * share * (1 - share))
        for units, share in ((numbers(1.0), p0), (positive(ratio, "a ratio"), p1))
    )
    return _unpooled(*miettinen_nurminen.restricted(control, treatment, null=-sign * worse), ratio)


def _room(p0: Array, p1: Array, margin: Numbers, sign: int) -> Array:
    return np.asarray(sign * (p1 - p0) + numbers(margin))


def _shares(p0: Numbers, p1: Numbers) -> tuple[Array, Array]:
    before, after = numbers(p0), numbers(p1)
    if np.any(np.minimum(before, after) < 0) or np.any(np.maximum(before, after) > 1):
        raise ValueError("a share lies between 0 and 1")
    return before, after

"""Difference of two proportions, tested at any value and with the interval of that same test.

Miettinen & Nurminen (1985), "Comparative analysis of two rates", Statistics in Medicine 4, 213-226. The variance is
that of the two shares most likely under the tested difference, times N/(N-1). The interval holds exactly the
differences that the test keeps, so the two never disagree.
"""

import numpy as np

from stats.arrays import Array, Numbers, divide, numbers
from stats.distributions import critical_z, level_of, normal_cdf
from stats.methods.successes import successes
from stats.moments import Moments
from stats.results import Comparisons, Reason, reason_codes

METHOD = "Miettinen-Nurminen score test and interval"
HALVINGS = 54  # from a width of 2 to the spacing of floats
POLISHING = 3  # Newton steps; each doubles the digits that the cosine loses where two roots are close


def compare(control: Moments, treatment: Moments, *, alpha: Numbers, null: float = 0.0) -> Comparisons:
    """Treatment minus control of shares of units, from moments of 0/1 values; the arrays broadcast.

    `variance` is the unpooled one, as the sequential kernel needs it; `statistic` is z at `null`. Undefined for an
    empty arm, and at a null of 0 where all units of both arms agree (`limits` has an interval even then). Raises
    ValueError for a mean outside [0, 1], a null outside (-1, 1) and an alpha outside (0, 1).

    >>> found = compare(Moments.of_proportion(48, 80), Moments.of_proportion(56, 70), alpha=0.05).at()
    >>> print(f"{found.difference:.2f} from {found.interval.lower:.4f} to {found.interval.upper:.4f}")
    0.20 from 0.0528 to 0.3382
    """
    z = score(control, treatment, null=null)
    won, tried = _share(control), _share(treatment)
    reason = reason_codes(
        (np.isnan(tried - won), Reason.INSUFFICIENT_DATA),
        (np.isnan(z), Reason.ZERO_VARIANCE),
    )
    lower, upper = limits(control, treatment, alpha=alpha)
    return Comparisons(
        difference=tried - won,
        variance=divide(won * (1 - won), control.n) + divide(tried * (1 - tried), treatment.n),
        statistic=z,
        p_value=2 * normal_cdf(-np.abs(z)),
        lower=np.where(reason == 0, lower, np.nan),
        upper=np.where(reason == 0, upper, np.nan),
        level=level_of(alpha),
        reason=reason,
        method=METHOD,
    )


def non_inferiority(control: Moments, treatment: Moments, *, margin: Numbers) -> Array:
    """The one-sided p-value against "worse than control by the margin or more"; more successes are better.

    The margin is a difference of shares, broadcasting; below alpha exactly where the lower limit at 2 * alpha is above
    -margin. NaN for an empty arm. Raises ValueError for a margin outside (0, 1). Farrington & Manning (1990),
    Statistics in Medicine 9, with the factor N/(N-1).

    >>> p = non_inferiority(Moments.of_proportion(85, 100), Moments.of_proportion(84, 100), margin=0.1)
    >>> print(f"{p:.4f}")
    0.0426
    """
    if not np.all((numbers(margin) > 0) & (numbers(margin) < 1)):
        raise ValueError("a margin lies between 0 and 1")
    return normal_cdf(-score(control, treatment, null=-numbers(margin)))


def limits(control: Moments, treatment: Moments, *, alpha: Numbers) -> tuple[Array, Array]:
    """The lowest and highest difference that the test keeps at this alpha; NaN for an empty arm.

    Defined wherever both arms have units, also where every unit of both arms agrees. Raises ValueError for a mean
    outside [0, 1] and an alpha outside (0, 1). Miettinen & Nurminen (1985); the search halves its way.

    >>> lower, upper = limits(Moments.of_proportion(0, 10), Moments.of_proportion(0, 20), alpha=0.05)
    >>> print(f"{lower:.4f} {upper:.4f}")
    -0.2844 0.1658
    """
    q = critical_z(alpha)
    table = _table(control, treatment)
    middle = _share(treatment) - _share(control)
    kept = np.stack((middle, middle))
    beyond = np.stack((np.full_like(middle, -1.0), np.full_like(middle, 1.0)))
    for _ in range(HALVINGS):
        between = (kept + beyond) / 2
        keeps = np.abs(_z(*table, between)) < q
        kept, beyond = np.where(keeps, between, kept), np.where(keeps, beyond, between)
    lower, upper = np.where(np.isnan(middle), np.nan, beyond)
    return lower, upper


def score(control: Moments, treatment: Moments, *, null: Numbers) -> Array:
    """The standard normal statistic of "treatment minus control is null"; all arrays broadcast.

    Below zero, the difference is smaller than the null. NaN for an empty arm and where the most likely shares under
    the null leave nothing to chance. Raises ValueError for a null outside (-1, 1) and a mean outside [0, 1].
    Miettinen & Nurminen (1985).

    >>> z = score(Moments.of_proportion(48, 80), Moments.of_proportion(56, 70), null=0.0)
    >>> print(f"{z:.4f}")
    2.6413
    """
    if not np.all(np.abs(numbers(null)) < 1):
        raise ValueError("a difference of shares lies between -1 and 1")
    return _z(*_table(control, treatment), numbers(null))


def restricted(control: Moments, treatment: Moments, *, null: Numbers) -> tuple[Array, Array]:
    """The most likely shares of control and treatment, if they are exactly `null` apart; all arrays broadcast.

    Each lies in [0, 1]; NaN for an empty arm. Miettinen & Nurminen (1985), appendix I: the root of a cubic, by its
    cosine.

    >>> first, second = restricted(Moments.of_proportion(3, 10), Moments.of_proportion(9, 10), null=0.2)
    >>> print(f"{first:.4f} {second:.4f}")
    0.5216 0.7216
    """
    return _restricted(*_table(control, treatment), numbers(null))


def _table(control: Moments, treatment: Moments) -> tuple[Array, Array, Array, Array]:
    return successes(control), control.n, successes(treatment), treatment.n


def _share(arm: Moments) -> Array:
    return divide(successes(arm), arm.n)


def _z(won: Array, n: Array, tried: Array, m: Array, d: Array) -> Array:
    first, second = _restricted(won, n, tried, m, d)
    chance = divide(first * (1 - first), n) + divide(second * (1 - second), m)
    difference = divide(tried, m) - divide(won, n)
    return divide(difference - d, np.sqrt(chance * divide(n + m, n + m - 1)))


def _restricted(won: Array, n: Array, tried: Array, m: Array, d: Array) -> tuple[Array, Array]:
    # Counting the rarer of success and failure keeps the root near 0, where a float has the most digits.
    failing = 2 * (won + tried) > n + m
    share = _root(np.where(failing, n - won, won), n, np.where(failing, m - tried, tried), m, np.where(failing, -d, d))
    first = np.where(failing, 1 - share, share)
    return first, np.clip(first + d, 0.0, 1.0)


def _root(won: Array, n: Array, tried: Array, m: Array, d: Array) -> Array:
    """The share of control between its bounds that solves the likelihood's cubic p^3 + b p^2 + c p + e = 0."""
    total, both = np.where(n * m > 0, n + m, np.nan), won + tried
    b = ((m + 2 * n) * d - total - both) / total
    c = ((n * d - total - 2 * won) * d + both) / total
    e = won * d * (1 - d) / total
    share = _by_cosine(b, c, e)
    low, high = np.maximum(0.0, -d), np.minimum(1.0, 1 - d)
    for _ in range(POLISHING):
        share = np.clip(share, low, high)
        step = divide(((share + b) * share + c) * share + e, (3 * share + 2 * b) * share + c)
        share = np.where(np.isfinite(step), share - step, share)
    return np.clip(share, low, high)


def _by_cosine(b: Array, c: Array, e: Array) -> Array:
    v = (b / 3) ** 3 - b * c / 6 + e / 2
    size = np.sqrt(np.maximum((b / 3) ** 2 - c / 3, 0.0))
    cosine = np.where(size > 0, np.clip(divide(np.abs(v), size**3), -1.0, 1.0), 0.0)
    return np.asarray(2 * np.copysign(size, v) * np.cos((np.pi + np.arccos(cosine)) / 3) - b / 3)

"""The always-valid kernel: evidence that may be looked at every day and stopped on any day.

A normal mixture in information time, for any estimator whose estimates have independent increments in 1 / variance:
means, proportions, ratios, log-rank, RMST, baselines. Johari, Koomen, Pekelis & Walsh (2022), Operations Research
(mixture sequential probability ratio test); Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Annals of
Statistics (asymptotic confidence sequences). tau2, the variance of the mixture of effects, must be fixed before the
data are seen. Where a variance or tau2 is NaN, infinite or not positive, the answer is NaN. A day on which the variance
has grown, as one huge value can make it, is judged by itself like any other: what was shown before stays shown.

Which tau2 is a matter of tuning, and each has a name: `mixture_variance` (narrowest at a planned look), `mixture_sprt`
(the effects one is used to seeing) and `asymptotic` (narrowest at a planned number of units).
"""

import numpy as np

from stats.arrays import Array, Numbers, divide, numbers
from stats.distributions import level_of, log_normal_cdf

FEWEST = 100
"""Units in each arm before always-valid inference begins: it is asymptotic, and small samples are no place for it."""
FEWEST_SUCCESSES = 20
"""Units in each arm that did the thing, likewise; a share near zero is far from normal long after 100 units."""
NEWTON_STEPS = 8  # the start is within a few per cent and every step doubles the digits


def tuning(alpha: Numbers) -> Array:
    """How many planned variances the mixture variance should be, for the narrowest interval there (7.936 at 0.05).

    For a one-sided limit ask at 2 * alpha. Raises ValueError unless 0 < alpha < 1.

    >>> tuning(0.05).round(3).item()
    7.936
    """
    level_of(alpha)
    doubled = -2 * np.log(numbers(alpha))
    return np.asarray(doubled + np.log1p(doubled))


def mixture_variance(planned_variance: Numbers, alpha: Numbers) -> Array:
    """tau2 from the variance the difference is planned to have at the look that matters most.

    NaN for a variance that is NaN: nothing was planned. Raises ValueError for one of zero or below.

    >>> mixture_variance(0.01, 0.05).round(4).item()
    0.0794
    """
    return tuning(alpha) * _above_zero(planned_variance, "a planned variance")


def mixture_sprt(effect_spread: Numbers) -> Array:
    """tau2 of the mixture sequential probability ratio test: from the standard deviation of true effects.

    In the unit of the difference, as seen over past experiments (Johari, Koomen, Pekelis & Walsh 2022).
    Raises ValueError unless it is positive.

    >>> mixture_sprt(0.2).round(4).item()
    0.04
    """
    spread = numbers(effect_spread)
    if not np.all(spread > 0):
        raise ValueError("a standard deviation is positive")
    return np.square(spread)


def asymptotic(variance: Numbers, n: Numbers, *, planned_n: Numbers, alpha: Numbers) -> Array:
    """tau2 of the asymptotic confidence sequence, narrowest at planned_n units of both arms together.

    Waudby-Smith et al. (2024), equation 9 of arXiv 2103.06476v7, with rho^2 = tuning(alpha) / planned_n, so that
    tau2 / variance = rho^2 n at n units. It follows the data through the variance of a unit, which is estimated; that
    is harmless once there are many units. All arrays broadcast. Raises ValueError unless planned_n is positive.

    >>> asymptotic(0.04, 2500, planned_n=5000, alpha=0.05).round(4).item()
    0.1587
    """
    return np.asarray(tuning(alpha) * numbers(variance) * numbers(n) / _above_zero(planned_n, "a planned size"))


def log_e_value(difference: Numbers, variance: Numbers, *, tau2: Numbers, null: Numbers = 0.0) -> Array:
    """The logarithm of the evidence against the null, two-sided; all arrays broadcast.

    >>> log_e_value(0.4, 0.01, tau2=0.08).round(3).item()
    6.012
    """
    z2 = divide(np.square(numbers(difference) - numbers(null)), _positive(variance))
    ratio = divide(_positive(tau2), _positive(variance))
    return np.asarray(z2 * ratio / (2 * (1 + ratio)) - np.log1p(ratio) / 2)


def half_width(variance: Numbers, *, tau2: Numbers, alpha: Numbers) -> Array:
    """Half the width of the always-valid interval of level 1 - alpha around the difference; all arrays broadcast.

    >>> half_width(0.01, tau2=mixture_variance(0.01, 0.05), alpha=0.05).round(4).item()
    0.3035
    """
    level_of(alpha)
    known = _positive(variance)
    ratio = divide(_positive(tau2), known)
    return np.asarray(np.sqrt(known * divide(1 + ratio, ratio) * (np.log1p(ratio) - 2 * np.log(numbers(alpha)))))


def one_sided_log_e_value(difference: Numbers, variance: Numbers, *, tau2: Numbers, null: Numbers = 0.0) -> Array:
    """The logarithm of the evidence that the difference is above the null, against all values up to it.

    The mixture over positive effects only (half of a normal; Howard, Ramdas, McAuliffe & Sekhon 2021, Annals of
    Statistics 49). For evidence of the opposite negate difference and null. All arrays broadcast.

    >>> one_sided_log_e_value(0.4, 0.01, tau2=0.08).round(3).item()
    6.706
    """
    known = _positive(variance)
    ratio = divide(_positive(tau2), known)
    x = (numbers(difference) - numbers(null)) * np.sqrt(divide(ratio, known * (1 + ratio)))
    return np.asarray(_half_mixture(x) - np.log1p(ratio) / 2)


def one_sided_width(variance: Numbers, *, tau2: Numbers, alpha: Numbers) -> Array:
    """How far below the difference its always-valid lower limit of level 1 - alpha lies.

    Where `one_sided_log_e_value` is exactly log(1 / alpha): a little less than the closed form of Waudby-Smith et al.
    (2024, equation 134 of arXiv 2103.06476v7), from which Newton's rule starts. Added instead of subtracted it is
    an upper limit.

    >>> one_sided_width(0.01, tau2=mixture_variance(0.01, 0.1), alpha=0.05).round(4).item()
    0.2766
    """
    level_of(alpha)
    known = _positive(variance)
    ratio = divide(_positive(tau2), known)
    wanted = np.log1p(ratio) / 2 - np.log(numbers(alpha))
    x = np.sqrt(2 * np.log1p(np.exp(wanted) / 2))
    for _ in range(NEWTON_STEPS):  # convex and increasing: from above it comes down without overshooting
        slope = x + np.exp(-(x**2) / 2 - log_normal_cdf(x)) / np.sqrt(2 * np.pi)
        x = x - (_half_mixture(x) - wanted) / slope
    return np.asarray(x * np.sqrt(known * divide(1 + ratio, ratio)))


def p_value(log_e: Numbers) -> Array:
    """The always-valid p-value of each look by itself, min(1, 1/e); NaN stays NaN.

    Unlike `running_p_value` it may rise again; for any null, ask for the log e-value against that null.

    >>> p_value([-1.0, 3.0]).round(4).tolist()
    [1.0, 0.0498]
    """
    return np.asarray(np.exp(-np.maximum(numbers(log_e), 0.0)))


def running_p_value(log_e: Numbers) -> Array:
    """The smallest p-value so far along the last axis (days): min(1, 1/e), which may only fall.

    A day that cannot be judged repeats the day before it; before the first day that can, the answer is NaN.

    >>> running_p_value([np.nan, 1.0, 3.0, 2.0]).round(3).tolist()
    [nan, 0.368, 0.05, 0.05]
    """
    return np.asarray(np.fmin.accumulate(np.exp(-np.maximum(numbers(log_e), 0.0)), axis=-1))


def _above_zero(values: Numbers, name: str) -> Array:
    given = numbers(values)
    if np.any(given <= 0):
        raise ValueError(f"{name} is above zero")
    return given


def _positive(values: Numbers) -> Array:
    given = numbers(values)
    return np.where((given > 0) & np.isfinite(given), given, np.nan)


def _half_mixture(x: Array) -> Array:
    return np.asarray(np.log(2) + x**2 / 2 + log_normal_cdf(x))

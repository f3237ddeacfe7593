"""The always-valid kernel: evidence that may be looked at every day and stopped on any day.

A normal mixture in information time, for any estimator whose estimates have independent increments in 1 / variance:
means, proportions, ratios, log-rank, RMST, baselines. Johari, Koomen, Pekelis & Walsh (2022), Operations Research
(mixture sequential probability ratio test); Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Annals of
Statistics (asymptotic confidence sequences). tau2, the variance of the mixture of effects, must be fixed before the
data are seen. Where a variance is NaN or not positive, the answer is NaN.
"""

import numpy as np

from stats.arrays import Array, Numbers, divide, numbers
from stats.distributions import level_of


def tuning(alpha: float) -> float:
    """How many planned variances the mixture variance should be, for the narrowest interval there (7.936 at 0.05)."""
    level_of(alpha)
    doubled = -2 * float(np.log(alpha))
    return doubled + float(np.log1p(doubled))


def mixture_variance(planned_variance: Numbers, alpha: float) -> Array:
    """tau2 from the variance the difference is planned to have at the look that matters most."""
    return tuning(alpha) * numbers(planned_variance)


def log_e_value(difference: Numbers, variance: Numbers, *, tau2: Numbers, null: Numbers = 0.0) -> Array:
    """The logarithm of the evidence against the null; all arrays broadcast."""
    z2 = divide(np.square(numbers(difference) - numbers(null)), _positive(variance))
    ratio = divide(tau2, _positive(variance))
    return np.asarray(z2 * ratio / (2 * (1 + ratio)) - np.log1p(ratio) / 2)


def half_width(variance: Numbers, *, tau2: Numbers, alpha: float) -> Array:
    """Half the width of the always-valid interval of level 1 - alpha around the difference."""
    level_of(alpha)
    known = _positive(variance)
    ratio = divide(tau2, known)
    return np.asarray(np.sqrt(known * divide(1 + ratio, ratio) * (np.log1p(ratio) - 2 * np.log(alpha))))


def running_p_value(log_e: Numbers) -> Array:
    """The smallest p-value so far along the last axis (days): min(1, 1/e), which may only fall.

    A day that cannot be judged repeats the day before it; before the first day that can, the answer is NaN.
    """
    return np.asarray(np.fmin.accumulate(np.exp(-np.maximum(numbers(log_e), 0.0)), axis=-1))


def _positive(variance: Numbers) -> Array:
    given = numbers(variance)
    return np.where(given > 0, given, np.nan)

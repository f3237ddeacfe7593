"""A value against the level it had before. This is an observation, not a randomised experiment.

Time passes between a baseline and a value, and everything else changes with it; the method's label says so.
"""

import numpy as np

from stats import wald
from stats.arrays import Array, Mask, Numbers, numbers
from stats.methods.welch import satterthwaite
from stats.results import Comparisons, Reason, reason_codes

NORMAL = "Normal test against a baseline (observational)"
WELCH = "Welch's t-test against a baseline (observational)"


def compare(
    value: Numbers,
    variance: Numbers,
    *,
    baseline: Numbers,
    baseline_standard_error: Numbers,
    alpha: Numbers,
    n: Numbers | None = None,
    baseline_n: Numbers | None = None,
) -> Comparisons:
    """Value minus baseline; `variance` is that of the value. All arrays broadcast.

    With the units behind both, Student's t with Satterthwaite's degrees of freedom; otherwise normal. The baseline
    and the value must not share units, for their covariance is taken as zero. Raises ValueError for a negative
    variance or standard error.

    >>> found = compare(0.32, 0.0004, baseline=0.25, baseline_standard_error=0.015, alpha=0.05).at()
    >>> round(found.difference, 2), round(found.standard_error, 3), round(found.p_value, 4)
    (0.07, 0.025, 0.0051)
    """
    own, before = numbers(variance), np.square(numbers(baseline_standard_error))
    if np.any(own < 0) or np.any(numbers(baseline_standard_error) < 0):
        raise ValueError("a variance and a standard error are never negative")
    gap, few = numbers(value) - numbers(baseline), _too_few(n) | _too_few(baseline_n)
    difference, total, few = np.broadcast_arrays(gap, own + before, few)
    known = n is not None and baseline_n is not None
    df = _degrees(own, n, before, baseline_n)
    reason = reason_codes(
        (~np.isfinite(difference) | ~np.isfinite(total) | few, Reason.INSUFFICIENT_DATA),
        (total == 0, Reason.ZERO_VARIANCE),
    )
    return wald.compare(difference, total, df=df, reason=reason, alpha=alpha, method=WELCH if known else NORMAL)


def _degrees(own: Array, n: Numbers | None, before: Array, baseline_n: Numbers | None) -> Numbers:
    if n is None or baseline_n is None:
        return np.inf
    return satterthwaite(own, numbers(n) - 1, before, numbers(baseline_n) - 1)


def _too_few(n: Numbers | None) -> Mask:
    return np.asarray(False) if n is None else numbers(n) < 2

"""Several questions asked at once: each further one makes a false yes more likely, so each must clear a higher bar.

Adjusted p-values compare with alpha as single ones do. `holm` and `hochberg` hold the chance of any false yes to
alpha; `benjamini_hochberg` and `benjamini_yekutieli` hold the expected share of false ones among all yeses. All work
along the last axis. NaN (a question without an answer) stays NaN and does not count as a question. A p-value outside
[0, 1] is a ValueError.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from stats.arrays import Array, Numbers, numbers
from stats.distributions import level_of, normal_cdf, normal_quantile

Counts: TypeAlias = npt.NDArray[np.int64]
ROUNDING = 1e-9  # of a p-value, which may end just above 1
Factor: TypeAlias = Callable[
    [Array, Counts], Array
]  # of the rank of a p-value (1 the smallest) and the questions asked


def holm(p_values: Numbers) -> Array:
    """Adjusted p-values along the last axis; below alpha means significant among all of them.

    Holm (1979), Scandinavian Journal of Statistics 6. Holds under any dependence, and at any look if the p-values are
    always valid. NaN (a question without an answer) stays NaN and does not count as a question.

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    return _adjusted(p_values, _still_open, _largest_so_far)


def hochberg(p_values: Numbers) -> Array:
    """Adjusted p-values along the last axis, never above Holm's; for independent or positively dependent questions.

    Hochberg (1988), Biometrika 75.

    >>> hochberg([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.04, 0.04]
    """
    return _adjusted(p_values, _still_open, _smallest_to_come)


def benjamini_hochberg(p_values: Numbers) -> Array:
    """Adjusted p-values along the last axis: with those up to q called, on average a share q of the calls is false.

    Benjamini & Hochberg (1995), JRSS B 57; for independent or positively dependent questions and one look only:
    always-valid p-values do not carry it to any look.

    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.5]).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.5]
    """
    return _adjusted(p_values, lambda rank, asked: asked / rank, _smallest_to_come)


def benjamini_yekutieli(p_values: Numbers) -> Array:
    """As `benjamini_hochberg`, under any dependence: larger by the factor 1 + 1/2 + ... + 1/m for m questions.

    Benjamini & Yekutieli (2001), Annals of Statistics 29, theorem 1.3.

    >>> benjamini_yekutieli([0.01, 0.04]).round(4).tolist()
    [0.03, 0.06]
    """
    return _adjusted(p_values, lambda rank, asked: asked / rank * _harmonic(rank, asked), _smallest_to_come)


def bonferroni_limits(difference: Numbers, variance: Numbers, *, alpha: float) -> tuple[Array, Array]:
    """Limits below and above that cover all the truths of the last axis at once with probability 1 - alpha or more.

    Each normal interval has the level 1 - alpha/m (Dunn 1961, JASA 56); NaN, and not counted among the m questions,
    where the variance is NaN or not positive. Raises ValueError unless 0 < alpha < 1. The arrays broadcast.

    >>> lower, upper = bonferroni_limits([1.0, 2.0], [0.25, 0.25], alpha=0.05)
    >>> lower.round(3).tolist(), upper.round(3).tolist()
    ([-0.121, 0.879], [2.121, 3.121])
    """
    level_of(alpha)
    middle, error = _estimates(difference, variance)
    half = -normal_quantile(alpha / 2 / np.maximum(_asked(middle), 1)) * error
    return middle - half, middle + half


def holm_lower_bounds(difference: Numbers, variance: Numbers, *, alpha: float, null: float = 0.0) -> Array:
    """Bounds that lie below all the truths of the last axis at once with probability 1 - alpha or more.

    They go with Holm's test of "not above null" at one-sided alpha: a bound is at or above `null` just where it
    rejects. The price is that a rejected one is bounded by `null` itself until all are rejected. Guilbaud (2008),
    Biometrical Journal 50; Strassburger & Bretz (2008), Statistics in Medicine 27. Two-sided intervals that go with
    Holm's test do not exist in this form: use `bonferroni_limits`. NaN as there; raises ValueError as there.

    >>> holm_lower_bounds([3.0, 1.0], [1.0, 1.0], alpha=0.05).round(3).tolist()
    [0.0, -0.645]
    >>> holm_lower_bounds([3.0, 2.5], [1.0, 1.0], alpha=0.05).round(3).tolist()
    [1.04, 0.54]
    """
    level_of(alpha)
    middle, error = _estimates(difference, variance)
    rejected = holm(normal_cdf(-(middle - null) / error)) <= alpha
    asked = _asked(middle)
    left = asked - rejected.sum(axis=-1, keepdims=True)
    bound = middle + normal_quantile(alpha / np.maximum(np.where(left > 0, left, asked), 1)) * error
    return np.where(rejected, np.where(left > 0, null, np.maximum(bound, null)), bound)


def _adjusted(p_values: Numbers, factor: Factor, monotone: Callable[[Array], Array]) -> Array:
    """The ordered p-values times their factors, made monotone and capped at 1, back in the order they came."""
    p = numbers(p_values)
    if np.any((p < 0) | (p > 1 + ROUNDING)):
        raise ValueError("a p-value lies between 0 and 1")
    order = np.argsort(p, axis=-1)  # NaN sorts last
    rank = np.arange(1.0, p.shape[-1] + 1)
    raised = np.take_along_axis(p, order, axis=-1) * factor(rank, _asked(p))
    answer = np.empty_like(p)
    np.put_along_axis(answer, order, np.minimum(monotone(raised), 1.0), axis=-1)
    return answer


def _still_open(rank: Array, asked: Counts) -> Array:
    return np.asarray(asked - rank + 1)


def _harmonic(rank: Array, asked: Counts) -> Array:
    return np.concatenate(([0.0], np.cumsum(1 / rank)))[asked]


def _largest_so_far(raised: Array) -> Array:
    return np.maximum.accumulate(raised, axis=-1)


def _smallest_to_come(raised: Array) -> Array:
    """The smallest from here on; fmin because the NaN at the end are no answers and hide none."""
    return np.flip(np.fmin.accumulate(np.flip(raised, axis=-1), axis=-1), axis=-1)


def _asked(values: Array) -> Counts:
    return np.asarray(np.isfinite(values).sum(axis=-1, keepdims=True))


def _estimates(difference: Numbers, variance: Numbers) -> tuple[Array, Array]:
    """The differences and their standard errors; both NaN where the variance is unknown or not positive."""
    middle, spread = np.broadcast_arrays(numbers(difference), numbers(variance))
    known = np.isfinite(middle) & (spread > 0) & np.isfinite(spread)
    return np.where(known, middle, np.nan), np.sqrt(np.where(known, spread, np.nan))

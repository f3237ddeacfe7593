"""Difference of two means, compared within strata (country, platform) and then averaged over them.

Miratrix, Sekhon & Yu (2013), "Adjusting treatment effect estimates by post-stratification in randomized experiments",
JRSS B 75, 369-396. A chance difference in the mix of strata no longer counts; the strata must be known before exposure.
"""

import numpy as np

from stats import wald
from stats.arrays import Array, Numbers, divide, numbers
from stats.moments import Moments
from stats.results import Comparisons, Reason, reason_codes

METHOD = "Post-stratified difference, Welch's t-test"


def compare(
    control: Moments, treatment: Moments, *, alpha: float, null: float = 0.0, weights: Numbers | None = None
) -> Comparisons:
    """Treatment minus control in the units of the mean; strata along the last axis, the arms broadcast.

    A stratum weighs what it has of the units of both arms, and then the chance of that mix is part of the variance; or
    it weighs its known share of all, `weights` (..., strata), which need not add to one. Undefined where a stratum that
    weighs anything has fewer than two units in an arm (merge it with another), and where no stratum varies. Raises
    ValueError for weights that are negative or all zero.

    >>> control = Moments(n=[40, 60], mean=[1.0, 5.0], m2=[39.0, 59.0])  # web, phone
    >>> treatment = Moments(n=[70, 30], mean=[1.5, 5.5], m2=[69.0, 29.0])
    >>> found = compare(control, treatment, alpha=0.05).at()
    >>> print(f"{found.difference:.2f}, standard error {found.standard_error:.3f}")
    0.50, standard error 0.148
    """
    n = control.n + treatment.n
    share = _shares(n) if weights is None else _shares(np.broadcast_arrays(_known(weights), n)[0])
    parts = [np.where(share > 0, share**2 * arm.mean_variance, 0.0) for arm in (control, treatment)]
    apart = np.where(share > 0, treatment.mean - control.mean, 0.0)
    difference = (share * apart).sum(axis=-1)
    mix = 0.0 if weights is not None else divide(_around(apart, share, difference), n.sum(axis=-1))
    variance = parts[0].sum(axis=-1) + parts[1].sum(axis=-1) + mix
    flat = (share == 0) | (control.constant & treatment.constant)
    reason = reason_codes(
        (np.isnan(variance), Reason.INSUFFICIENT_DATA),
        (flat.all(axis=-1), Reason.ZERO_VARIANCE),
    )
    df = _degrees(parts, (control.n - 1, treatment.n - 1))
    return wald.compare(difference, variance, df=df, reason=reason, alpha=alpha, null=null, method=METHOD)


def _known(weights: Numbers) -> Array:
    given = numbers(weights)
    if not (np.all(given >= 0) and np.all(given.sum(axis=-1) > 0)):
        raise ValueError("no stratum has a negative weight, and some have a positive one")
    return given


def _shares(weights: Array) -> Array:
    return divide(weights, weights.sum(axis=-1, keepdims=True))


def _around(apart: Array, share: Array, difference: Array) -> Array:
    """How much the differences of the strata vary around their mean."""
    return np.asarray((share * np.square(apart - difference[..., np.newaxis])).sum(axis=-1))


def _degrees(parts: list[Array], df: tuple[Array, Array]) -> Array:
    """Satterthwaite's degrees of freedom of the sum of all parts; shares of it, for their squares cannot underflow."""
    whole = sum(part.sum(axis=-1, keepdims=True) for part in parts)
    taken = [
        np.where(part > 0, divide(divide(part, whole) ** 2, own), 0.0) for part, own in zip(parts, df, strict=True)
    ]
    return divide(1.0, sum(each.sum(axis=-1) for each in taken))

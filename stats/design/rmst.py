"""Restricted means: what one unit contributes, when many are not watched to the end.

The variance of sqrt(n) times the restricted mean is the integral of (area right of t)^2 dH / (S G) up to tau, with S
the curve, H its cumulative hazard and G the share still watched at t (Royston & Parmar 2013, BMC Medical Research
Methodology 13; here in whole days). `stats.design.normal` turns the variances of both arms into units.
"""

import numpy as np

from stats.arrays import Array, Numbers, divide, numbers
from stats.design.normal import positive


def watched(*, tau: int, accrual: int, follow_up: int = 0) -> Array:
    """The share of units watched for t days or more, t = 1 ... tau, entering evenly on `accrual` days.

    A unit that enters on the first day is watched for accrual + follow_up days. Raises ValueError for tau or accrual
    below 1 and a negative follow-up.

    >>> watched(tau=4, accrual=4, follow_up=1).tolist()
    [1.0, 1.0, 0.75, 0.5]
    """
    if tau < 1 or accrual < 1 or follow_up < 0:
        raise ValueError("tau and accrual are a day or more, and follow-up is not negative")
    return np.clip((accrual + follow_up - np.arange(tau)) / accrual, 0.0, 1.0)


def value(curve: Numbers, *, tau: int) -> Array:
    """The restricted mean in days that a curve (S at days 1, 2, ... on the last axis) has.

    Raises ValueError for a curve shorter than tau - 1 days.

    >>> value([0.9, 0.8, 0.75], tau=3).round(3).item()
    2.7
    """
    return np.asarray(1 + _heights(curve, tau).sum(axis=-1))


def unit_variance(curve: Numbers, *, tau: int, watched: Numbers) -> Array:
    """The variance that one unit lends to the restricted mean; `watched` as from the function of that name.

    NaN where nobody is watched on a day that matters. The leading axes broadcast. Raises ValueError for a curve
    shorter than tau - 1 days or fewer than tau - 1 shares watched.

    >>> unit_variance([0.9, 0.8, 0.75], tau=3, watched=[1.0, 1.0, 1.0]).round(3).item()
    0.41
    """
    heights, present = _heights(curve, tau), numbers(watched)[..., : tau - 1]
    if present.shape[-1] < tau - 1:
        raise ValueError(f"the share watched is given for {tau - 1} days or more")
    before = np.concatenate((np.ones((*heights.shape[:-1], 1)), heights), axis=-1)[..., :-1]
    rest = np.flip(np.cumsum(np.flip(heights, axis=-1), axis=-1), axis=-1)
    hazard = np.where(before > 0, 1 - divide(heights, before), 0.0)
    terms = np.where(rest > 0, rest**2 * divide(hazard, heights * present), 0.0)
    return np.asarray(terms.sum(axis=-1))


def days(
    control: Numbers,
    treatment: Numbers,
    *,
    tau: int,
    per_day: float,
    needed: float,
    ratio: float = 1.0,
    longest: int = 365,
) -> float:
    """The first day from tau on at whose end the difference lies `needed` standard errors from zero; NaN if none.

    `per_day` units enter in all, on every day; `needed` is `normal.distance`, or what `drift_for` says of planned
    looks. From both curves (S at days 1, 2, ..., without leading axes). Raises ValueError as `unit_variance` does and
    for a rate or ratio not above zero.

    >>> days([0.9, 0.8, 0.7], [0.85, 0.7, 0.6], tau=4, per_day=100, needed=2.8)
    7.0
    """
    gap = value(treatment, tau=tau) - value(control, tau=tau)
    for day in range(tau, longest + 1):
        seen = watched(tau=tau, accrual=day)
        variances = [unit_variance(curve, tau=tau, watched=seen) for curve in (control, treatment)]
        n = per_day * day / (1 + float(positive(ratio, "a ratio")))
        if gap**2 * n >= needed**2 * (variances[0] + variances[1] / ratio):
            return float(day)
    return float("nan")


def _heights(curve: Numbers, tau: int) -> Array:
    """S at days 1 ... tau - 1: what happens at tau itself moves no area."""
    survival = numbers(curve)
    if not 1 <= tau <= survival.shape[-1] + 1:
        raise ValueError(f"tau lies between 1 and {survival.shape[-1] + 1}, not at {tau}")
    return survival[..., : tau - 1]

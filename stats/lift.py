"""The relative change of a mean: (treatment - control) / |control|, with its limits.

Log interval (delta method on the logarithm of the ratio) while both means are well above zero. Fieller (1954), JRSS B
16, otherwise: exact for normal means, and it says so when the control may be zero and there are no limits at all. How
near zero is, is g = (q * standard error / mean)^2: 1 where the interval of the mean just touches zero.
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Codes, Mask, Numbers, divide, numbers
from stats.distributions import critical_z, level_of
from stats.results import Interval, Reason, Undefined, reason_codes, reason_of

LOG_BELOW = 0.05  # the g up to which the logarithm of a mean is close to normal


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """One relative change; 0.1 is ten per cent up.

    >>> relative(10, 0.04, 11, 0.04, alpha=0.05).at().lift
    0.1
    """

    lift: float
    interval: Interval | Undefined


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifts:
    """Many relative changes; arrays of one shape. Where there is a reason, lower and upper are NaN.

    >>> found = relative([10, 0], 0.04, [11, 1], 0.04, alpha=0.05)
    >>> found.lift.tolist(), found.reason_at(1)
    ([0.1, nan], <Reason.ZERO_BASELINE: 'zero_baseline'>)
    """

    lift: Array
    lower: Array
    upper: Array
    level: Array  # broadcasts against the others
    reason: Codes  # 0 where there are limits; see `reason_at`

    def reason_at(self, *index: int) -> Reason | None:
        """Why this cell has no lift or no limits, or None if it has both."""
        return reason_of(int(self.reason[index]))

    def at(self, *index: int) -> Lift | Undefined:
        """One cell with plain floats. The lift may be known where its limits are not."""
        reason, lift = self.reason_at(*index), float(self.lift[index])
        if reason is None:
            level = float(np.broadcast_to(self.level, self.lift.shape)[index])
            limits = Interval(lower=float(self.lower[index]), upper=float(self.upper[index]), level=level)
            return Lift(lift=lift, interval=limits)
        return Undefined(reason=reason) if np.isnan(lift) else Lift(lift=lift, interval=Undefined(reason=reason))


def relative(
    control_mean: Numbers,
    control_variance: Numbers,
    treatment_mean: Numbers,
    treatment_variance: Numbers,
    *,
    alpha: Numbers,
) -> Lifts:
    """Treatment over control minus one; the variances are those of the means. All arrays broadcast, alpha too.

    A negative control is divided by its absolute value, so that up stays up. Raises ValueError for a negative variance.

    >>> found = relative(10, 0.04, 11, 0.04, alpha=0.05)
    >>> found.lift.item(), found.lower.round(4).item(), found.upper.round(4).item()
    (0.1, 0.0432, 0.1598)
    """
    given = (control_mean, control_variance, treatment_mean, treatment_variance)
    a, va, b, vb, q = np.broadcast_arrays(*map(numbers, given), critical_z(alpha))
    if np.any(va < 0) or np.any(vb < 0):
        raise ValueError("a variance is never negative")
    near, treatment_near = _nearness(a, va, q), _nearness(b, vb, q)
    lift = _change(a, b)
    reason = reason_codes(
        (~np.isfinite(np.stack((a, b, va, vb))).all(axis=0), Reason.INSUFFICIENT_DATA),
        (np.isnan(lift), Reason.ZERO_BASELINE),
        (va + vb == 0, Reason.ZERO_VARIANCE),
        (near >= 1, Reason.UNBOUNDED),
    )
    logarithmic = (reason == 0) & (a > 0) & (b > 0) & (near <= LOG_BELOW) & (treatment_near <= LOG_BELOW)
    lower, upper = np.where(
        logarithmic,
        _log_limits(a, b, near + treatment_near, logarithmic),
        _fieller_limits(a, va, b, vb, near, q, reason == 0),
    )
    return Lifts(lift=lift, lower=lower, upper=upper, level=level_of(alpha), reason=reason)


def _change(a: Array, b: Array) -> Array:
    """The lift; NaN beside a control that is zero, or so near it that the quotient is beyond every float."""
    known = np.isfinite(a) & np.isfinite(b)
    with np.errstate(over="ignore"):
        change = divide(np.where(known, b, 0.0) - np.where(known, a, 0.0), np.where(known, np.abs(a), 0.0))
    return np.where(np.isfinite(change), change, np.nan)


def _nearness(mean: Array, variance: Array, q: Array) -> Array:
    """The g of a mean, not counted beyond 1; NaN for a mean of zero."""
    size = np.abs(mean)
    return np.square(divide(np.minimum(q * np.sqrt(variance), size), size))


def _log_limits(a: Array, b: Array, spread: Array, where: Mask) -> Array:
    """Limits below and above; `spread` is the squared half width on the scale of the logarithm."""
    ratio, width = divide(b, np.where(where, a, np.nan)), np.sqrt(np.where(where, spread, np.nan))
    return np.stack((ratio * np.exp(-width) - 1, ratio * np.exp(width) - 1))


def _fieller_limits(a: Array, va: Array, b: Array, vb: Array, near: Array, q: Array, where: Mask) -> Array:
    a, near = np.where(where, a, np.nan), np.where(where, near, np.nan)
    ratio = divide(b, a)
    half = divide(q, np.abs(a)) * np.sqrt(vb * (1 - near) + np.square(ratio * np.sqrt(va)))
    first, second = (ratio - half) / (1 - near), (ratio + half) / (1 - near)
    # Below a negative control the ratio runs the other way: a larger one is a fall.
    return np.stack((np.where(a > 0, first - 1, 1 - second), np.where(a > 0, second - 1, 1 - first)))

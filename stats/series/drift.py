"""Whether a level has drifted from its baseline, read after every period and stopped at any.

The always-valid kernel on the weighted mean of the periods so far, less the baseline. The baseline's own error stays
in the variance, so the information can never be more than one over its square: left out, a true baseline would be
called drifted in most series watched for long enough. This is an observation, not a randomised experiment.
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Codes, Mask, Numbers, divide, numbers
from stats.distributions import level_of
from stats.results import Reason, reason_codes, reason_of
from stats.sequential import confidence_sequence as kernel
from stats.series.periods import given


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifts:
    """Level less baseline after each period (..., T); NaN where there is a reason.

    The limits hold after all periods at once. `p_value` is the smallest so far, and
    `has_drifted` once it has been at or below alpha.
    """

    difference: Array
    variance: Array  # of the difference, the baseline's own included
    log_e_value: Array
    p_value: Array
    lower: Array
    upper: Array
    has_drifted: Mask
    level: float
    reason: Codes

    def reason_at(self, *index: int) -> Reason | None:
        """Why there is no answer after this period, or None if there is one."""
        return reason_of(int(self.reason[index]))


def against(
    value: Numbers,
    standard_error: Numbers,
    *,
    baseline: Numbers,
    baseline_standard_error: Numbers,
    shift: float,
    alpha: float,
    spread: Numbers = 0.0,
) -> Drifts:
    """The values (..., T) of later periods against a baseline (...) that shares no unit with them, after each period.

    `shift` is the drift worth knowing of, fixed before the data: the standard deviation of the kernel's mixture
    (Johari, Koomen, Pekelis & Walsh 2022, Operations Research). `spread` (...) is the standard deviation between
    periods beyond sampling errors, known from before, and with it periods are independent; that they resemble their
    neighbours beyond that is not counted, see `alarm.watch`. A value that is NaN adds nothing. Undefined before the
    first value, and where nothing has an error. Raises ValueError for a negative standard error or spread, a shift
    not above zero, and an alpha outside (0, 1).

    >>> before = {"baseline": 0.25, "baseline_standard_error": 0.01}
    >>> found = against([0.27, 0.29, 0.30, 0.31], 0.01, **before, shift=0.03, alpha=0.05)
    >>> found.difference.round(4).tolist(), found.p_value.round(3).tolist(), found.has_drifted.tolist()
    ([0.02, 0.03, 0.0367, 0.0425], [1.0, 0.202, 0.034, 0.005], [False, False, True, True])
    """
    values, errors, known = given(value, standard_error)
    before = numbers(baseline_standard_error)
    if np.any(before < 0) or np.any(numbers(spread) < 0):
        raise ValueError("a standard error and a spread are never negative")
    own = errors**2 + np.square(numbers(spread))[..., np.newaxis]
    exact = np.any(known & (own == 0), axis=-1, keepdims=True)
    weight = np.where(known & ~exact, divide(1.0, np.where(known & ~exact, own, 1.0)), 0.0)
    information = np.cumsum(weight, axis=-1)
    level = divide(np.cumsum(weight * np.where(known, values, 0.0), axis=-1), information)
    difference = level - numbers(baseline)[..., np.newaxis]
    variance = divide(1.0, information) + np.square(before)[..., np.newaxis]
    reason = reason_codes(
        (exact, Reason.ZERO_VARIANCE), (~np.isfinite(difference + variance), Reason.INSUFFICIENT_DATA)
    )
    return _judged(difference, np.where(reason == 0, variance, np.nan), reason, shift, alpha)


def _judged(difference: Array, variance: Array, reason: Codes, shift: float, alpha: float) -> Drifts:
    tau2 = kernel.mixture_sprt(shift)
    log_e = kernel.log_e_value(difference, variance, tau2=tau2)
    half = kernel.half_width(variance, tau2=tau2, alpha=alpha)
    p_value = kernel.running_p_value(log_e)
    return Drifts(
        difference=difference,
        variance=variance,
        log_e_value=log_e,
        p_value=p_value,
        lower=difference - half,
        upper=difference + half,
        has_drifted=p_value <= alpha,
        level=float(level_of(alpha)),
        reason=reason,
    )

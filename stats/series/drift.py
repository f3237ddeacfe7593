"""Whether a level has drifted from its baseline, read after every period and stopped at any.

Where it is known how much periods differ (`against`): the always-valid kernel on the weighted mean of the periods so
far, less the baseline. The baseline's own error stays in the variance, so the information can never be more than one
over its square: left out, a true baseline would be called drifted in most series watched for long enough.

Where it is not (`since`), the periods before tell, and few of them tell little. An estimate of how much periods differ
and how long they stay apart leaves that doubt out, and so errs two to five times as often as it says. Here nothing is
estimated: the e-value is a Bayes factor whose two sides share all that is not known. That factor is an e-process for
levels that are anything, with the flat (right Haar) prior (Perez-Ortiz, Lardy, de Heide & Grunwald 2024, "E-statistics,
group invariance and anytime-valid testing", Annals of Statistics 52; Lindon, Ham, Tingley & Bojinov, arXiv 2210.08589),
and by Ville's inequality seldom large on average over the models of `models.swinging`; that it seldom is in each of
them is measured (docs/alerts.md), not proven. As only the step parts the two sides, the factor is a ratio of two
densities of the step at the null value (Dickey 1971, Annals of Mathematical Statistics 42).

Both are observations, not randomised experiments.
"""

from dataclasses import dataclass, replace

import numpy as np

from stats.arrays import Array, Codes, Mask, Numbers, divide, numbers
from stats.distributions import level_of
from stats.results import Reason, reason_codes, reason_of
from stats.sequential import confidence_sequence as kernel
from stats.series import models, swings
from stats.series.mixture import HALVINGS, Mixture
from stats.series.periods import given, ordered

FEWEST = 12
"""Known periods before the step, below which nothing is said of how periods swing."""
LARGER = ((1.0, 0.8), (8.0, 0.2))
"""How many times the drift worth knowing of a step may be, and how much each counts. Swings are likelier than a step
far beyond what was looked for: without the larger one a level that doubles would pass for a swing."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Level less baseline after each later period (..., L), over all models of swings; NaN where there is a reason.

    `size` (..., L, models) holds what the periods say of it if nothing was known before. `p_value` is the smallest so
    far, and `has_drifted` once it has been at or below alpha.
    """

    size: Mixture
    log_e_value: Array
    p_value: Array
    has_drifted: Mask
    shift: float
    alpha: float
    reason: Codes

    def reason_at(self, *index: int) -> Reason | None:
        """Why there is no answer after this period, or None if there is one."""
        return reason_of(int(self.reason[index]))

    def limits(self) -> tuple[Array, Array]:
        """The lower and the upper end (...) of the always-valid interval after the last period."""
        last, tau2 = self.size.taken(-1), kernel.mixture_sprt(self.shift)
        half = kernel.half_width(last.deviations**2, tau2=tau2, alpha=self.alpha * LARGER[0][1])
        # Beyond the limits that each model has by itself the e-value is 1 / alpha or more whatever their weights.
        lower, upper = (last.means - half).min(axis=-1), (last.means + half).max(axis=-1)
        return self._edge(last, lower), self._edge(last, upper)

    def _edge(self, last: Mixture, outside: Array) -> Array:
        inside = last.mean
        for _ in range(HALVINGS):
            middle = (inside + outside) / 2
            is_out = _log_ratio(last, middle, self.shift) >= -np.log(self.alpha)
            inside, outside = np.where(is_out, inside, middle), np.where(is_out, middle, outside)
        return np.asarray(inside)


def since(
    period: Numbers,
    value: Numbers,
    standard_error: Numbers,
    *,
    change: float,
    baseline: Numbers,
    baseline_standard_error: Numbers,
    first: float,
    shift: float,
    alpha: float,
) -> Steps:
    """The values (..., T) of periods (T,) from `change` on, after each, against a baseline (...) of those before it.

    The baseline is the level of the periods from `first` up to the change. How these swing around it, and how those
    before them do around a level of their own, tells how later ones may. What error the baseline has beyond that of
    its periods is added. `shift` is the drift worth knowing of, fixed before the data: the standard deviation of the
    step, which may also be `LARGER`. A value that is NaN, or has no error, adds nothing. Undefined with fewer than
    twelve known periods before the change or none from `first` on, and before the first later value. Raises ValueError
    for periods out of order, none from the change on, a negative standard error, a shift not above zero, and an alpha
    outside (0, 1).

    >>> before = [0.24, 0.26, 0.25, 0.23, 0.25, 0.27, 0.25, 0.24, 0.26, 0.25, 0.25, 0.25]
    >>> measured = {"baseline": 0.25, "baseline_standard_error": 0.003, "first": 0}
    >>> values = [*before, 0.27, 0.29, 0.30, 0.31]
    >>> found = since(range(16), values, 0.01, change=12, **measured, shift=0.03, alpha=0.05)
    >>> found.size.mean.round(4).tolist(), found.p_value.round(3).tolist(), found.has_drifted.tolist()
    ([0.0199, 0.0297, 0.036, 0.041], [1.0, 0.091, 0.035, 0.035], [False, False, True, True])
    """
    level_of(alpha), kernel.mixture_sprt(shift)
    values, errors, known = given(value, standard_error)
    known, times = known & (errors > 0), ordered(period, values)
    if times[-1] < change:
        raise ValueError("some period is not before the change")
    is_later, own = times >= change, known & (times >= first) & (times < change)
    reason = reason_codes(
        (~_is_learnt(known & ~is_later, own)[..., np.newaxis], Reason.TOO_FEW_PERIODS),
        (np.cumsum(known & is_later, axis=-1)[..., is_later] == 0, Reason.INSUFFICIENT_DATA),
    )
    level, variance = _weighted(values, errors, own)
    around = values - np.where(is_later, numbers(baseline)[..., np.newaxis], level[..., np.newaxis])
    size = swings.steps(times, around, errors, known, first=first, change=change, held=models.swinging())
    beyond = np.sqrt(np.maximum(_squared(baseline_standard_error) - variance, 0.0))
    return _weighed_up(size.blurred(beyond[..., np.newaxis]), reason, shift, alpha)


def _is_learnt(before: Mask, own: Mask) -> Mask:
    return np.asarray((before.sum(axis=-1) >= FEWEST) & own.any(axis=-1))


def _squared(error: Numbers) -> Array:
    if np.any(numbers(error) < 0):
        raise ValueError("a standard error is never negative")
    return np.square(numbers(error))


def _weighted(values: Array, errors: Array, own: Mask) -> tuple[Array, Array]:
    """The mean of some of the values by their sampling errors, and its variance; NaN of none."""
    weight = np.where(own, 1 / np.where(own, errors, 1.0) ** 2, 0.0)
    variance = divide(1.0, weight.sum(axis=-1))
    return variance * (weight * np.where(own, values, 0.0)).sum(axis=-1), variance


def _weighed_up(size: Mixture, reason: Codes, shift: float, alpha: float) -> Steps:
    size = replace(size, means=np.where(reason[..., np.newaxis] == 0, size.means, np.nan))
    log_e = _log_ratio(size, 0.0, shift)
    p_value = kernel.running_p_value(log_e)
    return Steps(
        size=size,
        log_e_value=log_e,
        p_value=p_value,
        has_drifted=p_value <= alpha,
        shift=shift,
        alpha=alpha,
        reason=reason,
    )


def _log_ratio(size: Mixture, null: Numbers, shift: float) -> Array:
    """How much likelier the values are if the step is some shift away from the null value than if it is that."""
    weights = np.concatenate([share * size.weights for _, share in LARGER], axis=-1)
    blurred = [size.blurred(times * shift).deviations for times, _ in LARGER]
    away = Mixture(
        weights=weights,
        means=np.concatenate([size.means for _ in LARGER], axis=-1),
        deviations=np.concatenate(blurred, axis=-1),
    )
    return away.log_density(null) - size.log_density(null)

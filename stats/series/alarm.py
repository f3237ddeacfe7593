"""A level watched period after period for the moment at which it changes, with the mean run between false alarms kept.

An e-detector (Shin, Ramdas & Rinaldo 2023, "E-detectors: a nonparametric framework for sequential change detection",
New England Journal of Statistics in Data Science): evidence that a change began in period j is the always-valid kernel
on the mean from j on against the mean before it, the baseline included; the sum over all j less the number of periods
is a martingale while nothing changes. So the mean run to a false alarm is at least `run_length` periods, and the chance
of one within T periods at most T / run_length, for any number of looks. That the level before is itself an estimate is
part of the kernel's variance: Pollak & Siegmund (1991), "Sequential detection of a change in a normal mean when the
initial value is unknown", Annals of Statistics 19.
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Mask, Numbers, divide, numbers
from stats.sequential import confidence_sequence as kernel
from stats.series.periods import given


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """The evidence of a change after each period (..., T); minus infinity where there is nothing to compare yet.

    `since` is the place of the period in which the change began, if there was one, as it looks now; -1 for none.
    """

    log_evidence: Array
    is_raised: Mask  # now; what was raised before stays raised for whoever stops there
    since: Array
    bar: float  # of the log evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The level before the first period, with its standard error, from data not among the values; arrays (...,).

    >>> Reference(value=0.25, standard_error=0.01).value
    0.25
    """

    value: Numbers
    standard_error: Numbers

    def __post_init__(self) -> None:
        if not np.all(numbers(self.standard_error) > 0):
            raise ValueError("the standard error of a reference is above zero")


def watch(
    value: Numbers,
    standard_error: Numbers,
    *,
    shift: float,
    run_length: float,
    spread: Numbers = 0.0,
    baseline: Reference | None = None,
    sign: int = 0,
) -> Alarms:
    """Whether the level of the values (..., T) has changed, after each period; sign 1 watches for rises, -1 for falls.

    `shift` is the change worth knowing of, in units of the value, and `run_length` the mean number of periods between
    false alarms; both are fixed before the data. `spread` (...) is the standard deviation between periods beyond
    sampling errors, from before (the root of `meta.dersimonian_laird` over past periods). It takes periods as
    independent: of an autocorrelated series watch `control.Chart.surprise` instead, with standard error 1 and a
    shift in its units (1 is usual). Without a baseline the first known period is all there is to compare with. A value
    that is NaN, or without any error, is left out. Raises ValueError for a negative standard error or spread, a shift
    not above zero, a run_length of 1 or less, and another sign. Shin, Ramdas & Rinaldo (2023); Pollak & Siegmund
    (1991).

    >>> found = watch([0.50, 0.51, 0.49, 0.50, 0.55, 0.56, 0.55], 0.01, shift=0.03, run_length=100)
    >>> found.is_raised.tolist(), found.since[-1].item()
    ([False, False, False, False, True, True, True], 4)
    """
    values, errors, known = given(value, standard_error)
    _check(shift, run_length, spread, sign)
    variance = errors**2 + np.square(numbers(spread))[..., np.newaxis]
    known = known & (variance > 0)
    weight = np.where(known, divide(1.0, np.where(known, variance, 1.0)), 0.0)
    each = _each_start(np.where(known, values, 0.0), weight, baseline, shift, sign)
    started = np.where(known[..., :, np.newaxis] & ~np.isnan(each), each, -np.inf)
    evidence = np.logaddexp.reduce(started, axis=-2)
    since = np.where(np.isneginf(evidence), -1, started.argmax(axis=-2))
    bar = float(np.log(run_length))
    return Alarms(log_evidence=evidence, is_raised=evidence >= bar, since=since, bar=bar)


def _each_start(values: Array, weight: Array, baseline: Reference | None, shift: float, sign: int) -> Array:
    """The log evidence (..., start, now) of a change that began with each start; NaN before it and without a past."""
    information, total = (np.cumsum(part, axis=-1) for part in (weight, weight * values))
    before, before_total = information - weight, total - weight * values
    since, since_total = (
        now[..., np.newaxis, :] - past[..., :, np.newaxis]
        for now, past in ((information, before), (total, before_total))
    )
    past, past_total = before[..., :, np.newaxis], before_total[..., :, np.newaxis]
    if baseline is not None:
        own = 1 / np.square(numbers(baseline.standard_error))[..., np.newaxis, np.newaxis]
        past, past_total = past + own, past_total + own * numbers(baseline.value)[..., np.newaxis, np.newaxis]
    places = np.arange(values.shape[-1])
    is_on = (places[:, np.newaxis] <= places) & (since > 0) & (past > 0)
    since, past = np.where(is_on, since, np.nan), np.where(is_on, past, np.nan)
    moved, variance = since_total / since - past_total / past, 1 / since + 1 / past
    tau2 = kernel.mixture_sprt(shift)
    if sign == 0:
        return kernel.log_e_value(moved, variance, tau2=tau2)
    return kernel.one_sided_log_e_value(sign * moved, variance, tau2=tau2)


def _check(shift: float, run_length: float, spread: Numbers, sign: int) -> None:
    if not shift > 0:
        raise ValueError("a shift is above zero")
    if not run_length > 1:
        raise ValueError("a run has more than one period")
    if np.any(numbers(spread) < 0):
        raise ValueError("a spread is never negative")
    if sign not in {-1, 0, 1}:
        raise ValueError(f"the sign is 1, -1 or 0, not {sign}")

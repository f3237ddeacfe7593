"""One comparison by plain numbers, for a notebook: nothing to know about arrays, axes or reason codes.

Each function takes what one has at hand and gives one frozen `Answer`. No number is computed here: all come from the
functions that judge thousands of KPIs at once. `planned_n` is the size the experiment was planned for before the data,
all arms together; with it, and only with it, the answer has an always-valid part that may be read on any day.

>>> from stats import single
>>> print(single.share(control=(1000, 10_000), treatment=(1120, 10_000), planned_n=20_000))
The difference is 0.012, between 0.003467 and 0.02054 (95%), p = 0.0058 (Pooled score z-test, Newcombe interval).
The lift is +12.0%, between +3.3% and +21.4%.
Read on any day: between -0.001211 and 0.02521 (95%), p = 0.1023, e = 9.78.
"""

from collections.abc import Sequence
from math import inf
from typing import TypeAlias

import numpy as np

from stats import baseline as levels
from stats import lift as lifts
from stats import methods
from stats.answer import AlwaysValid, Answer
from stats.arrays import Array, Numbers, divide, numbers
from stats.comoments import CoMoments
from stats.lift import Lifts
from stats.methods import cuped as adjusted
from stats.methods import ratio as quotient
from stats.methods import welch
from stats.moments import Moments
from stats.results import Comparison, Comparisons, Interval, Reason, Undefined
from stats.sequential import confidence_sequence as kernel
from stats.sequential.confidence_sequence import FEWEST, FEWEST_SUCCESSES
from stats.survival import rmst
from stats.survival.counts import LifeTable, life_table

ALPHA = 0.05

Values: TypeAlias = Moments | Numbers
"""One value per unit, or their moments (see `summary`)."""
Pairs: TypeAlias = CoMoments | Numbers
"""Two values per unit, one row a unit, or their moments."""
Times: TypeAlias = LifeTable | tuple[Numbers, Numbers]
"""Days and whether the event happened on the last of them, of every unit; or a life table."""


def share(
    *,
    control: tuple[float, float],
    treatment: tuple[float, float],
    alpha: float = ALPHA,
    planned_n: float | None = None,
    method: str = "proportions",
) -> Answer:
    """Shares of units, each arm as (successes, units); `method` is a name in `stats.methods`, such as "fisher" for few.

    The pooled score z and Newcombe's interval (1998, Statistics in Medicine 17) unless another is named. Raises
    ValueError for more successes than units, an alpha outside (0, 1), a planned_n not above zero, an unknown method.

    >>> answer = share(control=(3, 40), treatment=(9, 40), method="miettinen_nurminen")
    >>> round(answer.estimate, 2), round(answer.p_value, 4), round(answer.interval.lower, 4)
    (0.15, 0.0619, -0.0082)
    """
    before, after = (Moments.of_proportion(*arm) for arm in (control, treatment))
    found, fewest = methods.get(method)(before, after, alpha=alpha), min(control[0], treatment[0])
    return _answer(found, _lift(before, after, alpha), (before.n, after.n), planned_n, successes=fewest)


def mean(*, control: Values, treatment: Values, alpha: float = ALPHA, planned_n: float | None = None) -> Answer:
    """Means per unit by Welch's t-test (1947, Biometrika 34), from one value per unit or from `summary`.

    Raises ValueError for values that are not finite, an alpha outside (0, 1) and a planned_n not above zero.

    >>> treatment = summary(n=400, mean=10.8, sd=4.0)
    >>> answer = mean(control=summary(n=400, mean=10.0, sd=4.0), treatment=treatment, planned_n=1000)
    >>> round(answer.p_value, 4), round(answer.information, 1), round(answer.e_value, 1)
    (0.0048, 12.5, 11.7)
    """
    before, after = _moments(control), _moments(treatment)
    found = welch.compare(before, after, alpha=alpha)
    return _answer(found, _lift(before, after, alpha), (before.n, after.n), planned_n)


def ratio(*, control: Pairs, treatment: Pairs, alpha: float = ALPHA, planned_n: float | None = None) -> Answer:
    """Ratios of sums by the delta method (Deng, Knoblich & Lu 2018, KDD), from rows of (numerator, denominator).

    One row is one unit that was assigned. Raises ValueError for rows of another length and as `mean` does.

    >>> control = [[1, 10], [4, 20], [0, 5], [3, 15]]  # clicks and views of each unit
    >>> answer = ratio(control=control, treatment=[[3, 10], [2, 8], [6, 16], [5, 16]])
    >>> round(answer.estimate, 2), round(answer.p_value, 3)
    (0.16, 0.009)
    """
    before, after = _comoments(control), _comoments(treatment)
    found, relative = quotient.compare(before, after, alpha=alpha), quotient.lift(before, after, alpha=alpha)
    return _answer(found, relative, (before.n, after.n), planned_n)


def cuped(*, control: Pairs, treatment: Pairs, alpha: float = ALPHA, planned_n: float | None = None) -> Answer:
    """Means less what a covariate explains (Deng et al. 2013, WSDM), from rows of (value, value before exposure).

    Raises ValueError for rows of another length and as `mean` does.

    >>> control = [[13, 2], [15, 5], [18, 7], [12, 1]]
    >>> answer = cuped(control=control, treatment=[[16, 4], [19, 6], [15, 2], [17, 5]])
    >>> round(answer.estimate, 3), round(answer.p_value, 4), round(answer.lift.lift, 3)
    (1.778, 0.0052, 0.121)
    """
    before, after = _comoments(control), _comoments(treatment)
    found, relative = adjusted.compare(before, after, alpha=alpha), adjusted.lift(before, after, alpha=alpha)
    return _answer(found, relative, (before.n, after.n), planned_n)


def time_to_value(
    *, control: Times, treatment: Times, tau: int, alpha: float = ALPHA, planned_n: float | None = None
) -> Answer:
    """Restricted mean days to the event within tau, which is fixed before the data; a difference below zero is sooner.

    Royston & Parmar (2013), BMC Medical Research Methodology 13. An arm is (days, happened): for each unit the whole
    days from exposure to the event or to the end of watching, and 1 for the event or 0 for the end. Or a life table.
    Raises ValueError for days below 1, other marks, a tau below 1 or beyond a life table, and as `mean` does.

    >>> control, treatment = ([2, 5, 7, 7, 7, 6], [1, 1, 1, 0, 0, 1]), ([1, 1, 3, 2, 7, 4], [1, 1, 1, 1, 0, 1])
    >>> answer = time_to_value(control=control, treatment=treatment, tau=7)
    >>> round(answer.estimate, 2), round(answer.p_value, 3)
    (-2.67, 0.017)
    """
    tables = [_table(arm, tau) for arm in (control, treatment)]
    found = rmst.compare(*tables, tau=tau, alpha=alpha)
    before, after = (rmst.estimate(table, tau) for table in tables)
    relative = lifts.relative(before.value, before.variance, after.value, after.variance, alpha=alpha)
    fewest = min(float(table.events[..., :tau].sum()) for table in tables)
    return _answer(found, relative, [table.at_risk[..., 0] for table in tables], planned_n, successes=fewest)


def against_baseline(
    value: Values, *, baseline: Moments | tuple[float, float], alpha: float = ALPHA, planned_n: float | None = None
) -> Answer:
    """A mean or share against the level before: (level, its standard error), or the moments behind it. Observational.

    A value is given as in `mean`, a share as `Moments.of_proportion`; `planned_n` counts its units. Normal, or Welch's
    t (1947) with moments on both sides. Raises ValueError for a negative standard error and as `mean` does.

    >>> answer = against_baseline(Moments.of_proportion(320, 1000), baseline=(0.25, 0.015), planned_n=1000)
    >>> print(answer.method, round(answer.estimate, 2), round(answer.e_value, 1))
    Normal test against a baseline (observational) 0.07 45.5
    """
    after = _moments(value)
    before, level, error = _level(baseline)
    found = levels.compare(
        after.mean,
        after.mean_variance,
        baseline=level,
        baseline_standard_error=error,
        alpha=alpha,
        n=after.n,
        baseline_n=before.n if before else None,
    )
    relative = lifts.relative(level, np.square(error), after.mean, after.mean_variance, alpha=alpha)
    return _answer(found, relative, (after.n,), planned_n, kept=np.square(error))


def summary(*, n: float, mean: float, sd: float) -> Moments:
    """An arm from its number of units, mean and sample standard deviation. Raises ValueError for a negative one.

    >>> summary(n=3, mean=4.0, sd=2.0).m2.item()
    8.0
    """
    if sd < 0:
        raise ValueError("a standard deviation is never negative")
    return Moments(n=numbers(n), mean=numbers(mean), m2=numbers(max(n - 1, 0) * sd**2))


def _answer(
    found: Comparisons,
    relative: Lifts,
    units: Sequence[Array],
    planned_n: float | None,
    *,
    successes: float = inf,
    kept: float = 0.0,
) -> Answer:
    """The only cell of what the vectorised functions found; `kept` is the variance that more units do not lessen."""
    if found.difference.shape:
        raise ValueError("one comparison has one control and one treatment; for many, call stats.methods with arrays")
    if planned_n is not None and not planned_n > 0:
        raise ValueError(f"an experiment is planned for some units, not {planned_n}")
    one = found.at()
    known = one if isinstance(one, Comparison) else None
    enough = bool(min(units) >= FEWEST) and successes >= FEWEST_SUCCESSES
    planned = None if planned_n is None else (found.variance - kept) * sum(units) / planned_n + kept
    return Answer(
        estimate=_number(found.difference),
        interval=known.interval if known else None,
        p_value=known.p_value if known else None,
        lift=relative.at(),
        always_valid=_always_valid(found, planned, enough=enough),
        information=_number(divide(1.0, found.variance)),
        method=found.method,
        reason=found.reason_at(),
    )


def _always_valid(found: Comparisons, planned: Array | None, *, enough: bool) -> AlwaysValid | Undefined:
    """The kernel, tuned to be narrowest at the planned variance of the difference."""
    if planned is None:
        return Undefined(reason=Reason.UNPLANNED)
    few = None if enough else Reason.INSUFFICIENT_DATA
    reason = found.reason_at() or few or (None if found.variance > 0 else Reason.ZERO_VARIANCE)
    if reason:
        return Undefined(reason=reason)
    alpha = 1 - found.level
    tau2 = kernel.mixture_variance(planned, alpha)
    log_e = kernel.log_e_value(found.difference, found.variance, tau2=tau2)
    half = kernel.half_width(found.variance, tau2=tau2, alpha=alpha)
    lower, upper = float(found.difference - half), float(found.difference + half)
    return AlwaysValid(
        log_e_value=float(log_e),
        p_value=float(kernel.p_value(log_e)),
        interval=Interval(lower=lower, upper=upper, level=float(found.level)),
    )


def _lift(before: Moments, after: Moments, alpha: float) -> Lifts:
    return lifts.relative(before.mean, before.mean_variance, after.mean, after.mean_variance, alpha=alpha)


def _moments(values: Values) -> Moments:
    return values if isinstance(values, Moments) else Moments.from_values(_finite(values))


def _comoments(pairs: Pairs) -> CoMoments:
    return pairs if isinstance(pairs, CoMoments) else CoMoments.from_values(_finite(pairs))


def _level(baseline: Moments | tuple[float, float]) -> tuple[Moments | None, float, float]:
    """The moments behind a baseline, if there are any, its level, and its standard error."""
    if isinstance(baseline, Moments):
        return baseline, float(baseline.mean), float(baseline.standard_error)
    return None, *baseline


def _table(arm: Times, tau: int) -> LifeTable:
    if isinstance(arm, LifeTable):
        return arm
    days, happened = (_finite(part) for part in arm)
    if days.ndim != 1 or days.shape != happened.shape or np.any((days < 1) | (days != np.rint(days))):
        raise ValueError("each unit has a whole number of days, 1 or more")
    if not np.all(np.isin(happened, (0, 1))):
        raise ValueError("1 marks an event, and 0 the end of watching")
    last = int(days.max(initial=tau))
    events, ends = (np.bincount(days[happened == mark].astype(int) - 1, minlength=last) for mark in (1, 0))
    return life_table([days.size], [events], [ends], [last])


def _finite(values: Numbers) -> Array:
    given = numbers(values)
    if not np.isfinite(given).all():
        raise ValueError("values are finite numbers; a unit without one is left out, or counts as zero")
    return given


def _number(value: Array) -> float | None:
    return float(value) if np.isfinite(value) else None

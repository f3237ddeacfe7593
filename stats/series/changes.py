"""What a change did to a segment, with another segment beside it that the change did not reach.

Difference in differences: what happened to both anyway is taken off (Card & Krueger 1994, "Minimum wages and
employment", American Economic Review 84). It holds if both would have moved alike, which no data show for certain;
that they moved alike before can be looked at. Periods that resemble their neighbours make the usual errors far too
small (Bertrand, Duflo & Mullainathan 2004, "How much should we trust differences-in-differences estimates?", Quarterly
Journal of Economics 119): either collapse the periods to one before and one after (`between_cells`), or count how much
they resemble each other (`over_periods`). Not randomised, and labelled so.
"""

from dataclasses import dataclass

import numpy as np

from stats import wald
from stats.arrays import Array, Codes, Mask, Numbers, divide, numbers
from stats.distributions import level_of
from stats.results import Comparisons, Reason, reason_codes
from stats.series import models
from stats.series.mixture import Mixture, unseen
from stats.series.periods import flat, given, ordered

NORMAL = "Difference in differences, normal (observational)"
WELCH = "Difference in differences, Welch's t (observational)"
PERIODS = "Difference in differences over periods, autocorrelated (observational)"
FEWEST_UNITS = 2
"""In each of four cells."""
FEWEST_BEFORE, FEWEST_AFTER = 4, 2
"""Known periods on either side of the change."""
FEWEST_PLACEBO = 2 * FEWEST_BEFORE
"""Known periods before the change, for a change in their middle to be made up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The effect of a change on series (...), and two looks at whether both segments moved alike before it.

    `slope` is how the gap moved in one period before, `placebo` the effect of a change made up in the middle of the
    periods before. A small p-value of either speaks against the effect; a large one is no proof, for few periods show
    little.
    """

    effect: Comparisons
    slope: Comparisons
    placebo: Comparisons


def between_cells(value: Numbers, variance: Numbers, *, alpha: Numbers, n: Numbers | None = None) -> Comparisons:
    """Four cells (..., segment, time), the comparison segment first and before first; `variance` is that of the value.

    The change of the segment less the change of the comparison; the four are independent estimates. With the units n
    behind each, Student's t with Satterthwaite's (1946) degrees of freedom, otherwise normal. Of moments,
    `interaction.between` gives the same. Undefined below two units in a cell and where no cell varies. Raises
    ValueError for a negative variance, axes that are not 2 by 2, and an alpha outside (0, 1). Card & Krueger (1994).

    >>> found = between_cells([[23.33, 21.17], [20.44, 21.03]], [[1.82, 0.88], [0.26, 0.27]], alpha=0.05).at()
    >>> round(found.difference, 2), round(found.standard_error, 2), round(found.p_value, 3)
    (2.75, 1.8, 0.126)
    """
    values, spreads = np.broadcast_arrays(numbers(value), numbers(variance))
    if values.shape[-2:] != (2, 2):
        raise ValueError("there are two segments, before and after")
    if np.any(spreads < 0):
        raise ValueError("a variance is never negative")
    change = values[..., 1] - values[..., 0]
    difference, total = change[..., 1] - change[..., 0], spreads.sum(axis=(-2, -1))
    reason = reason_codes(
        (~np.isfinite(difference + total) | _too_few(n, spreads.shape), Reason.INSUFFICIENT_DATA),
        (total == 0, Reason.ZERO_VARIANCE),
    )
    return wald.compare(
        difference,
        total,
        df=_degrees(spreads, n),
        reason=reason,
        alpha=alpha,
        method=NORMAL if n is None else WELCH,
    )


def over_periods(
    period: Numbers,
    value: Numbers,
    standard_error: Numbers,
    *,
    comparison: Numbers,
    comparison_standard_error: Numbers,
    change: float,
    alpha: float,
) -> Changes:
    """Two series (..., T) over periods (T,), the change taking effect in the period `change` and lasting.

    The gap between both is a level, a step at the change and swings that each resemble the one before; how large the
    swings are and how much they last is averaged over (`models.steady`). Every p-value is for one look. Undefined
    below four known periods before and two after, a placebo below eight before. Raises ValueError for periods out of
    order, a negative standard error, a change that is not after the first period or after the last, and an alpha
    outside (0, 1). Card & Krueger (1994); Bertrand, Duflo & Mullainathan (2004).

    >>> value, beside = [5.1, 5.0, 5.2, 5.1, 5.3, 6.2, 6.4, 6.3], [4.0, 4.1, 4.1, 4.2, 4.2, 4.3, 4.3, 4.4]
    >>> found = over_periods(
    ...     range(8), value, 0.1, comparison=beside, comparison_standard_error=0.1, change=5, alpha=0.05
    ... )
    >>> one = found.effect.at()
    >>> round(one.difference, 2), round(one.interval.lower, 2), round(one.interval.upper, 2), round(one.p_value, 4)
    (0.94, 0.61, 1.24, 0.0005)
    """
    level_of(alpha)
    values, errors, known = given(value, standard_error)
    others, own, beside = given(comparison, comparison_standard_error)
    gap, error, known = np.broadcast_arrays(values - others, np.hypot(errors, own), known & beside)
    times = ordered(period, gap)
    if not times[0] < change <= times[-1]:
        raise ValueError("a change comes after the first period, and not after the last")
    early = known & (times < change)
    long = early.sum(axis=-1)
    effect, moved, made_up = times >= change, times - times[0], times >= (times[0] + change) / 2
    enough = (long >= FEWEST_BEFORE) & ((known & effect).sum(axis=-1) >= FEWEST_AFTER)
    return Changes(
        effect=_estimated(times, gap, error, known, effect, enough, alpha),
        slope=_estimated(times, gap, error, early, moved, long >= FEWEST_BEFORE, alpha),
        placebo=_estimated(times, gap, error, early, made_up, long >= FEWEST_PLACEBO, alpha),
    )


def _estimated(
    times: Array, gap: Array, error: Array, known: Mask, shape: Array | Mask, enough: Mask, alpha: float
) -> Comparisons:
    """The size of what is added to the gap in this shape (T,), from the periods that are known (..., T)."""
    reason = reason_codes((~enough, Reason.TOO_FEW_PERIODS), (flat(gap, error, known), Reason.ZERO_VARIANCE))
    found = {}
    for index in np.ndindex(reason.shape):
        if not reason[index]:
            seen = known[index]
            found[(*index, 0)] = _size(times[seen], gap[index][seen], error[index][seen], numbers(shape)[seen])
    return _compared(Mixture.stacked(found, (*reason.shape, 1)).taken(0), reason, alpha)


def _size(times: Array, gap: Array, error: Array, shape: Array) -> Mixture:
    """The size of the shape, of which nothing is known before, in units of the value."""
    scale = models.robust_scale(times, gap, error)
    held = models.steady(times, error**2 / scale**2)
    joined = np.append(shape, 1.0)
    covariances = models.ANYWHERE * np.multiply.outer(joined, joined) + np.pad(
        held.covariances, ((0, 0), (0, 1), (0, 1))
    )
    return unseen((gap - np.median(gap)) / scale, covariances, held.prior).moved(0.0, scale).taken(0)


def _compared(found: Mixture, reason: Codes, alpha: float) -> Comparisons:
    size, deviation = found.mean, found.deviation
    return Comparisons(
        difference=size,
        variance=deviation**2,
        statistic=size / deviation,
        p_value=found.two_sided(np.zeros_like(size)),
        lower=found.quantile(alpha / 2),
        upper=found.quantile(1 - alpha / 2),
        level=level_of(alpha),
        reason=reason,
        method=PERIODS,
    )


def _too_few(n: Numbers | None, shape: tuple[int, ...]) -> Mask:
    """Whether any of the four cells has a single unit or none; unknown numbers of units are enough."""
    units = np.broadcast_to(numbers(np.inf if n is None else n), shape)
    return np.asarray(np.any(units < FEWEST_UNITS, axis=(-2, -1)))


def _degrees(spreads: Array, n: Numbers | None) -> Numbers:
    """Satterthwaite's, of the sum of four variances."""
    if n is None:
        return np.inf
    shares = divide(spreads, spreads.sum(axis=(-2, -1), keepdims=True))  # shares: their squares cannot underflow
    units = np.broadcast_to(numbers(n), shares.shape)
    return divide(1.0, divide(shares**2, np.maximum(units - 1, 1)).sum(axis=(-2, -1)))

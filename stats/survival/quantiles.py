"""Reading a curve: by which day a share of units has got there, which share has by a given day, and who is watched.

All limits come from the curve's own, on the scale of log(-log S): of a day by inverting them (Brookmeyer & Crowley
1982, Biometrics 38), of a share directly (Klein, Logan, Harhoff & Andersen 2007, Statistics in Medicine 26).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Codes, Mask, divide, numbers
from stats.distributions import level_of, normal_cdf
from stats.results import Comparisons, Interval, Reason, Undefined, reason_codes, reason_of
from stats.survival import kaplan_meier
from stats.survival.counts import LifeTable
from stats.survival.kaplan_meier import TOLERANCE, Survival

METHOD = "Shares by a day from Kaplan-Meier curves, cloglog test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """The days by which a share of units has had the event; NaN with a reason where that is not known.

    A limit may be missing on its own: an `upper` of NaN beside a day means that no latest day can be named yet. A
    `lower` may be known where the day is not.
    """

    day: Array
    lower: Array
    upper: Array
    level: float
    reason: Codes

    def at(self, *index: int) -> float | Undefined:
        """One day as a plain number."""
        reason = reason_of(int(self.reason[index]))
        return Undefined(reason=reason) if reason else float(self.day[index])


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """The share of units with the event by a day (1 - S); NaN with a reason where unknown.

    Without any event, or after everybody's, there is a share but no variance or limits: reason `zero_variance`.
    """

    share: Array
    variance: Array
    lower: Array
    upper: Array
    level: float
    reason: Codes

    def at(self, *index: int) -> Interval | Undefined:
        """The interval of one cell as plain numbers."""
        reason = reason_of(int(self.reason[index]))
        if reason:
            return Undefined(reason=reason)
        return Interval(lower=float(self.lower[index]), upper=float(self.upper[index]), level=self.level)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRisk:
    """What is printed below a curve: for each of `days` (last axis), units at risk just before, events so far."""

    days: Array
    at_risk: Array
    events: Array


def quantile(survival: Survival, share: float) -> Quantiles:
    """The first day by which this share of units has had the event, with limits at the level of the curve.

    Where S is exactly 1 - share for a while, the middle of that while, as in R's survival. Shape of the leading axes.
    Raises ValueError unless 0 < share < 1.

    >>> from stats.survival.counts import life_table
    >>> table = life_table([20], [[4, 5, 3, 2]], [[0, 1, 1, 0]], [4])
    >>> found = quantile(kaplan_meier.estimate(table, level=0.95), 0.5)
    >>> found.day.item(), found.lower.item(), found.upper.item()
    (3.0, 2.0, 4.0)
    """
    if not 0 < share < 1:
        raise ValueError(f"a share lies between 0 and 1, not at {share}")
    left, curve = 1 - share, survival.survival
    reached = curve < left + TOLERANCE
    first = _first(reached)
    level = np.take_along_axis(curve, reached.argmax(axis=-1)[..., np.newaxis], axis=-1)
    later = _first(reached & (curve < level))
    level_off = (np.abs(level[..., 0] - left) < TOLERANCE) & ~np.isnan(later)
    return Quantiles(
        day=np.where(level_off, (first + later) / 2, first),
        lower=_first(survival.lower <= left),
        upper=_first(survival.upper <= left),
        level=float(survival.level),
        reason=reason_codes(
            (np.isnan(curve[..., 0]), Reason.INSUFFICIENT_DATA),
            (np.isnan(first), Reason.NOT_REACHED),
        ),
    )


def share_by(survival: Survival, day: int) -> Shares:
    """The share of units with the event within so many days, also while some are not that far yet.

    Without losses or unfinished units it is the plain proportion. Shape of the leading axes. Raises ValueError for a
    day outside the curve.

    >>> from stats.survival.counts import life_table
    >>> table = life_table([50, 50], [[5, 5, 5], [6, 4, 0]], [[0, 0, 0], [0, 0, 0]], [3, 2])
    >>> found = share_by(kaplan_meier.estimate(table, level=0.95), 3)
    >>> found.share.round(3).item(), found.lower.round(3).item(), found.upper.round(3).item()
    (0.3, 0.207, 0.421)
    """
    if not 1 <= day <= survival.survival.shape[-1]:
        raise ValueError(f"the curve has days 1 to {survival.survival.shape[-1]}, not {day}")
    left, lower, upper = (part[..., day - 1] for part in (survival.survival, survival.lower, survival.upper))
    return Shares(
        share=1 - left,
        variance=survival.variance[..., day - 1],
        lower=1 - upper,
        upper=1 - lower,
        level=float(survival.level),
        reason=reason_codes((np.isnan(left), Reason.INSUFFICIENT_DATA), (np.isnan(lower), Reason.ZERO_VARIANCE)),
    )


def compare(control_table: LifeTable, treatment_table: LifeTable, *, day: int, alpha: float) -> Comparisons:
    """Treatment minus control of the shares with the event by a day; the arrays broadcast.

    The test is Klein et al.'s on the scale of log(-log S), which keeps its alpha where the plain difference does not;
    the interval joins the limits of both shares (Zou & Donner 2008, Statistics in Medicine 27). They rest on different
    variances, so close to alpha they may disagree. `variance` is that of the difference. Raises ValueError for a day
    outside the tables.

    >>> from stats.survival.counts import life_table
    >>> control = life_table([100], [[5, 5, 5]], [[0, 0, 0]], [3])
    >>> treatment = life_table([100], [[10, 10, 10]], [[0, 0, 0]], [3])
    >>> found = compare(control, treatment, day=3, alpha=0.05).at()
    >>> print(f"{found.difference:.2f} from {found.interval.lower:.3f} to {found.interval.upper:.3f}")
    0.15 from 0.032 to 0.265
    """
    level = level_of(alpha)
    before, after = (
        share_by(kaplan_meier.estimate(table, level=level), day) for table in (control_table, treatment_table)
    )
    difference = after.share - before.share
    reason = reason_codes(
        (np.isnan(difference), Reason.INSUFFICIENT_DATA),
        ((before.reason + after.reason) != 0, Reason.ZERO_VARIANCE),
    )
    first, second = _on_log_scale(before), _on_log_scale(after)
    statistic = divide(second[0] - first[0], np.sqrt(first[1] + second[1]))
    return Comparisons(
        difference=difference,
        variance=before.variance + after.variance,
        statistic=np.where(reason == 0, statistic, np.nan),
        p_value=np.where(reason == 0, 2 * normal_cdf(-np.abs(statistic)), np.nan),
        lower=difference - np.hypot(after.share - after.lower, before.upper - before.share),
        upper=difference + np.hypot(after.upper - after.share, before.share - before.lower),
        level=level,
        reason=reason,
        method=METHOD,
    )


def at_risk(table: LifeTable, days: Sequence[int]) -> AtRisk:
    """The numbers to print below a curve at these days, of which 0 is the start. Leading axes as the table's.

    As R's `summary(survfit)`: a unit with its event or its end on that very day still counts as at risk. Raises
    ValueError for a day outside the table.

    >>> from stats.survival.counts import life_table
    >>> below = at_risk(life_table([20], [[4, 5, 3, 2]], [[0, 1, 1, 0]], [4]), [0, 2, 4])
    >>> below.at_risk.tolist(), below.events.tolist()
    ([20.0, 16.0, 6.0], [0.0, 9.0, 14.0])
    """
    last, shown = table.at_risk.shape[-1], np.asarray(days, dtype=np.int64)
    if np.any(shown < 0) or np.any(shown > last):
        raise ValueError(f"the table has days 0 to {last}")
    so_far = np.concatenate((np.zeros((*table.events.shape[:-1], 1)), table.events.cumsum(axis=-1)), axis=-1)
    return AtRisk(
        days=numbers(shown),
        at_risk=table.at_risk[..., np.maximum(shown - 1, 0)],
        events=so_far[..., shown],
    )


def _on_log_scale(shares: Shares) -> tuple[Array, Array]:
    """log(-log S) and its variance, NaN where there is none."""
    left = np.where(shares.reason == 0, 1 - shares.share, np.nan)
    return np.log(-np.log(left)), divide(shares.variance, np.square(left * np.log(left)))


def _first(holds: Mask) -> Array:
    """The first day (last axis) on which it holds, NaN if on none."""
    return np.where(holds.any(axis=-1), holds.argmax(axis=-1) + 1.0, np.nan)

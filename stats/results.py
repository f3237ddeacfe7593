"""What a statistical question can answer: a comparison, or the reason why there is none.

Two faces of the same numbers. `Comparisons` holds arrays and is what the methods compute; `Comparison` and `Undefined`
are one cell of it, with plain floats that are never NaN.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

import numpy as np

from stats.arrays import Array, Codes, Mask


class Reason(StrEnum):
    """Why a question has no answer.

    >>> Reason.ZERO_VARIANCE.sentence
    'Every unit has the same value so far, so chance cannot be judged.'
    """

    INSUFFICIENT_DATA = "insufficient_data"
    ZERO_VARIANCE = "zero_variance"
    ZERO_BASELINE = "zero_baseline"
    UNBOUNDED = "unbounded"
    NOT_REACHED = "not_reached"
    TOO_FEW_EVENTS = "too_few_events"
    UNPLANNED = "unplanned"
    ZERO_DENOMINATOR = "zero_denominator"
    TOO_FEW_PERIODS = "too_few_periods"
    NEAR_LOWEST = "near_lowest"
    BEFORE_END = "before_end"

    @property
    def sentence(self) -> str:
        """The reason in one sentence for a reader who is not a statistician."""
        return _SENTENCES[self]


_SENTENCES = {
    Reason.INSUFFICIENT_DATA: "There are too few units so far to answer this.",
    Reason.ZERO_VARIANCE: "Every unit has the same value so far, so chance cannot be judged.",
    Reason.ZERO_BASELINE: "The control's level is zero, so there is nothing to express a relative change against.",
    Reason.UNBOUNDED: "The control's level may be zero for all we know, so the relative change has no limits yet.",
    Reason.NOT_REACHED: "Too few of the units have got there within the time observed.",
    Reason.TOO_FEW_EVENTS: "There are too few events so far to compare how soon they happen.",
    Reason.UNPLANNED: "No size was planned before the data, so there is nothing to tune the always-valid test to.",
    Reason.ZERO_DENOMINATOR: "What the ratio divides by adds up to zero in a variant, so there is no ratio there yet.",
    Reason.TOO_FEW_PERIODS: "There are too few periods so far to judge the next one by.",
    Reason.NEAR_LOWEST: "The quantile lies so near the lowest value of all units that chance cannot be judged.",
    Reason.BEFORE_END: "This is compared once, at the planned end, which the data do not reach.",
}
_REASONS = tuple(Reason)


def reason_codes(*rules: tuple[Mask, Reason]) -> Codes:
    """For every cell the code of the first rule that holds, and 0 where none does and the question has an answer.

    >>> few, flat = np.array([True, True, False]), np.array([False, True, False])
    >>> codes = reason_codes((flat, Reason.ZERO_VARIANCE), (few, Reason.INSUFFICIENT_DATA))
    >>> [reason and reason.value for reason in map(reason_of, codes)]
    ['insufficient_data', 'zero_variance', None]
    """
    codes: Codes = np.zeros((), dtype=np.int8)
    for mask, reason in reversed(rules):
        codes = np.where(mask, np.int8(_REASONS.index(reason) + 1), codes)
    return codes


def reason_of(code: int) -> Reason | None:
    """The reason behind one code, or None for a question that has an answer.

    >>> reason_of(0), reason_of(2)
    (None, <Reason.ZERO_VARIANCE: 'zero_variance'>)
    """
    return _REASONS[code - 1] if code else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Undefined:
    """A question without an answer.

    >>> Undefined(reason=Reason.NOT_REACHED).reason.sentence
    'Too few of the units have got there within the time observed.'
    """

    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A confidence interval and the share of such intervals that cover the truth.

    >>> Interval(lower=-0.1, upper=0.3, level=0.95)
    Interval(lower=-0.1, upper=0.3, level=0.95)
    """

    lower: float
    upper: float
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One difference (treatment minus control, or value minus baseline) and how sure we are of it.

    >>> from stats.methods import welch
    >>> from stats.moments import Moments
    >>> found = welch.compare(Moments(n=50, mean=10, m2=196), Moments(n=50, mean=11, m2=196), alpha=0.05).at()
    >>> found.difference, round(found.standard_error, 2), found.method
    (1.0, 0.4, "Welch's t-test")
    """

    difference: float
    standard_error: float
    statistic: float
    p_value: float
    interval: Interval
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparisons:
    """Many comparisons at once; all arrays have one shape, and `level` broadcasts to it.

    Where there is a reason, statistic, p_value, lower and upper are NaN; difference and variance stay where they are
    known.

    >>> from stats.methods import welch
    >>> from stats.moments import Moments
    >>> found = welch.compare(Moments(n=50, mean=10, m2=196), Moments(n=[50, 1], mean=11, m2=[196, 0]), alpha=0.05)
    >>> found.p_value.round(4).tolist()
    [0.0141, nan]
    >>> found.at(1)
    Undefined(reason=<Reason.INSUFFICIENT_DATA: 'insufficient_data'>)
    """

    difference: Array
    variance: Array  # of the difference
    statistic: Array
    p_value: Array  # two-sided
    lower: Array
    upper: Array
    level: Array  # broadcasts against the others
    reason: Codes  # 0 where there is an answer; see `reason_at`
    method: str

    @property
    def standard_error(self) -> Array:
        """The square root of the variance."""
        return np.sqrt(self.variance)

    def __getitem__(self, index: Any) -> Self:
        """Some of the comparisons, by any index that numpy takes."""
        shape, numbers = self.difference.shape, ("difference", "variance", "statistic", "p_value", "lower", "upper")
        return replace(
            self,
            **{name: getattr(self, name)[index] for name in numbers},
            level=np.broadcast_to(self.level, shape)[index],
            reason=self.reason[index],
        )

    def reason_at(self, *index: int) -> Reason | None:
        """Why this cell has no answer, or None if it has one."""
        return reason_of(int(self.reason[index]))

    def at(self, *index: int) -> Comparison | Undefined:
        """One cell with plain floats."""
        reason = self.reason_at(*index)
        if reason:
            return Undefined(reason=reason)
        return Comparison(
            difference=float(self.difference[index]),
            standard_error=float(np.sqrt(self.variance[index])),
            statistic=float(self.statistic[index]),
            p_value=float(self.p_value[index]),
            interval=Interval(
                lower=float(self.lower[index]),
                upper=float(self.upper[index]),
                level=float(np.broadcast_to(self.level, self.lower.shape)[index]),
            ),
            method=self.method,
        )

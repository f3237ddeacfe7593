"""What an evaluation says: one finding per KPI, variant and segment, with everything a page or a reader asks of it."""

from dataclasses import dataclass
from datetime import date
from math import isfinite
from typing import Any, SupportsFloat

import numpy as np

from experiments.enums import Correction, Policy, Role
from experiments.inference.futility import Futility
from experiments.inference.looks import Course
from experiments.planning.plan import Covariate, PlannedVariant
from kpi.kinds.shape import CurveOf, Floats, Scale
from stats.results import Comparisons, Interval, Reason


def number(value: SupportsFloat) -> float | None:
    """A finite float, or None: what has no answer never leaves as NaN or infinity."""
    plain = float(value)
    return plain if isfinite(plain) else None


def numbers(values: Floats) -> list[Any]:
    """What `number` gives for each, as nested lists of the shape of the array."""
    finite = np.isfinite(values)
    found: Any = values
    if not finite.all():
        found = values.astype(object)
        found[~finite] = None
    return list(found.tolist())


def intervals(lower: Floats, upper: Floats, level: Floats) -> list[Interval | None]:
    """An interval for each pair of limits, None unless both are finite."""
    levels = np.broadcast_to(level, lower.shape).ravel().tolist()
    return [
        None if low is None or high is None else Interval(lower=low, upper=high, level=one)
        for low, high, one in zip(numbers(lower.ravel()), numbers(upper.ravel()), levels, strict=True)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A KPI in one variant. `n` units are counted, `censored` of them to no end yet; `open` are not counted yet."""

    n: int
    open: int
    censored: int
    value: float | None
    standard_error: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedTest:
    """The test as if this were the only look."""

    statistic: float
    p_value: float
    interval: Interval


def fixed_tests(fixed: Comparisons) -> list[FixedTest | None]:
    """One for each comparison, None where it has no answer."""
    statistics, p_values = fixed.statistic.ravel().tolist(), fixed.p_value.ravel().tolist()
    limits = intervals(fixed.lower, fixed.upper, fixed.level)
    return [
        None if interval is None else FixedTest(statistic=statistic, p_value=p_value, interval=interval)
        for statistic, p_value, interval in zip(statistics, p_values, limits, strict=True)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlwaysValidTest:
    """The test that may be read at any time. The p-value is the smallest so far; the e-value is today's (its log)."""

    p_value: float
    log_e_value: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """What a covariate did to a comparison: its slopes in both arms, and the comparison as it is without it.

    `variance_reduction` is 1 minus the adjusted over the unadjusted variance of the difference. `missing` is the share
    of units for which a number stands in.
    """

    covariate: Covariate
    control_slope: float
    treatment_slope: float
    missing: float
    variance_reduction: float | None
    difference: float | None
    standard_error: float | None
    fixed: FixedTest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineTest:
    """A variant's value against the KPI's baseline: observed, not randomised."""

    value: float
    standard_error: float
    n: int | None
    version: int
    difference: float | None
    interval: Interval | None
    p_value: float | None
    control_difference: float | None
    control_interval: Interval | None
    control_p_value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The difference day by day, as parallel lists; None on a day without an answer."""

    on: list[date]
    n: list[int]
    difference: list[float | None]
    lower: list[float | None]
    upper: list[float | None]
    always_valid_lower: list[float | None]
    always_valid_upper: list[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The share by day since exposure, as parallel lists; the median is of days to a first event."""

    share: list[float | None]
    lower: list[float | None]
    upper: list[float | None]
    at_risk: list[int]
    median: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRankTest:
    """The log-rank test of two curves."""

    statistic: float
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Two variants' curves by day since exposure, and what compares them where they are of a first event."""

    of: CurveOf
    days: list[int]
    control: Curve
    treatment: Curve
    log_rank: LogRankTest | None
    hazard_ratio: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One comparison of a variant with control. Where there is no answer, `reason` says why.

    A finding that the group-sequential test has decided is read at the look that decided; any other at the latest day.
    With an adjustment the difference, the lift and all tests are the adjusted ones; the arms' values are as measured.
    `ends_on` is the day of the last planned look, `progress` the share of the planned information so far. A deciding
    test that has decided did so on the day `decided_on`, by the evidence of a day with the `decided_difference`.
    """

    kpi: str
    kpi_name: str
    role: Role
    variant: PlannedVariant
    segment: str
    scale: Scale
    sign: int
    policy: Policy
    method: str
    read_on: date | None
    control: Arm
    treatment: Arm
    difference: float | None
    standard_error: float | None  # of the difference
    lift: float | None
    interval: Interval | None
    lift_interval: Interval | None
    p_value: float | None
    adjusted_p_value: float | None
    is_significant: bool
    is_over: bool
    margin: float | None
    reason: Reason | None
    fixed: FixedTest | None
    always_valid: AlwaysValidTest | None
    course: Course | None
    futility: Futility | None
    progress: float | None
    ends_on: date
    baseline: BaselineTest | None
    series: Series
    curves: Curves | None
    adjustment: Adjustment | None
    is_premature: bool = False  # over before the plan's minimum of days, so that nothing was decided
    correction: Correction = Correction.HOLM  # behind the adjusted p-value
    next_look_on: date | None = None  # the next planned look; None where there is none, or any day may decide
    decided_on: date | None = None
    decided_difference: float | None = None
    repeated: Interval | None = None  # of a guardrail under planned looks, at the latest one

    @property
    def is_better(self) -> bool:
        """Decided, and in the direction that is better for this KPI."""
        return self.is_significant and self._direction > 0

    @property
    def is_worse(self) -> bool:
        """Decided, and in the direction that is worse for this KPI."""
        return self.is_significant and self._direction < 0

    @property
    def points_to_harm(self) -> bool:
        """Whether the difference lies, as it stands and whatever chance has done to it, on the side that is worse."""
        return self.difference is not None and self.difference * self.sign < 0

    @property
    def breaches_margin(self) -> bool:
        """A guardrail whose whole interval lies on the wrong side of its margin, on whatever day that is seen."""
        within = self._watched
        if self.margin is None or within is None:
            return False
        best = within.upper if self.sign > 0 else -within.lower
        return best < -self.margin

    @property
    def keeps_margin(self) -> bool:
        """A guardrail whose whole interval lies on the right side of its margin: shown not to be harmed.

        Under planned looks that is shown at one of them, for nothing ships on another day.
        """
        within = self.repeated if self.policy is Policy.GROUP_SEQUENTIAL else self._watched
        if self.margin is None or within is None:
            return False
        worst = within.lower if self.sign > 0 else -within.upper
        return worst > -self.margin

    @property
    def _direction(self) -> float:
        """The difference by which it was decided, as a gain: what is seen later does not turn a decision round."""
        decided = self.difference if self.decided_difference is None else self.decided_difference
        return 0.0 if decided is None else decided * self.sign

    @property
    def _watched(self) -> Interval | None:
        """The interval that may be read today: that of a fixed test once, at its end, and until then always valid."""
        if self.policy is Policy.FIXED and not self.is_over:
            return None if self.always_valid is None else self.always_valid.interval
        return self.interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Units in one variant against the promise of its weight."""

    variant: PlannedVariant
    observed: int
    expected: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRatio:
    """The sample ratio check. The sequential p-value alerts; chi-square is shown, and warns."""

    statistic: float | None
    p_value: float | None
    sequential_p_value: float | None
    arms: tuple[Ratio, ...]

"""One planned KPI at every snapshot, and the findings that are read off it."""

from dataclasses import dataclass, replace
from datetime import date
from typing import SupportsFloat

import numpy as np

from experiments import looks
from experiments.adjustment import AdjustedSample
from experiments.curves import curves
from experiments.enums import Policy, Role
from experiments.findings import (
    Adjustment,
    AlwaysValidTest,
    Arm,
    BaselineTest,
    Finding,
    FixedTest,
    Series,
    fixed_test,
    number,
)
from experiments.looks import Course, Seen
from experiments.plan import Plan, PlannedKpi
from kpi.kinds.shape import Floats, Ints, Kind, Sample
from kpi.kinds.time_to_value import SurvivalSample
from stats import baseline, lift
from stats.distributions import normal_cdf
from stats.results import Comparisons, Interval, Reason
from stats.sequential import confidence_sequence
from stats.sequential.confidence_sequence import FEWEST, FEWEST_SUCCESSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """When the experiment started and stopped, and the last midnight its data reach (UTC days)."""

    started_on: date
    stopped_on: date | None
    through: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A KPI's samples (V, S) and comparisons with control (V - 1, S) at every snapshot."""

    plan: Plan
    planned: PlannedKpi
    kind: Kind
    sample: Sample
    n: Floats
    value: Floats
    variance: Floats
    fixed: Comparisons
    snapshots: list[date]
    calendar: Calendar
    planned_looks: tuple[looks.Look, ...]
    alpha: float
    information: float | None
    running_p: Floats
    log_e: Floats
    half_width: Floats

    @classmethod
    def of(
        cls, plan: Plan, planned: PlannedKpi, kind: Kind, sample: Sample, snapshots: list[date], calendar: Calendar
    ) -> "Reading":
        """Compare every variant with control at every snapshot, once as a fixed test and once always valid."""
        alpha = plan.alpha_each if planned.role is Role.PRIMARY else plan.alpha
        fixed = sample.compare(alpha=alpha)
        information = planned.information
        n = sample.n
        enough = (n >= FEWEST) & (sample.successes >= FEWEST_SUCCESSES)
        variance = np.where(enough[:1] & enough[1:] & (fixed.reason == 0), fixed.variance, np.nan)
        # Without a planned effect there is nothing to tune the mixture to, and tuning it to the data would be cheating.
        tau2 = confidence_sequence.mixture_variance(1 / information, alpha) if information else np.nan
        log_e = confidence_sequence.log_e_value(fixed.difference, variance, tau2=tau2)
        return cls(
            plan=plan,
            planned=planned,
            kind=kind,
            sample=sample,
            n=n,
            value=sample.value,
            variance=sample.variance,
            fixed=fixed,
            snapshots=snapshots,
            calendar=calendar,
            planned_looks=looks.calendar(plan, calendar.started_on, calendar.stopped_on, kind.window[1]),
            alpha=alpha,
            information=information,
            running_p=confidence_sequence.running_p_value(log_e),
            log_e=log_e,
            half_width=confidence_sequence.half_width(variance, tau2=tau2, alpha=alpha),
        )

    def finding(self, place: int, segment: str, entered: Ints) -> Finding:
        """The comparison of the variant at this place (0 is the first after control) with control."""
        course = self._course(place)
        blank = self._blank(place, segment, entered, course)
        at = self._read_at(course)
        if at is None:
            return blank
        fixed, always_valid = self._fixed(place, at), self._always_valid(place, at)
        interval, p_value = self._by_policy(course, fixed, always_valid)
        return replace(
            blank,
            read_on=self.snapshots[at],
            control=self._arm(0, at, entered),
            treatment=self._arm(place + 1, at, entered),
            difference=number(self.fixed.difference[place, at]),
            lift=self._lift(place, at),
            interval=interval,
            lift_interval=self._lift_interval(place, at, interval),
            p_value=p_value,
            reason=self.fixed.reason_at(place, at),
            fixed=fixed,
            always_valid=always_valid,
            baseline=self._baseline(place, at),
            curves=curves(self.sample, place, at, 1 - self.alpha) if isinstance(self.sample, SurvivalSample) else None,
            adjustment=self._adjustment(place, at),
        )

    def _blank(self, place: int, segment: str, entered: Ints, course: Course | None) -> Finding:
        """The finding as it is before there is anything to read."""
        return Finding(
            kpi=self.planned.kpi,
            kpi_name=self.planned.name,
            role=self.planned.role,
            variant=self.plan.variants[place + 1],
            segment=segment,
            scale=self.kind.scale,
            sign=self.planned.direction.sign,
            policy=self.plan.policy,
            method=self.fixed.method,
            read_on=None,
            control=Arm(n=0, open=int(entered[0]), value=None, standard_error=None),
            treatment=Arm(n=0, open=int(entered[place + 1]), value=None, standard_error=None),
            difference=None,
            lift=None,
            interval=None,
            lift_interval=None,
            p_value=None,
            adjusted_p_value=None,
            is_significant=False,
            is_over=self._is_over(course),
            margin=self.planned.margin,
            reason=Reason.INSUFFICIENT_DATA,
            fixed=None,
            always_valid=None,
            course=course,
            baseline=None,
            series=self._series(place),
            curves=None,
            adjustment=None,
        )

    # --- when to read ---------------------------------------------------------------------------------------------

    def _course(self, place: int) -> Course | None:
        """The group-sequential test of a deciding KPI."""
        if self.plan.policy is not Policy.GROUP_SEQUENTIAL or self.planned.role is not Role.PRIMARY:
            return None
        seen = [self._seen(place, look.planned_on) for look in self.planned_looks]
        return looks.course(self.planned_looks, seen, planned_information=self.information or 0.0, alpha=self.alpha)

    def _seen(self, place: int, on: date) -> Seen | None:
        at = self._snapshot(on)
        if at is None or self.fixed.reason_at(place, at) is not None:
            return None
        difference, statistic = float(self.fixed.difference[place, at]), float(self.fixed.statistic[place, at])
        # Shares have two variances. The pooled one, behind the statistic, keeps early looks from crossing too often;
        # the unpooled one is the larger under a very uneven split. The larger one decides and gives the interval.
        unpooled = float(self.fixed.variance[place, at])
        pooled = (difference / statistic) ** 2 if statistic else unpooled
        if isinstance(self.sample, AdjustedSample):
            pooled = float(self.sample.null_variance[place, at])
        return Seen(difference=difference, variance=max(pooled, unpooled))

    def _snapshot(self, on: date) -> int | None:
        """The place of a day; None before the first and for a day yet to come. After the last nothing changes."""
        if not self.snapshots or on < self.snapshots[0] or on > self.calendar.through:
            return None
        return min((on - self.snapshots[0]).days, len(self.snapshots) - 1)

    def _read_at(self, course: Course | None) -> int | None:
        if course is not None and course.is_over and course.last is not None:
            return self._snapshot(course.last.planned_on)
        return len(self.snapshots) - 1 if self.snapshots else None

    def _is_over(self, course: Course | None) -> bool:
        """Whether the plan has no look left."""
        if course is not None and course.is_over:
            return True
        return self.planned_looks[-1].planned_on <= self.calendar.through

    # --- what to read ---------------------------------------------------------------------------------------------

    def _arm(self, variant: int, at: int, entered: Ints) -> Arm:
        n = int(self.n[variant, at])
        return Arm(
            n=n,
            open=int(entered[variant]) - n,
            value=number(self.value[variant, at]),
            standard_error=number(np.sqrt(self.variance[variant, at])),
        )

    def _fixed(self, place: int, at: int) -> FixedTest | None:
        return fixed_test(self.fixed, place, at)

    def _always_valid(self, place: int, at: int) -> AlwaysValidTest | None:
        log_e, half = self.log_e[place, at], self.half_width[place, at]
        if not np.isfinite(log_e):
            return None
        difference = float(self.fixed.difference[place, at])
        return AlwaysValidTest(
            p_value=float(self.running_p[place, at]),
            log_e_value=float(log_e),
            interval=Interval(lower=difference - float(half), upper=difference + float(half), level=1 - self.alpha),
        )

    def _by_policy(
        self, course: Course | None, fixed: FixedTest | None, always_valid: AlwaysValidTest | None
    ) -> tuple[Interval | None, float | None]:
        """The interval and p-value that may be believed at this moment under the plan's policy."""
        if self.plan.policy is Policy.FIXED:
            return (fixed.interval, fixed.p_value) if fixed else (None, None)
        if course is not None and course.is_over and course.last is not None:
            return _repeated(course.last, 1 - self.alpha), course.p_value
        return (always_valid.interval, always_valid.p_value) if always_valid else (None, None)

    def _lift(self, place: int, at: int) -> float | None:
        """The difference relative to control's level."""
        if isinstance(self.sample, AdjustedSample):
            return number(self.sample.lift(place, at, alpha=self.alpha).lift)
        level = abs(float(self.value[0, at]))
        return number(self.fixed.difference[place, at] / level) if level > 0 else None

    def _lift_interval(self, place: int, at: int, interval: Interval | None) -> Interval | None:
        """The interval of the lift, as many standard errors wide as the interval of the difference is."""
        error = float(np.sqrt(self.fixed.variance[place, at]))
        if interval is None or not error > 0:
            return None
        alpha = 2 * float(normal_cdf(-(interval.upper - interval.lower) / 2 / error))
        if not 0 < alpha < 1:
            return None
        if isinstance(self.sample, AdjustedSample):
            lifts = self.sample.lift(place, at, alpha=alpha)
            return _limits(lifts.lower, lifts.upper, interval.level)
        (control, treatment), (own, other) = (
            self.value[[0, place + 1], at],
            self.variance[[0, place + 1], at],
        )
        lifts = lift.relative(control, own, treatment, other, alpha=alpha)
        return _limits(lifts.lower, lifts.upper, interval.level)

    def _adjustment(self, place: int, at: int) -> Adjustment | None:
        if not isinstance(self.sample, AdjustedSample):
            return None
        adjusted = float(self.fixed.variance[place, at])
        return self.sample.adjustment(place, at, adjusted_variance=adjusted, alpha=self.alpha)

    def _baseline(self, place: int, at: int) -> BaselineTest | None:
        pinned = self.planned.baseline
        if pinned is None:
            return None
        rows = [place + 1, 0]
        tests = baseline.compare(
            self.value[rows, at],
            self.variance[rows, at],
            baseline=pinned.value,
            baseline_standard_error=pinned.standard_error,
            alpha=self.plan.alpha,
        )
        (treatment, treatment_interval, treatment_p), (control, control_interval, control_p) = (
            (number(tests.difference[row]), _interval(tests, row), number(tests.p_value[row])) for row in (0, 1)
        )
        return BaselineTest(
            value=pinned.value,
            standard_error=pinned.standard_error,
            n=pinned.n,
            version=pinned.version,
            difference=treatment,
            interval=treatment_interval,
            p_value=treatment_p,
            control_difference=control,
            control_interval=control_interval,
            control_p_value=control_p,
        )

    def _series(self, place: int) -> Series:
        difference, half = self.fixed.difference[place], self.half_width[place]
        return Series(
            on=self.snapshots,
            n=(self.n[0] + self.n[place + 1]).astype(np.int64).tolist(),
            difference=_numbers(difference),
            lower=_numbers(self.fixed.lower[place]),
            upper=_numbers(self.fixed.upper[place]),
            always_valid_lower=_numbers(difference - half),
            always_valid_upper=_numbers(difference + half),
        )


def _repeated(look: looks.Look, level: float) -> Interval | None:
    """The repeated interval at a look: as many standard errors wide as the boundary there."""
    if look.lower is None or look.upper is None:
        return None
    return Interval(lower=look.lower, upper=look.upper, level=level)


def _numbers(values: Floats) -> list[float | None]:
    """What `number` gives for each."""
    found = values.astype(object)
    found[~np.isfinite(values)] = None
    numbers: list[float | None] = found.tolist()
    return numbers


def _interval(tests: Comparisons, row: int) -> Interval | None:
    return _limits(tests.lower[row], tests.upper[row], tests.level)


def _limits(low: SupportsFloat, high: SupportsFloat, level: float) -> Interval | None:
    lower, upper = number(low), number(high)
    return None if lower is None or upper is None else Interval(lower=lower, upper=upper, level=level)

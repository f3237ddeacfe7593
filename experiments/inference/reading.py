"""A block of questions read: its group-sequential tests, the days they are read at, and its findings.

Lists have an entry for each finding: question by question, and in each variant by variant.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from typing import NamedTuple

import numpy as np

from experiments.enums import Correction, Policy, Role
from experiments.inference import adjustment, looks
from experiments.inference.cohorts import DECIDING, Aggregates, Block, Question
from experiments.inference.curves import curves
from experiments.inference.daily import Daily, Read, arms_at
from experiments.inference.findings import (
    Adjustment,
    AlwaysValidTest,
    Arm,
    BaselineTest,
    Curves,
    Finding,
    Series,
    fixed_tests,
    intervals,
    numbers,
)
from experiments.inference.futility import Futility, futility
from experiments.inference.looks import Course, Look, Span
from experiments.planning.plan import Plan
from kpi.kinds.shape import Floats, Ints
from stats import baseline, discovery
from stats.arrays import Mask, divide
from stats.results import Interval, Reason, reason_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The days of the experiment's life, and the last midnight its data reach (UTC days)."""

    span: Span
    through: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a plan is evaluated: the midnights up to then, and the ages (S, C) of the cohorts at each."""

    plan: Plan
    calendar: Calendar
    snapshots: list[date]
    ages: Ints

    @classmethod
    def of(cls, plan: Plan, aggregates: Aggregates, calendar: Calendar) -> "Moment":
        """Before the first midnight the arrays have one day, on which nothing has been seen."""
        snapshots = aggregates.snapshots(max(int(block.until.max()) for block in aggregates.blocks))
        ages = aggregates.ages(snapshots or [aggregates.first])
        return cls(plan=plan, calendar=calendar, snapshots=snapshots, ages=ages)

    def place(self, on: date) -> int | None:
        """The place of a day; None before the first and for a day yet to come. After the last nothing changes."""
        if not self.snapshots or on < self.snapshots[0] or on > self.calendar.through:
            return None
        return min((on - self.snapshots[0]).days, len(self.snapshots) - 1)

    def read_at(self, policy: Policy, course: Course | None, ends_on: date) -> int:
        """The place of the day that a finding is read at: of the look that decided, or else the last.

        A fixed test has its one look when it ends; to read it on a later day would be a second one.
        """
        decided = course.last if course is not None and course.is_over else None
        on = ends_on if policy is Policy.FIXED else None if decided is None else decided.planned_on
        found = None if on is None else self.place(on)
        return max(len(self.snapshots) - 1, 0) if found is None else found

    @property
    def earliest_on(self) -> date:
        """The day before which nothing is decided."""
        return self.calendar.span.started_on + timedelta(days=self.plan.earliest_day)

    @property
    def has_minimum(self) -> bool:
        """Whether the days have passed before which nothing is decided."""
        return self.calendar.through >= self.earliest_on

    @property
    def may_decide(self) -> Mask:
        """The snapshots (S) at which something may be decided. After the last one nothing changes."""
        days = [day >= self.earliest_on for day in self.snapshots]
        return np.array([*days[:-1], self.has_minimum and bool(days)])

    def policy_of(self, block: Block) -> Policy:
        """How questions are read: as the plan says, but once at its end where no more looks than one hold."""
        return self.plan.policy if block.kind.adds_up else Policy.FIXED

    def looks(self, block: Block, until: int) -> tuple[Look, ...]:
        """The planned looks at a KPI whose window ends on this day; the last one where there is one only."""
        planned = looks.calendar(self.plan, self.calendar.span, until)
        return planned if block.kind.adds_up else planned[-1:]

    def is_silent(self, block: Block, last: Look) -> bool:
        """Whether there is nothing to believe: of what has one look in a plan with more, that it has not been taken.

        Beside looks on which something may have stopped, an end that came early was chosen with the data in sight.
        """
        is_alone = not block.kind.adds_up and self.plan.policy is not Policy.FIXED
        return is_alone and (not last.is_horizon or last.planned_on > self.calendar.through)

    def next_look_on(self, policy: Policy, planned: tuple[Look, ...]) -> date | None:
        """The first of these looks that is still to come and may decide; None where any day may."""
        if policy is Policy.ALWAYS_VALID:
            return None
        ahead = (look.planned_on for look in planned if not look.is_early)
        return next((day for day in ahead if day > self.calendar.through), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that there is to say of a block, but for what depends on other blocks."""

    moment: Moment
    block: Block
    daily: Daily
    read: Read
    at: Ints  # (Q, W) the places of the snapshots that are read
    courses: list[Course | None]
    is_over: list[bool]  # whether the plan has no look left
    ends_on: list[date]
    next_look_on: list[date | None]
    repeated: list[Interval | None]
    censored: Floats  # (2, Q, W)
    curves: list[Curves | None]
    is_silent: Mask  # (Q, W) whether it has one look, which is still to come

    @classmethod
    def of(cls, moment: Moment, block: Block) -> "Reading":
        """Read every question of the block."""
        plan, asked, policy = moment.plan, block.questions, moment.policy_of(block)
        alpha = np.array([plan.alpha_each if one.role is Role.PRIMARY else plan.alpha for one in asked])
        information = np.array([one.planned.information or np.nan for one in asked])
        sample = adjustment.read(block, moment.ages)
        each = (part[:, np.newaxis, np.newaxis] for part in (alpha, information))
        daily = Daily.of(sample, *each, is_watched=block.kind.adds_up)
        planned = {until: moment.looks(block, until) for until in set(block.until.tolist())}
        calendars = [planned[until] for until in block.until.tolist() for _ in plan.variants[1:]]
        courses = _courses(moment, block, daily, calendars)
        ends_on = [own[-1].planned_on for own in calendars]
        at = np.array([moment.read_at(policy, *one) for one in zip(courses, ends_on, strict=True)])
        at = at.reshape(len(asked), -1)
        is_silent = np.array([moment.is_silent(block, own[-1]) for own in calendars]).reshape(at.shape)
        return cls(
            moment=moment,
            block=block,
            daily=daily,
            read=Read.of(policy, daily, courses, at, alpha[:, np.newaxis], is_silent),
            at=at,
            courses=courses,
            is_over=[
                (course is not None and course.is_over) or end <= moment.calendar.through
                for course, end in zip(courses, ends_on, strict=True)
            ],
            ends_on=ends_on,
            next_look_on=[moment.next_look_on(policy, own) for own in calendars],
            repeated=_repeated(moment, block, daily, calendars),
            censored=sample.censored[arms_at(at)],
            curves=curves(block, sample, moment.ages, at, alpha) if moment.snapshots else [None] * at.size,
            is_silent=is_silent,
        )

    @property
    def families(self) -> list[str]:
        """The family of each finding."""
        return [question.family for question in self.block.questions for _ in range(self.at.shape[-1])]

    @property
    def log_e(self) -> Floats:
        """The evidence of each finding for its family (Q, W): always valid, or what the p-value of a look is worth."""
        return self.read.log_e if self.block.kind.adds_up else discovery.calibrated(self.read.p_value)

    def findings(self, adjusted: Floats, crossed: Ints) -> list[Finding]:
        """The findings, with their p-values adjusted for those of all blocks.

        `crossed` is the place of the snapshot at which an always-valid test decided, -1 for none.
        """
        plan, read = self.moment.plan, self.read
        read_on = self.moment.snapshots and [self.moment.snapshots[at] for at in self.at.ravel().tolist()]
        control, treatment = self._arms()
        difference, lifts = numbers(read.fixed.difference.ravel()), read.lifts()
        standard_error = numbers(np.sqrt(read.fixed.variance).ravel())
        lift, lift_interval = numbers(lifts.lift.ravel()), intervals(lifts.lower, lifts.upper, read.fixed.level)
        interval = intervals(read.lower, read.upper, read.fixed.level)
        p_value, adjusted_p_value = numbers(read.p_value.ravel()), numbers(adjusted.ravel())
        reason = [
            reason_of(code) or (Reason.BEFORE_END if is_silent else None)
            for code, is_silent in zip(read.fixed.reason.ravel().tolist(), self.is_silent.ravel().tolist(), strict=True)
        ]
        fixed, always_valid, baselines = fixed_tests(read.fixed), _always_valid_tests(read), self._baselines()
        series, adjustments = self._series(), self._adjustments()
        progress = numbers(self._progress().ravel())
        decisions = self._decisions(adjusted_p_value, crossed.tolist())
        return [
            Finding(
                kpi=question.planned.kpi,
                kpi_name=question.planned.name,
                role=question.role,
                variant=variant,
                segment=question.segment,
                scale=self.block.kind.scale,
                sign=question.planned.direction.sign,
                policy=self.moment.policy_of(self.block),
                method=read.fixed.method,
                read_on=read_on[place] if read_on else None,
                control=control[place],
                treatment=treatment[place],
                difference=difference[place],
                standard_error=standard_error[place],
                lift=lift[place],
                interval=interval[place],
                lift_interval=lift_interval[place],
                p_value=p_value[place],
                adjusted_p_value=adjusted_p_value[place],
                is_significant=decisions[place].is_significant,
                is_over=self.is_over[place],
                margin=question.planned.margin,
                reason=reason[place],
                fixed=fixed[place],
                always_valid=always_valid[place],
                course=self.courses[place],
                futility=self._futility(question, place, interval[place]),
                progress=progress[place],
                ends_on=self.ends_on[place],
                baseline=baselines[place],
                series=series[place],
                curves=self.curves[place],
                adjustment=adjustments[place],
                is_premature=self.is_over[place] and not self.moment.has_minimum,
                correction=correction(plan, question.family),
                next_look_on=self.next_look_on[place],
                decided_on=decisions[place].on,
                decided_difference=decisions[place].difference,
                repeated=self.repeated[place],
            )
            for place, (question, variant) in enumerate(product(self.block.questions, plan.variants[1:]))
        ]

    def _decisions(self, adjusted: list[float | None], crossed: list[int]) -> list["_Decision"]:
        """What each test has decided, and when; what informs has no day of decision, for it decides nothing."""
        asked = (question for question in self.block.questions for _ in range(self.at.shape[-1]))
        return [
            self._decision(place, *one) if question.role is Role.PRIMARY else _Decision(self._informs(place, one[0]))
            for place, (question, one) in enumerate(zip(asked, zip(adjusted, crossed, strict=True), strict=True))
        ]

    def _decision(self, place: int, adjusted: float | None, crossed: int) -> "_Decision":
        """By the look that crossed, by the one look of a fixed test, or by the first day that was evidence enough."""
        course, moment = self.courses[place], self.moment
        if course is not None:
            return _Decision(course.has_crossed, course.last.planned_on if course.has_crossed and course.last else None)
        if moment.plan.policy is Policy.FIXED:
            is_significant = self._informs(place, adjusted)
            return _Decision(is_significant, self.ends_on[place] if is_significant else None)
        if crossed < 0:
            return _Decision(False)
        # Evidence from before the plan's minimum of days, or beside a test that crossed first, is still of its own day.
        cell = np.unravel_index(place, self.at.shape)
        strongest = np.nanargmax(self.daily.log_e[cell][: crossed + 1])
        day = max(moment.snapshots[crossed], moment.earliest_on)
        return _Decision(True, day, float(self.daily.fixed.difference[cell][strongest]))

    def _informs(self, place: int, adjusted: float | None) -> bool:
        """Whether the p-value is small enough: of a fixed test at its end, and never before the minimum of days."""
        moment = self.moment
        may = moment.has_minimum and (moment.plan.policy is not Policy.FIXED or self.is_over[place])
        return may and adjusted is not None and adjusted <= moment.plan.alpha

    def _futility(self, question: Question, place: int, interval: Interval | None) -> Futility | None:
        """Of deciding tests that go on."""
        if question.role is not Role.PRIMARY or self.is_over[place]:
            return None
        plan = self.moment.plan
        return futility(plan.policy, question.planned, plan.alpha_each, course=self.courses[place], interval=interval)

    def _progress(self) -> Floats:
        """The share of the planned information that there is: (Q, W)."""
        planned = np.array([question.planned.information or np.nan for question in self.block.questions])
        return divide(1.0, self.read.fixed.variance * planned[:, np.newaxis])

    def _arms(self) -> tuple[list[Arm], list[Arm]]:
        """Controls and variants."""
        entered = self.block.cohorts.entered.sum(axis=-1)
        units = np.stack((np.broadcast_to(entered[:, :1], self.at.shape), entered[:, 1:]))
        n, open_, censored, value, error = (
            part.reshape(2, -1)
            for part in (self.read.n, units - self.read.n, self.censored, self.read.value, np.sqrt(self.read.variance))
        )
        control, treatment = (
            [
                Arm(n=int(a), open=int(b), censored=int(c), value=d, standard_error=e)
                for a, b, c, d, e in zip(*columns, strict=True)
            ]
            for columns in zip(
                n.tolist(), open_.tolist(), censored.tolist(), numbers(value), numbers(error), strict=True
            )
        )
        return control, treatment

    def _baselines(self) -> list[BaselineTest | None]:
        """Variants and controls against the baselines pinned in the plan."""
        pinned = [question.planned.baseline for question in self.block.questions]
        if not any(pinned) or not self.moment.snapshots:
            return [None] * self.at.size
        levels = [(one.value, one.standard_error) if one else (np.nan, np.nan) for one in pinned]
        value, error = np.array(levels).T[..., np.newaxis]
        tests = baseline.compare(
            self.read.value,
            self.read.variance,
            baseline=value,
            baseline_standard_error=error,
            alpha=self.moment.plan.alpha,
        )
        (own, own_interval, own_p), (difference, interval, p_value) = (
            (numbers(arm.difference.ravel()), intervals(arm.lower, arm.upper, arm.level), numbers(arm.p_value.ravel()))
            for arm in (tests[0], tests[1])
        )
        return [
            None
            if one is None
            else BaselineTest(
                value=one.value,
                standard_error=one.standard_error,
                n=one.n,
                version=one.version,
                difference=difference[place],
                interval=interval[place],
                p_value=p_value[place],
                control_difference=own[place],
                control_interval=own_interval[place],
                control_p_value=own_p[place],
            )
            for place, one in enumerate(one for one in pinned for _ in range(self.at.shape[-1]))
        ]

    def _adjustments(self) -> list[Adjustment | None]:
        """What the covariates of the plan did."""
        if self.read.adjusted is None:
            return [None] * self.at.size
        covariates = [question.planned.covariate for question in self.block.questions for _ in range(self.at.shape[-1])]
        return self.read.adjusted.adjustments(covariates, self.read.fixed.variance)

    def _series(self) -> list[Series]:
        days, daily = self.moment.snapshots, self.daily
        middle, half = daily.fixed.difference, daily.half_width
        lines = (middle, daily.fixed.lower, daily.fixed.upper, middle - half, middle + half)
        n = (daily.n[:, :1] + daily.n[:, 1:]).astype(np.int64)[..., : len(days)].reshape(self.at.size, -1)
        columns = (numbers(line[..., : len(days)].reshape(self.at.size, -1)) for line in lines)
        return [
            Series(
                on=days,
                n=units,
                difference=difference,
                lower=lower,
                upper=upper,
                always_valid_lower=always_valid_lower,
                always_valid_upper=always_valid_upper,
            )
            for units, difference, lower, upper, always_valid_lower, always_valid_upper in zip(
                n.tolist(), *columns, strict=True
            )
        ]


def correction(plan: Plan, family: str) -> Correction:
    """How a family of questions is corrected: any false yes of what decides would cost; what informs, as planned."""
    return Correction.HOLM if family == DECIDING else plan.informing_correction


class _Decision(NamedTuple):
    """Whether a test found a difference; of a deciding one the day, and the difference that it was, if not today's."""

    is_significant: bool
    on: date | None = None
    difference: float | None = None


def _courses(moment: Moment, block: Block, daily: Daily, calendars: list[tuple[Look, ...]]) -> list[Course | None]:
    """The group-sequential tests of the deciding KPIs."""
    plan = moment.plan
    asked = product(enumerate(block.questions), range(len(plan.variants) - 1))
    found: list[Course | None] = []
    for ((row, question), place), planned in zip(asked, calendars, strict=True):
        if plan.policy is not Policy.GROUP_SEQUENTIAL or question.role is not Role.PRIMARY:
            found.append(None)
            continue
        seen = [daily.seen(row, place, moment.place(look.planned_on)) for look in planned]
        information = question.planned.information or 0.0
        found.append(looks.course(planned, seen, planned_information=information, alpha=plan.alpha_each))
    return found


def _repeated(moment: Moment, block: Block, daily: Daily, calendars: list[tuple[Look, ...]]) -> list[Interval | None]:
    """What the guardrails show at the latest planned look, which is when something may ship."""
    plan = moment.plan
    asked = product(enumerate(block.questions), range(len(plan.variants) - 1))
    found: list[Interval | None] = []
    for ((row, question), place), planned in zip(asked, calendars, strict=True):
        if moment.policy_of(block) is not Policy.GROUP_SEQUENTIAL or question.role is not Role.GUARDRAIL:
            found.append(None)
            continue
        seen = [daily.seen(row, place, moment.place(look.planned_on)) for look in planned]
        passed = [(look.planned_on - moment.calendar.span.started_on).days / plan.horizon_days for look in planned]
        found.append(looks.repeated(planned, seen, passed, planned=question.planned.information, alpha=plan.alpha))
    return found


def _always_valid_tests(read: Read) -> list[AlwaysValidTest | None]:
    middle, half = read.fixed.difference, read.half_width
    limits = intervals(middle - half, middle + half, read.fixed.level)
    p_values, log_e_values = read.running_p.ravel().tolist(), read.log_e.ravel().tolist()
    return [
        None if interval is None else AlwaysValidTest(p_value=p_value, log_e_value=log_e, interval=interval)
        for p_value, log_e, interval in zip(p_values, log_e_values, limits, strict=True)
    ]

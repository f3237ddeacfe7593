"""Designing an experiment before anything is registered: units, days, what can be found, and when it would stop.

Pure. Each KPI is asked of its baseline, for the rarest variant against control. Its fixed test gives units, power and
mde; the looks that the plan's policy lets the KPI have multiply them by their inflation (`stats.design.policy`). A
deciding KPI shares alpha with the other deciding comparisons; any other has alpha for itself. A guardrail is held
against its margin at the plan's looks, a secondary KPI is watched always valid unless the policy is fixed - as in the
service. A quantile has its one look at the end; its spread of a unit is n times its baseline's squared error.

Units count once their whole cohort is final: of those that enter on a day, after the KPI's window and a day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil, isfinite

import numpy as np

from experiments.enums import Policy, Role
from experiments.inference.cohorts import decode_pinned
from experiments.inference.findings import number
from experiments.inference.looks import NEWS
from experiments.planning.design import Course, DesignLook, Gap, KpiDesign, PowerCurve, Reachable, Setting, Size, Sketch
from experiments.planning.draft import LONGEST_HORIZON, KpiChoice, Measure
from experiments.planning.plan import Rules, look_days, unit_variance
from experiments.planning.questions import Normal, Question, SafeShares, Shares
from kpi.kinds.shape import Floats, Ints, Scale
from stats.design import duration, factors, policy
from stats.design.normal import bar
from stats.design.policy import Inflation
from stats.distributions import normal_quantile
from stats.sequential import stopping
from stats.sequential.stopping import Design

DAILY_LOOKS = 20
"""As many evenly spread looks stand for looking every day: more of them change the numbers by a few per cent."""
POINTS = 21
"""Effects on a power curve, from none to twice the planned one."""
FEWEST_WEEKS, MOST_WEEKS = 8, 104
LONGEST = 100_000
"""Days that are still told as a number."""
FARTHEST = 12.0
"""Standard errors beyond which a difference is found for certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A KPI ready to be asked. `share` is the part of the variance that a covariate leaves."""

    setting: Setting
    measure: Measure
    role: Role
    policy: Policy
    effect: float | None
    share: float
    question: Question | None
    inflation: Inflation
    test: Design

    @property
    def alpha(self) -> float:
        return self.setting.alpha_of(self.role)

    @property
    def until(self) -> int:
        """The window of the KPI, in days."""
        return decode_pinned(self.measure.definition).window[1]

    @property
    def drift(self) -> float:
        """How many standard errors from zero the planned effect lies, once all planned units are final."""
        return float(
            (bar(self.alpha) + normal_quantile(self.setting.power_of(self.role))) * self.inflation.horizon**0.5
        )

    def final(self, days: Floats | Ints | int) -> Floats:
        """Units of all variants that are final so many days after the start."""
        rate = self.setting.units_per_day or 0.0
        return duration.final_units(days, per_day=rate, window=self.until + 1) if rate else np.zeros(np.shape(days))

    def fixed_control(self, units: Floats | float) -> Floats:
        """Control units of a test with one look, without a covariate, that tell as much as these of all variants."""
        return np.asarray(units) / self.setting.arms / self.inflation.horizon / self.share

    def lift(self, difference: float) -> float | None:
        """A difference relative to the baseline."""
        baseline = self.measure.baseline
        return number(difference / abs(baseline.value)) if baseline is not None and baseline.value else None


def sketch(setting: Setting, choices: Sequence[tuple[KpiChoice, Measure, float]]) -> Sketch:
    """Answer for each KPI: what is chosen of it, its measure, and the correlation of its covariate, 0 without one.

    Nothing ships before the guardrails are shown to be kept, so as far as it is known what they need counts too.
    """
    found = tuple(_of_kpi(setting, choice, measure, rho) for choice, measure, rho in choices)
    needing = [kpi for kpi in found if kpi.role is Role.PRIMARY or (kpi.role is Role.GUARDRAIL and kpi.size.units)]
    units, days = [kpi.size.units for kpi in needing], [kpi.size.days for kpi in needing]
    most = max(needing, key=lambda kpi: kpi.size.units or 0.0, default=None)
    is_known = most is not None and None not in units
    return Sketch(
        units=most.size.units if most is not None and is_known else None,
        days=None if None in days else max((each for each in days if each is not None), default=None),
        needed_for=most.kpi if most is not None and is_known else None,
        gap=next((kpi.size.gap for kpi in needing if kpi.size.gap is not None), None),
        kpis=found,
    )


def _of_kpi(setting: Setting, choice: KpiChoice, measure: Measure, rho: float) -> KpiDesign:
    alpha, allowed = setting.alpha_of(choice.role), _policy(setting, choice, measure)
    inflation, test = _test(allowed, setting.looks, alpha, setting.power_of(choice.role))
    question, gap = _question(setting, choice, measure, alpha)
    case = _Case(
        setting=setting,
        measure=measure,
        role=choice.role,
        policy=allowed,
        effect=_effect(choice, measure),
        share=float(factors.cuped(rho)),
        question=question,
        inflation=inflation,
        test=test,
    )
    size = _size(case, gap)
    return KpiDesign(
        kpi=choice.kpi,
        role=choice.role,
        policy=allowed,
        alpha=alpha,
        effect=case.effect,
        effect_lift=None if case.effect is None else case.lift(case.effect),
        inflation=inflation,
        gap=gap,
        size=size,
        reachable=_reachable(case, size, gap),
        power_curve=_power_curve(case, size, gap),
        course=_course(case, size, gap),
        events_gap=Gap.NO_CURVE if _scale(measure) is Scale.DAYS else None,
    )


# --- what is asked ----------------------------------------------------------------------------------------------------


def _scale(measure: Measure) -> Scale:
    return decode_pinned(measure.definition).scale


def _policy(setting: Setting, choice: KpiChoice, measure: Measure) -> Policy:
    """How the KPI is read: a quantile once, at the end, whatever the plan's policy."""
    return setting.policy_of(choice.role) if decode_pinned(measure.definition).adds_up else Policy.FIXED


def _effect(choice: KpiChoice, measure: Measure) -> float | None:
    """The size to find, or for a guardrail the margin to keep."""
    if choice.margin is not None:
        return choice.margin
    if choice.mde_lift is not None and measure.baseline is not None:
        return choice.mde_lift * abs(measure.baseline.value)
    return choice.mde_difference


def _question(
    setting: Setting, choice: KpiChoice, measure: Measure, alpha: float
) -> tuple[Question | None, Gap | None]:
    scale, baseline, sign = _scale(measure), measure.baseline, measure.kpi.direction.sign
    if baseline is None:
        return None, Gap.NO_BASELINE
    variance = unit_variance(baseline, scale)
    if variance is None or not variance > 0:
        return None, Gap.NO_SPREAD
    common = {"alpha": alpha, "wanted": setting.power_of(choice.role), "ratio": setting.ratio}
    if scale is not Scale.FRACTION:
        return Normal(variance=variance, **common), None
    kind = Shares if choice.margin is None else SafeShares
    return kind(level=baseline.value, sign=sign, **common), None


@cache
def _test(allowed: Policy, looks: int, alpha: float, power: float) -> tuple[Inflation, Design]:
    """What looks cost, and their bars, with information in shares of the planned end."""
    if allowed is Policy.ALWAYS_VALID:
        inflation = policy.always_valid(DAILY_LOOKS, alpha=alpha, power=power)
        return inflation, policy.always_valid_design(DAILY_LOOKS, alpha=alpha, tuned_at=1 / inflation.horizon)
    taken = looks if allowed is Policy.GROUP_SEQUENTIAL else 1
    shares = np.arange(1, taken + 1) / taken
    return policy.group_sequential(taken, alpha=alpha, power=power), stopping.two_sided(shares, alpha=alpha)


# --- what is answered -------------------------------------------------------------------------------------------------


def _size(case: _Case, gap: Gap | None) -> Size:
    if case.question is None or case.effect is None:
        return Size(gap=gap or Gap.NO_EFFECT)
    if not _is_possible(case, case.effect):
        return Size(gap=Gap.IMPOSSIBLE_LEVEL)
    control = float(case.question.units(case.effect)) * case.inflation.horizon * case.share
    units, rate = float(ceil(control * case.setting.arms)), case.setting.units_per_day
    days = None if rate is None else float(duration.days(units, per_day=rate, window=case.until + 1))
    rules = Rules(
        alpha=case.setting.alpha,
        power=case.setting.power,
        policy=case.setting.policy,
        looks=case.setting.looks,
        comparisons=case.setting.comparisons,
    )
    return Size(
        units=units,
        days=None if days is None or days > LONGEST else int(days),
        information=rules.information(case.role, case.effect),
        gap=Gap.NO_TRAFFIC if days is None else Gap.TOO_LONG if days > LONGEST else None,
    )


def _is_possible(case: _Case, effect: float) -> bool:
    """Whether the KPI can have the level that the effect leads to."""
    baseline, scale = case.measure.baseline, _scale(case.measure)
    if baseline is None or scale.is_amount:
        return True
    sign = case.measure.kpi.direction.sign * (-1 if case.role is Role.GUARDRAIL else 1)
    least, most = (0.0, 1.0) if scale is Scale.FRACTION else (1.0, float(case.until))
    return least < baseline.value + sign * effect < most


def _reachable(case: _Case, size: Size, gap: Gap | None) -> Reachable:
    if case.question is None or case.setting.units_per_day is None:
        return Reachable(gap=gap or Gap.NO_TRAFFIC)
    through = case.setting.horizon_days or size.days or 0
    weeks = np.arange(1, min(MOST_WEEKS, max(FEWEST_WEEKS, ceil(through / duration.WEEK))) + 1)
    units = case.final(weeks * duration.WEEK)
    known = np.where(units > 0, units, 1.0)
    found = np.where(units > 0, case.question.mde(case.fixed_control(known)), np.nan)
    return Reachable(
        week=tuple(weeks.tolist()),
        units=tuple(units.tolist()),
        difference=tuple(number(each) for each in found),
        lift=tuple(case.lift(each) if isfinite(each) else None for each in found.tolist()),
    )


def _power_curve(case: _Case, size: Size, gap: Gap | None) -> PowerCurve:
    if case.question is None or case.effect is None or size.units is None:
        return PowerCurve(gap=gap or size.gap)
    horizon = case.setting.horizon_days
    units = size.units
    if horizon is not None and case.setting.units_per_day is not None:
        units = float(case.final(horizon))
    if not units > 0:
        return PowerCurve(gap=Gap.NO_TRAFFIC)
    effects = [each for each in np.linspace(0, 2 * case.effect, POINTS).tolist() if _is_possible(case, each)]
    one_look = case.question.power(np.array(effects), case.fixed_control(units))
    drifts = (bar(case.alpha) + normal_quantile(one_look)) * case.inflation.horizon**0.5
    return PowerCurve(
        units=units,
        difference=tuple(effects),
        lift=tuple(case.lift(each) for each in effects),
        power=tuple(case.test.power(min(drift, FARTHEST)) for drift in drifts.tolist()),
    )


def _course(case: _Case, size: Size, gap: Gap | None) -> Course:
    if size.units is None:
        return Course(gap=gap or size.gap)
    horizon = case.setting.horizon_days or size.days
    if case.setting.units_per_day is None or horizon is None:
        looked = _Looked(design=case.test, days=None, units=case.test.information * size.units)
    elif horizon > LONGEST_HORIZON:
        return Course(gap=Gap.TOO_LONG)
    else:
        found = _looked(case, horizon, size.units)
        if found is None:
            return Course(horizon_days=horizon, gap=Gap.NO_TRAFFIC)
        looked = found
    return _told(case, looked, horizon)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """Looks as they will fall: information in shares of the planned, days and units of each."""

    design: Design
    days: Floats | None
    units: Floats


def _looked(case: _Case, horizon: int, planned_units: float) -> _Looked | None:
    """The looks of the service's calendar, with what the traffic brings by then; None if it brings nothing."""
    allowed = case.policy
    if allowed is Policy.ALWAYS_VALID:
        days = np.unique(np.ceil(case.until + (horizon - case.until) * np.arange(1, DAILY_LOOKS + 1) / DAILY_LOOKS))
    else:
        days = np.array(
            look_days(horizon, case.setting.looks if allowed is Policy.GROUP_SEQUENTIAL else 1), dtype=float
        )
    units = case.final(days)
    is_guardrail = case.role is Role.GUARDRAIL  # it goes on while the plan does, and spends by the calendar
    kept = _kept(units / planned_units, is_watched=is_guardrail or allowed is Policy.ALWAYS_VALID)
    days, units = days[kept], units[kept]
    if not days.size:
        return None
    shares = units / planned_units
    if allowed is Policy.ALWAYS_VALID:
        design = policy.always_valid_at(shares, alpha=case.alpha, tuned_at=1 / case.inflation.horizon)
    else:
        passed = days / horizon if is_guardrail else np.minimum(shares, 1.0)
        clock = np.where(days == horizon, 1.0, passed)
        design = stopping.two_sided(clock, alpha=case.alpha, information=shares)
    return _Looked(design=design, days=days, units=units)


def _kept(shares: Floats, *, is_watched: bool) -> list[int]:
    """Places of the looks that see something new; planned ones end with the planned information."""
    kept: list[int] = []
    for place, share in enumerate(shares.tolist()):
        before = shares[kept[-1]] if kept else 0.0
        if share > before * NEWS and (is_watched or before < 1):
            kept.append(place)
    return kept


def _told(case: _Case, looked: _Looked, horizon: int | None) -> Course:
    planned, none = (looked.design.crossing(drift) for drift in (case.drift, 0.0))
    days, units = looked.days, looked.units

    def mean(stopped: Floats, ends: Floats) -> float:
        return float(stopped @ ends + (1 - stopped.sum()) * ends[-1])

    either, neither = planned.sum(axis=0), none.sum(axis=0)
    return Course(
        looks=tuple(
            DesignLook(
                number=place + 1,
                day=None if days is None else int(days[place]),
                units=float(units[place]),
                information_fraction=float(looked.design.information[place]),
                boundary=number(looked.design.upper[place]),
                stops_if_planned=float(either[place]),
                stops_if_none=float(neither[place]),
            )
            for place in range(units.size)
        ),
        horizon_days=horizon,
        power=float(planned[0].sum()),
        days_if_planned=None if days is None else mean(either, days),
        days_if_none=None if days is None else mean(neither, days),
        units_if_planned=mean(either, units),
        units_if_none=mean(neither, units),
    )

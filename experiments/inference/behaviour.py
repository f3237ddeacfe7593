"""Checks on what units did: outcomes that are missing, a control off its baseline, an effect that changes. Pure."""

from collections.abc import Iterator, Sequence

import numpy as np

from experiments.enums import Role
from experiments.inference.cohorts import EVERYBODY, Aggregates, decode
from experiments.inference.facts import Fact, FactName
from experiments.inference.findings import Arm, Curve, Finding
from experiments.inference.health import ALARM, EXPECTED, Check, CheckKind, HealthState, of_family
from experiments.planning.plan import Plan, PlannedKpi
from kpi.kinds.shape import Cohorts, Floats, Scale
from stats.arrays import divide
from stats.comoments import CoMoments
from stats.methods import ratio
from stats.sequential import confidence_sequence
from stats.sequential.confidence_sequence import FEWEST
from stats.survival import rmst
from stats.survival.counts import life_table

RAREST = 0.01
"""Share of units expected to do what a KPI counts, where neither a variant nor a baseline says: less steers nothing."""
TREND_ALARM = 0.05
"""Always-valid p-value below which a trend of the effect warns: it is hard to see, so it may err more often."""
TREND_DAYS = 14
"""Entry days before a trend is judged: two whole weeks, so that weekdays are not taken for one."""
WEEK = 7
"""Days."""


def no_outcomes(control: str, findings: Sequence[Finding]) -> Check:
    """Whether a variant lacks every outcome of a KPI, where some are expected: a fault looks like the worst effect."""
    silent = dict(_silent(control, findings))
    if not silent:
        return Check(
            kind=CheckKind.NO_OUTCOMES,
            state=HealthState.OK,
            sentence="No variant lacks outcomes that were to be expected.",
        )
    names = ", ".join(silent)
    return Check(
        kind=CheckKind.NO_OUTCOMES,
        state=HealthState.WARNING,
        sentence=f"Not one unit did it: {names}. See whether the events arrive.",
        facts=tuple(Fact(name=FactName.EXPECTED_UNITS, value=value, about=name) for name, value in silent.items()),
    )


def _silent(name_of_control: str, findings: Sequence[Finding]) -> Iterator[tuple[str, float]]:
    """Variants without an outcome of a KPI, and how many units were to be expected to have one."""
    for finding in findings:
        curves = finding.curves
        control = _reach(finding, finding.control, None if curves is None else curves.control)
        treatment = _reach(finding, finding.treatment, None if curves is None else curves.treatment)
        sides = (
            (name_of_control, finding.control, control, treatment),
            (finding.variant.name, finding.treatment, treatment, control),
        )
        for name, arm, own, other in sides:
            expected = arm.n * (other or _usual_reach(finding))
            if own == 0 and expected >= EXPECTED:
                yield f"“{finding.kpi_name}” in {name}", expected


def _reach(finding: Finding, arm: Arm, curve: Curve | None) -> float | None:
    """The share of units with an outcome, at least: (sum y)^2 is at most their number times sum y^2."""
    if curve is not None and finding.scale is Scale.DAYS:
        return max((share for share in curve.share if share is not None), default=None)
    if arm.value is None or not arm.n:
        return None
    if finding.scale is Scale.FRACTION or arm.value == 0:
        return arm.value
    return min(1.0, (arm.value / arm.standard_error) ** 2 / arm.n) if arm.standard_error else 1.0


def _usual_reach(finding: Finding) -> float:
    """What the baseline says of a share; else little."""
    usual = finding.baseline.value if finding.baseline and finding.scale is Scale.FRACTION else RAREST
    return max(usual, 0.0)


def drift(plan: Plan, findings: Sequence[Finding]) -> Check | None:
    """Whether control is where the KPI was before: the kernel on their difference, tuned to the planned effect."""
    planned = {kpi.kpi: kpi.mde or kpi.margin for kpi in plan.kpis if decode(kpi).adds_up}
    asked = {finding.kpi: finding for finding in findings if finding.baseline and planned.get(finding.kpi)}
    if not asked:
        return None
    sizes = np.array([planned[kpi] for kpi in asked], dtype=np.float64)
    differences, variances = np.array([_from_baseline(finding) for finding in asked.values()]).T
    log_e = confidence_sequence.log_e_value(differences, variances, tau2=confidence_sequence.mixture_sprt(sizes))
    return of_family(
        CheckKind.DRIFT,
        [f"“{finding.kpi_name}”" for finding in asked.values()],
        confidence_sequence.p_value(log_e),
        alarm=ALARM,
        fine="Control is where the baselines were.",
        warning=lambda names: (
            f"Control has left its baseline: {names}. The plan's sizes may not hold; the comparison does."
        ),
        name=FactName.DIFFERENCE,
        values=differences,
    )


def _from_baseline(finding: Finding) -> tuple[float, float]:
    """Control minus the baseline, and the variance of that; NaN while control is small."""
    base, control = finding.baseline, finding.control
    if base is None or control.value is None or control.standard_error is None or control.n < FEWEST:
        return np.nan, np.nan
    return control.value - base.value, control.standard_error**2 + base.standard_error**2


def trend(plan: Plan, aggregates: Aggregates) -> Check | None:
    """Whether the effect of a deciding KPI changes with the day of entry, as novelty wears off or people learn."""
    names: list[str] = []
    slopes: list[tuple[float, float, float]] = []
    for planned in plan.kpis:
        if planned.role is Role.PRIMARY and planned.mde and decode(planned).adds_up:
            names += [f"“{planned.name}” in {variant.name}" for variant in plan.variants[1:]]
            spread = planned.mde / (plan.horizon_days / WEEK)
            slopes += [(slope, variance, spread) for slope, variance in _slopes(aggregates, planned)]
    if not slopes:
        return None
    slope, variance, spread = np.array(slopes).T
    log_e = confidence_sequence.log_e_value(slope, variance, tau2=confidence_sequence.mixture_sprt(spread))
    return of_family(
        CheckKind.TREND,
        names,
        confidence_sequence.p_value(log_e),
        alarm=TREND_ALARM,
        fine="The effect does not change with the day of entry, as far as can be seen.",
        warning=lambda told: (
            f"The effect changes with the day of entry: {told}. Novelty may wear off, or people learn."
        ),
        name=FactName.SLOPE,
        values=slope,
    )


def _slopes(aggregates: Aggregates, planned: PlannedKpi) -> Iterator[tuple[float, float]]:
    """Of each variant: by how much the difference from control grows with each week of entry, and its variance.

    Weighted least squares over the entry days that are final, with each variant's one variance of a unit: the most
    precise slope there is, whose increments are independent.
    """
    until = decode(planned).window[1]
    days = max(0, (aggregates.through - aggregates.first).days - until)
    if days < TREND_DAYS:
        return iter([(np.nan, np.nan)] * (len(aggregates.entered[EVERYBODY]) - 1))
    cohorts = aggregates.cohorts(planned.definition.id, EVERYBODY)
    if decode(planned).has_denominator and cohorts.pairs is not None:
        n, mean, unit_variance = _ratio_by_day(cohorts.pairs[..., :days])
    else:
        n, mean, unit_variance = _by_day(cohorts, days, until)
    error = divide(unit_variance[:, np.newaxis], n)
    return _fitted(np.arange(n.shape[-1]) / WEEK, mean[1:] - mean[0], error[1:] + error[0])


def _by_day(cohorts: Cohorts, days: int, until: int) -> tuple[Floats, Floats, Floats]:
    """Units and mean of each variant's first entry days (V, C), and the variance of a unit over all of them (V)."""
    if cohorts.moments is not None:
        seen = cohorts.moments[..., :days]
        whole = seen.total(axis=-1)
        return seen.n, seen.mean, np.where(whole.n >= FEWEST, whole.variance, np.nan)
    if cohorts.events is None or cohorts.losses is None:
        raise ValueError("these cohorts hold neither moments nor durations")
    entered, events, losses = cohorts.entered[:, :days], cohorts.events[:, :days], cohorts.losses[:, :days]
    watched = np.full(entered.shape[-1], until)
    own = life_table(entered[..., np.newaxis], events[:, :, np.newaxis], losses[:, :, np.newaxis], watched[:1])
    together = rmst.estimate(life_table(entered, events, losses, watched), until)
    unit_variance = np.where(together.n >= FEWEST, together.variance * together.n, np.nan)
    return entered.astype(np.float64), rmst.estimate(own, until).value, unit_variance


def _ratio_by_day(pairs: CoMoments) -> tuple[Floats, Floats, Floats]:
    """As `_by_day`, of the straight line that a ratio is near its value over all of the days."""
    whole = pairs.total(axis=-1)
    line = ratio.as_mean(whole)
    above, below = (whole.means[..., np.newaxis, place] for place in (0, 1))
    apart = divide(pairs.means[..., 0] - divide(above, below) * pairs.means[..., 1], below)
    return pairs.n, line.mean[..., np.newaxis] + apart, np.where(line.n >= FEWEST, line.variance, np.nan)


def _fitted(at: Floats, differences: Floats, variances: Floats) -> Iterator[tuple[float, float]]:
    is_known = np.isfinite(differences) & np.isfinite(variances) & (variances > 0)
    weights = np.where(is_known, divide(1.0, variances), 0.0)
    middle = divide((weights * at).sum(axis=-1, keepdims=True), weights.sum(axis=-1, keepdims=True))
    spread = (weights * (at - middle) ** 2).sum(axis=-1)
    slope = divide((weights * (at - middle) * np.where(is_known, differences, 0.0)).sum(axis=-1), spread)
    return zip(slope.tolist(), divide(1.0, spread).tolist(), strict=True)

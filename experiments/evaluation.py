"""From the sealed plan and the aggregates to findings: a pure function, the same answer for the same inputs.

Everything is computed at every snapshot (midnight) in one pass of arrays; a finding then reads one snapshot of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from experiments import adjustment
from experiments.cohorts import EVERYBODY, Aggregates, decode
from experiments.enums import Policy, Role
from experiments.findings import Finding, Ratio, SampleRatio, number
from experiments.plan import Plan
from experiments.reading import Calendar, Reading
from kpi.kinds.shape import Ints
from stats import srm
from stats.multiplicity import holm


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All that can be concluded: findings for everybody, findings by segment, and the sample ratio."""

    findings: tuple[Finding, ...]
    segment_findings: tuple[Finding, ...]
    sample_ratio: SampleRatio


def evaluate(plan: Plan, aggregates: Aggregates, calendar: Calendar) -> Evaluation:
    """Evaluate the plan at the aggregates' moment."""
    longest = max(decode(planned).window[1] for planned in plan.kpis)
    snapshots = aggregates.snapshots(longest)
    ages = aggregates.ages(snapshots)
    findings = _of_segment(plan, aggregates, calendar, snapshots, ages, EVERYBODY)
    by_segment = [
        finding
        for segment in aggregates.segments
        for finding in _of_segment(plan, aggregates, calendar, snapshots, ages, segment)
    ]
    return Evaluation(
        findings=tuple(_adjusted(plan, findings)),
        segment_findings=tuple(_adjusted(plan, by_segment)),
        sample_ratio=sample_ratio(plan, aggregates),
    )


def sample_ratio(plan: Plan, aggregates: Aggregates) -> SampleRatio:
    """Are the variants' units in the promised proportion? Judged day by day, so that looking daily is allowed."""
    counts = aggregates.entered[EVERYBODY]
    weights = np.array([variant.weight for variant in plan.variants])
    total, shares = counts.sum(), weights / weights.sum()
    statistic, p_value = srm.chi_square(counts.sum(axis=-1), weights)
    concentration = srm.concentration_for(plan.planned_units or 0)
    _, running = srm.sequential(counts.T, weights, concentration=concentration)
    return SampleRatio(
        statistic=number(statistic),
        p_value=number(p_value),
        sequential_p_value=number(running[-1]) if total else None,
        arms=tuple(
            Ratio(variant=variant, observed=int(count), expected=float(total * share))
            for variant, count, share in zip(plan.variants, counts.sum(axis=-1), shares, strict=True)
        ),
    )


def _of_segment(
    plan: Plan, aggregates: Aggregates, calendar: Calendar, snapshots: list[date], ages: Ints, segment: str
) -> list[Finding]:
    found: list[Finding] = []
    for planned in plan.kpis:
        kind = decode(planned)
        cohorts = aggregates.cohorts[planned.definition.id, segment]
        # Only the whole of the units decides; a segment informs.
        role = planned.role if segment == EVERYBODY else Role.SECONDARY
        sample = adjustment.read(planned, kind, cohorts, ages)
        reading = Reading.of(plan, replace(planned, role=role), kind, sample, snapshots, calendar)
        entered = cohorts.entered.sum(axis=-1)
        found += [reading.finding(place, segment, entered) for place in range(len(plan.variants) - 1)]
    return found


def _adjusted(plan: Plan, findings: Sequence[Finding]) -> list[Finding]:
    """Adjust over each family - the deciding tests, and the informing ones - and let the fixed policy decide by it."""
    families: dict[bool, list[int]] = {True: [], False: []}
    for place, finding in enumerate(findings):
        families[finding.role is Role.PRIMARY].append(place)
    adjusted = list(findings)
    for places in families.values():
        p_values = holm([_or_nan(findings[place].p_value) for place in places])
        for place, p_value in zip(places, p_values, strict=True):
            adjusted[place] = _decided(plan, findings[place], number(p_value))
    return adjusted


def _decided(plan: Plan, finding: Finding, adjusted: float | None) -> Finding:
    if finding.course is not None and finding.role is Role.PRIMARY:
        return replace(finding, adjusted_p_value=adjusted, is_significant=finding.course.has_crossed)
    may_decide = finding.policy is not Policy.FIXED or finding.is_over  # a fixed test has its one look at the end
    is_significant = may_decide and adjusted is not None and adjusted <= plan.alpha
    return replace(finding, adjusted_p_value=adjusted, is_significant=is_significant)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value

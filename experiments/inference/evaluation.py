"""From the sealed plan and the aggregates to findings: a pure function, the same answer for the same inputs.

Everything is computed at every snapshot (midnight) in one pass of arrays for all questions of a kind; a finding then
reads one snapshot of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.enums import Correction, Policy
from experiments.inference.cohorts import DECIDING, EVERYBODY, Aggregates
from experiments.inference.findings import Finding, Ratio, SampleRatio, number
from experiments.inference.reading import Calendar, Moment, Reading, correction
from experiments.planning.plan import Plan
from kpi.kinds.shape import Floats, Ints
from stats import discovery, srm
from stats.multiplicity import benjamini_hochberg, benjamini_yekutieli, holm

RULES: Mapping[Correction, Callable[[Floats, Floats], Floats]] = {
    Correction.HOLM: lambda p_values, _: holm(p_values),
    Correction.BENJAMINI_HOCHBERG: lambda p_values, _: benjamini_hochberg(p_values),
    Correction.BENJAMINI_YEKUTIELI: lambda p_values, _: benjamini_yekutieli(p_values),
    Correction.E_BENJAMINI_HOCHBERG: lambda _, log_e: discovery.adjusted(log_e),
}
"""Adjusted p-values of a family from its p-values, or from the logarithms of its e-values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All that can be concluded: findings for everybody, findings by segment, and the sample ratio."""

    findings: tuple[Finding, ...]
    segment_findings: tuple[Finding, ...]
    sample_ratio: SampleRatio


def evaluate(plan: Plan, aggregates: Aggregates, calendar: Calendar) -> Evaluation:
    """Evaluate the plan at the aggregates' moment."""
    moment = Moment.of(plan, aggregates, calendar)
    readings = [Reading.of(moment, block) for block in aggregates.blocks]
    found = [
        finding
        for reading, adjusted, crossed in zip(
            readings, _adjusted(plan, readings), _crossed(moment, readings), strict=True
        )
        for finding in reading.findings(adjusted, crossed)
    ]
    order = {planned.kpi: place for place, planned in enumerate(plan.kpis)}
    found.sort(key=lambda finding: (finding.segment, order[finding.kpi]))  # variants are in the plan's order already
    return Evaluation(
        findings=tuple(finding for finding in found if finding.segment == EVERYBODY),
        segment_findings=tuple(finding for finding in found if finding.segment != EVERYBODY),
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


def _adjusted(plan: Plan, readings: Sequence[Reading]) -> Iterator[Floats]:
    """The p-values of each reading, adjusted over each family: what decides, what informs, and the segments.

    Whatever decides is held to alpha for any false yes. What informs is held to a share alpha of false ones among all
    yeses, unless the plan asks for more: by Benjamini & Hochberg's rule for the one look of a fixed plan, and by e-BH
    for evidence read on any day. There a quantile counts with what its one p-value is worth, and with nothing before.
    """
    p_values = np.concatenate([reading.read.p_value.ravel() for reading in readings])
    log_e = np.concatenate([reading.log_e.ravel() for reading in readings])
    is_silent = np.concatenate([reading.is_silent.ravel() for reading in readings])
    # What is still to be asked belongs to its family already, and has not said anything yet.
    p_values, log_e = np.where(is_silent, 1.0, p_values), np.where(is_silent, -np.inf, log_e)
    families = np.array([family for reading in readings for family in reading.families])
    adjusted = np.empty(p_values.shape)
    for family in set(families.tolist()):
        own = families == family
        if family == DECIDING and plan.policy is Policy.ALWAYS_VALID:
            adjusted[own] = _of_all(p_values[own])
        else:
            adjusted[own] = RULES[correction(plan, family)](p_values[own], log_e[own])
    ends = np.cumsum([reading.at.size for reading in readings])
    return iter(np.split(np.where(is_silent, np.nan, adjusted), ends[:-1]))


def _crossed(moment: Moment, readings: Sequence[Reading]) -> Iterator[Ints]:
    """The place of the snapshot at which each deciding always-valid test has decided, -1 for any other: (Q * W).

    It decides once: on the first day from the plan's minimum on with an adjusted p-value, the smallest so far, at or
    below alpha.
    """
    sizes = [reading.at.size for reading in readings]
    crossed = np.full(sum(sizes), -1)
    deciding = np.array([family == DECIDING for reading in readings for family in reading.families])
    if moment.plan.policy is Policy.ALWAYS_VALID:
        running = np.concatenate([reading.daily.running_p.reshape(reading.at.size, -1) for reading in readings])
        has_decided = (moment.plan.alpha >= _of_all(running[deciding].T).T) & moment.may_decide
        crossed[deciding] = np.where(has_decided.any(axis=-1), has_decided.argmax(axis=-1), -1)
    return iter(np.split(crossed, np.cumsum(sizes)[:-1]))


def _of_all(p_values: Floats) -> Floats:
    """Holm's adjustment over all tests along the last axis, also those that cannot say anything yet.

    Were they left out, the tests that begin first would have all of alpha, and those that follow a part of it again.
    """
    adjusted = holm(np.where(np.isnan(p_values), 1.0, p_values))
    return np.where(np.isnan(p_values), np.nan, adjusted)

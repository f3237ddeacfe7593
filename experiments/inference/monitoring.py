"""Whether the data can be trusted: every check on what came in, and those on who came.

Pure. Whatever warns is valid on any day it is read, for people look every day: sequential tests, with each family of
tests corrected by Holm's method; the chi-square of the split alone is shown as the usual test that it is. Warnings tell
where to look and decide nothing; what is INVALID makes the verdict INVALID.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np

from experiments.inference.balance import capped, early, imbalance
from experiments.inference.behaviour import drift, no_outcomes, trend
from experiments.inference.cohorts import EVERYBODY, Aggregates, decode
from experiments.inference.facts import Fact, FactName, known
from experiments.inference.findings import Finding, SampleRatio
from experiments.inference.health import ALARM, EXPECTED, Check, CheckKind, Health, HealthState, of_family
from experiments.inference.interaction import Interaction
from experiments.inference.interaction import checks as of_interactions
from experiments.planning.plan import Plan
from kpi.kinds.shape import Floats, Ints
from stats import srm

SRM_ALARM = 0.01
"""Sequential p-value below which the split is broken: valid at every look."""
SRM_WARNING = 0.01
"""Chi-square p-value below which the split is shown as suspect: valid for one look only, so it never decides."""
FEW_CROSSOVERS = 0.01
"""The share of units in two variants from which on it is worth finding out why (GrowthBook's default)."""
TOO_MANY_CROSSOVERS = 0.10
"""The share from which on those left are no random part any more: one in ten was taken out for what it did later."""
FEW_LEAKS = 0.01
"""The share of units held out that meet what they are held out of from which on it is worth finding out why."""
LATELY_DAYS = 7
"""Days of arrival that late outcomes are looked for in: what was late longer ago is in the numbers."""
MANY_LATE = 0.05
"""The share of late outcomes from which on the numbers of past days are not to be relied on. Who sends them every hour
stays below it, for one hour in 24 ends with the day."""
LATE_DAYS = 2
"""Days of arrival with so many before it warns: history that is taken in comes on one, and is no habit."""
FEWEST_OUTCOMES = 100
"""Outcomes before a share of them is told."""
STALLED_DAYS = 3
"""Whole days without a unit before enrolment counts as stalled; a weekend has two."""


class SrmState(StrEnum):
    """What the sample ratio says."""

    OK = "OK"
    WARNING = "WARNING"
    ALARM = "ALARM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaks:
    """How many units of a control were looked up, and how many of them met what they are held out of."""

    units: int
    leaked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the aggregates do not say: crossovers by the variant they met first, and since when units may enter.

    `open_since` is the day of the start or of the last resume, None while enrolment is paused or over. `interactions`
    are with the experiments that share units. `leaks` are of the control where other experiments are to keep it out,
    else None. `arrived` are the outcomes that came in lately by day of arrival, and those among them of a day that was
    over by then; none where none are read.
    """

    crossovers: Mapping[str, int]
    open_since: date | None
    interactions: Sequence[Interaction] = ()
    leaks: Leaks | None = None
    arrived: Sequence[tuple[int, int]] = ()


def inspect(
    plan: Plan, aggregates: Aggregates, findings: Sequence[Finding], ratio: SampleRatio, circumstances: Circumstances
) -> Health:
    """Every check that applies, on findings for everybody and at the aggregates' moment."""
    # A quantile is 0 while fewer units than its share did nothing, too.
    telling = {kpi.kpi for kpi in plan.kpis if decode(kpi).adds_up}
    made = (
        split(ratio),
        _segment_split(plan, aggregates),
        _crossovers(plan, aggregates, circumstances.crossovers),
        _holdout(circumstances.leaks),
        _stalled(aggregates, circumstances.open_since),
        no_outcomes(plan.variants[0].name, [finding for finding in findings if finding.kpi in telling]),
        drift(plan, findings),
        trend(plan, aggregates),
        imbalance(plan, aggregates),
        capped(plan, aggregates),
        *of_interactions(circumstances.interactions),
        early(plan, aggregates),
        late_outcomes(circumstances.arrived),
    )
    return Health(checks=tuple(check for check in made if check is not None))


def srm_state(ratio: SampleRatio) -> SrmState:
    """Alarm by the sequential test, warn by chi-square."""
    if ratio.sequential_p_value is not None and ratio.sequential_p_value < SRM_ALARM:
        return SrmState.ALARM
    if ratio.p_value is not None and ratio.p_value < SRM_WARNING:
        return SrmState.WARNING
    return SrmState.OK


def split(ratio: SampleRatio) -> Check:
    """Whether the units are split as promised."""
    state = srm_state(ratio)
    units = ", ".join(f"{arm.variant.name} {arm.observed:,} (expected {arm.expected:,.0f})" for arm in ratio.arms)
    sentence = {
        SrmState.OK: f"The units are split as planned: {units}.",
        SrmState.WARNING: f"The split is suspect, though not beyond doubt: {units}.",
        SrmState.ALARM: f"The units are not split as planned: {units}. Something loses units of one variant.",
    }[state]
    counts = [
        fact
        for arm in ratio.arms
        for fact in (
            Fact(name=FactName.UNITS, value=arm.observed, about=arm.variant.name),
            Fact(name=FactName.EXPECTED_UNITS, value=arm.expected, about=arm.variant.name),
        )
    ]
    return Check(
        kind=CheckKind.SPLIT,
        state=HealthState.INVALID if state is SrmState.ALARM else HealthState(state.value),
        sentence=sentence,
        facts=(*known(FactName.P_VALUE, ratio.sequential_p_value), *counts),
    )


def _segment_split(plan: Plan, aggregates: Aggregates) -> Check | None:
    """The same within each pre-registered segment: a fault on one platform hides in the whole."""
    segments = [segment for segment in aggregates.entered if segment != EVERYBODY]
    if not segments:
        return None
    counts = np.stack([aggregates.entered[segment].T for segment in segments])
    concentration = srm.concentration_for(plan.planned_units or 0)
    _, running = srm.sequential(counts, _weights(plan), concentration=concentration)
    return of_family(
        CheckKind.SEGMENT_SPLIT,
        segments,
        running[..., -1],
        alarm=ALARM,
        fine="Within each segment the units are split as planned.",
        warning=lambda names: f"The units are not split as planned where {names}.",
    )


def _crossovers(plan: Plan, aggregates: Aggregates, crossovers: Mapping[str, int]) -> Check | None:
    """How many units met two variants, and whether as many came from each as chance alone would have."""
    counts = np.array([crossovers.get(variant.key, 0) for variant in plan.variants])
    everybody = int(aggregates.entered[EVERYBODY].sum() + counts.sum())
    if not everybody:
        return None
    share, p_value = float(counts.sum() / everybody), _crossing_p_value(plan, counts)
    sentence = f"{counts.sum():,} of {everybody:,} units ({share:.1%}) met two variants and are left out"
    state = HealthState.OK
    if share > TOO_MANY_CROSSOVERS:
        state, sentence = HealthState.INVALID, f"{sentence}: assignment does not hold, and those left are a chosen part"
    elif share > FEW_CROSSOVERS:
        state, sentence = HealthState.WARNING, f"{sentence}: find out why assignment does not hold"
    elif p_value < ALARM:
        state, sentence = HealthState.WARNING, f"{sentence}, more from one variant than from another"
    first = (
        Fact(name=FactName.UNITS, value=int(n), about=variant.name)
        for variant, n in zip(plan.variants, counts, strict=True)
    )
    facts = (Fact(name=FactName.SHARE, value=share), Fact(name=FactName.P_VALUE, value=p_value), *first)
    return Check(kind=CheckKind.CROSSOVERS, state=state, sentence=f"{sentence}.", facts=facts)


def _holdout(leaks: Leaks | None) -> Check | None:
    """How many of those who are held out met what they are held out of; leaving them out would choose who is left."""
    if leaks is None or not leaks.units:
        return None
    share = leaks.leaked / leaks.units
    met = "met a variant of an experiment that keeps them out"
    sentence = f"{leaks.leaked:,} of {leaks.units:,} units held out that were looked up ({share:.1%}) {met}"
    state = HealthState.OK
    if share > FEW_LEAKS:
        state, sentence = HealthState.WARNING, f"{sentence}: the control has a part of what it is held against"
    facts = (Fact(name=FactName.UNITS, value=leaks.leaked), Fact(name=FactName.SHARE, value=share))
    return Check(kind=CheckKind.HOLDOUT, state=state, sentence=f"{sentence}.", facts=facts)


def _crossing_p_value(plan: Plan, counts: Ints) -> float:
    """A unit drawn twice meets v first and another one then with probability w (1 - w).

    By the evidence as it stands, not the smallest p-value so far: crossovers become known after their entry day.
    """
    weights = _weights(plan)
    _, running = srm.sequential(counts[np.newaxis], weights * (1 - weights))
    return float(running[-1])


def _stalled(aggregates: Aggregates, open_since: date | None) -> Check | None:
    """Whether units still come, while they should."""
    by_day = aggregates.entered[EVERYBODY].sum(axis=0)
    came = np.flatnonzero(by_day)
    if open_since is None:
        return None
    last_day = aggregates.first.toordinal() + int(came[-1]) if came.size else 0
    idle = max(0, aggregates.through.toordinal() - max(last_day + 1, open_since.toordinal()))
    expected = float(by_day.sum() / (came[-1] + 1) * idle) if came.size else EXPECTED
    is_stalled = idle >= STALLED_DAYS and expected >= EXPECTED
    sentence = f"No unit has entered for {idle} whole days" if is_stalled else "Enrolment has not stalled"
    return Check(
        kind=CheckKind.STALLED,
        state=HealthState.WARNING if is_stalled else HealthState.OK,
        sentence=f"{sentence}.",
        facts=(Fact(name=FactName.DAYS, value=idle), Fact(name=FactName.EXPECTED_UNITS, value=expected)),
    )


def late_outcomes(days: Sequence[tuple[int, int]]) -> Check | None:
    """Whether many outcomes are of days that were over, and counted, before they came; `days` are those of arrival.

    Of each day the outcomes that came in on it, and the late ones among them.
    """
    n, late = (sum(column) for column in zip(*days, strict=True)) if days else (0, 0)
    if n < FEWEST_OUTCOMES:
        return None
    share = late / n
    is_many = share > MANY_LATE and sum(came * MANY_LATE < after for came, after in days) >= LATE_DAYS
    sentence = (
        f"{late:,} of {n:,} outcomes that came in within {LATELY_DAYS} days ({share:.1%}) are of a day that was over"
    )
    if is_many:
        sentence += ": the numbers of past days still change, and a look at midnight is taken without its last day"
    return Check(
        kind=CheckKind.LATE_OUTCOMES,
        state=HealthState.WARNING if is_many else HealthState.OK,
        sentence=f"{sentence}.",
        facts=(Fact(name=FactName.SHARE, value=share),),
    )


def _weights(plan: Plan) -> Floats:
    weights = np.array([variant.weight for variant in plan.variants])
    return np.asarray(weights / weights.sum())

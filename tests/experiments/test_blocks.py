"""Questions answered side by side get the answers that each gets alone."""

from dataclasses import replace

import pytest

from experiments.enums import Policy, Role, Slopes
from experiments.inference import cohorts
from experiments.inference.cohorts import EVERYBODY
from experiments.inference.evaluation import Evaluation
from experiments.inference.findings import Finding
from experiments.planning.plan import Covariate, PinnedBaseline, Plan, PlannedKpi
from kpi import kinds
from kpi.enums import Direction
from tests.experiments.planning import (
    CONTROL,
    OTHER,
    SEGMENTS,
    TREATMENT,
    Law,
    Rows,
    day,
    evaluated,
    plan,
    planned,
    simulated,
)

DECIDING = planned(mde=0.1)
SCORE = Covariate(attribute="score", pre_exposure_days=None, when_missing=0.5, slopes=Slopes.ONE, correlation=None)
BEFORE = replace(SCORE, attribute=None, pre_exposure_days=7, when_missing=0.0)
OTHERS = [
    planned("back", kinds.Retention(event="visited", day=3), role=Role.SECONDARY, mde=None, baseline=None),
    planned("later", kinds.Activation(event="activated", window_days=6), role=Role.SECONDARY, mde=0.2),
    planned("spent", kinds.Mean(event="paid", window_days=4), role=Role.SECONDARY, mde=0.3),
    planned(
        "saved", kinds.Mean(event="saved", window_days=1), role=Role.GUARDRAIL, margin=0.2, mde=None, baseline=None
    ),
    planned("first", kinds.TimeToValue(event="activated", tau_days=5), role=Role.SECONDARY, direction=Direction.LOWER),
    planned("again", kinds.TimeToValue(event="visited", tau_days=5), role=Role.SECONDARY, mde=0.5),
    planned("lost", kinds.TimeToValue(event="paid", tau_days=3, loss_event="gone"), role=Role.SECONDARY, mde=None),
]
BASELINES = {"spent": PinnedBaseline(version=3, value=0.5, standard_error=0.1, n=None)}
OTHERS += [
    replace(OTHERS[0], kpi="back-adjusted", definition=replace(OTHERS[0].definition, id=1), covariate=SCORE),
    replace(OTHERS[2], kpi="spent-adjusted", definition=replace(OTHERS[2].definition, id=2), covariate=BEFORE),
    replace(OTHERS[3], kpi="saved-adjusted", definition=replace(OTHERS[3].definition, id=3), covariate=SCORE),
]
ALL = [DECIDING, *(replace(kpi, baseline=BASELINES.get(kpi.kpi, kpi.baseline)) for kpi in OTHERS)]
LAWS = (Law(daily=60, rate=0.3), Law(daily=70, rate=0.5), Law(daily=20, rate=0.9))
THROUGH = 12


def of(policy: Policy, *kpis: PlannedKpi) -> Plan:
    return plan(*kpis, variants=[CONTROL, TREATMENT, OTHER], policy=policy, looks=3, horizon_days=14)


def rows(made: Plan) -> Rows:
    return simulated(made, LAWS, days=10, seed=8)


def only(given: Rows, *segments: str) -> Rows:
    return Rows(
        entries=[row for row in given.entries if row["segment"] in segments],
        moments=[row for row in given.moments if row["segment"] in segments],
        durations=[row for row in given.durations if row["segment"] in segments],
    )


def bare(finding: Finding) -> Finding:
    """Without what depends on how many findings there are."""
    return replace(finding, adjusted_p_value=None, is_significant=False)


def found(evaluation: Evaluation, kpi: str) -> list[Finding]:
    both = (*evaluation.findings, *evaluation.segment_findings)
    return [bare(finding) for finding in both if finding.kpi == kpi]


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("through", [0, 1, 4, THROUGH])
def test_findings_of_a_kpi_among_others_equal_those_of_it_alone(policy: Policy, through: int) -> None:
    made = of(policy, *ALL)
    given = rows(made)
    together = evaluated(made, given, day(through))
    windows = {kpi.kpi: cohorts.decode(kpi).window[1] for kpi in ALL}
    longest = max(ALL, key=lambda kpi: windows[kpi.kpi])  # it sets how far the days go
    for kpi in OTHERS:
        kept = [one for one in ALL if one.kpi in {DECIDING.kpi, kpi.kpi, longest.kpi}]
        numbers = {one.definition.id for one in kept}
        own = replace(
            given,
            moments=[row for row in given.moments if row["definition_id"] in numbers],
            durations=[row for row in given.durations if row["definition_id"] in numbers],
        )
        alone = evaluated(of(policy, *kept), own, day(through))
        assert found(together, kpi.kpi) == found(alone, kpi.kpi)
        assert found(together, kpi.kpi)
        is_adjusted = [finding.adjustment is not None for finding in found(together, kpi.kpi)]
        assert not any(is_adjusted) or kpi.covariate is not None
        assert any(is_adjusted) or kpi.covariate is None or through < windows[kpi.kpi] + 1


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("largest", [1, 1_000])
def test_findings_do_not_depend_on_how_many_are_answered_at_once(
    monkeypatch: pytest.MonkeyPatch, policy: Policy, largest: int
) -> None:
    made = of(policy, *ALL)
    given = rows(made)
    at_once = evaluated(made, given, day(THROUGH))
    monkeypatch.setattr(cohorts, "LARGEST", largest)
    assert evaluated(made, given, day(THROUGH)) == at_once


def test_findings_of_a_segment_among_others_equal_those_of_it_alone() -> None:
    made = of(Policy.ALWAYS_VALID, *ALL)
    given = rows(made)
    together = evaluated(made, given, day(THROUGH)).segment_findings
    for segment in SEGMENTS:
        alone = evaluated(made, only(given, EVERYBODY, segment), day(THROUGH)).segment_findings
        assert [bare(one) for one in together if one.segment == segment] == [bare(one) for one in alone]


def test_findings_come_in_the_order_of_segments_kpis_and_variants() -> None:
    made = of(Policy.FIXED, *ALL)
    evaluation = evaluated(made, rows(made), day(THROUGH))
    expected = [(kpi.kpi, variant) for kpi in ALL for variant in (TREATMENT, OTHER)]
    assert [(one.kpi, one.variant) for one in evaluation.findings] == expected
    assert [(one.segment, one.kpi, one.variant) for one in evaluation.segment_findings] == [
        (segment, *one) for segment in sorted(SEGMENTS) for one in expected
    ]

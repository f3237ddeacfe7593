"""The evaluation of a plan on aggregates: the prefix law, what is significant, and answers that never are NaN."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import date, timedelta
from math import exp, isfinite, log
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from experiments.enums import Correction, Policy, Role
from experiments.inference.evaluation import Evaluation, evaluate
from experiments.inference.findings import Finding
from experiments.inference.health import Health
from experiments.inference.looks import Look, Span
from experiments.inference.monitoring import split
from experiments.inference.reading import Calendar
from experiments.inference.treatments import VerdictState
from experiments.inference.verdict import judge
from experiments.planning.plan import PinnedBaseline, Plan
from kpi import kinds
from kpi.enums import Direction
from kpi.kinds.retention import Form
from kpi.kinds.shape import CurveOf
from kpi.kinds.terms import Amount, Measured, Term
from stats.results import Reason
from tests.experiments.planning import (
    CONTROL,
    FIRST,
    IDS,
    OTHER,
    TREATMENT,
    Law,
    Rows,
    aggregates,
    day,
    evaluated,
    plan,
    planned,
    simulated,
    without_segments,
)

ACTIVATION = planned()
RETURN = planned("return", kinds.Retention(event="visited", day=1), role=Role.SECONDARY, mde=None)
REVENUE = planned("revenue", kinds.Mean(event="paid", window_days=3), mde=0.2, baseline=None)
SPEED = planned(
    "speed",
    kinds.TimeToValue(event="activated", tau_days=4, loss_event="deleted"),
    direction=Direction.LOWER,
    role=Role.GUARDRAIL,
    margin=0.2,
    mde=None,
)
BY_DAY = [
    planned(key, kind, role=Role.SECONDARY, mde=None)
    for key, kind in (
        ("returns", kinds.Retention(event="visited", day=3, has_curve=True)),
        ("remains", kinds.Retention(event="visited", day=1, form=Form.ROLLING, until_day=3, has_curve=True)),
        ("reaches", kinds.Activation(event="activated", window_days=3, has_curve=True)),
    )
]
PER_VISIT = planned(
    "per-visit",
    kinds.Ratio(
        window_days=3,
        numerator=Term(amount=Amount(event="paid", of=Measured.VALUE)),
        denominator=Term(amount=Amount(event="visited", of=Measured.COUNT)),
    ),
    mde=0.2,
    baseline=None,
)
EVERY_KIND = [ACTIVATION, RETURN, REVENUE, PER_VISIT, SPEED, *BY_DAY]
THREE = [CONTROL, TREATMENT, OTHER]
DAYS = 9

few = settings(max_examples=40, deadline=None, database=None, derandomize=True)
laws = st.builds(Law, daily=st.sampled_from([0.0, 0.4, 3.0, 40.0]), rate=st.sampled_from([0.0, 0.02, 0.3, 0.6, 1.0]))
plans_drawn = st.builds(
    lambda policy, looks: plan(*EVERY_KIND, policy=policy, looks=looks, horizon_days=12, variants=THREE),
    st.sampled_from(Policy),
    st.integers(1, 5),
)
stops = st.none() | st.integers(0, 12)


UNBOUNDED = {f".findings.course.{look}.{name}" for look in ("looks", "last") for name in ("boundary", "lower", "upper")}


def rows_of(of: Plan, of_laws: tuple[Law, ...], seed: int) -> Rows:
    return simulated(of, of_laws, days=DAYS, seed=seed)


def every_finding(evaluation: Evaluation) -> tuple[Finding, ...]:
    return evaluation.findings + evaluation.segment_findings


def everything(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every number in a value, with the names that lead to it."""
    if is_dataclass(value):
        for field in fields(value):
            yield from everything(getattr(value, field.name), f"{place}.{field.name}")
    elif isinstance(value, list | tuple):
        for one in value:
            yield from everything(one, place)
    elif isinstance(value, int | float | np.generic):
        yield place, value


# --- answers and reasons ---------------------------------------------------------------------------------------------


@few
@given(plans_drawn, st.tuples(laws, laws, laws), st.integers(0, 99), st.integers(0, 14), stops)
def test_evaluate_small_or_empty_or_constant_data_gives_plain_finite_numbers_or_a_reason(
    of: Plan, of_laws: tuple[Law, ...], seed: int, through: int, stopped: int | None
) -> None:
    stopped_on = None if stopped is None or stopped > through else day(stopped)
    evaluation = evaluated(of, rows_of(of, of_laws, seed), day(through), stopped_on)
    for place, number in everything(evaluation):
        assert type(number) in (int, float, bool), place
        # Where no alpha may be spent yet the boundary of a look is infinite, and so is its interval.
        assert isfinite(number) or place in UNBOUNDED, place
    for finding in every_finding(evaluation):
        assert (finding.reason is None) == (finding.fixed is not None)
        assert finding.fixed is not None or (finding.p_value is None and not finding.is_significant)
        assert min(finding.control.n, finding.control.open, finding.treatment.n, finding.treatment.open) >= 0
    judge(evaluation.findings, Health(checks=(split(evaluation.sample_ratio),)))


def test_evaluate_nothing_at_all_is_one_finding_a_kpi_and_variant_with_a_reason() -> None:
    of = plan(*EVERY_KIND, variants=THREE)
    evaluation = evaluated(of, Rows(entries=[], moments=[], durations=[]), day(0))
    assert [(finding.kpi, finding.variant.key) for finding in evaluation.findings] == [
        (kpi.kpi, variant) for kpi in EVERY_KIND for variant in ("treatment", "other")
    ]
    assert {finding.reason for finding in evaluation.findings} == {Reason.INSUFFICIENT_DATA}
    assert evaluation.sample_ratio.p_value is evaluation.sample_ratio.sequential_p_value is None


@pytest.mark.parametrize(
    ("of_laws", "reason"),
    [
        ((Law(daily=40, rate=0.3), Law(daily=0, rate=0.3)), Reason.INSUFFICIENT_DATA),
        ((Law(daily=40, rate=0.0), Law(daily=40, rate=0.0)), Reason.ZERO_VARIANCE),
        ((Law(daily=40, rate=1.0), Law(daily=40, rate=1.0)), Reason.ZERO_VARIANCE),
        ((Law(daily=40, rate=0.3), Law(daily=40, rate=0.3)), None),
    ],
    ids=["one-arm-empty", "nobody", "everybody", "usual"],
)
def test_evaluate_question_without_an_answer_says_why(of_laws: tuple[Law, Law], reason: Reason | None) -> None:
    of = plan()
    (finding,) = evaluated(of, rows_of(of, of_laws, 1), day(DAYS)).findings
    assert finding.reason is reason


# --- the numbers -----------------------------------------------------------------------------------------------------


def totals(rows: Rows, definition_id: int, variant: str, until: date) -> tuple[int, int]:
    """Units and successes of the cohorts of a variant before a day."""
    counted = [
        row
        for row in rows.moments
        if (row["definition_id"], row["variant_id"], row["segment"]) == (definition_id, IDS[variant], "")
        and row["entered_on"] < until
    ]
    return sum(row["n"] for row in counted), round(sum(row["n"] * row["mean"] for row in counted))


def test_evaluate_share_equals_statsmodels_on_the_cohorts_that_are_final() -> None:
    of = plan(policy=Policy.FIXED)
    rows = rows_of(of, (Law(daily=40, rate=0.3), Law(daily=40, rate=0.4)), 2)
    (finding,) = evaluated(of, rows, day(8)).findings
    # At the midnight of day 8 the windows of two days of the cohorts of days 0 to 5 have closed.
    (n0, won0), (n1, won1) = (
        totals(rows, of.kpis[0].definition.id, variant, day(6)) for variant in ("control", "treatment")
    )
    assert finding.fixed is not None
    assert (finding.control.n, finding.treatment.n) == (n0, n1)
    assert finding.difference == pytest.approx(won1 / n1 - won0 / n0)
    statistic, p_value = proportions_ztest([won1, won0], [n1, n0])
    assert (finding.fixed.statistic, finding.fixed.p_value) == pytest.approx((statistic, p_value))
    newcombe = confint_proportions_2indep(won1, n1, won0, n0, method="newcomb", compare="diff")
    assert (finding.fixed.interval.lower, finding.fixed.interval.upper) == pytest.approx(newcombe)
    entered = sum(row["n"] for row in rows.entries if row["segment"] == "" and row["entered_on"] < day(8))
    assert finding.control.n + finding.control.open + finding.treatment.n + finding.treatment.open == entered


def test_evaluate_mean_equals_scipy_from_the_moments() -> None:
    of = plan(REVENUE, policy=Policy.FIXED)
    rows = without_segments(rows_of(of, (Law(daily=1000, rate=0.5), Law(daily=1200, rate=0.6)), 3))
    one_day = replace(
        rows,
        entries=[row for row in rows.entries if row["entered_on"] == day(0)],
        moments=[row for row in rows.moments if row["entered_on"] == day(0)],
    )
    (finding,) = evaluated(of, one_day, day(20)).findings
    control, treatment = one_day.moments
    theirs = scipy_stats.ttest_ind_from_stats(
        treatment["mean"],
        np.sqrt(treatment["m2"] / (treatment["n"] - 1)),
        treatment["n"],
        control["mean"],
        np.sqrt(control["m2"] / (control["n"] - 1)),
        control["n"],
        equal_var=False,
    )
    assert finding.fixed is not None
    assert (finding.fixed.statistic, finding.fixed.p_value) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert finding.lift == pytest.approx(treatment["mean"] / control["mean"] - 1)


# --- the past is a prefix --------------------------------------------------------------------------------------------


@few
@given(plans_drawn, st.tuples(laws, laws, laws), st.integers(0, 99), st.integers(1, 14), st.integers(1, 14))
def test_evaluate_past_snapshot_equals_the_evaluation_of_that_day(
    of: Plan, of_laws: tuple[Law, ...], seed: int, first: int, second: int
) -> None:
    then, now = day(min(first, second)), day(max(first, second))
    rows = rows_of(of, of_laws, seed)
    before, after = evaluated(of, rows, then), evaluated(of, rows, now)
    recent = {(finding.kpi, finding.variant.key, finding.segment): finding for finding in every_finding(after)}
    for finding in every_finding(before):
        assert_prefix(finding, recent[finding.kpi, finding.variant.key, finding.segment], then)


def assert_prefix(before: Finding, after: Finding, then: date) -> None:
    assert_looks_prefix(before, after)
    known = {on: place for place, on in enumerate(before.series.on)}
    for place, on in enumerate(after.series.on):
        if on > then or not known:
            break
        was = known.get(on, len(known) - 1)  # once the last window has closed nothing changes
        for name in ("n", "difference", "lower", "upper", "always_valid_lower", "always_valid_upper"):
            old, new = getattr(before.series, name)[was], getattr(after.series, name)[place]
            assert new == (None if old is None else pytest.approx(old, rel=1e-9, abs=1e-9)), (name, on)


def assert_looks_prefix(before: Finding, after: Finding) -> None:
    if before.course is None or after.course is None:
        assert before.course is after.course
        return
    for was, is_now in zip(before.course.looks, after.course.looks, strict=True):
        if was.is_taken:
            assert numbers(was) == pytest.approx(numbers(is_now), rel=1e-9, abs=1e-9)
    if before.course.is_over:
        assert (after.course.is_over, after.is_significant) == (True, before.is_significant)
        assert after.p_value == (None if before.p_value is None else pytest.approx(before.p_value, rel=1e-6, abs=1e-9))


def numbers(look: Look) -> list[float]:
    return [number for _, number in everything(look)]


def test_evaluate_on_a_day_after_the_last_window_says_the_same_for_ever() -> None:
    of = plan(*EVERY_KIND, horizon_days=12, variants=THREE)
    rows = rows_of(of, (Law(daily=40, rate=0.3),) * 3, 5)
    assert evaluated(of, rows, day(30)).findings == evaluated(of, rows, day(300)).findings


# --- significance and intervals --------------------------------------------------------------------------------------


@few
@given(st.integers(0, 10_000), st.floats(0.2, 0.5), st.floats(0.2, 0.5), st.integers(3, 14), st.integers(1, 4))
def test_group_sequential_is_significant_exactly_where_its_interval_excludes_zero(
    seed: int, control: float, treatment: float, through: int, count: int
) -> None:
    of = plan(ACTIVATION, planned("revenue", kinds.Mean(event="paid", window_days=2)), looks=count, horizon_days=12)
    rows = without_segments(rows_of(of, (Law(daily=60, rate=control), Law(daily=60, rate=treatment)), seed))
    for finding in evaluated(of, rows, day(through)).findings:
        assert finding.course is not None
        assert finding.is_significant == finding.course.has_crossed
        if finding.course.is_over:
            last = finding.course.last
            assert last is not None
            assert finding.interval is not None
            assert finding.read_on == min(last.planned_on, finding.series.on[-1])
            assert finding.difference == last.difference
            assert finding.is_significant == (not finding.interval.lower < 0 < finding.interval.upper)
        else:
            assert finding.p_value == (finding.always_valid.p_value if finding.always_valid else None)
            assert not finding.is_significant


@few
@given(st.integers(0, 10_000), st.floats(0.3, 0.5), st.integers(5, 12))
def test_always_valid_crosses_exactly_where_its_interval_excludes_zero(
    seed: int, treatment: float, through: int
) -> None:
    of = plan(policy=Policy.ALWAYS_VALID, horizon_days=12)
    rows = without_segments(rows_of(of, (Law(daily=60, rate=0.35), Law(daily=60, rate=treatment)), seed))
    (finding,) = evaluated(of, rows, day(through)).findings
    assert finding.always_valid is not None
    excludes = not finding.always_valid.interval.lower < 0 < finding.always_valid.interval.upper
    assert excludes == (finding.always_valid.log_e_value >= -log(of.alpha))
    was_ever_outside = any(
        low is not None and high is not None and not low < 0 < high
        for low, high in zip(finding.series.always_valid_lower, finding.series.always_valid_upper, strict=True)
    )
    assert finding.is_significant == was_ever_outside


def turning(of: Plan) -> Rows:
    """Much better among those who enter on the first four days, much worse among the others."""
    good, bad = (
        simulated(of, (Law(daily=100, rate=0.4), Law(daily=100, rate=rate)), days=16, seed=1) for rate in (0.8, 0.02)
    )
    return Rows(
        entries=good.entries,
        moments=[row for row in good.moments if row["entered_on"] < day(4)]
        + [row for row in bad.moments if row["entered_on"] >= day(4)],
        durations=[],
    )


def test_always_valid_test_decides_once_by_the_difference_of_that_day_and_shows_todays_interval() -> None:
    of = plan(policy=Policy.ALWAYS_VALID)
    (finding,) = evaluated(of, without_segments(turning(of)), day(16)).findings
    outside = [
        on
        for on, low, high in zip(
            finding.series.on, finding.series.always_valid_lower, finding.series.always_valid_upper, strict=True
        )
        if low is not None and high is not None and not low < 0 < high
    ]
    assert finding.decided_on == outside[0]
    assert finding.decided_difference == finding.series.difference[finding.series.on.index(outside[0])]
    assert finding.decided_difference is not None
    assert finding.difference is not None
    assert finding.difference < 0 < finding.decided_difference
    assert finding.interval is not None
    assert finding.interval.upper < 0  # today's, and not that of the day it was decided
    assert (finding.is_better, finding.is_worse, finding.read_on) == (True, False, finding.series.on[-1])
    (then,) = evaluated(of, without_segments(turning(of)), outside[0]).findings
    assert (then.is_better, then.decided_on) == (True, outside[0])
    (before,) = evaluated(of, without_segments(turning(of)), outside[0] - timedelta(days=1)).findings
    assert (before.is_significant, before.decided_on) == (False, None)


def test_always_valid_evidence_from_before_the_minimum_decides_on_its_day_in_its_own_direction() -> None:
    of = plan(policy=Policy.ALWAYS_VALID, minimum_days=14)
    (finding,) = evaluated(of, without_segments(turning(of)), day(16)).findings
    (free,) = evaluated(plan(policy=Policy.ALWAYS_VALID), without_segments(turning(of)), day(16)).findings
    assert free.decided_on is not None
    assert free.decided_on < day(14)
    assert finding.decided_on == day(14)
    strongest = max(
        (abs(d) / (high - low), d)
        for on, d, low, high in zip(
            finding.series.on,
            finding.series.difference,
            finding.series.always_valid_lower,
            finding.series.always_valid_upper,
            strict=True,
        )
        if on <= day(14) and d is not None and low is not None and high is not None
    )
    assert finding.decided_difference == strongest[1]


def test_always_valid_test_that_begins_first_shares_alpha_with_those_that_cannot_say_anything_yet() -> None:
    late = planned("revenue", kinds.Mean(event="paid", window_days=12), mde=0.2)
    of = plan(ACTIVATION, late, policy=Policy.ALWAYS_VALID)
    rows = without_segments(rows_of(of, (Law(daily=90, rate=0.30), Law(daily=90, rate=0.36)), 8))
    first, silent = evaluated(of, rows, day(9)).findings
    assert (silent.p_value, silent.adjusted_p_value) == (None, None)
    assert first.p_value is not None
    assert first.adjusted_p_value == pytest.approx(min(1.0, 2 * first.p_value))


@pytest.mark.parametrize("policy", [Policy.GROUP_SEQUENTIAL, Policy.FIXED])
def test_planned_test_is_decided_on_the_day_of_its_look(policy: Policy) -> None:
    of = plan(policy=policy)
    rows = simulated(of, (Law(daily=100, rate=0.2), Law(daily=100, rate=0.6)), days=16, seed=1)
    (finding,) = evaluated(of, rows, day(30)).findings
    assert finding.is_better
    assert finding.decided_on == finding.read_on == (day(16) if policy is Policy.FIXED else day(4))


def test_always_valid_does_not_begin_below_a_hundred_units_an_arm_or_twenty_successes() -> None:
    of = plan(policy=Policy.ALWAYS_VALID, horizon_days=12)
    for of_laws, through, begins in (
        ((Law(daily=20, rate=0.5), Law(daily=20, rate=0.5)), 4, False),  # two cohorts: some 80 units an arm
        ((Law(daily=20, rate=0.5), Law(daily=20, rate=0.5)), 8, True),
        ((Law(daily=200, rate=0.002), Law(daily=200, rate=0.5)), 8, False),
    ):
        (finding,) = evaluated(of, rows_of(of, of_laws, 4), day(through)).findings
        assert (finding.always_valid is not None) == begins
        assert finding.fixed is not None


@pytest.mark.parametrize("policy", [Policy.ALWAYS_VALID, Policy.GROUP_SEQUENTIAL])
@pytest.mark.parametrize(("minimum", "through", "decides"), [(None, 8, True), (9, 8, False), (9, 12, True)])
def test_nothing_is_decided_before_the_plans_minimum_of_days(
    policy: Policy, minimum: int | None, through: int, decides: bool
) -> None:
    of = plan(policy=policy, minimum_days=minimum)
    rows = simulated(of, (Law(daily=100, rate=0.2), Law(daily=100, rate=0.6)), days=12, seed=1)
    evaluation = evaluated(of, rows, day(through))
    (finding,) = evaluation.findings
    assert finding.is_better is decides
    state = judge(evaluation.findings, Health(checks=(split(evaluation.sample_ratio),))).state
    assert state is (VerdictState.SHIP if decides else VerdictState.KEEP_RUNNING)


@pytest.mark.parametrize("policy", Policy)
def test_experiment_stopped_before_its_minimum_is_over_undecided_and_says_why(policy: Policy) -> None:
    of = plan(policy=policy, minimum_days=9)
    rows = simulated(of, (Law(daily=100, rate=0.2), Law(daily=100, rate=0.6)), days=8, seed=1)
    span = Span(started_on=FIRST, frozen_on=day(8), stopped_on=day(8))
    evaluation = evaluate(of, aggregates(of, rows, day(8)), Calendar(span=span, through=day(8)))
    (finding,) = evaluation.findings
    assert (finding.is_over, finding.is_better, finding.is_premature) == (True, False, True)
    verdict = judge(evaluation.findings, Health(checks=(split(evaluation.sample_ratio),)))
    assert verdict.state is VerdictState.INCONCLUSIVE
    assert "ended before the days" in verdict.sentence


@pytest.mark.parametrize(("through", "may"), [(15, False), (16, True)])
def test_fixed_policy_decides_at_the_horizon_only(through: int, may: bool) -> None:
    of = plan(policy=Policy.FIXED)
    rows = simulated(of, (Law(daily=100, rate=0.2), Law(daily=100, rate=0.5)), days=16, seed=1)
    (finding,) = evaluated(of, rows, day(through)).findings
    assert finding.fixed is not None
    assert finding.fixed.p_value < 1e-9
    assert (finding.is_over, finding.is_significant) == (may, may)


def test_fixed_policy_is_read_at_its_one_look_whatever_becomes_final_later() -> None:
    of = plan(policy=Policy.FIXED)
    rows = simulated(of, (Law(daily=100, rate=0.2), Law(daily=100, rate=0.22)), days=30, seed=1)
    (then,), (later,) = (evaluated(of, rows, day(through)).findings for through in (16, 30))
    assert then.is_over
    assert later.read_on == day(16)
    assert (later.difference, later.p_value, later.control.n) == (then.difference, then.p_value, then.control.n)


def test_fixed_policy_of_a_stopped_experiment_decides_once_its_last_unit_is_final() -> None:
    of = plan(policy=Policy.FIXED)
    rows = simulated(of, (Law(daily=100, rate=0.2), Law(daily=100, rate=0.5)), days=6, seed=1)
    for through, is_over in ((8, False), (9, True)):  # stopped on day 6: its units are final at the midnight of day 9
        (finding,) = evaluated(of, rows, day(through), stopped_on=day(6)).findings
        assert finding.is_over == is_over


@pytest.mark.parametrize("policy", list(Policy))
def test_adjusted_p_values_are_holms_of_what_decides_and_hold_the_false_share_of_what_informs(policy: Policy) -> None:
    of = plan(
        ACTIVATION, REVENUE, RETURN, replace(SPEED, role=Role.SECONDARY), policy=policy, horizon_days=12, variants=THREE
    )
    rows = rows_of(of, (Law(daily=90, rate=0.30), Law(daily=90, rate=0.36), Law(daily=90, rate=0.31)), 8)
    findings = evaluated(of, rows, day(12)).findings
    for decides in (True, False):
        family = [finding for finding in findings if (finding.role is Role.PRIMARY) == decides]
        asked = [finding for finding in family if finding.p_value is not None]
        assert len(family) == 4
        if not decides and policy is not Policy.FIXED:
            assert [finding.adjusted_p_value for finding in asked] == pytest.approx(e_bh(asked))
        else:
            method = "holm" if decides else "fdr_bh"
            adjusted = multipletests([finding.p_value for finding in asked], method=method)[1]
            assert [finding.adjusted_p_value for finding in asked] == pytest.approx(adjusted)
        assert all(finding.adjusted_p_value is None for finding in family if finding.p_value is None)
        usual = Correction.BENJAMINI_HOCHBERG if policy is Policy.FIXED else Correction.E_BENJAMINI_HOCHBERG
        assert {finding.correction for finding in family} == {Correction.HOLM if decides else usual}


@pytest.mark.parametrize("policy", list(Policy))
@pytest.mark.parametrize(
    ("correction", "method"), [(Correction.HOLM, "holm"), (Correction.BENJAMINI_YEKUTIELI, "fdr_by")]
)
def test_what_informs_is_corrected_as_the_plan_says_and_what_decides_as_ever(
    policy: Policy, correction: Correction, method: str
) -> None:
    of = plan(ACTIVATION, RETURN, replace(SPEED, role=Role.SECONDARY), policy=policy, horizon_days=12, variants=THREE)
    rows = rows_of(of, (Law(daily=90, rate=0.30), Law(daily=90, rate=0.36), Law(daily=90, rate=0.31)), 8)
    usual, planned_ = evaluated(of, rows, day(12)), evaluated(replace(of, correction=correction), rows, day(12))
    families: dict[str, list[Finding]] = {"decides": [], "informs": [], "segments": list(planned_.segment_findings)}
    for finding in planned_.findings:
        families["decides" if finding.role is Role.PRIMARY else "informs"].append(finding)
    decided = [finding for finding in usual.findings if finding.role is Role.PRIMARY]
    assert families.pop("decides") == decided
    for family in families.values():
        asked = [finding for finding in family if finding.p_value is not None]
        assert len(asked) > 1
        expected = multipletests([finding.p_value for finding in asked], method=method)[1]
        assert [finding.adjusted_p_value for finding in asked] == pytest.approx(expected)
        assert {finding.correction for finding in family} == {correction}


def e_bh(asked: list[Finding]) -> list[float]:
    """Of each, the smallest alpha at which k of K e-values reach K / (alpha k), its own among them."""
    values = [exp(one.always_valid.log_e_value) for one in asked if one.always_valid]
    assert len(values) == len(asked) > 1
    need = {e: len(values) / (e * sum(other >= e for other in values)) for e in values}
    return [min(1.0, *(need[smaller] for smaller in values if smaller <= e)) for e in values]


def test_primaries_share_alpha_and_others_do_not() -> None:
    of = plan(ACTIVATION, REVENUE, RETURN, variants=THREE, policy=Policy.FIXED)
    rows = rows_of(of, (Law(daily=60, rate=0.3),) * 3, 9)
    levels = {
        finding.kpi: finding.interval.level for finding in evaluated(of, rows, day(12)).findings if finding.interval
    }
    assert levels == pytest.approx({"activation": 1 - 0.05 / 4, "revenue": 1 - 0.05 / 4, "return": 0.95})


# --- guardrails -------------------------------------------------------------------------------------------------------


def test_guardrail_beside_planned_looks_has_the_repeated_interval_of_the_latest_look_and_others_none() -> None:
    guarded = replace(RETURN, role=Role.GUARDRAIL, margin=0.05)
    of = plan(ACTIVATION, guarded, looks=1, horizon_days=12)
    rows = without_segments(rows_of(of, (Law(daily=300, rate=0.3), Law(daily=300, rate=0.3)), 5))
    primary, guardrail = evaluated(of, rows, day(12)).findings
    assert primary.repeated is None
    (n0, won0), (n1, won1) = (
        totals(rows, guarded.definition.id, variant, day(DAYS)) for variant in ("control", "treatment")
    )
    pooled = (won0 + won1) / (n0 + n1)
    apart = sum(won / n * (1 - won / n) / n for won, n in ((won0, n0), (won1, n1)))
    error = max(apart, pooled * (1 - pooled) * (1 / n0 + 1 / n1)) ** 0.5
    middle = won1 / n1 - won0 / n0
    reach = scipy_stats.norm.isf(0.025) * error  # one look spends all of alpha
    assert guardrail.repeated is not None
    assert (guardrail.repeated.lower, guardrail.repeated.upper) == pytest.approx(
        (middle - reach, middle + reach), rel=1e-6
    )
    (_, early) = evaluated(of, rows, day(11)).findings
    assert (early.repeated, early.next_look_on, early.keeps_margin) == (None, day(12), False)
    for policy in (Policy.FIXED, Policy.ALWAYS_VALID):
        assert evaluated(replace(of, policy=policy), rows, day(12)).findings[1].repeated is None


def test_treatment_that_is_better_ships_once_its_guardrail_is_shown_to_be_kept() -> None:
    guarded = replace(RETURN, role=Role.GUARDRAIL, margin=0.08)
    of = plan(ACTIVATION, guarded)
    base = simulated(of, (Law(daily=60, rate=0.3), Law(daily=60, rate=0.3)), days=16, seed=2)
    lifted = simulated(of, (Law(daily=60, rate=0.3), Law(daily=60, rate=0.7)), days=16, seed=2)
    rows = replace(
        base,
        entries=lifted.entries,
        moments=[row for row in lifted.moments if row["definition_id"] == ACTIVATION.definition.id]
        + [row for row in base.moments if row["definition_id"] == guarded.definition.id],
    )
    told = []
    for through in range(17):
        evaluation = evaluated(of, without_segments(rows), day(through))
        told.append(judge(evaluation.findings, Health(checks=())).state)
    ships = told.index(VerdictState.SHIP)
    assert ships in {8, 12, 16}  # at a planned look, and not at the first: there the primary KPI was better already
    assert evaluated(of, rows, day(4)).findings[0].is_better
    assert set(told[:ships]) == {VerdictState.KEEP_RUNNING}


# --- segments --------------------------------------------------------------------------------------------------------


@few
@given(plans_drawn, st.tuples(laws, laws, laws), st.integers(0, 99), st.integers(1, 14))
def test_segments_change_nothing_that_is_said_of_everybody(
    of: Plan, of_laws: tuple[Law, ...], seed: int, through: int
) -> None:
    rows = rows_of(of, of_laws, seed)
    whole, alone = (evaluated(of, some, day(through)) for some in (rows, without_segments(rows)))
    assert (whole.findings, whole.sample_ratio) == (alone.findings, alone.sample_ratio)
    assert alone.segment_findings == ()


def test_segment_with_a_huge_effect_informs_and_does_not_decide() -> None:
    of = plan(policy=Policy.ALWAYS_VALID)
    even, steep = Law(daily=100, rate=0.3), Law(daily=100, rate=0.8)
    rows = simulated(of, (even, even), days=16, seed=3)
    other = simulated(of, (even, steep), days=16, seed=4)
    swapped = replace(
        rows,
        moments=[row for row in rows.moments if row["segment"] == ""]
        + [row for row in other.moments if row["segment"] != ""],
    )
    evaluation = evaluated(of, swapped, day(16))
    assert {finding.segment for finding in evaluation.segment_findings} == {"plan=free", "plan=pro"}
    assert all(finding.is_better and finding.role is Role.SECONDARY for finding in evaluation.segment_findings)
    assert all(finding.course is None for finding in evaluation.segment_findings)
    assert (
        judge(evaluation.findings, Health(checks=(split(evaluation.sample_ratio),))).state is VerdictState.INCONCLUSIVE
    )


# --- direction, baseline, sample ratio -------------------------------------------------------------------------------


def test_lower_is_better_turns_what_is_better_round() -> None:
    faster = (Law(daily=120, rate=0.3), Law(daily=120, rate=0.7))
    of = plan(replace(SPEED, role=Role.PRIMARY, mde=0.1, margin=None), horizon_days=12)
    (finding,) = evaluated(of, rows_of(of, faster, 6), day(12)).findings
    assert finding.difference is not None
    assert finding.difference < 0
    assert (finding.is_better, finding.is_worse) == (True, False)


def test_baseline_is_compared_with_its_own_error_and_never_decides() -> None:
    of = plan(policy=Policy.FIXED)
    rows = rows_of(of, (Law(daily=60, rate=0.3), Law(daily=60, rate=0.3)), 7)
    (finding,) = evaluated(of, rows, day(8)).findings
    assert finding.baseline is not None
    assert finding.treatment.value is not None
    assert finding.treatment.standard_error is not None
    error = np.hypot(finding.treatment.standard_error, 0.005)
    assert finding.baseline.difference == pytest.approx(finding.treatment.value - 0.3)
    assert finding.baseline.p_value == pytest.approx(
        2 * scipy_stats.norm.sf(abs(finding.treatment.value - 0.3) / error)
    )
    (without,) = evaluated(plan(replace(ACTIVATION, baseline=None), policy=Policy.FIXED), rows, day(8)).findings
    assert without.baseline is None
    assert replace(without, baseline=finding.baseline) == finding


def test_sample_ratio_counts_everybody_against_the_weights() -> None:
    of = plan(variants=[CONTROL, replace(TREATMENT, weight=3.0)])
    rows = rows_of(of, (Law(daily=30, rate=0.3), Law(daily=90, rate=0.3)), 8)
    ratio = evaluated(of, rows, day(DAYS)).sample_ratio
    observed = [arm.observed for arm in ratio.arms]
    theirs = scipy_stats.chisquare(observed, [sum(observed) / 4, 3 * sum(observed) / 4])
    assert (ratio.statistic, ratio.p_value) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert [arm.expected for arm in ratio.arms] == pytest.approx([sum(observed) / 4, 3 * sum(observed) / 4])
    assert sum(observed) == sum(row["n"] for row in rows.entries if row["segment"] == "")


@pytest.mark.parametrize("planned_units", [None, 40_000])
def test_sample_ratio_alarms_by_the_smallest_sequential_p_value_of_any_day(planned_units: float | None) -> None:
    of = plan(planned(baseline=None), variants=[CONTROL, replace(TREATMENT, weight=3.0)])
    if planned_units is not None:
        spread = PinnedBaseline(version=1, value=0.5, standard_error=1.0, n=1)
        # Units of variance 1 in a ratio of 1 to 3: the variance of the difference of all of them is 16 / 3 over n.
        of = replace(of, kpis=[replace(of.kpis[0], baseline=spread, information=planned_units * 3 / 16)])
    rows = rows_of(of, (Law(daily=40, rate=0.3), Law(daily=90, rate=0.3)), 8)
    entered = np.array(
        [
            [sum(row["n"] for row in rows.entries if is_cell(row, variant, day(number))) for number in range(DAYS)]
            for variant in ("control", "treatment")
        ]
    )
    shares = np.array([0.25, 0.75])
    concentration = 100 if planned_units is None else planned_units / 10
    seen = entered.cumsum(axis=1).T
    mixture = [scipy_stats.dirichlet_multinomial.logpmf(n, concentration * shares, n.sum()) for n in seen]
    promise = [scipy_stats.multinomial.logpmf(n, n.sum(), shares) for n in seen]
    smallest = min(1.0, float(np.exp(np.subtract(promise, mixture)).min()))
    assert evaluated(of, rows, day(DAYS)).sample_ratio.sequential_p_value == pytest.approx(smallest, rel=1e-6)


def is_cell(row: Any, variant: str, on: date) -> bool:
    return (row["variant_id"], row["entered_on"], row["segment"]) == (IDS[variant], on, "")


# --- curves ----------------------------------------------------------------------------------------------------------


@few
@given(laws, laws, st.integers(0, 99), st.integers(0, 14))
def test_curves_have_a_number_and_its_limits_exactly_on_the_days_that_somebody_was_watched_through(
    control: Law, treatment: Law, seed: int, through: int
) -> None:
    of = plan(ACTIVATION, *BY_DAY, horizon_days=12)
    for finding in every_finding(evaluated(of, rows_of(of, (control, treatment), seed), day(through))):
        if finding.curves is None or finding.curves.of is not CurveOf.RETURNED:
            continue
        for curve in (finding.curves.control, finding.curves.treatment):
            assert len(curve.share) == len(curve.lower) == len(curve.upper) == len(curve.at_risk) == 3
            assert sorted(curve.at_risk, reverse=True) == curve.at_risk
            for units, share, lower, upper in zip(curve.at_risk, curve.share, curve.lower, curve.upper, strict=True):
                assert [number is None for number in (share, lower, upper)] == [not units] * 3
                limits = [number for number in (lower, share, upper) if number is not None]
                assert limits == pytest.approx(sorted(limits))
                assert all(-1e-12 <= number <= 1 + 1e-12 for number in limits)


def test_curves_of_very_unequal_arms_have_no_endless_hazard_ratio() -> None:
    of = plan(replace(SPEED, role=Role.PRIMARY, mde=0.1, margin=None), horizon_days=12)
    own = {"definition_id": of.kpis[0].definition.id, "segment": "", "entered_on": day(0)}
    rows = Rows(
        entries=[
            own | {"variant_id": IDS["control"], "n": 2000},
            own | {"variant_id": IDS["treatment"], "n": 1},
        ],
        moments=[],
        durations=[own | {"variant_id": IDS["treatment"], "day": 0, "events": 1, "losses": 0}],
    )
    (finding,) = evaluated(of, rows, day(8)).findings
    assert finding.curves is not None
    assert finding.curves.log_rank is not None
    assert finding.curves.hazard_ratio is None

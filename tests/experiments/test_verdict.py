"""The verdict's rules in their order, one example each, as docs/experiments.md tells them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.enums import Policy, Role
from experiments.inference.facts import Fact, FactName
from experiments.inference.findings import AlwaysValidTest, Arm, Finding, Ratio, SampleRatio, Series
from experiments.inference.futility import Futility
from experiments.inference.health import Check, CheckKind, Health, HealthState
from experiments.inference.looks import Course, Look
from experiments.inference.monitoring import SRM_ALARM, SRM_WARNING, SrmState, split, srm_state
from experiments.inference.verdict import EXPLORES, Outlook, Rule, Verdict, VerdictState, judge
from kpi.kinds.shape import Scale
from stats.results import Interval
from tests.experiments.planning import CONTROL, OTHER, TREATMENT, day

KEPT = SampleRatio(
    statistic=0.1,
    p_value=0.75,
    sequential_p_value=0.9,
    arms=(
        Ratio(variant=CONTROL, observed=1010, expected=1005.0),
        Ratio(variant=TREATMENT, observed=1000, expected=1005.0),
    ),
)
BROKEN = replace(KEPT, p_value=1e-6, sequential_p_value=0.001)
WELL, SICK = (Health(checks=(split(ratio),)) for ratio in (KEPT, BROKEN))
NOTHING = Arm(n=0, open=0, censored=0, value=None, standard_error=None)
SERIES = Series(on=[], n=[], difference=[], lower=[], upper=[], always_valid_lower=[], always_valid_upper=[])


def finding(**changes: Any) -> Finding:
    """A primary KPI, higher is better, with looks left and nothing decided."""
    fields: dict[str, Any] = {
        "kpi": "activation",
        "kpi_name": "Activation",
        "role": Role.PRIMARY,
        "variant": TREATMENT,
        "segment": "",
        "scale": Scale.FRACTION,
        "sign": 1,
        "policy": Policy.GROUP_SEQUENTIAL,
        "method": "by hand",
        "read_on": day(5),
        "control": NOTHING,
        "treatment": NOTHING,
        "difference": 0.01,
        "standard_error": 0.01,
        "lift": None,
        "interval": Interval(lower=-0.01, upper=0.03, level=0.95),
        "lift_interval": None,
        "p_value": 0.3,
        "adjusted_p_value": 0.3,
        "is_significant": False,
        "is_over": False,
        "margin": None,
        "reason": None,
        "fixed": None,
        "always_valid": None,
        "course": None,
        "futility": None,
        "progress": None,
        "ends_on": day(20),
        "baseline": None,
        "series": SERIES,
        "curves": None,
        "adjustment": None,
    }
    return Finding(**(fields | changes))


UNDECIDED = finding()
BETTER = finding(is_significant=True, difference=0.04, is_over=True)
WORSE = finding(is_significant=True, difference=-0.04, is_over=True, variant=OTHER)
OVER = finding(is_over=True)
HARMED = finding(
    kpi="errors",
    kpi_name="Errors",
    role=Role.GUARDRAIL,
    sign=-1,
    margin=0.01,
    interval=Interval(lower=0.011, upper=0.03, level=0.95),
)
UNHARMED = replace(HARMED, interval=Interval(lower=-0.01, upper=0.009, level=0.95))
EXCLUDED = Futility(mde=0.05, conditional_power=None, is_mde_excluded=True)
HOPELESS = Futility(mde=0.05, conditional_power=0.09, is_mde_excluded=False)
HOPEFUL = Futility(mde=0.05, conditional_power=0.1, is_mde_excluded=False)
FUTILE = finding(futility=HOPELESS)
INFORMING = finding(kpi="return", role=Role.SECONDARY, is_significant=True, difference=-0.5)


# --- the rules in their order ----------------------------------------------------------------------------------------


def said(verdict: Verdict) -> tuple[VerdictState, Rule]:
    return verdict.state, verdict.rule


def test_rule_1_units_that_are_not_split_as_promised_make_everything_invalid() -> None:
    verdict = judge([BETTER, WORSE, HARMED], SICK)
    assert said(verdict) == (VerdictState.INVALID, Rule.BROKEN_SPLIT)
    assert "Control 1,010 (expected 1,005), Shorter form 1,000 (expected 1,005)" in verdict.sentence
    assert Fact(name=FactName.P_VALUE, value=0.001) in verdict.facts


def test_rule_2_another_check_that_fails_makes_everything_invalid_and_says_why() -> None:
    failed = Check(kind=CheckKind.CROSSOVERS, state=HealthState.INVALID, sentence="Every fifth unit met two variants.")
    verdict = judge([BETTER, WORSE, HARMED], Health(checks=(*WELL.checks, failed)))
    assert said(verdict) == (VerdictState.INVALID, Rule.UNHEALTHY)
    assert verdict.sentence == failed.sentence


def test_rule_2_a_check_that_warns_decides_nothing() -> None:
    warned = Check(kind=CheckKind.STALLED, state=HealthState.WARNING, sentence="No unit has entered for 5 whole days.")
    assert judge([BETTER], Health(checks=(*WELL.checks, warned))).state is VerdictState.SHIP


def test_rule_3_a_deciding_kpi_that_is_worse_rolls_back_whatever_another_gained() -> None:
    verdict = judge([BETTER, WORSE, HARMED], WELL)
    assert said(verdict) == (VerdictState.ROLL_BACK, Rule.PRIMARY_WORSE)
    assert OTHER.name in verdict.sentence
    assert WORSE.kpi_name in verdict.sentence


def test_rule_4_a_guardrail_harmed_beyond_its_margin_rolls_back_what_would_ship() -> None:
    verdict = judge([BETTER, HARMED], WELL)
    assert said(verdict) == (VerdictState.ROLL_BACK, Rule.GUARDRAIL_HARMED)
    assert HARMED.kpi_name in verdict.sentence
    assert Fact(name=FactName.MARGIN, value=0.01, about="“Errors” in Shorter form") in verdict.facts


def test_rule_4_holds_before_anything_is_decided() -> None:
    assert judge([UNDECIDED, HARMED], WELL).rule is Rule.GUARDRAIL_HARMED


def test_rule_5_what_would_ship_is_inconclusive_once_the_plan_was_changed_with_the_data_in_sight() -> None:
    verdict = judge([BETTER, UNHARMED], WELL, is_exploratory=True)
    assert said(verdict) == (VerdictState.INCONCLUSIVE, Rule.EXPLORATORY)
    assert verdict.sentence.endswith(EXPLORES)
    assert "new experiment" in verdict.would_change


@pytest.mark.parametrize("found", [[WORSE], [BETTER, HARMED], [OVER], [UNDECIDED], [FUTILE]])
def test_rule_5_leaves_other_verdicts_as_they_are_but_for_a_sentence(found: list[Finding]) -> None:
    plain, exploratory = judge(found, WELL), judge(found, WELL, is_exploratory=True)
    assert exploratory == replace(plain, sentence=plain.sentence + EXPLORES)


def test_rule_6_a_deciding_kpi_that_is_better_ships() -> None:
    verdict = judge([UNDECIDED, BETTER, UNHARMED, INFORMING], WELL)
    assert said(verdict) == (VerdictState.SHIP, Rule.PRIMARY_BETTER)
    assert BETTER.kpi_name in verdict.sentence
    assert UNHARMED.kpi_name not in verdict.would_change


def test_rule_6_names_the_variant_with_the_largest_difference() -> None:
    best = replace(BETTER, variant=OTHER, difference=0.06)
    assert OTHER.name in judge([BETTER, best], WELL).sentence


def test_rule_6_tells_of_guardrails_that_are_not_shown_to_be_safe() -> None:
    unsure = replace(HARMED, interval=Interval(lower=-0.02, upper=0.02, level=0.95))
    verdict = judge([BETTER, unsure], WELL)
    assert verdict.state is VerdictState.SHIP
    assert unsure.kpi_name in verdict.would_change


@pytest.mark.parametrize("chance", [EXCLUDED, HOPELESS])
def test_rule_7_deciding_tests_that_lost_sight_of_the_planned_effect_stop(chance: Futility) -> None:
    verdict = judge([OVER, finding(futility=chance), UNHARMED], WELL)
    assert said(verdict) == (VerdictState.STOP_FUTILE, Rule.FUTILE)
    assert Fact(name=FactName.MDE, value=0.05, about="“Activation” in Shorter form") in verdict.facts


def test_rule_7_one_deciding_test_with_a_chance_left_keeps_all_running() -> None:
    assert judge([FUTILE, finding(futility=HOPEFUL)], WELL).rule is Rule.UNDECIDED
    assert judge([FUTILE, UNDECIDED], WELL).rule is Rule.UNDECIDED


def test_rule_7_is_silent_where_something_was_decided() -> None:
    assert judge([FUTILE, BETTER], WELL).rule is Rule.PRIMARY_BETTER
    assert judge([FUTILE, WORSE], WELL).rule is Rule.PRIMARY_WORSE


def test_rule_8_no_look_left_and_none_decided_is_inconclusive() -> None:
    verdict = judge([OVER, replace(OVER, variant=OTHER), UNHARMED], WELL)
    assert said(verdict) == (VerdictState.INCONCLUSIVE, Rule.NO_LOOK_LEFT)
    assert verdict.outlook is None


def test_rule_9_one_deciding_test_that_is_not_over_keeps_running() -> None:
    assert said(judge([OVER, UNDECIDED], WELL)) == (VerdictState.KEEP_RUNNING, Rule.UNDECIDED)


def test_rule_9_says_when_the_next_look_is() -> None:
    taken = Look(number=1, planned_on=day(4), is_final=False, is_horizon=False, statistic=0.5)
    skipped = Look(
        number=2, planned_on=day(5), is_final=False, is_horizon=False
    )  # its day has passed; it saw nothing new
    coming = Look(number=3, planned_on=day(8), is_final=True, is_horizon=True)
    course = Course(looks=(taken, skipped, coming), last=taken, is_over=False, adjusted=None)
    verdict = judge([finding(course=course, read_on=day(5), ends_on=day(8))], WELL)
    assert day(8).isoformat() in verdict.would_change
    assert verdict.outlook == Outlook(next_look_on=day(8), ends_on=day(8), units_needed=None, days_needed=None)


# --- what is still to come -------------------------------------------------------------------------------------------


def counted(progress: float | None, n: int, by_day: list[int]) -> Finding:
    arm = replace(NOTHING, n=n // 2)
    return finding(progress=progress, control=arm, treatment=arm, series=replace(SERIES, n=by_day))


@pytest.mark.parametrize(
    ("progress", "by_day", "units", "days"),
    [
        (0.25, [0, 100, 200, 300, 400], 1200, 12.0),  # four times the units are needed, at 100 a day
        (0.25, [0, 0, 0, *range(0, 800, 100)], 1200, 12.0),  # nobody came before the last week
        (1.2, [0, 400], 0, 0.0),
        (0.25, [400, 400], 1200, None),  # nobody comes any more
        (0.25, [400], 1200, None),
        (None, [0, 400], None, None),
    ],
)
def test_outlook_says_what_the_planned_power_is_short_of(
    progress: float | None, by_day: list[int], units: int | None, days: float | None
) -> None:
    outlook = judge([counted(progress, 400, by_day)], WELL).outlook
    assert outlook is not None
    assert (outlook.units_needed, outlook.days_needed) == (units, days)


def test_outlook_waits_for_the_slowest_deciding_test_that_goes_on() -> None:
    slow, quick = counted(0.1, 400, [0, 100]), counted(0.5, 400, [0, 100])
    outlook = judge([quick, slow, replace(slow, progress=0.01, is_over=True)], WELL).outlook
    assert outlook is not None
    assert (outlook.units_needed, outlook.days_needed) == (3600, 36.0)
    unknown = judge([quick, replace(slow, progress=None)], WELL).outlook
    assert unknown is not None
    assert unknown.units_needed is None


# --- what never decides ----------------------------------------------------------------------------------------------


def test_secondary_and_segment_findings_never_decide() -> None:
    for role in (Role.SECONDARY, Role.GUARDRAIL):
        other = replace(WORSE, role=role, kpi="return")
        assert judge([UNDECIDED, other], WELL).rule is Rule.UNDECIDED
        assert judge([OVER, other], WELL).rule is Rule.NO_LOOK_LEFT


@pytest.mark.parametrize("warning", [replace(KEPT, p_value=0.001), replace(KEPT, sequential_p_value=None)])
def test_suspect_split_alone_decides_nothing(warning: SampleRatio) -> None:
    assert judge([BETTER], Health(checks=(split(warning),))).state is VerdictState.SHIP


def test_every_verdict_says_what_would_change_it() -> None:
    for found in ([BETTER], [WORSE], [HARMED, OVER], [OVER], [UNDECIDED], [FUTILE]):
        verdict = judge(found, WELL)
        assert verdict.sentence.endswith(".")
        assert verdict.would_change.endswith(".")


# --- guardrails and directions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sign", "lower", "upper", "breaches", "keeps"),
    [
        (1, -0.05, -0.02, True, False),
        (1, -0.05, -0.01, False, False),  # touching the margin is not beyond it
        (1, -0.05, 0.02, False, False),
        (1, -0.005, 0.02, False, True),
        (-1, 0.02, 0.05, True, False),
        (-1, 0.01, 0.05, False, False),
        (-1, -0.02, 0.05, False, False),
        (-1, -0.02, 0.005, False, True),
    ],
)
def test_guardrail_is_harmed_or_kept_by_its_whole_interval(
    sign: int, lower: float, upper: float, breaches: bool, keeps: bool
) -> None:
    guardrail = replace(HARMED, sign=sign, interval=Interval(lower=lower, upper=upper, level=0.95))
    assert (guardrail.breaches_margin, guardrail.keeps_margin) == (breaches, keeps)


def test_guardrail_of_a_fixed_test_is_held_against_its_always_valid_interval_until_the_one_look() -> None:
    wide = AlwaysValidTest(p_value=0.2, log_e_value=0.0, interval=Interval(lower=-0.09, upper=0.02, level=0.95))
    before = replace(HARMED, policy=Policy.FIXED, is_over=False, always_valid=wide)
    assert (HARMED.breaches_margin, before.breaches_margin, replace(before, is_over=True).breaches_margin) == (
        True,
        False,
        True,
    )
    assert not replace(before, always_valid=None).breaches_margin


def test_guardrail_without_an_interval_is_neither_harmed_nor_kept() -> None:
    blind = replace(HARMED, interval=None)
    assert (blind.breaches_margin, blind.keeps_margin) == (False, False)


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(st.sampled_from([1, -1]), st.none() | st.floats(-1, 1), st.booleans())
def test_better_and_worse_need_significance_and_exclude_each_other(
    sign: int, difference: float | None, is_significant: bool
) -> None:
    one = finding(sign=sign, difference=difference, is_significant=is_significant)
    assert not (one.is_better and one.is_worse)
    assert (one.is_better or one.is_worse) == (is_significant and bool(difference))
    if difference:
        turned = replace(one, difference=-difference)
        assert (turned.is_better, turned.is_worse) == (one.is_worse, one.is_better)


# --- the sample ratio ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p_value", "sequential", "state"),
    [
        (0.5, 0.5, SrmState.OK),
        (SRM_WARNING, SRM_ALARM, SrmState.OK),
        (SRM_WARNING * 0.99, 0.5, SrmState.WARNING),
        (SRM_WARNING * 0.99, SRM_ALARM * 0.99, SrmState.ALARM),
        (0.5, SRM_ALARM * 0.99, SrmState.ALARM),  # it stays an alarm once it was one
        (None, None, SrmState.OK),
    ],
)
def test_srm_alarms_by_the_sequential_test_and_warns_by_chi_square(
    p_value: float | None, sequential: float | None, state: SrmState
) -> None:
    assert srm_state(replace(KEPT, p_value=p_value, sequential_p_value=sequential)) is state


def test_course_that_is_over_leaves_no_look_to_wait_for() -> None:
    late = Look(number=1, planned_on=day(4) + timedelta(days=1), is_final=True, is_horizon=True, statistic=0.5)
    course = Course(looks=(late,), last=late, is_over=True, adjusted=None)
    assert judge([finding(course=course, is_over=True)], WELL).rule is Rule.NO_LOOK_LEFT

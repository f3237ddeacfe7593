"""The verdict's rules in their order, one example each, as docs/experiments.md tells them."""

import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.enums import Policy, Role
from experiments.inference.facts import Fact, FactName
from experiments.inference.findings import AlwaysValidTest, Arm, Finding, Ratio, SampleRatio, Series
from experiments.inference.futility import Futility
from experiments.inference.health import Check, CheckKind, Health, HealthState
from experiments.inference.monitoring import SRM_ALARM, SRM_WARNING, SrmState, split, srm_state
from experiments.inference.outlook import Outlook
from experiments.inference.treatments import Rule, VerdictState
from experiments.inference.verdict import EXPLORES, STOP_SHOWING, Verdict, judge
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


def within(lower: float, upper: float) -> Interval:
    return Interval(lower=lower, upper=upper, level=0.95)


UNDECIDED = finding()
BETTER = finding(is_significant=True, difference=0.04, interval=within(0.01, 0.07), is_over=True)
WORSE = finding(is_significant=True, difference=-0.04, interval=within(-0.07, -0.01), is_over=True)
OVER = finding(is_over=True)
HARMED = finding(
    kpi="errors",
    kpi_name="Errors",
    role=Role.GUARDRAIL,
    sign=-1,
    margin=0.01,
    interval=within(0.011, 0.03),
    next_look_on=day(8),
)
UNHARMED = replace(HARMED, interval=within(-0.01, 0.011), repeated=within(-0.008, 0.009))
UNSURE = replace(UNHARMED, repeated=within(-0.008, 0.0101))
EXCLUDED = Futility(mde=0.05, conditional_power=None, is_mde_excluded=True)
HOPELESS = Futility(mde=0.05, conditional_power=0.09, is_mde_excluded=False)
HOPEFUL = Futility(mde=0.05, conditional_power=0.1, is_mde_excluded=False)
FUTILE = finding(futility=HOPELESS)
INFORMING = finding(kpi="return", role=Role.SECONDARY, is_significant=True, difference=-0.5)


def second(found: Finding, **changes: Any) -> Finding:
    """The same of another primary KPI."""
    return replace(found, kpi="revenue", kpi_name="Revenue", **changes)


def other(*found: Finding) -> list[Finding]:
    """The same of the other treatment."""
    return [replace(one, variant=OTHER) for one in found]


# --- the rules in their order ----------------------------------------------------------------------------------------


def said(verdict: Verdict) -> tuple[VerdictState, Rule]:
    return verdict.state, verdict.rule


def test_documents_tell_the_rules_in_their_order_and_what_each_recommends() -> None:
    text = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (`.+?) \|", text, flags=re.MULTILINE)
    assert [(int(number), Rule(rule)) for number, rule, _ in rows] == list(enumerate(Rule, start=1))
    told = {Rule(rule): set(re.findall(r"`(\w+)`", states)) for _, rule, states in rows}
    for verdict in (
        judge([WORSE], WELL),
        judge([BETTER, HARMED], WELL),
        judge([BETTER], WELL, is_exploratory=True),
        judge([BETTER, UNSURE], WELL),
        judge([BETTER, replace(UNSURE, is_over=True)], WELL),
        judge([BETTER], WELL),
        judge([FUTILE], WELL),
        judge([OVER], WELL),
        judge([UNDECIDED], WELL),
        judge([BETTER], SICK),
    ):
        assert verdict.state in told[verdict.rule]


def test_rule_1_units_that_are_not_split_as_promised_make_everything_invalid() -> None:
    verdict = judge([BETTER, WORSE, HARMED], SICK)
    assert said(verdict) == (VerdictState.INVALID, Rule.BROKEN_SPLIT)
    assert "Control 1,010 (expected 1,005), Shorter form 1,000 (expected 1,005)" in verdict.sentence
    assert Fact(name=FactName.P_VALUE, value=0.001) in verdict.facts
    assert (verdict.variant, verdict.standings) == (None, ())


def test_rule_2_another_check_that_fails_makes_everything_invalid_and_says_why() -> None:
    failed = Check(kind=CheckKind.CROSSOVERS, state=HealthState.INVALID, sentence="Every fifth unit met two variants.")
    verdict = judge([BETTER, WORSE, HARMED], Health(checks=(*WELL.checks, failed)))
    assert said(verdict) == (VerdictState.INVALID, Rule.UNHEALTHY)
    assert verdict.sentence == failed.sentence
    assert verdict.standings == ()


def test_rule_2_a_check_that_warns_decides_nothing() -> None:
    warned = Check(kind=CheckKind.STALLED, state=HealthState.WARNING, sentence="No unit has entered for 5 whole days.")
    assert judge([BETTER], Health(checks=(*WELL.checks, warned))).state is VerdictState.SHIP


def test_rule_3_a_deciding_kpi_that_is_worse_rolls_back_whatever_another_gained() -> None:
    verdict = judge([BETTER, second(WORSE), HARMED], WELL)
    assert said(verdict) == (VerdictState.ROLL_BACK, Rule.PRIMARY_WORSE)
    assert verdict.variant == TREATMENT
    assert verdict.sentence == "Shorter form makes “Revenue” worse than control."


def test_rule_4_a_guardrail_harmed_beyond_its_margin_rolls_back_what_would_ship() -> None:
    verdict = judge([BETTER, HARMED], WELL)
    assert said(verdict) == (VerdictState.ROLL_BACK, Rule.GUARDRAIL_HARMED)
    assert verdict.variant == TREATMENT
    assert HARMED.kpi_name in verdict.sentence
    assert Fact(name=FactName.MARGIN, value=0.01, about="“Errors” in Shorter form") in verdict.facts


def test_rule_4_holds_before_anything_is_decided() -> None:
    assert judge([UNDECIDED, HARMED], WELL).rule is Rule.GUARDRAIL_HARMED


def test_rule_5_what_would_ship_is_inconclusive_once_the_plan_was_changed_with_the_data_in_sight() -> None:
    for guardrail in (UNHARMED, UNSURE):
        verdict = judge([BETTER, guardrail], WELL, is_exploratory=True)
        assert said(verdict) == (VerdictState.INCONCLUSIVE, Rule.EXPLORATORY)
        assert verdict.sentence.endswith(EXPLORES)
        assert "new experiment" in verdict.would_change


@pytest.mark.parametrize("found", [[WORSE], [BETTER, HARMED], [OVER], [UNDECIDED], [FUTILE]])
def test_rule_5_leaves_other_verdicts_as_they_are_but_for_a_sentence(found: list[Finding]) -> None:
    plain, exploratory = judge(found, WELL), judge(found, WELL, is_exploratory=True)
    assert exploratory == replace(plain, sentence=plain.sentence + EXPLORES)


def test_rule_6_a_guardrail_that_is_neither_harmed_nor_shown_to_be_kept_holds_up_what_is_better() -> None:
    verdict = judge([BETTER, UNSURE], WELL)
    assert said(verdict) == (VerdictState.KEEP_RUNNING, Rule.GUARDRAIL_UNSURE)
    assert verdict.variant is None
    assert verdict.sentence == (
        "Shorter form makes “Activation” better than control, but “Errors” is not shown to keep its margin yet."
    )
    assert f"The next planned look is on {day(8).isoformat()}." in verdict.would_change
    assert verdict.outlook == Outlook(next_look_on=day(8), ends_on=day(20), units_needed=None, days_needed=None)


def test_rule_6_ends_inconclusive_once_no_data_are_to_come_for_one_such_guardrail() -> None:
    late = replace(UNSURE, kpi="refunds", kpi_name="Refunds")
    verdict = judge([BETTER, replace(UNSURE, is_over=True), late], WELL)
    assert said(verdict) == (VerdictState.INCONCLUSIVE, Rule.GUARDRAIL_UNSURE)
    assert "“Errors”, “Refunds” is not shown to keep its margin, and the plan has no more data" in verdict.sentence
    assert verdict.outlook is None


def test_rule_6_asks_every_guardrail_with_a_margin_and_none_without() -> None:
    refunds = replace(UNHARMED, kpi="refunds", kpi_name="Refunds")
    assert judge([BETTER, UNHARMED, refunds], WELL).state is VerdictState.SHIP
    assert judge([BETTER, UNHARMED, replace(refunds, repeated=None)], WELL).rule is Rule.GUARDRAIL_UNSURE
    assert judge([BETTER, UNHARMED, replace(UNSURE, margin=None)], WELL).state is VerdictState.SHIP


def test_rule_6_is_silent_where_nothing_is_better() -> None:
    assert judge([UNDECIDED, UNSURE], WELL).rule is Rule.UNDECIDED
    assert judge([OVER, UNSURE], WELL).rule is Rule.NO_LOOK_LEFT


def test_rule_7_a_deciding_kpi_that_is_better_ships() -> None:
    verdict = judge([second(UNDECIDED), BETTER, UNHARMED, INFORMING], WELL)
    assert said(verdict) == (VerdictState.SHIP, Rule.PRIMARY_BETTER)
    assert verdict.variant == TREATMENT
    assert BETTER.kpi_name in verdict.sentence
    assert UNHARMED.kpi_name not in verdict.sentence
    assert verdict.outlook is None


def test_rule_7_tells_of_a_guardrail_that_is_worse_inside_its_margin() -> None:
    lost = replace(UNHARMED, is_significant=True, difference=0.005)
    assert "“Errors” is worse, but by less than the margin agreed on." in judge([BETTER, lost], WELL).sentence


@pytest.mark.parametrize("chance", [EXCLUDED, HOPELESS])
def test_rule_8_deciding_tests_that_lost_sight_of_the_planned_effect_stop(chance: Futility) -> None:
    verdict = judge([OVER, second(UNDECIDED, futility=chance), UNHARMED], WELL)
    assert said(verdict) == (VerdictState.STOP_FUTILE, Rule.FUTILE)
    assert Fact(name=FactName.MDE, value=0.05, about="“Revenue” in Shorter form") in verdict.facts
    assert verdict.variant is None


def test_rule_8_one_deciding_test_with_a_chance_left_keeps_the_treatment_running() -> None:
    assert judge([FUTILE, second(UNDECIDED, futility=HOPEFUL)], WELL).rule is Rule.UNDECIDED
    assert judge([FUTILE, second(UNDECIDED)], WELL).rule is Rule.UNDECIDED


def test_rule_8_is_silent_where_something_was_decided() -> None:
    assert judge([FUTILE, second(BETTER)], WELL).rule is Rule.PRIMARY_BETTER
    assert judge([FUTILE, second(WORSE)], WELL).rule is Rule.PRIMARY_WORSE


@pytest.mark.parametrize(
    ("scale", "sign", "difference", "interval", "words"),
    [
        (Scale.FRACTION, 1, -0.021, (-0.05, 0.008), "-2.10 percentage points (-5.00 to +0.80)"),
        (Scale.RATE, 1, -0.021, (-0.05, 0.008), "-2.10 percentage points (-5.00 to +0.80)"),
        (Scale.DAYS, -1, 0.4, (-0.1, 0.9), "+0.40 days (-0.10 to +0.90)"),
        (Scale.AMOUNT, 1, -1234.5, (-3000.0, 600.0), "-1,230 (-3,000 to +600)"),
    ],
)
def test_rule_8_says_by_how_much_a_futile_test_points_to_harm(
    scale: Scale, sign: int, difference: float, interval: tuple[float, float], words: str
) -> None:
    harmful = replace(FUTILE, scale=scale, sign=sign, difference=difference, interval=within(*interval))
    verdict = judge([harmful], WELL)
    assert said(verdict) == (VerdictState.STOP_FUTILE, Rule.FUTILE)
    assert f"Shorter form points to harm, not to none: “Activation” differs by {words}" in verdict.sentence
    assert "That it does harm is not shown either" in verdict.would_change
    hopeful = judge([replace(harmful, sign=-sign)], WELL)
    assert "harm" not in hopeful.sentence + hopeful.would_change


def test_rule_9_no_look_left_and_none_decided_is_inconclusive() -> None:
    verdict = judge([OVER, second(OVER), UNHARMED], WELL)
    assert said(verdict) == (VerdictState.INCONCLUSIVE, Rule.NO_LOOK_LEFT)
    assert verdict.outlook is None


def test_rule_10_one_deciding_test_that_is_not_over_keeps_running() -> None:
    assert said(judge([OVER, second(UNDECIDED)], WELL)) == (VerdictState.KEEP_RUNNING, Rule.UNDECIDED)


def test_rule_10_says_when_the_next_look_is() -> None:
    soon = replace(UNDECIDED, next_look_on=day(8), ends_on=day(8))
    verdict = judge([soon, second(soon, next_look_on=day(9), ends_on=day(9))], WELL)
    assert verdict.would_change == f"The next planned look is on {day(8).isoformat()}."
    assert verdict.outlook == Outlook(next_look_on=day(8), ends_on=day(9), units_needed=None, days_needed=None)
    assert "horizon" in judge([UNDECIDED], WELL).would_change


# --- the experiment, from the standings of its treatments ------------------------------------------------------------

BY_STATE = {
    VerdictState.SHIP: BETTER,
    VerdictState.KEEP_RUNNING: UNDECIDED,
    VerdictState.ROLL_BACK: WORSE,
    VerdictState.STOP_FUTILE: FUTILE,
    VerdictState.INCONCLUSIVE: OVER,
}
"""One treatment for each standing, in the order in which they become the experiment's verdict."""


@pytest.mark.parametrize(("first", "last"), list(product(BY_STATE, repeat=2)))
def test_verdict_is_the_first_standing_in_the_order_told(first: VerdictState, last: VerdictState) -> None:
    verdict = judge([BY_STATE[first], *other(BY_STATE[last])], WELL)
    assert [standing.state for standing in verdict.standings] == [first, last]
    assert [standing.variant for standing in verdict.standings] == [TREATMENT, OTHER]
    assert verdict.state is min(first, last, key=list(BY_STATE).index)


@pytest.mark.parametrize("found", [[BETTER], [BETTER, UNSURE], [WORSE], [HARMED, OVER], [OVER], [UNDECIDED], [FUTILE]])
def test_verdict_on_a_single_treatment_is_its_standing(found: list[Finding]) -> None:
    verdict = judge(found, WELL)
    (standing,) = verdict.standings
    assert (standing.state, standing.rule, standing.sentence) == (verdict.state, verdict.rule, verdict.sentence)
    assert verdict.variant == (
        standing.variant if verdict.state in {VerdictState.SHIP, VerdictState.ROLL_BACK} else None
    )


def test_treatment_that_may_be_shipped_is_shipped_though_another_is_worse() -> None:
    verdict = judge([BETTER, UNHARMED, *other(WORSE, HARMED)], WELL)
    assert (verdict.state, verdict.variant) == (VerdictState.SHIP, TREATMENT)
    assert OTHER.name not in verdict.sentence


def test_guardrail_is_asked_of_each_treatment_for_itself() -> None:
    verdict = judge([BETTER, UNSURE, *other(BETTER, UNHARMED)], WELL)
    assert (verdict.state, verdict.variant) == (VerdictState.SHIP, OTHER)
    assert verdict.standings[0].rule is Rule.GUARDRAIL_UNSURE


@pytest.mark.parametrize(("bad", "rule"), [([WORSE], Rule.PRIMARY_WORSE), ([UNDECIDED, HARMED], Rule.GUARDRAIL_HARMED)])
@pytest.mark.parametrize("waiting", [[UNDECIDED], [BETTER, UNSURE]])
def test_bad_treatment_beside_one_that_is_waited_for_is_to_be_shown_no_longer(
    bad: list[Finding], rule: Rule, waiting: list[Finding]
) -> None:
    verdict = judge([*waiting, *other(*bad)], WELL)
    assert (verdict.state, verdict.variant) == (VerdictState.KEEP_RUNNING, None)
    assert verdict.standings[1].rule is rule
    assert verdict.sentence.endswith(f"{verdict.standings[1].sentence} {STOP_SHOWING}")
    assert OTHER.name in verdict.sentence


@pytest.mark.parametrize("rest", [[OVER], [FUTILE], [BETTER, replace(UNSURE, is_over=True)]])
def test_bad_treatment_is_rolled_back_once_no_other_is_waited_for(rest: list[Finding]) -> None:
    verdict = judge([*rest, *other(WORSE)], WELL)
    assert said(verdict) == (VerdictState.ROLL_BACK, Rule.PRIMARY_WORSE)
    assert verdict.variant == OTHER


def test_worst_of_several_bad_treatments_is_named_and_the_others_told() -> None:
    lost = replace(WORSE, interval=within(-0.07, -0.02))
    verdict = judge([WORSE, *other(lost)], WELL)
    assert verdict.variant == OTHER
    assert verdict.sentence.endswith("To be rolled back as well: Shorter form.")
    assert judge([HARMED, OVER, *other(WORSE)], WELL).rule is Rule.PRIMARY_WORSE


@pytest.mark.parametrize(
    ("sign", "lower", "upper", "best"),
    [(1, 0.02, 0.03, OTHER), (1, 0.005, 0.5, TREATMENT), (-1, -0.03, -0.02, OTHER), (-1, -0.5, -0.005, TREATMENT)],
)
def test_of_several_to_ship_the_one_with_the_largest_lower_limit_is_named_and_the_others_told(
    sign: int, lower: float, upper: float, best: Any
) -> None:
    usual = replace(BETTER, sign=sign, difference=0.04 * sign, interval=within(*sorted((0.01 * sign, 0.07 * sign))))
    rival = replace(usual, interval=within(lower, upper))
    verdict = judge([usual, *other(rival)], WELL)
    assert (verdict.state, verdict.variant) == (VerdictState.SHIP, best)
    assert all(variant.name in verdict.sentence for variant in (TREATMENT, OTHER))
    assert verdict.facts[0].about == f"“Activation” in {best.name}"


def test_several_to_ship_are_set_side_by_side_on_the_first_primary_kpi() -> None:
    one = [replace(OVER, interval=within(0.0, 0.1)), second(BETTER, interval=within(5.0, 9.0))]
    two = other(replace(OVER, interval=within(-0.1, 0.1)), second(BETTER, interval=within(7.0, 9.0)))
    assert judge([*one, *two], WELL).variant == TREATMENT


def test_futile_treatment_does_not_end_what_another_still_needs() -> None:
    verdict = judge([FUTILE, *other(UNDECIDED)], WELL)
    assert verdict.sentence.startswith("Nothing is decided yet of No form;")
    assert [standing.state for standing in verdict.standings] == [VerdictState.STOP_FUTILE, VerdictState.KEEP_RUNNING]


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
    assert (
        judge([quick, *other(replace(slow, is_significant=True, difference=-1.0))], WELL).outlook
        == judge([quick], WELL).outlook
    )  # nobody waits for what is to be rolled back
    assert outlook is not None
    assert (outlook.units_needed, outlook.days_needed) == (3600, 36.0)
    unknown = judge([quick, replace(slow, progress=None)], WELL).outlook
    assert unknown is not None
    assert unknown.units_needed is None


# --- what never decides ----------------------------------------------------------------------------------------------


def test_secondary_and_segment_findings_never_decide() -> None:
    for role in (Role.SECONDARY, Role.GUARDRAIL):
        lost = replace(WORSE, role=role, kpi="return")
        assert judge([UNDECIDED, lost], WELL).rule is Rule.UNDECIDED
        assert judge([OVER, lost], WELL).rule is Rule.NO_LOOK_LEFT


@pytest.mark.parametrize("warning", [replace(KEPT, p_value=0.001), replace(KEPT, sequential_p_value=None)])
def test_suspect_split_alone_decides_nothing(warning: SampleRatio) -> None:
    assert judge([BETTER], Health(checks=(split(warning),))).state is VerdictState.SHIP


def test_every_verdict_says_what_would_change_it() -> None:
    for found in ([BETTER], [BETTER, UNSURE], [WORSE], [HARMED, OVER], [OVER], [UNDECIDED], [FUTILE]):
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
    watched = replace(HARMED, policy=Policy.ALWAYS_VALID, sign=sign, interval=within(lower, upper))
    assert (watched.breaches_margin, watched.keeps_margin) == (breaches, keeps)


def test_guardrail_beside_planned_looks_is_harmed_on_any_day_and_shown_to_be_kept_at_a_look_only() -> None:
    assert not replace(UNHARMED, interval=within(-0.01, 0.0), repeated=None).keeps_margin
    assert UNHARMED.keeps_margin
    assert not UNHARMED.breaches_margin
    assert replace(UNHARMED, interval=within(0.011, 0.02)).breaches_margin


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


def test_direction_is_that_of_the_day_it_was_decided_and_not_todays() -> None:
    turned = replace(BETTER, difference=-0.01, decided_on=day(3), decided_difference=0.06)
    assert (turned.is_better, turned.is_worse) == (True, False)
    assert judge([turned], WELL).state is VerdictState.SHIP


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

"""Evidence across experiments: what counts, how it is pooled and multiplied, and which rule gives the status."""

import json
from dataclasses import replace
from math import exp, inf, isfinite, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from experiments.enums import Role, Status
from experiments.inference.findings import AlwaysValidTest, Arm
from experiments.programme.evidence import ALPHA, BAR, Contribution, Evidence, Model, Rule, Standing, gather
from stats import meta
from stats.results import Interval
from stats.sequential import confidence_sequence
from stats.sequential.confidence_sequence import tuning
from tests.experiments.test_evaluation import everything
from tests.experiments.test_verdict import finding

METAFOR = json.loads((Path(__file__).parents[1] / "agreement" / "r" / "meta.json").read_text(encoding="utf-8"))[
    "answers"
]
GIVEN = json.loads((Path(__file__).parents[1] / "agreement" / "inputs.json").read_text(encoding="utf-8"))["experiments"]
UNITS = Interval(lower=-1.0, upper=1.0, level=0.95)
few = settings(max_examples=25, deadline=None, database=None, derandomize=True)


def part(key: str, difference: float | None = 0.01, error: float | None = 0.01, **changes: Any) -> Contribution:
    """An experiment that is over, with plain arms; `of_finding` changes its finding."""
    of_finding = changes.pop("of_finding", {})
    read = finding(
        difference=difference,
        standard_error=error,
        interval=None if difference is None or error is None else limits(difference, error),
        is_over=True,
        **of_finding,
    )
    fields: dict[str, Any] = {
        "experiment": key,
        "experiment_id": 1,
        "finding": read,
        "definition_version": 1,
        "planned_effect": 0.05,
        "planned_information": None,
        "is_over": True,
        "is_split_broken": False,
        "is_exploratory": False,
        "is_sealed_before_data": True,
    }
    return Contribution(**(fields | changes))


def limits(difference: float, error: float) -> Interval:
    low, high = norm.interval(0.95, difference, error) if 0 < error < inf else (-inf, inf)
    return Interval(lower=low, upper=high, level=0.95)


def watched(key: str, z: float, **changes: Any) -> Contribution:
    """An experiment that ended with its planned information of 10,000 at this z, with always-valid inference."""
    shown = AlwaysValidTest(p_value=1.0, log_e_value=0.0, interval=UNITS)
    return part(key, z / 100, 0.01, planned_information=10_000.0, of_finding={"always_valid": shown}, **changes)


def one_sided(z: float) -> float:
    """The half-normal mixture's evidence by its integral, where the information is the planned."""
    k = tuning(ALPHA)
    effects = np.linspace(0, 40, 40_001)
    density = 2 * norm.pdf(effects, scale=sqrt(k)) * np.exp(effects * z - effects**2 / 2)
    return float(log(np.trapezoid(density, effects)))


def standings(found: Evidence) -> list[Standing]:
    return list(found.standings)


# --- what counts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "standing"),
    [
        ({"is_over": False}, Standing.RUNNING),
        ({"is_split_broken": True}, Standing.BROKEN_SPLIT),
        ({"is_exploratory": True}, Standing.EXPLORATORY),
        ({"definition_version": 1}, Standing.OTHER_DEFINITION),
        ({"difference": None}, Standing.NO_ANSWER),
        ({"error": inf}, Standing.NO_ANSWER),
        ({"error": 0.0}, Standing.NO_ANSWER),
    ],
)
def test_experiment_that_does_not_count_is_shown_with_the_reason_and_changes_nothing(
    changes: dict[str, Any], standing: Standing
) -> None:
    sound = [watched("a", 1.0, definition_version=2), watched("b", 2.9, definition_version=2)]
    odd = part("c", **({"difference": 5.0, "definition_version": 2} | changes))
    found, alone = gather([*sound, odd], sign=1), gather(sound, sign=1)
    assert standings(found) == [Standing.COUNTS, Standing.COUNTS, standing]
    assert replace(found, contributions=(), standings=()) == replace(alone, contributions=(), standings=())


def test_later_definition_of_an_experiment_that_still_runs_does_not_displace_what_is_over() -> None:
    found = gather([part("a"), part("b", definition_version=2, is_over=False)], sign=1)
    assert standings(found) == [Standing.COUNTS, Standing.RUNNING]


def test_hypothesis_is_open_until_an_experiment_counts() -> None:
    nothing, running = gather([], sign=1), gather([part("a", is_over=False)], sign=1)
    assert (nothing.status, nothing.rule) == (running.status, running.rule) == (Status.OPEN, Rule.NOTHING_OVER)
    assert (nothing.difference, nothing.lift, nothing.log_e_value) == (None, None, None)
    assert "1 running" in running.sentence


# --- pooled -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", range(3))
def test_pooled_difference_of_three_or_more_is_metafors(case: int) -> None:
    expected = METAFOR[f"pool_{case + 1}"]
    rows = zip(GIVEN[case]["estimate"], GIVEN[case]["variance"], strict=True)
    found = gather([part(f"e{place}", estimate, sqrt(v)) for place, (estimate, v) in enumerate(rows)], sign=1)
    pooled = found.difference
    assert pooled is not None
    assert (pooled.model, pooled.k) == (Model.RANDOM, len(GIVEN[case]["estimate"]))
    shown = (pooled.estimate, pooled.standard_error, pooled.p_value, pooled.q, pooled.q_p_value, pooled.tau2, pooled.i2)
    names = ("random", "random_error", "random_p", "q", "q_p_value", "tau2", "i2")
    assert shown == pytest.approx([expected[name] for name in names], rel=1e-6)
    assert pooled.tau2_dersimonian_laird == pytest.approx(expected["tau2_dersimonian_laird"], rel=1e-6)
    for interval, name in ((pooled.interval, "random_limits"), (pooled.prediction, "prediction")):
        assert interval is not None
        assert (interval.lower, interval.upper) == pytest.approx(expected[name], rel=1e-6)
    assert sum(pooled.weights) == pytest.approx(1)


def test_two_experiments_have_the_common_effect_with_q_beside_it() -> None:
    pooled = gather([part("a", 0.04, 0.02), part("b", 0.01, 0.01)], sign=1).difference
    assert pooled is not None
    assert pooled.model is Model.COMMON
    assert pooled.estimate == pytest.approx((0.04 * 2500 + 0.01 * 10_000) / 12_500)
    assert pooled.standard_error == pytest.approx(1 / sqrt(12_500))
    assert pooled.q == pytest.approx(0.03**2 / (0.02**2 + 0.01**2))
    assert pooled.weights == pytest.approx((0.2, 0.8))
    assert pooled.prediction is None


def test_one_experiment_is_its_own_answer_with_the_interval_its_policy_allows() -> None:
    alone = part("a", of_finding={"p_value": 0.3, "lift_interval": None})
    pooled = gather([alone], sign=1).difference
    assert pooled is not None
    assert (pooled.model, pooled.estimate, pooled.standard_error) == (Model.ONE, 0.01, 0.01)
    assert (pooled.interval, pooled.p_value, pooled.tau2) == (alone.finding.interval, 0.3, None)


def arms(control: float, treatment: float, error: float) -> dict[str, Any]:
    return {
        name: Arm(n=100, open=0, censored=0, value=value, standard_error=error)
        for name, value in (("control", control), ("treatment", treatment))
    }


def test_pooled_lift_is_pooled_on_the_logarithm_and_told_as_a_lift() -> None:
    parts = [part("a", of_finding=arms(0.4, 0.5, 0.01)), part("b", of_finding=arms(10.0, 11.0, 0.2))]
    lift = gather(parts, sign=1).lift
    logs = np.log([0.5 / 0.4, 1.1])
    weights = 1 / np.array([0.01**2 / 0.4**2 + 0.01**2 / 0.5**2, 0.2**2 / 100 + 0.2**2 / 121])
    mean, error = np.average(logs, weights=weights), 1 / sqrt(weights.sum())
    assert lift is not None
    assert lift.interval is not None
    assert (lift.model, lift.k) == (Model.COMMON, 2)
    assert lift.standard_error == pytest.approx(error)
    assert lift.estimate == pytest.approx(exp(mean) - 1)
    assert lift.interval.upper == pytest.approx(exp(mean + norm.ppf(0.975) * error) - 1)


@pytest.mark.parametrize("odd", [arms(0.0, 0.5, 0.01), arms(-1.0, 0.5, 0.01), arms(0.4, 0.5, 0.1)])
def test_level_that_is_not_well_above_zero_has_no_part_in_the_lift_but_in_the_difference(odd: dict[str, Any]) -> None:
    found = gather([part("a", of_finding=odd), part("b", of_finding=arms(0.4, 0.5, 0.01))], sign=1)
    assert found.lift is not None
    assert found.difference is not None
    assert (found.lift.k, found.difference.k) == (1, 2)
    assert found.lift.estimate == pytest.approx(0.25)


# --- multiplied -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
def test_evidence_is_the_product_of_one_sided_mixtures(sign: int) -> None:
    found = gather([watched("a", sign * 2.0), watched("b", sign * -0.5), part("c")], sign=sign)
    assert found.log_e_value == pytest.approx(one_sided(2.0) + one_sided(-0.5), rel=1e-6)
    assert found.log_e_value_against == pytest.approx(one_sided(-2.0) + one_sided(0.5), rel=1e-6)


def test_experiment_with_too_few_units_or_no_planned_effect_multiplies_nothing() -> None:
    early = part("a", planned_information=10_000.0)  # always-valid inference has not begun
    shown = AlwaysValidTest(p_value=1.0, log_e_value=0.0, interval=UNITS)
    assert gather([early, part("b", of_finding={"always_valid": shown})], sign=1).log_e_value is None


# --- the rules, in their order ----------------------------------------------------------------------------------------


def judged(*parts: Contribution, sign: int = 1) -> tuple[Status, Rule]:
    found = gather(parts, sign=sign)
    return found.status, found.rule


def test_rule_2_strong_evidence_both_ways_is_a_contradiction() -> None:
    assert one_sided(7.0) + one_sided(-7.0) > BAR
    assert judged(watched("a", 7.0), watched("b", -7.0)) == (Status.INCONCLUSIVE, Rule.CONTRADICTION)


@pytest.mark.parametrize(("sign", "z", "status"), [(1, 4, "SUPPORTED"), (1, -4, "REFUTED"), (-1, -4, "SUPPORTED")])
def test_rule_3_evidence_of_forty_settles_the_direction_the_hypothesis_states(sign: int, z: float, status: str) -> None:
    assert one_sided(abs(z)) >= BAR
    assert judged(watched("a", z), watched("b", 0.0), sign=sign) == (Status(status), Rule.EVIDENCE)


@pytest.mark.parametrize(("difference", "status"), [(0.025, "SUPPORTED"), (-0.025, "REFUTED")])
def test_rule_4_one_experiment_speaks_by_the_test_it_was_planned_with(difference: float, status: str) -> None:
    significant = watched("a", 0.0)
    read = replace(significant.finding, difference=difference, is_significant=True)
    assert judged(replace(significant, finding=read)) == (Status(status), Rule.OWN_TEST)


def test_rule_4_is_silent_once_there_are_two() -> None:
    first = part("a", 0.021, 0.01, of_finding={"is_significant": True})
    assert judged(first) == (Status.SUPPORTED, Rule.OWN_TEST)
    assert judged(first, part("b", -0.01, 0.01)) == (Status.REFUTED, Rule.TOO_SMALL)


@pytest.mark.parametrize(("difference", "status"), [(0.015, "SUPPORTED"), (-0.015, "REFUTED")])
def test_rule_5_pooled_interval_beyond_zero_settles_what_none_does_alone(difference: float, status: str) -> None:
    assert judged(part("a", difference, 0.01), part("b", difference, 0.01)) == (Status(status), Rule.POOLED)


@pytest.mark.parametrize(
    ("sign", "difference", "effects", "expected"),
    [
        (1, 0.01, [0.05, 0.04], (Status.REFUTED, Rule.TOO_SMALL)),
        (-1, -0.01, [0.05, 0.04], (Status.REFUTED, Rule.TOO_SMALL)),
        (1, 0.01, [0.05, 0.02], (Status.INCONCLUSIVE, Rule.NOTHING_SHOWN)),
        (1, 0.01, [0.05, None], (Status.INCONCLUSIVE, Rule.NOTHING_SHOWN)),
    ],
)
def test_rule_6_effect_below_the_smallest_that_was_worth_having_refutes(
    sign: int, difference: float, effects: list[float | None], expected: tuple[Status, Rule]
) -> None:
    parts = [part(f"e{place}", difference, 0.01, planned_effect=effect) for place, effect in enumerate(effects)]
    assert judged(*parts, sign=sign) == expected  # the pooled limit is 0.01 + 1.96 * 0.01 / sqrt(2) = 0.0239


def test_sentence_says_how_many_were_planned_after_their_data() -> None:
    found = gather([part("a"), part("b", is_sealed_before_data=False)], sign=1)
    assert found.sentence.endswith("Planned after the data: 1.")


# --- laws -------------------------------------------------------------------------------------------------------------

drawn = st.lists(
    st.builds(
        lambda z, role, over: (z, role, over),
        st.floats(-6, 6),
        st.sampled_from([Role.PRIMARY, Role.SECONDARY]),
        st.booleans(),
    ),
    max_size=6,
)


@few
@given(drawn, st.randoms(use_true_random=False), st.sampled_from([1, -1]))
def test_order_of_experiments_changes_nothing(rows: list[tuple[float, Role, bool]], draw: Any, sign: int) -> None:
    parts = [watched(f"e{place}", z, is_over=over) for place, (z, _, over) in enumerate(rows)]
    mixed = list(parts)
    draw.shuffle(mixed)
    assert gather(mixed, sign=sign) == gather(parts, sign=sign)


@few
@given(
    st.lists(st.tuples(st.sampled_from([-1e9, -1.0, 0.0, 1e-9, 1e9]), st.sampled_from([1e-9, 1.0, 1e9])), max_size=4),
    st.sampled_from([1, -1]),
)
def test_whatever_experiments_show_no_number_comes_of_it_that_cannot_be_sent(
    rows: list[tuple[float, float]], sign: int
) -> None:
    shown = AlwaysValidTest(p_value=1.0, log_e_value=0.0, interval=UNITS)
    known = {"always_valid": shown} | arms(1e-3, 1e6, 1e-5)
    parts = [
        part(f"e{place}", difference, error, planned_information=1.0, of_finding=known)
        for place, (difference, error) in enumerate(rows)
    ]
    found = gather(parts, sign=sign)
    assert all(isfinite(number) for _, number in everything(found))


@few
@given(drawn, st.sampled_from([1, -1]))
def test_opposite_hypothesis_has_the_evidence_the_other_way_round(
    rows: list[tuple[float, Role, bool]], sign: int
) -> None:
    parts = [watched(f"e{place}", z) for place, (z, _, _) in enumerate(rows)]
    one, other = gather(parts, sign=sign), gather(parts, sign=-sign)
    assert (one.log_e_value, one.log_e_value_against) == (other.log_e_value_against, other.log_e_value)
    if one.status is Status.SUPPORTED:
        assert other.status is Status.REFUTED
    assert one.difference == other.difference


@pytest.mark.parametrize(("effect", "least", "most"), [(0.0, 0.0, ALPHA), (2.8, 0.6, 1.0)])
def test_evidence_read_after_each_of_five_experiments_errs_at_most_at_alpha_and_finds_what_was_planned(
    effect: float, least: float, most: float
) -> None:
    draws = np.random.default_rng(3).normal(effect, 1, (200, 5))
    settled = 0
    for z in draws.tolist():
        parts = [watched("a", value) for value in z]
        logs = np.array([[part.log_e_value(sign) for part in parts] for sign in (1, -1)], dtype=float)
        settled += bool((logs.cumsum(axis=1) >= BAR).any())
    assert least * 200 <= settled <= most * 200


def test_error_of_the_rules_over_five_experiments_is_what_the_decision_page_tells() -> None:
    z = np.random.default_rng(1).normal(size=(4_000, 5))
    tau2 = confidence_sequence.mixture_variance(1.0, ALPHA)
    logs = [confidence_sequence.one_sided_log_e_value(sign * z, 1.0, tau2=tau2).cumsum(axis=1) for sign in (1, -1)]
    by_evidence = np.maximum(*logs) >= BAR
    by_interval = np.zeros(z.shape, dtype=bool)
    for k in range(1, 6):
        answer = meta.pool(z[:, :k], 1.0, alpha=ALPHA).answer
        by_interval[:, k - 1] = (answer.lower > 0) | (answer.upper < 0)
    for wrong, told in ((by_evidence, 0.008), (by_evidence | by_interval, 0.087)):
        assert wrong.any(axis=1).mean() == pytest.approx(told, abs=3 * sqrt(told * (1 - told) / 4_000))

"""The calibration that the product writes: it passes the shipped methods, and it catches broken ones."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.proportion import confint_proportions_2indep, power_proportions_2indep

from stats.calibration import scenarios
from stats.calibration.families import FAMILIES, VARIANTS, Promise
from stats.calibration.scenarios import LIMITS, SCENARIOS, VARIED, Scenario, Shares
from tests.stats.calibrating import ALPHA, FIRST_VALUE, SMALL, SPENT, START, broken, measured, mute, overconfident

VARIED_SCENARIOS = [scenario for scenario in SCENARIOS if scenario.name in VARIED]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_shipped_families_keep_their_promises_and_peeking_would_not(scenario: Scenario) -> None:
    found = measured(scenario, 200)
    assert [(row.measure, row.family, row.failures) for row in found if row.failures] == []
    assert all(row.false_positives.value > 2 * ALPHA for row in found if row.family == "Peeking")


@pytest.mark.parametrize("scenario", VARIED_SCENARIOS, ids=lambda scenario: scenario.name)
def test_variants_of_the_families_keep_their_promises(scenario: Scenario) -> None:
    found = measured(scenario, 200, VARIANTS)
    assert [row.family for row in found] == [family.name for family in VARIANTS]
    assert [(row.family, row.failures) for row in found if row.failures] == []


def test_every_family_judges_something_and_every_measure_is_judged_at_the_horizon_and_mostly_while_it_runs() -> None:
    found = [row for scenario in SCENARIOS for row in measured(scenario, 1)]
    assert {row.family for row in found} == {family.name for family in FAMILIES}
    measures = {row.measure for row in found}
    assert len(measures) == 18
    assert {row.measure for row in found if row.family == "Fixed"} == measures
    at_horizon_only = {"Mean, post-stratified", "Mean, clusters assigned (CR2)", "Quantile"}
    assert {row.measure for row in found if row.family == "Group sequential"} == measures - at_horizon_only


def test_peeking_that_promised_to_keep_alpha_is_caught() -> None:
    peeking = next(family for family in FAMILIES if family.name == "Peeking")
    promising = replace(peeking, promise=Promise(least_power=0.0, least_coverage=0.95))
    for scenario in (SMALL, SPENT, FIRST_VALUE):
        for row in measured(scenario, 300, [promising]):
            assert "false positives" in row.failures


def test_a_family_that_never_rejects_is_caught_in_every_scenario() -> None:
    for scenario in SCENARIOS:
        for row in measured(scenario, 25, broken(mute)):
            assert row.failures == ("power",)


@pytest.mark.parametrize("scenario", [SMALL, SPENT, FIRST_VALUE], ids=lambda scenario: scenario.name)
def test_bars_at_half_their_height_fail_every_family(scenario: Scenario) -> None:
    found = measured(scenario, 400, broken(overconfident))
    assert len(found) >= 3
    assert all("false positives" in row.failures for row in found)
    assert all("coverage" in row.failures for row in found if row.coverage)


def test_the_limits_are_where_promises_break_and_treatment_against_control_survives_a_drifted_baseline() -> None:
    by_name = {scenario.name: measured(scenario, 1000) for scenario in LIMITS if isinstance(scenario, scenarios.Levels)}
    drifted, exact = by_name["Drifted baseline"], by_name["Baseline taken as exact"]
    promised = [row for row in (*drifted, *exact) if row.bounds]
    assert all("false positives" in row.failures for row in promised if row.measure != scenarios.SHARE)
    assert [row.failures for row in promised if row.measure == scenarios.SHARE] == [()] * 3


def test_power_and_false_positives_of_one_look_are_those_of_statsmodels() -> None:
    many = Shares(name="many", share=0.3, effect=0.05, n=(500, 500), looks=2)
    fixed = measured(many, 20_000)[0]
    expected = power_proportions_2indep(0.05, 0.3, 1000, alpha=ALPHA).power
    assert fixed.power.value == pytest.approx(expected, abs=4 * fixed.power.standard_error)
    assert fixed.false_positives.value == pytest.approx(ALPHA, abs=4 * fixed.false_positives.standard_error)


def test_coverage_of_newcombes_interval_of_few_units_is_the_sum_over_all_tables() -> None:
    few = next(scenario for scenario in LIMITS if scenario.name == "Very few units")
    assert isinstance(few, Shares)
    n = few.n[0] * few.looks
    won, tried = (each.ravel() for each in np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij"))
    limits = [
        confint_proportions_2indep(y, n, x, n, compare="diff", method="newcomb")
        for x, y in zip(won.tolist(), tried.tolist(), strict=True)
    ]
    lower, upper = np.transpose(limits)
    chance = binom.pmf(won, n, few.share) * binom.pmf(tried, n, few.share + few.effect)
    expected = chance[(lower <= few.effect) & (few.effect <= upper)].sum()
    coverage = measured(few, 10_000)[0].coverage
    assert coverage is not None
    assert coverage.value == pytest.approx(expected, abs=4 * coverage.standard_error)


def test_one_look_only_makes_group_sequential_the_fixed_test() -> None:
    fixed, planned, *_ = measured(replace(SMALL, looks=1, n=(300, 300)), 2000)
    assert (fixed.power, fixed.false_positives) == (planned.power, planned.false_positives)
    assert fixed.mean_end == planned.mean_end == fixed.horizon == 600


def test_always_valid_waits_for_units_and_successes_in_both_arms() -> None:
    rare = Shares(name="rare", share=0.1, effect=0.0, n=(50, 50), looks=6)
    reading = rare.expected(has_effect=False, start=START, alpha=ALPHA)[scenarios.SHARE]
    assert reading.has_begun.tolist() == [False, False, False, True, True, True]  # 20 successes after 200 units


def test_always_valid_does_not_judge_where_it_never_begins() -> None:
    few = Shares(name="few", share=0.3, effect=0.3, n=(10, 10), looks=4)
    assert "Always valid" not in {row.family for row in measured(few, 1)}


def test_a_rate_passes_up_to_three_standard_errors_beyond_its_promise() -> None:
    bounds = measured(SMALL, 100)[0].bounds
    assert bounds is not None
    assert bounds.most_false_positives == pytest.approx(0.05 + 3 * 0.0217945, abs=1e-6)
    assert bounds.least_coverage == pytest.approx(0.95 - 3 * 0.0217945, abs=1e-6)


def test_measuring_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a replicate or more"):
        measured(SMALL, 0)

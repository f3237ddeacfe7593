"""How long until a decision, and how often the sample ratio alarms: simulated, against exact values of others."""

from dataclasses import replace

import numpy as np
import pytest
from statsmodels.stats.power import GofChisquarePower

from stats.calibration import decision, sample_ratio
from stats.calibration.decision import DecisionRow
from stats.calibration.sample_ratio import SPLITS, Split
from stats.design import policy
from stats.sequential.group_sequential import crossing_probability
from tests.stats.calibrating import ALPHA

PATHS = 5000


@pytest.fixture(scope="module")
def decided() -> dict[str, DecisionRow]:
    found = decision.rows(10_000, np.random.default_rng(21), replicates=PATHS, alpha=ALPHA)
    return {row.rule: row for row in found}


def test_the_fixed_test_has_its_alpha_and_its_power(decided: dict[str, DecisionRow]) -> None:
    fixed = decided["Fixed"]
    assert fixed.false_positives.value == pytest.approx(ALPHA, abs=4 * fixed.false_positives.standard_error)
    assert fixed.power.value == pytest.approx(0.80, abs=4 * fixed.power.standard_error)
    assert fixed.horizon == fixed.mean_end == 10_000


def test_horizon_and_mean_units_are_those_of_the_exact_recursion(decided: dict[str, DecisionRow]) -> None:
    by_recursion = {
        "Group sequential": policy.group_sequential(100, alpha=ALPHA, power=0.80),
        "Always valid": policy.always_valid(166, alpha=ALPHA, power=0.80),
    }
    for rule, expected in by_recursion.items():
        row = decided[rule]
        assert row.horizon == pytest.approx(10_000 * expected.horizon, rel=0.05)
        assert row.mean_end == pytest.approx(10_000 * expected.mean, rel=0.03)


def test_peeking_errs_as_often_as_the_exact_recursion_says(decided: dict[str, DecisionRow]) -> None:
    expected = crossing_probability(np.full(100, 1.959964), np.arange(1, 101) / 100, 0.0).sum()
    row = decided["Peeking"]
    assert row.false_positives.value == pytest.approx(expected, abs=4 * row.false_positives.standard_error)


def test_rules_that_promise_keep_alpha_and_peeking_would_not(decided: dict[str, DecisionRow]) -> None:
    assert [row.rule for row in decided.values() if row.failures] == []
    assert [row.rule for row in decided.values() if row.most_false_positives] == [
        "Fixed",
        "Group sequential",
        "Always valid",
    ]
    most = decided["Fixed"].most_false_positives
    assert replace(decided["Peeking"], most_false_positives=most).failures == ("false positives",)


def test_a_constant_tuning_costs_most_where_it_is_farthest_from_the_plan() -> None:
    def horizon(units: int) -> float:
        found = decision.rows(units, np.random.default_rng(22), replicates=2000, alpha=ALPHA)
        return next((row.horizon or 0.0) / units for row in found if row.rule == "Constant 5,000")

    small, middle, large = map(horizon, decision.SIZES)
    assert small > middle < large


def test_a_power_that_is_not_reached_has_no_horizon() -> None:
    tiny = decision.rows(2, np.random.default_rng(23), replicates=500, alpha=ALPHA)
    row = next(row for row in tiny if row.rule == "Constant 5,000")
    assert row.horizon is None
    assert row.mean_end is None


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: split.name)
def test_the_checks_of_the_sample_ratio_keep_their_promises_and_daily_chi_squares_would_not(split: Split) -> None:
    watched, peeking, once = sample_ratio.rows(split, np.random.default_rng(24), replicates=500)
    assert (watched.failures, once.failures) == ((), ())
    assert replace(peeking, most_false_alarms=once.most_false_alarms).failures == ("false alarms",)
    assert watched.mean_end < watched.horizon == once.horizon


def test_power_of_one_chi_square_is_that_of_statsmodels() -> None:
    split = Split(name="thirds", weights=(1, 1, 1), observed=(36, 33, 31), daily=300, looks=4)
    once = sample_ratio.rows(split, np.random.default_rng(25), replicates=4000)[2]
    shares = np.array([0.36, 0.33, 0.31])
    effect = np.sqrt((np.square(shares - 1 / 3) * 3).sum())
    expected = GofChisquarePower().power(effect, 1200, 0.01, n_bins=3)
    assert once.power.value == pytest.approx(expected, abs=4 * once.power.standard_error + 0.005)


def test_a_check_that_never_alarms_is_caught() -> None:
    even = Split(name="nothing lost", weights=(1, 1), observed=(1, 1), daily=100)
    assert sample_ratio.rows(even, np.random.default_rng(26), replicates=200)[0].failures == ("power",)

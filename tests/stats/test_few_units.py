"""Agresti & Caffo's interval against statsmodels, Fisher's test against scipy."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import fisher_exact, hypergeom
from statsmodels.stats.proportion import confint_proportions_2indep

from stats import methods
from stats.methods import agresti_caffo, fisher, miettinen_nurminen
from stats.methods.successes import successes
from stats.moments import Moments
from stats.results import Comparison, Reason, Undefined
from tests.stats.drawing import counts, few

small = st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def arms(control: tuple[int, int], treatment: tuple[int, int]) -> tuple[Moments, Moments]:
    return Moments.of_proportion(*control), Moments.of_proportion(*treatment)


@few
@given(counts, counts)
def test_agresti_caffo_limits_equal_statsmodels_within_the_possible(
    control: tuple[int, int], treatment: tuple[int, int]
) -> None:
    ours = agresti_caffo.compare(*arms(control, treatment), alpha=0.1)
    limits = confint_proportions_2indep(*treatment, *control, method="agresti-caffo", compare="diff", alpha=0.1)
    assert_allclose((ours.lower, ours.upper), np.clip(limits, -1, 1), rtol=1e-9, atol=1e-12)


@few
@given(small, small, st.floats(-0.9, 0.9))
def test_agresti_caffo_keeps_the_nulls_in_its_interval(
    control: tuple[int, int], treatment: tuple[int, int], null: float
) -> None:
    ours = agresti_caffo.compare(*arms(control, treatment), alpha=0.05, null=null)
    assume(abs(ours.p_value - 0.05) > 1e-9)
    assert (ours.lower < null < ours.upper) == (ours.p_value > 0.05)


def test_agresti_caffo_answers_where_all_units_agree_and_not_for_an_empty_arm() -> None:
    ours = agresti_caffo.compare(*arms((0, 3), (0, 4)), alpha=0.05).at()
    assert isinstance(ours, Comparison)
    assert ours.interval.lower < 0 < ours.interval.upper
    for empty in (arms((0, 0), (2, 4)), arms((2, 4), (0, 0))):
        assert agresti_caffo.compare(*empty, alpha=0.05).at() == Undefined(reason=Reason.INSUFFICIENT_DATA)


@few
@given(small, small)
def test_fishers_p_value_equals_scipys(control: tuple[int, int], treatment: tuple[int, int]) -> None:
    (won, n), (tried, m) = control, treatment
    theirs = fisher_exact([[won, n - won], [tried, m - tried]])
    assert_allclose(fisher.compare(*arms(control, treatment), alpha=0.05).p_value, theirs.pvalue, rtol=1e-9)


@few
@given(small, small)
def test_the_mid_p_value_has_a_mean_of_one_half_under_the_null(
    control: tuple[int, int], treatment: tuple[int, int]
) -> None:
    (won, n), (tried, m) = control, treatment
    both = won + tried
    tables = np.arange(max(0, both - m), min(n, both) + 1)
    every = arms((tables, np.full_like(tables, n)), (both - tables, np.full_like(tables, m)))  # type: ignore[arg-type]  # arrays stand for counts
    mid = fisher.compare(*every, alpha=0.05, mid_p=True)
    chance = hypergeom.pmf(tables, n + m, both, n)
    assert_allclose((mid.p_value * chance).sum(), 0.5, rtol=1e-9)
    assert (mid.p_value < fisher.compare(*every, alpha=0.05).p_value).all()


def test_fishers_statistic_points_where_the_difference_does() -> None:
    up = fisher.compare(*arms((1, 8), (6, 9)), alpha=0.05)
    down = fisher.compare(*arms((6, 9), (1, 8)), alpha=0.05)
    assert up.statistic > 0
    assert_allclose(up.statistic, -down.statistic)
    assert np.isfinite(fisher.compare(*arms((0, 5000), (5000, 5000)), alpha=0.05).statistic)


def test_fishers_test_of_an_empty_arm_or_without_whole_units_is_no_answer() -> None:
    assert fisher.compare(*arms((0, 0), (1, 2)), alpha=0.05).at() == Undefined(reason=Reason.INSUFFICIENT_DATA)
    half = Moments(n=np.array(3.0), mean=np.array(0.5), m2=np.array(0.75))
    with pytest.raises(ValueError, match="whole"):
        fisher.compare(half, half, alpha=0.05)
    with pytest.raises(ValueError, match="at most"):
        fisher.compare(*arms((1, 9000), (1, 9000)), alpha=0.05)
    with pytest.raises(ValueError, match="zero only"):
        fisher.compare(*arms((1, 9), (1, 9)), alpha=0.05, null=0.1)


def test_with_few_units_false_positives_stay_below_alpha_and_large_effects_are_found() -> None:
    draw, runs = np.random.default_rng(23), 4000
    control = Moments.of_proportion(draw.binomial(12, 0.3, runs), 12)
    same = Moments.of_proportion(draw.binomial(10, 0.3, runs), 10)
    better = Moments.of_proportion(draw.binomial(10, 0.95, runs), 10)
    exact = fisher.compare(control, same, alpha=0.05).p_value < 0.05
    mid = fisher.compare(control, same, alpha=0.05, mid_p=True).p_value < 0.05
    assert exact.mean() <= 0.05
    assert exact.mean() < mid.mean() <= 0.06
    assert (fisher.compare(control, better, alpha=0.05).p_value < 0.05).mean() > 0.8
    around = agresti_caffo.compare(control, better, alpha=0.05)
    assert ((around.lower < 0.65) & (around.upper > 0.65)).mean() > 0.94
    assert (agresti_caffo.compare(control, same, alpha=0.05).p_value < 0.05).mean() < 0.06


def test_merged_days_give_back_whole_successes() -> None:
    won, n = np.array([1, 7, 0, 3]), np.array([3, 11, 5, 7])
    assert successes(Moments.of_proportion(won, n).total()) == 11
    assert successes(Moments.of_proportion(0, 0)) == 0


def test_the_methods_for_shares_are_registered() -> None:
    assert methods.get("agresti_caffo") is agresti_caffo.compare
    assert methods.get("fisher") is fisher.compare
    assert methods.get("miettinen_nurminen") is miettinen_nurminen.compare

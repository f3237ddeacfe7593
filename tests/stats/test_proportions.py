"""Two proportions against statsmodels, and against the known answers of a public experiment."""

import numpy as np
import pytest
from hypothesis import assume, given
from numpy.testing import assert_allclose
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from stats.methods import proportions
from stats.moments import Moments
from stats.results import Comparison, Comparisons, Reason, Undefined
from tests.stats.drawing import counts, few

CASES = [(8502, 44700, 8279, 45489), (1, 10, 9, 11), (0, 40, 3, 50), (30, 30, 29, 31), (1, 1, 0, 1), (5, 1000, 2, 7)]


def compare(won: int, n: int, tried: int, m: int, alpha: float = 0.05) -> Comparisons:
    return proportions.compare(Moments.of_proportion(won, n), Moments.of_proportion(tried, m), alpha=alpha)


@pytest.mark.parametrize(("won", "n", "tried", "m"), CASES)
def test_two_proportions_equal_statsmodels(won: int, n: int, tried: int, m: int) -> None:
    ours = compare(won, n, tried, m, alpha=0.1)
    statistic, p_value = proportions_ztest([tried, won], [m, n])
    limits = confint_proportions_2indep(tried, m, won, n, method="newcomb", compare="diff", alpha=0.1)
    assert_allclose((ours.statistic, ours.p_value), (statistic, p_value), rtol=1e-9)
    assert_allclose((ours.lower, ours.upper), limits, rtol=1e-9, atol=1e-15)


def test_day_7_retention_of_cookie_cats_gives_the_known_answer() -> None:
    # gate_40 against gate_30, public data; computed with scipy 1.18 and statsmodels 0.15.
    ours = compare(8502, 44700, 8279, 45489).at()
    assert isinstance(ours, Comparison)
    assert ours.difference == pytest.approx(-0.0082013, abs=5e-8)
    assert ours.statistic == pytest.approx(-3.16436, abs=5e-6)
    assert ours.p_value == pytest.approx(0.00155425, abs=5e-9)
    assert ours.interval.lower == pytest.approx(-0.01328194, abs=5e-9)
    assert ours.interval.upper == pytest.approx(-0.00312130, abs=5e-9)


def test_the_variance_for_looks_is_the_unpooled_one() -> None:
    ours = compare(20, 100, 60, 150)
    assert_allclose(ours.variance, 0.2 * 0.8 / 100 + 0.4 * 0.6 / 150, rtol=1e-12)


@few
@given(counts, counts)
def test_swapping_the_arms_flips_the_signs(control: tuple[int, int], treatment: tuple[int, int]) -> None:
    one, other = compare(*control, *treatment), compare(*treatment, *control)
    assert_allclose(one.difference, -other.difference)
    assert_allclose((one.lower, one.upper), (-other.upper, -other.lower), atol=1e-15)
    assert_allclose(one.p_value, other.p_value)


@few
@given(counts, counts)
def test_the_interval_holds_the_difference_and_stays_possible(
    control: tuple[int, int], treatment: tuple[int, int]
) -> None:
    ours = compare(*control, *treatment)
    assume(not ours.reason_at())
    assert -1 - 1e-12 <= ours.lower <= ours.difference + 1e-12
    assert ours.difference - 1e-12 <= ours.upper <= 1 + 1e-12
    assert 0 <= ours.p_value <= 1


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ((0, 500, 0, 500), Reason.ZERO_VARIANCE),
        ((5, 5, 7, 7), Reason.ZERO_VARIANCE),
        ((0, 0, 3, 9), Reason.INSUFFICIENT_DATA),
        ((3, 9, 0, 0), Reason.INSUFFICIENT_DATA),
    ],
)
def test_arms_that_cannot_be_compared_say_why(cells: tuple[int, int, int, int], reason: Reason) -> None:
    ours = compare(*cells)
    assert ours.at() == Undefined(reason=reason)
    assert np.isnan([ours.statistic, ours.p_value, ours.lower, ours.upper]).all()


def test_all_against_none_is_an_answer() -> None:
    ours = compare(0, 10, 10, 10).at()
    assert isinstance(ours, Comparison)
    assert ours.difference == 1
    assert ours.p_value < 1e-4


def test_days_merged_by_moments_equal_the_counts_added_up() -> None:
    won, n = np.array([3, 0, 8, 1]), np.array([10, 4, 9, 31])
    merged = Moments.of_proportion(won, n).total()
    other = Moments.of_proportion(4, 40)
    whole = compare(4, 40, int(won.sum()), int(n.sum()))
    assert_allclose(proportions.compare(other, merged, alpha=0.05).statistic, whole.statistic, rtol=1e-12)


def test_means_that_are_no_shares_and_other_nulls_are_refused() -> None:
    shares = Moments.of_proportion(1, 4)
    with pytest.raises(ValueError, match="between 0 and 1"):
        proportions.compare(shares, Moments.from_values([1.0, 3.0]), alpha=0.05)
    with pytest.raises(ValueError, match="difference of zero"):
        proportions.compare(shares, shares, alpha=0.05, null=0.1)

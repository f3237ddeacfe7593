"""Miettinen & Nurminen's test and interval against maximisation by search, published intervals and each other."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from scipy.special import xlogy
from scipy.stats import norm
from statsmodels.stats.proportion import proportions_ztest

from stats.methods import miettinen_nurminen
from stats.moments import Moments
from stats.results import Comparison, Reason, Undefined
from tests.stats.drawing import counts, fewer

nulls = st.floats(-0.95, 0.95).map(lambda x: round(x, 4))
NEWCOMBE_TABLE = [  # Newcombe (1998), Statistics in Medicine 17, table II, Miettinen-Nurminen; first minus second
    ((56, 70), (48, 80), 0.0528, 0.3382),
    ((9, 10), (3, 10), 0.1700, 0.8406),
    ((5, 56), (0, 29), -0.0326, 0.1933),
    ((10, 10), (0, 20), 0.7156, 1.0000),
    ((10, 10), (0, 10), 0.6636, 1.0000),
]


def arms(control: tuple[int, int], treatment: tuple[int, int]) -> tuple[Moments, Moments]:
    return Moments.of_proportion(*control), Moments.of_proportion(*treatment)


def likelihood(control: tuple[int, int], treatment: tuple[int, int], share: float, null: float) -> float:
    (won, n), (tried, m), other = control, treatment, share + null
    return float(
        xlogy(won, share) + xlogy(n - won, 1 - share) + xlogy(tried, other) + xlogy(m - tried, np.clip(1 - other, 0, 1))
    )


@fewer
@given(counts, counts, nulls)
def test_the_restricted_shares_are_those_a_search_finds(
    control: tuple[int, int], treatment: tuple[int, int], null: float
) -> None:
    first, second = map(float, miettinen_nurminen.restricted(*arms(control, treatment), null=null))
    low, high = max(0.0, -null), min(1.0, 1 - null)
    found = minimize_scalar(
        lambda share: -likelihood(control, treatment, share, null),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-12, "maxiter": 1000},
    )
    assert second - first == pytest.approx(null, abs=1e-12)
    assert low <= first <= high
    assert first == pytest.approx(found.x, abs=2e-6)
    assert likelihood(control, treatment, np.clip(first, low, high), null) >= -found.fun - 1e-9 * abs(found.fun) - 1e-9


@pytest.mark.parametrize("null", [1e-8, -3e-8])
def test_rare_successes_among_very_many_units_keep_their_digits(null: float) -> None:
    first, second = miettinen_nurminen.restricted(*arms((3, 10**8), (7, 10**8)), null=null)
    slope = 3 / first - (10**8 - 3) / (1 - first) + 7 / second - (10**8 - 7) / (1 - second)
    assert abs(slope) < 1e-6 * 10**8


@fewer
@given(counts, counts)
def test_at_a_null_of_0_it_is_the_pooled_z_with_their_factor(
    control: tuple[int, int], treatment: tuple[int, int]
) -> None:
    (won, n), (tried, m) = control, treatment
    assume(0 < won + tried < n + m)
    z, _ = proportions_ztest([tried, won], [m, n])
    ours = miettinen_nurminen.score(*arms(control, treatment), null=0.0)
    assert_allclose(ours, z * np.sqrt((n + m - 1) / (n + m)), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize(("first", "second", "lower", "upper"), NEWCOMBE_TABLE)
def test_intervals_equal_the_published_ones(
    first: tuple[int, int], second: tuple[int, int], lower: float, upper: float
) -> None:
    ours = miettinen_nurminen.compare(*arms(second, first), alpha=0.05)
    assert_allclose((ours.lower, ours.upper), (lower, upper), atol=5.1e-5)


@fewer
@given(counts, counts, nulls, st.sampled_from([0.01, 0.05, 0.2]))
def test_the_interval_holds_the_nulls_that_the_test_keeps(
    control: tuple[int, int], treatment: tuple[int, int], null: float, alpha: float
) -> None:
    lower, upper = miettinen_nurminen.limits(*arms(control, treatment), alpha=alpha)
    p_value = 2 * norm.sf(abs(miettinen_nurminen.score(*arms(control, treatment), null=null)))
    assume(abs(p_value - alpha) > 1e-7)
    assert (lower < null < upper) == (p_value > alpha)


@fewer
@given(counts, counts)
def test_at_its_limits_the_test_is_just_at_alpha(control: tuple[int, int], treatment: tuple[int, int]) -> None:
    for limit in miettinen_nurminen.limits(*arms(control, treatment), alpha=0.1):
        if abs(limit) < 1 - 1e-9:
            z = miettinen_nurminen.score(*arms(control, treatment), null=limit)
            assert abs(z) == pytest.approx(norm.isf(0.05), abs=1e-6)


@fewer
@given(counts, counts, nulls)
def test_counting_failures_or_swapping_arms_flips_the_signs(
    control: tuple[int, int], treatment: tuple[int, int], null: float
) -> None:
    (won, n), (tried, m) = control, treatment
    before = Moments.of_proportion([won, n - won, tried], [n, n, m])
    after = Moments.of_proportion([tried, m - tried, won], [m, m, n])
    z, failing, swapped = miettinen_nurminen.score(before, after, null=[null, -null, -null])
    assert_allclose((z, z), (-failing, -swapped), rtol=1e-6, atol=1e-9)
    lower, upper = miettinen_nurminen.limits(before, after, alpha=0.05)
    assert_allclose((lower[0], upper[0]), (-upper[1], -lower[1]), atol=1e-9)
    assert_allclose((lower[0], upper[0]), (-upper[2], -lower[2]), atol=1e-9)


@fewer
@given(counts, counts, st.floats(0.01, 0.5))
def test_non_inferiority_is_shown_where_the_lower_limit_is_above_the_margin(
    control: tuple[int, int], treatment: tuple[int, int], margin: float
) -> None:
    p_value = miettinen_nurminen.non_inferiority(*arms(control, treatment), margin=margin)
    lower, _ = miettinen_nurminen.limits(*arms(control, treatment), alpha=0.05)
    assume(abs(p_value - 0.025) > 1e-7)
    assert (p_value < 0.025) == (lower > -margin)


def test_many_cells_at_once_equal_one_at_a_time() -> None:
    draw = np.random.default_rng(21)
    n = draw.integers(1, 2000, (3, 4))
    control, treatment = (
        Moments.of_proportion(draw.binomial(n, 0.2), n),
        Moments.of_proportion(draw.binomial(n, 0.3), n),
    )
    ours = miettinen_nurminen.compare(control[:, :1], treatment, alpha=0.05)
    assert ours.lower.shape == (3, 4)
    assert ours.at(2, 3) == miettinen_nurminen.compare(control[2, 0], treatment[2, 3], alpha=0.05).at()


@pytest.mark.parametrize(
    ("control", "treatment", "null", "reason"),
    [
        ((0, 0), (3, 10), 0.0, Reason.INSUFFICIENT_DATA),
        ((3, 10), (0, 0), 0.0, Reason.INSUFFICIENT_DATA),
        ((0, 0), (0, 0), 0.1, Reason.INSUFFICIENT_DATA),
        ((0, 10), (0, 20), 0.0, Reason.ZERO_VARIANCE),
        ((10, 10), (20, 20), 0.0, Reason.ZERO_VARIANCE),
    ],
)
def test_arms_that_cannot_be_compared_say_why(
    control: tuple[int, int], treatment: tuple[int, int], null: float, reason: Reason
) -> None:
    assert miettinen_nurminen.compare(*arms(control, treatment), alpha=0.05, null=null).at() == Undefined(reason=reason)


def test_arms_that_all_agree_still_have_limits_and_a_test_of_a_margin() -> None:
    lower, upper = miettinen_nurminen.limits(*arms((0, 10), (0, 10)), alpha=0.05)
    assert -lower == pytest.approx(upper)
    assert 0.2 < upper < 0.4
    assert isinstance(miettinen_nurminen.compare(*arms((0, 10), (0, 10)), alpha=0.05, null=-0.1).at(), Comparison)


def test_one_unit_an_arm_has_limits_within_the_possible() -> None:
    ours = miettinen_nurminen.compare(*arms((0, 1), (1, 1)), alpha=0.05).at()
    assert isinstance(ours, Comparison)
    assert -1 <= ours.interval.lower < ours.interval.upper <= 1


def test_nulls_and_margins_that_no_difference_can_have_are_refused() -> None:
    control, treatment = arms((3, 10), (5, 10))
    with pytest.raises(ValueError, match="between -1 and 1"):
        miettinen_nurminen.compare(control, treatment, alpha=0.05, null=1.0)
    with pytest.raises(ValueError, match="margin"):
        miettinen_nurminen.non_inferiority(control, treatment, margin=0.0)
    with pytest.raises(ValueError, match="mean of 0/1"):
        miettinen_nurminen.compare(control, Moments.from_values([3.0, 4.0]), alpha=0.05)


def test_false_positives_coverage_and_power_are_as_promised() -> None:
    draw, runs = np.random.default_rng(22), 4000
    control = Moments.of_proportion(draw.binomial(120, 0.15, runs), 120)
    same = Moments.of_proportion(draw.binomial(80, 0.15, runs), 80)
    better = Moments.of_proportion(draw.binomial(80, 0.40, runs), 80)
    nothing = miettinen_nurminen.compare(control, same, alpha=0.05)
    something = miettinen_nurminen.compare(control, better, alpha=0.05)
    assert 0.03 < (nothing.p_value < 0.05).mean() < 0.06
    assert 0.94 < ((something.lower < 0.25) & (something.upper > 0.25)).mean() < 0.965
    assert (something.p_value < 0.05).mean() > 0.95
    inferior = Moments.of_proportion(draw.binomial(120, 0.05, runs), 120)
    assert (miettinen_nurminen.non_inferiority(control, inferior, margin=0.1) < 0.025).mean() < 0.035
    assert (miettinen_nurminen.non_inferiority(control, same, margin=0.2) < 0.025).mean() > 0.9

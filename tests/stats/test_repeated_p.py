"""Repeated p-values against the repeated intervals, the fixed test, brentq and simulated errors."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm

from stats.sequential.adjusted import repeated_interval, repeated_p_values
from stats.sequential.group_sequential import Spending, boundaries, hwang_shih_decani, obrien_fleming, pocock
from tests.stats.drawing import fewer

LOOKS = np.array([0.4, 0.7, 1.0])
SPENDINGS = [obrien_fleming, pocock, hwang_shih_decani(-2)]


@fewer
@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3), st.floats(0.001, 0.3), st.sampled_from(SPENDINGS))
def test_repeated_p_is_below_alpha_just_where_the_repeated_interval_leaves_out_the_null(
    z: list[float], alpha: float, spending: Spending
) -> None:
    p = repeated_p_values(z, LOOKS, spending=spending)
    lower, upper = repeated_interval(z / np.sqrt(LOOKS), 1 / LOOKS, boundaries(LOOKS, alpha=alpha, spending=spending))
    clear = np.abs(p - alpha) > 1e-9
    assert ((p <= alpha) == ((lower > 0) | (upper < 0)))[clear].all()
    at_its_own_p = [boundaries(LOOKS[: k + 1], alpha=p[k], spending=spending)[k] for k in range(3) if p[k] < 0.99]
    assert_allclose(at_its_own_p, np.abs(z)[p < 0.99], atol=1e-7)


def test_second_repeated_p_equals_brentq_over_scipys_multivariate_normal() -> None:
    times = np.array([0.4, 1.0])
    law = multivariate_normal(np.zeros(2), [[1, np.sqrt(0.4)], [np.sqrt(0.4), 1]])

    def inside(alpha: float) -> float:
        first = norm.isf(alpha / 2 * np.log1p((np.e - 1) * 0.4))
        bars = np.array([first, 2.1])
        return float(law.cdf(bars, lower_limit=-bars) - (1 - alpha))

    theirs = brentq(inside, 1e-4, 0.5)
    assert repeated_p_values([0.3, 2.1], times, spending=pocock)[1] == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize("z", [0.0, 0.7, -2.4, 6.0])
def test_one_look_has_the_p_value_of_the_fixed_test(z: float) -> None:
    assert repeated_p_values([z], [1.0])[0] == pytest.approx(2 * norm.sf(abs(z)), rel=1e-6)


def test_a_share_alpha_at_most_ever_shows_a_repeated_p_of_alpha() -> None:
    runs = 800
    steps = np.random.default_rng(73).normal(size=(runs, 2)) * np.sqrt([0.5, 0.5])
    z = steps.cumsum(axis=1) / np.sqrt([0.5, 1.0])
    close = np.abs(z).max(axis=1) > 1.75  # all others have p-values above 0.1
    smallest = np.ones(runs)
    smallest[close] = [repeated_p_values(one, [0.5, 1.0], spending=pocock).min() for one in z[close]]
    for alpha in (0.02, 0.1):
        error = 4 * np.sqrt(alpha * (1 - alpha) / runs)
        assert (smallest <= alpha).mean() == pytest.approx(alpha, abs=error)  # all of alpha is spent, so no less either


def test_each_look_depends_on_those_before_it_alone() -> None:
    p = repeated_p_values([1.0, 2.2, 2.4], LOOKS)
    assert_allclose(repeated_p_values([1.0, 2.2], LOOKS[:2]), p[:2])
    assert repeated_p_values([9.0, -2.2, 2.4], LOOKS)[1:] == pytest.approx(p[1:])


def test_repeated_p_falls_as_the_statistic_grows_and_ends_finite() -> None:
    p = [repeated_p_values([0.0, z], [0.5, 1.0])[1] for z in (0.0, 1.0, 2.0, 4.0, 8.0, 30.0, 500.0)]
    assert (np.diff(p) < 0).all()
    assert p[0] > 0.9
    assert 0 <= p[-1] < 1e-200


def test_repeated_p_is_one_where_nothing_is_left_and_nothing_where_there_is_no_statistic() -> None:
    p = repeated_p_values([2.0, 9.0, np.nan], [1.0, 1.2, 1.3])
    assert p[0] == pytest.approx(2 * norm.sf(2.0))
    assert_allclose(p[1:], [1.0, np.nan])
    assert repeated_p_values([np.inf], [1.0])[0] < 1e-200


@pytest.mark.parametrize(
    "ask",
    [lambda: repeated_p_values([1.0], [0.5, 1.0]), lambda: repeated_p_values([1.0, 2.0], [0.5, 0.4])],
)
def test_repeated_p_of_looks_out_of_order_is_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"each look|grow"):
        ask()

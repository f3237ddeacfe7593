"""Boundaries against published tables, one-dimensional quadrature and scipy's multivariate normal."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm

from stats.arrays import Array
from stats.sequential.group_sequential import (
    Spending,
    boundaries,
    crossing_probability,
    inflation,
    obrien_fleming,
    pocock,
)
from tests.stats.drawing import few

clocks = st.lists(st.floats(0.02, 1.0), min_size=1, max_size=8, unique=True).map(sorted)


def staying_inside(bars: Array, information: Array, drift: float = 0.0) -> float:
    """P(|z| below the bar at every look), by scipy's multivariate normal."""
    first, second = np.meshgrid(information, information)
    correlation = np.sqrt(np.minimum(first, second) / np.maximum(first, second))
    mean = drift * np.sqrt(information)
    whole = multivariate_normal(mean=mean, cov=correlation, seed=1, abseps=1e-7, maxpts=2_000_000)
    return float(whole.cdf(bars, lower_limit=-bars))


@pytest.mark.parametrize(
    ("spending", "published"),
    [
        (obrien_fleming, [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]),
        (pocock, [2.4380, 2.4268, 2.4101, 2.3966, 2.3859]),
    ],
)
def test_five_equal_looks_have_the_published_boundaries(spending: Spending, published: list[float]) -> None:
    # The Lan-DeMets programs (Reboussin, DeMets, Kim & Lan 2000; R ldbounds), two-sided 0.05, correct to about 1e-4.
    ours = boundaries(np.arange(1, 6) / 5, alpha=0.05, spending=spending)
    assert_allclose(ours, published, atol=1.5e-4)


@pytest.mark.parametrize("clock", [np.array([0.3, 0.75]), np.array([0.5, 0.505])])
def test_second_boundary_equals_quadrature_and_root_finding(clock: Array) -> None:
    keep = np.sqrt(clock[0] / clock[1])
    spent = 2 * norm.sf(norm.isf(0.0125) / np.sqrt(clock))  # O'Brien-Fleming type, 0.025 a side
    first = norm.isf(spent[0])

    def crossing(bar: float) -> float:
        tail = quad(
            lambda z: norm.pdf(z) * norm.sf((bar - keep * z) / np.sqrt(1 - keep**2)), -first, first, epsabs=1e-13
        )
        return float(tail[0] - (spent[1] - spent[0]))

    ours = boundaries(clock, alpha=0.05)
    assert_allclose(ours, [first, brentq(crossing, 1, 5, xtol=1e-13)], rtol=1e-9)


@pytest.mark.parametrize("spending", [obrien_fleming, pocock])
def test_looks_at_any_times_spend_alpha_in_all(spending: Spending) -> None:
    clock, information = np.array([0.2, 0.25, 0.7, 1.0]), np.array([40.0, 90.0, 100.0, 300.0])
    bars = boundaries(clock, alpha=0.05, information=information, spending=spending)
    assert staying_inside(bars, information) == pytest.approx(0.95, abs=2e-6)
    assert_allclose(
        crossing_probability(bars, information, 0.0).cumsum(axis=1), [spending(clock, 0.025)] * 2, atol=1e-12
    )


@few
@given(clocks)
def test_each_side_spends_what_the_function_says_at_every_look(clock: list[float]) -> None:
    assume(np.diff(clock, prepend=0).min() > 2e-3)
    bars = boundaries(clock, alpha=0.05)
    crossed = crossing_probability(bars, clock, 0.0)
    assert_allclose(crossed[0].cumsum(), obrien_fleming(clock, 0.025), atol=1e-10)
    assert_allclose(crossed[0], crossed[1], atol=1e-12)


@few
@given(clocks, st.integers(1, 7))
def test_a_boundary_does_not_depend_on_later_looks(clock: list[float], looks: int) -> None:
    assert_allclose(boundaries(clock, alpha=0.05)[:looks], boundaries(clock[:looks], alpha=0.05), rtol=1e-8)


def test_power_of_three_looks_equals_scipys_multivariate_normal() -> None:
    information = np.array([1, 2, 3]) / 3
    bars = boundaries(information, alpha=0.05)
    ours = crossing_probability(bars, information, 2.8).sum()
    assert ours == pytest.approx(1 - staying_inside(bars, information, 2.8), abs=1e-6)


@pytest.mark.parametrize(
    ("looks", "power", "constant", "slope", "published"),
    [
        (3, 0.8, 2.004, 0.5, 1.017),
        (5, 0.9, 2.040, 0.5, 1.026),
        (2, 0.8, 2.178, 0.0, 1.110),
        (5, 0.9, 2.413, 0.0, 1.207),
    ],
)
def test_classical_boundaries_have_the_published_power(
    looks: int, power: float, constant: float, slope: float, published: float
) -> None:
    # Jennison & Turnbull (2000), tables 2.1-2.4: constants of Pocock (slope 0) and O'Brien-Fleming (slope 0.5) and
    # the factor by which they need more units than one look.
    information = np.arange(1, looks + 1) / looks
    drift = (norm.isf(0.025) + norm.ppf(power)) * np.sqrt(published)
    bars = constant * information**-slope
    assert crossing_probability(bars, information, drift).sum() == pytest.approx(power, abs=1e-3)
    assert crossing_probability(bars, information, 0.0).sum() == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize("spending", [obrien_fleming, pocock])
@pytest.mark.parametrize(("looks", "power"), [(3, 0.8), (5, 0.9)])
def test_inflated_experiment_has_the_power_asked_for(spending: Spending, looks: int, power: float) -> None:
    information = np.arange(1, looks + 1) / looks
    bars = boundaries(information, alpha=0.05, spending=spending)
    factor = inflation(looks, alpha=0.05, power=power, spending=spending)
    drift = np.sqrt(factor) * (norm.isf(0.025) + norm.ppf(power))
    assert 1 - staying_inside(bars, information, drift) == pytest.approx(power, abs=5e-5)  # a few cross downwards first


def test_inflation_of_spending_is_close_to_the_classical_one_and_none_for_one_look() -> None:
    assert inflation(3, alpha=0.05, power=0.8) == pytest.approx(1.017, abs=0.006)
    assert inflation(2, alpha=0.05, power=0.8, spending=pocock) == pytest.approx(1.110, abs=0.015)
    assert inflation(1, alpha=0.05, power=0.8) == pytest.approx(1.0, rel=1e-9)


def test_one_look_at_the_end_is_the_fixed_test() -> None:
    assert_allclose(boundaries([1.0], alpha=0.05), [norm.isf(0.025)], rtol=1e-12)


def test_an_overrun_spends_the_rest_and_leaves_nothing_after_it() -> None:
    information = np.array([50.0, 130.0, 150.0])
    bars = boundaries(information / 100, alpha=0.05, information=information)
    assert np.isfinite(bars[:2]).all()
    assert np.isinf(bars[2])
    assert staying_inside(bars[:2], information[:2]) == pytest.approx(0.95, abs=1e-6)


def test_a_first_look_at_almost_nothing_has_a_bar_out_of_reach() -> None:
    bars = boundaries([1e-9, 0.5, 1.0], alpha=0.05)
    assert bars[0] > 30
    assert_allclose(bars[1:], boundaries([0.5, 1.0], alpha=0.05), rtol=1e-9)


def test_looks_that_add_hardly_anything_never_spend_too_much() -> None:
    clock = np.array([0.2, 0.2000001, 0.5, 0.500002, 0.9, 1.0])
    information = np.array([0.2, 0.2, 0.5, 0.5000001, 0.9, 0.9])
    bars = boundaries(clock, alpha=0.05, information=information)
    path = np.random.default_rng(8).normal(size=(200_000, 6)) * np.sqrt(np.diff(information, prepend=0.0))
    z = path.cumsum(axis=1) / np.sqrt(information)
    assert (np.abs(z) >= bars).any(axis=1).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200_000)
    assert np.isfinite(bars).all()


def test_sixty_thousand_paths_cross_as_often_as_promised() -> None:
    looks = np.sort(np.random.default_rng(9).uniform(0.05, 1.0, 12))
    steps = np.random.default_rng(10).normal(size=(60_000, 12)) * np.sqrt(np.diff(looks, prepend=0.0))
    bars = boundaries(looks, alpha=0.05, spending=pocock)
    for drift in (0.0, 2.5):
        z = (steps.cumsum(axis=1) + drift * looks) / np.sqrt(looks)
        expected = crossing_probability(bars, looks, drift).sum()
        error = np.sqrt(expected * (1 - expected) / 60_000)
        assert (np.abs(z) >= bars).any(axis=1).mean() == pytest.approx(expected, abs=4 * error)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: boundaries([], alpha=0.05),
        lambda: boundaries([0.0, 1.0], alpha=0.05),
        lambda: boundaries([0.5, 0.4], alpha=0.05),
        lambda: boundaries([0.5, np.nan, 1.0], alpha=0.05),
        lambda: boundaries([0.5, np.inf], alpha=0.05),
        lambda: boundaries([0.5, 1.0], alpha=0.05, information=[1.0]),
        lambda: boundaries([0.5, 1.0], alpha=1.5),
        lambda: crossing_probability([2.0], [0.5, 1.0], 0.0),  # would be taken for the same bar at every look
        lambda: crossing_probability([2.9, 2.0, 2.0], [0.5, 1.0], 0.0),
    ],
)
def test_looks_out_of_order_are_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"start above zero|each look|alpha"):
        ask()

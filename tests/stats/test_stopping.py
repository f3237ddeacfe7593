"""Designs against gsDesign's documented example, scipy's quadrature and simulated paths."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm

from stats.arrays import Array
from stats.sequential.group_sequential import boundaries, hwang_shih_decani, inflation, upper_boundaries
from stats.sequential.roots import root_of
from stats.sequential.stopping import Design, futility_boundaries, one_sided, two_sided, with_futility
from tests.stats.drawing import fewer

THIRDS = np.arange(1, 4) / 3


def default_of_gsdesign() -> Design:
    return with_futility(THIRDS, alpha=0.025, beta=0.1, spending=hwang_shih_decani(-4), futility=hwang_shih_decani(-2))


def test_three_looks_with_futility_equal_the_example_of_gsdesign() -> None:
    # R gsDesign (Anderson), the printed value of gsDesign() with its defaults: three looks, HSD(-4) and HSD(-2).
    design = default_of_gsdesign()
    drift = design.drift_for(0.9)
    assert_allclose(design.upper, [3.01, 2.55, 2.00], atol=5e-3)
    assert_allclose(design.lower, [-0.24, 0.94, 2.00], atol=5e-3)
    assert_allclose(design.crossing(0.0), [[0.0013, 0.0049, 0.0171], [0.4057, 0.4290, 0.1420]], atol=5.1e-5)
    assert_allclose(design.crossing(drift), [[0.1412, 0.4403, 0.3185], [0.0148, 0.0289, 0.0563]], atol=5.1e-5)
    fixed = norm.isf(0.025) + norm.ppf(0.9)
    size = (drift / fixed) ** 2  # of the test with one look
    assert size == pytest.approx(1.070, abs=5e-4)
    assert size * design.expected_information(0.0) == pytest.approx(0.6249, abs=5.1e-5)
    assert size * design.expected_information(drift) == pytest.approx(0.7913, abs=5.1e-5)


def test_one_sided_bar_of_the_second_look_equals_quadrature() -> None:
    clock, spending = np.array([0.4, 1.0]), hwang_shih_decani(-1.5)
    spent = 0.05 * (1 - np.exp(1.5 * clock)) / (1 - np.exp(1.5))
    first, keep = norm.isf(spent[0]), np.sqrt(0.4)

    def crossing(bar: float) -> float:
        tail = quad(lambda z: norm.pdf(z) * norm.sf((bar - keep * z) / np.sqrt(1 - keep**2)), -9, first, epsabs=1e-13)
        return float(tail[0] - (spent[1] - spent[0]))

    ours = upper_boundaries(clock, alpha=0.05, spending=spending)
    assert_allclose(ours, [first, brentq(crossing, 0, 5, xtol=1e-13)], rtol=1e-9)


@fewer
@given(st.lists(st.integers(1, 50), min_size=1, max_size=6, unique=True), st.floats(-6, 4))
def test_the_spending_of_hwang_shih_and_decani_is_all_spent(times: list[int], gamma: float) -> None:
    clock = np.sort(times) / max(times)
    design = one_sided(clock, alpha=0.04, spending=hwang_shih_decani(gamma))
    assert_allclose(design.crossing(0.0)[0].cumsum(), hwang_shih_decani(gamma)(clock, 0.04), atol=1e-10)
    assert design.power(0.0) == pytest.approx(0.04, abs=1e-10)


def test_spending_with_gamma_near_zero_is_even() -> None:
    t = np.linspace(0, 1.2, 7)
    assert_allclose(hwang_shih_decani(1e-9)(t, 0.05), hwang_shih_decani(0)(t, 0.05), rtol=1e-6)


@fewer
@given(st.lists(st.integers(5, 60), min_size=2, max_size=6, unique=True), st.floats(0.02, 0.4), st.floats(0.01, 0.1))
def test_futility_misses_the_planned_difference_as_often_as_beta_says(
    times: list[int], beta: float, alpha: float
) -> None:
    design = with_futility(np.sort(times) / max(times), alpha=alpha, beta=beta)
    drift = design.drift_for(1 - beta)
    assert design.crossing(drift).sum(axis=1) == pytest.approx([1 - beta, beta], rel=1e-9)
    assert design.power(0.0) <= alpha + 1e-12  # and alpha itself when nobody stops for futility
    assert one_sided(design.information, alpha=alpha).power(0.0) == pytest.approx(alpha, abs=1e-9)
    assert (design.lower <= design.upper).all()


def test_futility_costs_power_and_saves_units_when_there_is_nothing() -> None:
    plain, stopping = one_sided(THIRDS, alpha=0.025), with_futility(THIRDS, alpha=0.025, beta=0.2)
    assert plain.drift_for(0.8) < stopping.drift_for(0.8) < 1.1 * plain.drift_for(0.8)
    assert stopping.expected_information(0.0) < 0.75
    assert plain.expected_information(0.0) > 0.99


def test_two_sided_design_needs_the_inflation_of_its_boundaries() -> None:
    design = two_sided(THIRDS, alpha=0.05)
    assert_allclose(design.upper, boundaries(THIRDS, alpha=0.05))
    needed = (design.drift_for(0.8) / (norm.isf(0.025) + norm.ppf(0.8))) ** 2
    assert needed == pytest.approx(inflation(3, alpha=0.05, power=0.8), rel=1e-8)


def test_drift_is_found_in_any_unit_of_information() -> None:
    one, other = two_sided(THIRDS, alpha=0.05), two_sided(THIRDS, alpha=0.05, information=THIRDS * 1e6)
    assert other.drift_for(0.8) * 1e3 == pytest.approx(one.drift_for(0.8), rel=1e-7)


def test_simulated_paths_stop_as_often_and_as_early_as_the_design_says() -> None:
    design, drift = default_of_gsdesign(), 2.5
    paths = np.random.default_rng(21).normal(drift / 3, np.sqrt(1 / 3), (60_000, 3)).cumsum(axis=1)
    z = paths / np.sqrt(THIRDS)
    crossed = np.stack((z >= design.upper, z <= design.lower))
    stopped = crossed.any(axis=0)
    first = stopped & (stopped.cumsum(axis=1) == 1)
    ours = design.crossing(drift)
    assert_allclose((crossed & first).mean(axis=1), ours, atol=4 * np.sqrt(0.25 / 60_000))
    assert (first @ THIRDS).mean() == pytest.approx(design.expected_information(drift), abs=4 * 0.3 / np.sqrt(60_000))


def test_futility_follows_the_looks_that_were_really_taken() -> None:
    design = default_of_gsdesign()
    drift = design.drift_for(0.9)
    first = futility_boundaries([1 / 3], design.upper[:1], beta=0.1, drift=drift, spending=hwang_shih_decani(-2))
    assert first == pytest.approx(design.lower[:1])
    early = futility_boundaries([0.1, 0.2], np.array([9.0, -9.0]), beta=0.1, drift=drift)
    assert early[1] == -9  # it never stands above the upper bar


@pytest.mark.parametrize("start", [-50.0, 1.9, 300.0])
def test_root_is_found_from_either_side(start: float) -> None:
    assert root_of(lambda x: np.arctan(x - 2), start, 0.5) == pytest.approx(2, abs=1e-8)


def test_root_of_a_bent_curve_is_found_in_a_dozen_looks_at_it() -> None:
    """An answer with its interval takes three roots; each look is a whole recursion, so looks are what it costs."""
    seen: list[float] = []

    def curve(x: float) -> float:
        seen.append(x)
        return float(np.expm1(x - 1))

    assert root_of(curve, 0.0, 0.5) == pytest.approx(1, abs=1e-9)
    assert root_of(curve, 2.4, 0.5) == pytest.approx(1, abs=1e-9)
    assert len(seen) <= 2 * 12


def everywhere_above(x: float) -> float:
    return 1 + 1 / (1 + x**2)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: Design(information=np.ones(2), upper=np.ones(3), lower=-np.ones(3)),
        lambda: with_futility([0.5, 0.9], alpha=0.025, beta=0.2),
        lambda: with_futility([0.5, 1.0], alpha=0.3, beta=0.8),
        lambda: two_sided([0.5, 1.0], alpha=0.05).drift_for(1.0),
        lambda: upper_boundaries([0.5, 1.0], alpha=0.0),
        lambda: root_of(everywhere_above, 0.0, 1.0),
    ],
)
def test_designs_without_a_meaning_are_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"each look|below 1|between 0 and 1|zero within reach"):
        ask()


def test_expected_information_lies_between_the_first_look_and_the_last() -> None:
    spans: Array = np.array([default_of_gsdesign().expected_information(drift) for drift in (-8.0, 2.0, 12.0)])
    assert_allclose(spans[[0, 2]], [1 / 3, 1 / 3], atol=1e-4)
    assert 1 / 3 < spans[1] < 1

"""Relative change: statsmodels for the log interval, the roots of Fieller's quadratic for the other."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import norm
from statsmodels.stats.proportion import confint_proportions_2indep

from stats.arrays import Array
from stats.lift import Lift, relative
from stats.results import Reason, Undefined
from tests.stats.drawing import few


def fieller(a: float, va: float, b: float, vb: float, alpha: float) -> Array:
    """The ratios r with (b - r a)^2 = q^2 (vb + r^2 va)."""
    q2 = norm.isf(alpha / 2) ** 2
    return np.sort(np.roots([a**2 - q2 * va, -2 * a * b, b**2 - q2 * vb]))


def test_lift_of_means_well_above_zero_has_the_log_interval() -> None:
    won, n, tried, m = 190, 1000, 230, 1100
    p, q = won / n, tried / m
    ours = relative(p, p * (1 - p) / n, q, q * (1 - q) / m, alpha=0.05)
    limits = confint_proportions_2indep(tried, m, won, n, compare="ratio", method="log", alpha=0.05)
    assert_allclose(ours.lift, q / p - 1, rtol=1e-12)
    assert_allclose((ours.lower + 1, ours.upper + 1), limits, rtol=1e-9)


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.3), (1.0, -0.4), (1.0, 0.0)])
@pytest.mark.parametrize("va", [0.03, 0.1, 0.25])
def test_lift_near_a_zero_control_has_fiellers_interval(a: float, va: float, b: float) -> None:
    ours = relative(a, va, b, 0.02, alpha=0.05)
    assert_allclose((ours.lower + 1, ours.upper + 1), fieller(a, va, b, 0.02, 0.05), rtol=1e-9)


def test_lift_to_a_treatment_near_zero_avoids_the_logarithm() -> None:
    ours = relative(1.0, 1e-4, 1e-6, 0.01, alpha=0.05)
    assert_allclose((ours.lower + 1, ours.upper + 1), fieller(1.0, 1e-4, 1e-6, 0.01, 0.05), rtol=1e-9)


def test_lift_on_a_negative_control_keeps_its_direction() -> None:
    ours = relative(-2.0, 0.01, -1.5, 0.01, alpha=0.05)
    ratios = fieller(-2.0, 0.01, -1.5, 0.01, 0.05)
    assert_allclose(ours.lift, 0.25)
    assert_allclose((ours.lower, ours.upper), (1 - ratios[1], 1 - ratios[0]), rtol=1e-9)
    assert ours.lower < ours.lift < ours.upper


def test_lift_whose_control_may_be_zero_is_known_but_unbounded() -> None:
    ours = relative(1.0, 0.3, 1.3, 0.02, alpha=0.05)
    one = ours.at()
    assert isinstance(one, Lift)
    assert one.lift == pytest.approx(0.3)
    assert one.interval == Undefined(reason=Reason.UNBOUNDED)
    assert np.isnan([ours.lower, ours.upper]).all()


@pytest.mark.parametrize(
    ("given_", "reason"),
    [
        ((0.0, 0.1, 1.0, 0.1), Reason.ZERO_BASELINE),
        ((np.nan, 0.1, 1.0, 0.1), Reason.INSUFFICIENT_DATA),
    ],
)
def test_lift_without_a_control_level_says_why(given_: tuple[float, ...], reason: Reason) -> None:
    assert relative(*given_, alpha=0.05).at() == Undefined(reason=reason)


@pytest.mark.parametrize(
    ("given_", "reason"),
    [
        ((2.0, np.nan, 3.0, 0.1), Reason.INSUFFICIENT_DATA),
        ((2.0, 0.0, 3.0, 0.0), Reason.ZERO_VARIANCE),
    ],
)
def test_lift_without_a_spread_is_known_without_limits(given_: tuple[float, ...], reason: Reason) -> None:
    assert relative(*given_, alpha=0.05).at() == Lift(lift=0.5, interval=Undefined(reason=reason))


@few
@given(st.floats(-10, 10), st.floats(1e-6, 4), st.floats(-10, 10), st.floats(1e-6, 4), st.floats(0.01, 100))
def test_lift_is_within_its_limits_and_has_no_unit(a: float, va: float, b: float, vb: float, k: float) -> None:
    assume(abs(a) > 1e-3)
    ours, scaled = relative(a, va, b, vb, alpha=0.05), relative(k * a, k * k * va, k * b, k * k * vb, alpha=0.05)
    assume(ours.reason_at() is None and scaled.reason_at() is None)
    assert ours.lower < ours.lift < ours.upper
    assert np.sign(ours.lift) == np.sign(b - a)
    g = norm.isf(0.025) ** 2 * va / a**2
    assume(abs(g - 1) > 1e-6)
    assert_allclose((scaled.lower, scaled.upper), (ours.lower, ours.upper), rtol=1e-5, atol=1e-9)


def test_lifts_of_many_kpis_come_in_one_call() -> None:
    ours = relative(np.array([[1.0], [0.0]]), 0.001, np.array([1.1, 1.2, 1.3]), 0.001, alpha=0.05)
    assert ours.lift.shape == ours.lower.shape == ours.reason.shape == (2, 3)
    assert ours.reason_at(0, 2) is None
    assert ours.reason_at(1, 0) is Reason.ZERO_BASELINE


def test_a_negative_variance_is_refused() -> None:
    with pytest.raises(ValueError, match="never negative"):
        relative(1.0, -0.1, 1.0, 0.1, alpha=0.05)

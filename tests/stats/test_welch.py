"""Welch's test against scipy.stats.ttest_ind on the rows."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats as scipy_stats

from stats.methods import welch
from stats.moments import Moments
from stats.results import Comparison, Comparisons, Reason, Undefined
from tests.stats.drawing import few, samples


def compare(control: list[float], treatment: list[float], null: float = 0.0) -> Comparisons:
    return welch.compare(Moments.from_values(control), Moments.from_values(treatment), alpha=0.05, null=null)


def vary(*arms: list[float]) -> None:
    for arm in arms:
        assume(np.std(arm) > 1e-6 * (1 + np.max(np.abs(arm))))


def test_welch_on_unequal_arms_equals_scipy() -> None:
    draw = np.random.default_rng(3)
    control, treatment = draw.normal(1, 3, size=(5, 40)), draw.normal(1.5, 1, size=(5, 17))
    ours = welch.compare(Moments.from_values(control), Moments.from_values(treatment), alpha=0.1)
    theirs = scipy_stats.ttest_ind(treatment, control, axis=-1, equal_var=False)
    limits = theirs.confidence_interval(0.9)
    assert_allclose(ours.statistic, theirs.statistic, rtol=1e-9)
    assert_allclose(ours.p_value, theirs.pvalue, rtol=1e-9)
    assert_allclose(ours.lower, limits.low, rtol=1e-9)
    assert_allclose(ours.upper, limits.high, rtol=1e-9)
    assert ours.level == pytest.approx(0.9)


def test_welch_against_a_null_equals_scipy_on_shifted_rows() -> None:
    control, treatment = np.array([1.0, 4.0, 2.5, 8.0]), np.array([3.0, 9.0, 7.0])
    theirs = scipy_stats.ttest_ind(treatment - 2.0, control, equal_var=False)
    ours = compare(list(control), list(treatment), null=2.0)
    assert_allclose((ours.statistic, ours.p_value), theirs, rtol=1e-9)
    assert_allclose(ours.difference, treatment.mean() - control.mean())


def test_one_control_is_compared_with_every_treatment() -> None:
    draw = np.random.default_rng(4)
    arms = Moments.from_values(draw.normal(size=(6, 3, 25)))  # KPI, variant, unit
    ours = welch.compare(arms[:, :1], arms[:, 1:], alpha=0.05)
    assert ours.difference.shape == ours.reason.shape == ours.p_value.shape == (6, 2)
    single = welch.compare(arms[4, 0], arms[4, 2], alpha=0.05)
    assert ours.at(4, 1) == single.at()


@few
@given(samples, samples, st.floats(0.001, 1000))
def test_another_unit_of_measurement_changes_no_p_value(control: list[float], treatment: list[float], k: float) -> None:
    vary(control, treatment)
    one, scaled = compare(control, treatment), compare([k * x for x in control], [k * x for x in treatment])
    assert_allclose(scaled.p_value, one.p_value, rtol=1e-6)
    assert_allclose(scaled.upper - scaled.lower, k * (one.upper - one.lower), rtol=1e-6)


@few
@given(samples, samples, st.floats(-3, 3))
def test_the_interval_holds_the_nulls_that_the_test_keeps(
    control: list[float], treatment: list[float], away: float
) -> None:
    vary(control, treatment)
    ours = compare(control, treatment)
    null = float(ours.difference + away * ours.standard_error)
    tested = compare(control, treatment, null=null)
    assume(abs(tested.p_value - 0.05) > 1e-9)
    assert (ours.lower < null < ours.upper) == (tested.p_value > 0.05)
    assert ours.lower <= ours.difference <= ours.upper


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        ([1.0], [1.0, 2.0], Reason.INSUFFICIENT_DATA),
        ([1.0, 2.0], [], Reason.INSUFFICIENT_DATA),
        ([], [], Reason.INSUFFICIENT_DATA),
        ([2.0, 2.0], [3.0, 3.0], Reason.ZERO_VARIANCE),
        ([0.1] * 3, [0.1] * 10, Reason.ZERO_VARIANCE),
    ],
)
def test_arms_that_cannot_be_compared_say_why(control: list[float], treatment: list[float], reason: Reason) -> None:
    ours = compare(control, treatment)
    assert ours.at() == Undefined(reason=reason)
    assert ours.reason_at() is reason
    assert np.isnan([ours.statistic, ours.p_value, ours.lower, ours.upper]).all()


def test_one_constant_arm_is_compared_by_the_spread_of_the_other() -> None:
    ours = compare([2.0, 2.0, 2.0], [1.0, 5.0, 9.0]).at()
    theirs = scipy_stats.ttest_1samp([1.0, 5.0, 9.0], 2.0)
    assert isinstance(ours, Comparison)
    assert_allclose((ours.statistic, ours.p_value), (theirs.statistic, theirs.pvalue), rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, float("nan")])
def test_an_alpha_outside_0_and_1_is_refused(alpha: float) -> None:
    arm = Moments.from_values([1.0, 2.0])
    with pytest.raises(ValueError, match="alpha"):
        welch.compare(arm, arm, alpha=alpha)

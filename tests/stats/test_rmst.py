"""Restricted means against the plain mean, and against integrals over statsmodels' curve and variance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import norm
from statsmodels.duration.survfunc import SurvfuncRight

from stats.arrays import Array
from stats.results import Comparison, Reason, Undefined
from stats.survival import rmst
from stats.survival.counts import LifeTable, life_table
from tests.stats.drawing import few
from tests.stats.expansion import draw_cohorts, table_of
from tests.stats.freireich import DRUG, PLACEBO


def integrals(times: Array, status: Array, tau: int) -> tuple[float, float]:
    """The area under S, and the double integral of the covariance S(s) S(t) G(min(s, t)) over [0, tau]^2."""
    theirs = SurvfuncRight(times, status)
    position = np.searchsorted(theirs.surv_times, np.arange(tau), side="right")
    survival = np.concatenate(([1.0], theirs.surv_prob))[position]
    greenwood = np.concatenate(([0.0], (theirs.surv_prob_se / theirs.surv_prob) ** 2))[position]
    days = np.arange(tau)
    covariance = np.outer(survival, survival) * greenwood[np.minimum.outer(days, days)]
    return float(survival.sum()), float(covariance.sum())


@few
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_restricted_mean_equals_integrals_over_statsmodels_curve(seed: int, tau: int) -> None:
    cohorts = draw_cohorts(seed, hazard=0.08)
    ours = rmst.estimate(cohorts.table, tau)
    assert_allclose((ours.value, ours.variance), integrals(*cohorts.rows(), tau), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("tau", [5, 10, 23])
def test_without_censoring_it_is_the_mean_of_the_times_cut_at_tau(tau: int) -> None:
    times = np.random.default_rng(11).geometric(0.1, 200).clip(max=30)
    cut = np.minimum(times, tau)
    ours = rmst.estimate(table_of(list(times), [1] * 200, 30), tau)
    assert_allclose((ours.value, ours.variance), (cut.mean(), cut.var() / 200), rtol=1e-9)


def test_placebo_whose_curve_ends_at_zero_has_a_restricted_mean() -> None:
    weeks = np.minimum([1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23], 30)
    ours = rmst.estimate(PLACEBO, 30)
    assert_allclose((ours.value, ours.variance), (weeks.mean(), weeks.var() / 21), rtol=1e-9)


def test_comparison_is_the_normal_test_of_the_two_means() -> None:
    control, treatment = rmst.estimate(PLACEBO, 20), rmst.estimate(DRUG, 20)
    ours = rmst.compare(PLACEBO, DRUG, tau=20, alpha=0.1).at()
    assert isinstance(ours, Comparison)
    difference, error = treatment.value - control.value, np.sqrt(control.variance + treatment.variance)
    assert ours.difference == pytest.approx(float(difference))
    assert ours.p_value == pytest.approx(2 * norm.sf(difference / error), rel=1e-9)
    low, high = norm.interval(0.9, difference, error)
    assert_allclose((ours.interval.lower, ours.interval.upper), (low, high), rtol=1e-9)


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        (table_of([1, 2], [0, 0], 5), table_of([1, 5], [1, 0], 5), Reason.INSUFFICIENT_DATA),
        (life_table([0], np.zeros((1, 5)), np.zeros((1, 5)), [5]), PLACEBO[:5], Reason.INSUFFICIENT_DATA),
        (table_of([5, 5], [0, 0], 5), table_of([5, 5, 5], [0, 0, 0], 5), Reason.ZERO_VARIANCE),
    ],
)
def test_arms_that_cannot_be_compared_say_why(control: LifeTable, treatment: LifeTable, reason: Reason) -> None:
    ours = rmst.compare(control, treatment, tau=5, alpha=0.05)
    assert ours.at() == Undefined(reason=reason)
    assert np.isnan([ours.statistic, ours.p_value, ours.lower, ours.upper]).all()


def test_mean_of_an_arm_not_watched_long_enough_is_undefined() -> None:
    unfinished = rmst.estimate(table_of([1, 2, 3], [1, 0, 0], 5), 4)
    assert unfinished.at() == Undefined(reason=Reason.INSUFFICIENT_DATA)
    assert np.isnan(unfinished.variance)


@pytest.mark.parametrize("tau", [0, 36])
def test_a_tau_outside_the_table_is_refused(tau: int) -> None:
    with pytest.raises(ValueError, match="tau"):
        rmst.estimate(DRUG, tau)

"""Difference in differences: statsmodels' regressions, and how often a change is seen that was none."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats as scipy_stats
from statsmodels.regression.linear_model import GLS, OLS

from stats import interaction
from stats.arrays import Array
from stats.moments import Moments
from stats.results import Reason, Undefined
from stats.series import changes, models
from stats.series.changes import Changes
from tests.stats.series.worlds import at_most, swings

SERIES, PERIODS, CHANGE = 150, 24, 14


def test_four_cells_are_statsmodels_regression_with_its_product() -> None:
    draw = np.random.default_rng(91)
    rows = draw.normal(0, 1, (2, 2, 25)) + np.array([[1.0, 2.0], [1.5, 4.0]])[..., np.newaxis]
    cells = Moments.from_values(rows)
    ours = changes.between_cells(cells.mean, cells.mean_variance, alpha=0.05, n=cells.n)
    segment, time = (
        part.ravel() for part in np.broadcast_arrays(np.arange(2)[:, None, None], np.arange(2)[:, None], rows)[:2]
    )
    theirs = OLS(rows.ravel(), np.column_stack((np.ones(100), segment, time, segment * time))).fit(cov_type="HC2")
    assert_allclose(ours.difference, theirs.params[3], rtol=1e-9)
    assert_allclose(ours.standard_error, theirs.bse[3], rtol=1e-9)
    difference, variance = interaction.between(cells)
    assert_allclose((ours.difference, ours.variance), (difference[0, 0], variance[0, 0]), rtol=1e-9)


def test_four_cells_of_alike_units_have_the_degrees_of_freedom_of_all_and_normal_ones_none() -> None:
    value, variance = [[1.0, 2.0], [1.5, 4.0]], 0.25
    with_units = changes.between_cells(value, variance, alpha=0.05, n=6)
    assert_allclose(with_units.p_value, 2 * scipy_stats.t.sf(1.5, 20), rtol=1e-9)
    without = changes.between_cells(value, variance, alpha=0.05)
    assert_allclose(without.p_value, 2 * scipy_stats.norm.sf(1.5), rtol=1e-9)
    assert {with_units.method, without.method} == {changes.WELCH, changes.NORMAL}


def test_cells_that_cannot_be_judged_say_why() -> None:
    value = [[1.0, 2.0], [1.5, 4.0]]
    one = changes.between_cells(value, 0.25, alpha=0.05, n=[[1, 9], [9, 9]])
    assert one.at() == Undefined(reason=Reason.INSUFFICIENT_DATA)
    assert changes.between_cells(value, 0.0, alpha=0.05).at() == Undefined(reason=Reason.ZERO_VARIANCE)
    with pytest.raises(ValueError, match="two segments"):
        changes.between_cells([1.0, 2.0], 0.25, alpha=0.05)
    with pytest.raises(ValueError, match="never negative"):
        changes.between_cells(value, -0.25, alpha=0.05)


def test_the_effect_is_statsmodels_gls_in_each_model_weighed_by_restricted_likelihood() -> None:
    draw = np.random.default_rng(92)
    gap, times = draw.normal(0, 1, 12) + 2.0 * (np.arange(12) >= 7), np.arange(12.0)
    ours = changes.over_periods(
        times, gap, 0.3, comparison=np.zeros(12), comparison_standard_error=0.4, change=7, alpha=0.05
    ).effect
    scale = models.robust_scale(times, gap, np.full(12, 0.5))
    held = models.steady(times, np.full(12, (0.5 / scale) ** 2))
    design = np.column_stack((np.ones(12), times >= 7))
    sizes, variances, likelihoods = [], [], []
    for covariance in held.covariances - models.ANYWHERE:
        # statsmodels scales the covariance by the residuals; ours is taken as it is, so its scale is divided out.
        found = GLS(gap / scale, design, sigma=covariance).fit()
        own = found.cov_params() / found.scale
        left = found.scale * found.df_resid
        likelihoods.append((-np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(own)[1] - left) / 2)
        sizes.append(found.params[1] * scale)
        variances.append(own[1, 1] * scale**2)
    weights = held.prior * np.exp(np.array(likelihoods) - np.max(likelihoods))
    weights /= weights.sum()
    mean = weights @ sizes
    assert_allclose(ours.difference, mean, rtol=1e-3)
    assert_allclose(ours.variance, weights @ (variances + (sizes - mean) ** 2), rtol=1e-3)


def compared(tie: float, size: float, effect: float, seed: int) -> tuple[Changes, Array]:
    """Series beside others that share a walk with them, and the gaps."""
    draw = np.random.default_rng(seed)
    shared = np.cumsum(draw.normal(0, 1, (SERIES, PERIODS)), axis=1)
    own = swings(draw, SERIES, PERIODS, tie=tie, size=size) + effect * (np.arange(PERIODS) >= CHANGE)
    value, beside = (shared + part + draw.normal(0, 1, (SERIES, PERIODS)) for part in (own, 0.0))
    found = changes.over_periods(
        range(PERIODS), value, 1.0, comparison=beside, comparison_standard_error=1.0, change=CHANGE, alpha=0.05
    )
    return found, value - beside


@pytest.mark.parametrize(("tie", "size"), [(0.0, 0.0), (0.0, 2.0), (0.5, 1.0)])
def test_without_a_change_none_is_seen_and_with_one_its_interval_covers(tie: float, size: float) -> None:
    found, _ = compared(tie, size, 0.0, 93)
    for part in (found.effect, found.slope, found.placebo):
        assert (part.p_value <= 0.05).mean() <= at_most(0.05, SERIES)
    changed, _ = compared(tie, size, 4.0, 94)
    assert ((changed.effect.lower > 4) | (changed.effect.upper < 4)).mean() <= at_most(0.05, SERIES)
    assert (changed.effect.p_value <= 0.05).mean() > 0.7


def test_errors_that_take_periods_for_independent_see_changes_everywhere() -> None:
    """Bertrand, Duflo & Mullainathan's point; ours errs beyond alpha too where swings last long, but far less."""
    found, gap = compared(0.8, 2.0, 0.0, 95)
    naive = scipy_stats.ttest_ind(gap[:, :CHANGE], gap[:, CHANGE:], axis=1).pvalue <= 0.05
    assert naive.mean() > 0.3
    assert (found.effect.p_value <= 0.05).mean() <= at_most(0.08, SERIES)


def test_segments_that_drew_apart_before_the_change_are_noticed() -> None:
    draw = np.random.default_rng(96)
    noise = draw.normal(0, 0.5, (SERIES, PERIODS))
    usual: dict[str, Any] = {"comparison": np.zeros(PERIODS), "comparison_standard_error": 0.5}
    usual |= {"change": CHANGE, "alpha": 0.05}
    drifting = changes.over_periods(range(PERIODS), 0.5 * np.arange(PERIODS) + noise, 0.5, **usual).slope
    assert (drifting.p_value <= 0.05).mean() > 0.9
    assert_allclose(drifting.difference.mean(), 0.5, atol=0.05)
    stepped = changes.over_periods(range(PERIODS), 3.0 * (np.arange(PERIODS) >= CHANGE / 2) + noise, 0.5, **usual)
    assert (stepped.placebo.p_value <= 0.05).mean() > 0.8


def test_series_that_cannot_be_judged_say_why_and_others_are_judged() -> None:
    value = np.array([[1, 2, 1, 2, 1, 5, 6.0], [np.nan, np.nan, 1, 2, 1, 5, 6], [1, 1, 1, 1, 1, 1, 1]])
    found = changes.over_periods(
        range(7),
        value,
        [[0.3], [0.3], [0.0]],
        comparison=np.zeros(7),
        comparison_standard_error=0.0,
        change=5,
        alpha=0.05,
    )
    assert [found.effect.reason_at(place) for place in range(3)] == [None, Reason.TOO_FEW_PERIODS, Reason.ZERO_VARIANCE]
    assert found.placebo.reason_at(0) is Reason.TOO_FEW_PERIODS
    assert found.slope.reason_at(0) is None
    for when in (0, 7):
        with pytest.raises(ValueError, match="change"):
            changes.over_periods(
                range(7), value, 0.3, comparison=np.zeros(7), comparison_standard_error=0.0, change=when, alpha=0.05
            )

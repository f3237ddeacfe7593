"""Pooled experiments against statsmodels, and against a direct search for the top of the likelihood."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from scipy.stats import norm, t
from statsmodels.regression.linear_model import WLS
from statsmodels.stats.meta_analysis import combine_effects

from stats import meta
from stats.arrays import Array
from stats.results import Comparison, Reason, Undefined
from tests.stats.drawing import fewer

EFFECTS, VARIANCES = np.array([0.2, 0.5, -0.1, 0.8]), np.array([0.01, 0.02, 0.01, 0.04])
experiments = st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 2)), min_size=2, max_size=12)


def drawn(seed: int) -> tuple[Array, Array]:
    """Two to eleven experiments that share one effect, or have their own."""
    draw = np.random.default_rng(seed)
    variances = draw.uniform(0.02, 0.5, draw.integers(2, 12))
    return draw.normal(0, np.sqrt(variances + draw.choice([0.0, 0.2, 2.0]))), variances


def restricted(tau2: float, estimates: Array, variances: Array) -> float:
    """The restricted log likelihood as that of contrasts: a normal density that the common mean does not reach."""
    k = len(estimates)
    contrasts = np.eye(k)[1:] - np.eye(k)[0]
    covariance = contrasts @ np.diag(variances + tau2) @ contrasts.T
    gap = contrasts @ estimates
    return float(-0.5 * np.linalg.slogdet(covariance)[1] - 0.5 * gap @ np.linalg.solve(covariance, gap))


def best_tau2(estimates: Array, variances: Array) -> float:
    """The highest point of a grid, refined."""
    grid = np.concatenate(([0.0], np.geomspace(1e-6, 50, 400)))
    top = int(np.argmax([restricted(tau2, estimates, variances) for tau2 in grid]))
    low, high = grid[max(top - 1, 0)], grid[min(top + 1, grid.size - 1)]
    found = minimize_scalar(
        lambda tau2: -restricted(tau2, estimates, variances),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return float(found.x)


@pytest.mark.parametrize("seed", range(12))
def test_common_effect_q_and_dersimonian_laird_equal_statsmodels(seed: int) -> None:
    estimates, variances = drawn(seed)
    with np.errstate(invalid="ignore"):  # theirs takes the root of a negative tau2
        theirs = combine_effects(estimates, variances, method_re="chi2")
        fixed = theirs.summary_frame().loc["fixed effect"]
    ours = meta.pool(estimates, variances, alpha=0.05)
    assert_allclose(
        (ours.common.difference, ours.common.standard_error, ours.common.lower, ours.common.upper),
        fixed[["eff", "sd_eff", "ci_low", "ci_upp"]].astype(float),
        rtol=1e-9,
        atol=1e-12,
    )
    assert_allclose((ours.q, ours.tau2_dersimonian_laird), (theirs.q, max(theirs.tau2, 0)), rtol=1e-8, atol=1e-12)
    assert_allclose(ours.i2, max(theirs.i2, 0), rtol=1e-8, atol=1e-12)
    assert_allclose(ours.q_p_value, theirs.test_homogeneity().pvalue, rtol=1e-8)


@pytest.mark.parametrize("seed", range(12))
def test_restricted_likelihood_has_its_top_where_a_search_finds_it(seed: int) -> None:
    estimates, variances = drawn(seed)
    ours, theirs = meta.restricted_likelihood(estimates, variances), best_tau2(estimates, variances)
    assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    height = restricted(float(ours), estimates, variances)
    assert height >= restricted(theirs, estimates, variances) - 1e-11


def test_of_two_tops_of_the_restricted_likelihood_the_higher_counts() -> None:
    estimates = np.array([-2.67521311, 0.43680439, 0.5036171, -1.42391479, -0.00827649])
    variances = np.array([0.959548761, 0.000113001429, 0.00328128848, 0.570339753, 0.683179716])
    assert restricted(0.0, estimates, variances) > restricted(0.02, estimates, variances)  # a valley between
    ours = meta.restricted_likelihood(estimates, variances)
    assert_allclose(ours, best_tau2(estimates, variances), rtol=1e-4)
    assert ours > 1


def test_equal_variances_give_the_sample_variance_less_chance() -> None:
    estimates = np.array([1.0, 3.0, 4.0, 8.0])  # then the restricted likelihood has a closed form
    ours = meta.pool(estimates, 0.5, alpha=0.05)
    assert_allclose(ours.tau2, estimates.var(ddof=1) - 0.5, rtol=1e-9)
    assert_allclose(ours.random.variance, estimates.var(ddof=1) / 4, rtol=1e-9)


def test_hartung_knapp_equals_weighted_least_squares_of_statsmodels() -> None:
    pooled = meta.pool(EFFECTS, VARIANCES, alpha=0.1)
    theirs = WLS(EFFECTS, np.ones(4), weights=1 / (VARIANCES + pooled.tau2)).fit()
    ours = pooled.answer.at()
    assert isinstance(ours, Comparison)
    assert theirs.scale > 1  # so that the floor does not bind
    assert_allclose((ours.difference, ours.standard_error), (theirs.params[0], theirs.bse[0]), rtol=1e-9)
    assert_allclose((ours.interval.lower, ours.interval.upper), theirs.conf_int(0.1)[0], rtol=1e-9)
    assert_allclose(ours.p_value, theirs.pvalues[0], rtol=1e-9)


def test_experiments_that_agree_by_chance_are_no_surer_than_the_common_effect() -> None:
    pooled = meta.pool([0.30, 0.31, 0.30], [0.04, 0.05, 0.06], alpha=0.05)
    assert pooled.tau2 == 0
    assert_allclose(pooled.random.variance, pooled.common.variance, rtol=1e-12)
    assert pooled.random.upper - pooled.random.lower > pooled.common.upper - pooled.common.lower


def test_prediction_limits_follow_higgins() -> None:
    ours = meta.pool(EFFECTS, VARIANCES, alpha=0.05)
    half = t.isf(0.025, 2) * np.sqrt(ours.tau2 + ours.random.variance)
    assert_allclose(
        (ours.prediction_lower, ours.prediction_upper), ours.random.difference + np.array([-half, half]), rtol=1e-12
    )


def test_one_experiment_is_its_own_answer_without_a_spread() -> None:
    ours = meta.pool([0.4], [0.04], alpha=0.05)
    assert_allclose((ours.answer.lower, ours.answer.upper), norm.interval(0.95, 0.4, 0.2), rtol=1e-12)
    assert ours.random.at() == Undefined(reason=Reason.INSUFFICIENT_DATA)
    assert np.isnan([ours.q, ours.q_p_value, ours.i2, ours.tau2, ours.tau2_dersimonian_laird]).all()


def test_two_experiments_answer_with_the_common_effect_and_show_q() -> None:
    ours = meta.pool([0.4, 0.1], [0.04, 0.02], alpha=0.05)
    assert_allclose(ours.answer.difference, ours.common.difference)
    assert ours.random.at() == Undefined(reason=Reason.INSUFFICIENT_DATA)
    assert np.isfinite([ours.q, ours.q_p_value]).all()
    assert np.isnan([ours.prediction_lower, ours.prediction_upper]).all()


def test_rows_of_different_length_are_pooled_in_one_call_and_gaps_do_not_count() -> None:
    estimates = np.array([[0.2, 0.5, -0.1, 0.8], [0.4, np.nan, 0.1, np.nan], [np.nan] * 4])
    ours = meta.pool(estimates, np.array([0.01, 0.02, 0.01, 0.04]), alpha=0.05)
    alone = meta.pool([0.4, 0.1], [0.01, 0.01], alpha=0.05)
    assert ours.k.tolist() == [4, 2, 0]
    assert_allclose(
        ours.answer.difference[:2],
        [meta.pool(EFFECTS, VARIANCES, alpha=0.05).answer.difference, alone.answer.difference],
    )
    assert_allclose(ours.tau2[1], alone.tau2)
    assert ours.answer.at(2) == Undefined(reason=Reason.INSUFFICIENT_DATA)


@fewer
@given(experiments, st.floats(0.001, 1000))
def test_spread_follows_the_unit_of_measurement(rows: list[tuple[float, float]], unit: float) -> None:
    estimates, variances = np.array(rows).T
    ours = meta.restricted_likelihood(estimates * unit, variances * unit**2) / unit**2
    assert_allclose(ours, meta.restricted_likelihood(estimates, variances), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("tau", [0.0, 0.3])
def test_intervals_cover_and_effects_are_found(tau: float) -> None:
    draw = np.random.default_rng(21)
    variances = draw.uniform(0.02, 0.2, (4000, 6))
    estimates = draw.normal(draw.normal(0.5, tau, variances.shape), np.sqrt(variances))
    pooled, newcomer = meta.pool(estimates, variances, alpha=0.05), draw.normal(0.5, tau, 4000)
    random = pooled.random
    assert ((random.lower < 0.5) & (random.upper > 0.5)).mean() > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 4000)
    assert (
        (pooled.prediction_lower < newcomer) & (pooled.prediction_upper > newcomer)
    ).mean() > 0.87  # too short, as documented
    assert (random.p_value < 0.05).mean() > 0.6


def test_a_variance_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="above zero"):
        meta.pool([0.1, 0.2], [0.0, 0.1], alpha=0.05)


def test_scatter_equals_metafor_and_the_same_of_pool() -> None:
    # R metafor 3.8: rma(yi=c(0.2,0.5,0.1,0.6), vi=c(0.01,0.02,0.01,0.04), method="FE") gives QE, QEp and I2.
    estimates, variances = [0.2, np.nan, 0.5, 0.1, 0.6], [0.01, 1.0, 0.02, 0.01, 0.04]
    found, pooled = meta.scatter(estimates, variances), meta.pool(estimates, variances, alpha=0.05)
    assert (found.k, found.q, found.p_value, found.i2) == pytest.approx((4, 8.681818, 0.03383452, 0.6544503), rel=1e-6)
    assert (pooled.q, pooled.q_p_value, pooled.i2) == (found.q, found.p_value, found.i2)


def test_scatter_of_one_estimate_has_no_answer() -> None:
    found = meta.scatter([[0.2, np.nan], [np.nan, np.nan]], [[0.01, np.nan], [np.nan, 0.1]])
    assert found.k.tolist() == [1, 0]
    assert np.isnan([found.q, found.p_value, found.i2]).all()

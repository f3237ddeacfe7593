"""Corrections against direct maximisation, quadrature and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import norm

from stats import meta
from stats.arrays import numbers
from stats.bayes import Prior, read_out
from stats.shrinkage import empirical_prior, given_significance
from tests.stats.drawing import few

BAR = float(norm.isf(0.025))


def selected_density(z: float, mean: float, bar: float) -> float:
    return float(norm.pdf(z - mean) / (norm.sf(bar - mean) + norm.cdf(-bar - mean)))


@pytest.mark.parametrize("bar", [BAR, 4.9])
@pytest.mark.parametrize("beyond", [1e-6, 0.1, 0.5, 1.5, 4.0])
def test_estimate_is_the_top_of_the_conditional_likelihood(beyond: float, bar: float) -> None:
    z = bar + beyond
    best = minimize_scalar(
        lambda mean: -np.log(selected_density(z, mean, bar)), bounds=(0, z), method="bounded", options={"xatol": 1e-9}
    )
    ours = given_significance(2.0 * z, 4.0, bar=bar, alpha=0.05)
    # scipy's optimiser is the coarser side, as at every flat top. R's root holds ours to 1e-9 (tests/agreement).
    assert_allclose(ours.estimate, 2 * best.x, atol=1e-5)


@pytest.mark.parametrize("beyond", [0.05, 0.5, 2.0])
def test_limits_leave_alpha_halves_of_the_selected_density_outside(beyond: float) -> None:
    z = BAR + beyond
    ours = given_significance(z, 1.0, bar=BAR, alpha=0.1)

    def above(mean: float) -> float:
        return float(quad(selected_density, z, z + 40, args=(mean, BAR), points=[max(z, mean)])[0])

    assert_allclose(ours.lower, brentq(lambda mean: above(mean) - 0.05, -8, z), rtol=1e-6)
    assert_allclose(ours.upper, brentq(lambda mean: above(mean) - 0.95, 0, z + 8), rtol=1e-6)


@few
@given(st.floats(1.97, 30), st.floats(0.01, 100))
def test_estimate_lies_between_zero_and_what_was_seen_and_keeps_its_sign(z: float, variance: float) -> None:
    up, down = (given_significance(way * z * np.sqrt(variance), variance, bar=BAR, alpha=0.05) for way in (1, -1))
    assert 0 <= up.estimate <= z * np.sqrt(variance) * (1 + 1e-12)
    assert_allclose((down.estimate, down.lower, down.upper), (-up.estimate, -up.upper, -up.lower), rtol=1e-9)
    assert up.lower <= up.estimate <= up.upper


def test_far_beyond_the_bar_nothing_is_corrected() -> None:
    ours = given_significance(20.0, 1.0, bar=BAR, alpha=0.05)
    assert_allclose((ours.estimate, ours.lower, ours.upper), (20, *norm.interval(0.95, 20)), rtol=1e-9)


def test_what_was_not_selected_is_not_corrected_but_unknown() -> None:
    ours = given_significance([1.0, np.nan, 3.0, 3.0], [1.0, 1.0, 0.0, np.nan], bar=BAR, alpha=0.05)
    assert not ours.selected.any()
    assert np.isnan([ours.estimate, ours.lower, ours.upper]).all()


@pytest.mark.parametrize("truth", [0.0, 1.0, 2.5])
def test_among_the_selected_limits_cover_and_the_curse_is_mostly_lifted(truth: float) -> None:
    z = np.random.default_rng(41).normal(truth, 1.0, 30_000)
    ours = given_significance(z, 1.0, bar=BAR, alpha=0.1)
    chosen = ours.selected
    covered = ((ours.lower < truth) & (ours.upper > truth))[chosen]
    assert covered.mean() == pytest.approx(0.9, abs=4 * np.sqrt(0.09 / chosen.sum()))
    naive, corrected = np.abs(z[chosen].mean() - truth), np.abs(ours.estimate[chosen].mean() - truth)
    assert corrected < max(0.6 * naive, 0.1)


def test_prior_recovers_how_effects_lie() -> None:
    draw = np.random.default_rng(42)
    variances = draw.uniform(0.5, 2.0, 4000)
    differences = draw.normal(draw.normal(0.3, 0.8, 4000), np.sqrt(variances))
    prior = empirical_prior(differences, variances)
    assert numbers(prior.mean) == pytest.approx(0.3, abs=0.08)
    assert numbers(prior.variance) == pytest.approx(0.64, abs=0.15)
    pooled = meta.pool(differences, variances, alpha=0.05)
    assert_allclose(numbers(prior.mean), pooled.random.difference, rtol=1e-9)
    assert_allclose(numbers(prior.variance), pooled.tau2, rtol=1e-9)


def test_experiments_without_an_answer_do_not_shape_the_prior() -> None:
    whole = empirical_prior([0.2, 0.5, -0.4], [0.01, 0.02, 0.03])
    gaps = empirical_prior([0.2, np.nan, 0.5, -0.4, 0.3], [0.01, 0.02, 0.02, 0.03, np.nan])
    assert_allclose(numbers(gaps.mean), numbers(whole.mean), rtol=1e-12)
    assert_allclose(numbers(gaps.variance), numbers(whole.variance), rtol=1e-12)


def test_shrunk_winners_are_right_on_average_and_naive_ones_are_not() -> None:
    draw = np.random.default_rng(43)
    truth = draw.normal(0.0, 1.0, (200, 200))
    seen = draw.normal(truth, 1.0)
    prior = empirical_prior(seen, 1.0)
    mean, spread = (np.expand_dims(part, -1) for part in (prior.mean, prior.variance))
    believed = read_out(seen, 1.0, prior=Prior(mean=mean, variance=spread), alpha=0.05).mean
    winners = seen > BAR
    assert (seen - truth)[winners].mean() > 0.5
    assert abs((believed - truth)[winners].mean()) < 0.05


def test_a_bar_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="above zero"):
        given_significance(1.0, 1.0, bar=0.0, alpha=0.05)

"""Several models at once: scipy's normal densities weigh them, statsmodels' filter forecasts by each of them."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats as scipy_stats
from scipy.optimize import brentq
from statsmodels.tsa.statespace.structural import UnobservedComponents

from stats.arrays import Array
from stats.series import models
from stats.series.mixture import Mixture, forward, unseen

VALUES = np.array([0.3, -0.4, 0.9, 1.4, 0.2, 0.8, 1.9, 1.1])


STEADY = (models.ROUGHNESS, models.SWINGS, models.TIES)


def alone(grids: Sequence[Sequence[tuple[float, float]]], sizes: tuple[float, ...]) -> Array:
    """Prior weights with all of it on the model of these sizes."""
    choices = list(product(*([size for size, _ in grid] for grid in grids)))
    return np.where(np.arange(len(choices)) == choices.index(sizes), 1.0, 1e-300)


def test_models_are_weighed_by_their_densities_and_foretell_by_conditioning() -> None:
    draw = np.random.default_rng(4)
    roots = draw.normal(size=(3, 6, 6))
    covariances, prior = roots @ np.swapaxes(roots, 1, 2) + np.eye(6), np.array([0.5, 0.3, 0.2])
    found = unseen(VALUES[:4], covariances, prior)
    densities = [scipy_stats.multivariate_normal(cov=one[:4, :4]).pdf(VALUES[:4]) for one in covariances]
    assert_allclose(found.weights[0], prior * densities / (prior @ densities), rtol=1e-9)
    for place, one in enumerate(covariances):
        pull = one[4:, :4] @ np.linalg.inv(one[:4, :4])
        assert_allclose(found.means[:, place], pull @ VALUES[:4], rtol=1e-9)
        assert_allclose(found.deviations[:, place] ** 2, np.diag(one[4:, 4:] - pull @ one[:4, 4:]), rtol=1e-9)


def test_forward_foretells_each_period_as_unseen_does_from_those_before() -> None:
    held = models.steady(np.arange(8.0), np.full(8, 0.1))
    found = forward(VALUES, held.covariances, held.prior)
    for place in range(1, 8):
        one = unseen(VALUES[:place], held.covariances[:, : place + 1, : place + 1], held.prior)
        assert_allclose(found.mean[place], one.mean[0], rtol=1e-9)
        assert_allclose(found.deviation[place], one.deviation[0], rtol=1e-9)


def test_swings_around_a_level_are_forecast_as_statsmodels_autoregression_does() -> None:
    held = models.steady(np.arange(11.0), np.zeros(11))
    ours = unseen(VALUES, held.covariances, alone(STEADY, (0.5, 0.9, 0.6)))
    theirs = UnobservedComponents(VALUES, level="dconstant", autoregressive=1, use_exact_diffuse=True)
    forecast = theirs.smooth([0.25, 0.81, 0.6]).get_forecast(3)
    assert_allclose(ours.mean, forecast.predicted_mean, rtol=1e-4)
    assert_allclose(ours.deviation, forecast.se_mean, rtol=1e-4)


def test_chances_and_quantiles_are_those_of_scipys_normals_added_up() -> None:
    weights, means, deviations = np.array([0.7, 0.3]), np.array([0.0, 4.0]), np.array([1.0, 0.5])
    found = Mixture(weights=weights, means=means, deviations=deviations)

    def below(value: float) -> float:
        return float(weights @ scipy_stats.norm.cdf(value, means, deviations))

    assert_allclose(found.below(1.2), below(1.2), rtol=1e-12)
    assert_allclose(found.above(1.2), 1 - below(1.2), rtol=1e-12)
    for chance in (0.025, 0.6, 0.975):
        assert_allclose(found.quantile(chance), brentq(lambda x, p=chance: below(x) - p, -20, 20), atol=1e-10)
    assert found.two_sided(5.5).item() == pytest.approx(2 * (1 - below(5.5)), rel=1e-9)

"""The filter of local linear trends, against the covariances of all periods together and against statsmodels."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose
from statsmodels.tsa.statespace.structural import UnobservedComponents

from stats.arrays import Array
from stats.series import models
from stats.series.models import ANYWHERE, Trends
from stats.series.trends import unseen

TIMES, LATER = np.array([0, 1, 2, 4, 5, 6, 9, 10, 11.0]), np.array([12, 14, 19.0])
VALUES = np.array([0.25, -0.5, 0.75, 1.5, 0.25, 0.75, 2.0, 1.0, 1.25])
VARIANCES, ADDED = np.array([1, 2, 1, 1, 4, 1, 1, 2, 1]) / 64, np.array([0, 1, 0]) / 16


def trend(*sizes: float) -> Trends:
    noise, step, slope, bend, season = (np.array([size]) for size in sizes)
    return Trends(noise=noise, step=step, slope=slope, bend=bend, season=season, prior=np.ones(1))


def together(sizes: tuple[float, ...], season: int | None) -> list[list[Fraction]]:
    """How all periods vary together: a level nowhere, its walk, its slope, the bends of that, seasons and noise."""
    times, variances = [*TIMES, *LATER], [*VARIANCES, *ADDED]
    noise, step, slope, bend, swing = (Fraction(size) ** 2 for size in sizes)
    return [
        [
            Fraction(ANYWHERE)
            + step * min(one, other)
            + slope * one * other
            + bend * min(one, other) ** 2 * (3 * max(one, other) - min(one, other)) / 6
            + (swing if season is not None and one % season == other % season else 0)
            + (noise + Fraction(variances[row]) if row == place else 0)
            for place, other in enumerate(map(Fraction, times))
        ]
        for row, one in enumerate(map(Fraction, times))
    ]


def conditioned(sizes: tuple[float, ...], season: int | None) -> tuple[list[float], list[float], float]:
    """Means and variances of the later periods given the others, and twice the likelihood, in fractions: exact."""
    rows, seen = together(sizes, season), [Fraction(value) for value in VALUES]
    means, determinant = [Fraction(0)] * len(rows), Fraction(1)
    likelihood = Fraction(0)
    for place in range(len(seen)):
        pivot, surprise = rows[place][place], seen[place] - means[place]
        likelihood -= surprise**2 / pivot
        determinant *= pivot
        pull = [row[place] / pivot for row in rows]
        means = [mean + part * surprise for mean, part in zip(means, pull, strict=True)]
        rows = [
            [cell - part * other for cell, other in zip(row, rows[place], strict=True)]
            for row, part in zip(rows, pull, strict=True)
        ]
    spreads = [float(rows[at][at]) for at in range(len(seen), len(rows))]
    return [float(mean) for mean in means[len(seen) :]], spreads, float(likelihood) - np.log(float(determinant))


@pytest.mark.parametrize("season", [None, 3])
def test_trends_foretell_what_the_covariances_of_all_periods_do(season: int | None) -> None:
    worlds = [(0.5, 0.25, 0.0, 0.0), (0.0625, 0.0, 0.5, 0.0), (0.5, 1.5, 0.25, 0.125), (1.25, 0.0, 0.0, 0.125)]
    tried = [(*one, 0.0 if season is None else 0.5) for one in worlds]
    columns = (np.array(part) for part in zip(*tried, strict=True))
    names = ("noise", "step", "slope", "bend", "season")
    trends = Trends(prior=np.full(4, 0.25), **dict(zip(names, columns, strict=True)))
    found = unseen(TIMES, VALUES, VARIANCES, LATER, ADDED, trends, season=season)
    means, spreads, likelihoods = zip(*(conditioned(one, season) for one in tried), strict=True)
    chances = np.exp(np.array(likelihoods) / 2)
    assert_allclose(found.means.T, means, rtol=1e-10)
    assert_allclose(found.deviations.T**2, spreads, rtol=1e-10)
    assert_allclose(found.weights[0], chances / chances.sum(), rtol=1e-10)


def test_a_walking_level_is_forecast_as_statsmodels_local_level_does() -> None:
    times, later, nothing = np.arange(9.0), np.arange(9.0, 12.0), np.zeros(9)
    ours = unseen(times, VALUES, nothing, later, nothing[:3], trend(0.5, 0.3, 0, 0, 0), season=None)
    theirs = UnobservedComponents(VALUES, level="llevel", use_exact_diffuse=True)
    forecast = theirs.smooth([0.25, 0.09]).get_forecast(3)
    assert_allclose(ours.mean, forecast.predicted_mean, rtol=1e-4)  # a level of variance 100,000 is not quite nowhere
    assert_allclose(ours.deviation, forecast.se_mean, rtol=1e-4)


def test_all_trends_are_tried_and_seasons_are_among_them_only_where_asked_for() -> None:
    blind, seasonal = models.wandering(), models.wandering(has_seasons=True)
    sizes: Array = np.unique(seasonal.season)
    assert blind.prior.shape == (180,)
    assert seasonal.prior.shape == (540,)
    assert blind.season.max() == 0
    assert sizes.min() > 0

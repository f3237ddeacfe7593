"""The models of a series held to be possible, in the scale of the series, and their prior weights.

Two families. `wandering` is for forecasts: a level that walks, with a slope that may change, and seasons (the local
linear trend of Harvey 1989, chapter 4). `steady` is for control and for changes: a fixed level around which the periods
swing, each resembling the one before it (an autoregression, Alwan & Roberts 1988); `swinging` is the same for drift,
with swings that last longer. All add the sampling errors, which are known, and noise between periods beyond them, which
never is nothing: the smallest is `LEAST` of the scale.
"""

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import TypeAlias

import numpy as np

from stats.arrays import Array

LEAST = 0.05
"""The least deviation between periods beyond sampling errors, as a share of the scale."""
ANYWHERE = 1e5
"""The variance, in squared scales, of a level of which nothing is known before."""

TO_DEVIATION = 1.4826
"""From the median of absolute values to the standard deviation of a normal."""

Sizes: TypeAlias = tuple[tuple[float, float], ...]
"""Deviations in scales of the series, and how much each counts before the data."""

NOISES: Sizes = ((LEAST, 1.0), (0.25, 1.0), (0.5, 1.0), (0.8, 1.0), (1.2, 1.0))
STEPS = ((0.0, 1.0), (0.12, 1.0), (0.3, 1.0), (0.6, 1.0), (1.0, 1.0), (1.6, 1.0))
SLOPES = ((0.0, 2.0), (0.07, 1.0), (0.5, 1.0))
BENDS = ((0.0, 4.0), (0.1, 1.0))
SEASONS = ((0.1, 1.0), (0.5, 1.0), (1.2, 1.0))
NO_SEASONS = ((0.0, 1.0),)
"""Noise; the step of the level, its slope and the bend of the slope in one period; and what parts the seasons."""

SWINGS = ((LEAST, 1.0), (0.3, 1.0), (0.6, 1.0), (0.9, 1.0), (1.3, 1.0))
TIES = ((0.0, 1.0), (0.3, 1.0), (0.6, 1.0), (0.85, 1.0), (0.95, 1.0))
ROUGHNESS = ((LEAST, 1.0), (0.5, 1.0))
"""The new part of each swing; how much of a swing is left one period later; and noise without memory."""

SMALL_SWINGS = ((LEAST, 1.0), (0.12, 1.0), (0.3, 1.0), (0.6, 1.0), (1.2, 1.0))
LASTING_TIES = ((0.0, 1.0), (0.4, 1.0), (0.7, 1.0), (0.85, 1.0), (0.95, 1.0), (0.98, 1.0))
"""Swings that may be small beside the sampling errors and last: unseen in few periods, they move the mean of many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """How the values of some periods vary together under each model, (models, T, T), and its prior weight (models,).

    `noise` (models,) is the variance between periods beyond sampling errors that has no memory.
    """

    covariances: Array
    prior: Array
    noise: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Trends:
    """Deviations of each trend, in scales of the series, and its prior weight; arrays (models,).

    `noise` is of one period by itself; `step` of the level, `bend` of the slope in one period; `slope` of the slope at
    the start; `season` of what parts the seasons, zero without them.
    """

    noise: Array
    step: Array
    slope: Array
    bend: Array
    season: Array
    prior: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Swings:
    """Swings around a fixed level: deviations in scales of the series, and the prior weight; arrays (models,).

    `noise` is of one period by itself, `swing` of the new part of each swing, `tie` what is left of it a period later.
    """

    noise: Array
    swing: Array
    tie: Array
    prior: Array


def wandering(*, has_seasons: bool = False) -> Trends:
    """A level that walks, slopes, bends and may have seasons: every choice of sizes.

    >>> trends = wandering()
    >>> trends.noise.shape, trends.prior.sum().round(6).item()
    ((180,), 1.0)
    """
    grid, prior = _grid(NOISES, STEPS, SLOPES, BENDS, SEASONS if has_seasons else NO_SEASONS)
    noise, step, slope, bend, season = grid.T
    return Trends(noise=noise, step=step, slope=slope, bend=bend, season=season, prior=prior)


def swinging() -> Swings:
    """A fixed level with autoregressive swings, small and lasting ones among them: every choice of sizes.

    >>> swings = swinging()
    >>> swings.tie.shape, swings.prior.sum().round(6).item()
    ((60,), 1.0)
    """
    grid, prior = _grid(ROUGHNESS, SMALL_SWINGS, LASTING_TIES)
    noise, swing, tie = grid.T
    return Swings(noise=noise, swing=swing, tie=tie, prior=prior)


def steady(times: Array, variances: Array) -> Models:
    """A fixed level, unknown, with autoregressive swings around it; times (T,) and sampling variances (T,).

    Both in scales of the series; times in periods.

    >>> models = steady(np.arange(3.0), np.zeros(3))
    >>> models.covariances.shape, models.prior.sum().round(6).item()
    ((50, 3, 3), 1.0)
    """
    grid, prior = _grid(ROUGHNESS, SWINGS, TIES)
    noise, swing, tie = (part[:, np.newaxis, np.newaxis] for part in grid.T)
    apart = np.abs(np.subtract.outer(times, times))
    swings = swing**2 / (1 - tie**2) * np.power(tie, apart)
    covariances = ANYWHERE + np.diag(variances) + noise**2 * np.eye(times.size) + swings
    return Models(covariances=covariances, prior=prior, noise=grid[:, 0] ** 2)


def scale(times: Array, values: Array, errors: Array) -> float:
    """The size of a change from one period to the next, at least that of the middle standard error; arrays (T,).

    The root of the mean square of the changes, those over several periods taken as walks.

    >>> scale(np.arange(3.0), np.array([1.0, 2.0, 1.0]), np.array([0.1, 0.1, 0.1]))
    1.0
    """
    return max(float(np.sqrt(np.mean(_steps(times, values) ** 2))), float(np.median(errors)))


def robust_scale(times: Array, values: Array, errors: Array) -> float:
    """As `scale`, from the middle size of the changes, so that one huge value among many leaves it as it is.

    >>> robust_scale(np.arange(4.0), np.array([1.0, 2.0, 1.0, 99.0]), np.full(4, 0.1))
    1.4826
    """
    usual = TO_DEVIATION * float(np.median(np.abs(_steps(times, values))))
    return max(usual, float(np.median(errors))) or scale(times, values, errors)


def _steps(times: Array, values: Array) -> Array:
    return np.asarray(np.diff(values) / np.sqrt(np.diff(times)))


@cache
def _grid(*grids: Sizes) -> tuple[Array, Array]:
    """Every choice of sizes (models, parts), and its share of all weight."""
    choices = tuple(product(*grids))
    sizes = np.array([[size for size, _ in choice] for choice in choices])
    prior = np.array([np.prod([weight for _, weight in choice]) for choice in choices])
    return sizes, prior / prior.sum()

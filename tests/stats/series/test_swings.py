"""The step of a series that swings, against normal densities of whole covariance matrices (scipy)."""

from typing import Any

import numpy as np
from numpy.testing import assert_allclose
from scipy.linalg import null_space
from scipy.stats import multivariate_normal

from stats.arrays import Array
from stats.series import models, swings

TIMES = np.array([0.0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 18])
FIRST, CHANGE = 7, 12
VALUES = np.random.default_rng(5).normal(0.5, 0.02, TIMES.size) + 0.1 * (TIMES < FIRST)
ERRORS = np.linspace(0.01, 0.02, TIMES.size)


def covariance(model: int) -> Array:
    """Of all values, the levels left out, as `models` says it."""
    held, early = models.swinging(), TIMES < CHANGE
    unit = models.scale(TIMES[early], VALUES[early], ERRORS[early])
    apart = np.abs(np.subtract.outer(TIMES, TIMES))
    tie = held.tie[model]
    kept = np.where(apart == 0, 1.0, tie**apart)
    swing = (unit * held.swing[model]) ** 2 / (1 - tie**2) * kept
    return np.asarray(swing + np.diag(ERRORS**2 + (unit * held.noise[model]) ** 2))


def density(size: float, last: int) -> float:
    """Of what does not depend on the two levels, if the step has this size, over all models."""
    held, seen = models.swinging(), slice(None, last + 1)
    free = null_space(np.stack((TIMES >= FIRST, TIMES < FIRST))[:, seen].astype(float))
    rest = free.T @ (VALUES - size * (TIMES >= CHANGE))[seen]
    each = [
        multivariate_normal(cov=free.T @ covariance(model)[seen, seen] @ free).pdf(rest)
        for model in range(held.prior.size)
    ]
    return float(held.prior @ each)


def test_step_after_each_later_period_is_as_likely_as_whole_covariances_say() -> None:
    known = np.ones(TIMES.size, dtype=bool)
    found = swings.steps(TIMES, VALUES, ERRORS, known, first=FIRST, change=CHANGE, held=models.swinging())
    later = np.flatnonzero(TIMES >= CHANGE)
    assert found.means.shape == (later.size, models.swinging().prior.size)
    for place in (0, later.size - 1):
        ours = [float(found.taken(place).log_density(size)) for size in (-0.03, 0.0, 0.02)]
        theirs = np.log([density(size, int(later[place])) for size in (-0.03, 0.0, 0.02)])
        assert_allclose(np.diff(ours), np.diff(theirs), rtol=1e-8)


def test_period_that_is_not_known_is_as_if_it_were_not_there() -> None:
    known = ~np.isin(TIMES, [2, 9, 16])
    usual: dict[str, Any] = {"first": FIRST, "change": CHANGE, "held": models.swinging()}
    without = swings.steps(TIMES[known], VALUES[known], ERRORS[known], known[known], **usual)
    empty = swings.steps(TIMES, np.where(known, VALUES, np.nan), np.where(known, ERRORS, np.nan), known, **usual)
    for part in ("weights", "means", "deviations"):
        assert_allclose(getattr(empty, part)[-1], getattr(without, part)[-1], rtol=1e-9)
    assert_allclose(empty.means[2], empty.means[1])  # the period of 16

"""What may be believed of a number when several models of a series are held to be possible, none of them certain.

Each model says how the values of all periods vary together (a covariance, all normal); the data say how likely each
model is; the answer is the mixture. So the doubt about the model stays in the answer, which an estimate of a single
model leaves out: with a dozen periods that doubt is most of it. Bayesian model averaging (Hoeting, Madigan, Raftery &
Volinsky 1999, Statistical Science 14) of structural time series (Harvey 1989; West & Harrison 1997, chapter 12).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log, pi
from typing import Self

import numpy as np

from stats.arrays import Array, Numbers, numbers
from stats.distributions import normal_cdf

HALVINGS = 48  # of an interval of some tens of standard deviations: to the last digits of a float
LOG_ROOT_2_PI = 0.5 * log(2 * pi)
REACH = 12.0
"""Standard deviations from the outermost mean within which every quantile asked for lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Normal distributions with weights that add to 1, along the last axis; arrays (..., models) of one shape.

    >>> even = Mixture(weights=np.array([0.5, 0.5]), means=np.array([0.0, 2.0]), deviations=np.array([1.0, 1.0]))
    >>> even.mean.item(), even.deviation.round(4).item(), even.below(1.0).item(), even.quantile(0.5).round(6).item()
    (1.0, 1.4142, 0.5, 1.0)
    """

    weights: Array
    means: Array
    deviations: Array

    @classmethod
    def stacked(cls, found: Mapping[tuple[int, ...], Self], shape: tuple[int, ...]) -> Self:
        """Mixtures of one size by their place in the leading axes; NaN where none is given."""
        size = next((one.weights.shape[-1] for one in found.values()), 1)
        weights, means, deviations = (np.full((*shape, size), np.nan) for _ in range(3))
        for index, one in found.items():
            weights[index], means[index], deviations[index] = one.weights, one.means, one.deviations
        return cls(weights=weights, means=means, deviations=deviations)

    def taken(self, place: int) -> Self:
        """The mixture of one number, by its place along the axis before the models."""
        weights, means, deviations = (part[..., place, :] for part in (self.weights, self.means, self.deviations))
        return replace(self, weights=weights, means=means, deviations=deviations)

    def blurred(self, deviation: Numbers) -> Self:
        """The number with an error of its own added, which has this standard deviation."""
        return replace(self, deviations=np.hypot(self.deviations, numbers(deviation)[..., np.newaxis]))

    def moved(self, centre: float, scale: float) -> Self:
        """The same in other units: times the scale, plus the centre."""
        return replace(self, means=centre + scale * self.means, deviations=scale * self.deviations)

    @property
    def mean(self) -> Array:
        """The mean of it all."""
        return np.asarray((self.weights * self.means).sum(axis=-1))

    @property
    def deviation(self) -> Array:
        """The standard deviation: within the models and between them."""
        apart = self.means - self.mean[..., np.newaxis]
        return np.asarray(np.sqrt((self.weights * (self.deviations**2 + apart**2)).sum(axis=-1)))

    def below(self, value: Numbers) -> Array:
        """The chance that the number is below the value."""
        z = (numbers(value)[..., np.newaxis] - self.means) / self.deviations
        return np.asarray((self.weights * normal_cdf(z)).sum(axis=-1))

    def above(self, value: Numbers) -> Array:
        """The chance that it is above; with all digits where that is nearly nothing."""
        z = (self.means - numbers(value)[..., np.newaxis]) / self.deviations
        return np.asarray((self.weights * normal_cdf(z)).sum(axis=-1))

    def quantile(self, chance: float) -> Array:
        """The value below which the number lies with this chance."""
        lower = (self.means - REACH * self.deviations).min(axis=-1)
        upper = (self.means + REACH * self.deviations).max(axis=-1)
        for _ in range(HALVINGS):
            middle = (lower + upper) / 2
            is_low = self.below(middle) < chance
            lower, upper = np.where(is_low, middle, lower), np.where(is_low, upper, middle)
        return np.asarray((lower + upper) / 2)

    def log_density(self, value: Numbers) -> Array:
        """The logarithm of the density at the value, as far out as one may ask."""
        z = (numbers(value)[..., np.newaxis] - self.means) / self.deviations
        with np.errstate(divide="ignore"):  # a model that has no weight left adds nothing
            parts = np.log(self.weights) - np.log(self.deviations) - z**2 / 2 - LOG_ROOT_2_PI
        most = parts.max(axis=-1)
        return np.asarray(most + np.log(np.exp(parts - most[..., np.newaxis]).sum(axis=-1)))

    def two_sided(self, value: Numbers) -> Array:
        """How surprising the value is: twice the smaller of the chances below and above it, 1 at most."""
        return np.asarray(np.minimum(2 * np.minimum(self.below(value), self.above(value)), 1.0))


def forward(values: Numbers, covariances: Numbers, prior: Numbers) -> Mixture:
    """For each period what the ones before it lead one to expect of it; mixtures of shape (T, models).

    Values (T,), covariances (models, T, T), prior weights (models,). The first period has the prior alone.

    >>> alike = [[2.0, 1.0], [1.0, 2.0]]
    >>> expected = forward([1.0, 0.0], [alike], [1.0])
    >>> expected.mean.round(4).tolist(), expected.deviation.round(4).tolist()
    ([0.0, 0.5], [1.4142, 1.2247])
    """
    seen = numbers(values)
    factor, surprise = _factored(seen, numbers(covariances))
    error = np.diagonal(factor, axis1=-2, axis2=-1)
    likelihood = np.cumsum(-np.log(error) - surprise**2 / 2, axis=-1)
    before = np.concatenate((np.zeros((len(error), 1)), likelihood[:, :-1]), axis=-1)
    return Mixture(
        weights=weighed(before.T, numbers(prior)), means=(seen - error * surprise).T, deviations=error.T.copy()
    )


def unseen(values: Numbers, covariances: Numbers, prior: Numbers) -> Mixture:
    """What T values seen say of F numbers not seen; mixtures of shape (F, models).

    Values (T,), prior weights (models,), covariances (models, T + F, T + F) of the seen ones and then the others.

    >>> alike = [[2.0, 1.0], [1.0, 2.0]]
    >>> expected = unseen([1.0], [alike], [1.0])
    >>> expected.mean.round(4).tolist(), expected.deviation.round(4).tolist()
    ([0.5], [1.2247])
    """
    seen = numbers(values)
    factor, surprise = _factored(seen, numbers(covariances))
    error = np.diagonal(factor, axis1=-2, axis2=-1)[:, : seen.size]
    likelihood = (-np.log(error) - surprise**2 / 2).sum(axis=-1)
    means = (factor[:, seen.size :, : seen.size] @ surprise[..., np.newaxis])[..., 0]
    deviations = np.sqrt(np.square(factor[:, seen.size :, seen.size :]).sum(axis=-1))
    weights = np.broadcast_to(weighed(likelihood, numbers(prior)), means.T.shape)
    return Mixture(weights=weights, means=means.T, deviations=deviations.T)


def _factored(seen: Array, covariances: Array) -> tuple[Array, Array]:
    """Cholesky's factor of each model, and the values in standard errors from what those before them foretold."""
    factor = numbers(np.linalg.cholesky(covariances))
    surprise = np.zeros((len(factor), seen.size))
    for place in range(seen.size):
        foretold = (factor[:, place, :place] * surprise[:, :place]).sum(axis=-1)
        surprise[:, place] = (seen[place] - foretold) / factor[:, place, place]
    return factor, surprise


def weighed(likelihood: Array, prior: Array) -> Array:
    """Bayes' rule over the last axis: weights of models from the logarithms of their likelihood, and the prior.

    >>> weighed(np.log([0.2, 0.1]), np.array([0.5, 0.5])).round(4).tolist()
    [0.6667, 0.3333]
    """
    known = likelihood + np.log(prior)
    chances = np.exp(known - known.max(axis=-1, keepdims=True))
    return np.asarray(chances / chances.sum(axis=-1, keepdims=True))

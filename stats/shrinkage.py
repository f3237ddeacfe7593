"""The winner's curse: what stands out has had luck, so its true effect is smaller than it looks. Two ways to correct.

With other experiments to learn from, `empirical_prior` says how effects usually lie, and `bayes.read_out` with it pulls
each estimate towards them. Without any, `given_significance` asks which effect would look like this among those that
clear the bar. Neither is needed for a result that is reported whatever it is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stats import meta
from stats.arrays import Array, Mask, Numbers, divide, numbers
from stats.bayes import Prior
from stats.distributions import level_of, log_normal_cdf

HALVINGS = 60  # narrow a bracket to below the spacing of floats
ROOT_TWO_PI = float(np.sqrt(2 * np.pi))


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """Estimates given that they cleared a bar, with limits; NaN where they did not and nothing was selected."""

    estimate: Array
    lower: Array
    upper: Array
    level: float
    selected: Mask


def empirical_prior(differences: Numbers, variances: Numbers) -> Prior:
    """How true effects lie, from all experiments along the last axis, the dull ones included.

    Mean and variance by restricted maximum likelihood (Efron & Morris 1975, JASA 70; Morris 1983, JASA 78). NaN gaps
    do not count; NaN below two experiments. Raises ValueError for a variance of zero or below.

    >>> prior = empirical_prior([0.02, -0.01, 0.03, 0.00, 0.01], [0.0001] * 5)
    >>> prior.mean.round(4).item(), prior.variance.round(6).item()
    (0.01, 0.00015)
    """
    tau2 = meta.restricted_likelihood(differences, variances)
    estimate, spread = np.broadcast_arrays(numbers(differences), numbers(variances))
    weight = np.nan_to_num(divide(1.0, spread + tau2[..., np.newaxis]) * np.isfinite(estimate))
    mean = divide((weight * np.nan_to_num(estimate)).sum(axis=-1), weight.sum(axis=-1))
    return Prior(mean=mean, variance=tau2)


def given_significance(difference: Numbers, variance: Numbers, *, bar: Numbers, alpha: float) -> Corrected:
    """The effect by conditional maximum likelihood, given that |difference| / standard error reached `bar`.

    The limits cover the truth with probability 1 - alpha among the selected. Both pull hard on what has just cleared
    the bar and leave alone what is far beyond. Zhong & Prentice (2008), Biostatistics 9; Ghosh, Zou & Wright (2008),
    American Journal of Human Genetics 82. The arrays broadcast. Raises ValueError for a bar that is not above zero.

    >>> found = given_significance([0.21, 0.5], 0.01, bar=1.96, alpha=0.05)
    >>> found.estimate.round(3).tolist()
    [0.056, 0.5]
    """
    level_of(alpha)
    seen, spread, high = np.broadcast_arrays(numbers(difference), numbers(variance), numbers(bar))
    if not np.all(high > 0):
        raise ValueError("a bar is above zero")
    error = np.sqrt(np.where(spread > 0, spread, np.nan))
    z = np.abs(seen) / error
    selected = z >= high
    z, unit = np.where(selected, z, high), np.where(selected, np.copysign(error, seen), np.nan)
    near, far = (unit * _limit(z, high, tail) for tail in (alpha / 2, 1 - alpha / 2))
    estimate = unit * _rising(lambda mean: _selected_mean(mean, high) - z, np.zeros(z.shape), z)
    return Corrected(
        estimate=estimate,
        lower=np.minimum(near, far),
        upper=np.maximum(near, far),
        level=float(level_of(alpha)),
        selected=selected,
    )


def _limit(z: Array, bar: Array, tail: float) -> Array:
    """The mean with which a selected z is at least this one with this probability."""

    def excess(mean: Array) -> Array:
        return np.asarray(log_normal_cdf(mean - z) - _log_selected(mean, bar) - np.log(tail))

    reach = 2 * z + 10.0
    return _rising(excess, -reach, reach)


def _selected_mean(mean: Array, bar: Array) -> Array:
    """The mean of a normal around `mean` given that it lies beyond the bar on either side."""
    log_chance = _log_selected(mean, bar)
    up, down = (np.exp(-((bar - way * mean) ** 2) / 2 - log_chance) for way in (1, -1))
    return np.asarray(mean + (up - down) / ROOT_TWO_PI)


def _log_selected(mean: Array, bar: Array) -> Array:
    return np.logaddexp(log_normal_cdf(mean - bar), log_normal_cdf(-mean - bar))


def _rising(function: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """Where a rising function is zero, between low and high; NaN where the function is."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = function(middle) < 0
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2

"""What makes a unit tell more or less than one independent value: covariates, denominators, clusters, quantiles."""

import numpy as np

from stats.arrays import Array, Numbers, divide, numbers
from stats.design.normal import positive
from stats.quantiles import Quantiles


def cuped(correlation: Numbers) -> Array:
    """The factor on n (and on the variance) from a covariate measured before, with this correlation to the KPI.

    1 - rho^2: Deng, Xu, Kohavi & Walker (2013), WSDM. Raises ValueError for a correlation outside (-1, 1).

    >>> cuped([0.0, 0.5, -0.8]).round(2).tolist()
    [1.0, 0.75, 0.36]
    """
    rho = numbers(correlation)
    if not np.all(np.abs(rho) < 1):
        raise ValueError("a correlation lies between -1 and 1")
    return np.asarray(1 - rho**2)


def cluster(size: Numbers, icc: Numbers, *, variation: Numbers = 0.0) -> Array:
    """The factor on n when whole clusters of this mean size are assigned: the design effect.

    1 + (m (1 + cv^2) - 1) ICC, with cv the standard deviation of the sizes over their mean (Eldridge, Ashby & Kerry
    2006, International Journal of Epidemiology 35). Raises ValueError for a size below 1 or an ICC outside [0, 1].

    >>> cluster(20.0, 0.05).round(4).item(), cluster(20.0, 0.05, variation=0.5).round(4).item()
    (1.95, 2.2)
    """
    mean, alike = numbers(size), numbers(icc)
    if np.any(mean < 1) or np.any(alike < 0) or np.any(alike > 1):
        raise ValueError("a cluster has a unit or more, and the correlation within it lies between 0 and 1")
    return np.asarray(1 + (mean * (1 + np.square(numbers(variation))) - 1) * alike)


def ratio_variance(
    numerator_mean: Numbers,
    denominator_mean: Numbers,
    *,
    numerator_variance: Numbers,
    denominator_variance: Numbers,
    covariance: Numbers,
) -> Array:
    """The variance that one unit lends to a ratio of two means; all inputs are those of single units.

    Of z = (numerator - R denominator) / mean denominator: Deng, Knoblich & Lu (2018), KDD. All arrays broadcast.
    Raises ValueError for a mean denominator that is not above zero.

    >>> round(ratio_variance(2.0, 4.0, numerator_variance=3, denominator_variance=5, covariance=2).item(), 4)
    0.1406
    """
    below = positive(denominator_mean, "a mean denominator")
    ratio = divide(numerator_mean, below)
    straight = numbers(numerator_variance) - 2 * ratio * numbers(covariance) + ratio**2 * numbers(denominator_variance)
    return np.asarray(straight / below**2)


def quantile_variance(baseline: Quantiles, *, n: Numbers) -> Array:
    """The variance that one unit lends to a quantile, from its limits among n units of the past.

    Deng, Knoblich & Lu (2018), section 4: with the density f at the quantile it is share (1 - share) / f^2. Raises
    ValueError for an n that is not above zero; NaN where the limits are.

    >>> past = Quantiles.from_values(np.arange(10_000.0), 0.5, alpha=0.05)
    >>> print(f"{quantile_variance(past, n=10_000) / 10_000**2:.3f}")
    0.253
    """
    return np.asarray(baseline.variance * positive(n, "n"))

"""What looking more than once costs in units, by the policy of the plan.

By the exact recursion over equally spaced looks (Jennison & Turnbull 2000, chapter 19). Planned looks cost little and
end early. Always-valid looks need a far longer horizon, while the experiment ends on average about when a test with
one look would have.
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Numbers
from stats.design.normal import distance
from stats.distributions import normal_quantile
from stats.sequential import confidence_sequence
from stats.sequential.group_sequential import (
    Spending,
    boundaries,
    crossing_probability,
    growing,
    inflation,
    obrien_fleming,
)
from stats.sequential.stopping import Design

PRECISION = 1e-8  # of the z of the power
MOST_STEPS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Inflation:
    """Times the units of a test with one look and the same power: at the horizon, and when it ends on average.

    The average is that of an experiment whose true difference is the planned one, stopped as soon as it is found.
    """

    horizon: float
    mean: float


def fixed() -> Inflation:
    """One look costs nothing.

    >>> fixed()
    Inflation(horizon=1.0, mean=1.0)
    """
    return Inflation(horizon=1.0, mean=1.0)


def group_sequential(looks: int, *, alpha: float, power: float, spending: Spending = obrien_fleming) -> Inflation:
    """Planned, equally spaced looks with two-sided boundaries of a spending function.

    Raises ValueError for looks below 1 and a power not between alpha / 2 and 1.

    >>> cost = group_sequential(4, alpha=0.05, power=0.8)
    >>> round(cost.horizon, 3), round(cost.mean, 3)
    (1.02, 0.839)
    """
    _check(looks)
    drift = distance(alpha, power)
    horizon = inflation(looks, alpha=alpha, power=power, spending=spending)
    shares = np.arange(1, looks + 1) / looks
    bars = boundaries(shares, alpha=alpha, spending=spending)
    crossed = crossing_probability(bars, shares, drift * np.sqrt(horizon))
    return Inflation(horizon=horizon, mean=_mean_end(crossed, shares * horizon))


def always_valid(looks: int, *, alpha: float, power: float, tuned_at: float = 1.0) -> Inflation:
    """The normal mixture of `confidence_sequence`, with so many equally spaced looks up to the horizon.

    `tuned_at` is where it is narrowest, in units of a test with one look. Raises ValueError for looks below 1, a
    tuning not above zero, and a power not between alpha / 2 and 1.

    >>> cost = always_valid(28, alpha=0.05, power=0.8)
    >>> round(cost.horizon, 2), round(cost.mean, 2)
    (1.72, 1.08)
    """
    _check(looks)
    if tuned_at <= 0:
        raise ValueError("the tuning is above zero")
    drift, target = distance(alpha, power), float(normal_quantile(power))
    root = 1.0  # of the horizon
    for _ in range(MOST_STEPS):  # the z of the power is nearly a straight line in it, of slope `drift`
        shares = root**2 * np.arange(1, looks + 1) / looks
        crossed = crossing_probability(_bars(shares, alpha, tuned_at), shares, drift)
        missing = target - float(normal_quantile(crossed[0].sum()))
        if abs(missing) < PRECISION:
            break
        root += missing / drift
    return Inflation(horizon=float(shares[-1]), mean=_mean_end(crossed, shares))


def always_valid_design(looks: int, *, alpha: float, tuned_at: float = 1.0) -> Design:
    """The same as bars, for power and mde at a number of units that is given: see `plan`.

    Information, and `tuned_at`, in shares of the horizon. Raises ValueError as `always_valid` does.

    >>> design = always_valid_design(28, alpha=0.05)
    >>> round(design.drift_for(0.8), 3), round(design.power(3.8), 3)
    (3.678, 0.831)
    """
    _check(looks)
    return always_valid_at(np.arange(1, looks + 1) / looks, alpha=alpha, tuned_at=tuned_at)


def always_valid_at(information: Numbers, *, alpha: float, tuned_at: float = 1.0) -> Design:
    """The same for looks at any information, which is counted in one unit with `tuned_at`.

    Raises ValueError for information that does not grow from above zero, and a tuning not above zero.

    >>> always_valid_at([0.1, 0.4, 1.0], alpha=0.05).upper.round(3).tolist()
    [3.855, 3.124, 3.035]
    """
    if tuned_at <= 0:
        raise ValueError("the tuning is above zero")
    shares = growing(information, "information")
    bars = _bars(shares, alpha, tuned_at)
    return Design(information=shares, upper=bars, lower=-bars)


def _bars(shares: Array, alpha: float, tuned_at: float) -> Array:
    """The bar for |z| at each look, where the variance of the difference is one over the share."""
    tau2 = confidence_sequence.mixture_variance(1 / tuned_at, alpha)
    return confidence_sequence.half_width(1 / shares, tau2=tau2, alpha=alpha) * np.sqrt(shares)


def _mean_end(crossed: Array, shares: Array) -> float:
    """Where it ends on average, crossing first at each look with these probabilities, upwards and downwards."""
    stopped = crossed.sum(axis=0)
    return float(stopped @ shares + (1 - stopped.sum()) * shares[-1])


def _check(looks: int) -> None:
    if looks < 1:
        raise ValueError("there is a look or more")

"""Exact evidence on shares, from the first unit on: no normal approximation, any look, any number of units a day.

Where the kernel needs a hundred units and twenty successes in each arm, these need nothing. Days are the last axis and
hold NEW units; everything else broadcasts. Evidence is a logarithm: e grows beyond every float.
"""

import numpy as np

from stats.arrays import Array, Numbers, numbers
from stats.distributions import level_of, log_beta, times_log

PRIOR = 0.18  # beta(0.18, 0.18): of the priors Turner, Ly & Grunwald compared, the best in the worst case
JEFFREYS = 0.5  # beta(1/2, 1/2), for a single share
HALVINGS = 60  # of an interval within [0, 1]: to the last digit of a float


def two_shares(
    control_successes: Numbers, control_n: Numbers, treatment_successes: Numbers, treatment_n: Numbers
) -> Array:
    """The logarithm of the evidence that two shares differ, after each day (..., days).

    Turner, Ly & Grunwald (2024), "Generic e-variables for exact sequential k-sample tests that allow for optional
    stopping", Journal of Statistical Planning and Inference 230. Each day is a block: the shares expected from the days
    before it (with the beta prior) are set against their mean, weighted by the day's units. How many units come must
    not depend on the day's successes. Raises ValueError for more successes than units.

    >>> two_shares([3, 4], [40, 40], [14, 13], [40, 40]).round(3).tolist()
    [0.0, 2.978]
    """
    won, n, gained, m = map(numbers, (control_successes, control_n, treatment_successes, treatment_n))
    _check(won, n)
    _check(gained, m)
    one, other = _expected(won, n), _expected(gained, m)
    units = n + m
    both = (n * one + m * other) / np.where(units > 0, units, 1.0)
    both = np.where(units > 0, both, one)
    gain = _against(won, n, one, both) + _against(gained, m, other, both)
    return np.cumsum(np.where(units > 0, gain, 0.0), axis=-1)


def share(successes: Numbers, n: Numbers, *, null: Numbers, prior: float = JEFFREYS) -> Array:
    """The logarithm of the evidence that a share is not `null`, after each day (..., days).

    The beta-binomial mixture of Robbins (1970), Annals of Mathematical Statistics 41, with a beta(prior, prior). It
    depends on the totals alone, so units may come in any order. Raises ValueError for more successes than units and
    unless 0 < null < 1.

    >>> share([30, 32], [50, 50], null=0.5).round(3).tolist()
    [-1.18, 0.377]
    """
    won, units = _totals(successes, n)
    against = numbers(null)
    if not np.all((against > 0) & (against < 1)):
        raise ValueError("evidence is against a share between 0 and 1")
    return _mixture(won, units, against, prior)


def share_interval(successes: Numbers, n: Numbers, *, alpha: float, prior: float = JEFFREYS) -> tuple[Array, Array]:
    """The shares with evidence below 1 / alpha against them, after each day: limits that hold on all days at once.

    Raises ValueError for more successes than units and unless 0 < alpha < 1.

    >>> lower, upper = share_interval([30, 32], [50, 50], alpha=0.05)
    >>> lower.round(3).tolist(), upper.round(3).tolist()
    ([0.375, 0.454], [0.799, 0.769])
    """
    level_of(alpha)
    won, units = np.broadcast_arrays(*_totals(successes, n))
    middle = np.where(units > 0, won / np.where(units > 0, units, 1.0), 0.5)
    bar = -np.log(alpha)

    def limit(inside: Array, outside: Array) -> Array:
        """The evidence grows from the share seen to either end: halve the way between."""
        for _ in range(HALVINGS):
            tried = (inside + outside) / 2
            excluded = _mixture(won, units, tried, prior) >= bar
            inside, outside = np.where(excluded, inside, tried), np.where(excluded, tried, outside)
        return outside

    return limit(middle, np.zeros_like(middle)), limit(middle, np.ones_like(middle))


def _expected(successes: Array, n: Array) -> Array:
    """The share of each arm as the days before expect it."""
    before = np.cumsum(successes, axis=-1) - successes
    units = np.cumsum(n, axis=-1) - n
    return np.asarray((PRIOR + before) / (2 * PRIOR + units))


def _against(successes: Array, n: Array, expected: Array, both: Array) -> Array:
    """The logarithm of how much likelier the day is under the arm's own share than under the common one."""
    return successes * np.log(expected / both) + (n - successes) * np.log((1 - expected) / (1 - both))


def _mixture(won: Array, n: Array, null: Array, prior: float) -> Array:
    mixture = log_beta(prior + won, prior + n - won) - log_beta(prior, prior)
    return np.asarray(mixture - times_log(won, null) - times_log(n - won, 1 - null))


def _totals(successes: Numbers, n: Numbers) -> tuple[Array, Array]:
    won, units = np.broadcast_arrays(numbers(successes), numbers(n))
    _check(won, units)
    return np.cumsum(won, axis=-1), np.cumsum(units, axis=-1)


def _check(successes: Array, n: Array) -> None:
    if np.any(successes < 0) or np.any(successes > n):
        raise ValueError("there are between none and n successes")

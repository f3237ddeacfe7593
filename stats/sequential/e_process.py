"""Exact evidence on shares, from the first unit on: no normal approximation, any look, any number of units a day.

Where the kernel needs a hundred units and twenty successes in each arm, these need nothing. Days are the last axis and
hold NEW units; everything else broadcasts. Evidence is a logarithm: e grows beyond every float.
"""

import numpy as np

from stats.arrays import Array, Numbers, numbers
from stats.distributions import level_of, log_beta, times_log
from stats.methods import miettinen_nurminen
from stats.moments import Moments

PRIOR = 0.18  # beta(0.18, 0.18): of the priors Turner, Ly & Grunwald compared, the best in the worst case
JEFFREYS = 0.5  # beta(1/2, 1/2), for a single share
MARGIN = 1e-12  # of the shares that a null allows: kept from their ends, where a logarithm ends
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
    won, n, gained, m, one, other = _days(control_successes, control_n, treatment_successes, treatment_n)
    units = n + m
    both = (n * one + m * other) / np.where(units > 0, units, 1.0)
    both = np.where(units > 0, both, one)
    gain = _against(won, n, one, both) + _against(gained, m, other, both)
    return np.cumsum(np.where(units > 0, gain, 0.0), axis=-1)


def difference(
    control_successes: Numbers,
    control_n: Numbers,
    treatment_successes: Numbers,
    treatment_n: Numbers,
    *,
    null: Numbers,
) -> Array:
    """The logarithm of the evidence that treatment's share minus control's is not `null`, after each day (..., days).

    Turner & Grunwald (2023), "Exact anytime-valid confidence intervals for contingency tables and beyond", Statistics
    and Probability Letters 198: as `two_shares`, against the pair of shares that far apart which is nearest, by
    Kullback & Leibler, to those expected for the day. (Along all such pairs the mean of a day's gain has a concave
    logarithm, which is 0 and flat at the nearest: so under no pair is the mean above one.) A day without units in both
    arms says nothing. `null` has the leading axes; at 0 it is `two_shares`. Raises ValueError as that does, and unless
    -1 < null < 1.

    >>> difference([3, 4], [40, 40], [14, 13], [40, 40], null=[-0.2, 0.0, 0.2]).round(2).tolist()
    [[6.09, 16.37], [0.0, 2.98], [-2.83, -2.95]]
    """
    won, n, gained, m, one, other = _days(control_successes, control_n, treatment_successes, treatment_n)
    apart = numbers(null)[..., np.newaxis]
    if not np.all(np.abs(apart) < 1):
        raise ValueError("a difference of shares lies between -1 and 1")
    near, far = _nearest(n, one, m, other, apart)
    gain = _against(won, n, one, near) + _against(gained, m, other, far)
    return np.cumsum(np.where(n * m > 0, gain, 0.0), axis=-1)


def difference_interval(
    control_successes: Numbers,
    control_n: Numbers,
    treatment_successes: Numbers,
    treatment_n: Numbers,
    *,
    alpha: float,
    step: float = 0.002,
) -> tuple[Array, Array]:
    """Limits of treatment's share minus control's after each day (..., days) that hold on all days at once.

    Every `step` from -1 to 1 a difference is tried; the limits are the first ones, to either side of all that are
    kept, with evidence of 1 / alpha against them, so they err outwards and by a step at most.
    Turner & Grunwald (2023), as `difference`. Raises ValueError as that does, and unless 0 < alpha, step < 1.

    >>> lower, upper = difference_interval([3, 4, 2], [40, 40, 40], [14, 13, 15], [40, 40, 40], alpha=0.05)
    >>> lower.round(3).tolist(), upper.round(3).tolist()
    ([-0.114, -0.002, 0.082], [0.61, 0.48, 0.46])
    """
    level_of(alpha)
    if not 0 < step < 1:
        raise ValueError("a step lies between 0 and 1")
    given = _days(control_successes, control_n, treatment_successes, treatment_n)[:4]
    won, n, gained, m = (days[..., np.newaxis, :] for days in given)
    ends = round(1 / step)
    nulls = np.arange(1 - ends, ends) / ends
    kept = difference(won, n, gained, m, null=nulls) < -np.log(alpha)
    lowest, highest = kept.argmax(axis=-2), nulls.size - 1 - np.flip(kept, axis=-2).argmax(axis=-2)
    return (lowest - ends) / ends, (highest + 2 - ends) / ends


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


def _days(won: Numbers, n: Numbers, gained: Numbers, m: Numbers) -> tuple[Array, Array, Array, Array, Array, Array]:
    """The days of control and treatment, and the shares expected for them."""
    # Each arm as whole days: one number of units for all days would otherwise have no days to add up.
    first, units = np.broadcast_arrays(numbers(won), numbers(n))
    second, others = np.broadcast_arrays(numbers(gained), numbers(m))
    _check(first, units)
    _check(second, others)
    return first, units, second, others, _expected(first, units), _expected(second, others)


def _nearest(n: Array, one: Array, m: Array, other: Array, apart: Array) -> tuple[Array, Array]:
    """The pair of shares that far apart under which a day as expected would be likeliest."""
    low, high = np.maximum(0.0, -apart), np.minimum(1.0, 1 - apart)
    inside = MARGIN * (high - low)
    control, treatment = (
        Moments(n=units, mean=share, m2=units * share * (1 - share)) for units, share in ((n, one), (m, other))
    )
    near, _ = miettinen_nurminen.restricted(control, treatment, null=apart)
    near = np.clip(near, low + inside, high - inside)
    return near, near + apart


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

"""Difference of two ratios of sums, where the unit of randomisation has both a numerator and a denominator.

Deng, Knoblich & Lu (2018), "Applying the delta method in metric analytics", KDD, section 3: near its mean a ratio R is
a straight line, and varies like the mean of z = (numerator - R * denominator) / mean(denominator) over the units. So
R is the mean of R + z, and from there on everything is as for a mean: Welch's test, and the lift of two means.
"""

from dataclasses import replace

import numpy as np

from stats import lift as lifts
from stats.arrays import Array, Mask, Numbers, divide
from stats.comoments import CoMoments
from stats.lift import Lifts
from stats.methods import welch
from stats.moments import Moments
from stats.results import Comparisons, Reason, reason_codes

METHOD = "Welch's t-test of ratios (delta method)"


def compare(control: CoMoments, treatment: CoMoments, *, alpha: Numbers, null: float = 0.0) -> Comparisons:
    """Treatment minus control of sum(numerator) / sum(denominator), from moments of these two variables, in this order.

    The arms broadcast. Undefined where an arm's denominators are all zero or cancel, below two units in an arm, and
    where neither arm varies. Raises ValueError unless there are two variables and 0 < alpha < 1.

    >>> control = CoMoments.from_values([[1.0, 10.0], [4.0, 20.0], [0.0, 5.0], [3.0, 15.0]])  # clicks, views
    >>> treatment = CoMoments.from_values([[3.0, 10.0], [2.0, 8.0], [6.0, 16.0], [5.0, 16.0]])
    >>> found = compare(control, treatment, alpha=0.05).at()
    >>> print(f"{found.difference:.2f}, p = {found.p_value:.3f}")
    0.16, p = 0.009
    """
    found = welch.compare(as_mean(control), as_mean(treatment), alpha=alpha, null=null)
    nothing = reason_codes((_has_no_ratio(control) | _has_no_ratio(treatment), Reason.ZERO_DENOMINATOR))
    return replace(found, reason=np.where(nothing, nothing, found.reason), method=METHOD)


def lift(control: CoMoments, treatment: CoMoments, *, alpha: Numbers) -> Lifts:
    """Treatment over control minus one, of the two ratios; shapes and errors as for `compare`.

    >>> control = CoMoments.from_values([[2.0, 10.0], [4.0, 20.0], [1.0, 5.0], [4.0, 15.0]])
    >>> treatment = CoMoments.from_values([[3.0, 10.0], [2.0, 8.0], [6.0, 16.0], [5.0, 16.0]])
    >>> found = lift(control, treatment, alpha=0.05).at()
    >>> print(f"{found.lift:.2f} from {found.interval.lower:.2f} to {found.interval.upper:.2f}")
    0.45 from 0.16 to 0.83
    """
    before, after = as_mean(control), as_mean(treatment)
    return lifts.relative(before.mean, before.mean_variance, after.mean, after.mean_variance, alpha=alpha)


def as_mean(arm: CoMoments) -> Moments:
    """The ratio of an arm as if it were a mean per unit, with the spread of its straight line.

    Shape of the leading axes; a ratio without a denominator counts as no units. Raises ValueError unless there are two
    variables.

    >>> print(as_mean(CoMoments.from_values([[1.0, 10.0], [4.0, 20.0], [0.0, 5.0], [3.0, 15.0]])).mean)
    0.16
    """
    if arm.variables != 2:
        raise ValueError("a ratio has a numerator and a denominator")
    return linearised(arm).moments(0)


def linearised(arm: CoMoments) -> CoMoments:
    """For every pair of variables (numerator, denominator) the ratio as one variable; shape (L, p) to (L, p / 2).

    Where a denominator has a mean of zero there are no units. Raises ValueError for an odd number of variables.

    >>> arm = CoMoments.from_values([[1.0, 10.0, 2.0, 4.0], [4.0, 20.0, 3.0, 4.0], [0.0, 5.0, 1.0, 2.0]])
    >>> print(linearised(arm).means.round(4))
    [0.1429 0.6   ]
    """
    if arm.variables % 2:
        raise ValueError("every numerator has a denominator")
    above, below = arm.means[..., ::2], arm.means[..., 1::2]
    ratios = divide(above, below)
    known = np.asarray(np.isfinite(ratios).all(axis=-1))
    line = arm.combined(np.where(known[..., np.newaxis, np.newaxis], _slopes(ratios, below), 0.0))
    return CoMoments(n=np.where(known, arm.n, 0.0), means=ratios, products=line.products)


def _has_no_ratio(arm: CoMoments) -> Mask:
    """Where there are units, and what the ratio divides by adds up to zero."""
    return np.asarray((arm.n > 0) & (arm.means[..., 1] == 0))


def _slopes(ratios: Array, below: Array) -> Array:
    """The derivatives of each ratio by every mean: 1 and -R over its mean denominator, and 0 by the means of others."""
    pairs = ratios.shape[-1]
    own = np.stack((divide(1.0, below), divide(-ratios, below)), axis=-1)
    spread = np.eye(pairs)[:, :, np.newaxis] * own[..., np.newaxis, :, :]
    return np.asarray(spread.reshape(*ratios.shape[:-1], pairs, 2 * pairs))

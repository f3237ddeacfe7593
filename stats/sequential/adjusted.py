"""After a test with several looks: a p-value, an estimate and an interval that know when it stopped.

A test that stops because the difference looks large reports a difference that is too large. Tsiatis, Rosner & Mehta
(1984), Biometrics 40, order the outcomes by stage: crossing upwards counts for more the earlier it happens, and
crossing downwards for less. p-value, median-unbiased estimate and interval follow from that order (Jennison & Turnbull
2000, chapter 8), and the interval leaves out the null exactly when the test crosses. While the test still runs, the
repeated intervals of Jennison & Turnbull (1989), JRSS B 51, hold at all looks at once.
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Numbers, numbers
from stats.distributions import level_of, normal_quantile
from stats.results import Interval
from stats.sequential.group_sequential import growing
from stats.sequential.recursion import first_crossings
from stats.sequential.roots import root_of

SMALLEST = 1e-300  # a probability counts as at least this, so that its z stays finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """What a finished test says; differences in the unit whose variance is 1 / information."""

    p_value: float  # two-sided
    p_value_above: float  # one-sided, for a difference above the null; below it, the rest to 1
    estimate: float  # as likely too high as too low
    interval: Interval


def after(
    boundaries: Numbers,
    information: Numbers,
    statistic: float,
    *,
    alpha: float,
    lower: Numbers | None = None,
    null: float = 0.0,
) -> Adjusted:
    """The answer of a test that ended at the last of these looks with `statistic`, its z against the null.

    `boundaries` and `information` have one entry for each look taken; a path left the test upwards at the boundaries
    and downwards at `lower`: by default at their mirror images, and at -inf never, which is right too for futility bars
    that do not bind. The bars of the last look have no influence. Raises ValueError for looks out of order and for a
    statistic that is not finite.

    >>> answer = after([2.963, 1.969], [50.0, 100.0], 2.5, alpha=0.05)
    >>> round(answer.p_value, 4), round(answer.estimate, 3)
    (0.0143, 0.248)
    >>> round(answer.interval.lower, 3), round(answer.interval.upper, 3)
    (0.05, 0.445)
    """
    test = _Ended.at(numbers(boundaries), lower, growing(information, "information"), statistic)
    above, below = test.tails(0.0)
    low, high = test.drift_at(alpha / 2), test.drift_at(1 - alpha / 2)
    return Adjusted(
        p_value=min(1.0, 2 * min(above, below)),
        p_value_above=above,
        estimate=null + test.drift_at(0.5),
        interval=Interval(lower=null + low, upper=null + high, level=level_of(alpha)),
    )


def repeated_interval(difference: Numbers, variance: Numbers, boundaries: Numbers) -> tuple[Array, Array]:
    """Limits at every look that hold at all of them together, with the level of the boundaries; arrays broadcast.

    Infinite where the boundary is, NaN where a variance is not positive.

    >>> lower, upper = repeated_interval([0.3, 0.25], [0.02, 0.01], [2.963, 1.969])
    >>> lower.round(3).tolist(), upper.round(3).tolist()
    ([-0.119, 0.053], [0.719, 0.447])
    """
    middle, spread = numbers(difference), numbers(variance)
    half = numbers(boundaries) * np.sqrt(np.where(spread > 0, spread, np.nan))
    return middle - half, middle + half


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """The outcome as the bars of its last look: what lies above it counts for more."""

    lower: Array
    upper: Array
    information: Array
    statistic: float

    @classmethod
    def at(cls, boundaries: Array, lower: Numbers | None, information: Array, statistic: float) -> "_Ended":
        if not np.isfinite(statistic):
            raise ValueError("a test ends with a finite statistic")
        below = -boundaries if lower is None else numbers(lower)
        if not boundaries.shape == below.shape == information.shape:
            raise ValueError("boundaries and information are given for each look")
        ends = np.array([statistic])
        return cls(
            lower=np.concatenate((below[:-1], ends)),
            upper=np.concatenate((boundaries[:-1], ends)),
            information=information,
            statistic=statistic,
        )

    def tails(self, drift: float) -> tuple[float, float]:
        """The probabilities of an outcome that counts for more, and of one that counts for less."""
        above, below = first_crossings(self.lower, self.upper, self.information, drift).sum(axis=1)
        return float(above), float(below)

    def drift_at(self, probability: float) -> float:
        """The difference under which an outcome that counts for more has this probability."""
        scale, target = 1 / float(np.sqrt(self.information[-1])), float(normal_quantile(probability))
        return root_of(lambda drift: _z(*self.tails(drift)) - target, (self.statistic + target) * scale, scale)


def _z(above: float, below: float) -> float:
    """The z of a probability, from whichever tail has the digits."""
    smaller = float(normal_quantile(max(min(above, below), SMALLEST)))
    return smaller if above < below else -smaller

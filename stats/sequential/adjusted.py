"""After a test with several looks: a p-value, an estimate and an interval that know when it stopped.

A test that stops because the difference looks large reports a difference that is too large. Tsiatis, Rosner & Mehta
(1984), Biometrics 40, order the outcomes by stage: crossing upwards counts for more the earlier it happens, and
crossing downwards for less. p-value, median-unbiased estimate and interval follow from that order (Jennison & Turnbull
2000, chapter 8), and the interval leaves out the null exactly when the test crosses. While the test still runs, the
repeated intervals of Jennison & Turnbull (1989), JRSS B 51, hold at all looks at once, and so do the repeated p-values
dual to them.

Data that still come in after a bar was crossed (overrun) take the place of the look that crossed, as if it had never
been taken: `after` with all the information and the z of all the data as its last entries (the deletion method of
Whitehead 1992, Controlled Clinical Trials 13). The answer then may differ from that of the look.
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Numbers, numbers
from stats.distributions import critical_z, level_of, normal_cdf, normal_quantile
from stats.results import Interval
from stats.sequential.group_sequential import Spending, boundaries, clocks, growing, obrien_fleming
from stats.sequential.recursion import Crossings, first_crossings
from stats.sequential.roots import root_of

LEAST_BAR, MOST_BAR = 1e-6, 37.0  # the z of p-values that are nearly 1 and 0
NO_BAR = 100.0  # a bar or a z beyond this counts as this
BEYOND = 1.5  # standard errors beyond the limits of one look, within which those of several nearly always lie
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
    test = _Ended.at(numbers(boundaries), lower, growing(information, "information"), statistic, alpha)
    above, below = test.tails(0.0)
    low, high = test.drift_at(alpha / 2), test.drift_at(1 - alpha / 2)
    return Adjusted(
        p_value=min(1.0, 2 * min(above, below)),
        p_value_above=above,
        estimate=null + test.drift_at(0.5),
        interval=Interval(lower=null + low, upper=null + high, level=float(level_of(alpha))),
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


def repeated_p_values(
    statistics: Numbers,
    fractions: Numbers,
    *,
    information: Numbers | None = None,
    spending: Spending = obrien_fleming,
) -> Array:
    """At each look the smallest alpha whose bar its z reaches, two-sided; NaN where z is.

    Dual to `repeated_interval`: at or below alpha just where that interval, with the bars for alpha, leaves out the
    null. Posch, Wassmer & Brannath (2008), Biometrika 95. At most a share alpha of tests without a difference ever
    shows a value of alpha or less, so the smallest so far may be reported too. 1 where nothing can be spent. Clocks,
    and errors, as in `group_sequential.boundaries`; ValueError too unless there is one z for each look.

    >>> repeated_p_values([2.0, 2.5], [0.5, 1.0]).round(4).tolist()
    [0.2146, 0.0125]
    """
    clock, amounts = clocks(fractions, information)
    seen = np.abs(numbers(statistics))
    if seen.shape != clock.shape:
        raise ValueError("there is one z for each look")
    taken = range(1, clock.size + 1)
    return np.array([_smallest_alpha(seen[k - 1], clock[:k], amounts[:k], spending) for k in taken])


def _smallest_alpha(statistic: float, clock: Array, information: Array, spending: Spending) -> float:
    """The alpha at which the last of these looks has its bar at |z|, searched on the scale of z."""

    def missing(z: float) -> float:
        within = min(max(z, LEAST_BAR), MOST_BAR)
        bars = boundaries(clock, alpha=_two_sided(within), information=information, spending=spending)
        return float(min(bars[-1], NO_BAR)) - min(statistic, NO_BAR) + z - within

    if np.isnan(statistic):
        return np.nan
    if missing(LEAST_BAR) >= 0:
        return 1.0
    return _two_sided(min(root_of(missing, min(statistic, MOST_BAR), 0.2), MOST_BAR))


def _two_sided(z: float) -> float:
    return float(2 * normal_cdf(-z))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """The outcome as the bars of its last look: what lies above it counts for more."""

    lower: Array
    upper: Array
    information: Array
    statistic: float
    crossings: Crossings | None

    @classmethod
    def at(
        cls, boundaries: Array, lower: Numbers | None, information: Array, statistic: float, alpha: float
    ) -> "_Ended":
        if not np.isfinite(statistic):
            raise ValueError("a test ends with a finite statistic")
        below = -boundaries if lower is None else numbers(lower)
        if not boundaries.shape == below.shape == information.shape:
            raise ValueError("boundaries and information are given for each look")
        lows, highs = (np.append(bars[:-1], statistic) for bars in (below, boundaries))
        furthest = (abs(statistic) + float(critical_z(alpha)) + BEYOND) / float(np.sqrt(information[-1]))
        return cls(
            lower=lows,
            upper=highs,
            information=information,
            statistic=statistic,
            crossings=Crossings.of(lows, highs, information, furthest),
        )

    def tails(self, drift: float) -> tuple[float, float]:
        """The probabilities of an outcome that counts for more, and of one that counts for less."""
        if self.crossings is not None and abs(drift) <= self.crossings.furthest:
            return self.crossings.tails(drift)
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

"""Planning a test with several looks: what stops it early, how often, and what that saves.

Jennison & Turnbull (2000), chapters 2-4 and 7. A design may also stop for futility: Pampallona, Tsiatis & Kim (2001),
Drug Information Journal 35, spend beta (the chance to miss the planned difference) as alpha is spent. The futility bars
here are non-binding: the upper ones are computed as if nobody ever stopped for futility, so going on does no harm.
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Numbers, numbers
from stats.distributions import normal_quantile
from stats.sequential import group_sequential
from stats.sequential.group_sequential import Spending, clocks, growing, obrien_fleming
from stats.sequential.recursion import Paths, first_crossings, lower_bar_of, steps
from stats.sequential.roots import root_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The bars for z at each look: at or above `upper` and at or below `lower` it stops (-inf: it does not).

    `information` is one over the variance of the difference at each look; with its unit set to that of the planned
    end, a drift is the mean of z there. Raises ValueError unless it grows and all three have one entry a look.
    """

    information: Array
    upper: Array
    lower: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "information", growing(self.information, "information"))
        object.__setattr__(self, "upper", numbers(self.upper))
        object.__setattr__(self, "lower", numbers(self.lower))
        if not self.information.shape == self.upper.shape == self.lower.shape:
            raise ValueError("information is given for each look, and so are both bars")

    def crossing(self, drift: float) -> Array:
        """The probability of stopping at each look, upwards in row 0 and downwards in row 1."""
        return first_crossings(self.lower, self.upper, self.information, drift)

    def power(self, drift: float) -> float:
        """The probability of ever stopping upwards; stopping downwards counts as missed."""
        return float(self.crossing(drift)[0].sum())

    def expected_information(self, drift: float) -> float:
        """The information had on average when the test ends; units follow in proportion."""
        stopped = self.crossing(drift).sum(axis=0)
        return float(stopped @ self.information + (1 - stopped.sum()) * self.information[-1])

    def drift_for(self, power: float) -> float:
        """The drift at which the design has this power. Raises ValueError unless 0 < power < 1."""
        target = _z_of(power)
        near = (target + float(np.min(self.upper))) / float(np.sqrt(self.information[-1]))
        return root_of(lambda drift: _probit(self.power(drift)) - target, near, abs(near) / 4 + 0.1)


def one_sided(
    fractions: Numbers, *, alpha: float, information: Numbers | None = None, spending: Spending = obrien_fleming
) -> Design:
    """A test that stops only upwards; the arguments are those of `group_sequential.boundaries`.

    >>> plan = one_sided([0.5, 1.0], alpha=0.025)
    >>> round(plan.power(0.0), 4), round(plan.expected_information(3.0), 3)
    (0.025, 0.9)
    """
    clock, amounts = clocks(fractions, information)
    upper = group_sequential.upper_boundaries(clock, alpha=alpha, information=amounts, spending=spending)
    return Design(information=amounts, upper=upper, lower=np.full(upper.shape, -np.inf))


def two_sided(
    fractions: Numbers, *, alpha: float, information: Numbers | None = None, spending: Spending = obrien_fleming
) -> Design:
    """A test that stops either way, with the boundaries of `group_sequential.boundaries`.

    >>> plan = two_sided([0.5, 1.0], alpha=0.05)
    >>> plan.crossing(0.0).sum().round(4).item(), round(plan.drift_for(0.8), 3)
    (0.05, 2.807)
    """
    clock, amounts = clocks(fractions, information)
    bars = group_sequential.boundaries(clock, alpha=alpha, information=amounts, spending=spending)
    return Design(information=amounts, upper=bars, lower=-bars)


def with_futility(
    fractions: Numbers,
    *,
    alpha: float,
    beta: float,
    information: Numbers | None = None,
    spending: Spending = obrien_fleming,
    futility: Spending = obrien_fleming,
) -> Design:
    """A one-sided test that also stops where the planned difference has become unlikely, with power 1 - beta there.

    The planned difference is `drift_for(1 - beta)` of the result. `futility` spends beta by the same clock as alpha,
    which must end at 1. Raises ValueError otherwise, and unless alpha + beta < 1.

    >>> plan = with_futility([0.5, 1.0], alpha=0.025, beta=0.2)
    >>> plan.lower.round(2).tolist(), round(plan.drift_for(0.8), 3)
    ([0.56, 1.97], 2.879)
    """
    clock, amounts = clocks(fractions, information)
    if clock[-1] < 1 or not 0 < beta < 1 - alpha:
        raise ValueError("a design is planned to its end, a fraction of 1, with alpha + beta below 1")
    upper = group_sequential.upper_boundaries(clock, alpha=alpha, information=amounts, spending=spending)

    def planned(drift: float) -> Design:
        lower = futility_boundaries(clock, upper, beta=beta, drift=drift, information=amounts, spending=futility)
        return Design(information=amounts, upper=upper, lower=lower)

    target = _z_of(1 - beta)
    near = (target + float(np.min(upper))) / float(np.sqrt(amounts[-1]))
    drift = root_of(lambda drift: _probit(planned(drift).power(drift)) - target, near, abs(near) / 4)
    return planned(drift)


def futility_boundaries(
    fractions: Numbers,
    upper: Numbers,
    *,
    beta: float,
    drift: float,
    information: Numbers | None = None,
    spending: Spending = obrien_fleming,
) -> Array:
    """The lower bars that spend beta at the planned difference `drift`, for the looks taken so far.

    Never above the upper bars, and equal to them from the look at which the clock reaches 1. Raises ValueError for
    looks out of order or a beta outside (0, 1).

    >>> futility_boundaries([0.5, 1.0], [2.963, 1.969], beta=0.2, drift=2.9).round(2).tolist()
    [0.57, 1.97]
    """
    clock, amounts = clocks(fractions, information)
    highest = numbers(upper)
    spent = np.diff(spending(clock, beta), prepend=0.0)
    bars = np.empty(clock.shape)
    paths: Paths | None = None
    for look, (step, share) in enumerate(zip(steps(amounts, drift), spent, strict=True)):
        enough = lower_bar_of(paths, step, float(share))
        bars[look] = highest[look] if clock[look] >= 1 else min(enough, highest[look])
        paths = Paths.surviving(paths, step, bars[look], highest[look])
    return bars


def _probit(probability: float) -> float:
    return float(normal_quantile(np.clip(probability, 1e-300, 1 - 1e-16)))


def _z_of(power: float) -> float:
    if not 0 < power < 1:
        raise ValueError(f"power lies between 0 and 1, not at {power}")
    return float(normal_quantile(power))

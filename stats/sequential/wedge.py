"""Two-sided tests that also stop for futility: between the bars for a difference lies an inner wedge of no difference.

Pampallona & Tsiatis (1994), Journal of Statistical Planning and Inference 42; Jennison & Turnbull (2000), chapter 5,
with the errors spent as in chapter 7: alpha outwards, and beta (the chance to miss the planned difference) inwards.
`stopping.with_futility` is the one-sided counterpart.
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Numbers, numbers
from stats.distributions import critical_z, level_of, normal_quantile
from stats.sequential.group_sequential import Spending, clocks, growing, obrien_fleming
from stats.sequential.recursion import Paths, Step, bar_of, steps, tail
from stats.sequential.roots import root_of

LEAST, MOST = 1e-300, 1 - 1e-16  # probabilities beyond these have no finite z


@dataclass(frozen=True, slots=True, kw_only=True)
class Wedge:
    """The bars for |z| at each look: at or above `upper` there is a difference, at or below `inner` the test gives up.

    An inner bar of 0 never stops; at the planned end both bars are one. `information` and drift as in
    `stopping.Design`. Raises ValueError unless information grows, all three have one entry a look, and 0 <= inner <=
    upper.
    """

    information: Array
    upper: Array
    inner: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "information", growing(self.information, "information"))
        object.__setattr__(self, "upper", numbers(self.upper))
        object.__setattr__(self, "inner", numbers(self.inner))
        if not self.information.shape == self.upper.shape == self.inner.shape:
            raise ValueError("information is given for each look, and so are both bars")
        if np.any(self.inner < 0) or np.any(self.inner > self.upper):
            raise ValueError("the wedge lies between zero and the bars for a difference")

    def crossing(self, drift: float) -> Array:
        """The probability of stopping at each look: upwards in row 0, downwards in row 1, in the wedge in row 2."""
        stopped = np.empty((3, self.upper.size))
        paths: Paths | None = None
        for look, step in enumerate(steps(self.information, drift)):
            upper, inner = float(self.upper[look]), float(self.inner[look])
            stopped[:2, look] = tail(paths, step, upper), tail(paths, step, -upper, below=True)
            stopped[2, look] = _within(paths, step, inner)
            paths = _outside(paths, step, inner, upper)
        return stopped

    def power(self, drift: float) -> float:
        """The probability of ever stopping upwards; stopping downwards or in the wedge counts as missed."""
        return float(self.crossing(drift)[0].sum())

    def expected_information(self, drift: float) -> float:
        """The information had on average when the test ends; units follow in proportion."""
        stopped = self.crossing(drift).sum(axis=0)
        return float(stopped @ self.information + (1 - stopped.sum()) * self.information[-1])

    def drift_for(self, power: float) -> float:
        """The drift at which the design has this power. Raises ValueError unless 0 < power < 1."""
        if not 0 < power < 1:
            raise ValueError(f"power lies between 0 and 1, not at {power}")
        target = float(normal_quantile(power))
        near = (target + float(np.min(self.upper))) / float(np.sqrt(self.information[-1]))
        return root_of(lambda drift: _probit(self.power(drift)) - target, near, abs(near) / 4 + 0.1)


def two_sided(
    fractions: Numbers,
    *,
    alpha: float,
    beta: float,
    information: Numbers | None = None,
    spending: Spending = obrien_fleming,
    futility: Spending = obrien_fleming,
    binding: bool = False,
) -> Wedge:
    """A two-sided test with an inner wedge, with power 1 - beta at the planned difference, `drift_for(1 - beta)`.

    `futility` spends beta by the same clock as alpha, which must end at 1. Unless `binding`, the bars for a difference
    are those of a test without a wedge, so that going on in spite of it keeps alpha. With a binding wedge they are
    lower, and alpha holds only if the test really stops there. Raises ValueError for a clock that does not end at 1,
    for looks out of order, and unless alpha and beta are above zero with alpha / 2 + beta < 1.

    >>> plan = two_sided([0.5, 1.0], alpha=0.05, beta=0.2)
    >>> plan.upper.round(2).tolist(), plan.inner.round(2).tolist()
    ([2.96, 1.97], [0.59, 1.97])
    >>> round(plan.drift_for(0.8), 3), round(plan.expected_information(0.0), 3)
    (2.886, 0.774)
    """
    clock, amounts = clocks(fractions, information)
    level_of(alpha)
    if clock[-1] < 1 or not 0 < beta < 1 - alpha / 2:
        raise ValueError("a design is planned to its end, a fraction of 1, with alpha / 2 + beta below 1")
    shares = np.diff(spending(clock, alpha / 2), prepend=0.0), np.diff(futility(clock, beta), prepend=0.0)

    def planned(drift: float) -> Wedge:
        return _spent(clock, amounts, *shares, drift, binding=binding)

    target = float(normal_quantile(1 - beta))
    near = (target + float(critical_z(alpha))) / float(np.sqrt(amounts[-1]))
    drift = root_of(lambda drift: _probit(planned(drift).power(drift)) - target, near, abs(near) / 20)
    return planned(drift)


def _spent(clock: Array, information: Array, outwards: Array, inwards: Array, drift: float, *, binding: bool) -> Wedge:
    """The bars that spend alpha on paths without a drift, and beta on those with it."""
    upper, inner = np.empty(clock.shape), np.empty(clock.shape)
    still: Paths | None = None
    moving: Paths | None = None
    for look, (flat, step) in enumerate(zip(steps(information), steps(information, drift), strict=True)):
        high = max(bar_of(still, flat, float(outwards[look])), 0.0)
        low = high if clock[look] >= 1 else _inner_bar(moving, step, float(inwards[look]), high)
        upper[look], inner[look] = high, low
        still = _outside(still, flat, low if binding else 0.0, high)
        moving = _outside(moving, step, low, high)
    return Wedge(information=information, upper=upper, inner=inner)


def _inner_bar(before: Paths | None, step: Step, spent: float, highest: float) -> float:
    """The inner bar under which exactly this probability ends, at most `highest`."""
    if spent <= 0:
        return 0.0
    if np.isfinite(highest) and _within(before, step, highest) <= spent:
        return highest
    return max(root_of(lambda bar: _within(before, step, bar) / spent - 1, 0.5, 0.5), 0.0)


def _within(before: Paths | None, step: Step, inner: float) -> float:
    """The probability that a path ends between the inner bars; odd in the bar, so that a root has two sides."""
    return tail(before, step, inner, below=True) - tail(before, step, -inner, below=True)


def _outside(before: Paths | None, step: Step, inner: float, upper: float) -> Paths | None:
    """The paths that go on: below the wedge and above it."""
    if inner == 0:
        return Paths.surviving(before, step, -upper, upper)
    below = Paths.surviving(before, step, -upper, -inner)
    above = Paths.surviving(before, step, inner, upper)
    if below is None or above is None:  # the wedge lies beyond the reach of every path
        return None
    return Paths(z=np.concatenate((below.z, above.z)), mass=np.concatenate((below.mass, above.mass)))


def _probit(probability: float) -> float:
    return float(normal_quantile(np.clip(probability, LEAST, MOST)))

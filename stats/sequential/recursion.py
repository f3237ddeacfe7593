"""The paths of a statistic from look to look: the recursion underneath every planned boundary.

Armitage, McPherson & Rowe (1969), JRSS A 132, as in Jennison & Turnbull (2000), chapter 19: the density of z among the
paths that have not crossed yet, carried from look to look. Seen upside down (`mirrored`), it serves lower bars too.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from stats.arrays import Array
from stats.distributions import normal_cdf, normal_quantile

REACH = 9.0  # standard deviations beyond which a path is not followed (probability 1e-19)
LEAST_SPENT = 1e-14  # below this the recursion is all rounding; a simple upper limit of the boundary serves
SMALLEST_STEP = 1e-3  # growth of information taken for a look that adds less; errs on the safe side
PANEL_WIDTH = 3.0  # of a panel of the integration, in standard deviations of a step
PANEL_POINTS = 10
BAR_PRECISION = 1e-11
ROOT_TWO_PI = float(np.sqrt(2 * np.pi))
SMALLEST_TAIL = 1e-200  # below this a tail has too few digits to draw a tangent


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """From one look to the next: z becomes keep * z + shift + noise * (a standard normal)."""

    keep: float
    shift: float
    noise: float
    mean: float  # of z at this look, had nobody stopped
    next_noise: float

    def mirrored(self) -> Self:
        """The same step for -z."""
        return replace(self, shift=-self.shift, mean=-self.mean)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The paths that have crossed no bar so far: values of z, and the probability each stands for.

    None instead of it means all paths: no bar was within reach so far.
    """

    z: Array
    mass: Array

    @classmethod
    def surviving(cls, before: Self | None, step: Step, lower: float, upper: float) -> Self | None:
        """Those of `before` that stay between the bars at this look."""
        from_low, from_high = _reach(before, step)
        if before is None and lower <= from_low and from_high <= upper:
            return None
        low, high = max(lower, from_low), min(upper, from_high)
        z, weights = _nodes(low, max(high, low), min(step.noise, step.next_noise))
        return cls(z=z, mass=weights * _density(before, step, z))

    def mirrored(self) -> Self:
        """The same paths for -z."""
        return type(self)(z=-self.z[::-1], mass=self.mass[::-1])


def steps(information: Array, drift: float = 0.0) -> Iterator[Step]:
    """The step to each look. A look that hardly adds information is taken to add a little, so that it resolves."""
    growth = np.maximum(information[1:] / information[:-1], 1 + SMALLEST_STEP)
    keep = np.concatenate(([0.0], 1 / np.sqrt(growth)))
    noise = np.sqrt(1 - keep**2)
    mean = drift * np.sqrt(information)
    shift = mean - keep * np.concatenate(([0.0], mean[:-1]))
    for k in range(information.size):
        ahead = noise[k + 1] / keep[k + 1] if k + 1 < information.size else np.inf
        yield Step(keep=keep[k], shift=shift[k], noise=noise[k], mean=mean[k], next_noise=ahead)


def _nodes(low: float, high: float, scale: float) -> tuple[Array, Array]:
    """Points and weights of a composite Gauss-Legendre rule whose panels resolve a density of this scale."""
    panels = max(1, int(np.ceil((high - low) / (PANEL_WIDTH * scale))))
    half = (high - low) / (2 * panels)
    middles = low + half * (2 * np.arange(panels) + 1)
    points = np.add.outer(middles, half * _PANEL[0])
    return points.ravel(), np.multiply.outer(np.full(panels, half), _PANEL[1]).ravel()


_PANEL = np.polynomial.legendre.leggauss(PANEL_POINTS)


def _reach(before: Paths | None, step: Step) -> tuple[float, float]:
    """The values of z that a path may have at this look."""
    if before is None:
        return step.mean - REACH, step.mean + REACH
    low, high = step.shift + step.keep * before.z[[0, -1]]
    return low - REACH * step.noise, high + REACH * step.noise


def _density(before: Paths | None, step: Step, z: Array) -> Array:
    if before is None:
        return _normal_density(z - step.mean)
    apart = np.subtract.outer((z - step.shift) / step.noise, step.keep / step.noise * before.z)
    return _normal_density(apart) @ before.mass / step.noise


def tail(before: Paths | None, step: Step, bar: float, *, below: bool = False) -> float:
    """The probability that a path ends above the bar (or below it)."""
    sign = 1.0 if below else -1.0
    if before is None:
        return float(normal_cdf(sign * (bar - step.mean)))
    apart = (bar - step.shift - step.keep * before.z) / step.noise
    return float(before.mass @ normal_cdf(sign * apart))


def bar_of(before: Paths | None, step: Step, spent: float) -> float:
    """The bar that exactly this probability crosses upwards at this look."""
    if spent <= 0:
        return np.inf
    low, high = _reach(before, step)[0], step.mean - float(normal_quantile(spent))  # the bar, were all paths alive
    bar = high
    if before is None or spent < LEAST_SPENT:
        return bar
    for _ in range(100):
        above = tail(before, step, bar)
        low, high = (bar, high) if above > spent else (low, bar)
        better = _newton(before, step, bar, above, spent)
        if abs(better - bar) < BAR_PRECISION or high - low < BAR_PRECISION:
            break
        bar = better if low < better < high else (low + high) / 2
    return bar


def lower_bar_of(before: Paths | None, step: Step, spent: float) -> float:
    """The bar that exactly this probability crosses downwards at this look."""
    return -bar_of(before.mirrored() if before else None, step.mirrored(), spent)


def first_crossings(lower: Array, upper: Array, information: Array, drift: float) -> Array:
    """The probability of leaving the bars first at each look: row 0 upwards, row 1 downwards."""
    crossed = np.empty((2, upper.size))
    paths: Paths | None = None
    for look, (low, high, step) in enumerate(zip(lower, upper, steps(information, drift), strict=True)):
        crossed[:, look] = tail(paths, step, high), tail(paths, step, low, below=True)
        paths = Paths.surviving(paths, step, low, high)
    return crossed


def _newton(before: Paths, step: Step, bar: float, tail: float, spent: float) -> float:
    """A better bar by Newton's rule, on the scale of z, where the tail is nearly a straight line; NaN out there."""
    if tail < SMALLEST_TAIL:
        return np.nan
    z, wanted = normal_quantile(np.array(((tail,), (spent,))))
    slope = _density(before, step, np.array((bar,))) / _normal_density(z)
    return float((bar + (z - wanted) / slope).item())


def _normal_density(z: Array) -> Array:
    density = z * z  # all in one piece of memory: most of the recursion's time is spent here
    density *= -0.5
    np.exp(density, out=density)
    density /= ROOT_TWO_PI
    return density

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
MOST_MOVED = 16.0  # by a drift, so that its likelihoods are floats
SMALLEST_TAIL = 1e-200  # below this a tail has too few digits to draw a tangent


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """From one look to the next: z becomes keep * z + shift + noise * (a standard normal)."""

    keep: float
    shift: float
    noise: float
    mean: float  # of z at this look, had nobody stopped
    next_noise: float
    further_shift: float = 0.0  # by how much other drifts, whose paths are followed too, move the shift and the mean
    further_mean: float = 0.0

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


def steps(information: Array, drift: float = 0.0, *, further: float = 0.0) -> Iterator[Step]:
    """The step to each look. A look that hardly adds information is taken to add a little, so that it resolves.

    Paths of drifts up to `further` away are followed too.
    """
    growth = np.maximum(information[1:] / information[:-1], 1 + SMALLEST_STEP)
    keep = np.concatenate(([0.0], 1 / np.sqrt(growth)))
    noise = np.sqrt(1 - keep**2)
    root = np.sqrt(information)
    moved = root - keep * np.concatenate(([0.0], root[:-1]))
    for k in range(information.size):
        ahead = noise[k + 1] / keep[k + 1] if k + 1 < information.size else np.inf
        yield Step(
            keep=keep[k],
            shift=drift * moved[k],
            noise=noise[k],
            mean=drift * root[k],
            next_noise=ahead,
            further_shift=further * moved[k],
            further_mean=further * root[k],
        )


def _nodes(low: float, high: float, scale: float) -> tuple[Array, Array]:
    """Points and weights of a composite Gauss-Legendre rule whose panels resolve a density of this scale."""
    panels = max(1, int(np.ceil((high - low) / (PANEL_WIDTH * scale))))
    half = (high - low) / (2 * panels)
    middles = low + half * (2 * np.arange(panels) + 1)
    points = (middles[:, np.newaxis] + half * _PANEL[0]).ravel()
    return points, np.tile(half * _PANEL[1], panels)


_PANEL = np.polynomial.legendre.leggauss(PANEL_POINTS)


def _reach(before: Paths | None, step: Step) -> tuple[float, float]:
    """The values of z that a path may have at this look."""
    if before is None:
        reach = REACH + step.further_mean
        return step.mean - reach, step.mean + reach
    low, high = step.shift + step.keep * before.z[[0, -1]]
    reach = REACH * step.noise + step.further_shift
    return low - reach, high + reach


def _density(before: Paths | None, step: Step, z: Array) -> Array:
    if before is None:
        return _normal_density(z - step.mean)
    apart = ((z - step.shift) / step.noise)[:, np.newaxis] - step.keep / step.noise * before.z
    # In place: each pass over this table is most of what a boundary costs.
    np.exp(np.multiply(np.square(apart, out=apart), -0.5, out=apart), out=apart)
    return np.asarray(apart @ before.mass / (ROOT_TWO_PI * step.noise))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossings:
    """What `first_crossings` gives in all, for any drift from one recursion.

    Under a drift a path that is at z with information I is exp(drift z sqrt(I) - drift^2 I / 2) times as likely as
    without (Jennison & Turnbull 2000, section 19.2), and so are the paths that go on from there. An entry for each
    value of z that paths go on from to a look, of all looks.
    """

    z: Array
    root: Array  # of the information there
    mass: Array  # without a drift
    moved: Array  # by how much a drift of one moves z on the way to the look, in standard deviations of the step
    lower: Array  # how far z has to move to the bars of the look, in the same
    upper: Array
    furthest: float

    @classmethod
    def of(cls, lower: Array, upper: Array, information: Array, furthest: float) -> Self | None:
        """Follow the paths once, so widely that drifts up to `furthest` are seen.

        None where a look before the last hardly adds information: taken to add a little, it has no such likelihoods;
        nor have drifts that move z at the last look by more than MOST_MOVED.
        """
        hardly_grows = np.any(information[1:-1] < information[:-2] * (1 + SMALLEST_STEP))
        if hardly_grows or furthest * np.sqrt(information[-1]) > MOST_MOVED:
            return None
        paths: Paths | None = None
        roots, found = np.sqrt(information), []
        for look, (low, high, step) in enumerate(zip(lower, upper, steps(information, further=furthest), strict=True)):
            # All paths are as if they came from z = 0 before any information.
            came = Paths(z=np.zeros(1), mass=np.ones(1)) if paths is None else paths
            keep, noise, root = (0.0, 1.0, 0.0) if paths is None else (step.keep, step.noise, roots[look - 1])
            part = (root, (roots[look] - keep * root) / noise), (low - keep * came.z, high - keep * came.z)
            found.append(
                (came.z, came.mass, *(np.full(came.z.shape, x) for x in part[0]), *(x / noise for x in part[1]))
            )
            paths = Paths.surviving(paths, step, low, high) if look + 1 < upper.size else None
        z, mass, root, moved, below, above = map(np.concatenate, zip(*found, strict=True))
        return cls(z=z, mass=mass, root=root, moved=moved, lower=below, upper=above, furthest=furthest)

    def tails(self, drift: float) -> tuple[float, float]:
        """The probabilities of leaving upwards and downwards, for a drift of at most `furthest` either way."""
        at = drift * self.root
        mass = self.mass * np.exp(at * (self.z - at / 2))
        above, below = normal_cdf(drift * self.moved - self.upper), normal_cdf(self.lower - drift * self.moved)
        return float(mass @ above), float(mass @ below)


def _newton(before: Paths, step: Step, bar: float, tail: float, spent: float) -> float:
    """A better bar by Newton's rule, on the scale of z, where the tail is nearly a straight line; NaN out there."""
    if tail < SMALLEST_TAIL:
        return np.nan
    z, wanted = normal_quantile(np.array((tail, spent)))
    slope = _density(before, step, np.array((bar,)))[0] / _normal_density(z)
    return float(bar + (z - wanted) / slope)


def _normal_density(z: Array) -> Array:
    return np.asarray(np.exp(-(z**2) / 2) / ROOT_TWO_PI)

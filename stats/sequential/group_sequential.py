"""Planned looks: how high the bar stands at each, so that all together err no more often than one look would.

Lan & DeMets (1983), Biometrika 70: a spending function says how much of alpha may be used up by which share of the
experiment, whatever the number and the timing of the looks. Boundaries are two-sided and symmetric; each side spends
alpha / 2. They come from the recursion of Armitage, McPherson & Rowe (1969), JRSS A 132, as in Jennison & Turnbull
(2000), chapter 19: the density of the statistic among the paths that have not crossed yet, carried from look to look.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from stats.arrays import Array, Numbers, numbers
from stats.distributions import critical_z, level_of, normal_cdf, normal_quantile

Spending = Callable[[Numbers, float], Array]

REACH = 9.0  # standard deviations beyond which a path is not followed (probability 1e-19)
LEAST_SPENT = 1e-14  # below this the recursion is all rounding; a simple upper limit of the boundary serves
SMALLEST_STEP = 1e-3  # growth of information taken for a look that adds less; errs on the safe side
PANEL_WIDTH = 3.0  # of a panel of the integration, in standard deviations of a step
PANEL_POINTS = 10
BAR_PRECISION = 1e-11
ROOT_TWO_PI = float(np.sqrt(2 * np.pi))
SMALLEST_TAIL = 1e-200  # below this a tail has too few digits to draw a tangent


def obrien_fleming(t: Numbers, alpha: float) -> Array:
    """One-sided alpha spent by the share t, in the manner of O'Brien & Fleming: hardly anything early."""
    used = np.clip(numbers(t), 0.0, 1.0)
    root = np.sqrt(np.where(used > 0, used, np.nan))
    return np.where(used > 0, 2 * normal_cdf(-critical_z(alpha) / root), 0.0)


def pocock(t: Numbers, alpha: float) -> Array:
    """One-sided alpha spent by the share t, in the manner of Pocock (1977): about the same bar at every look."""
    return alpha * np.log1p((np.e - 1) * np.clip(numbers(t), 0.0, 1.0))


def boundaries(
    fractions: Numbers, *, alpha: float, information: Numbers | None = None, spending: Spending = obrien_fleming
) -> Array:
    """The bar for |z| at each look: infinite where nothing may be spent.

    `fractions` are the shares of the experiment passed by each look (the clock that spends; at 1 all of alpha is
    spent). `information` is one over the variance of the difference at each look, in any unit, and sets how closely
    the looks are tied; by default the fractions. Raises ValueError unless both grow and start above zero.
    """
    clock = _growing(fractions, "fractions")
    amounts = clock if information is None else _growing(information, "information")
    if amounts.shape != clock.shape:
        raise ValueError("information is given for each look")
    level_of(alpha)
    spent = np.diff(spending(clock, alpha / 2), prepend=0.0)
    bars = np.empty(clock.shape)
    paths: _Paths | None = None
    for look, (step, share) in enumerate(zip(_steps(amounts), spent, strict=True)):
        bars[look] = _bar(paths, step, float(share))
        paths = _Paths.surviving(paths, step, -bars[look], bars[look])
    return bars


def crossing_probability(boundaries: Numbers, information: Numbers, drift: float) -> Array:
    """The probability of crossing first at each look: row 0 upwards, row 1 downwards.

    Upwards in all is the power to find a positive drift; both in all is the probability of stopping.

    `drift` is the true difference: z has the mean drift * sqrt(information). With information counted in shares of
    the planned, it is the mean of z at the planned end.
    """
    bars, amounts = numbers(boundaries), _growing(information, "information")
    crossed = np.empty((2, bars.size))
    paths: _Paths | None = None
    for look, (bar, step) in enumerate(zip(bars, _steps(amounts, drift), strict=True)):
        crossed[:, look] = _tail(paths, step, bar), _tail(paths, step, -bar, below=True)
        paths = _Paths.surviving(paths, step, -bar, bar)
    return crossed


def inflation(looks: int, *, alpha: float, power: float, spending: Spending = obrien_fleming) -> float:
    """How many times the units of a test with one look, for the same power with equally spaced looks.

    For the boundaries of the spending function; the classical ones of Pocock and O'Brien & Fleming differ slightly
    (Jennison & Turnbull 2000, tables 2.2 and 2.4).
    """
    information = np.arange(1, looks + 1) / looks
    bars = boundaries(information, alpha=alpha, spending=spending)
    target = float(normal_quantile(power))
    fixed = critical_z(alpha) + target
    drift = fixed
    for _ in range(20):  # the z of the power is nearly a straight line in the drift, of slope one
        missing = target - float(normal_quantile(crossing_probability(bars, information, drift)[0].sum()))
        drift += missing
        if abs(missing) < 1e-10:
            break
    return (drift / fixed) ** 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """From one look to the next: z becomes keep * z + shift + noise * (a standard normal)."""

    keep: float
    shift: float
    noise: float
    mean: float  # of z at this look, had nobody stopped
    next_noise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paths:
    """The paths that have crossed no bar so far: values of z, and the probability each stands for.

    None instead of it means all paths: no bar was within reach so far.
    """

    z: Array
    mass: Array

    @classmethod
    def surviving(cls, before: Self | None, step: _Step, lower: float, upper: float) -> Self | None:
        """Those of `before` that stay between the bars at this look."""
        from_low, from_high = _reach(before, step)
        if before is None and lower <= from_low and from_high <= upper:
            return None
        low, high = max(lower, from_low), min(upper, from_high)
        z, weights = _nodes(low, max(high, low), min(step.noise, step.next_noise))
        return cls(z=z, mass=weights * _density(before, step, z))


def _steps(information: Array, drift: float = 0.0) -> Iterator[_Step]:
    """The step to each look. A look that hardly adds information is taken to add a little, so that it resolves."""
    growth = np.maximum(information[1:] / information[:-1], 1 + SMALLEST_STEP)
    keep = np.concatenate(([0.0], 1 / np.sqrt(growth)))
    noise = np.sqrt(1 - keep**2)
    mean = drift * np.sqrt(information)
    shift = mean - keep * np.concatenate(([0.0], mean[:-1]))
    for k in range(information.size):
        ahead = noise[k + 1] / keep[k + 1] if k + 1 < information.size else np.inf
        yield _Step(keep=keep[k], shift=shift[k], noise=noise[k], mean=mean[k], next_noise=ahead)


def _nodes(low: float, high: float, scale: float) -> tuple[Array, Array]:
    """Points and weights of a composite Gauss-Legendre rule whose panels resolve a density of this scale."""
    panels = max(1, int(np.ceil((high - low) / (PANEL_WIDTH * scale))))
    half = (high - low) / (2 * panels)
    middles = low + half * (2 * np.arange(panels) + 1)
    points = (middles[:, np.newaxis] + half * _PANEL[0]).ravel()
    return points, np.tile(half * _PANEL[1], panels)


_PANEL = np.polynomial.legendre.leggauss(PANEL_POINTS)


def _reach(before: _Paths | None, step: _Step) -> tuple[float, float]:
    """The values of z that a path may have at this look."""
    if before is None:
        return step.mean - REACH, step.mean + REACH
    low, high = step.shift + step.keep * before.z[[0, -1]]
    return low - REACH * step.noise, high + REACH * step.noise


def _density(before: _Paths | None, step: _Step, z: Array) -> Array:
    if before is None:
        return _normal_density(z - step.mean)
    apart = (z[:, np.newaxis] - step.shift - step.keep * before.z) / step.noise
    return _normal_density(apart) @ before.mass / step.noise


def _tail(before: _Paths | None, step: _Step, bar: float, *, below: bool = False) -> float:
    """The probability that a path ends above the bar (or below it)."""
    sign = 1.0 if below else -1.0
    if before is None:
        return float(normal_cdf(sign * (bar - step.mean)))
    apart = (bar - step.shift - step.keep * before.z) / step.noise
    return float(before.mass @ normal_cdf(sign * apart))


def _bar(before: _Paths | None, step: _Step, spent: float) -> float:
    """The bar that exactly this probability crosses upwards at this look."""
    if spent <= 0:
        return np.inf
    low, high = 0.0, float(-normal_quantile(spent))  # were all paths alive, it would be the upper limit
    bar = high
    if before is None or spent < LEAST_SPENT:
        return bar
    for _ in range(100):
        tail = _tail(before, step, bar)
        low, high = (bar, high) if tail > spent else (low, bar)
        better = _newton(before, step, bar, tail, spent)
        if abs(better - bar) < BAR_PRECISION or high - low < BAR_PRECISION:
            break
        bar = better if low < better < high else (low + high) / 2
    return bar


def _newton(before: _Paths, step: _Step, bar: float, tail: float, spent: float) -> float:
    """A better bar by Newton's rule, on the scale of z, where the tail is nearly a straight line; NaN out there."""
    if tail < SMALLEST_TAIL:
        return np.nan
    z, wanted = normal_quantile(np.array((tail, spent)))
    slope = _density(before, step, np.array((bar,)))[0] / _normal_density(z)
    return float(bar + (z - wanted) / slope)


def _normal_density(z: Array) -> Array:
    return np.asarray(np.exp(-(z**2) / 2) / ROOT_TWO_PI)


def _growing(values: Numbers, name: str) -> Array:
    given = numbers(values)
    grows = given.ndim == 1 and given.size > 0 and given[0] > 0 and bool(np.all(np.diff(given) >= 0))
    if not (grows and np.isfinite(given[-1])):
        raise ValueError(f"{name} start above zero and grow from look to look")
    return given

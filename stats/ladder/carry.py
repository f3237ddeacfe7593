"""What a change of leading KPIs does to the KPI at the top, over all links between.

Effects are on the log scale, elasticities multiply along a path and add over paths (`stats.ladder.links`). A KPI that
the experiment measured itself is at what was measured, and takes nothing from the KPIs below it: it would count twice.

The error of a link is that of the model. It is the same however many units an experiment has and however many
experiments use the link, so it neither shrinks with n nor averages out over what is added up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, numbers
from stats.distributions import critical_z, level_of
from stats.ladder.elasticity import NotIdentified, Obstacle
from stats.ladder.links import Link, Pairs, Values, direct, ordered
from stats.results import Interval

DRAWS = 20_000
"""Enough for limits that are off by 1 % of a standard error or two."""
STEP = 1e-30
NORMAL = "Delta method, normal"
DISTRIBUTION = "Distribution of the products, Monte Carlo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change (an experiment, shipped or to be): its effects on KPIs of the ladder, on the log scale.

    `lifts` (k,) with the `covariance` (k, k) of their errors. Raises ValueError for a KPI named twice, numbers that are
    not finite, and a covariance that is none.
    """

    kpis: tuple[str, ...]
    lifts: Array
    covariance: Array

    def __post_init__(self) -> None:
        lifts, covariance, size = numbers(self.lifts), numbers(self.covariance), len(self.kpis)
        if not size or len(set(self.kpis)) < size or lifts.shape != (size,) or covariance.shape != (size, size):
            raise ValueError("a change has one effect on each of its KPIs, and a covariance of all")
        if not (np.isfinite(lifts).all() and np.isfinite(covariance).all()):
            raise ValueError("effects and their errors are finite numbers")
        if not np.allclose(covariance, covariance.T) or np.linalg.eigvalsh(covariance).min() < -1e-9 * covariance.max():
            raise ValueError("a covariance is symmetric and has no negative variance")
        object.__setattr__(self, "lifts", lifts)
        object.__setattr__(self, "covariance", covariance)

    @classmethod
    def of(cls, kpi: str, lift: float, standard_error: float) -> "Change":
        """A change of one KPI, on the log scale."""
        return cls(kpis=(kpi,), lifts=np.array([lift]), covariance=np.array([[standard_error**2]]))

    @classmethod
    def independent(cls, effects: Mapping[str, tuple[float, float]]) -> "Change":
        """Lift and standard error of several KPIs, as if their errors had nothing to do with each other."""
        lifts, errors = numbers(list(effects.values())).reshape(-1, 2).T
        return cls(kpis=tuple(effects), lifts=lifts, covariance=np.diag(np.square(errors)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """The effect at the top, on the log scale, with the error split into what more units mend and what they do not.

    `standard_error` is the delta method's, as if every error were normal; the interval is, where links have an error,
    the percentiles of the simulated products, which are skewed and have longer tails.
    """

    top: str
    effect: float  # log scale; exp(effect) - 1 is the lift
    standard_error: float
    standard_error_of_effects: float  # shrinks with the units of the experiments
    standard_error_of_links: float  # does not
    interval: Interval  # log scale
    method: str
    is_estimated: bool  # whether no link on the way is an assumption
    path: tuple[Link, ...]  # the links that lead from the change to the top

    @property
    def lift(self) -> float:
        """The relative change of the KPI at the top."""
        return float(np.expm1(self.effect))

    @property
    def lift_interval(self) -> Interval:
        """The interval of the lift."""
        lower, upper = np.expm1([self.interval.lower, self.interval.upper]).tolist()
        return Interval(lower=lower, upper=upper, level=self.interval.level)


def carry(
    changes: Sequence[Change], links: Sequence[Link], *, top: str, alpha: float, seed: int = 0, draws: int = DRAWS
) -> Carried | NotIdentified:
    """What the changes together do to the KPI at the top; they are taken not to help or hinder each other.

    Effects of different changes have independent errors. All changes use the same links, so the error of a link enters
    once, times all that goes over it. Not identified where no link leads from a change to the top.

    Where no link that matters has an error, the top is a weighted sum of effects and the interval is normal. Otherwise
    it is a sum of products, for which the normal is wrong (skew, long tails, most of all where factors are near zero):
    then the percentiles of `draws` simulated values, each effect normal, each estimated link t with its degrees of
    freedom and each assumed one a triangle's (MacKinnon, Lockwood & Williams 2004, Multivariate Behavioral Research
    39). The same seed gives the same interval. Raises ValueError without changes, for links that form a cycle or join
    the same KPIs twice, and unless 0 < alpha < 1.

    >>> from stats.ladder.elasticity import Elasticity, Source
    >>> link = Link(
    ...     leading="activation",
    ...     lagging="retention",
    ...     elasticity=Elasticity.of(0.5, 0.1, source=Source.EXPERIMENTS, alpha=0.05),
    ... )
    >>> found = carry([Change.of("activation", 0.10, 0.02)], [link], top="retention", alpha=0.05)
    >>> round(found.effect, 3), round(found.standard_error, 4), round(found.standard_error_of_links, 3)
    (0.05, 0.0141, 0.01)
    >>> round(found.interval.lower, 3), round(found.interval.upper, 3)
    (0.025, 0.081)
    """
    if not changes:
        raise ValueError("there is a change or more")
    level = float(level_of(alpha))
    at_top = _Top(changes=tuple(changes), links=tuple(links), order=ordered(links), name=top)
    if not at_top.is_reached:
        return NotIdentified(obstacle=Obstacle.NO_PATH)
    effects, slopes = at_top.given
    by_effect, by_slope = _gradients(at_top, effects, slopes)
    of_effects = float(np.sqrt(np.maximum(by_effect @ _block(changes) @ by_effect, 0.0)))
    errors = np.array([link.elasticity.standard_error for link in links])
    of_links = float(np.sqrt(np.square(by_slope * errors).sum()))
    effect, error = float(at_top(effects, slopes)), float(np.hypot(of_effects, of_links))
    path = _path(at_top, effects, slopes)
    half = float(critical_z(alpha)) * error
    is_product = any(link.elasticity.standard_error > 0 for link in path)
    return Carried(
        top=top,
        effect=effect,
        standard_error=error,
        standard_error_of_effects=of_effects,
        standard_error_of_links=of_links,
        interval=percentiles(_drawn(at_top, seed, draws), alpha)
        if is_product
        else Interval(lower=effect - half, upper=effect + half, level=level),
        method=DISTRIBUTION if is_product else NORMAL,
        is_estimated=all(link.elasticity.is_estimated for link in path),
        path=path,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Top:
    """The effect at the top as a function of what the changes did (..., effects) and of the links (..., links)."""

    changes: tuple[Change, ...]
    links: tuple[Link, ...]
    order: tuple[str, ...]
    name: str

    def __call__(self, effects: Values, slopes: Values) -> Values:
        acting, done = direct(self.links, slopes), 0
        parts = []
        for change in self.changes:
            lifts = {kpi: effects[..., done + i] for i, kpi in enumerate(change.kpis)}
            parts.append(self._of(lifts, acting))
            done += len(change.kpis)
        return np.asarray(sum(parts))

    def _of(self, lifts: dict[str, Values], acting: Pairs) -> Values:
        """One change: upwards from what was measured; what was measured takes nothing from below."""
        at = dict(lifts)
        for lagging in self.order:
            if lagging not in lifts:
                moved = [acting[pair] * at[pair[1]] for pair in acting if pair[0] == lagging and pair[1] in at]
                at |= {lagging: sum(moved[1:], start=moved[0])} if moved else {}
        return at.get(self.name, np.zeros(()))

    @property
    def is_reached(self) -> bool:
        """Whether links lead to the top from every change."""
        reaching = {self.name}
        for kpi in reversed(self.order):
            if any(link.leading == kpi and link.lagging in reaching for link in self.links):
                reaching.add(kpi)
        return all(reaching.intersection(change.kpis) for change in self.changes)

    @property
    def given(self) -> tuple[Array, Array]:
        """The effects and the elasticities as estimated."""
        effects = np.concatenate([change.lifts for change in self.changes])
        return effects, np.array([link.elasticity.estimate for link in self.links])


def _gradients(at_top: _Top, effects: Array, slopes: Array) -> tuple[Array, Array]:
    """By complex steps, which lose no digits (Squire & Trapp 1998, SIAM Review 40)."""
    by_effect = at_top(effects + 1j * STEP * np.eye(effects.size), slopes.astype(complex))
    by_slope = at_top(effects.astype(complex), slopes + 1j * STEP * np.eye(slopes.size))
    shapes = ((by_effect, effects.size), (by_slope, slopes.size))
    first, second = (np.broadcast_to(np.imag(step), (size,)) / STEP for step, size in shapes)
    return first, second


def _path(at_top: _Top, effects: Array, slopes: Array) -> tuple[Link, ...]:
    """The links on which the effect at the top depends, whatever the effects below are."""
    _, by_slope = _gradients(at_top, np.ones_like(effects), slopes)
    least = 1e-12 * float(np.abs(by_slope).max(initial=0.0))
    return tuple(link for link, share in zip(at_top.links, by_slope, strict=True) if abs(share) > least)


def _block(changes: Sequence[Change]) -> Array:
    """The covariance of all effects: that of each change, and nothing between changes."""
    size = sum(len(change.kpis) for change in changes)
    whole, done = np.zeros((size, size)), 0
    for change in changes:
        end = done + len(change.kpis)
        whole[done:end, done:end], done = change.covariance, end
    return whole


def simulated(
    changes: Sequence[Change], links: Sequence[Link], *, top: str, seed: int = 0, draws: int = DRAWS
) -> Array:
    """What the effect at the top may be (draws,), on the log scale; see `carry`, whose errors it raises.

    >>> values = simulated([Change.of("revenue", 0.10, 0.02)], [], top="revenue")
    >>> values.shape, values.mean().round(3).item(), values.std().round(3).item()
    ((20000,), 0.1, 0.02)
    """
    at_top = _Top(changes=tuple(changes), links=tuple(links), order=ordered(links), name=top)
    return _drawn(at_top, seed, draws)


def _drawn(at_top: _Top, seed: int, draws: int) -> Array:
    generator = np.random.default_rng(seed)
    effects = [generator.multivariate_normal(one.lifts, one.covariance, draws) for one in at_top.changes]
    slopes = [link.elasticity.drawn(generator, draws) for link in at_top.links]
    values = at_top(np.concatenate(effects, axis=-1), np.stack(slopes, axis=-1) if slopes else np.zeros((draws, 0)))
    return np.asarray(np.broadcast_to(values, (draws,)))


def percentiles(values: Array, alpha: float) -> Interval:
    """The middle 1 - alpha of simulated values. Raises ValueError unless 0 < alpha < 1.

    >>> percentiles(np.arange(101.0), 0.1)
    Interval(lower=5.0, upper=95.0, level=0.9)
    """
    lower, upper = np.quantile(values, [alpha / 2, 1 - alpha / 2]).tolist()
    return Interval(lower=lower, upper=upper, level=float(level_of(alpha)))

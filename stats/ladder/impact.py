"""What shipped changes are worth: less the winner's curse, times who gets them, added up at the KPI at the top.

Three steps. `shrunk` corrects effects that were shipped because they looked good. `covered` turns the effect on those
who get the change into that on everybody, and `mixed` the effects on segments into that on another mix of them.
`cumulated` carries all to the top, where log effects add, so lifts multiply.

What is added up is taken not to interact: two changes of one page may do less together than each alone. An interaction
that was measured (`stats.interaction`) enters as one more change of the same KPI.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Mask, Numbers, numbers
from stats.distributions import critical_z, level_of
from stats.ladder import carry
from stats.ladder.carry import Carried, Change
from stats.ladder.elasticity import NotIdentified
from stats.ladder.links import Link
from stats.results import Interval
from stats.shrinkage import empirical_prior, given_significance

FEWEST_FOR_PRIOR = 8
"""Experiments, the dull ones included, from which the others can say how large effects usually are."""
EMPIRICAL_BAYES = "Empirical Bayes, all experiments"
CONDITIONAL = "Conditional likelihood, given significance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """Effects of all experiments less the winner's curse, in their order; `method` says how."""

    lift: Array
    standard_error: Array
    lower: Array
    upper: Array
    level: float
    method: str


def shrunk(lifts: Numbers, errors: Numbers, *, alpha: float, bar: float | None = None) -> Shrunk:
    """Effects of all experiments on one KPI (k,), of which some were shipped for looking good.

    From 8 experiments on each is pulled towards their mean, the more the less is known of it; the error counts that
    mean and spread are estimated as well (Morris 1983, JASA 78, with the spread by REML: `shrinkage.empirical_prior`).
    That holds whatever was shipped because of these numbers, as long as those that were not are among them. With fewer,
    those whose |z| reached `bar` (None: that of alpha) are corrected for having done so, and the others left as they
    are, as nothing selected them (`shrinkage.given_significance`; limits are its own, the error is their width over
    that of a normal). Raises ValueError for an error of zero or below and what is not finite, and unless 0 < alpha < 1.

    >>> seen = [0.08, 0.01, -0.02, 0.03, 0.00, 0.05, -0.01, 0.02]
    >>> found = shrunk(seen, [0.02] * 8, alpha=0.05)
    >>> found.lift.round(3).tolist(), found.standard_error[0].round(3).item()
    ([0.064, 0.013, -0.009, 0.027, 0.005, 0.042, -0.002, 0.02], 0.02)
    >>> shrunk([0.05, 0.01], 0.02, alpha=0.05).lift.round(3).tolist()
    [0.023, 0.01]
    """
    lift, error = np.broadcast_arrays(numbers(lifts), numbers(errors))
    if lift.ndim != 1 or not np.isfinite(np.stack((lift, error))).all() or np.any(error <= 0):
        raise ValueError("effects are a row of finite numbers, with standard errors above zero")
    z = float(critical_z(alpha))
    if lift.size < FEWEST_FOR_PRIOR:
        return _conditional(lift, error, z if bar is None else bar, alpha, z)
    mean, variance = _morris(lift, np.square(error))
    half = z * np.sqrt(variance)
    return _shrunk(mean, np.sqrt(variance), mean - half, mean + half, alpha, EMPIRICAL_BAYES)


def _morris(lift: Array, variance: Array) -> tuple[Array, Array]:
    """Morris (1983): means, and variances that count what was estimated of mean and spread."""
    prior, k = empirical_prior(lift, variance), lift.size
    middle, spread = numbers(prior.mean), numbers(prior.variance)
    total = variance + spread
    weights = 1 / total
    pull = (k - 3) / (k - 1) * variance / total
    apart = lift - middle
    usual = (weights * variance).sum() / weights.sum()
    of_spread = 2 / (k - 3) * np.square(pull) * (usual + spread) / total
    left = variance * (1 - (1 - weights / weights.sum()) * pull) + of_spread * np.square(apart)
    return lift - pull * apart, left


def _conditional(lift: Array, error: Array, bar: float, alpha: float, z: float) -> Shrunk:
    found = given_significance(lift, np.square(error), bar=bar, alpha=alpha)
    chosen: Mask = found.selected
    lower, upper = (
        np.where(chosen, limit, lift + way * z * error) for limit, way in ((found.lower, -1), (found.upper, 1))
    )
    return _shrunk(np.where(chosen, found.estimate, lift), (upper - lower) / (2 * z), lower, upper, alpha, CONDITIONAL)


def _shrunk(lift: Array, error: Array, lower: Array, upper: Array, alpha: float, method: str) -> Shrunk:
    return Shrunk(
        lift=lift, standard_error=error, lower=lower, upper=upper, level=float(level_of(alpha)), method=method
    )


def covered(change: Change, coverage: float, *, relative_level: float = 1.0) -> Change:
    """The change of everybody, where this share of the units gets it: log(1 + coverage (lift)), by the delta method.

    `relative_level`: the level of those who get it over that of everybody, 1 where they are like the others. Raises
    ValueError unless 0 <= coverage <= 1 and the relative level is above zero.

    >>> found = covered(Change.of("activation", 0.10, 0.02), 0.5)
    >>> round(found.lifts.item(), 4), round(found.covariance.item() ** 0.5, 4)
    (0.0512, 0.0105)
    """
    if not 0 <= coverage <= 1 or not relative_level > 0:
        raise ValueError("a coverage lies between 0 and 1, and a relative level above 0")
    share = coverage * relative_level
    slope = share * np.exp(change.lifts) / (1 + share * np.expm1(change.lifts))
    return Change(
        kpis=change.kpis,
        lifts=np.log1p(share * np.expm1(change.lifts)),
        covariance=change.covariance * np.outer(slope, slope),
    )


def mixed(kpi: str, lifts: Numbers, errors: Numbers, *, shares: Numbers, levels: Numbers = 1.0) -> Change:
    """The change of a mix of segments: their effects (s,), weighted by their shares of the units times their levels.

    What would be in another mix, if each segment keeps its effect. Shares and levels are taken as known, and the
    segments' errors as independent. Raises ValueError unless shares are not negative, add up to 1, and levels above 0.

    >>> found = mixed("activation", [0.10, 0.00], 0.02, shares=[0.25, 0.75], levels=[0.6, 0.2])
    >>> round(found.lifts.item(), 4), round(found.covariance.item() ** 0.5, 4)
    (0.0512, 0.0142)
    """
    lift, error, share, level = np.broadcast_arrays(*map(numbers, (lifts, errors, shares, levels)))
    if np.any(share < 0) or abs(float(share.sum()) - 1) > 1e-9 or np.any(level <= 0):
        raise ValueError("shares are not negative and add up to 1, and levels are above 0")
    weights = share * level / (share * level).sum()
    parts = weights * np.exp(lift)
    slopes = parts / parts.sum()
    return Change.of(kpi, float(np.log(parts.sum())), float(np.sqrt(np.square(slopes * error).sum())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """A change that was shipped or might be: its effects, which share of the units gets it, what it costs for each.

    Effects on the log scale, already less the winner's curse. `cost` in the units of the KPI at the top, for each unit
    that gets the change, 0 where it costs nothing to serve.
    """

    change: Change
    coverage: float = 1.0
    relative_level: float = 1.0
    cost: float = 0.0

    @property
    def on_everybody(self) -> Change:
        """The change of everybody."""
        return covered(self.change, self.coverage, relative_level=self.relative_level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """All shipped changes together at the top, and each by itself, in their order.

    The error of the whole is more than that of independent parts: what the links get wrong, they get wrong for all.
    """

    together: Carried | NotIdentified
    each: tuple[Carried | NotIdentified, ...]


def cumulated(shipped: Sequence[Shipped], links: Sequence[Link], *, top: str, alpha: float, seed: int = 0) -> Impact:
    """What all of them do to the top; see `carry.carry`, whose errors it raises.

    >>> from stats.ladder.elasticity import assumed
    >>> link = Link(leading="activation", lagging="retention", elasticity=assumed(0.3, 0.5, 0.7, alpha=0.05))
    >>> changes = [Shipped(change=Change.of("activation", lift, 0.02), coverage=0.5) for lift in (0.10, 0.06)]
    >>> found = cumulated(changes, [link], top="retention", alpha=0.05)
    >>> round(found.together.effect, 4), [round(part.effect, 4) for part in found.each]
    (0.0408, [0.0256, 0.0152])
    >>> round(found.together.standard_error_of_links, 4)
    0.0067
    """
    changes = [one.on_everybody for one in shipped]
    return Impact(
        together=carry.carry(changes, links, top=top, alpha=alpha, seed=seed),
        each=tuple(carry.carry([change], links, top=top, alpha=alpha, seed=seed) for change in changes),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What shipped changes bring in the units of the KPI at the top (money, say), less what they cost to serve."""

    gain: float
    cost: float
    interval: Interval  # of gain - cost

    @property
    def net(self) -> float:
        """What is left of the gain."""
        return self.gain - self.cost


def worth(
    shipped: Sequence[Shipped],
    links: Sequence[Link],
    *,
    top: str,
    level: float,
    level_error: float,
    units: float,
    alpha: float,
    seed: int = 0,
) -> Worth | NotIdentified:
    """The lift at the top times its level for each unit and the units, less the cost of those who get the changes.

    `level` is the KPI at the top without the changes, for each unit, with its standard error. Costs and units are taken
    as known. The interval: percentiles of simulated values. Not identified as `carry.carry`, whose errors it raises.
    Raises ValueError for negative units and a negative error.

    >>> change = Shipped(change=Change.of("revenue", 0.02, 0.01), coverage=0.5, cost=0.10)
    >>> found = worth([change], [], top="revenue", level=40.0, level_error=0.5, units=10_000, alpha=0.05)
    >>> round(found.gain), round(found.cost), round(found.net)
    (4040, 500, 3540)
    """
    if units < 0 or level_error < 0:
        raise ValueError("units and errors are never negative")
    changes = [one.on_everybody for one in shipped]
    carried = carry.carry(changes, links, top=top, alpha=alpha, seed=seed)
    if isinstance(carried, NotIdentified):
        return carried
    cost = units * sum(one.coverage * one.cost for one in shipped)
    effects = carry.simulated(changes, links, top=top, seed=seed)
    levels = level + level_error * np.random.default_rng([seed, 1]).standard_normal(effects.size)
    return Worth(
        gain=units * level * carried.lift,
        cost=cost,
        interval=carry.percentiles(units * levels * np.expm1(effects) - cost, alpha),
    )

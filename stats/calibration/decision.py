"""How long until a decision: each rule against the test with one look, at three sizes of experiment.

The difference of two arms of equal size is drawn as what it becomes with many units: a Brownian motion in information,
its increments normal and independent. One unit has variance 1, known, and the difference hoped for is the one that the
test with one look finds with power 0.80 at its horizon. The rules are those that are shipped, at a hundred looks for
each horizon of the fixed test, and they go on until the power is 0.80 or the paths end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from stats.arrays import Array, Mask
from stats.calibration.families import PEERS_UNITS
from stats.calibration.rates import Rate, beyond, blocks
from stats.distributions import critical_z, normal_quantile
from stats.sequential import confidence_sequence, group_sequential

POWER = 0.80
LOOKS = 100
"""Looks up to the horizon of the fixed test; later ones follow at the same distance."""
REACH = 4
"""Horizons of the fixed test after which the paths end."""
SIZES = (1_000, 10_000, 100_000)
"""Units of both arms that the fixed test needs."""
AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What an experiment is planned for: alpha, and the units of both arms that the fixed test needs."""

    alpha: float
    units: int

    @property
    def effect(self) -> float:
        """The difference that the fixed test finds with the power planned for; a unit has variance 1."""
        return (float(critical_z(self.alpha)) + float(normal_quantile(POWER))) * float(np.sqrt(4 / self.units))

    def drift(self, looks: Array, stretch: float) -> Array:
        """The mean of z at these looks with the effect, where each is `stretch` times as far as usual."""
        return np.asarray(self.effect * np.sqrt(self.n(looks) * stretch / 4))

    def n(self, looks: Array) -> Array:
        """Units of both arms at these looks, counted from 1."""
        return np.asarray(self.units * looks / LOOKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The bar for |z| at every look up to the reach (L,), for an aim; infinite where nothing is decided.

    A planned rule ends at its hundredth look, and its looks are farther apart by `stretch`; the others just go on.
    """

    name: str
    bars: Callable[[Aim, Array], Array]
    is_promised: bool
    is_planned: bool = False
    stretch: Callable[[Aim], float] = lambda _: 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """One rule at one size. False positives and power up to the fixed test's horizon, or the planned one.

    `horizon` and `mean_end`, with the effect, are in units of both arms; None if the reach was too short for the power.
    """

    units: int
    rule: str
    false_positives: Rate
    power: Rate
    horizon: float | None
    mean_end: float | None
    most_false_positives: float | None

    @property
    def failures(self) -> tuple[str, ...]:
        """The promises that were broken."""
        most = self.most_false_positives
        return ("false positives",) if most is not None and self.false_positives.value > most else ()


def _fixed(aim: Aim, looks: Array) -> Array:
    return np.where(looks == LOOKS, critical_z(aim.alpha), np.inf)


def _planned(aim: Aim, looks: Array) -> Array:
    """As many looks as up to the fixed test's horizon, a little farther apart: `inflation` says how much."""
    bars = group_sequential.boundaries(looks[:LOOKS] / LOOKS, alpha=aim.alpha)
    return np.concatenate((bars, np.full(looks.size - LOOKS, np.inf)))


@cache
def _inflation(alpha: float) -> float:
    return group_sequential.inflation(LOOKS, alpha=alpha, power=POWER)


def _kernel(aim: Aim, looks: Array, tau2: Array | float) -> Array:
    variance = 4 / aim.n(looks)
    return confidence_sequence.half_width(variance, tau2=tau2, alpha=aim.alpha) / np.sqrt(variance)


def _always_valid(aim: Aim, looks: Array) -> Array:
    return _kernel(aim, looks, float(confidence_sequence.mixture_variance(4 / aim.units, aim.alpha)))


def _constant(aim: Aim, looks: Array) -> Array:
    n = aim.n(looks)
    return _kernel(aim, looks, confidence_sequence.asymptotic(4 / n, n, planned_n=PEERS_UNITS, alpha=aim.alpha))


def _mixture_sprt(aim: Aim, looks: Array) -> Array:
    return _kernel(aim, looks, float(confidence_sequence.mixture_sprt(aim.effect)))


def _peeking(aim: Aim, looks: Array) -> Array:
    return np.full(looks.shape, critical_z(aim.alpha))


RULES: tuple[Rule, ...] = (
    Rule(name="Fixed", bars=_fixed, is_promised=True, is_planned=True),
    Rule(
        name="Group sequential",
        bars=_planned,
        is_promised=True,
        is_planned=True,
        stretch=lambda aim: _inflation(aim.alpha),
    ),
    Rule(name="Always valid", bars=_always_valid, is_promised=True),
    Rule(name=f"Constant {PEERS_UNITS:,}", bars=_constant, is_promised=False),
    Rule(name="Mixture SPRT", bars=_mixture_sprt, is_promised=False),
    Rule(name="Peeking", bars=_peeking, is_promised=False),
)


def rows(units: int, draw: np.random.Generator, *, replicates: int, alpha: float) -> tuple[DecisionRow, ...]:
    """One row for each rule, all on the same paths. Raises ValueError for fewer than one replicate."""
    aim, looks = Aim(alpha=alpha, units=units), np.arange(1.0, REACH * LOOKS + 1)
    first: dict[str, tuple[list[Array], list[Array]]] = {rule.name: ([], []) for rule in RULES}
    paths = [(rule, rule.bars(aim, looks), aim.drift(looks, rule.stretch(aim))) for rule in RULES]
    for size in blocks(replicates, AT_ONCE):
        noise = np.cumsum(draw.standard_normal((size, looks.size)), axis=-1) / np.sqrt(looks)
        for rule, bars, drift in paths:
            for has_effect in (False, True):
                first[rule.name][has_effect].append(_first(np.abs(noise + has_effect * drift) >= bars))
    return tuple(_counted(aim, rule, *_joined(first[rule.name])) for rule in RULES)


def _joined(parts: tuple[list[Array], list[Array]]) -> tuple[Array, Array]:
    nothing, found = parts
    return np.concatenate(nothing), np.concatenate(found)


def _first(crossed: Mask) -> Array:
    """The first look at which each path has crossed, infinite if none."""
    return np.where(crossed.any(axis=-1), crossed.argmax(axis=-1) + 1.0, np.inf)


def _counted(aim: Aim, rule: Rule, nothing: Array, found: Array) -> DecisionRow:
    horizon = float(LOOKS) if rule.is_planned else float(np.quantile(found, POWER, method="inverted_cdf"))
    unit, is_reached = aim.units / LOOKS * rule.stretch(aim), bool(np.isfinite(horizon))
    return DecisionRow(
        units=aim.units,
        rule=rule.name,
        false_positives=Rate.of(int((nothing <= LOOKS).sum()), nothing.size),
        power=Rate.of(int((found <= LOOKS).sum()), found.size),
        horizon=horizon * unit if is_reached else None,
        mean_end=float(np.minimum(found, horizon).mean()) * unit if is_reached else None,
        most_false_positives=beyond(aim.alpha, nothing.size) if rule.is_promised else None,
    )

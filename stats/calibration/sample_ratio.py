"""How often the check of the sample ratio alarms for nothing, and how often it finds units that are lost.

A mismatch is not an effect but a fault, so there is nothing to cover and nothing to decide sooner: a table of its own.
"""

from dataclasses import dataclass

import numpy as np

from stats import srm
from stats.arrays import Array, Mask, numbers
from stats.calibration.rates import BLOCK, Rate, beyond, blocks

ALPHA = 0.01
"""Below which p-value the service calls a split broken."""
LEAST_POWER = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """`daily` units arrive before each look, by these weights; when something is lost, by `observed` instead."""

    name: str
    weights: tuple[float, ...]
    observed: tuple[float, ...]
    daily: int
    looks: int = 100

    @property
    def about(self) -> str:
        """The world in numbers."""
        promised, seen = (" : ".join(f"{part:g}" for part in parts) for parts in (self.weights, self.observed))
        return f"{promised} promised, {seen} when units are lost; {self.daily:,} units a look, {self.looks} looks"

    def drawn(self, draw: np.random.Generator, replicates: int, *, is_broken: bool) -> Array:
        """New units by look and variant (replicates, looks, variants)."""
        shares = np.asarray(self.observed if is_broken else self.weights)
        return numbers(draw.multinomial(self.daily, shares / shares.sum(), (replicates, self.looks)))


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRow:
    """One rule on one split: alarms without a mismatch and with it, at any look, and when the latter came on average.

    `mean_end` counts an experiment without an alarm as its horizon; both in units. Only a promising rule has bounds.
    """

    split: str
    rule: str
    false_alarms: Rate
    power: Rate
    mean_end: float
    horizon: float
    most_false_alarms: float | None
    least_power: float | None

    @property
    def failures(self) -> tuple[str, ...]:
        """The promises that were broken."""
        broken = {
            "false alarms": self.most_false_alarms is not None and self.false_alarms.value > self.most_false_alarms,
            "power": self.least_power is not None and self.power.value < self.least_power,
        }
        return tuple(promise for promise, is_broken in broken.items() if is_broken)


def sequential(split: Split, counts: Array) -> Mask:
    """The check that the service makes at every look: whether it has alarmed by each (..., looks)."""
    concentration = srm.concentration_for(split.daily * split.looks)
    _, p_value = srm.sequential(counts, split.weights, concentration=concentration)
    return np.asarray(p_value < ALPHA)


def every_look(split: Split, counts: Array) -> Mask:
    """Pearson's test, taken at every look."""
    _, p_value = srm.chi_square(np.cumsum(counts, axis=-2), split.weights)
    return np.asarray(p_value < ALPHA)


def once(split: Split, counts: Array) -> Mask:
    """Pearson's test, at the last look."""
    return np.asarray(every_look(split, counts) & (np.arange(split.looks) == split.looks - 1))


RULES = {"Sequential": sequential, "Chi-square, every look": every_look, "Chi-square, once": once}
PROMISING = ("Sequential", "Chi-square, once")

SPLITS: tuple[Split, ...] = (
    Split(name="Even, few units", weights=(1, 1), observed=(55, 45), daily=20),
    Split(name="Even, many units", weights=(1, 1), observed=(50.6, 49.4), daily=1_000),
    Split(name="Uneven", weights=(90, 10), observed=(91, 9), daily=150),
    Split(name="Three variants", weights=(1, 1, 1), observed=(34.5, 33, 32.5), daily=300),
)


def rows(split: Split, draw: np.random.Generator, *, replicates: int) -> tuple[AlarmRow, ...]:
    """One row for each rule. Raises ValueError for fewer than one replicate."""
    alarms: dict[str, tuple[list[Mask], list[Mask]]] = {rule: ([], []) for rule in RULES}
    for size in blocks(replicates, BLOCK):
        for is_broken in (False, True):
            counts = split.drawn(draw, size, is_broken=is_broken)
            for rule, judge in RULES.items():
                alarms[rule][is_broken].append(judge(split, counts))
    return tuple(_counted(split, rule, *_joined(alarms[rule]), replicates=replicates) for rule in RULES)


def _joined(parts: tuple[list[Mask], list[Mask]]) -> tuple[Mask, Mask]:
    nothing, lost = parts
    return np.concatenate(nothing), np.concatenate(lost)


def _counted(split: Split, rule: str, nothing: Mask, lost: Mask, *, replicates: int) -> AlarmRow:
    found = lost.any(axis=-1)
    looks = np.where(found, lost.argmax(axis=-1) + 1, split.looks)
    promises = rule in PROMISING
    return AlarmRow(
        split=split.name,
        rule=rule,
        false_alarms=Rate.of(int(nothing.any(axis=-1).sum()), replicates),
        power=Rate.of(int(found.sum()), replicates),
        mean_end=float(looks.mean()) * split.daily,
        horizon=float(split.daily * split.looks),
        most_false_alarms=beyond(ALPHA, replicates) if promises else None,
        least_power=LEAST_POWER if promises else None,
    )

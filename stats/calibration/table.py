"""What came out, counted: false positives, power, coverage, and how long it took, each beside what was promised."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from stats.arrays import Array
from stats.calibration.families import FAMILIES, Family, Judged, Plan, Promise
from stats.calibration.scenarios import LOG_RANK, Reading, Scenario, Start

BLOCK = 250
"""Experiments drawn at once: enough to be quick, and few enough to stay in the processor's cache."""
ERRORS = 3
"""Standard errors of the simulation that a rate may lie beyond its promise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share of the replicates, with the standard error that the simulation leaves it."""

    value: float
    standard_error: float

    @classmethod
    def of(cls, count: int, replicates: int) -> "Rate":
        """So many of all replicates."""
        share = count / replicates
        return cls(value=share, standard_error=_standard_error(share, replicates))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a promise comes to with so many replicates: the rate promised, and the standard errors allowed beyond it."""

    most_false_positives: float
    least_power: float
    least_coverage: float

    @classmethod
    def of(cls, promise: Promise, alpha: float, replicates: int) -> "Bounds":
        """The floor of power is a floor; the other two are rates that a sound method may be exactly at."""
        least = promise.least_coverage
        return cls(
            most_false_positives=alpha + ERRORS * _standard_error(alpha, replicates),
            least_power=promise.least_power,
            least_coverage=least - ERRORS * _standard_error(least, replicates),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One family in one scenario. Coverage is None where the method gives no interval of a difference.

    `false_positives` without the effect, the rest with it. Coverage counts experiments whose interval held the true
    difference at every look (of the fixed test: at its only one). `mean_end` is where it was decided on average, an
    undecided one counting as its horizon.
    """

    scenario: str
    measure: str
    family: str
    false_positives: Rate
    power: Rate
    coverage: Rate | None
    mean_end: float
    horizon: float
    unit: str
    bounds: Bounds | None

    @property
    def failures(self) -> tuple[str, ...]:
        """The promises that were broken."""
        if self.bounds is None:
            return ()
        broken = {
            "false positives": self.false_positives.value > self.bounds.most_false_positives,
            "power": self.power.value < self.bounds.least_power,
            "coverage": self.coverage is not None and self.coverage.value < self.bounds.least_coverage,
        }
        return tuple(promise for promise, is_broken in broken.items() if is_broken)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts over replicates; they add."""

    false_positives: int = 0
    found: int = 0
    missed: int = 0
    ends: float = 0.0

    @classmethod
    def of(cls, without: Judged, with_effect: Judged, progress: Array) -> "Tally":
        """The counts of one block, judged without the effect and with it."""
        found = with_effect.rejects.any(axis=-1)
        ends = np.where(found, progress[with_effect.rejects.argmax(axis=-1)], progress[-1])
        return cls(
            false_positives=int(without.rejects.any(axis=-1).sum()),
            found=int(found.sum()),
            missed=int(with_effect.misses.any(axis=-1).sum()),
            ends=float(ends.sum()),
        )

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            false_positives=self.false_positives + other.false_positives,
            found=self.found + other.found,
            missed=self.missed + other.missed,
            ends=self.ends + other.ends,
        )


def rows(
    scenario: Scenario,
    draw: np.random.Generator,
    *,
    replicates: int,
    start: Start,
    alpha: float,
    families: Sequence[Family] = FAMILIES,
    advance: Callable[[int], object] = lambda _: None,
) -> tuple[Row, ...]:
    """One row for each measure and family of the scenario; `advance` hears of every block that is done.

    Raises ValueError for fewer than one replicate.
    """
    if replicates < 1:
        raise ValueError("there is a replicate or more")
    null, truth = (scenario.expected(has_effect=effect, start=start, alpha=alpha) for effect in (False, True))
    plans = {measure: Plan.of(reading, alpha) for measure, reading in null.items()}
    cells = [(measure, family) for measure in plans for family in families]
    tallies = [Tally() for _ in cells]
    for size in _blocks(replicates):
        without, with_effect = (
            scenario.drawn(draw, size, has_effect=effect, start=start, alpha=alpha) for effect in (False, True)
        )
        for place, (measure, family) in enumerate(cells):
            nothing = family.judge(without[measure], plans[measure], 0.0)
            something = family.judge(with_effect[measure], plans[measure], _last(truth[measure]))
            tallies[place] += Tally.of(nothing, something, scenario.progress)
        advance(size)
    return tuple(
        _counted(scenario, measure, family, tally, replicates=replicates, alpha=alpha)
        for (measure, family), tally in zip(cells, tallies, strict=True)
    )


def _blocks(replicates: int) -> Iterator[int]:
    whole, rest = divmod(replicates, BLOCK)
    yield from [BLOCK] * whole
    if rest:
        yield rest


def _last(expected: Reading) -> float:
    return float(expected.found.difference[-1])


def _counted(scenario: Scenario, measure: str, family: Family, tally: Tally, *, replicates: int, alpha: float) -> Row:
    return Row(
        scenario=scenario.name,
        measure=measure,
        family=family.name,
        false_positives=Rate.of(tally.false_positives, replicates),
        power=Rate.of(tally.found, replicates),
        coverage=None if measure == LOG_RANK else Rate.of(replicates - tally.missed, replicates),
        mean_end=tally.ends / replicates,
        horizon=float(scenario.progress[-1]),
        unit=scenario.unit,
        bounds=None if family.promise is None else Bounds.of(family.promise, alpha, replicates),
    )


def _standard_error(share: float, replicates: int) -> float:
    return sqrt(share * (1 - share) / replicates)

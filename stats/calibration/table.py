"""What came out, counted: false positives, power, coverage, and how long it took, each beside what was promised."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stats.arrays import Array
from stats.calibration.families import FAMILIES, Family, Judged, Plan, Promise
from stats.calibration.rates import BLOCK, ERRORS, Rate, beyond, blocks, short_of
from stats.calibration.scenarios.reading import WITHOUT_INTERVAL, Reading, Scenario, Start

__all__ = ["BLOCK", "ERRORS", "Bounds", "Rate", "Row", "Tally", "rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a promise comes to with so many replicates: the rate promised, and the standard errors allowed beyond it."""

    most_false_positives: float
    least_power: float
    least_coverage: float

    @classmethod
    def of(cls, promise: Promise, alpha: float, replicates: int) -> "Bounds":
        """The floor of power is a floor; the other two are rates that a sound method may be exactly at."""
        return cls(
            most_false_positives=beyond(alpha, replicates),
            least_power=promise.least_power,
            least_coverage=short_of(promise.least_coverage, replicates),
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
    missed: int | None = 0  # None: there is no interval
    ends: float = 0.0

    @classmethod
    def of(cls, without: Judged, with_effect: Judged, progress: Array) -> "Tally":
        """The counts of one block, judged without the effect and with it."""
        found = with_effect.rejects.any(axis=-1)
        ends = np.where(found, progress[with_effect.rejects.argmax(axis=-1)], progress[-1])
        return cls(
            false_positives=int(without.rejects.any(axis=-1).sum()),
            found=int(found.sum()),
            missed=None if with_effect.misses is None else int(with_effect.misses.any(axis=-1).sum()),
            ends=float(ends.sum()),
        )

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            false_positives=self.false_positives + other.false_positives,
            found=self.found + other.found,
            missed=None if self.missed is None or other.missed is None else self.missed + other.missed,
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
    null, truth = (scenario.expected(has_effect=effect, start=start, alpha=alpha) for effect in (False, True))
    plans = {name: Plan.of(reading, alpha, effect=_last(truth[name])) for name, reading in null.items()}
    tallies: dict[tuple[str, int], Tally] = {}
    for size in blocks(replicates, BLOCK):
        without, with_effect = (
            scenario.drawn(draw, size, has_effect=effect, start=start, alpha=alpha) for effect in (False, True)
        )
        tallies = tallies or _empty(without, families)
        for measure, place in tallies:
            judge, plan = families[place].judge, plans[measure]
            nothing = judge(without[measure], plan, 0.0)
            something = judge(with_effect[measure], plan, plan.effect)
            tallies[measure, place] += Tally.of(nothing, something, scenario.progress)
        advance(size)
    return tuple(
        _counted(scenario, measure, families[place], tally, replicates=replicates, alpha=alpha)
        for (measure, place), tally in tallies.items()
    )


def _empty(readings: Mapping[str, Reading], families: Sequence[Family]) -> dict[tuple[str, int], Tally]:
    """A tally for each measure and the place of each family that can judge it."""
    return {
        (measure, place): Tally()
        for measure, reading in readings.items()
        for place, family in enumerate(families)
        if family.applies(reading)
    }


def _last(expected: Reading) -> float:
    return float(expected.found.difference[-1])


def _counted(scenario: Scenario, measure: str, family: Family, tally: Tally, *, replicates: int, alpha: float) -> Row:
    no_interval = measure in WITHOUT_INTERVAL or tally.missed is None
    return Row(
        scenario=scenario.name,
        measure=measure,
        family=family.name,
        false_positives=Rate.of(tally.false_positives, replicates),
        power=Rate.of(tally.found, replicates),
        coverage=None if no_interval else Rate.of(replicates - (tally.missed or 0), replicates),
        mean_end=tally.ends / replicates,
        horizon=float(scenario.progress[-1]),
        unit=scenario.unit,
        bounds=None if family.promise is None else Bounds.of(family.promise, alpha, replicates),
    )

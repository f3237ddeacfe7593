"""What the questions to a KPI over time promise: forecasts that cover, alarms that are seldom false and still come.

Worlds of some weeks, each period measured with a standard error of 1. Of a forecast the power is that its interval
excludes a level `far` away; of the others that they find a change of that size.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Mask
from stats.calibration.rates import BLOCK, Rate, beyond, blocks, short_of
from stats.series import alarm, changes, control, drift, forecast

ALPHA = 0.05
PART = 5
"""Of so many replicates one is drawn here: a series takes milliseconds."""
PERIODS = 24
AHEAD = 3
CHANGE = 14
RUN_LENGTH = 400.0
BASELINE_ERROR = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """How the true levels go: swings that keep `tie` of the one before, `size` new ones, `step` walks, `slope`."""

    name: str
    tie: float = 0.0
    size: float = 0.0
    step: float = 0.0
    slope: float = 0.0

    def drawn(self, draw: np.random.Generator, replicates: int, periods: int) -> Array:
        """True levels (replicates, periods)."""
        new = draw.normal(0, 1, (replicates, periods)) * self.size
        new[:, 0] /= np.sqrt(1 - self.tie**2)
        for period in range(1, periods):
            new[:, period] += self.tie * new[:, period - 1]
        walk = np.cumsum(draw.normal(0, 1, (replicates, periods)) * self.step, axis=-1)
        return np.asarray(new + walk + self.slope * np.arange(periods))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Of each replicate: called without a reason, found with one, missed by the interval; None: there is no such."""

    false: Mask | None
    power: Mask
    missed: Mask | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question in a world, with the size of what is to be found, and what is promised of the answers."""

    name: str
    world: World
    far: float
    ask: Callable[["Question", np.random.Generator, int], Found]
    most_false: float = ALPHA
    least_power: float = 0.5
    least_coverage: float = 1 - ALPHA


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRow:
    """One question in one world, counted. None where there is nothing to count."""

    question: str
    world: str
    false_alarms: Rate | None
    most_false: float
    power: Rate
    least_power: float
    coverage: Rate | None
    least_coverage: float

    @property
    def failures(self) -> tuple[str, ...]:
        """The promises that were broken."""
        broken = {
            "false alarms": self.false_alarms is not None and self.false_alarms.value > self.most_false,
            "power": self.power.value < self.least_power,
            "coverage": self.coverage is not None and self.coverage.value < self.least_coverage,
        }
        return tuple(promise for promise, is_broken in broken.items() if is_broken)


def _forecast(question: Question, draw: np.random.Generator, size: int) -> Found:
    truth = question.world.drawn(draw, size, PERIODS + AHEAD)
    seen, later = _measured(draw, truth[:, :PERIODS]), PERIODS + AHEAD - 1
    found = forecast.ahead(range(PERIODS), seen, 1.0, later=later, alpha=ALPHA)
    lower, upper, end = found.lower[:, 0], found.upper[:, 0], truth[:, later]
    other = end + question.far
    return Found(false=None, power=(other < lower) | (other > upper), missed=(end < lower) | (end > upper))


def _control(question: Question, draw: np.random.Generator, size: int) -> Found:
    seen = _measured(draw, question.world.drawn(draw, size, PERIODS))
    moved = seen + question.far * (np.arange(PERIODS) == PERIODS - 1)
    without, with_it = (control.chart(range(PERIODS), part, 1.0, alpha=ALPHA).is_out for part in (seen, moved))
    return Found(false=without[:, -1], power=with_it[:, -1], missed=None)


def _alarm(question: Question, draw: np.random.Generator, size: int) -> Found:
    seen = _measured(draw, question.world.drawn(draw, size, 2 * PERIODS))
    moved = seen + question.far * (np.arange(2 * PERIODS) >= PERIODS)
    false, power = (
        np.asarray(alarm.watch(part, 1.0, shift=1.0, run_length=RUN_LENGTH).is_raised.any(axis=-1))
        for part in (seen, moved)
    )
    return Found(false=false, power=power, missed=None)


def _drift(question: Question, draw: np.random.Generator, size: int) -> Found:
    seen = _measured(draw, question.world.drawn(draw, size, 2 * PERIODS))
    before = draw.normal(0, BASELINE_ERROR, size)
    without, with_it = (
        drift.against(
            part, 1.0, baseline=before, baseline_standard_error=BASELINE_ERROR, shift=question.far, alpha=ALPHA
        )
        for part in (seen, seen + question.far)
    )
    missed = (with_it.lower > question.far) | (with_it.upper < question.far)
    false, power = (np.asarray(part.has_drifted[:, -1]) for part in (without, with_it))
    return Found(false=false, power=power, missed=np.asarray(missed.any(axis=-1)))


def _change(question: Question, draw: np.random.Generator, size: int) -> Found:
    shared = World(name="shared", step=1.0).drawn(draw, size, PERIODS)
    value, beside = (_measured(draw, shared + part) for part in (question.world.drawn(draw, size, PERIODS), 0.0))
    moved = value + question.far * (np.arange(PERIODS) >= CHANGE)
    without, with_it = (
        changes.over_periods(
            range(PERIODS), part, 1.0, comparison=beside, comparison_standard_error=1.0, change=CHANGE, alpha=ALPHA
        ).effect
        for part in (value, moved)
    )
    missed = (with_it.lower > question.far) | (with_it.upper < question.far)
    return Found(false=without.p_value <= ALPHA, power=with_it.p_value <= ALPHA, missed=missed)


def _measured(draw: np.random.Generator, truth: Array) -> Array:
    return np.asarray(truth + draw.normal(0, 1, truth.shape))


ALIKE = World(name="constant")
UNEVEN = World(name="periods differ", size=1.5)
TIED = World(name="autocorrelated, 0.6", tie=0.6, size=1.0)
WALK = World(name="random walk", step=1.0)
TREND = World(name="trend", slope=0.4)

QUESTIONS: tuple[Question, ...] = (
    *(
        Question(name="Forecast, 3 ahead", world=world, far=far, ask=_forecast, least_coverage=0.93)
        for world, far in ((ALIKE, 4.0), (UNEVEN, 8.0), (TIED, 7.0), (WALK, 9.0), (TREND, 6.0))
    ),
    *(
        Question(name="Control limits", world=world, far=far, ask=_control)
        for world, far in ((ALIKE, 4.0), (UNEVEN, 6.0), (TIED, 6.0))
    ),
    Question(name="Alarm, 48 periods", world=ALIKE, far=1.5, ask=_alarm, most_false=2 * PERIODS / RUN_LENGTH),
    Question(name="Drift, 48 periods", world=ALIKE, far=1.2, ask=_drift),
    *(
        Question(name="Change beside another", world=world, far=far, ask=_change, least_coverage=0.94)
        for world, far in ((ALIKE, 3.0), (UNEVEN, 5.0), (TIED, 6.0))
    ),
)
"""Forecasts of a single world and intervals of a change in one are a little off either way: hence 0.93 and 0.94."""


def row(question: Question, draw: np.random.Generator, *, replicates: int) -> SeriesRow:
    """The question asked of a part of the replicates. Raises ValueError for fewer than one replicate."""
    some = max(replicates // PART, min(replicates, 1))
    answers = [question.ask(question, draw, size) for size in blocks(some, BLOCK)]
    return SeriesRow(
        question=question.name,
        world=question.world.name,
        false_alarms=_rate([answer.false for answer in answers], some),
        most_false=beyond(question.most_false, some),
        power=Rate.of(sum(int(answer.power.sum()) for answer in answers), some),
        least_power=question.least_power,
        coverage=_rate([None if answer.missed is None else ~answer.missed for answer in answers], some),
        least_coverage=short_of(question.least_coverage, some),
    )


def _rate(parts: list[Mask | None], replicates: int) -> Rate | None:
    known = [part for part in parts if part is not None]
    return Rate.of(sum(int(part.sum()) for part in known), replicates) if known else None

"""The experiments that are drawn: shares, amounts with a long tail, and times while units keep entering.

A scenario can be drawn any number of times at once, with its effect or without, and it can be expected: the very same
numbers without chance, which give the plan its information and the effect its true size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from stats.arrays import Array, Mask, numbers
from stats.methods import proportions, welch
from stats.moments import Moments
from stats.results import Comparisons
from stats.sequential.staggered import LEAST_VARIANCE, Cohorts, tables_by_day
from stats.survival import logrank, rmst
from stats.survival.counts import LifeTable

SHARE = "Share of units"
MEAN = "Mean per unit"
RESTRICTED_MEAN = "Restricted mean time"
LOG_RANK = "Log-rank"
TIME_LOOKS = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What each arm must have before always-valid inference begins."""

    units: int
    successes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Treatment against control at every look (..., L), and where always-valid inference has begun."""

    found: Comparisons
    has_begun: Mask


class Scenario(Protocol):
    """A world that experiments are drawn from. Generators are the caller's."""

    @property
    def name(self) -> str:
        """What is special about it."""

    @property
    def about(self) -> str:
        """The world in numbers."""

    @property
    def progress(self) -> Array:
        """How far the experiment is at each look (L,), in `unit`."""

    @property
    def unit(self) -> str:
        """What progress is counted in."""

    def drawn(
        self, draw: np.random.Generator, replicates: int, *, has_effect: bool, start: Start, alpha: float
    ) -> Mapping[str, Reading]:
        """So many experiments (replicates, L), by measure."""

    def expected(self, *, has_effect: bool, start: Start, alpha: float) -> Mapping[str, Reading]:
        """The experiment without chance (L,), by measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """`n` units of control and treatment become final before each look; the share may drift from look to look alike."""

    name: str
    share: float
    effect: float
    n: tuple[int, int]
    looks: int
    drift: float = 0.0
    unit: str = "units"

    @property
    def about(self) -> str:
        """The world in numbers."""
        start, end = self._shares(0.0)[[0, -1]]
        level = f"{start:.0%}" if start == end else f"{start:.0%} drifting to {end:.0%}"
        return f"{level}, effect {self.effect:+.1%}; {_sizes(self.n)} units a look, {self.looks} looks"

    @property
    def progress(self) -> Array:
        """Units of both arms at each look."""
        return sum(self.n) * np.arange(1.0, self.looks + 1)

    def drawn(
        self, draw: np.random.Generator, replicates: int, *, has_effect: bool, start: Start, alpha: float
    ) -> Mapping[str, Reading]:
        """So many experiments (replicates, L)."""
        arms = [
            Moments.of_proportion(draw.binomial(n, shares, (replicates, self.looks)), n)
            for n, shares in self._arms(has_effect)
        ]
        return self._read(arms, start, alpha)

    def expected(self, *, has_effect: bool, start: Start, alpha: float) -> Mapping[str, Reading]:
        """The experiment without chance (L,)."""
        return self._read([Moments.of_proportion(n * shares, n) for n, shares in self._arms(has_effect)], start, alpha)

    def _arms(self, has_effect: bool) -> list[tuple[int, Array]]:
        effects = (0.0, self.effect if has_effect else 0.0)
        return [(n, self._shares(effect)) for n, effect in zip(self.n, effects, strict=True)]

    def _shares(self, effect: float) -> Array:
        return np.linspace(self.share, self.share + self.drift, self.looks) + effect

    def _read(self, arms: list[Moments], start: Start, alpha: float) -> Mapping[str, Reading]:
        so_far = [arm.cumulative() for arm in arms]
        enough = [(arm.n >= start.units) & (arm.n * arm.mean >= start.successes) for arm in so_far]
        found = proportions.compare(*so_far, alpha=alpha)
        return {SHARE: Reading(found=found, has_begun=enough[0] & enough[1])}


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Most units spend nothing, the others a lognormal amount of median 1; the effect multiplies what is spent."""

    name: str
    payers: float
    spread: float  # of the logarithm of an amount
    lift: float
    n: tuple[int, int]
    looks: int
    unit: str = "units"

    @property
    def about(self) -> str:
        """The world in numbers."""
        world = f"{self.payers:.0%} pay, log-spread {self.spread}, effect {self.lift:+.0%}"
        return f"{world}; {_sizes(self.n)} units a look, {self.looks} looks"

    @property
    def progress(self) -> Array:
        """Units of both arms at each look."""
        return sum(self.n) * np.arange(1.0, self.looks + 1)

    def drawn(
        self, draw: np.random.Generator, replicates: int, *, has_effect: bool, start: Start, alpha: float
    ) -> Mapping[str, Reading]:
        """So many experiments (replicates, L)."""
        arms = [
            Moments.from_values(factor * self._spent(draw, (replicates, self.looks, n)))
            for n, factor in zip(self.n, self._factors(has_effect), strict=True)
        ]
        return self._read(arms, start, alpha)

    def expected(self, *, has_effect: bool, start: Start, alpha: float) -> Mapping[str, Reading]:
        """The experiment without chance (L,)."""
        mean = self.payers * np.exp(self.spread**2 / 2)
        variance = self.payers * np.exp(2 * self.spread**2) - mean**2
        arms = [
            Moments(n=np.full(self.looks, n), mean=factor * mean, m2=n * factor**2 * variance)
            for n, factor in zip(self.n, self._factors(has_effect), strict=True)
        ]
        return self._read(arms, start, alpha)

    def _factors(self, has_effect: bool) -> tuple[float, float]:
        return 1.0, 1 + (self.lift if has_effect else 0.0)

    def _spent(self, draw: np.random.Generator, shape: tuple[int, ...]) -> Array:
        amounts = draw.lognormal(0.0, self.spread, shape)
        return amounts * (draw.random(shape) < self.payers)

    def _read(self, arms: list[Moments], start: Start, alpha: float) -> Mapping[str, Reading]:
        control, treatment = (arm.cumulative() for arm in arms)
        begun = (control.n >= start.units) & (treatment.n >= start.units)
        return {MEAN: Reading(found=welch.compare(control, treatment, alpha=alpha), has_begun=begun)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """`daily` units of control and treatment enter every day, and 28 daily looks begin on day tau.

    `share` of the control's units get there at all, at a rate that has `half_life` days; the others never do. The
    effect multiplies the hazard of every day.
    """

    name: str
    share: float
    half_life: float
    hazard_ratio: float
    daily: tuple[int, int]
    tau: int
    unit: str = "days"

    @property
    def about(self) -> str:
        """The world in numbers."""
        world = f"{self.share:.0%} ever, half of them within {self.half_life:g} days, hazard x {self.hazard_ratio}"
        return f"{world}; tau {self.tau} days, {_sizes(self.daily)} units a day, {TIME_LOOKS} looks"

    @property
    def progress(self) -> Array:
        """The calendar day of each look."""
        return np.arange(float(self.tau), self._days + 1)

    @property
    def hazard(self) -> Array:
        """The chance of control's units to get there on each of their first tau days, if not before."""
        survival = 1 - self.share * (1 - 0.5 ** (np.arange(self.tau + 1) / self.half_life))
        return 1 - survival[1:] / survival[:-1]

    def drawn(
        self, draw: np.random.Generator, replicates: int, *, has_effect: bool, start: Start, alpha: float
    ) -> Mapping[str, Reading]:
        """So many experiments (replicates, L)."""
        arms = [self._arm(draw, replicates, daily, hazard) for daily, hazard in self._arms(has_effect)]
        return self._read(arms, start, alpha)

    def expected(self, *, has_effect: bool, start: Start, alpha: float) -> Mapping[str, Reading]:
        """The experiment without chance (L,)."""
        arms = []
        for daily, hazard in self._arms(has_effect):
            events = daily * hazard * np.cumprod(np.append(1.0, 1 - hazard[:-1]))
            arms.append(self._cohorts(daily, np.tile(events, (self._days, 1))))
        return self._read(arms, start, alpha)

    @property
    def _days(self) -> int:
        return self.tau + TIME_LOOKS - 1

    def _arms(self, has_effect: bool) -> list[tuple[int, Array]]:
        ratios = (1.0, self.hazard_ratio if has_effect else 1.0)
        return [(daily, 1 - (1 - self.hazard) ** ratio) for daily, ratio in zip(self.daily, ratios, strict=True)]

    def _arm(self, draw: np.random.Generator, replicates: int, daily: int, hazard: Array) -> Cohorts:
        events = np.zeros((replicates, self._days, self.tau))
        still = np.full((replicates, self._days), daily)
        for day, chance in enumerate(hazard.tolist()):
            events[..., day] = happened = draw.binomial(still, chance)
            still = still - happened
        return self._cohorts(daily, events)

    def _cohorts(self, daily: int, events: Array) -> Cohorts:
        return Cohorts(entered=np.full(events.shape[:-1], float(daily)), events=events, losses=numbers(0.0))

    def _read(self, arms: list[Cohorts], start: Start, alpha: float) -> Mapping[str, Reading]:
        control, treatment = (tables_by_day(arm, self._days)[..., self.tau - 1 :, :] for arm in arms)
        successes = np.minimum(control.events.sum(axis=-1), treatment.events.sum(axis=-1))
        begun = (min(self.daily) * self.progress >= start.units) & (successes >= start.successes)
        return {
            RESTRICTED_MEAN: Reading(
                found=rmst.compare(control, treatment, tau=self.tau, alpha=alpha), has_begun=begun
            ),
            LOG_RANK: _log_rank(control, treatment, alpha),
        }


def _log_rank(control: LifeTable, treatment: LifeTable, alpha: float) -> Reading:
    test = logrank.compare(control, treatment)
    return Reading(found=test.log_hazard_ratio(alpha=alpha), has_begun=test.variance >= LEAST_VARIANCE)


def _sizes(n: tuple[int, int]) -> str:
    return f"{n[0]:,} + {n[1]:,}"


SCENARIOS: tuple[Scenario, ...] = (
    Shares(name="Few units", share=0.3, effect=0.13, n=(10, 10), looks=20),
    Shares(name="Many units", share=0.3, effect=0.013, n=(200, 200), looks=100),
    Shares(name="Rare", share=0.02, effect=0.006, n=(100, 100), looks=100),
    Shares(name="Uneven split", share=0.2, effect=0.038, n=(180, 20), looks=50),
    Amounts(name="Long tail", payers=0.3, spread=1.2, lift=0.22, n=(50, 50), looks=100),
    Amounts(name="Long tail, few units", payers=0.5, spread=1.0, lift=0.5, n=(20, 20), looks=20),
    Times(name="Slow, most never", share=0.4, half_life=7.0, hazard_ratio=1.22, daily=(40, 40), tau=14),
    Times(name="Fast", share=0.8, half_life=1.5, hazard_ratio=1.14, daily=(40, 40), tau=7),
    Times(name="Few units a day, uneven split", share=0.6, half_life=4.0, hazard_ratio=1.4, daily=(12, 6), tau=10),
)
"""Small and large, rare, uneven, with long tails, slow and fast: here every promise must hold."""

LIMITS: tuple[Scenario, ...] = (
    Amounts(name="Long tail, uneven split", payers=0.3, spread=1.2, lift=0.3, n=(80, 20), looks=100),
    Shares(name="Rising level", share=0.2, effect=0.019, n=(200, 200), looks=50, drift=0.2),
)
"""Where the methods are known to reach their limits; shown so that nobody has to find out."""

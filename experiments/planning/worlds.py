"""The worlds that a plan describes: whole experiments drawn from a baseline, an effect and the units of each day.

Pure. A `stats.calibration` scenario for each scale on which a KPI is counted.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import numpy as np

from kpi.kinds.shape import Floats, Ints, Scale
from stats.calibration import splits
from stats.calibration.scenarios import MEAN, RESTRICTED_MEAN, SHARE, Reading, Start
from stats.moments import Moments
from stats.sequential.staggered import Cohorts

SHARES_TRIED = 60
"""Shares that ever get there, of which the one that spreads most like the baseline is taken."""
WIDE = 12.0
"""Logarithms of half-lives and hazard ratios are sought within this distance from zero."""

Arm = TypeVar("Arm")


@dataclass(frozen=True, slots=True, kw_only=True)
class World(ABC, Generic[Arm]):
    """Experiments drawn from a baseline, as a `Scenario`.

    `n` (2, C) units of control and treatment by entry day, final `until` days after it; `days` (L,) are looked at.
    `level` is control's, `effect` the treatment's difference to it.
    """

    name: str
    about: str
    n: Ints
    until: int
    level: float
    effect: float
    days: Ints
    unit: ClassVar[str] = "days"

    @property
    def progress(self) -> Floats:
        """The day of each look, counted from the start."""
        return self.days.astype(np.float64)

    def drawn(
        self, draw: np.random.Generator, replicates: int, *, has_effect: bool, start: Start, alpha: float
    ) -> Mapping[str, Reading]:
        """So many experiments (replicates, L)."""
        effects = (0.0, self.effect if has_effect else 0.0)
        arms = [self._arm(draw, replicates, n, effect) for n, effect in zip(self.n, effects, strict=True)]
        return self._read(arms, start, alpha)

    def expected(self, *, has_effect: bool, start: Start, alpha: float) -> Mapping[str, Reading]:
        """The experiment without chance (L,)."""
        effects = (0.0, self.effect if has_effect else 0.0)
        return self._read([self._mean_arm(n, effect) for n, effect in zip(self.n, effects, strict=True)], start, alpha)

    @abstractmethod
    def _arm(self, draw: np.random.Generator, replicates: int, n: Ints, effect: float) -> Arm:
        """What so many drawn experiments have in an arm."""

    @abstractmethod
    def _mean_arm(self, n: Ints, effect: float) -> Arm:
        """What an arm has on average."""

    @abstractmethod
    def _read(self, arms: list[Arm], start: Start, alpha: float) -> Mapping[str, Reading]:
        """The arms compared on the days looked at."""


class Values(World[Moments]):
    """Each unit has one number, which counts once it is final."""

    __slots__ = ()
    measure: ClassVar[str]

    def _read(self, arms: list[Moments], start: Start, alpha: float) -> Mapping[str, Reading]:
        control, treatment = arms
        found = splits.of_values(control, treatment, measure=self.measure, start=start, alpha=alpha)
        return {self.measure: splits.at(found, self.days - self.until - 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares(Values):
    """Each unit does it or not."""

    measure: ClassVar[str] = SHARE

    def _arm(self, draw: np.random.Generator, replicates: int, n: Ints, effect: float) -> Moments:
        return Moments.of_proportion(draw.binomial(n, self.level + effect, (replicates, n.size)), n)

    def _mean_arm(self, n: Ints, effect: float) -> Moments:
        return Moments.of_proportion(n * (self.level + effect), n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts(Values):
    """Each unit has a lognormal amount with the baseline's mean and standard deviation; the effect multiplies it."""

    spread: float  # the standard deviation of control's units
    measure: ClassVar[str] = MEAN

    def _arm(self, draw: np.random.Generator, replicates: int, n: Ints, effect: float) -> Moments:
        variance = np.log1p((self.spread / self.level) ** 2)
        centre = np.log(self.level + effect) - variance / 2
        # An entry day at a time: all units of all experiments at once would not fit.
        days = [Moments.from_values(draw.lognormal(centre, np.sqrt(variance), (replicates, size))) for size in n]
        return Moments(
            **{name: np.stack([getattr(day, name) for day in days], axis=-1) for name in ("n", "mean", "m2")}
        )

    def _mean_arm(self, n: Ints, effect: float) -> Moments:
        mean = np.full(n.shape, self.level + effect)
        return Moments(n=n.astype(np.float64), mean=mean, m2=n * (self.spread * mean / self.level) ** 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Times(World[Cohorts]):
    """Each unit gets there on a day of its own, or never; the effect is one ratio of hazards on every day."""

    survival: Floats  # (tau + 1,) the share of control's units that are not there yet after so many days

    def _arm(self, draw: np.random.Generator, replicates: int, n: Ints, effect: float) -> Cohorts:
        curve = self._curve(effect)
        events = np.zeros((replicates, n.size, self.until))
        still = np.tile(n, (replicates, 1))
        for day, chance in enumerate((1 - curve[1:] / curve[:-1]).tolist()):
            events[..., day] = happened = draw.binomial(still, chance)
            still = still - happened
        return Cohorts(entered=np.tile(n, (replicates, 1)).astype(np.float64), events=events, losses=np.zeros(1))

    def _mean_arm(self, n: Ints, effect: float) -> Cohorts:
        entered = n.astype(np.float64)
        events = entered[:, np.newaxis] * -np.diff(self._curve(effect))
        return Cohorts(entered=entered, events=events, losses=np.zeros(1))

    def _curve(self, effect: float) -> Floats:
        return self.survival ** _hazard_ratio(self.survival, self.level + effect) if effect else self.survival

    def _read(self, arms: list[Cohorts], start: Start, alpha: float) -> Mapping[str, Reading]:
        # A day of a cohort counts once all of its units have been observed for it: one day after its first unit has.
        days = self.days - 1
        found = splits.of_times(arms[0], arms[1], tau=self.until, days=days, start=start, alpha=alpha)
        return {RESTRICTED_MEAN: found}


AnyWorld: TypeAlias = Shares | Amounts | Times


def build(scale: Scale, *, variance: float | None, **fields: Any) -> AnyWorld:
    """The world of a KPI of this scale, looked at on every day on which somebody is final.

    `fields` are those of `World` but `about` and `days`; `variance` is that of one of control's units, None where
    unknown, and amounts cannot do without it.
    """
    n, until = fields["n"], fields["until"]
    fields["days"] = until + 1 + np.arange(max(0, n.shape[-1] - until))
    level, effect = f"{fields['level']:.3g}", f"effect {fields['effect']:+.3g}"
    if scale is Scale.FRACTION:
        return Shares(about=f"{level} of units, {effect}", **fields)
    if scale.is_amount:
        spread = float(np.sqrt(variance or 0.0))
        about = f"lognormal amounts of mean {level} and standard deviation {spread:.3g}, {effect}"
        return Amounts(about=about, spread=spread, **fields)
    share, survival = _curve_like(fields["level"], until, variance)
    about = f"{level} days of {until}, {share:.0%} ever get there, {effect} days"
    return Times(about=about, survival=survival, **fields)


def is_possible(scale: Scale, level: float, treated: float, until: int) -> bool:
    """Whether a KPI can have these levels: shares, positive amounts, or means of whole days within tau."""
    least, most = (0, np.inf) if scale.is_amount else (0, 1) if scale is Scale.FRACTION else (1, until)
    return bool(least < level < most and least < treated < most)


def _restricted_mean(survival: Floats) -> float:
    """Mean days within tau of a curve S(0) ... S(tau)."""
    return float(survival[:-1].sum())


def _root(function: Callable[[float], float]) -> float:
    """Where a function of a logarithm is zero."""
    from scipy.optimize import brentq  # noqa: PLC0415 - slow to import, and every command would pay for it

    return float(brentq(function, -WIDE, WIDE))


def _hazard_ratio(survival: Floats, level: float) -> float:
    """The ratio of hazards under which units take this many days."""
    return float(np.exp(_root(lambda log: _restricted_mean(survival ** np.exp(log)) - level)))


def _curve_of(share: float, level: float, tau: int) -> Floats:
    """S(0) ... S(tau) where so many get there at all, at a constant rate, and the restricted mean is the level."""

    def of(log_half_life: float) -> Floats:
        return np.asarray(1 - share * (1 - 0.5 ** (np.arange(tau + 1) / np.exp(log_half_life))))

    return of(_root(lambda log: _restricted_mean(of(log)) - level))


def _curve_like(level: float, tau: int, variance: float | None) -> tuple[float, Floats]:
    """A share that ever gets there and the curve, of this level and the nearest spread; all get there without one.

    Only shares that can bring the level about are tried: with fewer, too many would wait for all of tau.
    """
    if variance is None:
        return 1.0, _curve_of(1.0, level, tau)
    least = (tau - level) / (tau - 1)
    shares = np.linspace(least, 1.0, SHARES_TRIED + 1)[1:].tolist()
    curves = [(share, _curve_of(share, level, tau)) for share in shares]
    return min(curves, key=lambda tried: abs(_variance(tried[1]) - variance))


def _variance(survival: Floats) -> float:
    """The variance of the days within tau."""
    second = float(((2 * np.arange(survival.size - 1) + 1) * survival[:-1]).sum())
    return second - _restricted_mean(survival) ** 2

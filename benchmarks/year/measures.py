"""The KPIs of the simulated company: how a unit behaves, what the level then is, and how it is registered."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kpi.kinds.shape import Floats

BASELINE_UNITS = 20_000
HALVINGS = 60
NEVER = np.inf
Deeds = tuple[Floats, Floats]
"""Of each unit: days from exposure to the event, NEVER without one; and the event's value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure(ABC):
    """A KPI whose true level is known. `effects` in its own units; `until` is the day on which a unit is final."""

    key: str
    event: str
    since: int
    until: int
    mdes: tuple[float, ...]
    sign: ClassVar[int] = 1
    is_duration: ClassVar[bool] = False
    is_share: ClassVar[bool] = True

    @property
    @abstractmethod
    def level(self) -> float:
        """What units do without an effect, on average."""

    @property
    @abstractmethod
    def variance(self) -> float:
        """Between units, without an effect."""

    @property
    @abstractmethod
    def definition(self) -> dict[str, Any]:
        """As the API takes it."""

    @abstractmethod
    def deeds(self, draw: np.random.Generator, n: int, effect: float) -> Deeds:
        """What so many units do when the level differs by the effect."""

    def registration(self, from_on: str, to_on: str) -> dict[str, Any]:
        """The KPI with its baseline, which is the true level: measured on many users before the year."""
        error = float(np.sqrt(self.variance / BASELINE_UNITS))
        return {
            "key": self.key,
            "name": self.key.replace("-", " ").capitalize(),
            "direction": "HIGHER" if self.sign > 0 else "LOWER",
            "owner": "Ada",
            "definition": self.definition,
            "baseline": {
                "value": self.level,
                "standardError": error,
                "n": BASELINE_UNITS,
                "fromOn": from_on,
                "toOn": to_on,
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Share(Measure):
    """So many units do it within a window of days."""

    share: float

    @property
    def level(self) -> float:
        """The share."""
        return self.share

    @property
    def variance(self) -> float:
        """Of ones and zeros."""
        return self.share * (1 - self.share)

    @property
    def definition(self) -> dict[str, Any]:
        """An activation from the day of exposure on, else a retention."""
        if self.since:
            return {"retention": {"event": self.event, "day": self.since}}
        return {"activation": {"event": self.event, "windowDays": self.until}}

    def deeds(self, draw: np.random.Generator, n: int, effect: float) -> Deeds:
        """At any time of the window."""
        does = draw.random(n) < self.share + effect
        return np.where(does, draw.uniform(self.since, self.until, n), NEVER), np.ones(n)


class Complaint(Share):
    """A share that is better when it is lower."""

    __slots__ = ()
    sign = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Revenue(Measure):
    """A few units buy, once, for a lognormal amount: a heavy tail. The effect multiplies amounts."""

    is_share: ClassVar[bool] = False
    buyers: float
    median: float
    spread: float

    @property
    def level(self) -> float:
        """The mean of all units."""
        return float(self.buyers * self.median * np.exp(self.spread**2 / 2))

    @property
    def variance(self) -> float:
        """Of all units."""
        return float(self.buyers * self.median**2 * np.exp(2 * self.spread**2) - self.level**2)

    @property
    def definition(self) -> dict[str, Any]:
        """The mean of a window."""
        return {"mean": {"event": self.event, "windowDays": self.until, "of": "VALUE"}}

    def deeds(self, draw: np.random.Generator, n: int, effect: float) -> Deeds:
        """At any time of the window."""
        factor = 1 + effect / self.level
        value = np.round(draw.lognormal(np.log(self.median * factor), self.spread, n), 2)
        return np.where(draw.random(n) < self.buyers, draw.uniform(0, self.until, n), NEVER), value


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstValue(Measure):
    """Some units get there, sooner or later; the effect is one ratio of hazards on every day."""

    sign: ClassVar[int] = -1
    is_duration: ClassVar[bool] = True
    share: float
    half_life: float

    @property
    def survival(self) -> Floats:
        """The share that is not there yet after 0 to tau days."""
        return np.asarray(1 - self.share * (1 - 0.5 ** (np.arange(self.until + 1) / self.half_life)))

    @property
    def level(self) -> float:
        """The mean days within tau, a day that has begun counting as one."""
        return float(self.survival[:-1].sum())

    @property
    def variance(self) -> float:
        """Of these days."""
        second = float(((2 * np.arange(self.until) + 1) * self.survival[:-1]).sum())
        return second - self.level**2

    @property
    def definition(self) -> dict[str, Any]:
        """The restricted mean up to tau."""
        return {"timeToValue": {"event": self.event, "tauDays": self.until}}

    def deeds(self, draw: np.random.Generator, n: int, effect: float) -> Deeds:
        """On a day by the curve, at any time of it."""
        curve = self.survival ** self._hazard_ratio(effect)
        day = np.searchsorted(-curve[1:], -draw.random(n), side="left")
        return np.where(day < self.until, day + draw.random(n), NEVER), np.ones(n)

    def _hazard_ratio(self, effect: float) -> float:
        """Under which units take so many days more."""
        low, high = -5.0, 5.0
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            is_slow = float((self.survival ** np.exp(middle))[:-1].sum()) > self.level + effect
            low, high = (middle, high) if is_slow else (low, middle)
        return float(np.exp((low + high) / 2))


MEASURES: tuple[Measure, ...] = (
    Share(key="activation-7d", event="activated", since=0, until=7, mdes=(0.05, 0.06, 0.07), share=0.4),
    Share(key="retention-d7", event="session", since=7, until=8, mdes=(0.045, 0.05, 0.06), share=0.25),
    Revenue(key="revenue-7d", event="paid", since=0, until=7, mdes=(3.0, 3.5), buyers=0.25, median=20.0, spread=1.2),
    FirstValue(key="ttfv", event="first-value", since=0, until=14, mdes=(0.6, 0.7, 0.8), share=0.75, half_life=4.0),
)
"""What experiments are decided on."""
GUARDRAIL = Complaint(key="complaints-3d", event="complained", since=0, until=3, mdes=(), share=0.1)
MARGIN = 0.03
"""The share of complaints that may be added at most."""

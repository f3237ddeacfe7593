"""The law the sample company obeys: how a user of a plan and device behaves, as usual and under a treatment.

Each user has an engagement e ~ N(0, 1), which ties everything the user does together. Given e:

- a milestone (first value, first project, purchase) is reached with log-odds `log_odds + ODDS_PULL e`, and then after
  a lognormal time with location `log_days - SPEED_PULL e`: a lognormal hazard with a cure fraction;
- sessions are a Poisson process with rate `rate exp(FRAILTY e - FRAILTY^2 / 2) (d + 1)^-FADING` on day d;
- a purchase is worth a lognormal amount, so revenue has a heavy tail.

The expected level of a KPI is therefore an integral over e, which Gauss-Hermite quadrature gives to many digits:
the truths of the sample come from here and not from the rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import erf
from types import EllipsisType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Cell: TypeAlias = tuple[NDArray[np.int64] | EllipsisType | None, ...]

PLANS = ("free", "team", "business")
PLAN_SHARES = np.array([0.35, 0.45, 0.20])
DEVICES = ("desktop", "mobile")
DEVICE_SHARES = np.array([0.70, 0.30])
REGIONS = ("north-america", "europe", "asia-pacific")
REGION_SHARES = np.array([0.45, 0.35, 0.20])

ODDS_PULL, SPEED_PULL, SPREAD = 0.8, 0.4, 1.2
FRAILTY, FADING = 0.9, 0.6
VALUE_SPREAD = 1.2

_erf = np.vectorize(erf, otypes=[float])
_nodes, _weights = np.polynomial.hermite_e.hermegauss(60)
ENGAGEMENT: Floats = _nodes
"""Quadrature nodes of a standard normal engagement."""
ENGAGEMENT_SHARES: Floats = _weights / _weights.sum()


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a treatment changes: log-odds of a milestone, log-speed to it, log-rate of sessions, in these plans."""

    first_value_odds: float = 0.0
    first_value_speed: float = 0.0
    project_odds: float = 0.0
    sessions: float = 0.0
    plans: tuple[str, ...] = PLANS


NO_EFFECT = Effect()


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """Something a user does for the first time, or never: arrays shaped alike, (plan, device) or (user,)."""

    log_odds: Floats
    log_days: Floats

    def of(self, cell: Cell) -> "Milestone":
        """The milestone of these cells, by numpy index."""
        return Milestone(log_odds=self.log_odds[cell], log_days=self.log_days[cell])

    def share(self, engagement: Floats) -> Floats:
        """Share that ever reaches it."""
        return 1 / (1 + np.exp(-self.log_odds - ODDS_PULL * engagement))

    def location(self, engagement: Floats) -> Floats:
        """Median of the logarithm of the days to it, among those who reach it."""
        return self.log_days - SPEED_PULL * engagement

    def reached(self, day: float, engagement: Floats) -> Floats:
        """Share that has reached it by a day."""
        if day <= 0:
            return np.zeros_like(self.location(engagement))
        return self.share(engagement) * normal_cdf((np.log(day) - self.location(engagement)) / SPREAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """How users behave: arrays shaped alike, (plan, device) or (user,)."""

    first_value: Milestone
    project: Milestone
    purchase: Milestone
    log_value: Floats
    """Logarithm of the median purchase, dollars."""
    rate: Floats
    """Sessions on the first day at average engagement."""

    def of(self, cell: Cell) -> "Levels":
        """The levels of these cells, by numpy index."""
        return Levels(
            first_value=self.first_value.of(cell),
            project=self.project.of(cell),
            purchase=self.purchase.of(cell),
            log_value=self.log_value[cell],
            rate=self.rate[cell],
        )


def levels(effect: Effect) -> Levels:
    """The levels (plan, device) under a treatment; `NO_EFFECT` is business as usual."""
    touched = np.isin(PLANS, effect.plans).astype(float)
    return Levels(
        first_value=Milestone(
            log_odds=_cells([0.6, 0.9, 1.1], -0.2) + _plans(touched * effect.first_value_odds),
            log_days=_cells([1.3, 1.1, 1.2], 0.1) - _plans(touched * effect.first_value_speed),
        ),
        project=Milestone(
            log_odds=_cells([-0.2, 0.2, 0.4], -0.3) + _plans(touched * effect.project_odds),
            log_days=_cells([0.3, 0.2, 0.2], 0.1),
        ),
        purchase=Milestone(log_odds=_cells([-3.6, -2.2, -1.9], -0.2), log_days=_cells([1.8, 1.6, 1.6], 0.0)),
        log_value=np.log(_cells([20.0, 55.0, 120.0], 0.0)),
        rate=_cells([0.75, 0.95, 1.05], -0.15) * np.exp(_plans(touched * effect.sessions)),
    )


def stack(all_levels: Sequence[Levels]) -> Levels:
    """Several levels as one, along a new first axis."""
    return Levels(
        first_value=_stack([level.first_value for level in all_levels]),
        project=_stack([level.project for level in all_levels]),
        purchase=_stack([level.purchase for level in all_levels]),
        log_value=np.stack([level.log_value for level in all_levels]),
        rate=np.stack([level.rate for level in all_levels]),
    )


def rates(level: Levels, engagement: Floats) -> Floats:
    """Sessions of the first day, given engagement."""
    return level.rate * np.exp(FRAILTY * engagement - FRAILTY**2 / 2)


def fading(days: int) -> Floats:
    """What is left of the first day's session rate on each day."""
    return np.arange(1.0, days + 1) ** -FADING


def activation(level: Levels, days: int) -> Floats:
    """Share with a project within the days."""
    return _average(level, lambda users, e: users.project.reached(days, e))


def restricted_mean(level: Levels, tau: int) -> Floats:
    """Mean days to first value up to tau; the (j + 1)-th 24 hours count as j + 1."""
    return _average(level, lambda users, e: sum((1 - users.first_value.reached(j, e) for j in range(tau)), np.zeros(1)))


def retention(level: Levels, day: int) -> Floats:
    """Share with a session on the day, that is in [24 h x day, 24 h x (day + 1))."""
    return _average(level, lambda users, e: 1 - np.exp(-rates(users, e) * fading(day + 1)[day]))


def sessions(level: Levels, days: int) -> Floats:
    """Mean number of sessions in the days."""
    return _average(level, lambda users, e: rates(users, e) * fading(days).sum())


def revenue(level: Levels, days: int, cap: float) -> Floats:
    """Mean dollars in the days, capped for each user; within a month a user buys at most once."""
    bought = _average(level, lambda users, e: users.purchase.reached(days, e))
    gap = (np.log(cap) - level.log_value) / VALUE_SPREAD
    small = np.exp(level.log_value + VALUE_SPREAD**2 / 2) * normal_cdf(gap - VALUE_SPREAD)
    return bought * (small + cap * (1 - normal_cdf(gap)))


def over_cells(values: Floats, plan: str | None) -> float:
    """Average of (plan, device) values over everybody, or over one plan."""
    by_plan = values @ DEVICE_SHARES
    return float(by_plan @ PLAN_SHARES if plan is None else by_plan[PLANS.index(plan)])


def normal_cdf(z: Floats) -> Floats:
    """Standard normal distribution function, elementwise."""
    below: Floats = 0.5 * (1 + _erf(z / np.sqrt(2)))
    return below


def _average(level: Levels, given: Callable[[Levels, Floats], Floats]) -> Floats:
    cells = level.of((..., None))
    average: Floats = given(cells, ENGAGEMENT) @ ENGAGEMENT_SHARES
    return average


def _stack(milestones: Sequence[Milestone]) -> Milestone:
    return Milestone(
        log_odds=np.stack([milestone.log_odds for milestone in milestones]),
        log_days=np.stack([milestone.log_days for milestone in milestones]),
    )


def _cells(by_plan: list[float], on_mobile: float) -> Floats:
    cells: Floats = np.array(by_plan)[:, None] + np.array([0.0, on_mobile])
    return cells


def _plans(values: Floats) -> Floats:
    return values[:, None]

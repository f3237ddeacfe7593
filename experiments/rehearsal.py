"""A plan tried out before it is believed: whole experiments drawn by its baselines, effects, weights, looks and alpha.

Pure. Each KPI becomes a world of `stats.calibration`, and each family judges it on the days on which the service would:
planned looks on theirs, the fixed test at the horizon, always-valid inference and peeking every day.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from scipy.optimize import brentq

from experiments.cohorts import decode
from experiments.enums import Policy, Role
from experiments.looks import NEWS
from experiments.plan import Plan, PlannedKpi, PlannedVariant
from kpi.kinds.shape import Floats, Ints, Scale
from stats.calibration import families, splits, table
from stats.calibration.families import Family
from stats.calibration.scenarios import MEAN, RESTRICTED_MEAN, SHARE, Reading, Start
from stats.calibration.table import Row
from stats.moments import Moments
from stats.sequential import confidence_sequence, group_sequential
from stats.sequential.confidence_sequence import FEWEST, FEWEST_SUCCESSES
from stats.sequential.staggered import Cohorts

START = Start(units=FEWEST, successes=FEWEST_SUCCESSES)
PLANNED = "Group sequential"
FAMILIES = {Policy.FIXED: "Fixed", Policy.GROUP_SEQUENTIAL: PLANNED, Policy.ALWAYS_VALID: "Always valid"}
"""The family that keeps a policy."""
SHOWN = (*FAMILIES.values(), "Peeking")
USUAL_ALPHA, USUAL_POWER = 0.05, 0.8
"""What the promises of the families are stated for."""
ENOUGH = 0.95
"""The part of the planned information from which on the power is held against the plan's."""
SHARES_TRIED = 60
"""Shares that ever get there, of which the one that spreads most like the baseline is taken."""
WIDE = 12.0
"""Logarithms of half-lives and hazard ratios are sought within this distance from zero."""

Arm = TypeVar("Arm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What cannot be tried out, and the field that is missing for it, in one sentence."""

    kpi: str
    sentence: str


# --- worlds ----------------------------------------------------------------------------------------------------------


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


def _restricted_mean(survival: Floats) -> float:
    """Mean days within tau of a curve S(0) ... S(tau)."""
    return float(survival[:-1].sum())


def _hazard_ratio(survival: Floats, level: float) -> float:
    """The ratio of hazards under which units take this many days."""
    return float(np.exp(brentq(lambda log: _restricted_mean(survival ** np.exp(log)) - level, -WIDE, WIDE)))


def _curve_of(share: float, level: float, tau: int) -> Floats:
    """S(0) ... S(tau) where so many get there at all, at a constant rate, and the restricted mean is the level."""

    def of(log_half_life: float) -> Floats:
        return np.asarray(1 - share * (1 - 0.5 ** (np.arange(tau + 1) / np.exp(log_half_life))))

    return of(brentq(lambda log: _restricted_mean(of(log)) - level, -WIDE, WIDE))


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


# --- from the plan to its worlds -------------------------------------------------------------------------------------


def world(planned: PlannedKpi, n: Ints) -> Shares | Amounts | Times | Missing:
    """The world of a planned KPI, looked at every day on which somebody is final, or what the plan lacks for it."""
    kind, baseline, effect = decode(planned), planned.baseline, effect_of(planned)
    if baseline is None or effect is None:
        lack = (
            "baseline, so there is no level to draw from" if baseline is None else "mde, so there is no effect to find"
        )
        return _missing(planned, f"the plan has no {lack}.")
    if not _is_possible(kind.scale, baseline.value, baseline.value + effect, kind.window[1]):
        return _missing(
            planned, f"a baseline of {baseline.value:g} and an mde of {effect:+g} are no levels it can have."
        )
    if kind.scale is Scale.AMOUNT and baseline.n is None:
        return _missing(planned, "the plan's baseline has no n, so the spread of a unit is unknown.")
    until = kind.window[1]
    common: dict[str, Any] = {"name": planned.kpi, "n": n, "until": until, "level": baseline.value, "effect": effect}
    common["days"] = until + 1 + np.arange(max(0, n.shape[-1] - until))
    return _WORLDS[kind.scale](unit_variance(planned), common)


def _shares(_variance: float | None, common: dict[str, Any]) -> Shares:
    return Shares(about="{level:.3g} of units, effect {effect:+.3g}".format(**common), **common)


def _amounts(variance: float | None, common: dict[str, Any]) -> Amounts:
    spread = float(np.sqrt(variance or 0.0))
    about = f"lognormal amounts of mean {common['level']:.3g} and standard deviation {spread:.3g}"
    return Amounts(about=f"{about}, effect {common['effect']:+.3g}", spread=spread, **common)


def _times(variance: float | None, common: dict[str, Any]) -> Times:
    share, survival = _curve_like(common["level"], common["until"], variance)
    about = f"{common['level']:.3g} days of {common['until']}, {share:.0%} ever get there"
    return Times(about=f"{about}, effect {common['effect']:+.3g} days", survival=survival, **common)


_WORLDS: dict[Scale, Callable[[float | None, dict[str, Any]], Shares | Amounts | Times]] = {
    Scale.FRACTION: _shares,
    Scale.AMOUNT: _amounts,
    Scale.DAYS: _times,
}


def _is_possible(scale: Scale, level: float, treated: float, until: int) -> bool:
    """Whether a KPI can have these levels: shares, positive amounts, or means of whole days within tau."""
    least, most = {Scale.FRACTION: (0, 1), Scale.AMOUNT: (0, np.inf), Scale.DAYS: (1, until)}[scale]
    return bool(least < level < most and least < treated < most)


def _missing(planned: PlannedKpi, sentence: str) -> Missing:
    return Missing(kpi=planned.kpi, sentence=f"“{planned.kpi}”: {sentence}")


def effect_of(planned: PlannedKpi) -> float | None:
    """The effect to look for: the mde for the better, or a guardrail's margin for the worse."""
    sign = planned.direction.sign
    if planned.mde is not None:
        return sign * planned.mde
    return None if planned.margin is None else -sign * planned.margin


def unit_variance(planned: PlannedKpi) -> float | None:
    """The variance of one unit's number, as the baseline has it; None where it does not say."""
    baseline = planned.baseline
    if baseline is None:
        return None
    if decode(planned).scale is Scale.FRACTION:
        return baseline.value * (1 - baseline.value)
    return None if baseline.n is None else baseline.standard_error**2 * baseline.n


def arrivals(plan: Plan, entered: Ints | None, *, is_stopped: bool = False) -> Floats | None:
    """Units of all variants on each day up to the horizon, or None where nothing says how many.

    What has `entered` by day since the start, and its mean on the days to come; without it, what the first primary KPI
    that says so needs.
    """
    if entered is None or not entered.sum():
        return _needed(plan)
    seen = entered[: plan.horizon_days].astype(np.float64)
    return np.append(seen, np.full(plan.horizon_days - seen.size, 0.0 if is_stopped else seen.mean()))


def _needed(plan: Plan) -> Floats | None:
    control, *others = (variant.weight for variant in plan.variants)
    for planned in plan.primaries:
        variance = unit_variance(planned)
        if planned.information is not None and variance is not None:
            units = planned.information * variance * (1 / control + 1 / min(others)) * (control + sum(others))
            return np.full(plan.horizon_days, units / (plan.horizon_days - decode(planned).window[1]))
    return None


def treatments(plan: Plan) -> list[PlannedVariant]:
    """The variants that need a trial of their own: the first of each weight."""
    first: dict[float, PlannedVariant] = {}
    for variant in plan.variants[1:]:
        first.setdefault(variant.weight, variant)
    return list(first.values())


def _of_arms(plan: Plan, treatment: PlannedVariant, daily: Floats) -> Ints:
    """Whole units of control and a treatment by day (2, C), which add up to what is expected."""
    weights = np.array([plan.variants[0].weight, treatment.weight]) / sum(variant.weight for variant in plan.variants)
    so_far = np.round(np.cumsum(daily) * weights[:, np.newaxis])
    return np.diff(so_far, prepend=0.0).astype(np.int64)


# --- how it is judged ------------------------------------------------------------------------------------------------


def alpha_of(plan: Plan, planned: PlannedKpi) -> float:
    """The deciding KPIs share the plan's alpha; each other one has it for itself."""
    return plan.alpha_each if planned.role is Role.PRIMARY else plan.alpha


def own_family(plan: Plan, planned: PlannedKpi) -> str:
    """The family that judges this KPI: planned looks are for deciding, the others are watched always valid."""
    is_deciding = planned.role is Role.PRIMARY or plan.policy is Policy.FIXED
    return FAMILIES[plan.policy if is_deciding else Policy.ALWAYS_VALID]


def informative(reading: Reading) -> Ints:
    """Places of the days that bring news."""
    variance = np.where(reading.found.variance > 0, reading.found.variance, np.nan)
    return np.flatnonzero(splits.with_news(1 / variance, NEWS))


def judges(
    plan: Plan, days: Ints, expected: Reading, *, alpha: float, planned: float | None = None
) -> tuple[Family, ...]:
    """The families, each on its days of these, by the information that the expected reading brings on them.

    Planned looks fall on the last day up to theirs, the last day is one, and none comes after the `planned`
    information is there. By default what the last day brings is taken as planned.
    """
    information = 1 / expected.found.variance
    whole = float(information[-1]) if planned is None else planned
    places = _look_places(plan, days, information, whole)
    # As in the service: the clock runs by the planned information, and the last look spends all that is left.
    clock = np.append(np.minimum(1.0, information[places[:-1]] / whole), 1.0)
    own = families.Plan(
        alpha=alpha,
        bars=group_sequential.boundaries(clock, alpha=alpha, information=information[places]),
        tau2=float(confidence_sequence.mixture_variance(1 / whole, alpha)),
    )
    every_day = np.arange(days.size)
    return tuple(
        replace(splits.watching(family, places if family.name == PLANNED else every_day, own), applies=lambda _: True)
        for family in families.FAMILIES
        if family.name in SHOWN
    )


def _look_places(plan: Plan, days: Ints, information: Floats, whole: float) -> Ints:
    """Where the planned looks fall among these days."""
    found = np.searchsorted(days, plan.look_days, side="right") - 1
    places = np.unique(np.append(found[found >= 0], days.size - 1))
    return places[: np.flatnonzero(information[places] < whole).size + 1]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """A planned KPI in one treatment, ready to be drawn: its world, and the families on their days.

    `information` is the part of the planned information that the horizon brings.
    """

    kpi: str
    variant: str
    own: str
    alpha: float
    units: int
    information: float
    world: Shares | Amounts | Times
    families: tuple[Family, ...]

    def rows(
        self, draw: np.random.Generator, *, replicates: int, advance: Callable[[int], object] = lambda _: None
    ) -> tuple[Row, ...]:
        """One row a family; only the plan's own is held against its promise."""
        return table.rows(
            self.world,
            draw,
            replicates=replicates,
            start=START,
            alpha=self.alpha,
            families=self.families,
            advance=advance,
        )


def scenes(plan: Plan, entered: Ints | None = None, *, is_stopped: bool = False) -> list[Scene | Missing]:
    """Every planned KPI against every treatment weight, or what the plan lacks for it."""
    daily = arrivals(plan, entered, is_stopped=is_stopped)
    if daily is None:
        sentence = f"“{plan.experiment}”: no primary KPI has a baseline that says how many units are needed."
        return [Missing(kpi=planned.kpi, sentence=sentence) for planned in plan.primaries[:1]]
    found = [_scene(plan, planned, treatment, daily) for planned in plan.kpis for treatment in treatments(plan)]
    return list(dict.fromkeys(found))


def _scene(plan: Plan, planned: PlannedKpi, treatment: PlannedVariant, daily: Floats) -> Scene | Missing:
    every_day = world(planned, _of_arms(plan, treatment, daily))
    if isinstance(every_day, Missing) or planned.information is None:
        return every_day if isinstance(every_day, Missing) else _missing(planned, "the plan has no mde.")
    alpha = alpha_of(plan, planned)
    (reading,) = every_day.expected(has_effect=False, start=START, alpha=alpha).values()
    kept = informative(reading)
    if not kept.size:
        return _missing(planned, f"no unit is final within the horizon of {plan.horizon_days} days.")
    expected, days = splits.at(reading, kept), every_day.days[kept]
    share = float(1 / expected.found.variance[-1] / planned.information)
    judging = judges(plan, days, expected, alpha=alpha, planned=planned.information)
    return Scene(
        kpi=planned.kpi,
        variant=treatment.key,
        own=own_family(plan, planned),
        alpha=alpha,
        units=int(every_day.n.sum()),
        information=share,
        world=replace(every_day, days=days),
        families=tuple(_promised(family, plan, planned, has_enough=share >= ENOUGH) for family in judging),
    )


def _promised(family: Family, plan: Plan, planned: PlannedKpi, *, has_enough: bool) -> Family:
    """What the plan's own family promises at the plan's alpha and power; power only where the horizon brings enough."""
    if family.name != own_family(plan, planned) or family.promise is None:
        return replace(family, promise=None)
    power = family.promise.least_power * plan.power / USUAL_POWER if has_enough else 0.0
    missed = (1 - family.promise.least_coverage) * alpha_of(plan, planned) / USUAL_ALPHA
    return replace(family, promise=replace(family.promise, least_power=power, least_coverage=1 - missed))

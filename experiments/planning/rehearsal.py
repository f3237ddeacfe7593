"""A plan tried out before it is believed: whole experiments drawn by its baselines, effects, weights, looks and alpha.

Pure. Each KPI becomes a world, and each family judges it on the days on which the service would: planned looks on
theirs, the fixed test at the horizon, always-valid inference and peeking every day.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from experiments.enums import Policy, Role
from experiments.inference.cohorts import decode
from experiments.inference.looks import NEWS
from experiments.planning import plan as plans
from experiments.planning import worlds
from experiments.planning.plan import Plan, PlannedKpi, PlannedVariant
from experiments.planning.worlds import AnyWorld
from kpi.kinds.shape import Floats, Ints
from stats.calibration import families, splits, table
from stats.calibration.families import Family
from stats.calibration.scenarios import Reading, Start
from stats.calibration.table import Row
from stats.sequential import confidence_sequence, group_sequential
from stats.sequential.confidence_sequence import FEWEST, FEWEST_SUCCESSES

START = Start(units=FEWEST, successes=FEWEST_SUCCESSES)
PLANNED = "Group sequential"
FAMILIES = {Policy.FIXED: "Fixed", Policy.GROUP_SEQUENTIAL: PLANNED, Policy.ALWAYS_VALID: "Always valid"}
"""The family that keeps a policy."""
SHOWN = (*FAMILIES.values(), "Peeking")
USUAL_ALPHA, USUAL_POWER = 0.05, 0.8
"""What the promises of the families are stated for."""
ENOUGH = 0.95
"""The part of the planned information from which on the power is held against the plan's."""


QUANTILE = "a quantile is of all units at once, and what is drawn or split are sums of them by day."


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What cannot be tried out, and the field that is missing for it, in one sentence."""

    kpi: str
    sentence: str


# --- from the plan to its worlds -------------------------------------------------------------------------------------


def world(planned: PlannedKpi, n: Ints) -> AnyWorld | Missing:
    """The world of a planned KPI and units (2, C) of both arms, or what the plan lacks for it."""
    kind, baseline, effect = decode(planned), planned.baseline, effect_of(planned)
    if not kind.adds_up:
        return _missing(planned, QUANTILE)
    if baseline is None:
        return _missing(planned, "the plan has no baseline, so there is no level to draw from.")
    if effect is None:
        return _missing(planned, "the plan has no mde, so there is no effect to find.")
    level, until = baseline.value, kind.window[1]
    if not worlds.is_possible(kind.scale, level, level + effect, until):
        return _missing(planned, f"a baseline of {level:g} and an mde of {effect:+g} are no levels it can have.")
    if kind.scale.is_amount and baseline.n is None:
        return _missing(planned, "the plan's baseline has no n, so the spread of a unit is unknown.")
    variance = unit_variance(planned)
    return worlds.build(kind.scale, variance=variance, name=planned.kpi, n=n, until=until, level=level, effect=effect)


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
    return plans.unit_variance(baseline, decode(planned).scale)


def arrivals(plan: Plan, entered: Ints | None, *, is_closed: bool = False) -> Floats | None:
    """Units of all variants on each day up to the horizon, or None where nothing says how many.

    What has `entered` by day since the start, and its mean on the days to come; without it, what the first primary KPI
    that says so needs.
    """
    if entered is None or not entered.sum():
        return _needed(plan)
    seen = entered[: plan.horizon_days].astype(np.float64)
    return np.append(seen, np.full(plan.horizon_days - seen.size, 0.0 if is_closed else seen.mean()))


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
    deciding = [day for day in plan.look_days if day >= plan.earliest_day]
    found = np.searchsorted(days, deciding, side="right") - 1
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
    world: AnyWorld
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


def scenes(plan: Plan, entered: Ints | None = None, *, is_closed: bool = False) -> list[Scene | Missing]:
    """Every planned KPI against every treatment weight, or what the plan lacks for it."""
    daily = arrivals(plan, entered, is_closed=is_closed)
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

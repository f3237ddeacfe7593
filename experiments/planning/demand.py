"""What the KPIs of a plan need before anything can ship: units, and looks that see them. Pure.

A deciding KPI needs the units that find its mde with the planned power, a guardrail those that show it inside its
margin with `guarding_power`.
"""

from dataclasses import dataclass
from math import ceil

from experiments.enums import Policy, Role
from experiments.inference.cohorts import decode
from experiments.planning.plan import Plan, PlannedKpi


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Units that a KPI needs in all variants together, and the days it takes a unit to be final."""

    kpi: PlannedKpi
    units: float
    window: int

    def horizon(self, daily: float) -> int:
        """The days from start until so many a day are enough and final."""
        return ceil(self.units / daily) + self.window


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindLook:
    """A planned look that comes before any unit can be final for a KPI."""

    number: int
    day: int
    kpi: PlannedKpi
    window: int


def required(plan: Plan) -> list[PlannedKpi]:
    """The KPIs without which nothing ships: those that decide, and guardrails with a margin."""
    return [kpi for kpi in plan.kpis if kpi.role is Role.PRIMARY or kpi.margin is not None]


def demands(plan: Plan) -> list[Demand]:
    """What each of them needs, in the plan's order; without those of which nobody knows how units spread."""
    found: list[Demand] = []
    for kpi in required(plan):
        units = plan.units_for(kpi)
        if units is not None:
            found.append(Demand(kpi=kpi, units=units, window=decode(kpi).window[1]))
    return found


def most_demanding(plan: Plan) -> Demand | None:
    """What needs most units, and so how many the plan needs; None where nobody knows of any."""
    return max(demands(plan), key=lambda demand: demand.units, default=None)


def blind_looks(plan: Plan) -> list[BlindLook]:
    """The looks that will see nobody, KPI by KPI; none where no look is planned or it would not be taken anyway."""
    if plan.policy is not Policy.GROUP_SEQUENTIAL:
        return []
    # A quantile has one look, the last, and somebody is final by then.
    windows = [(kpi, decode(kpi).window[1]) for kpi in required(plan) if decode(kpi).adds_up]
    return [
        BlindLook(number=number, day=day, kpi=kpi, window=window)
        for kpi, window in windows
        for number, day in enumerate(plan.look_days, start=1)
        if plan.earliest_day <= day <= window
    ]

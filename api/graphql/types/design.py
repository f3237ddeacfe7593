"""A design that is worked out before anything is registered: what is asked, and what can be said of it."""

from datetime import date
from typing import Annotated, Any

import strawberry
from strawberry import Parent

from api.graphql.context import Info
from api.graphql.errors import UserError
from api.graphql.mutations.experiment import PlannedKpiInput, kpi_choice
from api.graphql.types.experiment import Experiment
from api.graphql.types.kpi import Kpi
from experiments import enums
from experiments.planning import design, draft
from experiments.queries import experiment_by_key
from experiments.tables import Experiment as Row
from kpi import tables

strawberry.enum(design.Gap, name="DesignGap", description="What is missing for an answer of a design.")


@strawberry.input(description="A KPI's part in a design. Without an effect it is still told what can be found.")
class DesignKpiInput(PlannedKpiInput):
    """A KPI's part in a design."""

    correlation: float = strawberry.field(
        description="The correlation of the KPI with a covariate from before exposure, for an analysis that uses it;"
        " the tests of the results do not.",
        default=0.0,
    )


@strawberry.input(description="A design to work out. Nothing is stored.")
class ExperimentDesignInput:
    """A design to work out."""

    kpis: list[DesignKpiInput] = strawberry.field(description="The KPIs and their roles.")
    weights: list[float] = strawberry.field(
        description="The weights of the variants, the control's first.", default_factory=lambda: [1.0, 1.0]
    )
    alpha: float = strawberry.field(description="The error rate of all deciding tests together.", default=0.05)
    power: float = strawberry.field(description="The chance to find the planned effect.", default=0.8)
    policy: enums.Policy = strawberry.field(
        description="The policy that says when the test may decide.", default=enums.Policy.GROUP_SEQUENTIAL
    )
    looks: int = strawberry.field(description="The number of looks, evenly spread up to the horizon.", default=4)
    horizon_days: int | None = strawberry.field(
        description="The days from start to the last look; as many as each KPI needs, if not said.", default=None
    )
    units_per_day: float | None = strawberry.field(
        description="The units that could enter a day; if not said, as many as entered the latest experiment on such"
        " units on its last 28 days, over its traffic on each.",
        default=None,
    )
    traffic: float = strawberry.field(description="The share of those units that is to enter.", default=1.0)

    def choice(self) -> draft.DesignChoice:
        """The design as the service takes it."""
        plan = draft.PlanChoice(
            kpis=[kpi_choice(kpi) for kpi in self.kpis],
            alpha=self.alpha,
            power=self.power,
            policy=self.policy,
            looks=self.looks,
            horizon_days=draft.LONGEST_HORIZON if self.horizon_days is None else self.horizon_days,
            segment_attributes=[],
        )
        return draft.DesignChoice(
            plan=plan,
            has_horizon=self.horizon_days is not None,
            weights=self.weights,
            correlations=[kpi.correlation for kpi in self.kpis],
            units_per_day=self.units_per_day,
            traffic=self.traffic,
        )


@strawberry.type(description="The units that enter a day.")
class DesignTraffic:
    """The units that enter a day."""

    units_per_day: float = strawberry.field(description="The units of all variants that enter a day.")
    from_on: date | None = strawberry.field(description="The first day on which it was seen.")
    to_on: date | None = strawberry.field(description="The last day on which it was seen.")

    @strawberry.field(
        description="The experiment it was seen in; null where it was given.", graphql_type=Experiment | None
    )
    async def experiment(parent: Parent[design.Traffic], info: Info) -> Row | None:
        """The experiment it was seen in."""
        if parent.experiment is None:
            return None
        async with info.context.read() as session:
            return await experiment_by_key(session, info.context.caller.workspace_id, parent.experiment)


@strawberry.type(description="What finds the planned effect with the planned power, or keeps the margin.")
class DesignSize:
    """What finds the planned effect."""

    units: float | None = strawberry.field(description="The units of all variants together.")
    days: int | None = strawberry.field(description="The days until all of them are final.")
    information: float | None = strawberry.field(
        description="One over the variance of the difference that a plan would pin."
    )
    gap: design.Gap | None = strawberry.field(description="What is missing; null when all is said.")


@strawberry.type(
    description="The smallest effect found with the planned power, were the horizon at the end of each week; parallel"
    " lists, 104 weeks at most."
)
class DesignReachable:
    """The smallest effect by week."""

    week: list[int] = strawberry.field(description="The weeks, from 1.")
    units: list[float] = strawberry.field(description="The units of all variants that are final by then.")
    difference: list[float | None] = strawberry.field(description="The effect as a difference, without a sign.")
    lift: list[float | None] = strawberry.field(description="The effect relative to the baseline.")
    gap: design.Gap | None = strawberry.field(description="What is missing; null when all is said.")


@strawberry.type(description="The chance to find each effect; parallel lists of 21 effects at most.")
class DesignPowerCurve:
    """The chance to find each effect."""

    units: float | None = strawberry.field(
        description="The units it holds for: those final at the horizon that was given, else those needed."
    )
    difference: list[float] = strawberry.field(description="The effects as differences, without a sign.")
    lift: list[float | None] = strawberry.field(description="The effects relative to the baseline.")
    power: list[float] = strawberry.field(description="The chance to find each.")
    gap: design.Gap | None = strawberry.field(description="What is missing; null when all is said.")


@strawberry.type(description="One look ahead.")
class DesignLook:
    """One look ahead."""

    number: int = strawberry.field(description="The number of the look, from 1; one that sees nothing new has none.")
    day: int | None = strawberry.field(description="The day after the start; null where the traffic is not known.")
    units: float = strawberry.field(description="The units of all variants that are final by then.")
    information_fraction: float = strawberry.field(
        description="The information by then, as a share of what the needed units bring."
    )
    boundary: float | None = strawberry.field(description="The z that decides; null where nothing may be spent yet.")
    stops_if_planned: float = strawberry.field(
        description="The chance that the test first decides here, if the effect is the planned one."
    )
    stops_if_none: float = strawberry.field(
        description="The chance that the test first decides here, if there is no effect."
    )


@strawberry.type(
    description="The looks up to the horizon and what they come to. Watched any day stands as 20 looks at most."
)
class DesignCourse:
    """The looks up to the horizon."""

    looks: list[DesignLook] = strawberry.field(description="The looks that see something new, in order.")
    horizon_days: int | None = strawberry.field(description="The days to the last look.")
    power: float | None = strawberry.field(description="The chance to find the planned effect by then.")
    days_if_planned: float | None = strawberry.field(
        description="The day it ends on average, if the effect is the planned one."
    )
    days_if_none: float | None = strawberry.field(description="The day it ends on average, if there is no effect.")
    units_if_planned: float | None = strawberry.field(
        description="The units that are final by then on average, if the effect is the planned one."
    )
    units_if_none: float | None = strawberry.field(
        description="The units that are final by then on average, if there is no effect."
    )
    gap: design.Gap | None = strawberry.field(description="What is missing; null when all is said.")


@strawberry.type(description="The answers for one KPI, for the variant with the smallest weight against control.")
class KpiDesign:
    """The answers for one KPI."""

    role: enums.Role = strawberry.field(description="The role of the KPI.")
    policy: enums.Policy = strawberry.field(
        description="The policy it is read by: the plan's, but always valid for a secondary KPI unless that is fixed, "
        "and FIXED for a quantile, which is read once."
    )
    alpha: float = strawberry.field(description="The error rate of one comparison.")
    effect: float | None = strawberry.field(description="The effect to find or the margin to keep, as a difference.")
    effect_lift: float | None = strawberry.field(description="The same relative to the baseline.")
    gap: design.Gap | None = strawberry.field(description="What is missing for any answer; null when there is one.")
    size: DesignSize = strawberry.field(description="The units and days it needs.")
    reachable: DesignReachable = strawberry.field(description="The smallest effect by week.")
    power_curve: DesignPowerCurve = strawberry.field(description="The chance to find each effect.")
    course: DesignCourse = strawberry.field(description="The looks up to the horizon.")
    events_gap: design.Gap | None = strawberry.field(
        description="Why no number of events is said for a time to value: a baseline has no curve."
    )

    @strawberry.field(description="The KPI.", graphql_type=Kpi | None)
    async def kpi(parent: Parent[design.KpiDesign], info: Info) -> tables.Kpi | None:
        """The KPI."""
        return await info.context.loaders.kpis_by_key.load(parent.kpi)

    @strawberry.field(description="The units of a test with one look, times this, for the looks it has.")
    def inflation(parent: Parent[design.KpiDesign]) -> float:
        """What its looks cost in units."""
        return parent.inflation.horizon


@strawberry.type(description="A design worked out; null and empty where the input has faults.")
class ExperimentDesign:
    """A design worked out."""

    units: float | None = strawberry.field(
        description="The units of all variants that the KPI needs which needs most: to decide, or to be shown kept.",
        default=None,
    )
    days: int | None = strawberry.field(description="The days that the slowest of them needs.", default=None)
    needed_for: str | None = strawberry.field(description="The key of the KPI that needs so many units.", default=None)
    gap: design.Gap | None = strawberry.field(
        description="What is missing for these two; null when both are said.", default=None
    )
    traffic: DesignTraffic | None = strawberry.field(
        description="The units that enter a day; null where nothing says so.", default=None
    )
    kpis: list[KpiDesign] = strawberry.field(description="The KPIs in the order of the input.", default_factory=list)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


def shown(found: design.Designed) -> dict[str, Any]:
    """What was worked out, as fields of the answer."""
    sketch = found.sketch
    return {
        "units": sketch.units,
        "days": sketch.days,
        "needed_for": sketch.needed_for,
        "gap": sketch.gap,
        "traffic": found.traffic,
        "kpis": list(sketch.kpis),
    }


DesignInput = Annotated[ExperimentDesignInput, strawberry.argument(description="The design to work out.")]

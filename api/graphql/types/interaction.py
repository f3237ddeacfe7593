"""What other experiments with the same units do to an experiment's effects, as the API shows it."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry import Parent

from api.graphql.context import Info
from api.graphql.types.finding import Variant
from api.graphql.types.interval import Interval
from api.graphql.types.kpi import Kpi
from experiments import tables
from experiments.inference import interaction
from kpi import tables as kpi_tables
from kpi.kinds.shape import Scale
from stats.results import Reason

if TYPE_CHECKING:
    from api.graphql.types.experiment import Experiment


@strawberry.type(
    description="By how much an effect differs between a variant of the other experiment and that one's control."
)
class Contrast:
    """By how much an effect differs."""

    variant: Variant = strawberry.field(description="The variant whose effect it is.")
    other_variant: Variant = strawberry.field(description="The variant of the other experiment.")
    scale: Scale = strawberry.field(description="The scale of the values.")
    units: int = strawberry.field(description="The units that are counted, in both variants and both controls.")
    with_control: float | None = strawberry.field(
        description="The effect among units in the control of the other experiment."
    )
    with_variant: float | None = strawberry.field(
        description="The effect among units in the variant of the other experiment."
    )
    difference: float | None = strawberry.field(description="The second effect less the first.")
    interval: Interval | None = strawberry.field(description="The always-valid interval of the difference.")
    p_value: float | None = strawberry.field(description="The always-valid p-value of this day.")
    adjusted_p_value: float | None = strawberry.field(
        description="The p-value adjusted for all KPIs, variants and other experiments (Holm)."
    )
    is_suspect: bool = strawberry.field(description="Whether the effects differ by more than chance explains.")
    reason: Reason | None = strawberry.field(description="The reason there is no answer; null when there is one.")

    @strawberry.field(description="The KPI.", graphql_type=Kpi | None)
    async def kpi(parent: Parent[interaction.Contrast], info: Info) -> kpi_tables.Kpi | None:
        """The KPI."""
        return await info.context.loaders.kpis_by_key.load(parent.kpi)


@strawberry.type(description="Another experiment that shares units with this one: to warn, not to decide.")
class Interaction:
    """Another experiment that shares units."""

    units: int = strawberry.field(description="The units in both, final or not.")
    split_p_value: float | None = strawberry.field(
        description="The always-valid p-value that they are split as both plans promise."
    )
    is_split_broken: bool = strawberry.field(
        description="Whether they are not: assignments depend on each other, or one changes who enters the other."
    )
    computed_at: datetime = strawberry.field(description="The time it was computed; once a day.")
    data_through: datetime = strawberry.field(description="The time through which the data are counted.")

    @strawberry.field(description="The deciding KPIs, each variant beside each variant of the other experiment.")
    def contrasts(parent: Parent[interaction.Interaction]) -> list[Contrast]:
        """The contrasts."""
        found: Any = parent.contrasts
        return list(found)

    @strawberry.field(
        description="The other experiment.",
        graphql_type=Annotated["Experiment", strawberry.lazy("api.graphql.types.experiment")] | None,
    )
    async def experiment(parent: Parent[interaction.Interaction], info: Info) -> tables.Experiment | None:
        """The other experiment."""
        return await info.context.loaders.experiments.load(parent.other_id)

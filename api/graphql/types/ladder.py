"""The links of the ladder, as the API shows them."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry import Parent

from api.graphql.context import Info
from kpi import enums, tables
from stats.ladder.elasticity import Obstacle

if TYPE_CHECKING:
    from api.graphql.types.kpi import Kpi

LazyKpi = Annotated["Kpi", strawberry.lazy("api.graphql.types.kpi")]
"""A KPI shows its links and a link its KPIs."""

strawberry.enum(
    enums.LinkSource,
    name="KpiLinkSource",
    description="Where it is known from how a lagging KPI moves with a leading one.",
)
strawberry.enum(Obstacle, name="KpiLinkObstacle", description="Why the data do not give an elasticity.")


@strawberry.type(description="How a lagging KPI moves with a leading one, by one source, in its newest version.")
class KpiLink:
    """A link."""

    version: int = strawberry.field(description="Its version, from 1.")
    source: enums.LinkSource = strawberry.field(description="Where it is known from.")
    elasticity: float | None = strawberry.field(
        description=(
            "By how many per cent the lagging KPI moves with one per cent of the leading one; null where the data do "
            "not give it, and where it was withdrawn."
        )
    )
    standard_error: float | None = strawberry.field(description="The standard error of the elasticity.")
    df: float | None = strawberry.field(description="The degrees of freedom of the error; null for the normal.")
    low: float | None = strawberry.field(description="The least that is assumed; null for what data say.")
    likely: float | None = strawberry.field(description="The likeliest that is assumed; null for what data say.")
    high: float | None = strawberry.field(description="The most that is assumed; null for what data say.")
    by: str = strawberry.field(description="The name of the key that set it.")
    reason: str = strawberry.field(description="The reason.")
    created_at: datetime = strawberry.field(description="The time it was set.")

    @strawberry.field(description="Whether data say so, and not a person.")
    def is_estimated(parent: Parent[tables.KpiLink]) -> bool:
        """Whether data say so."""
        return parent.source is not enums.LinkSource.ASSUMPTION

    @strawberry.field(description="Why the data do not give an elasticity; null where they do.")
    def obstacle(parent: Parent[tables.KpiLink]) -> Obstacle | None:
        """Why there is none."""
        return None if parent.undefined is None else Obstacle(parent.undefined)

    @strawberry.field(description="The KPI that moves first.", graphql_type=LazyKpi)
    async def leading(parent: Parent[tables.KpiLink], info: Info) -> tables.Kpi | None:
        """The leading KPI."""
        return await info.context.loaders.kpis.load(parent.leading_id)

    @strawberry.field(description="The KPI that moves with it.", graphql_type=LazyKpi)
    async def lagging(parent: Parent[tables.KpiLink], info: Info) -> tables.Kpi | None:
        """The lagging KPI."""
        return await info.context.loaders.kpis.load(parent.lagging_id)

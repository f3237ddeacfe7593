"""Marking the units that a KPI says are at risk, with a reason that stays."""

from typing import Annotated, Any

import strawberry

from api.auth.permissions import MayDecide
from api.database import driver
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.nodes import row_of
from api.graphql.types.kpi import Kpi
from kpi import governance
from kpi.risk.ranking import Rule

TRAIT = "at_risk"


@strawberry.input(description="Which units of a KPI are marked: by a number (below) or a share (worst), one of both.")
class KpiAtRiskMarkInput:
    """Which units are marked."""

    id: strawberry.ID = strawberry.field(description="The global id of the KPI.")
    reason: str = strawberry.field(description="The reason, kept in the KPI's history.")
    below: float | None = strawberry.field(description="All units whose number is worse than this.", default=None)
    worst: float | None = strawberry.field(description="This share of all units, the worst.", default=None)
    segment: str = strawberry.field(description="Only of this segment, such as `plan=pro`.", default="")
    trait: str = strawberry.field(description="The name of the trait that they carry.", default=TRAIT)


@strawberry.type(description="The answer to kpiAtRiskMark. A list that is marked already is no error.")
class KpiAtRiskMarkPayload:
    """The answer to kpiAtRiskMark."""

    kpi: Kpi | None = strawberry.field(description="The KPI; null when there are errors.", default=None)
    marked: int | None = strawberry.field(description="The units that carry the trait now and did not.", default=None)
    kept: int | None = strawberry.field(description="The units that carried it already.", default=None)
    unmarked: int | None = strawberry.field(description="The units that carry it no longer.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


MarkInput = Annotated[KpiAtRiskMarkInput, strawberry.argument(description="Which units are marked.")]


@strawberry.type
class RiskMutation:
    """Marking units at risk."""

    @strawberry.mutation(
        description=(
            "Have exactly the units at risk carry a trait with the value `yes` from now on, and no other unit, so that "
            "segments, senders and the targeting of an experiment can use it; on the record."
        ),
        permission_classes=[MayDecide],
    )
    async def kpi_at_risk_mark(
        self,
        info: Info,
        input: MarkInput,  # noqa: A002 - the API's word
    ) -> KpiAtRiskMarkPayload | None:
        """Have exactly the units at risk carry a trait."""
        return await answer(KpiAtRiskMarkPayload, lambda: _mark(info, input))


async def _mark(info: Info, given: KpiAtRiskMarkInput) -> dict[str, Any]:
    identity = row_of("Kpi", given.id)
    async with info.context.write(info) as session:
        kpi, found = await governance.mark_at_risk(
            session,
            await driver(session),
            actor=info.context.actor(given.reason),
            kpi_id=identity,
            rule=Rule(below=given.below, worst=given.worst, segment=given.segment),
            trait=given.trait,
        )
    return {"kpi": kpi, "marked": found.marked, "kept": found.kept, "unmarked": found.unmarked}

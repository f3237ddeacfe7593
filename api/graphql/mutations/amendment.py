"""Amending a sealed plan."""

from typing import Annotated, Any

import strawberry

from api.auth.permissions import MayEdit
from api.graphql.context import Info
from api.graphql.errors import answer
from api.graphql.mutations.experiment import PlannedKpiInput, kpi_choice
from api.graphql.mutations.lifecycle import Moved, actor, experiment_id
from experiments import enums
from experiments.life import amendments


@strawberry.input(description="What changes of a sealed plan; what is absent stays as it is.")
class PlanAmendInput:
    """What changes of a sealed plan."""

    kpis: list[PlannedKpiInput] | None = strawberry.field(
        description="All KPIs of the plan from now on. Those that were in it keep their definition and baseline; their "
        "role, mde, margin and covariate are stated anew.",
        default=None,
    )
    horizon_days: int | None = strawberry.field(description="The days from start to the last look.", default=None)
    minimum_days: int | None = strawberry.field(
        description="The days from start before which nothing is decided.", default=None
    )
    alpha: float | None = strawberry.field(description="The error rate of all deciding tests together.", default=None)
    power: float | None = strawberry.field(description="The chance to find the planned effect.", default=None)
    policy: enums.Policy | None = strawberry.field(
        description="The policy that says when the test may decide.", default=None
    )
    looks: int | None = strawberry.field(description="The number of looks up to the horizon.", default=None)
    segment_attributes: list[str] | None = strawberry.field(
        description="The attributes at exposure that define segments.", default=None
    )


@strawberry.input(description="An amendment of a sealed plan.")
class ExperimentAmendInput:
    """An amendment of a sealed plan."""

    id: strawberry.ID = strawberry.field(description="The global id of the experiment.")
    reason: str = strawberry.field(description="The reason; it is shown with every result.")
    plan: PlanAmendInput = strawberry.field(description="What changes.")


@strawberry.type(description="The answer to experimentAmend.")
class ExperimentAmendPayload(Moved):
    """The answer to experimentAmend."""


AmendInput = Annotated[ExperimentAmendInput, strawberry.argument(description="The amendment.")]


@strawberry.type
class AmendmentMutation:
    """Amending a sealed plan."""

    @strawberry.mutation(
        description="Change a sealed plan on the record. What breaks its error rates makes results exploratory.",
        permission_classes=[MayEdit],
    )
    async def experiment_amend(
        self,
        info: Info,
        input: AmendInput,  # noqa: A002 - the API's word
    ) -> ExperimentAmendPayload | None:
        """Change a sealed plan on the record."""

        async def action() -> dict[str, Any]:
            identity = experiment_id(input.id)
            kpis = None if input.plan.kpis is None else [kpi_choice(kpi) for kpi in input.plan.kpis]
            change = amendments.PlanChange(**(vars(input.plan) | {"kpis": kpis}))
            async with info.context.database.write() as session:
                amended = await amendments.amend(
                    session, actor=actor(info, input.reason), experiment_id=identity, change=change
                )
            return {"experiment": amended}

        return await answer(ExperimentAmendPayload, action)

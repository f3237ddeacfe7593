"""Amending a sealed plan."""

from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from api.auth.permissions import MayEdit
from api.graphql.context import Info
from api.graphql.errors import answer
from api.graphql.mutations.experiment import PlannedKpiInput, TargetingConditionInput, conditions, kpi_choice
from api.graphql.mutations.lifecycle import Moved
from api.graphql.nodes import row_of
from experiments import enums
from experiments.life import amendments


@strawberry.input(
    description="What changes of a sealed plan: what is absent stays as it is. Null clears; of what every plan has - "
    "KPIs, alpha, power, policy, looks, horizon - it is refused."
)
class PlanAmendInput:
    """What changes of a sealed plan."""

    kpis: list[PlannedKpiInput] | None = strawberry.field(
        description="All KPIs of the plan from now on. Those that were in it keep their definition and baseline; their "
        "role, mde, margin and covariate are stated anew.",
        default=strawberry.UNSET,
    )
    horizon_days: int | None = strawberry.field(
        description="The days from start to the last look.", default=strawberry.UNSET
    )
    minimum_days: int | None = strawberry.field(
        description="The days from start before which nothing is decided.", default=strawberry.UNSET
    )
    alpha: float | None = strawberry.field(
        description="The error rate of all deciding tests together.", default=strawberry.UNSET
    )
    power: float | None = strawberry.field(
        description="The chance to find the planned effect.", default=strawberry.UNSET
    )
    policy: enums.Policy | None = strawberry.field(
        description="The policy that says when the test may decide.", default=strawberry.UNSET
    )
    looks: int | None = strawberry.field(description="The number of looks up to the horizon.", default=strawberry.UNSET)
    segment_attributes: list[str] | None = strawberry.field(
        description="The attributes at exposure that define segments.", default=strawberry.UNSET
    )
    correction: enums.Correction | None = strawberry.field(
        description="The rule by which what informs is corrected; null for the one that goes with the policy.",
        default=strawberry.UNSET,
    )
    targeting: list[TargetingConditionInput] | None = strawberry.field(
        description="All conditions that hold for the units that enter from now on; those inside stay.",
        default=strawberry.UNSET,
    )
    holdout: str | None = strawberry.field(
        description="The key of the experiment whose control is kept out.", default=strawberry.UNSET
    )
    audience: str | None = strawberry.field(
        description="The units it is meant for, in words.", default=strawberry.UNSET
    )
    exclusions: str | None = strawberry.field(
        description="The units that are kept out, in words.", default=strawberry.UNSET
    )


@strawberry.input(description="What a variant shows from now on.")
class PayloadAmendInput:
    """What a variant shows from now on."""

    variant: str = strawberry.field(description="The key of the variant.")
    payload: JSON | None = strawberry.field(
        description="The JSON object that whoever shows it is handed, up to 4,096 bytes; null for none.", default=None
    )


@strawberry.input(description="An amendment of a sealed plan.")
class ExperimentAmendInput:
    """An amendment of a sealed plan."""

    id: strawberry.ID = strawberry.field(description="The global id of the experiment.")
    reason: str = strawberry.field(description="The reason; it is shown with every result.")
    plan: PlanAmendInput | None = strawberry.field(description="What changes of the plan.", default=None)
    layer: str | None = strawberry.field(
        description="The key of the layer, which needs room for its traffic; null for none, absent as it is.",
        default=strawberry.UNSET,
    )
    payloads: list[PayloadAmendInput] | None = strawberry.field(
        description="What variants show from now on; those that are not named stay as they are.", default=None
    )


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
            identity = row_of("Experiment", input.id)
            async with info.context.write(info) as session:
                amended = await amendments.amend(
                    session, actor=info.context.actor(input.reason), experiment_id=identity, change=_change(input)
                )
            return {"experiment": amended}

        return await answer(ExperimentAmendPayload, action)


def _change(given: ExperimentAmendInput) -> amendments.PlanChange:
    """What is given, as the service takes it."""
    stated = ({} if given.plan is None else vars(given.plan)) | {"layer": given.layer}
    stated = {name: value for name, value in stated.items() if value is not strawberry.UNSET}
    if stated.get("kpis") is not None:
        stated["kpis"] = [kpi_choice(kpi) for kpi in stated["kpis"]]
    if "targeting" in stated:
        stated["targeting"] = conditions(stated["targeting"])
    payloads = [amendments.PayloadChange(**vars(one)) for one in given.payloads or ()]
    return amendments.PlanChange(**stated, payloads=payloads)

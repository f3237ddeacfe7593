"""Recording what a person decides, and a second person's approval."""

from typing import Annotated, Any

import strawberry

from api.auth.permissions import MayDecide
from api.database import driver
from api.graphql.context import Info
from api.graphql.errors import answer
from api.graphql.mutations.lifecycle import Moved, Moving
from api.graphql.nodes import row_of
from api.graphql.replies import Repeatable
from experiments import enums
from experiments.life import decisions


@strawberry.input(description="A decision on a stopped experiment. Against the verdict, or again, it needs a reason.")
class ExperimentDecideInput(Moving, Repeatable):
    """A decision."""

    choice: enums.Choice = strawberry.field(description="The decision.")
    variant: str | None = strawberry.field(description="The key of the variant that is shipped.", default=None)


@strawberry.input(description="The experiment whose latest decision a second person approves.")
class ExperimentDecisionApproveInput(Moving):
    """An approval."""


@strawberry.type(description="The answer to experimentDecide.")
class ExperimentDecidePayload(Moved):
    """The answer to experimentDecide."""


@strawberry.type(description="The answer to experimentDecisionApprove.")
class ExperimentDecisionApprovePayload(Moved):
    """The answer to experimentDecisionApprove."""


DecideInput = Annotated[ExperimentDecideInput, strawberry.argument(description="The decision.")]
ApproveInput = Annotated[ExperimentDecisionApproveInput, strawberry.argument(description="The decision to approve.")]


@strawberry.type
class DecisionMutation:
    """Recording what a person decides, and a second person's approval."""

    @strawberry.mutation(description="Record a person's decision.", permission_classes=[MayDecide])
    async def experiment_decide(
        self,
        info: Info,
        input: DecideInput,  # noqa: A002 - the API's word
    ) -> ExperimentDecidePayload | None:
        """Record a person's decision."""

        async def action() -> dict[str, Any]:
            identity = row_of("Experiment", input.id)
            async with info.context.write(info) as session:
                decided = await decisions.decide(
                    session,
                    await driver(session),
                    actor=info.context.actor(input.reason),
                    experiment_id=identity,
                    choice=input.choice,
                    variant=input.variant,
                )
            return {"experiment": decided}

        return await answer(ExperimentDecidePayload, action)

    @strawberry.mutation(description="Approve a decision as a second person.", permission_classes=[MayDecide])
    async def experiment_decision_approve(
        self,
        info: Info,
        input: ApproveInput,  # noqa: A002 - the API's word
    ) -> ExperimentDecisionApprovePayload | None:
        """Approve a decision as a second person."""

        async def action() -> dict[str, Any]:
            identity = row_of("Experiment", input.id)
            async with info.context.write(info) as session:
                approved = await decisions.approve(
                    session, actor=info.context.actor(input.reason), experiment_id=identity
                )
            return {"experiment": approved}

        return await answer(ExperimentDecisionApprovePayload, action)

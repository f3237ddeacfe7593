"""Having a draft rehearsed."""

from typing import Annotated, Any

import strawberry

from api.auth.permissions import MayEdit
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.nodes import row_of
from api.graphql.types.job import Job
from api.jobs.service import rehearse


@strawberry.input(description="A draft to rehearse.")
class ExperimentRehearseInput:
    """A draft to rehearse."""

    id: strawberry.ID = strawberry.field(description="The global id of the experiment.")


@strawberry.type(description="The answer to experimentRehearse.")
class ExperimentRehearsePayload:
    """The answer to experimentRehearse."""

    job: Job | None = strawberry.field(description="The job that does it; null when there are errors.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


RehearseInput = Annotated[ExperimentRehearseInput, strawberry.argument(description="The draft to rehearse.")]


@strawberry.type
class RehearsalMutation:
    """Having a draft rehearsed."""

    @strawberry.mutation(
        description=(
            "Split past control units at random under a draft's rules, to see how often its test finds a difference"
            " where there is none. Asked again while that is under way, it answers with the same job."
        ),
        permission_classes=[MayEdit],
    )
    async def experiment_rehearse(
        self,
        info: Info,
        input: RehearseInput,  # noqa: A002 - the API's word
    ) -> ExperimentRehearsePayload | None:
        """Split past control units at random under a draft's rules."""

        async def action() -> dict[str, Any]:
            identity = row_of("Experiment", input.id)
            async with info.context.write(info) as session:
                return {"job": await rehearse(session, info.context.caller.workspace_id, identity)}

        return await answer(ExperimentRehearsePayload, action)

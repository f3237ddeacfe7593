"""What can be done with an upload that is under way."""

from typing import Annotated, Any

import strawberry

from api.auth.permissions import MayIngest
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.nodes import local_id
from api.graphql.types.job import Job
from api.jobs.service import cancel


@strawberry.input(description="A job to cancel.")
class JobCancelInput:
    """A job to cancel."""

    id: strawberry.ID = strawberry.field(description="The global id of the job.")


@strawberry.type(description="The answer to jobCancel.")
class JobCancelPayload:
    """The answer to jobCancel."""

    job: Job | None = strawberry.field(description="The job; null when there are errors.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


CancelInput = Annotated[JobCancelInput, strawberry.argument(description="The job to cancel.")]


@strawberry.type
class UploadMutation:
    """What can be done with an upload."""

    @strawberry.mutation(
        description="Cancel a job. What it took in stays; its file is dropped. Cancelling twice changes nothing.",
        permission_classes=[MayIngest],
    )
    async def job_cancel(self, info: Info, input: CancelInput) -> JobCancelPayload | None:  # noqa: A002 - the API's word
        """Cancel a job."""

        async def action() -> dict[str, Any]:
            identity = local_id("Job", input.id)
            async with info.context.door(info) as connection:
                return {"job": await cancel(connection, info.context.caller.workspace_id, identity)}

        return await answer(JobCancelPayload, action)

"""Changing how a workspace keeps its data."""

from typing import Annotated, Any

import strawberry

from api.auth.permissions import MayAdmin
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.inputs import said
from api.graphql.types.workspace import Workspace
from kpi import workspaces


@strawberry.input(description="What to change of the caller's workspace; a field that is absent stays as it is.")
class WorkspaceUpdateInput:
    """What to change of the caller's workspace."""

    retention_days: int | None = strawberry.field(
        description="The days to keep raw outcomes and exposures, 1 to 36,500; null for ever. Aggregates stay.",
        default=strawberry.UNSET,
    )
    needs_second_person: bool | None = strawberry.field(
        description="Whether a decision against the verdict needs the approval of a second person.",
        default=strawberry.UNSET,
    )
    requires_protocol: bool | None = strawberry.field(
        description="Whether every experiment that is registered from now on follows a protocol.",
        default=strawberry.UNSET,
    )
    opens_reviews: bool | None = strawberry.field(
        description="Whether the review of each week, month and quarter opens by itself once it is over.",
        default=strawberry.UNSET,
    )
    hashes_units: bool | None = strawberry.field(
        description="Whether to store unit ids as keyed 128-bit hashes. Settled before the first row, never after.",
        default=strawberry.UNSET,
    )


@strawberry.type(description="The answer to workspaceUpdate.")
class WorkspaceUpdatePayload:
    """The answer to workspaceUpdate."""

    workspace: Workspace | None = strawberry.field(
        description="The workspace; null when there are errors.", default=None
    )
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


UpdateInput = Annotated[WorkspaceUpdateInput, strawberry.argument(description="What to change.")]


@strawberry.type
class WorkspaceMutation:
    """Changing how a workspace keeps its data."""

    @strawberry.mutation(description="Change how the workspace keeps its data.", permission_classes=[MayAdmin])
    async def workspace_update(
        self,
        info: Info,
        input: UpdateInput,  # noqa: A002 - the API's word
    ) -> WorkspaceUpdatePayload | None:
        """Change how the workspace keeps its data."""
        given = said(input)

        async def action() -> dict[str, Any]:
            async with info.context.write(info) as session:
                changed = await workspaces.update(session, workspace_id=info.context.caller.workspace_id, given=given)
            return {"workspace": changed}

        return await answer(WorkspaceUpdatePayload, action)

"""Recording what was learned."""

from typing import Annotated, Any

import strawberry

from api.auth.permissions import MayEdit
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.inputs import said
from api.graphql.nodes import row_of
from api.graphql.replies import Repeatable
from api.graphql.types.learning import Learning
from experiments.programme import learnings


@strawberry.input(description="Something learned from an experiment that is over: stopped, decided or archived.")
class LearningRecordInput(Repeatable):
    """Something learned."""

    experiment: str = strawberry.field(description="The key of the experiment.")
    conclusion: str = strawberry.field(description="The conclusion, 4,000 characters at most.")
    learned: str | None = strawberry.field(
        description="The things learned on the way, 4,000 characters at most.", default=None
    )
    tags: list[str] = strawberry.field(
        description="The tags it is found by: small letters, digits and hyphens, 10 at most.", default_factory=list
    )
    links: list[str] = strawberry.field(
        description="The https addresses of what it rests on, 10 at most.", default_factory=list
    )


@strawberry.input(description="What changes of a learning; what is absent stays as it is, null clears it.")
class LearningUpdateInput:
    """What changes of a learning."""

    id: strawberry.ID = strawberry.field(description="The global id of the learning.")
    conclusion: str | None = strawberry.field(
        description="The conclusion; it cannot be cleared.", default=strawberry.UNSET
    )
    learned: str | None = strawberry.field(description="The things learned.", default=strawberry.UNSET)
    tags: list[str] | None = strawberry.field(description="All tags from now on.", default=strawberry.UNSET)
    links: list[str] | None = strawberry.field(description="All links from now on.", default=strawberry.UNSET)


@strawberry.type
class Learned:
    """What both mutations answer."""

    learning: Learning | None = strawberry.field(description="The learning; null when there are errors.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to learningRecord.")
class LearningRecordPayload(Learned):
    """The answer to learningRecord."""


@strawberry.type(description="The answer to learningUpdate.")
class LearningUpdatePayload(Learned):
    """The answer to learningUpdate."""


RecordInput = Annotated[LearningRecordInput, strawberry.argument(description="The learning.")]
UpdateInput = Annotated[LearningUpdateInput, strawberry.argument(description="What changes.")]


@strawberry.type
class LearningMutation:
    """Recording what was learned."""

    @strawberry.mutation(description="Record what was learned from an experiment.", permission_classes=[MayEdit])
    async def learning_record(
        self,
        info: Info,
        input: RecordInput,  # noqa: A002 - the API's word
    ) -> LearningRecordPayload | None:
        """Record what was learned."""

        async def action() -> dict[str, Any]:
            async with info.context.write(info) as session:
                return {"learning": await learnings.record(session, actor=info.context.actor(), **input.said())}

        return await answer(LearningRecordPayload, action)

    @strawberry.mutation(
        description="Change a learning; what it said is kept in its history.", permission_classes=[MayEdit]
    )
    async def learning_update(
        self,
        info: Info,
        input: UpdateInput,  # noqa: A002 - the API's word
    ) -> LearningUpdatePayload | None:
        """Change a learning."""
        given = said(input)

        async def action() -> dict[str, Any]:
            identity = row_of("Learning", given.pop("id"))
            async with info.context.write(info) as session:
                changed = await learnings.update(session, actor=info.context.actor(), learning_id=identity, given=given)
            return {"learning": changed}

        return await answer(LearningUpdatePayload, action)

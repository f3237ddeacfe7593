"""Opening reviews, writing in them, closing them, and keeping what is to be done."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, Any

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession

from api.auth.permissions import MayEdit
from api.database import driver
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.inputs import said
from api.graphql.nodes import global_id, row_of
from api.graphql.replies import Repeatable
from api.graphql.types.review import ActionItem, Review
from experiments.programme.reviews import service
from experiments.programme.reviews.enums import ItemState, ReviewKind


@strawberry.input(description="Which review to open.")
class ReviewOpenInput:
    """Which review to open."""

    kind: ReviewKind = strawberry.field(description="How much time it is of.")
    on: date = strawberry.field(description="A day (UTC) of its period.")


@strawberry.input(description="What to write in a draft; what is absent stays as it is, null clears it.")
class ReviewUpdateInput:
    """What to write in a draft."""

    id: strawberry.ID = strawberry.field(description="The global id of the review.")
    notes: str | None = strawberry.field(description="Notes, 4,000 characters at most.", default=strawberry.UNSET)
    agenda: str | None = strawberry.field(
        description="The agenda beside what needs attention, 4,000 characters at most.", default=strawberry.UNSET
    )
    decisions: str | None = strawberry.field(
        description="The decisions, 4,000 characters at most.", default=strawberry.UNSET
    )


@strawberry.input(description="Which review to close, for good.")
class ReviewCloseInput:
    """Which review to close."""

    id: strawberry.ID = strawberry.field(description="The global id of the review.")


@strawberry.input(description="Something that a review found is to be done.")
class ActionItemAddInput(Repeatable):
    """Something to do."""

    review: strawberry.ID = strawberry.field(description="The global id of the review.")
    text: str = strawberry.field(description="What is to be done, 4,000 characters at most.")
    owner: str = strawberry.field(description="The person who does it.")
    due_on: date | None = strawberry.field(description="The day by which it shall be done.", default=None)
    kpi: str | None = strawberry.field(description="The key of the KPI it is about.", default=None)
    experiment: str | None = strawberry.field(
        description="The key of the experiment it is about, where it is not about a KPI.", default=None
    )


@strawberry.input(description="What changes of an action item; what is absent stays as it is.")
class ActionItemUpdateInput:
    """What changes of an action item."""

    id: strawberry.ID = strawberry.field(description="The global id of the action item.")
    text: str | None = strawberry.field(description="What is to be done.", default=strawberry.UNSET)
    owner: str | None = strawberry.field(description="The person who does it.", default=strawberry.UNSET)
    due_on: date | None = strawberry.field(
        description="The day by which it shall be done; null for none.", default=strawberry.UNSET
    )
    state: ItemState | None = strawberry.field(description="What became of it.", default=strawberry.UNSET)
    note: str | None = strawberry.field(description="A note on it; null clears it.", default=strawberry.UNSET)


@strawberry.type
class Reviewed:
    """What every change of a review answers."""

    review: Review | None = strawberry.field(description="The review; null when there are errors.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to reviewOpen.")
class ReviewOpenPayload(Reviewed):
    """The answer to reviewOpen."""


@strawberry.type(description="The answer to reviewUpdate.")
class ReviewUpdatePayload(Reviewed):
    """The answer to reviewUpdate."""


@strawberry.type(description="The answer to reviewClose.")
class ReviewClosePayload(Reviewed):
    """The answer to reviewClose."""


@strawberry.type
class Itemised:
    """What every change of an action item answers."""

    action_item: ActionItem | None = strawberry.field(
        description="The action item; null when there are errors.", default=None
    )
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to actionItemAdd.")
class ActionItemAddPayload(Itemised):
    """The answer to actionItemAdd."""


@strawberry.type(description="The answer to actionItemUpdate.")
class ActionItemUpdatePayload(Itemised):
    """The answer to actionItemUpdate."""


OpenInput = Annotated[ReviewOpenInput, strawberry.argument(description="The review.")]
UpdateInput = Annotated[ReviewUpdateInput, strawberry.argument(description="What to write.")]
CloseInput = Annotated[ReviewCloseInput, strawberry.argument(description="The review.")]
AddInput = Annotated[ActionItemAddInput, strawberry.argument(description="The action item.")]
ItemInput = Annotated[ActionItemUpdateInput, strawberry.argument(description="What changes.")]
Step = Callable[[AsyncSession], Awaitable[Any]]


@strawberry.type
class ReviewMutation:
    """Opening reviews, writing in them, closing them, and keeping what is to be done."""

    @strawberry.mutation(
        description="Open the review of a period, or find the one there is.", permission_classes=[MayEdit]
    )
    async def review_open(
        self,
        info: Info,
        input: OpenInput,  # noqa: A002 - the API's word
    ) -> ReviewOpenPayload | None:
        """Open a review."""
        who = info.context.actor()

        async def step(session: AsyncSession) -> Any:
            return await service.open_(session, actor=who, kind=input.kind, on=input.on)

        return await answer(ReviewOpenPayload, lambda: _change(info, "review", step))

    @strawberry.mutation(description="Write in a review that is not closed.", permission_classes=[MayEdit])
    async def review_update(
        self,
        info: Info,
        input: UpdateInput,  # noqa: A002 - the API's word
    ) -> ReviewUpdatePayload | None:
        """Write in a review."""
        who, given = info.context.actor(), said(input)

        async def step(session: AsyncSession) -> Any:
            return await service.update(session, actor=who, review_id=row_of("Review", given.pop("id")), given=given)

        return await answer(ReviewUpdatePayload, lambda: _change(info, "review", step))

    @strawberry.mutation(
        description="Close a review whose period is over: what it says now is kept with its hash, for good.",
        permission_classes=[MayEdit],
    )
    async def review_close(
        self,
        info: Info,
        input: CloseInput,  # noqa: A002 - the API's word
    ) -> ReviewClosePayload | None:
        """Close a review."""
        who = info.context.actor()

        async def step(session: AsyncSession) -> Any:
            connection, review_id = await driver(session), row_of("Review", input.id)
            told_as = global_id("Review", review_id)
            return await service.close(session, connection, actor=who, review_id=review_id, told_as=told_as)

        return await answer(ReviewClosePayload, lambda: _change(info, "review", step))

    @strawberry.mutation(
        description="Note in a review that is not closed what is to be done.", permission_classes=[MayEdit]
    )
    async def action_item_add(
        self,
        info: Info,
        input: AddInput,  # noqa: A002 - the API's word
    ) -> ActionItemAddPayload | None:
        """Note what is to be done."""
        who, given = info.context.actor(), input.said()

        async def step(session: AsyncSession) -> Any:
            review_id = row_of("Review", given.pop("review"))
            return await service.add_item(session, actor=who, review_id=review_id, **given)

        return await answer(ActionItemAddPayload, lambda: _change(info, "action_item", step))

    @strawberry.mutation(
        description="Change an action item, also of a closed review: that review goes on saying what it said.",
        permission_classes=[MayEdit],
    )
    async def action_item_update(
        self,
        info: Info,
        input: ItemInput,  # noqa: A002 - the API's word
    ) -> ActionItemUpdatePayload | None:
        """Change an action item."""
        who, given = info.context.actor(), said(input)

        async def step(session: AsyncSession) -> Any:
            item_id = row_of("ActionItem", given.pop("id"))
            return await service.update_item(session, actor=who, item_id=item_id, given=given)

        return await answer(ActionItemUpdatePayload, lambda: _change(info, "action_item", step))


async def _change(info: Info, noun: str, step: Step) -> dict[str, Any]:
    async with info.context.write(info) as session:
        return {noun: await step(session)}

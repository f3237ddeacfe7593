"""What can be asked of reviews and of the backlog of improvements."""

from typing import Annotated

import strawberry

from api.auth.permissions import MayRead
from api.graphql.context import Info
from api.graphql.nodes import After, Before, First, Last, Listed, local_id
from api.graphql.types.review import ActionItemConnection, Entry, Review, ReviewConnection
from api.graphql.types.selection.attention import (
    ACTION_ITEMS,
    REVIEWS,
    OrderOfActionItems,
    OrderOfReviews,
    WhichActionItems,
    WhichReviews,
)
from experiments.programme.reviews import reading, tables
from experiments.programme.reviews.backlog import Entry as EntryValue
from kpi.history.periods import DAY
from kpi.queries import all_kpis

Identity = Annotated[strawberry.ID, strawberry.argument(description="The global id of the review.")]


@strawberry.type
class ReviewQuery:
    """What can be asked of reviews."""

    @strawberry.field(
        description="A review by its global id.", permission_classes=[MayRead], graphql_type=Review | None
    )
    async def review(self, info: Info, id: Identity) -> tables.Review | None:  # noqa: A002 - Relay's name
        """A review by its global id."""
        identity = local_id("Review", id)
        return None if identity is None else await info.context.loaders.reviews.load(identity)

    @strawberry.field(
        description="The reviews of the workspace, newest first unless ordered otherwise.",
        permission_classes=[MayRead],
        graphql_type=ReviewConnection | None,
    )
    async def reviews(
        self,
        info: Info,
        filter: WhichReviews = None,  # noqa: A002 - the API's word
        order_by: OrderOfReviews = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[tables.Review]:
        """The reviews of the workspace."""
        return await REVIEWS.page(info, filter, order_by, first, after, last, before)

    @strawberry.field(
        description="What the reviews of the workspace found is to be done, newest first unless ordered otherwise.",
        permission_classes=[MayRead],
        graphql_type=ActionItemConnection | None,
    )
    async def action_items(
        self,
        info: Info,
        filter: WhichActionItems = None,  # noqa: A002 - the API's word
        order_by: OrderOfActionItems = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[tables.ActionItem]:
        """What is to be done."""
        return await ACTION_ITEMS.page(info, filter, order_by, first, after, last, before)

    @strawberry.field(
        description=(
            "The backlog of improvements now: KPIs with a target, by what closing the gap is worth in revenue, each at "
            "its newest final period."
        ),
        permission_classes=[MayRead],
        graphql_type=list[Entry] | None,
    )
    async def backlog(self, info: Info) -> list[EntryValue]:
        """The backlog of improvements."""
        workspace_id, yesterday = info.context.caller.workspace_id, info.context.today - DAY
        async with info.context.read() as session:
            kpis = await all_kpis(session, workspace_id)
            known = await reading.read(session, kpis, yesterday)
            return await reading.ranked(session, workspace_id, known, yesterday)

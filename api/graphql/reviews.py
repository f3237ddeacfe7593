"""What can be asked of reviews and of the backlog of improvements."""

from typing import Annotated

import strawberry

from api.auth.permissions import MayRead
from api.graphql.context import Info
from api.graphql.nodes import After, Before, First, Last, connection, local_id, page_of
from api.graphql.types.review import Entry, Review, ReviewConnection, ReviewEdge, ReviewFilter
from experiments.programme.reviews import reading, tables
from experiments.programme.reviews.backlog import Entry as EntryValue
from kpi.history.periods import DAY
from kpi.queries import all_kpis

Identity = Annotated[strawberry.ID, strawberry.argument(description="The global id of the review.")]
Which = Annotated[ReviewFilter | None, strawberry.argument(description="Which reviews; all of them if not said.")]


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

    @strawberry.field(description="The reviews of the workspace, newest first.", permission_classes=[MayRead])
    async def reviews(
        self,
        info: Info,
        filter: Which = None,  # noqa: A002 - the API's word
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> ReviewConnection | None:
        """The reviews of the workspace."""
        table, wanted = tables.Review, filter or ReviewFilter()
        where = [table.kind == wanted.kind] if wanted.kind else []
        where += [table.state == wanted.state] if wanted.state else []
        found = await page_of(info, table, first, after, last, before, where)
        page: ReviewConnection = connection(ReviewConnection, ReviewEdge, found)
        return page

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

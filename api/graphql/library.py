"""What can be asked of a programme's memory."""

from datetime import date
from typing import Annotated

import strawberry

from api.auth.permissions import MayRead
from api.database import driver
from api.graphql.context import Info
from api.graphql.nodes import After, Before, First, Last, Listed, bad_input, page_size
from api.graphql.types.impact import (
    Cost,
    Coverage,
    Periods,
    ShippedImpact,
    TopImpact,
    of_supposition,
    of_time,
    terms_of,
)
from api.graphql.types.learning import LearningConnection
from api.graphql.types.programme import Programme, figures
from api.graphql.types.protocol import Protocol, ProtocolConnection
from api.graphql.types.search import SearchConnection, hits, place
from api.graphql.types.selection.experiments import (
    LEARNINGS,
    PROTOCOLS,
    OrderOfLearnings,
    OrderOfProtocols,
    WhichLearnings,
    WhichProtocols,
)
from experiments import tables
from experiments.programme.programme import Programme as Figures
from experiments.programme.search import LONGEST_QUERY, SearchKind, search
from kpi.ingest import is_text

Sought = Annotated[
    str,
    strawberry.argument(
        description="The words, as one writes them in a search on the web: all must occur, `or` and a minus sign work,"
        ' "quotation marks" hold words together, and the last word may be a beginning. Only the first'
        f" {LONGEST_QUERY} characters count."
    ),
]
Kinds = Annotated[list[SearchKind] | None, strawberry.argument(description="What is searched; everything if not said.")]

Begin = Annotated[
    date | None,
    strawberry.argument(name="from", description="The first day (UTC); 52 weeks before the end if not said."),
]
Since = Annotated[
    date | None,
    strawberry.argument(name="from", description="The first day (UTC); 13 weeks before the end if not said."),
]
End = Annotated[
    date | None, strawberry.argument(name="to", description="The day (UTC) it ends before; tomorrow if not said.")
]

Key = Annotated[str, strawberry.argument(description="The key of the object.")]
Moved = Annotated[str, strawberry.argument(description="The key of the KPI that moves.")]
Lift = Annotated[
    float,
    strawberry.argument(description="By how much it moves, relative: 0.05 is five per cent up, -0.1 ten down."),
]


@strawberry.type
class LibraryQuery:
    """What can be asked of a programme's memory."""

    @strawberry.field(
        description="What was learned in the workspace, newest first unless ordered otherwise.",
        permission_classes=[MayRead],
        graphql_type=LearningConnection | None,
    )
    async def learnings(
        self,
        info: Info,
        filter: WhichLearnings = None,  # noqa: A002 - the API's word
        order_by: OrderOfLearnings = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[tables.Learning]:
        """What was learned in the workspace."""
        return await LEARNINGS.page(info, filter, order_by, first, after, last, before)

    @strawberry.field(
        description="Hypotheses, experiments and learnings with the words of a query, the best first.",
        permission_classes=[MayRead],
    )
    async def search(
        self,
        info: Info,
        query: Sought,
        kinds: Kinds = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> SearchConnection | None:
        """What has the words of a query."""
        if not is_text(query):
            raise bad_input("The query holds a character that is not text.")
        size, backwards = page_size(first, last)
        lower, upper = place(after, "after"), place(before, "before")
        async with info.context.read() as session:
            found = await search(
                await driver(session),
                workspace_id=info.context.caller.workspace_id,
                query=query,
                kinds=kinds or (),
                size=size,
                after=lower,
                before=upper,
                backwards=backwards,
            )
        is_behind, is_ahead = (
            (after is not None, found.has_more) if not backwards else (found.has_more, before is not None)
        )
        return hits(found, has_more_before=is_behind, has_more_after=is_ahead)

    @strawberry.field(
        description="Figures of the workspace's experiments over a time of ten years at most.",
        permission_classes=[MayRead],
        graphql_type=Programme | None,
    )
    async def programme(self, info: Info, begin: Begin = None, end: End = None) -> Figures:
        """Figures of the workspace's experiments over a time."""
        return await figures(info, begin, end)

    @strawberry.field(
        description="What the changes that were decided to be shipped over a time are worth.",
        permission_classes=[MayRead],
    )
    async def impact(
        self,
        info: Info,
        begin: Since = None,
        end: End = None,
        coverage: Coverage = 1.0,
        cost_to_serve: Cost = 0.0,
        periods_a_year: Periods = 12.0,
    ) -> ShippedImpact | None:
        """What the changes that were shipped over a time are worth."""
        return await of_time(info, begin, end, terms_of(coverage, cost_to_serve, periods_a_year))

    @strawberry.field(
        description="What a change would be worth if it moved a KPI by exactly so much: carried over the links of the "
        "ladder as they are known, whose error is in the interval. A supposition, and no effect that anybody measured. "
        "Null for a KPI that is not there.",
        permission_classes=[MayRead],
    )
    async def impact_if(
        self,
        info: Info,
        kpi: Moved,
        lift: Lift,
        coverage: Coverage = 1.0,
        cost_to_serve: Cost = 0.0,
        periods_a_year: Periods = 12.0,
    ) -> list[TopImpact] | None:
        """What a change would be worth."""
        return await of_supposition(info, kpi, lift, terms_of(coverage, cost_to_serve, periods_a_year))

    @strawberry.field(description="A protocol by its key.", permission_classes=[MayRead], graphql_type=Protocol | None)
    async def protocol(self, info: Info, key: Key) -> tables.Protocol | None:
        """A protocol by its key."""
        return await info.context.loaders.protocols_by_key.load(key)

    @strawberry.field(
        description="The protocols of the workspace, newest first unless ordered otherwise.",
        permission_classes=[MayRead],
        graphql_type=ProtocolConnection | None,
    )
    async def protocols(
        self,
        info: Info,
        filter: WhichProtocols = None,  # noqa: A002 - the API's word
        order_by: OrderOfProtocols = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[tables.Protocol]:
        """The protocols of the workspace."""
        return await PROTOCOLS.page(info, filter, order_by, first, after, last, before)

"""What can be asked of a programme's memory."""

from typing import Annotated

import strawberry
from sqlalchemy import false
from sqlmodel import col

from api.auth.permissions import MayRead
from api.graphql.context import Info
from api.graphql.nodes import After, Before, First, Last
from api.graphql.types.learning import LearningConnection, LearningFilter, learnings_of
from experiments import tables
from kpi.ingest import is_text

Learned = Annotated[LearningFilter | None, strawberry.argument(description="Which learnings; all of them if not said.")]


@strawberry.type
class LibraryQuery:
    """What can be asked of a programme's memory."""

    @strawberry.field(description="What was learned in the workspace, newest first.", permission_classes=[MayRead])
    async def learnings(
        self,
        info: Info,
        filter: Learned = None,  # noqa: A002 - the API's word
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> LearningConnection:
        """What was learned in the workspace."""
        tag = None if filter is None else filter.tag
        having = [] if tag is None else [col(tables.Learning.tags).contains([tag]) if is_text(tag) else false()]
        return await learnings_of(info, first, after, last, before, having)

"""Rejected rows, as the API shows them."""

from datetime import datetime
from typing import Any

import strawberry
from strawberry import Parent

from api.graphql.context import Info
from api.graphql.nodes import Node, PageInfo
from api.jobs.tables import Noun
from kpi import batches, tables
from kpi.ingest import Fault


@strawberry.type(description="A row that was rejected. It is kept for 30 days, as one of the newest 10,000.")
class Rejection(Node):
    """A rejected row."""

    message: str = strawberry.field(description="The fault in a sentence.")
    path: str = strawberry.field(description="The path within the row.")
    row: str = strawberry.field(description="The row as it came, cut at 2,000 characters.")
    received_at: datetime = strawberry.field(description="The time the row came.")

    @strawberry.field(description="The noun that the row should have been.")
    def noun(parent: Parent[tables.Rejection]) -> Noun:
        """The noun that the row should have been."""
        return Noun(parent.noun)

    @strawberry.field(description="The rule that the row broke when it was last taken in.")
    def code(parent: Parent[tables.Rejection]) -> Fault:
        """The rule that the row broke."""
        return Fault(parent.code)

    @strawberry.field(description="Whether the row can be replayed: it was kept whole.")
    def is_replayable(parent: Parent[tables.Rejection]) -> bool:
        """Whether the row can be replayed."""
        return parent.is_whole

    @classmethod
    def is_type_of(cls, obj: object, _info: Any) -> bool:
        """Rows stand for themselves."""
        return isinstance(obj, tables.Rejection)


@strawberry.type(description="The rejected rows that broke one rule.")
class RejectionCount:
    """How often a rule was broken."""

    noun: Noun = strawberry.field(description="The noun that the rows should have been.")
    code: Fault = strawberry.field(description="The rule they break.")
    n: int = strawberry.field(description="The number of rows.")


@strawberry.type(description="A rejected row in a list.")
class RejectionEdge:
    """A rejected row in a list."""

    cursor: str = strawberry.field(description="The cursor of the row.")
    node: Rejection = strawberry.field(description="The row.")


@strawberry.type(description="A page of rejected rows.")
class RejectionConnection:
    """A page of rejected rows."""

    edges: list[RejectionEdge] = strawberry.field(description="The rows of the page with their cursors.")
    nodes: list[Rejection] = strawberry.field(description="The rows of the page.")
    page_info: PageInfo = strawberry.field(description="The place of the page in the list.")
    total_count: int = strawberry.field(description="The number of rows in the list.")

    @strawberry.field(description="The rejected rows of the workspace by noun and rule, whatever the filter.")
    async def counts(self, info: Info) -> list[RejectionCount]:
        """The rejected rows by noun and rule."""
        async with info.context.read() as session:
            found = await batches.rejection_counts(session, info.context.caller.workspace_id)
        return [RejectionCount(noun=Noun(noun), code=Fault(code), n=n) for noun, code, n in found]

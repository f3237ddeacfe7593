"""Members of a workspace, as the API shows them."""

from datetime import datetime
from typing import Any

import strawberry

from api.auth import tables
from api.graphql.nodes import Node, PageInfo


@strawberry.type(description="A person of the workspace. Only who has the scope “admin” sees others than themselves.")
class Member(Node):
    """A person of the workspace."""

    email: str = strawberry.field(description="The mailbox they are known by, in lower case.")
    name: str = strawberry.field(description="The name of the person.")
    role: tables.Role = strawberry.field(description="The role that says what they may do.")
    state: tables.MemberState = strawberry.field(description="The state: invited, here, or removed.")
    invited_by: str = strawberry.field(description="The name of who invited them last.")
    created_at: datetime = strawberry.field(description="The time they were first invited.")
    last_seen_at: datetime | None = strawberry.field(
        description="The time they were last seen, to the hour; null before they first come."
    )

    @classmethod
    def is_type_of(cls, obj: object, _info: Any) -> bool:
        """Rows stand for themselves."""
        return isinstance(obj, tables.Member)


@strawberry.type(description="A member in a list.")
class MemberEdge:
    """A member in a list."""

    cursor: str = strawberry.field(description="The cursor of the member.")
    node: Member = strawberry.field(description="The member.")


@strawberry.type(description="A page of members.")
class MemberConnection:
    """A page of members."""

    edges: list[MemberEdge] = strawberry.field(description="The members of the page with their cursors.")
    nodes: list[Member] = strawberry.field(description="The members of the page.")
    page_info: PageInfo = strawberry.field(description="The place of the page in the list.")
    total_count: int = strawberry.field(description="The number of members in the list.")

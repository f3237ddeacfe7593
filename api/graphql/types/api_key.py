"""API keys, as the API shows them: never with a secret, but for the one answer that makes it."""

from datetime import datetime
from typing import Any

import strawberry
from strawberry import Parent

from api.auth import tables
from api.graphql.nodes import Node, PageInfo


@strawberry.type(description="A key of the workspace. Only who has the scope “admin” sees keys.")
class ApiKey(Node):
    """A key of the workspace."""

    name: str = strawberry.field(description="What the key is for.")
    scopes: list[str] = strawberry.field(description="The scopes that say what it may do.")
    created_by: str | None = strawberry.field(description="The name of who made it; null of the oldest keys.")
    created_at: datetime = strawberry.field(description="The time it was made.")
    expires_at: datetime | None = strawberry.field(description="The time it ends by itself; null for none.")
    last_used_at: datetime | None = strawberry.field(description="The time it was last used, to the hour.")
    rotated_at: datetime | None = strawberry.field(description="The time it was last given a new secret.")
    revoked_at: datetime | None = strawberry.field(description="The time it was revoked; null while it is not.")

    @strawberry.field(description="The public part of the key, by which the audit trail names it.")
    def key(parent: Parent[tables.ApiKey]) -> str:
        """The public part."""
        return parent.public_id

    @strawberry.field(description="The time until which the secret before the last rotation works too; null for none.")
    def old_secret_ends_at(parent: Parent[tables.ApiKey]) -> datetime | None:
        """The end of the grace."""
        return parent.old_ends_at

    @classmethod
    def is_type_of(cls, obj: object, _info: Any) -> bool:
        """Rows stand for themselves."""
        return isinstance(obj, tables.ApiKey)


@strawberry.type(description="A key in a list.")
class ApiKeyEdge:
    """A key in a list."""

    cursor: str = strawberry.field(description="The cursor of the key.")
    node: ApiKey = strawberry.field(description="The key.")


@strawberry.type(description="A page of keys.")
class ApiKeyConnection:
    """A page of keys."""

    edges: list[ApiKeyEdge] = strawberry.field(description="The keys of the page with their cursors.")
    nodes: list[ApiKey] = strawberry.field(description="The keys of the page.")
    page_info: PageInfo = strawberry.field(description="The place of the page in the list.")
    total_count: int = strawberry.field(description="The number of keys in the list.")

"""Endpoints, and what became of the notices that were sent to them, as the API shows them."""

from datetime import datetime
from typing import Any

import strawberry
from strawberry import Parent
from strawberry.scalars import JSON

from api.delivery import parcels, tables
from api.delivery.signing import OVERLAP
from api.graphql.context import Info
from api.graphql.nodes import Node, PageInfo
from kpi import tables as kpi_tables
from kpi.enums import NoticeType

SHOWN = 4
"""Letters at the end of a Slack address that are shown: whoever has it whole may post."""


@strawberry.type(description="Where notices go. Only keys with the scope “admin” see endpoints.")
class Endpoint(Node):
    """Where notices go."""

    kind: tables.EndpointKind = strawberry.field(description="The way notices reach it.")
    is_enabled: bool = strawberry.field(description="Whether notices go there.")
    disabled_reason: str | None = strawberry.field(description="The reason why none go there; null while they do.")
    created_by: str = strawberry.field(description="The name of the key that it was registered with.")
    created_at: datetime = strawberry.field(description="The time it was registered.")
    rotated_at: datetime | None = strawberry.field(description="The time its secret was last rotated.")

    @strawberry.field(
        description="The address: a URL, or a mailbox. Of a Slack address, with which anybody may post, only the ends."
    )
    def address(parent: Parent[tables.Endpoint]) -> str:
        """The address, as far as it is shown."""
        if parent.kind is not tables.EndpointKind.SLACK:
            return parent.address
        host = "/".join(parent.address.split("/")[:3])
        return f"{host}/…{parent.address[-SHOWN:]}"

    @strawberry.field(description="The types of notices that go there; null for all of them.")
    def types(parent: Parent[tables.Endpoint]) -> list[NoticeType] | None:
        """The types of notices that go there."""
        return None if parent.types is None else [NoticeType[name] for name in parent.types]

    @strawberry.field(description="The time until which its secret before the last rotation signs as well.")
    def old_secret_ends_at(parent: Parent[tables.Endpoint]) -> datetime | None:
        """The time until which its old secret signs."""
        return None if parent.rotated_at is None else parent.rotated_at + OVERLAP

    @classmethod
    def is_type_of(cls, obj: object, _info: Any) -> bool:
        """Rows stand for themselves."""
        return isinstance(obj, tables.Endpoint)


@strawberry.type(description="Something that the outside was told.")
class Notice:
    """Something that the outside was told."""

    type: NoticeType = strawberry.field(description="What it tells.")
    data: JSON = strawberry.field(description="The keys of what it tells about.")
    created_at: datetime = strawberry.field(description="The time it was told.")

    @strawberry.field(description="The key that receivers know it by: the header `webhook-id` of a webhook.")
    def key(parent: Parent[kpi_tables.Notice]) -> str:
        """What receivers know it by."""
        return parcels.identity(parent.key)


@strawberry.type(description="One notice on its way to one endpoint. Kept for 90 days.")
class Delivery(Node):
    """One notice on its way to one endpoint."""

    state: tables.DeliveryState = strawberry.field(description="The state of the delivery.")
    attempts: int = strawberry.field(description="The attempts that were made.")
    next_at: datetime | None = strawberry.field(description="The time of the next attempt; null once there is none.")
    attempted_at: datetime | None = strawberry.field(description="The time of the last attempt.")
    status: int | None = strawberry.field(description="The status that the receiver last answered with.")
    answer: str | None = strawberry.field(description="The first 1,000 bytes of its last answer.")
    fault: str | None = strawberry.field(description="The reason why the last attempt has no answer.")
    delivered_at: datetime | None = strawberry.field(description="The time the receiver took it.")
    created_at: datetime = strawberry.field(description="The time it was due first.")

    @strawberry.field(description="The notice.", graphql_type=Notice | None)
    async def notice(parent: Parent[tables.Delivery], info: Info) -> kpi_tables.Notice | None:
        """The notice."""
        return await info.context.loaders.notices.load(parent.notice_id)

    @strawberry.field(description="The endpoint.", graphql_type=Endpoint | None)
    async def endpoint(parent: Parent[tables.Delivery], info: Info) -> tables.Endpoint | None:
        """The endpoint."""
        return await info.context.loaders.endpoints.load(parent.endpoint_id)

    @classmethod
    def is_type_of(cls, obj: object, _info: Any) -> bool:
        """Rows stand for themselves."""
        return isinstance(obj, tables.Delivery)


@strawberry.type(description="An endpoint in a list.")
class EndpointEdge:
    """An endpoint in a list."""

    cursor: str = strawberry.field(description="The cursor of the endpoint.")
    node: Endpoint = strawberry.field(description="The endpoint.")


@strawberry.type(description="A page of endpoints.")
class EndpointConnection:
    """A page of endpoints."""

    edges: list[EndpointEdge] = strawberry.field(description="The endpoints of the page with their cursors.")
    nodes: list[Endpoint] = strawberry.field(description="The endpoints of the page.")
    page_info: PageInfo = strawberry.field(description="The place of the page in the list.")
    total_count: int = strawberry.field(description="The number of endpoints in the list.")


@strawberry.type(description="A delivery in a list.")
class DeliveryEdge:
    """A delivery in a list."""

    cursor: str = strawberry.field(description="The cursor of the delivery.")
    node: Delivery = strawberry.field(description="The delivery.")


@strawberry.type(description="A page of deliveries.")
class DeliveryConnection:
    """A page of deliveries."""

    edges: list[DeliveryEdge] = strawberry.field(description="The deliveries of the page with their cursors.")
    nodes: list[Delivery] = strawberry.field(description="The deliveries of the page.")
    page_info: PageInfo = strawberry.field(description="The place of the page in the list.")
    total_count: int = strawberry.field(description="The number of deliveries in the list.")

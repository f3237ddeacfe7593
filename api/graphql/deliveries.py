"""What can be asked of endpoints and deliveries."""

from typing import Annotated

import strawberry

from api.auth.permissions import MayAdmin
from api.delivery import tables
from api.graphql.context import Info
from api.graphql.nodes import After, Before, First, Last, connection, page_of
from api.graphql.types.endpoint import (
    DeliveryConnection,
    DeliveryEdge,
    DeliveryFilter,
    EndpointConnection,
    EndpointEdge,
)

Wanted = Annotated[DeliveryFilter | None, strawberry.argument(description="Which deliveries; all of them if not said.")]


@strawberry.type
class DeliveryQuery:
    """What can be asked of endpoints and deliveries."""

    @strawberry.field(description="The endpoints of the workspace, newest first.", permission_classes=[MayAdmin])
    async def endpoints(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> EndpointConnection | None:
        """The endpoints of the workspace."""
        found = await page_of(info, tables.Endpoint, first, after, last, before)
        page: EndpointConnection = connection(EndpointConnection, EndpointEdge, found)
        return page

    @strawberry.field(
        description="What became of the workspace's notices on their way to its endpoints, newest first.",
        permission_classes=[MayAdmin],
    )
    async def deliveries(
        self,
        info: Info,
        filter: Wanted = None,  # noqa: A002 - the API's word
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> DeliveryConnection | None:
        """What became of the workspace's notices."""
        where = (filter or DeliveryFilter()).where()
        found = await page_of(info, tables.Delivery, first, after, last, before, where)
        page: DeliveryConnection = connection(DeliveryConnection, DeliveryEdge, found)
        return page

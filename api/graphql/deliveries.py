"""What can be asked of endpoints and deliveries."""

import strawberry

from api.auth.permissions import MayAdmin
from api.delivery import tables
from api.graphql.context import Info
from api.graphql.nodes import After, Before, First, Last, Listed
from api.graphql.types.endpoint import DeliveryConnection, EndpointConnection
from api.graphql.types.selection.administration import (
    DELIVERIES,
    ENDPOINTS,
    OrderOfDeliveries,
    OrderOfEndpoints,
    WhichDeliveries,
    WhichEndpoints,
)


@strawberry.type
class DeliveryQuery:
    """What can be asked of endpoints and deliveries."""

    @strawberry.field(
        description="The endpoints of the workspace, newest first unless ordered otherwise.",
        permission_classes=[MayAdmin],
        graphql_type=EndpointConnection | None,
    )
    async def endpoints(
        self,
        info: Info,
        filter: WhichEndpoints = None,  # noqa: A002 - the API's word
        order_by: OrderOfEndpoints = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[tables.Endpoint]:
        """The endpoints of the workspace."""
        return await ENDPOINTS.page(info, filter, order_by, first, after, last, before)

    @strawberry.field(
        description="What became of notices on their way to endpoints, newest first unless ordered otherwise.",
        permission_classes=[MayAdmin],
        graphql_type=DeliveryConnection | None,
    )
    async def deliveries(
        self,
        info: Info,
        filter: WhichDeliveries = None,  # noqa: A002 - the API's word
        order_by: OrderOfDeliveries = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[tables.Delivery]:
        """What became of the workspace's notices."""
        return await DELIVERIES.page(info, filter, order_by, first, after, last, before)

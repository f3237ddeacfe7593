"""What can be asked of alerts."""

import strawberry

from api.auth.permissions import MayRead
from api.graphql.context import Info
from api.graphql.nodes import After, Before, First, Last, Listed
from api.graphql.types.alert import AlertConnection
from api.graphql.types.selection.attention import ALERTS, OrderOfAlerts, WhichAlerts
from kpi.alerts.tables import Alert


@strawberry.type
class AlertQuery:
    """What can be asked of alerts."""

    @strawberry.field(
        description="The alerts of the workspace, newest first unless ordered otherwise.",
        permission_classes=[MayRead],
        graphql_type=AlertConnection | None,
    )
    async def alerts(
        self,
        info: Info,
        filter: WhichAlerts = None,  # noqa: A002 - the API's word
        order_by: OrderOfAlerts = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[Alert]:
        """The alerts of the workspace."""
        return await ALERTS.page(info, filter, order_by, first, after, last, before)

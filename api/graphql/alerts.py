"""What can be asked of alerts."""

from typing import Annotated, Any

import strawberry
from sqlmodel import not_

from api.auth.permissions import MayRead
from api.graphql.context import Info
from api.graphql.nodes import After, Before, First, Last, page_of
from api.graphql.types.alert import AlertConnection, AlertFilter, alerts
from kpi.alerts.tables import Alert
from kpi.enums import AlertState

Wanted = Annotated[AlertFilter | None, strawberry.argument(description="Which alerts; all of them if not said.")]


@strawberry.type
class AlertQuery:
    """What can be asked of alerts."""

    @strawberry.field(description="The alerts of the workspace, newest first.", permission_classes=[MayRead])
    async def alerts(
        self,
        info: Info,
        filter: Wanted = None,  # noqa: A002 - the API's word
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> AlertConnection | None:
        """The alerts of the workspace."""
        asked = filter or AlertFilter()
        where: list[Any] = [] if asked.state is None else [Alert.state == asked.state]
        if asked.is_open is not None:
            resolved = Alert.state == AlertState.RESOLVED
            where.append(not_(resolved) if asked.is_open else resolved)
        if asked.kpi is not None:
            kpi = await info.context.loaders.kpis_by_key.load(asked.kpi)
            where.append(Alert.kpi_id == (0 if kpi is None else kpi.id))
        return alerts(await page_of(info, Alert, first, after, last, before, where))

"""What can be asked of members and keys."""

import strawberry

from api.auth import tables
from api.auth.permissions import MayAdmin
from api.graphql.context import Info
from api.graphql.nodes import After, Before, First, Last, Listed
from api.graphql.types.api_key import ApiKeyConnection
from api.graphql.types.member import MemberConnection
from api.graphql.types.selection.administration import (
    API_KEYS,
    MEMBERS,
    OrderOfApiKeys,
    OrderOfMembers,
    WhichApiKeys,
    WhichMembers,
)


@strawberry.type
class PeopleQuery:
    """What can be asked of members and keys."""

    @strawberry.field(
        description="The members of the workspace, those who are gone too, newest first unless ordered otherwise.",
        permission_classes=[MayAdmin],
        graphql_type=MemberConnection | None,
    )
    async def members(
        self,
        info: Info,
        filter: WhichMembers = None,  # noqa: A002 - the API's word
        order_by: OrderOfMembers = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[tables.Member]:
        """The members of the workspace."""
        return await MEMBERS.page(info, filter, order_by, first, after, last, before)

    @strawberry.field(
        description="The keys of the workspace, those that have ended too, newest first unless ordered otherwise.",
        permission_classes=[MayAdmin],
        graphql_type=ApiKeyConnection | None,
    )
    async def api_keys(
        self,
        info: Info,
        filter: WhichApiKeys = None,  # noqa: A002 - the API's word
        order_by: OrderOfApiKeys = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[tables.ApiKey]:
        """The keys of the workspace."""
        return await API_KEYS.page(info, filter, order_by, first, after, last, before)

"""What can be asked of members and keys."""

import strawberry

from api.auth import tables
from api.auth.permissions import MayAdmin
from api.graphql.context import Info
from api.graphql.nodes import After, Before, First, Last, connection, page_of
from api.graphql.types.api_key import ApiKeyConnection, ApiKeyEdge
from api.graphql.types.member import MemberConnection, MemberEdge


@strawberry.type
class PeopleQuery:
    """What can be asked of members and keys."""

    @strawberry.field(
        description="The members of the workspace, those who are gone too, newest first.",
        permission_classes=[MayAdmin],
    )
    async def members(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> MemberConnection | None:
        """The members of the workspace."""
        found = await page_of(info, tables.Member, first, after, last, before)
        page: MemberConnection = connection(MemberConnection, MemberEdge, found)
        return page

    @strawberry.field(
        description="The keys of the workspace, those that have ended too, newest first.", permission_classes=[MayAdmin]
    )
    async def api_keys(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> ApiKeyConnection | None:
        """The keys of the workspace."""
        found = await page_of(info, tables.ApiKey, first, after, last, before)
        page: ApiKeyConnection = connection(ApiKeyConnection, ApiKeyEdge, found)
        return page

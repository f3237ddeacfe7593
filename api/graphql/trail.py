"""What can be asked of the audit trail."""

from typing import Annotated

import strawberry

from api.auth.permissions import MayAdmin
from api.database import driver
from api.graphql.context import Info
from api.graphql.nodes import After, Before, First, Last, Listed
from api.graphql.types.audit import AuditEntryConnection, AuditVerification
from api.graphql.types.selection.administration import AUDIT_ENTRIES, OrderOfEntries, WhichEntries
from api.trail import chain, tables
from api.trail.entry import Chain

Number = Annotated[int | None, strawberry.argument(description="The number of an entry whose hash was kept.")]
Hash = Annotated[str | None, strawberry.argument(description="The hash that was kept of it.")]


@strawberry.type
class TrailQuery:
    """What can be asked of the audit trail."""

    @strawberry.field(
        description="Who changed what in the workspace, newest first unless ordered otherwise.",
        permission_classes=[MayAdmin],
        graphql_type=AuditEntryConnection | None,
    )
    async def audit_log(
        self,
        info: Info,
        filter: WhichEntries = None,  # noqa: A002 - the API's word
        order_by: OrderOfEntries = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[tables.AuditEntry]:
        """Who changed what in the workspace."""
        return await AUDIT_ENTRIES.page(info, filter, order_by, first, after, last, before)

    @strawberry.field(
        description="Walk the whole chain of the audit trail, and name the first entry that does not hold.",
        permission_classes=[MayAdmin],
        graphql_type=AuditVerification | None,
    )
    async def audit_verify(self, info: Info, number: Number = None, hash: Hash = None) -> Chain:  # noqa: A002 - the API's word
        """Walk the whole chain of the audit trail."""
        kept = {} if number is None or hash is None else {number: hash}
        async with info.context.read() as session:
            return await chain.verify(await driver(session), info.context.caller.workspace_id, kept)

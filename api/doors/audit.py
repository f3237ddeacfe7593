"""`GET /v1/audit.ndjson`: a workspace's audit trail as JSON lines, oldest first.

It needs the scope `admin`: of a key, or of who is signed in and follows the link on the page.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
from starlette.requests import Request
from starlette.responses import Response

from api.auth.keys import Scope
from api.doors.export import AT_ONCE, LONGEST, File, Refusal, linked_workspace_of, refusal
from api.trail import chain
from api.trail.entry import line

PATH = "/v1/audit.ndjson"
MEDIA = "application/x-ndjson"


async def audit(request: Request) -> Response:
    """Stream the trail of the caller's workspace."""
    try:
        workspace_id = await linked_workspace_of(request, Scope.ADMIN)
        if AT_ONCE.locked():
            raise Refusal(503, "TOO_MANY_EXPORTS", "Two exports are under way; try again soon.")
    except Refusal as refused:
        return refusal(refused)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(AT_ONCE)
        connection = await stack.enter_async_context(request.app.state.database.of(workspace_id).reading(LONGEST))
        return File(lines(connection, workspace_id), name="audit.ndjson", media_type=MEDIA, held=stack.pop_all())


async def lines(connection: asyncpg.Connection, workspace_id: int) -> AsyncIterator[bytes]:
    """The trail of a workspace, some lines at a time."""
    async for rows in chain.entries(connection, workspace_id):
        yield b"".join(map(line, rows))

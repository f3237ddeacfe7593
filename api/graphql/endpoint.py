"""`POST /graphql`: who asks is settled before anything is parsed."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from cross_web import HTTPException

from api.auth import keys
from api.auth.keys import Caller
from api.database import Database
from api.graphql.context import Context
from api.graphql.schema import schema


class Endpoint(GraphQL[Context, None]):
    """The GraphQL endpoint. A request without a key that works is answered 401."""

    def __init__(self, *, database: Database, secret: bytes) -> None:
        super().__init__(schema, graphql_ide=None, allow_queries_via_get=False, subscription_protocols=())
        self.database, self.secret = database, secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        caller = await self._caller(Request(scope, receive)) if scope["type"] == "http" else None
        if caller is None:
            await _refusal()(scope, receive, send)
            return
        scope["state"] = {"caller": caller}
        await super().__call__(scope, receive, send)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:  # noqa: ARG002 - strawberry's face
        """The context of one request."""
        return Context(database=self.database, caller=request.state.caller)

    def decode_json(self, data: str | bytes) -> object:
        """A body as JSON; what is none is the sender's fault."""
        try:
            decoded = json.loads(data)
        except (ValueError, RecursionError):
            raise HTTPException(400, "The body is not JSON.") from None
        if not isinstance(decoded, dict):
            raise HTTPException(400, "The body is not a JSON object with a query.")
        return decoded

    async def _caller(self, request: Request) -> Caller | None:
        key = bearer(request)
        if key is None:
            return None
        async with self.database.read() as session:
            return await keys.caller(session, key, self.secret)


def bearer(request: Request) -> str | None:
    """The key of a request."""
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if kind.lower() == "bearer" and key.strip() else None


def _refusal() -> JSONResponse:
    message = "This needs a key: send the header “Authorization: Bearer <key>”."
    body: dict[str, Any] = {"errors": [{"message": message, "extensions": {"code": "UNAUTHENTICATED"}}]}
    return JSONResponse(body, 401, headers={"www-authenticate": "Bearer"})

"""`POST /graphql`: who asks is settled before anything is parsed."""

import asyncio
from typing import Any

import msgspec
from cross_web import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL

from api.auth import keys
from api.auth.keys import Caller
from api.database import Database
from api.delivery.outside import Outside
from api.doors.faults import SOON
from api.graphql.context import Context
from api.graphql.errors import UNAVAILABLE
from api.graphql.news import Desk
from api.graphql.schema import schema

LONGEST = 120.0
"""Seconds a request may take, all its parts together, with the wait for its body."""


class Endpoint(GraphQL[Context, None]):
    """The GraphQL endpoint. A request without a key that works is answered 401."""

    def __init__(self, *, database: Database, secret: bytes, desk: Desk, outside: Outside) -> None:
        super().__init__(
            schema, graphql_ide=None, allow_queries_via_get=False, subscription_protocols=(GRAPHQL_SSE_PROTOCOL,)
        )
        self.database, self.secret, self.desk, self.outside = database, secret, desk, outside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        caller = await self._caller(Request(scope, receive)) if scope["type"] == "http" else None
        if caller is None:
            await _unknown()(scope, receive, send)
            return
        scope["state"] = {"caller": caller}
        try:
            async with asyncio.timeout(LONGEST):
                response = await self.run(Request(scope, receive))
        except HTTPException as refused:
            response = _refusal(refused.status_code, "BAD_REQUEST", refused.reason)
        await response(scope, receive, send)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        """The context of one request; only a stream has use for news."""
        is_stream = "text/event-stream" in request.headers.get("accept", "")
        desk = self.desk if is_stream else None
        return Context(database=self.database, caller=request.state.caller, desk=desk, outside=self.outside)

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        """An answer; 503 when some of it is missing because the database does not answer, beside what there is."""
        answers = response_data if isinstance(response_data, list) else [response_data]
        errors: list[Any] = [error for answer in answers for error in answer.get("errors") or []]
        if any((error.get("extensions") or {}).get("code") == UNAVAILABLE for error in errors):
            sub_response.status_code = 503
            sub_response.headers.update(SOON)
        return super().create_response(response_data, sub_response)

    def decode_json(self, data: str | bytes) -> object:
        """A body as JSON in UTF-8; what is none, as half a surrogate pair or NaN, is the sender's fault."""
        try:
            decoded = msgspec.json.decode(data)
        except (ValueError, RecursionError):
            raise HTTPException(400, "The body is not JSON.") from None
        if not isinstance(decoded, dict):
            raise HTTPException(400, "The body is not a JSON object with a query.")
        return decoded

    def encode_json(self, data: object) -> str:
        """An answer as JSON: numbers by the thousand take Python's own encoder longer than the analysis behind them."""
        return msgspec.json.encode(data).decode()

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


def _unknown() -> JSONResponse:
    response = _refusal(401, "UNAUTHENTICATED", "This needs a key: send the header “Authorization: Bearer <key>”.")
    response.headers["www-authenticate"] = "Bearer"
    return response


def _refusal(status: int, code: str, message: str) -> JSONResponse:
    body: dict[str, Any] = {"errors": [{"message": message, "extensions": {"code": code}}]}
    return JSONResponse(body, status)

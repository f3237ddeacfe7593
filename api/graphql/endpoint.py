"""`/graphql`: who asks is settled before anything is parsed, and what is no request never reaches the schema.

GraphQL over HTTP for queries (GET, POST) and mutations (POST), server-sent events in distinct connections mode
(graphql-sse) for subscriptions, and graphql-transport-ws over websockets for all of them.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from time import perf_counter
from typing import Any, cast

import msgspec
from cross_web import AsyncHTTPRequestAdapter, HTTPException, StarletteRequestAdapter
from graphql import GraphQLError, OperationType
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.unset import UNSET, UnsetType

from api.auth import callers
from api.auth.keys import Caller
from api.auth.shares import Allowance
from api.database import Database
from api.delivery.outside import Outside
from api.doors.faults import SOON
from api.graphql import tags
from api.graphql.answers import again, made
from api.graphql.context import DEADLINE, SLOW, Context
from api.graphql.deadlines import DEADLINE_EXCEEDED
from api.graphql.documents import digest, read
from api.graphql.errors import UNAVAILABLE, is_of_request
from api.graphql.memory import Memory, place
from api.graphql.negotiation import Media, accepted, is_json
from api.graphql.news import Desk
from api.graphql.requests import Refused, bearer, cookie_of, fault_of
from api.graphql.schema import schema
from api.graphql.sockets import Arrival, Socket, Wire, welcome
from api.graphql.tags import Tags
from api.graphql.trusted import NOT_FOUND, Trusted

log = logging.getLogger("truelift.graphql")
LONGEST = 120.0
"""Seconds a request may take, all its parts together, with the wait for its body."""
SLOWEST_READER = 30.0
"""Seconds until a piece of an answer must have left: who reads nothing for so long is given up."""
METHODS = {"GET", "POST"}
REST = ("operationName", "variables")
"""What makes a question, beside the document."""
STATUSES = {"FORBIDDEN": 403, "INTERNAL": 500}
"""Of what is refused before it runs, for those who take GraphQL's own media type; 400 for the rest."""
HEADERS = {401: {"www-authenticate": "Bearer"}, 405: {"allow": "GET, POST"}}
"""What goes with a status."""
INIT_SECONDS = 10
MOST_OPERATIONS = 20
"""At once on one websocket."""


class Unchanged(HTTPException):
    """A question whose answer is known to be the one that its sender holds: it is not worked out."""

    def __init__(self, tag: str) -> None:
        super().__init__(304, "")
        self.tag = tag


class Asked(StarletteRequestAdapter):
    """A request, and what is known of it before its body is read."""

    @property
    def caller(self) -> Caller:
        """Who asks."""
        return cast("Caller", self._request.state.caller)

    @property
    def forms(self) -> list[Media]:
        """In which forms an answer may come, the one that is liked best first."""
        return cast("list[Media]", self._request.state.forms)

    @property
    def state(self) -> Any:
        """What else is known of it."""
        return self._request.state

    def holds(self, tag: str) -> bool:
        """Whether its sender holds the answer of this mark."""
        return tags.is_held(self._request, tag)


class Endpoint(GraphQL[Context, None]):
    """The GraphQL endpoint. A request without a key that works is answered 401."""

    graphql_transport_ws_handler_class = Socket
    websocket_adapter_class = Wire
    request_adapter_class = Asked

    def __init__(
        self,
        *,
        database: Database,
        secret: bytes,
        desk: Desk,
        outside: Outside,
        allowance: Allowance,
        trusted: Trusted,
        memory: Memory,
        most_sockets: int,
        slow_seconds: float = SLOW,
        deadline: float = DEADLINE,
    ) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL),
            connection_init_wait_timeout=timedelta(seconds=INIT_SECONDS),
            max_subscriptions_per_connection=MOST_OPERATIONS,
        )
        self.database, self.secret, self.desk, self.outside = database, secret, desk, outside
        self.allowance, self.trusted, self.memory, self.tags = allowance, trusted, memory, Tags()
        self._sockets, self._most_sockets, self._slow_seconds = 0, most_sockets, slow_seconds
        self._deadline = deadline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or talk over one websocket."""
        if scope["type"] == "websocket":
            await self._talk(WebSocket(scope, receive, send))
            return
        request = Request(scope, receive)
        try:
            async with asyncio.timeout(LONGEST):
                response = await self._response(request)
        except Unchanged as unchanged:
            response = tags.unchanged(unchanged.tag)
        except HTTPException as refused:
            code = refused.code if isinstance(refused, Refused) else "BAD_REQUEST"
            response = _refusal(_status(request, refused, code), code, refused.reason)
        try:
            await response(scope, receive, _in_time(send))
        except TimeoutError:
            log.warning("A reader took nothing of its answer for %.0f s, and is given up.", SLOWEST_READER)

    @property
    def sockets(self) -> int:
        """How many websockets are open."""
        return self._sockets

    async def _talk(self, socket: WebSocket) -> None:
        """Talk over a websocket, where there is room for one more."""
        if self._sockets >= self._most_sockets:
            await socket.send_denial_response(_refusal(503, "UNAVAILABLE", "Too many websockets are open.", SOON))
            return
        self._sockets += 1
        try:
            await self.run(socket)
        finally:
            self._sockets -= 1

    async def _response(self, request: Request) -> Response:
        if request.method not in METHODS:
            raise Refused(405, "METHOD_NOT_ALLOWED", "GraphQL is asked for by POST, and queries by GET too.")
        await self._recognise(request)
        if request.state.caller is None:
            raise Refused(401, "UNAUTHENTICATED", UNKNOWN)
        request.state.forms = accepted(request.headers.get("accept", ""))
        if not request.state.forms:
            raise Refused(406, "NOT_ACCEPTABLE", f"An answer comes as {Media.JSON}, {Media.GRAPHQL} or {Media.EVENTS}.")
        response = await self.run(request)
        await request.state.visit.end()
        return self._marked(request, response) if request.state.is_whole else response

    async def _recognise(self, request: Request) -> None:
        """Find out who asks, and what the answer to a question by GET would be made of."""
        said = request.state
        said.caller = said.made_of = said.question = None
        said.is_whole = False
        key, cookie = bearer(request), cookie_of(request)
        came_with = cookie if key is None else key
        if came_with is None:
            return
        visit = said.visit = await self.memory.visit()
        said.caller, said.made_of = visit.caller(came_with), visit.state
        if said.caller is None or callers.is_over(said.caller):
            said.caller = await self.caller(key, cookie)
            visit.note_caller(came_with, said.caller)
        if request.method == "GET" and said.caller is not None and said.made_of is None:
            async with self.database.read() as session:
                said.made_of = await tags.state(session)

    def _marked(self, request: Request, response: Response) -> Response:
        """An answer with its mark, which is remembered if it lasts for more than this moment."""
        answer, said = tags.marked(request, response), request.state
        if not said.context.is_of_the_moment:
            self.tags.note(said.question, said.made_of, answer.headers["etag"])
        return answer

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        """The context of one request; that of a websocket, before anybody has said who asks, is what it came with."""
        if isinstance(request, WebSocket):
            arrived: Any = Arrival(key=bearer(request), cookie=cookie_of(request))
            return cast("Context", arrived)  # a socket makes contexts of it
        request.state.context = self.context(request.state.caller, getattr(request.state, "request_id", None))
        return cast("Context", request.state.context)

    def context(self, caller: Caller, request_id: str | None = None) -> Context:
        """The context of one operation, with loaders that have loaded nothing."""
        return Context(
            database=self.database,
            caller=caller,
            desk=self.desk,
            outside=self.outside,
            allowance=self.allowance,
            slow_seconds=self._slow_seconds,
            deadline=self._deadline,
            request_id=request_id,
        )

    async def on_ws_connect(self, context: Context) -> UnsetType:
        """Let a websocket in."""
        await welcome(cast("Arrival", context), self)
        return UNSET

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        """What the answer begins as: its form is settled."""
        response = await super().get_sub_response(request)
        response.media_type = next(media for media in [*request.state.forms, Media.JSON] if media != Media.EVENTS)
        return response

    def should_render_graphql_ide(self, request: object) -> bool:
        """Never: there is none."""
        return False

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        """What is asked for. Raises Refused for what is no request."""
        body = self._parameters(request) if request.method == "GET" else await self._body(request)
        fault = fault_of(body)
        if fault is not None:
            raise Refused(400, "BAD_REQUEST", fault)
        asked = cast("Asked", request)
        text = await self.trusted.text(asked.caller, body)
        is_stream = self._is_stream(asked, text, body.get("operationName"))
        if request.method == "GET" and not is_stream:
            self._hold_changed(asked, tags.question(asked.caller, asked.forms[0], digest(text), *map(body.get, REST)))
        return GraphQLRequestData(
            query=text,
            variables=body.get("variables"),
            operation_name=body.get("operationName"),
            extensions=body.get("extensions"),
            protocol="sse" if is_stream else "http",
        )

    def _hold_changed(self, asked: Asked, question: bytes) -> None:
        """Raises Unchanged for a question whose sender is known to hold its answer."""
        state = asked.state
        state.question = question
        tag = self.tags.standing(question, state.made_of)
        if tag is not None and asked.holds(tag):
            raise Unchanged(tag)

    def _parameters(self, request: AsyncHTTPRequestAdapter) -> dict[str, Any]:
        given: dict[str, Any] = dict(request.query_params)
        for name in ("variables", "extensions"):
            if name in given:
                given[name] = self.decode_json(given[name])
        return given

    async def _body(self, request: AsyncHTTPRequestAdapter) -> Any:
        if not is_json(request.content_type or ""):
            raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", f"Send the request as {Media.JSON} in UTF-8.")
        return self.decode_json(await request.get_body())

    def _is_stream(self, request: Asked, text: str, name: str | None) -> bool:
        """Whether the answer is a stream. Raises Refused for what cannot be answered in the way it is asked for."""
        kind = _kind(text, name)
        if kind is OperationType.MUTATION and request.method == "GET":
            raise Refused(405, "METHOD_NOT_ALLOWED", "A mutation is sent by POST.")
        if kind is OperationType.SUBSCRIPTION and Media.EVENTS not in request.forms:
            raise Refused(406, "NOT_ACCEPTABLE", STREAMED)
        return request.forms[0] is Media.EVENTS or kind is OperationType.SUBSCRIPTION

    async def execute_single(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        sub_response: Response,
        context: Context,
        root_value: None,
        request_data: GraphQLRequestData,
    ) -> ExecutionResult:
        """An answer that is known while the database stands still, or else what the schema makes of it."""
        began, visit, asked = perf_counter(), request.state.visit, request_data
        is_query = _kind(asked.query or "", asked.operation_name) is OperationType.QUERY
        where = place(context.caller, asked.query or "", asked.operation_name, asked.variables) if is_query else None
        known = visit.answer(where)
        if known is not None:
            return await again(known, context, began)
        result = await super().execute_single(request, request_adapter, sub_response, context, root_value, asked)
        if is_query and not result.errors and not context.is_of_the_moment:
            known = made(result, asked)
            result.data = cast("Any", msgspec.Raw(known.json))  # it is not written twice
            visit.note_answer(where, known)
        return result

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        """An answer; one that was never run has no data, not even null.

        One by GET may be kept, so it does not say what is left of the budget: that changes with every request.
        """
        answer = await super().process_result(request, result)
        if is_of_request(result):
            del answer["data"]
        if request.state.question is not None and not result.errors:
            request.state.is_whole = True
            told = cast("dict[str, Any]", answer["extensions"])
            told["cost"] = {"requested": told["cost"]["requested"]}
        return answer

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        """An answer; 503 when some of it is missing because the database does not answer, beside what there is."""
        answer: Any = response_data
        codes = [(error.get("extensions") or {}).get("code") for error in answer.get("errors") or []]
        status, headers = 200, {}
        if "data" not in answer and sub_response.media_type == Media.GRAPHQL:
            status = STATUSES.get(str(codes[0]), 400)
        if DEADLINE_EXCEEDED in codes:
            status = 504
        if UNAVAILABLE in codes:
            status, headers = 503, SOON
        if "RATE_LIMITED" in codes and "data" not in answer:
            status, headers = 429, {"retry-after": str(answer["errors"][0]["extensions"]["retryAfter"])}
        media = f"{sub_response.media_type}; charset=utf-8"
        return Response(msgspec.json.encode(answer), status, headers=headers, media_type=media)

    def decode_json(self, data: str | bytes) -> object:
        """A body as JSON in UTF-8; what is none, as half a surrogate pair or NaN, is the sender's fault."""
        try:
            return msgspec.json.decode(data)
        except (ValueError, RecursionError):
            raise Refused(400, "BAD_REQUEST", "The body is not JSON.") from None

    def encode_json(self, data: object) -> str:
        """An answer as JSON: numbers by the thousand take Python's own encoder longer than the analysis behind them."""
        return msgspec.json.encode(data).decode()

    async def caller(self, key: str | None, cookie: str | None) -> Caller | None:
        """Who a key belongs to, or without one, who is signed in to the page that asks."""
        if key is not None:
            return await callers.by_key(self.database, key, self.secret)
        return await callers.by_cookie(self.database, cookie, self.secret)


UNKNOWN = "This needs a key: send the header “Authorization: Bearer <key>”."
STREAMED = f"A subscription is answered as a stream: send the header “Accept: {Media.EVENTS}”."


def _kind(document: str, name: str | None) -> OperationType | None:
    """What a document does; None where that cannot be said, which is answered when it is run."""
    try:
        found = read(document).operation(name)
    except GraphQLError:
        return None
    return found.operation if found else None


def _status(request: Request, refused: HTTPException, code: str) -> int:
    """The status of a refusal: a hash that is not known is no fault to a client of plain JSON, which sends the text."""
    is_plain = code == NOT_FOUND and request.state.forms[0] is Media.JSON
    return 200 if is_plain else refused.status_code


def _refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    body: dict[str, Any] = {"errors": [{"message": message, "extensions": {"code": code}}]}
    return JSONResponse(body, status, headers=headers or HEADERS.get(status))


def _in_time(send: Send) -> Send:
    async def in_time(message: Message) -> None:
        async with asyncio.timeout(SLOWEST_READER):
            await send(message)

    return in_time

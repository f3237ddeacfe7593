"""What every request passes before all else: it gets its id, its time is taken, and its answer carries the id."""

from time import perf_counter

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from api.telemetry import identity, metrics, tracing

BEGINNINGS = {"http.response.start", "websocket.accept", "websocket.http.response.start"}
UNSAID = {"websocket.accept": 101, "websocket.close": 403}
"""The status that a server sends for what has none: a websocket that is opened, or closed before."""
FAILED = 500
NOWHERE = "(none)"
"""The route of a request that leads nowhere: what was asked for is nobody's business."""


class Observed:
    """Observes each request and websocket: until its answer begins, for some never end."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through under its id."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        with tracing.request(headers) as span:
            found = identity.given(headers) or tracing.trace_of(span) or identity.made()
            scope.setdefault("state", {})["request_id"] = found
            answer = Answer(scope, send, found)
            try:
                with bound_contextvars(request_id=found):
                    await self.app(scope, receive, answer.send)
            finally:
                answer.end()
                tracing.answered(span, answer.route, answer.status or FAILED, found)


class Answer:
    """An answer on its way: when it began, and with which status."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self._scope, self._send, self._id = scope, send, request_id
        self._began = perf_counter()
        self.status = 0

    @property
    def route(self) -> str:
        """The route as it is written, with its parameters as names."""
        return getattr(self._scope.get("route"), "path", NOWHERE)

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on; the first of them gets the id."""
        kind = message["type"]
        if kind in BEGINNINGS:
            MutableHeaders(scope=message)[identity.HEADER] = self._id
        if not self.status and (kind in BEGINNINGS or kind in UNSAID):
            self._note(message.get("status") or UNSAID[kind])
        await self._send(message)

    def end(self) -> None:
        """Where nothing was sent, a fault was raised: it is answered outside."""
        if not self.status:
            self._note(FAILED)

    def _note(self, status: int) -> None:
        self.status = status
        metrics.REQUEST.labels(self.route, str(status)).observe(perf_counter() - self._began)

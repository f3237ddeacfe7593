"""graphql-transport-ws: one websocket, many operations, each of them a request of its own.

An operation waits until its last event has left before it makes the next, and holds a flag instead of a queue
(`news`): a reader that is slow is told less often, always of what is true then, and costs no memory. One that reads
nothing at all answers no ping, and the server ends its connection.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from cross_web import HTTPException
from graphql import GraphQLError
from starlette.websockets import WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import NonJsonMessageReceived, WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.subscriptions.protocols.graphql_transport_ws.types import Message

from api.auth import callers
from api.auth.budgets import Budgets
from api.auth.keys import Caller
from api.graphql.context import Context
from api.graphql.errors import AWAY, UNAVAILABLE, is_of_request
from api.graphql.news import Channel
from api.graphql.requests import Refused, fault_of, key_of
from api.jobs.worker import FAULTS

if TYPE_CHECKING:
    from api.graphql.endpoint import Endpoint

log = logging.getLogger("truelift.sockets")
LONGEST_REASON = 120
"""Bytes of the sentence that a websocket is closed with; the protocol has room for 123."""
UNAUTHORIZED, TOO_OFTEN, LATER = 4401, 4429, 1013
MESSAGES_A_SECOND, MESSAGES_AT_ONCE = 20.0, 100.0
"""Of one websocket, whatever they say: enough to open and to end all operations there may be, twice over."""
KINDS = {"connection_init", "ping", "pong", "subscribe", "complete"}
TOO_FAST = f"Too many messages; {MESSAGES_A_SECOND:.0f} a second are read."
TOO_MANY = "Too many operations on one connection."


@dataclass(slots=True, kw_only=True)
class Arrival:
    """What a websocket came with: a key in its header, or in its first message, or our page's cookie; whose that is."""

    key: str | None
    cookie: str | None = None
    connection_params: Mapping[str, object] | None = None
    caller: Caller | None = None

    def given(self) -> str | None:
        """The key of the first message, or else that of the header."""
        named = {name.lower(): value for name, value in (self.connection_params or {}).items()}
        return key_of(named.get("authorization")) or self.key


class Wire(ASGIWebSocketAdapter):
    """The messages of one websocket."""

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:
        """What comes in."""
        try:
            async for message in super().iter_json(ignore_parsing_errors=ignore_parsing_errors):
                yield message
        except HTTPException:
            raise NonJsonMessageReceived from None

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send a message, unless the websocket is closed."""
        if self.ws.application_state is not WebSocketState.CONNECTED:
            raise WebSocketDisconnected
        await super().send_json(message)

    async def close(self, code: int, reason: str) -> None:
        """Close the websocket once."""
        if self.ws.application_state is WebSocketState.CONNECTED:
            await super().close(code, reason.encode()[:LONGEST_REASON].decode("utf-8", "ignore"))


class Socket(BaseGraphQLTransportWSHandler[Context, None]):
    """One websocket. Who asks is looked up again from time to time, and as soon as their rights change."""

    _watch: asyncio.Task[None] | None = None

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._messages = Budgets(per_second=MESSAGES_A_SECOND, at_once=MESSAGES_AT_ONCE)

    @property
    def _arrival(self) -> Arrival:
        return cast("Arrival", self.context)

    @property
    def _endpoint(self) -> "Endpoint":
        return cast("Endpoint", self.view)

    async def handle_message(self, message: Any) -> None:
        """Answer a message, or close the websocket on what is none."""
        if self._messages.take("all", 1, monotonic()) > 0:
            await self.websocket.close(TOO_OFTEN, TOO_FAST)
            return
        fault = _fault(message)
        if fault is not None:
            await self.handle_invalid_message(fault)
            return
        given = {name: value for name, value in message.items() if value is not None}
        await super().handle_message(cast("Message", given))

    async def handle_connection_init(self, message: Any) -> None:
        """Find out who asks, and keep an eye on the key from then on."""
        try:
            await super().handle_connection_init(message)
        except FAULTS as fault:
            log.warning("The database does not answer (%s).", type(fault).__name__)
            await self.websocket.close(LATER, "The database does not answer; try again soon.")
        if self._arrival.caller is not None and self._watch is None:
            self._watch = asyncio.create_task(self._watched(self._arrival.caller))
            self._watch.add_done_callback(self._task_done)

    async def handle_subscribe(self, message: Any) -> None:
        """Begin an operation, where there is room for it."""
        is_wrong = message["id"] in self.operations or not self.connection_acknowledged
        try:
            if not is_wrong:  # else the websocket is closed
                message["payload"]["query"] = await self._document(message["payload"])
        except Refused as refused:
            error = GraphQLError(refused.reason, extensions={"code": refused.code}).formatted
            await self.send_message({"id": message["id"], "type": "error", "payload": [error]})
            return
        await super().handle_subscribe(message)

    async def _document(self, payload: Mapping[str, Any]) -> str:
        """The document of an operation. Raises Refused where it is not begun."""
        if len(self.operations) >= (self.max_subscriptions_per_connection or sys.maxsize):
            raise Refused(429, "RATE_LIMITED", TOO_MANY)
        try:
            return await self._endpoint.trusted.text(cast("Caller", self._arrival.caller), payload)
        except FAULTS as fault:
            log.warning("The database does not answer (%s).", type(fault).__name__)
            raise Refused(503, UNAVAILABLE, AWAY) from None

    async def run_operation(self, operation: Operation[Context, None]) -> None:
        """Run an operation: whoever asks for two of them gets the truth of two moments."""
        caller = cast("Caller", self._arrival.caller)  # only who is known may subscribe
        source = await self.schema.stream(
            operation.query,
            variable_values=operation.variables,
            context_value=self._endpoint.context(caller),
            operation_name=operation.operation_name,
        )
        try:
            async with aclosing(source):
                await self._send_result_stream(operation, source)
            await operation.send_operation_message({"id": operation.id, "type": "complete"})
        except WebSocketDisconnected:
            return
        finally:
            if self.operations.get(operation.id) is operation:
                self.forget_id(operation.id)

    async def _send_result_stream(self, operation: Operation[Context, None], result_source: Any) -> None:
        async for result in result_source:
            if is_of_request(result):
                await operation.send_initial_errors(result.errors)
                return
            await operation.send_next(result)

    async def shutdown(self) -> None:
        """End what is still going on."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        await super().shutdown()

    async def _watched(self, caller: Caller) -> None:
        """Close the websocket when what it came with works no more, or lets them do other things."""
        found: Caller | None = caller
        with self._endpoint.desk.seat(*((Channel.KEYS, name) for name in caller.names)) as flag:
            while (found := await self._again(found or caller)) is not None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(flag.wait(), callers.patience(found))
                flag.clear()
        await self.websocket.close(UNAUTHORIZED, "Unauthorized")

    async def _again(self, caller: Caller) -> Caller | None:
        """Who asks as they are now, as far as the database can say: while it is away, nothing is told anyway."""
        try:
            return await callers.again(self._endpoint.database, caller)
        except FAULTS:
            return caller

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        """Log what ended a task."""
        if not task.cancelled() and task.exception() is not None:
            log.error("A task of a websocket has failed.", exc_info=task.exception())


async def welcome(arrival: Arrival, endpoint: "Endpoint") -> None:
    """Find out whose key a websocket came with. Raises ConnectionRejectionError for a key that does not work."""
    arrival.caller = await endpoint.caller(arrival.given(), arrival.cookie)
    if arrival.caller is None:
        raise ConnectionRejectionError


def _fault(message: object) -> str | None:
    """What is wrong with a message, in a sentence."""
    if not isinstance(message, dict):
        return "A message is a JSON object."
    kind, payload = message.get("type"), message.get("payload")
    if not isinstance(kind, str) or kind not in KINDS:
        return "This type of message is not known."
    if kind in {"subscribe", "complete"} and not (isinstance(message.get("id"), str) and message["id"]):
        return "The “id” of a message is a text."
    if kind == "subscribe":
        return fault_of(payload)
    return None if isinstance(payload, dict | None) else "The payload is no object."

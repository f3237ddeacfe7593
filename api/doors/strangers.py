"""Wrong keys are slowed down: who keeps guessing waits, and whoever's key has worked does not.

An address that sent many keys that do not work is answered 429 before anything is looked up. A key that worked lately
passes all the same, so one guesser behind a shared address keeps nobody else out.
"""

from collections import OrderedDict
from hashlib import blake2b
from math import ceil
from time import monotonic

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth.budgets import Budgets

WRONG_A_SECOND = 0.5
"""Wrong keys that an address may go on with, when it has sent too many."""
MOST_KNOWN = 10_000
"""Keys that worked lately, as hashes."""
SLOWLY = "Too many wrong keys came from this address; try again soon."


class Strangers:
    """Counts the answers that say a key is unknown, by the address they go to."""

    def __init__(self, app: ASGIApp, *, wrong_at_once: int) -> None:
        self._app = app
        self._wrong = Budgets(per_second=WRONG_A_SECOND, at_once=wrong_at_once)
        self._known: OrderedDict[bytes, None] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless it is one guess too many."""
        key = _digest(scope) if scope["type"] == "http" else None
        if key is None:
            await self._app(scope, receive, send)
            return
        address = (scope.get("client") or ("",))[0]
        wait = 0.0 if key in self._known else self._wrong.wait(address, 1, monotonic())
        if wait > 0:
            await _later(wait)(scope, receive, send)
            return

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(address, key, message["status"])
            await send(message)

        await self._app(scope, receive, noting)

    def _note(self, address: str, key: bytes, status: int) -> None:
        if status == 401:
            self._known.pop(key, None)
            self._wrong.take(address, 1, monotonic())
            return
        self._known[key] = None
        self._known.move_to_end(key)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)


def _digest(scope: Scope) -> bytes | None:
    headers = Headers(scope=scope)
    said = headers.get("authorization") or headers.get("x-api-key")
    return None if said is None else blake2b(said.encode(), digest_size=16).digest()


def _later(wait: float) -> JSONResponse:
    body = {"errors": [{"message": SLOWLY, "extensions": {"code": "RATE_LIMITED"}}]}
    return JSONResponse(body, 429, headers={"retry-after": str(ceil(wait))})

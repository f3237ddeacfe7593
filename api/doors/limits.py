"""What every request passes first: a cap on its body, and headers that keep a browser safe."""

import asyncio
import re
import sys
from collections.abc import Mapping
from time import monotonic

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.doors import bodies

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
SAFE = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


UNCAPPED = sys.maxsize
NUMBER = re.compile(r"[0-9]{1,18}")


class BodyTooLarge(Exception):
    """A body went over the cap while it was read."""


class BodyTooSlow(Exception):
    """A body keeps us waiting for too long."""


class Limits:
    """Refuses bodies over the cap, whether they say their size or not, or too slow, and sets headers on every answer.

    A path in `caps` has a cap of its own; one without any (`UNCAPPED`) looks after its body itself.
    """

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, caps: Mapping[str, int] | None = None) -> None:
        self.app, self.max_body_bytes, self.caps = app, max_body_bytes, caps or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = self.caps.get(scope["path"], self.max_body_bytes)
        declared = Headers(scope=scope).get("content-length", "0")
        if not NUMBER.fullmatch(declared) or int(declared) > most:
            await self._refusal(most)(scope, receive, _safe(send))
            return
        try:
            await self.app(scope, self._counted(receive, most), _safe(send))
        except BodyTooLarge:
            await self._refusal(most)(scope, receive, _safe(send))
        except BodyTooSlow:
            await _refused(408, "TOO_SLOW", "The body came too slowly; send it again.")(scope, receive, _safe(send))

    def _counted(self, receive: Receive, most: int) -> Receive:
        seen, waited, is_whole = 0, 0.0, most == UNCAPPED

        async def counted() -> Message:
            nonlocal seen, waited, is_whole
            began = monotonic()
            try:  # after the body, what is waited for is that the sender leaves
                async with asyncio.timeout(None if is_whole else bodies.GRACE + seen / bodies.SLOWEST - waited):
                    message = await receive()
            except TimeoutError:
                raise BodyTooSlow from None
            seen, waited = seen + len(message.get("body", b"")), waited + monotonic() - began
            is_whole = is_whole or not message.get("more_body", False)
            if seen > most:
                raise BodyTooLarge
            return message

        return counted

    def _refusal(self, most: int) -> JSONResponse:
        return _refused(413, "PAYLOAD_TOO_LARGE", f"A body has at most {most:,} bytes.")


def _refused(status: int, code: str, sentence: str) -> JSONResponse:
    return JSONResponse({"errors": [{"message": sentence, "extensions": {"code": code}}]}, status)


def _safe(send: Send) -> Send:
    async def safe(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SAFE.items():
                headers.setdefault(name, value)
        await send(message)

    return safe

"""What every request passes first: a cap on its body, and headers that keep a browser safe."""

import re
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


NUMBER = re.compile(r"[0-9]{1,18}")


class BodyTooLarge(Exception):
    """A body went over the cap while it was read."""


class Limits:
    """Refuses bodies over the cap, whether they say their size or not, and sets the headers on every answer.

    A path in `caps` has a cap of its own.
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

    def _counted(self, receive: Receive, most: int) -> Receive:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise BodyTooLarge
            return message

        return counted

    def _refusal(self, most: int) -> JSONResponse:
        sentence = f"A body has at most {most:,} bytes."
        return JSONResponse({"errors": [{"message": sentence, "extensions": {"code": "PAYLOAD_TOO_LARGE"}}]}, 413)


def _safe(send: Send) -> Send:
    async def safe(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SAFE.items():
                headers.setdefault(name, value)
        await send(message)

    return safe

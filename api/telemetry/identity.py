"""The id of a request: the one it came with, where that is well-formed, else one of ours.

It is on every line of the log, in the header `X-Request-Id` of the answer, and is the `traceId` of a masked error.
"""

import re
import secrets

from starlette.datastructures import Headers
from structlog.contextvars import get_contextvars

HEADER = "x-request-id"
PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C trace context, https://www.w3.org/TR/trace-context/#traceparent-header; an id of zeros is none."""
GIVEN = re.compile(r"[A-Za-z0-9_-]{8,64}")
"""What proxies send: hexadecimal, UUIDs and their like. It goes to the log, so an address or a name is none."""


def given(headers: Headers) -> str | None:
    """The id that a request came with."""
    if parent := PARENT.fullmatch(headers.get("traceparent", "")):
        return parent[1]
    return found if GIVEN.fullmatch(found := headers.get(HEADER, "")) else None


def made() -> str:
    """A new id, in the form of a W3C trace id."""
    return secrets.token_hex(16)


def current() -> str:
    """The id of the request that is being answered; a new one where nothing came in as a request."""
    found: str = get_contextvars().get("request_id") or made()
    return found

"""Signing a browser in with a read key, and the cookie that keeps it signed in.

The cookie names the key and the time it ends, under an HMAC with the server's secret. The key itself is looked up at
every request, so revoking it signs its browsers out at once.
"""

import hmac
from datetime import datetime, timedelta

from starlette.requests import Request

COOKIE = "truelift_session"
LIFETIME = timedelta(hours=12)


def seal(public_id: str, secret: bytes, now: datetime) -> str:
    """A cookie for a key."""
    ends = int((now + LIFETIME).timestamp())
    body = f"{public_id}.{ends}"
    return f"{body}.{_mark(body, secret)}"


def unseal(cookie: str, secret: bytes, now: datetime) -> str | None:
    """The key a cookie is for; None when it is forged or over."""
    body, _, mark = cookie.rpartition(".")
    public_id, _, ends = body.partition(".")
    if not hmac.compare_digest(mark.encode("utf-8", "replace"), _mark(body, secret).encode()):
        return None
    return public_id if int(ends) > now.timestamp() else None


def is_same_origin(request: Request) -> bool:
    """Whether a form was sent by our own page: no other site may sign anybody in or out."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("origin")
    return origin is None or origin == f"{request.url.scheme}://{request.headers.get('host', '')}"


def _mark(body: str, secret: bytes) -> str:
    return hmac.digest(secret, f"session.{body}".encode("utf-8", "replace"), "sha256").hex()

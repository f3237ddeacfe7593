"""The cookies of the pages, and whether a request comes from our own pages."""

import hmac

from starlette.requests import HTTPConnection
from starlette.responses import Response

from api.auth import sign_ins
from api.auth.keys import Caller

SIGNED_IN, FLOW, DONE, WANTED = "truelift_session", "truelift_flow", "truelift_done", "truelift_wanted"
"""Who is signed in; a sign-in at an identity provider that this browser has begun; what its form has just done; and the
page that it wanted before it was signed in."""
PATIENCE, LONGEST = 900, 1_000
"""Seconds for which a page is wanted, and the characters that its address has at most."""
HOST = "__Host-"
"""Before a name over https: the browser takes such a cookie from this very host only, and never over http."""
OWN = "x-truelift-page"
"""A header that only a script of our own pages sends: no other site may, unless we said so in an answer to CORS."""
PURPOSE = b"form."
"""Before what a form's proof is made of: a mark made for anything else does not fit."""


def name(request: HTTPConnection, cookie: str) -> str:
    """What a cookie is called on this connection."""
    return f"{HOST}{cookie}" if is_secure(request) else cookie


def read(request: HTTPConnection, cookie: str) -> str:
    """What a cookie says; nothing when there is none."""
    return request.cookies.get(name(request, cookie), "")


def keep(request: HTTPConnection, response: Response, cookie: str, value: str, seconds: int) -> None:
    """Set a cookie that scripts cannot read and other sites' forms do not carry."""
    response.set_cookie(
        name(request, cookie), value, max_age=seconds, httponly=True, samesite="lax", secure=is_secure(request)
    )


def sign_in(request: HTTPConnection, response: Response, value: str) -> None:
    """Set the cookie of a browser that is signed in."""
    keep(request, response, SIGNED_IN, value, int(sign_ins.LIFETIME.total_seconds()))


def drop(request: HTTPConnection, response: Response, cookie: str) -> None:
    """Take a cookie away."""
    response.delete_cookie(name(request, cookie), httponly=True, samesite="lax", secure=is_secure(request))


def want(request: HTTPConnection, response: Response, address: str) -> None:
    """Remember the page to show once the browser is signed in."""
    if len(address) <= LONGEST:
        keep(request, response, WANTED, address, PATIENCE)


def wanted(request: HTTPConnection) -> str:
    """The page to show: one of ours, whoever set the cookie."""
    address = read(request, WANTED)
    return address if address.startswith("/") and address[1:2] not in {"/", "\\"} else "/"


def is_secure(request: HTTPConnection) -> bool:
    """Whether the connection is encrypted, as far as we and the proxy before us know."""
    return request.url.scheme in {"https", "wss"}


def is_same_origin(request: HTTPConnection) -> bool:
    """Whether a form was sent by our own page: no other site may sign anybody in or out."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("origin")
    return origin is None or origin == _origin(request)


def is_of_own_page(request: HTTPConnection) -> bool:
    """Whether a script of our own page asks: the browser says so, and so does the script, where it can.

    A websocket can be opened with no header of one's own; its browser always names the origin.
    """
    is_told = request.headers.get("origin") == _origin(request)
    if request.scope["type"] == "websocket":
        return is_told
    is_told = is_told or request.headers.get("sec-fetch-site") == "same-origin"
    return is_told and is_same_origin(request) and OWN in request.headers


def is_of_own_form(request: HTTPConnection) -> bool:
    """Whether a form of our own page was sent by a browser that says so; one that says nothing is not believed."""
    is_told = "origin" in request.headers or request.headers.get("sec-fetch-site") == "same-origin"
    return is_told and is_same_origin(request)


def proof(caller: Caller, secret: bytes) -> str:
    """What the forms of a browser that is signed in are sent with: nobody else can know it, or use it elsewhere."""
    return hmac.digest(secret, PURPOSE + (caller.sign_in or "").encode(), "sha256").hex()


def is_proof(caller: Caller, said: str, secret: bytes) -> bool:
    """Whether a form was made for this very browser."""
    return hmac.compare_digest(proof(caller, secret).encode(), said.encode("utf-8", "replace"))


def _origin(request: HTTPConnection) -> str:
    scheme = "https" if is_secure(request) else "http"
    return f"{scheme}://{request.headers.get('host', '')}"

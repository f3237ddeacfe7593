"""The cookies of the pages, and whether a request comes from our own pages."""

from starlette.requests import HTTPConnection
from starlette.responses import Response

from api.auth import sign_ins

SIGNED_IN, FLOW = "truelift_session", "truelift_flow"
"""Who is signed in; and a sign-in at an identity provider that this browser has begun."""
HOST = "__Host-"
"""Before a name over https: the browser takes such a cookie from this very host only, and never over http."""
OWN = "x-truelift-page"
"""A header that only a script of our own pages sends: no other site may, unless we said so in an answer to CORS."""


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


def _origin(request: HTTPConnection) -> str:
    scheme = "https" if is_secure(request) else "http"
    return f"{scheme}://{request.headers.get('host', '')}"

"""What is answered when a request fails outside GraphQL: in words, and without a word of what went wrong inside."""

import logging

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from api.doors.limits import SAFE
from api.telemetry import identity

log = logging.getLogger("truelift.http")
SOON = {"retry-after": "5"}
NOT_FOUND, NOT_ALLOWED = 404, 405
NOWHERE = {
    NOT_FOUND: ("NOT_FOUND", "There is nothing at this address."),
    NOT_ALLOWED: (
        "METHOD_NOT_ALLOWED",
        "This address is not asked by this method; the header Allow names those it takes.",
    ),
}
"""What is said of an address that is not served as it was asked for."""


async def away(_request: Request, fault: Exception) -> JSONResponse:
    """Answer while the database is away."""
    log.warning("The database does not answer (%s).", type(fault).__name__)
    return _answer(503, "The database does not answer; try again soon.", {"code": "UNAVAILABLE"}, SOON)


async def unexpected(request: Request, bug: Exception) -> JSONResponse:
    """Answer a bug with a trace id; the server logs the bug itself.

    This answer brings its own headers: it does not pass the middleware that gives them to every other.
    """
    trace: str = request.state.request_id
    log.error("trace %s: %s", trace, type(bug).__name__)
    return _answer(
        500,
        "Something went wrong on our side.",
        {"code": "INTERNAL", "traceId": trace},
        SAFE | {identity.HEADER: trace},
    )


def refused(fault: HTTPException) -> JSONResponse:
    """Answer what the routes refuse: mostly an address that leads nowhere, or a method that it does not take."""
    code, message = NOWHERE.get(fault.status_code, ("BAD_REQUEST", fault.detail))
    return _answer(fault.status_code, message, {"code": code}, dict(fault.headers or {}))


def _answer(status: int, message: str, extensions: dict[str, str], headers: dict[str, str]) -> JSONResponse:
    return JSONResponse({"errors": [{"message": message, "extensions": extensions}]}, status, headers=headers)

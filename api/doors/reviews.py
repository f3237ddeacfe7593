"""`GET /reviews/<id>.html` and its like: a review as a page, as Markdown, as CSV and as PDF, all from one document.

For who is signed in, and for keys with the scope `read`.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.auth import callers
from api.auth.keys import Caller, Scope
from api.doors import pages
from api.graphql import tags
from api.graphql.requests import bearer
from web import reviews
from web.errors import NoPrinter
from web.printing import printed

PATH = "/reviews/{id}.{form}"
MEDIA = {
    "html": "text/html; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "pdf": "application/pdf",
}
WRITTEN: Mapping[str, Callable[[dict[str, Any]], str]] = {"md": reviews.markdown, "csv": reviews.table}
AT_ONCE = asyncio.Semaphore(1)
"""PDFs of a process at the same time: each keeps a core busy for a second or more."""
NO_PRINTER = "This server makes no PDF: its system lacks Pango. Print the page instead."


async def review(request: Request) -> Response:
    """One review, in the form that its address ends in."""
    form = request.path_params["form"]
    if form not in MEDIA:
        return pages.missing()
    caller = await _caller(request)
    if isinstance(caller, Response):
        return caller
    found = await pages.told(request, caller, "review", {"id": request.path_params["id"]}, must_find="review")
    if isinstance(found, Response):
        return found
    if form == "html":
        return pages.page("review", found)
    if form == "pdf":
        return await _pdf(found)
    return tags.marked(request, _file(WRITTEN[form](found).encode(), form, found))


async def _pdf(found: dict[str, Any]) -> Response:
    try:
        async with AT_ONCE:
            return _file(await asyncio.to_thread(printed, found), "pdf", found)
    except NoPrinter:
        return _refusal(501, "NOT_INSTALLED", NO_PRINTER)


def _file(body: bytes, form: str, found: dict[str, Any]) -> Response:
    review = found["review"]
    name = f"review-{review['kind'].lower()}-{review['fromOn']}.{form}"
    return Response(body, media_type=MEDIA[form], headers={"content-disposition": f'inline; filename="{name}"'})


async def _caller(request: Request) -> Caller | Response:
    """Who asks, by key or signed in; else the answer that says what is missing."""
    key = bearer(request)
    if key is None:
        return await pages.signed_in(request) or pages.to_sign_in(request)
    caller = await callers.by_key(request.app.state.database, key, request.app.state.secret)
    if caller is None:
        return _refusal(401, "UNAUTHENTICATED", "This key is not known, or not valid any more.")
    return caller if caller.may(Scope.READ) else _refusal(403, "FORBIDDEN", "This needs a key with the scope “read”.")


def _refusal(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"errors": [{"message": message, "extensions": {"code": code}}]}, status)

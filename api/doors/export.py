"""`GET /v1/export/outcomes.csv` and its like: rows streamed out as a file.

Aggregates need the scope `read`; raw rows, which say what each unit did, the scope `admin`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from time import monotonic
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Send
from starlette.types import Scope as Sent

from api.auth import callers
from api.auth.keys import Scope
from api.database import Database
from api.doors.pages import signed_in
from api.files.times import moment
from api.files.writing import MEDIA, Form, written
from api.graphql import tags
from api.graphql.requests import bearer
from experiments.aggregation.extraction import Noun, Selection, extract
from kpi.errors import NotFound
from kpi.ingest import is_text

log = logging.getLogger("truelift.export")
PATH = "/v1/export/{noun}.{form}"
AT_ONCE = asyncio.Semaphore(2)
"""Exports of a process at the same time: each holds a connection until its reader is through."""
SOON = {"retry-after": "30"}
LONGEST = 1_800.0
"""Seconds an export may take in all."""
GRACE, SLOWEST = 20.0, 50_000
"""A reader may keep us waiting for 20 seconds, and one more for every 50,000 bytes read."""
WHOLE = 1_000_000
"""Bytes of aggregates that are sent whole, with a mark; a longer file leaves piece by piece, and raw rows always do."""
FIELDS = frozenset({"experiment", "from", "to", "spreadsheet"})
"""What may be asked for; of raw rows, those of one unit as well."""


class TooSlow(Exception):
    """The reader of an export does not keep up."""


class Refusal(Exception):
    """An export that is not made: the status, the code and the sentence of its answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


async def export(request: Request) -> Response:
    """Stream rows of the caller's workspace as a file."""
    return await answered(lambda: _export(request))


async def answered(exporting: Callable[[], Awaitable[Response]]) -> Response:
    """An export, or why it is not made."""
    try:
        return await exporting()
    except Refusal as refused:
        return refusal(refused)


def refusal(refused: Refusal) -> JSONResponse:
    """The answer to an export that is not made."""
    body = {"errors": [{"message": refused.message, "extensions": {"code": refused.code}}]}
    return JSONResponse(body, refused.status, headers=SOON if refused.status == 503 else None)


def make_room() -> None:
    """Raises Refusal while as many exports are under way as a process makes at once."""
    if AT_ONCE.locked():
        raise Refusal(503, "TOO_MANY_EXPORTS", "Two exports are under way; try again soon.")


async def _export(request: Request) -> Response:
    noun, form, of = _asked(request)
    workspace_id = await workspace_of(request, Scope.READ if noun is Noun.AGGREGATES else Scope.ADMIN)
    make_room()
    file = await _stream(
        request.app.state.database, workspace_id, noun, form, of, "spreadsheet" in request.query_params
    )
    short = await file.whole(WHOLE) if noun is Noun.AGGREGATES else None
    return file if short is None else tags.marked(request, short)


async def _stream(
    database: Database, workspace_id: int, noun: Noun, form: Form, of: Selection, for_spreadsheet: bool
) -> "File":
    """The first look is taken here, so that an experiment that is not there is answered in words."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(AT_ONCE)
        connection = await stack.enter_async_context(database.of(workspace_id).reading(LONGEST))
        try:
            found = await extract(connection, workspace_id=workspace_id, noun=noun, of=of)
        except NotFound:
            raise Refusal(404, "NOT_FOUND", f"There is no experiment “{of.experiment}”.") from None
        pieces = written(form, found.columns, found.batches(connection), for_spreadsheet=for_spreadsheet)
        return File(pieces, name=f"{noun}.{form}", media_type=MEDIA[form], held=stack.pop_all())


class File(StreamingResponse):
    """A file on its way out, and what it holds until it is through or its reader is gone."""

    def __init__(self, pieces: AsyncIterator[bytes], *, name: str, media_type: str, held: AsyncExitStack) -> None:
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        super().__init__(pieces, media_type=media_type, headers=headers)
        self.held = held

    async def whole(self, most: int) -> Response | None:
        """The file in one piece, if it has no more bytes than so; then nothing is held any longer."""
        begun: list[bytes] = []
        rest = aiter(self.body_iterator)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.held)
            async for piece in rest:
                begun.append(cast("bytes", piece))
                if sum(map(len, begun)) > most:
                    self.held, self.body_iterator = stack.pop_all(), _rejoined(begun, rest)
                    return None
        return Response(b"".join(begun), headers=dict(self.headers))

    async def __call__(self, scope: Sent, receive: Receive, send: Send) -> None:
        """Send the file, or break off when its reader is too slow: the connection then ends in the middle."""
        try:
            async with self.held:
                await super().__call__(scope, receive, _patient(send))
        except (TooSlow, TimeoutError) as fault:
            log.warning("An export was broken off (%s).", type(fault).__name__)


async def _rejoined(begun: list[bytes], rest: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    for piece in begun:
        yield piece
    async for piece in rest:
        yield piece


def _patient(send: Send) -> Send:
    """Send as long as the reader keeps up. Raises TooSlow."""
    sent, waited = 0, 0.0

    async def patient(message: Message) -> None:
        nonlocal sent, waited
        began = monotonic()
        try:
            async with asyncio.timeout(GRACE + sent / SLOWEST - waited):
                await send(message)
        except TimeoutError:
            raise TooSlow from None
        sent, waited = sent + len(message.get("body", b"")), waited + monotonic() - began

    return patient


async def workspace_of(request: Request, scope: Scope) -> int:
    """The workspace of the key that a request carries. Raises Refusal for a key that has not the scope."""
    caller = await callers.by_key(request.app.state.database, bearer(request), request.app.state.secret)
    if caller is None:
        raise Refusal(401, "UNAUTHENTICATED", "This needs a key: send the header “Authorization: Bearer <key>”.")
    if not caller.may(scope):
        raise Refusal(403, "FORBIDDEN", f"This needs a key with the scope “{scope}”.")
    return caller.workspace_id


async def linked_workspace_of(request: Request, scope: Scope) -> int:
    """The same, or that of the browser that follows the link on a page. Raises Refusal."""
    caller = await signed_in(request) if bearer(request) is None else None
    return caller.workspace_id if caller is not None and caller.may(scope) else await workspace_of(request, scope)


def _asked(request: Request) -> tuple[Noun, Form, Selection]:
    noun, form, said = request.path_params["noun"], request.path_params["form"], request.query_params
    if noun not in set(Noun) or form not in set(Form):
        raise Refusal(404, "NOT_FOUND", "There are outcomes, exposures and aggregates, as .csv and as .parquet.")
    fields = FIELDS if noun == Noun.AGGREGATES else FIELDS | {"unit"}
    if not fields.issuperset(said) or not all(map(is_text, said.values())):
        raise Refusal(400, "BAD_USER_INPUT", f"What can be asked for is {', '.join(sorted(fields))}.")
    of = Selection(
        experiment=said.get("experiment"),
        unit=said.get("unit"),
        from_at=_moment(said, "from"),
        to_at=_moment(said, "to"),
    )
    return Noun(noun), Form(form), of


def _moment(said: Any, name: str) -> datetime | None:
    try:
        return moment(said[name]) if name in said else None
    except ValueError:
        sentence = f"{name} is no moment like 2026-06-01 or 2026-06-01T08:00:00Z."
        raise Refusal(400, "BAD_USER_INPUT", sentence) from None

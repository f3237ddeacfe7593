"""`POST /v1/uploads`: a file, streamed into Postgres a piece at a time, and answered with the job that takes it in."""

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from api.auth import callers
from api.auth.keys import Caller, Scope
from api.database import Database
from api.files.errors import MappingError
from api.graphql.nodes import global_id
from api.graphql.requests import bearer
from api.jobs import spool
from api.jobs.tables import Noun
from api.jobs.uploads import ENDINGS, mapping
from api.trail import chain
from api.trail.entry import Deed

PATH = "/v1/uploads"
PIECE = 1_000_000
"""Bytes of a file that are kept as one row: few enough to hold for every upload that comes in at once."""
FORMATS = {"text/csv": "csv", "application/x-ndjson": "ndjson", "application/vnd.apache.parquet": "parquet"}
MANY = {"map": "maps", "set": "sets", "attribute": "attributes"}
ONCE = {"mapping": "text", "timezone": "timezone", "time_format": "time_format", "delimiter": "delimiter"}
"""Parameters by the names that the options of `truelift import` have, and what a mapping calls them."""
WAIT = {"retry-after": "30"}


async def upload(request: Request) -> JSONResponse:
    """Keep a file and answer 202 with its job."""
    caller = await callers.by_key(request.app.state.database, bearer(request), request.app.state.secret)
    if caller is None:
        return _refusal(401, "UNAUTHENTICATED", "This needs a key: send the header “Authorization: Bearer <key>”.")
    if not caller.may(Scope.INGEST):
        return _refusal(403, "FORBIDDEN", "This needs a key with the scope “ingest”.")
    try:
        noun, parameters = _asked(request)
    except MappingError as error:
        return _refusal(400, "BAD_USER_INPUT", str(error))
    most: int = request.app.state.max_uploads
    database = request.app.state.database.of(caller.workspace_id)
    async with database.door() as connection:
        if await spool.count_open(connection, caller.workspace_id) >= most:
            sentence = f"{most} uploads of this workspace wait already; try again when one of them is done."
            return _refusal(429, "RATE_LIMITED", sentence, WAIT)
        job_id = await spool.open_job(connection, caller.workspace_id, noun, parameters)
        await chain.append(connection, _deed(request, caller, noun, job_id))
    return await _received(request, database, job_id)


async def _received(request: Request, database: Database, job_id: int) -> JSONResponse:
    is_whole = False
    try:
        is_whole = await _keep(request, database, job_id)
    finally:
        if not is_whole:
            async with database.door() as connection:
                await spool.give_up(connection, job_id)
    if not is_whole:
        return _refusal(409, "CANCELLED", "The job was cancelled while its file came in.")
    return JSONResponse({"job": {"id": global_id("Job", job_id), "state": "WAITING"}}, 202)


async def _keep(request: Request, database: Database, job_id: int) -> bool:
    """Write the body down, holding one piece of it at a time; False when nobody waits for it any more."""
    piece, place = bytearray(), 0
    async for data in request.stream():
        piece += data
        if len(piece) >= PIECE:
            if not await _append(database, job_id, place, piece):
                return False
            piece, place = bytearray(), place + 1
    if not await _append(database, job_id, place, piece):
        return False
    async with database.door() as connection:
        return await spool.complete(connection, job_id)


async def _append(database: Database, job_id: int, place: int, piece: bytearray) -> bool:
    async with database.door() as connection:
        return await spool.append(connection, job_id, place, bytes(piece))


def _asked(request: Request) -> tuple[Noun, dict[str, Any]]:
    """What the rows are, and what the columns mean. Raises MappingError."""
    given = request.query_params
    if unknown := sorted(given.keys() - {"noun", "format", *MANY, *ONCE}):
        raise MappingError(f"There is no parameter {unknown[0]!r}.")
    nouns = [noun.value for noun in Noun]
    if given.get("noun") not in nouns:
        raise MappingError(f"noun is one of {', '.join(nouns)}.")
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    form = given.get("format", FORMATS.get(media))
    if form not in ENDINGS:
        raise MappingError(
            f"format is one of {', '.join(ENDINGS)}; a Content-Type of {', '.join(FORMATS)} says it too."
        )
    parameters: dict[str, Any] = {"format": form}
    parameters |= {name: given.getlist(key) for key, name in MANY.items() if key in given}
    parameters |= {name: given[key] for key, name in ONCE.items() if key in given}
    noun = Noun(given["noun"])
    mapping(noun, parameters)
    return noun, parameters


def _deed(request: Request, caller: Caller, noun: Noun, job_id: int) -> Deed:
    return Deed(
        workspace_id=caller.workspace_id,
        done_at=datetime.now(UTC),
        actor=caller.key_name,
        key=caller.public_id,
        action=PATH,
        node_type="Job",
        node_id=str(job_id),
        details={"noun": noun.value},
        request_id=getattr(request.state, "request_id", None),
    )


def _refusal(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    known = {"www-authenticate": "Bearer"} if status == 401 else headers
    return JSONResponse({"errors": [{"message": message, "extensions": {"code": code}}]}, status, headers=known)

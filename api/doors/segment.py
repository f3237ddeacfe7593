"""`POST /v1/batch`, `/v1/track`, `/v1/identify` and kin: the HTTP tracking API of Segment, for libraries as they are.

A body is read whole and stored in one transaction, by the same functions as the rows of every other door. The answer
says `success`, as libraries expect, and what became of each row.
"""

import asyncio
import binascii
import json
import logging
from base64 import b64decode
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import asyncpg
import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from api.auth.keys import Caller
from api.doors.bodies import CHUNK_ROWS, LARGEST_ARRAY, Unreadable, unpacked, whole
from api.doors.ingest import INGEST, PATIENCE, SOON, Tally, sender
from api.doors.tracking import KINDS, Row, rows_of
from api.graphql.requests import bearer
from api.jobs.worker import FAULTS
from api.telemetry import metrics
from api.trail import chain
from api.trail.entry import Deed
from experiments import exposures
from kpi import events
from kpi.ingest import Report

log = logging.getLogger("truelift.ingest")
BATCH = "/v1/batch"
PATHS: Mapping[str, str | None] = {BATCH: None} | {f"/v1/{kind}": kind for kind in KINDS}
"""Each path, and the type of its message where it takes one only."""
NEEDS = "This needs a write key that works: a key as the user name of Basic authentication, with an empty password."
NOUNS = tuple(sorted(INGEST))
"""In one order, so that two batches wait for each other instead of locking up."""


class Batch(msgspec.Struct):
    """The body of a batch: messages, and when they were sent."""

    batch: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=CHUNK_ROWS)]
    sent_at: Any = msgspec.field(name="sentAt", default=None)


async def take_in(request: Request) -> Response:
    """Take in a message or a batch of them, and tell what became of it."""
    received_at = datetime.now(UTC)
    tally = Tally()
    try:
        caller = await sender(request, write_key(request), needs=NEEDS)
        rows = _rows(await _body(request), PATHS[request.url.path], received_at)
        await _store(request, caller, rows, tally)
    except Unreadable as fault:
        return _refusal(fault.status, fault.code, fault.message)
    except FAULTS as fault:
        log.warning("A batch was given up: the database does not answer (%s).", type(fault).__name__)
        return _refusal(503, "UNAVAILABLE", "The database does not answer in time; send the batch again soon.")
    except ClientDisconnect:
        return Response(status_code=400)  # nobody is there to read it
    return JSONResponse({"success": True, **tally.body()})


def write_key(request: Request) -> str | None:
    """The key of a request: the user name of Basic authentication, whose password is empty, or a bearer's."""
    scheme, _, said = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return bearer(request)
    try:
        return b64decode(said.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return None


async def _body(request: Request) -> bytes:
    """The body, unpacked. Raises Unreadable when it is none, or too large."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if media != "application/json" or encoding not in {"identity", "gzip"}:
        sentence = "Send application/json, as it is or with Content-Encoding: gzip."
        raise Unreadable(415, "UNSUPPORTED_MEDIA_TYPE", sentence)
    pieces: AsyncIterator[bytes] = request.stream()
    return await whole(unpacked(pieces) if encoding == "gzip" else pieces, LARGEST_ARRAY)


def _rows(body: bytes, kind: str | None, received_at: datetime) -> list[Row]:
    """The rows of a body. Raises Unreadable when it is not what its path takes."""
    try:
        batch = _batch(body) if kind is None else _alone(body)
    except msgspec.ValidationError as fault:
        if "length" in str(fault):
            sentence = f"A batch has at most {CHUNK_ROWS:,} messages."
            raise Unreadable(413, "PAYLOAD_TOO_LARGE", sentence) from None
        sentence = "a JSON object with a “batch” of messages" if kind is None else "a message, which is a JSON object"
        raise Unreadable(400, "BAD_REQUEST", f"The body is not {sentence}.") from None
    except (ValueError, RecursionError):
        raise Unreadable(400, "BAD_REQUEST", "The body is not JSON.") from None
    return [
        row
        for line, raw in enumerate(batch.batch, start=1)
        for row in rows_of(bytes(raw), line=line, kind=kind, sent_at=batch.sent_at, received_at=received_at)
    ]


def _batch(body: bytes) -> Batch:
    """A batch. A text that was cut within a sign ends in half a surrogate pair: its neighbours are read nonetheless."""
    try:
        return msgspec.json.decode(body, type=Batch)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        found = json.loads(body)
        apart = [msgspec.Raw(json.dumps(message).encode()) for message in _messages(found)]
        return msgspec.convert({**found, "batch": apart}, Batch)


def _messages(found: object) -> list[object]:
    batch = found.get("batch") if isinstance(found, dict) else None
    if not isinstance(batch, list):
        raise msgspec.ValidationError("no batch")
    return batch


def _alone(body: bytes) -> Batch:
    """One message as a batch. Raises as decoding does when it is none."""
    msgspec.json.decode(body, type=dict[str, Any])
    return Batch(batch=[msgspec.Raw(body)])


async def _store(request: Request, caller: Caller, rows: list[Row], tally: Tally) -> None:
    state = request.app.state
    database = state.database.of(caller.workspace_id)
    async with asyncio.timeout(PATIENCE), state.places.connections, database.door() as connection:
        now = datetime.now(UTC)
        async with chain.batch(connection, _deed(request, caller, now)):
            rows = await _settled(connection, caller.workspace_id, rows)
            stored = [await _of_noun(connection, caller, noun, rows, now) for noun in NOUNS]
    for noun, (chunk, report) in zip(NOUNS, stored, strict=True):
        if chunk:
            metrics.taken_in(noun, report)
            tally.add(chunk, report)
    tally.listed.sort(key=lambda row: int(row["line"]))


async def _of_noun(
    connection: asyncpg.Connection, caller: Caller, noun: str, rows: Iterable[Row], now: datetime
) -> tuple[list[tuple[int, object]], Report]:
    chunk = [(row.line, row.fields) for row in rows if row.noun == noun]
    if not chunk:
        return chunk, Report(accepted=(), duplicates=(), refusals=())
    fields = [row for _, row in chunk]
    return chunk, await INGEST[noun](connection, workspace_id=caller.workspace_id, rows=fields, now=now)


async def _settled(connection: asyncpg.Connection, workspace_id: int, rows: Sequence[Row]) -> list[Row]:
    """The rows as they are to be stored, once it can be asked what is there: experiments, and earlier sendings."""
    flags = {row.fields["experiment"] for row in rows if row.instead is not None}
    known = await exposures.known(connection, workspace_id, flags) if flags else set()
    settled = [row if row.instead is None or row.fields["experiment"] in known else row.as_outcome() for row in rows]
    unsure = {row.earlier for row in settled} - {None}
    sent = await events.known(connection, workspace_id, [one for one in unsure if one]) if unsure else set()
    return [row.at(row.earlier[1]) if row.earlier in sent and row.earlier else row for row in settled]


def _deed(request: Request, caller: Caller, now: datetime) -> Deed:
    return Deed(
        workspace_id=caller.workspace_id,
        done_at=now,
        actor=caller.key_name,
        key=caller.public_id,
        action=request.url.path,
        request_id=getattr(request.state, "request_id", None),
    )


def _refusal(status: int, code: str, message: str) -> JSONResponse:
    """A fault of the body as a whole; libraries look for the code and the message at the top."""
    headers = (
        {"retry-after": SOON}
        if status in {429, 503}
        else {"www-authenticate": 'Basic realm="truelift"'}
        if status == 401
        else {}
    )
    errors = [{"message": message, "extensions": {"code": code}}]
    return JSONResponse({"success": False, "code": code, "message": message, "errors": errors}, status, headers=headers)

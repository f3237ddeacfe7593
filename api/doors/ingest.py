"""`POST /v1/exposures`, `/v1/outcomes`, `/v1/memberships`, `/v1/traits`: rows as NDJSON or a JSON array.

A chunk of the body is a transaction. A connection to Postgres is held only for that time, never while the sender is
waited for, and two chunks of an upload are stored at once. What is answered is committed.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from api.auth import callers
from api.auth.keys import Caller, Scope
from api.database import Database
from api.doors.bodies import (
    LARGEST_BODY,
    Numbered,
    Unreadable,
    array_chunks,
    line_chunks,
    received,
    too_large,
    unpacked,
)
from api.doors.limits import UNCAPPED
from api.graphql.requests import bearer
from api.jobs.refresh import REJECTIONS_KEPT
from api.jobs.worker import FAULTS
from api.pipeline import stored
from api.telemetry import metrics
from api.trail import chain
from api.trail.entry import Deed
from experiments import exposures
from kpi import events, memberships, traits
from kpi.batches import KEPT_REJECTIONS
from kpi.ingest import Refusal, Report

log = logging.getLogger("truelift.ingest")
INGEST: dict[str, Callable[..., Awaitable[Report]]] = {
    "exposures": exposures.ingest,
    "outcomes": events.ingest,
    "memberships": memberships.ingest,
    "traits": traits.ingest,
}
FORMS = {"application/x-ndjson": line_chunks, "application/json": array_chunks}
PLACES, PLACES_EACH = 8, 4
"""Uploads that a process takes at once, and of one workspace."""
AHEAD = 2
"""Chunks of an upload that are stored at once."""
PATIENCE = 30.0
"""Seconds a chunk may take, waiting for a connection included, before the database is said to lag."""
PATHS = {f"/v1/{noun}": noun for noun in INGEST}
CAPS = dict.fromkeys(PATHS, UNCAPPED)
"""No cap before the door: it counts by itself, and tells what was stored before a body became too large."""
LISTED = 1_000
"""Rejected rows that an answer lists; all of them are kept and can be asked for. Of a body that is taken whole or not
at all none are kept, so that all are listed."""
NEEDS = "This needs a key: send the header “Authorization: Bearer <key>”."
SOON = "5"
"""Seconds after which to try again."""

Chunks = AsyncIterator[list[Numbered]]


class NotAll(Exception):
    """A row of an all-or-nothing body was rejected, so none is taken."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of the rows so far; of one noun, or of several."""

    noun: str | None = None
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    listed: list[dict[str, Any]] = field(default_factory=list)

    def add(self, chunk: list[Numbered], report: Report) -> None:
        """Add a chunk."""
        self.accepted += len(report.accepted)
        self.duplicates += len(report.duplicates)
        self.refuse(chunk, report)

    def refuse(self, chunk: list[Numbered], report: Report, *, keeps: bool = True) -> None:
        """Add the rejected rows of a chunk, which are kept, or not."""
        self.rejected += len(report.refusals)
        room = LISTED - len(self.listed) if keeps else len(report.refusals)
        self.listed += [_listed(chunk[refusal.index][0], refusal) for refusal in report.refusals[:room]]

    def body(self) -> dict[str, Any]:
        """As it is answered: how many rows were rejected, the first of them, and where the rest are found."""
        unlisted = self.rejected - len(self.listed)
        return {
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "rejections": self.listed,
            "unlisted": unlisted,
        } | ({"hint": self._hint(unlisted)} if unlisted else {})

    def _hint(self, unlisted: int) -> str:
        query = f"rejections(filter: {{noun: {{eq: {self.noun.upper()}}}}})" if self.noun else "rejections"
        return (
            f"{unlisted:,} more rejected rows are not listed here. Ask for them by the GraphQL query `{query}`: a"
            f" workspace keeps its newest {KEPT_REJECTIONS:,} for {REJECTIONS_KEPT.days} days."
        )


class Places:
    """The uploads of this process, how many there may be, and how many connections they may use."""

    def __init__(self, *, connections: int) -> None:
        self.connections = asyncio.Semaphore(connections)
        self._open: Counter[int] = Counter()

    @property
    def taken(self) -> int:
        """How many uploads are open."""
        return self._open.total()

    @contextmanager
    def one(self, workspace_id: int) -> Iterator[None]:
        """A place for an upload. Raises Unreadable when all are taken."""
        if self.taken >= PLACES or self._open[workspace_id] >= PLACES_EACH:
            raise Unreadable(429, "TOO_MANY_UPLOADS", "Too many uploads are open at once; try again soon.")
        self._open[workspace_id] += 1
        try:
            yield
        finally:
            self._open[workspace_id] -= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One body on its way in."""

    database: Database
    places: Places
    caller: Caller
    noun: str
    is_atomic: bool
    tally: Tally
    request_id: str | None = None

    async def take(self, chunks: Chunks) -> None:
        """Store every chunk, the next while the last is still being stored."""
        async with aclosing(stored(chunks, self._store, at_once=AHEAD)) as done:
            async for _ in done:
                pass

    async def _store(self, chunk: list[Numbered]) -> None:
        rows = [row for _, row in chunk]
        async with asyncio.timeout(PATIENCE), self.places.connections, self.database.door() as connection:
            now = datetime.now(UTC)
            async with chain.batch(connection, self._deed(now)):
                report = await INGEST[self.noun](connection, workspace_id=self.caller.workspace_id, rows=rows, now=now)
            if self.is_atomic and report.refusals:
                self.tally.refuse(chunk, report, keeps=False)
                raise NotAll
        metrics.taken_in(self.noun, report)
        self.tally.add(chunk, report)

    def _deed(self, now: datetime) -> Deed:
        return Deed(
            workspace_id=self.caller.workspace_id,
            done_at=now,
            actor=self.caller.key_name,
            key=self.caller.public_id,
            action=f"/v1/{self.noun}",
            request_id=self.request_id,
        )


async def take_in(request: Request, *, noun: str) -> Response:
    """Take in a body of rows and tell what became of them."""
    tally = Tally(noun=noun)
    try:
        await _take(request, noun, tally)
    except Unreadable as fault:
        return _answer(fault.status, tally, fault.code, fault.message)
    except NotAll:
        return _answer(422, tally, "NOT_ALL", "A row was rejected, so none was taken.")
    except FAULTS as fault:
        log.warning("An upload was given up: the database does not answer (%s).", type(fault).__name__)
        return _answer(503, tally, "UNAVAILABLE", "The database does not answer in time; send the body again soon.")
    except ClientDisconnect:
        return Response(status_code=400)  # nobody is there to read it
    return JSONResponse(tally.body())


async def _take(request: Request, noun: str, tally: Tally) -> None:
    state = request.app.state
    caller = await sender(request, bearer(request))
    chunks, is_atomic = _chunks(request), _is_atomic(request)
    with state.places.one(caller.workspace_id):
        upload = Upload(
            database=state.database.of(caller.workspace_id),
            places=state.places,
            caller=caller,
            request_id=getattr(request.state, "request_id", None),
            noun=noun,
            is_atomic=is_atomic,
            tally=tally,
        )
        await upload.take(_only_one(chunks) if is_atomic else chunks)


async def sender(request: Request, key: str | None, *, needs: str = NEEDS) -> Caller:
    """Who sends rows with a key. Raises Unreadable for a key that does not work, or may not."""
    caller = await callers.by_key(request.app.state.database, key, request.app.state.secret)
    if caller is None:
        raise Unreadable(401, "UNAUTHENTICATED", needs)
    if not caller.may(Scope.INGEST):
        raise Unreadable(403, "FORBIDDEN", f"This needs a key with the scope “{Scope.INGEST}”.")
    return caller


def _chunks(request: Request) -> Chunks:
    """The body by its media type and encoding. Raises Unreadable for others, and for one that says it is too large."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if media not in FORMS or encoding not in {"identity", "gzip"}:
        sentence = f"Send {' or '.join(FORMS)}, as it is or with Content-Encoding: gzip."
        raise Unreadable(415, "UNSUPPORTED_MEDIA_TYPE", sentence)
    if int(request.headers.get("content-length", "0")) > LARGEST_BODY:
        raise too_large()
    pieces = received(request.stream())
    return FORMS[media](unpacked(pieces) if encoding == "gzip" else pieces)


def _is_atomic(request: Request) -> bool:
    said = request.query_params.get("atomic", "false")
    if said not in {"true", "false"}:
        raise Unreadable(400, "BAD_REQUEST", "atomic is true or false.")
    return said == "true"


async def _only_one(chunks: Chunks) -> Chunks:
    first = await anext(chunks, None)
    if first is not None:
        if await anext(chunks, None) is not None:
            sentence = "A body that is taken whole or not at all has at most one chunk: 5,000 rows and 2,000,000 bytes."
            raise Unreadable(413, "PAYLOAD_TOO_LARGE", sentence)
        yield first


def _listed(line: int, refusal: Refusal) -> dict[str, Any]:
    return {"line": line, "code": refusal.code, "message": refusal.message, "path": refusal.path}


def _answer(status: int, tally: Tally, code: str, message: str) -> JSONResponse:
    """A fault of the body as a whole, with what became of its rows before."""
    headers = {"retry-after": SOON} if status in {429, 503} else {"www-authenticate": "Bearer"} if status == 401 else {}
    errors = [{"message": message, "extensions": {"code": code}}]
    return JSONResponse({"errors": errors, **tally.body()}, status, headers=headers)

"""`GET /ofrep/v1/events`: tells that flags have changed, so that whoever keeps some asks for them again.

Browsers cannot send a header with an event stream, so its address carries a token: which key asked for flags, and until
when the address works. It opens nothing else, and what is told is a number.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic, time
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from api.auth import callers, keys
from api.auth.keys import Caller, Scope
from api.database import Database
from api.doors.board import Board
from api.graphql.news import Channel, Desk
from api.jobs.worker import FAULTS

WORKS = 86_400
"""Seconds for which an address can be opened; what is open stays open."""
BEAT = 15.0
"""Seconds of silence after which a stream says that it is there."""
INACTIVITY = 120
"""Seconds in the background after which a client should close its stream."""


def stream(secret: bytes, caller: Caller, version: int, *, prefix: str) -> dict[str, Any]:
    """Where to hear of changes since a version, as the protocol names it; the origin is the one that was asked."""
    token = _signed(secret, caller.public_id, caller.rotation, int(time()) + WORKS)
    where = f"{prefix}/events?{urlencode({'token': token, 'since': version})}"
    return {"type": "sse", "endpoint": {"requestUri": where}, "inactivityDelaySec": INACTIVITY}


async def events(request: Request) -> Response:
    """Tell of changes for as long as somebody listens."""
    state = request.app.state
    caller = await _caller(request)
    if caller is None:
        return _refusal(401, "The address of this stream works no more: ask for the flags again.")
    if state.streams.is_full(caller.workspace_id):
        return _refusal(429, "Too many streams are open; ask for the flags now and then.")
    listener = Listener(
        database=state.database, desk=state.desk, places=state.streams, board=state.board, caller=caller
    )
    return StreamingResponse(listener.told(_since(request)), media_type="text/event-stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One who listens: what is told is heard at the desk, and `places` count who listens."""

    database: Database
    desk: Desk
    places: Desk
    board: Board
    caller: Caller

    async def told(self, version: int) -> AsyncIterator[str]:
        """What is told to one who knows of a version: each later one, and now and then that the stream is there.

        It ends when the key works no more, or the database does not answer: whoever listens then comes again.
        """
        places = (Channel.MOVED, str(self.caller.workspace_id)), (Channel.KEYS, self.caller.public_id)
        with self.places.guest(self.caller.workspace_id), self.desk.seat(*places) as flag, suppress(*FAULTS):
            flag.set()
            checked_at = monotonic()
            while True:
                if flag.is_set() or monotonic() - checked_at > callers.patience(self.caller):
                    flag.clear()
                    checked_at = monotonic()
                    if await callers.again(self.database, self.caller) is None:
                        return
                    newest = (await self.board.flags(self.caller.workspace_id)).version
                    if newest > version:
                        version = newest
                        yield _event(version)
                if not await _is_set(flag, BEAT):
                    yield ": still here\n\n"


async def _is_set(flag: asyncio.Event, seconds: float) -> bool:
    """Wait for a flag, or for a time; returns whether it is set."""
    with suppress(TimeoutError):
        await asyncio.wait_for(flag.wait(), seconds)
    return flag.is_set()


def _event(version: int) -> str:
    said = msgspec.json.encode({"type": "refetchEvaluation", "etag": f'"{version}"', "lastModified": int(time())})
    return f"id: {version}\nevent: message\ndata: {said.decode()}\n\n"


async def _caller(request: Request) -> Caller | None:
    """Whose address it is; None when it was not made here, is too old, or its key works no more."""
    state = request.app.state
    token = request.query_params.get("token", "")
    public_id, rotation, until, *_ = (*token.split("."), "", "", "")
    if not all(one.isascii() and one.isdigit() and len(one) < 12 for one in (rotation, until)) or int(until) <= time():
        return None
    if not hmac.compare_digest(_signed(state.secret, public_id, int(rotation), int(until)).encode(), token.encode()):
        return None
    async with state.database.read() as session:
        caller = await keys.caller_by_id(session, public_id, int(rotation), datetime.now(UTC))
    return caller if caller is not None and caller.may(Scope.EVALUATE) else None


def _since(request: Request) -> int:
    """The version somebody knows of: the last one heard, or else the one of the flags that named the stream."""
    said = request.headers.get("last-event-id") or request.query_params.get("since", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 19 else 0


def _signed(secret: bytes, public_id: str, rotation: int, until: int) -> str:
    said = f"{public_id}.{rotation}.{until}"
    return f"{said}.{hmac.digest(secret, f'ofrep events {said}'.encode(), 'sha256').hex()}"


def _refusal(status: int, message: str) -> JSONResponse:
    headers = {"retry-after": str(INACTIVITY)} if status == 429 else {}
    return JSONResponse({"errorCode": "GENERAL", "errorDetails": message}, status, headers=headers)

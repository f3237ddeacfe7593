"""Marks of answers: who holds one already is told that it still stands, and nothing is sent again.

The mark is the hash of the answer's bytes, so it is as honest as the answer itself, and a strong one: the same bytes.
To compare it the answer has to be worked out. That can be left where it provably comes to the same: an answer is made
of the rows and of the day, unless it asked for the moment (`Context.now`), and two looks at the database that see the
very same transactions see the very same rows, whoever wrote them and whatever is derived from what.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import Any

import msgspec
from sqlalchemy import String, cast
from sqlmodel import func, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from api.auth.keys import Caller
from kpi.shelf import Shelf

MOST_KEPT = 4_000_000
"""Bytes of questions whose answers' marks are remembered."""
MARK_BYTES = 300
"""What one of them takes beside its question, about."""
FRESH = {"cache-control": "private, no-cache", "vary": "Authorization, Accept, Cookie"}
"""What goes with an answer that may be kept by who asked, and must be asked about before it is shown again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What an answer is made of: the transactions that can be seen, of this run of Postgres, and the day."""

    seen: str
    day: date


class Tags:
    """The marks of answers that were given, by what was asked."""

    def __init__(self) -> None:
        self._known: Shelf[bytes, tuple[State, str]] = Shelf(MOST_KEPT)

    def note(self, question: bytes, state: State, tag: str) -> None:
        """Remember the mark of an answer that was made of nothing but a state."""
        self._known.put(question, (state, tag), len(question) + MARK_BYTES)

    def standing(self, question: bytes, state: State) -> str | None:
        """The mark that the answer to a question has now, as far as that is known without working it out."""
        known = self._known.get(question)
        return known[1] if known is not None and known[0] == state else None


async def state(session: AsyncSession) -> State:
    """What can be seen now. Taken before an answer is worked out: what is seen later is not older."""
    seen = cast(func.pg_current_snapshot(), String) + " " + cast(func.pg_postmaster_start_time(), String)
    return State(seen=(await session.exec(select(seen))).one(), day=datetime.now(UTC).date())


def question(caller: Caller, *parts: Any) -> bytes:
    """What is asked, and by whom: the same question of another key is another."""
    return msgspec.json.encode([caller.workspace_id, caller.public_id, sorted(caller.scopes), *parts])


def marked(request: Request, response: Response) -> Response:
    """An answer with its mark; without its body for who holds it."""
    tag = f'"{blake2b(response.body, digest_size=16).hexdigest()}"'
    if is_held(request, tag):
        return unchanged(tag)
    response.headers.update(FRESH | {"etag": tag})
    return response


def unchanged(tag: str) -> Response:
    """What is sent to who holds an answer that still stands."""
    return Response(status_code=304, headers=FRESH | {"etag": tag})


def is_held(request: Request, tag: str) -> bool:
    """Whether who asks holds the answer of a mark."""
    return _names(request.headers.getlist("if-none-match"), tag)


def _names(conditions: Iterable[str], mark: str) -> bool:
    """Whether headers name a mark; a weak one is as good (RFC 9110, 13.1.2)."""
    named = (part.strip().removeprefix("W/") for condition in conditions for part in condition.split(","))
    return any(part in (mark, "*") for part in named)

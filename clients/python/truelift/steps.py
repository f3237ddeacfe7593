"""What is done to ask the server, as steps that say what to send and how long to wait; who runs them does the waiting.

So asking once, asking again and asking for page after page are written once for both clients: `Truelift` runs the
steps in the thread it is called in, `AsyncTruelift` on the event loop.
"""

import random
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import msgspec

from truelift.errors import BadInput, Forbidden, NotFound, ServerFault, TrueliftError, Unauthenticated, Unavailable

T = TypeVar("T")
AGAIN = frozenset({429, 502, 503, 504})
"""Statuses that say: not now."""
FIRST, LONGEST = 0.5, 30.0
"""Seconds before the second attempt, doubled each time, and the most of it; the server may ask for longer."""
PATIENCE = 120.0
"""Seconds that a server may ask to be left alone; one that asks for more is unavailable."""
JSON = {"content-type": "application/json"}
BY_CODE: dict[str, type[TrueliftError]] = {
    "UNAUTHENTICATED": Unauthenticated,
    "FORBIDDEN": Forbidden,
    "NOT_FOUND": NotFound,
    "UNAVAILABLE": Unavailable,
    "TOO_MANY_UPLOADS": Unavailable,
    "RATE_LIMITED": Unavailable,
    "INTERNAL": ServerFault,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A request by POST. Only one that does no harm when it is done twice is sent again."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeatable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Seconds to wait."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. Without a status nobody answered, and the body is a sentence on it."""

    status: int | None
    body: bytes
    retry_after: str | None = None


Steps = Generator[Send | Wait, Answer | None, T]


def asked(send: Send, attempts: int) -> Steps[Answer]:
    """The answer to a request; one that says `not now`, or none at all, only after so many attempts."""
    for attempt in range(attempts):
        answer = yield send
        if answer is None:
            raise TypeError("what runs the steps answers every request")
        is_last = attempt == attempts - 1 or not send.is_repeatable
        pause = None if is_last else pause_before_next(answer, attempt)
        if pause is None:
            return answer
        yield Wait(seconds=pause)
    raise ValueError("at least one attempt is needed")


def pause_before_next(answer: Answer, attempt: int) -> float | None:
    """Seconds to wait before a request is sent again, with jitter against coming back all at once; None: do not."""
    if answer.status is not None and answer.status not in AGAIN:
        return None
    own = min(LONGEST, FIRST * 2**attempt) * random.uniform(0.5, 1)  # noqa: S311 - jitter is no secret
    told = seconds(answer.retry_after)
    return None if told > PATIENCE else max(own, told)


def seconds(retry_after: str | None) -> float:
    """A Retry-After header: seconds, or a date."""
    if retry_after is None:
        return 0.0
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        then = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0  # no such header: ours is the pause
    return max(0.0, (then.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def graphql(document: str, variables: Mapping[str, Any], *, attempts: int) -> Steps[Any]:
    """The data of a GraphQL answer; what may be a mutation is sent once. Raises TrueliftError for its errors."""
    body = msgspec.json.encode({"query": document, "variables": dict(variables)})
    send = Send(path="/graphql", body=body, headers=JSON, is_repeatable="mutation" not in document)
    answer = yield from asked(send, attempts)
    return checked(answer)["data"]


def checked(answer: Answer) -> Any:
    """A JSON answer. Raises TrueliftError for a fault, with the server's code and trace id."""
    if answer.status is None:
        raise Unavailable(answer.body.decode(), code="UNAVAILABLE")
    try:
        body = msgspec.json.decode(answer.body)
    except ValueError:
        raise _unreadable(answer) from None
    if not isinstance(body, dict):
        raise _unreadable(answer)
    if body.get("errors"):
        raise fault(body["errors"][0])
    if answer.status >= 400:
        raise _unreadable(answer)
    return body


def fault(error: Mapping[str, Any]) -> TrueliftError:
    """An entry of `errors` as the exception that it is."""
    extensions = error.get("extensions") or {}
    code = str(extensions.get("code", "BAD_USER_INPUT"))
    kind = BY_CODE.get(code, BadInput)
    return kind(str(error.get("message", "")), code=code, trace_id=extensions.get("traceId"))


def _unreadable(answer: Answer) -> TrueliftError:
    """An answer that is none of Truelift's: something in between, or another server."""
    kind = Unavailable if answer.status in AGAIN else ServerFault
    sentence = f"The address answered {answer.status} with something that Truelift does not say. Is it the right one?"
    return kind(sentence, code=f"HTTP_{answer.status}")

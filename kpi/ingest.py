"""The contract of every ingested row: accepted, a duplicate, or rejected with a code, a sentence and the path."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

SKEW = timedelta(minutes=10)
"""How far ahead of ours a sender's clock may be."""
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""An older time is a broken clock or a unit mistake (seconds read as milliseconds), not history."""
KEPT_ROW = 2_000
"""Characters of a rejected row that are kept."""
MOST_MESSAGE, MOST_PATH = 500, 200
"""Characters of a rejection's sentence and of its path: both may quote what a stranger sent."""
NOT_TEXT = re.compile("[\0\ud800-\udfff]")
"""What Postgres cannot store: NUL and halves of surrogate pairs."""

UNREADABLE = (msgspec.ValidationError, msgspec.DecodeError, RecursionError, UnicodeError)
"""What reading a row that is not of its shape raises."""

T = TypeVar("T")
Rows = Sequence[Any]
"""Wire rows as a door hands them over: mappings, or the bytes of a JSON object each; of a table, Columns."""


class Fault(StrEnum):
    """Why a row was rejected."""

    MALFORMED = "MALFORMED"
    BAD_TEXT = "BAD_TEXT"
    TOO_LONG = "TOO_LONG"
    CUT_SHORT = "CUT_SHORT"
    TIME_IN_FUTURE = "TIME_IN_FUTURE"
    TIME_TOO_EARLY = "TIME_TOO_EARLY"
    TOO_OLD = "TOO_OLD"
    NOT_FINITE = "NOT_FINITE"
    UNKNOWN_EXPERIMENT = "UNKNOWN_EXPERIMENT"
    UNKNOWN_VARIANT = "UNKNOWN_VARIANT"
    NOT_STARTED = "NOT_STARTED"
    OUTSIDE_ENROLMENT = "OUTSIDE_ENROLMENT"
    NOT_TARGETED = "NOT_TARGETED"
    TOO_MANY_EVENTS = "TOO_MANY_EVENTS"
    TOO_MANY_TRAITS = "TOO_MANY_TRAITS"
    UNKNOWN_KPI = "UNKNOWN_KPI"
    UNKNOWN_SEGMENT = "UNKNOWN_SEGMENT"
    NOT_FINAL = "NOT_FINAL"
    INCONSISTENT = "INCONSISTENT"
    OTHER_SOURCE = "OTHER_SOURCE"
    FORGOTTEN = "FORGOTTEN"
    UNREADABLE = "UNREADABLE"
    CONTRADICTION = "CONTRADICTION"
    UNSUPPORTED = "UNSUPPORTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One rejected row: its place in the batch, the rule it breaks, and where."""

    index: int
    code: Fault
    message: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of each row of a batch, by its index."""

    accepted: tuple[int, ...]
    duplicates: tuple[int, ...]
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What the ledger says of a batch beside its counts.

    `touched` are experiments and `days` the entry days that changed in them; of outcomes, `touched` are the events,
    `arrived` their rows and the late ones among them, and `earliest_at` is when the first happened. Rejected rows are
    kept with whether they were read leniently and whether their units are hidden, which cannot be taken in again. Those
    of a replay are there already, and those of a file that was under way while a unit was forgotten might name it:
    neither are kept.
    """

    id: int
    workspace_id: int
    noun: str
    touched: frozenset[int]
    received_at: datetime
    days: frozenset[date] = frozenset()
    earliest_at: datetime | None = None
    arrived: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    is_lax: bool = False
    is_hidden: bool = False
    keeps_refused: bool = True


class Refused(Exception):
    """A row breaks a rule of ingestion."""

    def __init__(self, code: Fault, message: str, path: str) -> None:
        super().__init__(message)
        self.code, self.message, self.path = code, _cut(message, MOST_MESSAGE), _cut(path, MOST_PATH)

    def at(self, index: int) -> Refusal:
        """The refusal of the row at an index."""
        return Refusal(index=index, code=self.code, message=self.message, path=self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """What a door keeps of a row that it could not read to its end: the beginning, and why."""

    beginning: bytes
    code: Fault
    message: str


def parse(row: object, shape: type[T], *, lax: bool) -> T:
    """One wire row as its shape; `lax` reads numbers and booleans out of text, as cells of a file need."""
    try:
        if isinstance(row, bytes):
            read: T = _decoder(cast("Any", shape), lax).decode(row)
            return read
        if isinstance(row, Broken):
            raise Refused(row.code, row.message, "row")
        return msgspec.convert(row, shape, strict=not lax)
    except msgspec.ValidationError as error:
        raise _malformed(str(error)) from None
    except msgspec.DecodeError as error:
        raise Refused(Fault.MALFORMED, f"The row is not a JSON object: {error}.", "row") from None
    except RecursionError:
        raise Refused(Fault.MALFORMED, "The row is nested too deep.", "row") from None
    except UnicodeDecodeError:
        raise Refused(Fault.BAD_TEXT, "The row is not UTF-8.", "row") from None
    except UnicodeEncodeError:  # a name that cannot be written cannot be named in a complaint either
        raise Refused(Fault.BAD_TEXT, "A field's name holds half a surrogate pair.", "row") from None


def parse_together(rows: Rows, shape: type[T], *, lax: bool) -> list[T]:
    """All rows as their shape, in one stride. Raises one of UNREADABLE when any of them is not."""
    if set(map(type, rows)) == {bytes}:
        return list(map(_decoder(cast("Any", shape), lax).decode, rows))
    return msgspec.convert(rows, list[shape], strict=not lax)  # type: ignore[valid-type]  # a type at run time


@cache
def _decoder(shape: Any, lax: bool) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape, strict=not lax)


def parse_all(
    rows: Rows, shape: type[T], check: Callable[[T, datetime], None], now: datetime, *, lax: bool
) -> tuple[dict[int, T], list[Refusal]]:
    """The rows that are as they should be, by index, and the refusals of the rest."""
    parsed: dict[int, T] = {}
    refusals: list[Refusal] = []
    for index, raw in enumerate(rows):
        try:
            row = parse(raw, shape, lax=lax)
            check(row, now)
        except Refused as refused:
            refusals.append(refused.at(index))
        else:
            parsed[index] = row
    return parsed, refusals


def check_text(path: str, text: str | None) -> None:
    """Refuse what Postgres cannot store: NUL and lone surrogates."""
    if text is not None and not is_text(text):
        raise Refused(
            Fault.BAD_TEXT, f"{path} holds a character that is not text (NUL or half a surrogate pair).", path
        )


def is_text(text: str) -> bool:
    """Whether Postgres can store it: no NUL and no half of a surrogate pair."""
    return NOT_TEXT.search(text) is None


def check_time(path: str, at: datetime, now: datetime) -> None:
    """Refuse a time that cannot be true."""
    if at > now + SKEW:
        raise Refused(Fault.TIME_IN_FUTURE, f"{path} is {at.isoformat()}, more than 10 minutes ahead of now.", path)
    if at < EARLIEST:
        raise Refused(Fault.TIME_TOO_EARLY, f"{path} is {at.isoformat()}, before 1990: seconds or milliseconds?", path)


def kept_text(row: object) -> str:
    """A rejected row as JSON that can be stored and read again, cut at a stated length; as Python if it is no text."""
    return _text(row)[0][:KEPT_ROW]


def is_kept_whole(row: object) -> bool:
    """Whether what is kept of a rejected row says all that the row said, so that it can be taken in again."""
    text, is_faithful = _text(row)
    return is_faithful and len(text) <= KEPT_ROW


def _text(row: object) -> tuple[str, bool]:
    """A row as text that can be stored, and whether it reads back as the same row."""
    if isinstance(row, Broken):
        return _storable(row.beginning)[0], False
    if isinstance(row, bytes):
        return _storable(row)
    try:
        encoded = msgspec.json.encode(row, enc_hook=str)
        # NaN is written as null, and is then not what it was.
        return encoded.decode(), msgspec.json.decode(encoded) == msgspec.to_builtins(row, enc_hook=str)
    except UnicodeEncodeError:
        return ascii(row), False
    except RecursionError:
        return "(nested too deep to be kept)", False


def _storable(row: bytes) -> tuple[str, bool]:
    beginning = row[: 4 * KEPT_ROW]
    text = beginning.decode("utf-8", "replace").replace("\0", "\ufffd")
    return text, text.encode() == row


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _malformed(message: str) -> Refused:
    """The complaint in a sentence. It may quote a name from the row, so what Postgres cannot store is taken out."""
    sentence, _, place = message.replace("\0", "\ufffd").partition(" - at `")
    path = place.rpartition("$")[2].strip("`.") or "row"
    return Refused(Fault.MALFORMED, f"{sentence} in {path}.", path)

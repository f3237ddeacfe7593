"""Time cells of a file to aware moments in UTC, and spans of time."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo, available_timezones

import pyarrow as pa

from api.files.cells import is_empty, number, shown
from api.files.errors import CellError, Code, MappingError
from api.files.suggestions import did_you_mean, listed
from kpi.columns import EPOCH, MICROSECOND, Moments

ZONED, NAIVE = pa.timestamp("us", tz="UTC"), pa.timestamp("us")
NO_TIME = timedelta()
BETWEEN = ("", "T", " ")
"""What may stand between the day and the time of day: nothing, when there is only a day."""
SPANS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}

_SPAN = re.compile(r"(?:\d+(?:\.\d+)?[wdhms])+")
_PART = re.compile(r"([\d.]+)([wdhms])")


class TimeFormat(StrEnum):
    """How a file writes a time."""

    ISO = "iso"
    EPOCH = "epoch"
    EPOCH_MS = "epoch-ms"


ISO = TimeFormat.ISO
EXPECTED = {
    ISO: "a time like 2026-06-01T09:30:00Z, 2026-06-01 09:30:00 or 2026-06-01",
    TimeFormat.EPOCH: "a time in seconds since 1970, like 1780306200",
    TimeFormat.EPOCH_MS: "a time in milliseconds since 1970, like 1780306200000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How the times of one file are to be read.

    `timezone` is for times that say none; a clock that shows an hour twice (autumn) is taken at its first showing.
    """

    timezone: tzinfo = UTC
    format: TimeFormat = ISO

    def read(self, cell: object, path: str, offset: timedelta = NO_TIME) -> datetime:
        """The moment a cell stands for, aware and in UTC, moved by an offset. Raises CellError when it is none."""
        try:
            moment = _from_iso(cell) if self.format is ISO and isinstance(cell, str) else self._typed(cell, path)
            aware = moment if moment.tzinfo else in_zone(moment, self.timezone)
            return aware.astimezone(UTC) + offset
        except (ValueError, OverflowError, CellError):
            raise CellError(Code.BAD_TIME, path, self._complaint(cell)) from None

    def read_all(self, cells: Sequence[object], offset: timedelta = NO_TIME) -> Moments | None:
        """The moments of a column, as `read` reads each; None where it takes one by one to know, or to complain."""
        if isinstance(cells, Moments):
            return cells if offset == NO_TIME else Moments.of(cells.micros + offset // MICROSECOND)
        if self.format is not ISO or set(map(type, cells)) != {str}:
            return None
        texts = pa.array(cells, pa.string())
        for form in (ZONED, NAIVE) if self.timezone is UTC else (ZONED,):
            with suppress(pa.ArrowInvalid):  # Arrow knows fewer ways to write a time, and those as we do
                found = Moments.of(texts.cast(form).cast(pa.int64()).to_numpy())
                return None if found is None else self.read_all(found, offset)
        return None

    def _typed(self, cell: object, path: str) -> datetime:
        if isinstance(cell, datetime):
            return cell
        if isinstance(cell, date):
            return datetime.combine(cell, time())
        if self.format is ISO:
            raise ValueError("a number needs a time format")
        return _since_epoch(number(cell, path), self.format)

    def _complaint(self, cell: object) -> str:
        if is_empty(cell):
            return "the cell is empty; a time is needed."
        hint = " A number of seconds or milliseconds since 1970 needs --time-format epoch or epoch-ms."
        is_number = self.format is ISO and _is_digits(cell)
        return f"{shown(cell)} is not {EXPECTED[self.format]}.{hint if is_number else ''}"


def day(cell: object, path: str) -> date:
    """The UTC day a cell stands for: 2026-06-01, or its midnight as databases write it. Raises CellError."""
    try:
        moment = _from_iso(cell) if isinstance(cell, str) else cell
        if isinstance(moment, datetime):
            aware = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
            moment = aware.date() if aware.time() == time() else None
    except (ValueError, OverflowError):
        moment = None
    if isinstance(moment, date):
        return moment
    raise CellError(Code.BAD_TIME, path, f"{shown(cell)} is not a day like 2026-06-01.")


def _from_iso(text: str) -> datetime:
    """ISO 8601, strictly.

    Python's own parser takes any character between day and hour, so that it reads the milliseconds 1712012010000 as a
    day in the year 1712.
    """
    word = text.strip()
    between = word[10:11] if word[4:5] == "-" else word[8:9]
    if between not in BETWEEN:
        raise ValueError(text)
    return datetime.fromisoformat(f"{word[:-4]}+00:00" if word.endswith(" UTC") else word)  # BigQuery ends in UTC


def _since_epoch(count: float, unit: TimeFormat) -> datetime:
    return EPOCH + (timedelta(milliseconds=count) if unit is TimeFormat.EPOCH_MS else timedelta(seconds=count))


def _is_digits(cell: object) -> bool:
    return isinstance(cell, int | float) or (isinstance(cell, str) and cell.strip().replace(".", "", 1).isdigit())


def in_zone(moment: datetime, timezone: tzinfo) -> datetime:
    """A naive moment as that time of day in a zone; `replace` says the same and takes four times as long."""
    return datetime.combine(moment, moment.time(), timezone)


def zone(name: str | None) -> tzinfo:
    """A time zone by its name in the tz database, UTC when there is none. Raises MappingError."""
    if name is None or name.upper() == "UTC":
        return UTC
    if name not in available_timezones():
        raise MappingError(f"There is no time zone {name!r}.{did_you_mean(name, available_timezones())}")
    return ZoneInfo(name)


def time_format(name: str | None) -> TimeFormat:
    """A time format by its name, ISO when there is none. Raises MappingError."""
    if name is not None and name not in list(TimeFormat):
        raise MappingError(f"There is no time format {name!r}; it is one of {listed(list(TimeFormat))}.")
    return TimeFormat(name or ISO)


def span(text: str) -> timedelta:
    """A span like 7d, 1h or 1d12h; a day is 24 hours. Raises MappingError."""
    word = text.replace(" ", "")
    if not _SPAN.fullmatch(word):
        raise MappingError(f"{text!r} is not a span of time like 7d, 36h, 90m, 30s or 1d12h.")
    try:
        parts = (timedelta(**{SPANS[unit]: float(count)}) for count, unit in _PART.findall(word))
        return sum(parts, timedelta())
    except OverflowError:
        raise MappingError(f"{text!r} is longer than time itself.") from None


def moment(text: str) -> datetime:
    """A day or a time, in UTC unless it names a zone. Raises ValueError."""
    at = datetime.fromisoformat(text)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    if not 1970 <= at.year <= 9998:
        raise ValueError(text)
    return at

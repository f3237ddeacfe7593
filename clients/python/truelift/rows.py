"""Rows on their way in: exposures and outcomes, sent in batches, with an answer for every rejected row.

A row is a mapping. Its names may be the API's (`occurredAt`) or with underscores (`occurred_at`); its times should say
their zone. The server judges every row; nothing is left out here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Literal

import msgspec

from truelift.decoding import decode
from truelift.errors import TrueliftError
from truelift.steps import Send, Steps, asked, checked

Noun = Literal["exposures", "outcomes"]
"""What comes in."""
BATCH = 1_000
"""Rows of a request: as many rejections as an answer lists, so that none stays unnamed."""
NDJSON = {"content-type": "application/x-ndjson"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A row that was not taken: its place among those that were sent, from 0, and why."""

    row: int
    code: str
    message: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of the rows. A duplicate is a row that was there already; it counts once."""

    accepted: int = 0
    duplicates: int = 0
    rejections: tuple[Rejection, ...] = ()

    @property
    def rejected(self) -> int:
        """How many rows were not taken."""
        return len(self.rejections)

    def __add__(self, other: "Report") -> "Report":
        return Report(
            accepted=self.accepted + other.accepted,
            duplicates=self.duplicates + other.duplicates,
            rejections=self.rejections + other.rejections,
        )

    def __str__(self) -> str:
        return f"{self.accepted:,} accepted, {self.duplicates:,} duplicates, {self.rejected:,} rejected."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """A rejected row as the server lists it: by its line, from 1."""

    line: int
    code: str
    message: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """The server's answer to a batch."""

    accepted: int
    duplicates: int
    rejections: tuple[_Listed, ...]


def sent(noun: Noun, rows: Any, *, attempts: int) -> Steps[Report]:
    """Send rows, batch after batch, each again until it is answered.

    Raises TrueliftError with the report of the batches before; to send all rows again loses and doubles nothing.
    """
    report, place = Report(), 0
    for batch in batches(each(rows)):
        body = b"".join(encoded(row) + b"\n" for row in batch)
        answer = yield from asked(Send(path=f"/v1/{noun}", body=body, headers=NDJSON), attempts)
        try:
            report += _placed(decode(checked(answer), _Taken), place)
        except TrueliftError as error:
            error.report = report
            raise
        place += len(batch)
    return report


def _placed(taken: _Taken, place: int) -> Report:
    """The answer to the batch that began at a place."""
    rejections = tuple(
        Rejection(row=place + one.line - 1, code=one.code, message=one.message, path=one.path)
        for one in taken.rejections
    )
    return Report(accepted=taken.accepted, duplicates=taken.duplicates, rejections=rejections)


def each(rows: Any) -> Iterable[Mapping[str, Any]]:
    """The rows of a frame of polars or pandas, where nothing is None; or of anything else that has rows."""
    if hasattr(rows, "iter_rows"):
        return rows.iter_rows(named=True)  # type: ignore[no-any-return]  # polars need not be installed
    if hasattr(rows, "notna"):
        plain = rows.astype(object)
        return plain.where(rows.notna(), None).to_dict("records")  # type: ignore[no-any-return]  # nor pandas
    found: Iterable[Mapping[str, Any]] = rows
    return found


def batches(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Rows in lists of a batch."""
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def encoded(row: Mapping[str, Any]) -> bytes:
    """A row as a line of JSON, by the API's names. Raises TypeError for values that JSON does not know."""
    return ENCODER.encode({_camel(name): _plain(value) for name, value in row.items()})


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other[:1].upper() + other[1:] for other in others)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _number(value: Any) -> Any:
    """A number of an array library as one of Python."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"A row cannot hold {value!r}: it is no text, number, boolean, time, list or mapping.")


ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=_number)

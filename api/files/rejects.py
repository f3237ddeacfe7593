"""Rows that could not be taken in, and the file that lists them."""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Self, TextIO

from api.files.errors import SourceError

KEPT_ROW = 2_000
"""Characters of a rejected row that are written down; the rest is counted, not kept."""
COLUMNS = ("line", "code", "message", "path", "row")

_UNPRINTABLE = re.compile("[\0\udc80-\udcff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """One row that was not taken in.

    `line` is where the row starts: the physical line of a CSV file (its header is line 1), the row of a Parquet file.
    `raw` is the row's text, cut at KEPT_ROW characters when the reject is made.
    """

    line: int
    code: str
    message: str
    path: str
    raw: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "raw", kept(self.raw))  # a megabyte of broken row must not wait in a batch


class RejectFile:
    """A CSV file of rejects. It is made with the first reject, so a clean import leaves none behind."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, rejects: Iterable[Reject]) -> None:
        """Append rejects. Raises SourceError when the file cannot be made."""
        rows = [(reject.line, reject.code, reject.message, reject.path, reject.raw) for reject in rejects]
        if not rows:
            return
        if self._file is None:
            self._file = self._open()
        csv.writer(self._file).writerows(rows)
        self.count += len(rows)

    def _open(self) -> TextIO:
        try:
            file = self.path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
        except OSError as error:
            raise SourceError(f"The file of rejects {self.path} cannot be written: {error.strerror}.") from None
        csv.writer(file).writerow(COLUMNS)
        return file


def kept(raw: str) -> str:
    """The text of a rejected row as it is kept: cut at KEPT_ROW characters, NUL and broken bytes escaped."""
    text = raw.rstrip("\r\n")
    rest = f"… ({len(text):,} characters)" if len(text) > KEPT_ROW else ""
    return _UNPRINTABLE.sub(lambda match: f"\\x{ord(match[0]) & 0xFF:02x}", text[:KEPT_ROW]) + rest


def row_text(cells: Iterable[Any], delimiter: str) -> str:
    """Cells as one line of CSV: how a row looked whose own text is no longer at hand."""
    line = StringIO()
    csv.writer(line, delimiter=delimiter, lineterminator="").writerow(cells)
    return line.getvalue()

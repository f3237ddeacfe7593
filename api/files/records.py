"""Lines of CSV to numbered records. What is broken becomes a reject; its neighbours are read.

Python's csv module reads the records. What it cannot do is go on after a quote that never closes: it takes the rest of
the file for one cell. So when a record breaks, its first line is rejected, the lines it had swallowed are read one by
one, and reading goes on at the line where the break showed. No line is read more than a few times.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

from api.files.errors import Code
from api.files.lines import LONGEST, Lines
from api.files.rejects import Reject

DELIMITERS = ",;\t|"

_QUOTED = re.compile('"[^"]*"')
_NO_UTF8 = re.compile("[\udc80-\udcff]")
_SENTENCES = {
    "unexpected end of data": "A quoted cell is opened in this row and never closed.",
    "field larger": "A cell is longer than 131,072 characters; most often a quoted cell that is never closed.",
    "expected after": "A quoted cell goes on after its closing quote; a quote inside a quoted cell is written twice.",
    "new-line character": "A carriage return stands inside a cell that is not quoted.",
}
"""What the csv module says, by a part of it, and what we say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Consecutive records: the line on which each starts, its cells, and the lines that are no record.

    Records of one width in which nothing is quoted come by column instead: `cells` is empty and `columns` is not.
    """

    lines: list[int] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    faults: list[Reject] = field(default_factory=list)
    columns: Sequence[Sequence[str]] = ()

    def by_row(self) -> "Records":
        """The same with the cells of each."""
        if not self.columns:
            return self
        return Records(lines=self.lines, cells=list(map(list, zip(*self.columns, strict=True))), faults=self.faults)


def guess_delimiter(header: str) -> str:
    """The delimiter a header line uses most outside quotes: comma, semicolon, tab or bar."""
    bare = _QUOTED.sub("", header)
    return max(DELIMITERS, key=bare.count)


def records(lines: Iterable[Lines], delimiter: str) -> Iterator[Records]:
    """Records of a whole text. A record may span lines and blocks; its number is its first line's, from 1."""
    rest: list[str] = []
    number, clean = 1, True
    for piece in lines:
        if piece.broken is not None:
            yield _last(rest, number, delimiter, clean=clean)
            yield Records(faults=[_cut_short(number + len(rest), piece)])
            return
        clean = piece.clean and (clean or not rest)
        scan = Scan([*rest, *piece.texts], number, delimiter, clean=clean)
        rest = scan.run(final=False)
        number += len(scan.texts) - len(rest)
        yield scan.found
    yield _last(rest, number, delimiter, clean=clean)


class Scan:
    """One pass over the lines of a block; also the iterator from which the csv module draws its lines."""

    def __init__(self, texts: list[str], first: int, delimiter: str, *, clean: bool) -> None:
        self.texts, self.first, self.delimiter, self.clean = texts, first, delimiter, clean
        self.at = 0
        self.found = Records()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        if self.at == len(self.texts):
            raise StopIteration
        self.at += 1
        return self.texts[self.at - 1]

    def run(self, *, final: bool) -> list[str]:
        """Read all records; returns the lines of a last one that may go on in the next block (none when final)."""
        if self.clean and self._read_plain():
            return []
        while (broken := self._read()) is not None:
            start, error = broken
            if not final and self.at == len(self.texts) and sum(map(len, self.texts[start:])) <= LONGEST:
                return self.texts[start:]
            self._reject(start, Code.BAD_QUOTE, _sentence(error))
            shown = max(self.at - 1, start + 1)
            for index in range(start + 1, shown):
                self._read_alone(index)
            self.at = shown
        return []

    def _read_plain(self) -> bool:
        """The common case in one stride: every line a record. False, and nothing read, when it is not so."""
        columns = _even(self.texts, self.delimiter)
        if columns:
            lines = list(range(self.first, self.first + len(self.texts)))
            self.found = Records(lines=lines, columns=columns)
            return True
        try:
            cells = list(csv.reader(self.texts, delimiter=self.delimiter, strict=True))
        except csv.Error:
            return False
        if len(cells) != len(self.texts) or not all(cells):
            return False
        self.found.lines.extend(range(self.first, self.first + len(cells)))
        self.found.cells.extend(cells)
        return True

    def _read(self) -> tuple[int, csv.Error] | None:
        """Records from here on; where the first broken one starts, and how it broke."""
        start = self.at
        try:
            for cells in csv.reader(self, delimiter=self.delimiter, strict=True):
                self._keep(start, self.at, cells)
                start = self.at
        except csv.Error as error:
            return start, error
        return None

    def _read_alone(self, index: int) -> None:
        try:
            for cells in csv.reader([self.texts[index]], delimiter=self.delimiter, strict=True):
                self._keep(index, index + 1, cells)
        except csv.Error as error:
            self._reject(index, Code.BAD_QUOTE, _sentence(error))

    def _keep(self, start: int, end: int, cells: list[str]) -> None:
        taint = None if self.clean else _taint("".join(self.texts[start:end]))
        if taint is not None:
            self._reject(start, *taint)
        elif cells:  # a blank line is no row
            self.found.lines.append(self.first + start)
            self.found.cells.append(cells)

    def _reject(self, index: int, code: Code, sentence: str) -> None:
        line, raw = self.first + index, self.texts[index]
        self.found.faults.append(Reject(line=line, code=code, message=sentence, path="row", raw=raw))


def _even(texts: list[str], delimiter: str) -> list[list[str]]:
    """Lines of several cells, equally many, as columns; none where only the csv module can tell what the cells are.

    Without a quote a delimiter is never a part of a cell, so the text cut at each of them is its cells in turn.
    """
    text = "".join(texts).removesuffix("\n").removesuffix("\r").replace("\r\n", "\n")
    counts = {line.count(delimiter) for line in texts}
    is_bare = '"' not in text and "\r" not in text and text.count("\n") == len(texts) - 1
    if len(counts) != 1 or counts == {0} or not is_bare or max(map(len, texts)) > csv.field_size_limit():
        return []
    cells, width = text.replace("\n", delimiter).split(delimiter), counts.pop() + 1
    return [cells[place::width] for place in range(width)]


def _last(texts: list[str], number: int, delimiter: str, *, clean: bool) -> Records:
    scan = Scan(texts, number, delimiter, clean=clean)
    scan.run(final=True)
    return scan.found


def _cut_short(number: int, piece: Lines) -> Reject:
    sentence = f"The file cannot be read from here on ({piece.broken}): this row and all that follow are missing."
    return Reject(line=number, code=Code.CUT_SHORT, message=sentence, path="row", raw=piece.texts[0])


def _taint(raw: str) -> tuple[Code, str] | None:
    if len(raw) > LONGEST:
        return Code.TOO_LONG, f"The row is longer than {LONGEST:,} characters."
    if byte := _NO_UTF8.search(raw):
        place = f"0x{ord(byte[0]) & 0xFF:02x} after {byte.start():,} characters"
        return Code.BAD_TEXT, f"The row is not UTF-8 (byte {place}); save the file as UTF-8."
    return (Code.BAD_TEXT, "The row holds a NUL character, which no text may hold.") if "\0" in raw else None


def _sentence(error: csv.Error) -> str:
    reason = str(error)
    return next((text for sign, text in _SENTENCES.items() if sign in reason), f"The row is not CSV: {reason}.")

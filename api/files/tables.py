"""A file as a table: its columns, and its rows in blocks. The ending of its name says how to read it."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Protocol

from api.files.blocks import Block
from api.files.errors import Code, SourceError
from api.files.lines import Lines, physical_lines
from api.files.parquet import ParquetTable
from api.files.records import Records, guess_delimiter, records
from api.files.rejects import Reject, row_text
from api.files.sources import Place, Source, opened

TEXT = (".csv", ".tsv", ".txt")
PARQUET = (".parquet", ".pq")
JSON = (".ndjson", ".jsonl")
PACKED = ".gz"


class Table(Protocol):
    """What reading needs of a file, whatever its format."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns; none when the file is empty."""

    @property
    def bytes_read(self) -> int:
        """How much of the file was read so far."""

    @property
    def size(self) -> int | None:
        """Bytes of the whole file, None when that cannot be known."""

    def blocks(self, used: Collection[str]) -> Iterator[Block]:
        """All rows; cells of columns that are not used may be empty."""


class CsvTable:
    """A CSV text, its header read. Raises SourceError when the header is broken; an empty text has no columns."""

    def __init__(self, source: Source, delimiter: str | None) -> None:
        self._source = source
        lines = physical_lines(source.chunks())
        first = next(lines, Lines(texts=[]))
        self._delimiter = delimiter or guess_delimiter(next(filter(str.strip, first.texts), ""))
        self._records = records(chain([first], lines), self._delimiter)
        self._head = next((found for found in self._records if found.lines or found.faults), Records()).by_row()
        self._header = _header(self._head)
        self.columns = tuple(name.strip() for name in self._header)

    @property
    def bytes_read(self) -> int:
        """How much of the file was read so far, as it lies on disk."""
        return self._source.counted.count

    @property
    def size(self) -> int | None:
        """Bytes of the whole file, None for standard input."""
        return self._source.size

    def blocks(self, used: Collection[str]) -> Iterator[Block]:  # CSV is read whole, used or not
        """All rows after the header."""
        head = Records(lines=self._head.lines[1:], cells=self._head.cells[1:], faults=self._head.faults)
        for found in chain([head], self._records):
            if len(found.columns) == len(self.columns) and self._header[0] not in found.columns[0]:
                yield Block(lines=found.lines, columns=found.columns, delimiter=self._delimiter)
            else:
                yield self._block(self._rows_only(found.by_row()))

    def _block(self, rows: Records) -> Block:
        columns = tuple(zip(*rows.cells, strict=True))
        return Block(lines=rows.lines, columns=columns, delimiter=self._delimiter, faults=rows.faults)

    def _rows_only(self, found: Records) -> Records:
        """Records that are rows of this table; others join the faults."""
        if self._header not in found.cells and set(map(len, found.cells)) <= {len(self.columns)}:
            return found
        rows = Records(faults=found.faults)
        for line, cells in zip(found.lines, found.cells, strict=True):
            fault = self._fault(line, cells)
            if fault is None:
                rows.lines.append(line)
                rows.cells.append(cells)
            else:
                rows.faults.append(fault)
        return rows

    def _fault(self, line: int, cells: list[str]) -> Reject | None:
        if cells == self._header:
            code, sentence = Code.REPEATED_HEADER, "The header once more: files joined into one?"
        elif len(cells) != len(self.columns):
            have = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
            code, sentence = Code.WRONG_WIDTH, f"The row has {have}, the header {len(self.columns)}."
        else:
            return None
        return Reject(line=line, code=code, message=sentence, path="row", raw=row_text(cells, self._delimiter))


@contextmanager
def opened_table(place: Place, delimiter: str | None) -> Iterator[Table]:
    """The table in a file or, as CSV, on standard input. Raises SourceError with a sentence when there is none."""
    if place != "-" and ending(place.name) in PARQUET:
        with ParquetTable(place) as table:
            yield table
    else:
        with opened(place) as source:
            yield CsvTable(source, delimiter)


def ending(name: str) -> str:
    """The ending that says what a file is, without that of its packing. Raises SourceError for an unknown one."""
    last = Path(name).suffix.lower()
    inner = Path(Path(name).stem).suffix.lower() if last == PACKED else last
    if inner in (*TEXT, *JSON) or last in PARQUET:
        return inner
    raise SourceError(
        f"{Path(name).name} ends in {last or 'nothing'!r}: a file to import is CSV ({', '.join(TEXT)}), NDJSON "
        f"({', '.join(JSON)}), both also with {PACKED}, or Parquet ({', '.join(PARQUET)})."
    )


def _header(head: Records) -> list[str]:
    if head.faults and (not head.lines or head.faults[0].line < head.lines[0]):
        fault = head.faults[0]
        raise SourceError(f"The header (line {fault.line}) cannot be read. {fault.message}")
    return head.cells[0] if head.cells else []

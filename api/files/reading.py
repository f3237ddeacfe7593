"""Reading a file: numbered wire rows in batches of bounded size, and what had to be left out."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from api.files import ndjson
from api.files.errors import Code, MappingError
from api.files.mapping import Mapping
from api.files.rejects import Reject
from api.files.rows import shape
from api.files.sources import Place, opened
from api.files.tables import JSON, Table, ending, opened_table
from kpi.columns import Columns, joined
from kpi.ingest import Rows

BATCH = 5_000
"""Rows of a batch at most, and rejects; a line that tells of several rows may bring a few more."""
Piece = tuple[Sequence[int], Rows, list[Reject]]
"""Rows, each with its line, and rejects of consecutive lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Consecutive rows of a file, `lines` the line of each, and rejects by line.

    It holds whole lines, up to `line`: a reading that broke off can go on after it. `bytes_read` of `total_bytes` (None
    for standard input) is for a progress bar.
    """

    lines: Sequence[int] = ()
    rows: Rows = ()
    rejects: list[Reject] = field(default_factory=list)
    line: int = 0
    bytes_read: int
    total_bytes: int | None


def read(place: Place, mapping: Mapping, *, after: int = 0) -> Iterator[Batch]:
    """The rows of a CSV, Parquet or NDJSON file (or `-`, CSV on standard input) in the wire form of the mapping's kind.

    Broken rows become rejects. Lines up to `after` are passed over. Raises, before the first batch, SourceError when
    the file cannot be opened and MappingError when its columns do not fit.
    """
    if place != "-" and ending(place.name) in JSON:
        if mapping != Mapping(kind=mapping.kind):
            raise MappingError("A row of NDJSON has the fields' own names; a mapping is for tables.")
        with opened(place) as source:
            yield from _batches(ndjson.rows(source), after, lambda: source.counted.count, source.size)
        return
    with opened_table(place, mapping.delimiter) as table:
        if table.columns:
            yield from _batches(_pieces(table, mapping), after, lambda: table.bytes_read, table.size)
        else:
            sentence = "The file is empty: there is not even a header."
            empty = Reject(line=1, code=Code.EMPTY_FILE, message=sentence, path="row", raw="")
            yield Batch(rejects=[empty], line=1, bytes_read=table.bytes_read, total_bytes=table.size)


def _pieces(table: Table, mapping: Mapping) -> Iterator[Piece]:
    columns = shape(mapping, table.columns)
    for block in table.blocks(columns.used):
        lines, rows, rejects = columns.make(block)
        yield lines, rows, block.faults + rejects


def _batches(pieces: Iterable[Piece], after: int, done: Callable[[], int], size: int | None) -> Iterator[Batch]:
    """All rows; at least one batch, which may be empty. Rows and rejects wait here until there is a batch of them."""
    waiting = Waiting(after)
    for piece in pieces:
        waiting.add(*piece)
        while waiting.count >= BATCH:
            yield waiting.batch(BATCH, done(), size)
    yield waiting.batch(waiting.count, done(), size)


class Waiting:
    """Rows and rejects, both by line, until there is a batch of them; none of a line up to `after`."""

    def __init__(self, after: int) -> None:
        self._after = self._line = after
        self._lines: list[int] = []
        self._rows: Rows = ()
        self._rejects: list[Reject] = []

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._lines) + len(self._rejects)

    def add(self, lines: Sequence[int], rows: Rows, rejects: Iterable[Reject]) -> None:
        """Add those of later lines."""
        passed = bisect_right(lines, self._after)
        if passed < len(lines):
            self._rows = _both(self._rows, rows[passed:]) if self._lines else rows[passed:]
            self._lines += lines[passed:]
        self._rejects += sorted((one for one in rejects if one.line > self._after), key=attrgetter("line"))

    def batch(self, count: int, bytes_read: int, total_bytes: int | None) -> Batch:
        """Take out so many, and what else their last line tells of."""
        if count:
            self._line = sorted([*self._lines, *(one.line for one in self._rejects)])[count - 1]
        line = self._line
        rows, rejects = bisect_right(self._lines, line), bisect_right(self._rejects, line, key=attrgetter("line"))
        batch = Batch(
            lines=self._lines[:rows],
            rows=self._rows[:rows],
            rejects=self._rejects[:rejects],
            line=line,
            bytes_read=bytes_read,
            total_bytes=total_bytes,
        )
        self._lines, self._rows, self._rejects = self._lines[rows:], self._rows[rows:], self._rejects[rejects:]
        return batch


def _both(first: Rows, then: Rows) -> Rows:
    if isinstance(first, Columns) and isinstance(then, Columns):
        return joined([first, then])
    return [*first, *then]

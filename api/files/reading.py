"""Reading a file: numbered wire rows in batches of bounded size, and what had to be left out."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter

from api.files import ndjson
from api.files.errors import Code, MappingError
from api.files.mapping import Mapping
from api.files.rejects import Reject
from api.files.rows import Row, shape
from api.files.sources import Place, opened
from api.files.tables import JSON, Table, ending, opened_table

BATCH = 5_000
"""Rows of a batch at most, and rejects; a line that tells of several rows may bring a few more."""
Piece = tuple[list[tuple[int, Row]], list[Reject]]
"""Rows and rejects of consecutive lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Consecutive rows of a file, each with its line, and rejects by line.

    It holds whole lines, up to `line`: a reading that broke off can go on after it. `bytes_read` of `total_bytes` (None
    for standard input) is for a progress bar.
    """

    rows: list[tuple[int, Row]] = field(default_factory=list)
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
        rows, rejects = columns.make(block)
        yield rows, block.faults + rejects


def _batches(pieces: Iterable[Piece], after: int, done: Callable[[], int], size: int | None) -> Iterator[Batch]:
    """All rows; at least one batch, which may be empty. Rows and rejects wait here until there is a batch of them."""
    rows: list[tuple[int, Row]] = []
    rejects: list[Reject] = []
    line = after
    for more, left_out in pieces:
        rows += (row for row in more if row[0] > after) if after else more
        rejects += sorted((one for one in left_out if one.line > after), key=attrgetter("line"))
        while len(rows) + len(rejects) >= BATCH:
            line = sorted([row[0] for row in rows] + [one.line for one in rejects])[BATCH - 1]
            yield Batch(
                rows=[row for row in rows if row[0] <= line],
                rejects=[one for one in rejects if one.line <= line],
                line=line,
                bytes_read=done(),
                total_bytes=size,
            )
            rows, rejects = [row for row in rows if row[0] > line], [one for one in rejects if one.line > line]
    line = max([line, *(row[0] for row in rows), *(one.line for one in rejects)])
    yield Batch(rows=rows, rejects=rejects, line=line, bytes_read=done(), total_bytes=size)

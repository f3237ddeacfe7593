"""Reading a file: numbered wire rows in batches of bounded size, and what had to be left out."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter

from api.files.errors import Code
from api.files.mapping import Mapping
from api.files.rejects import Reject
from api.files.rows import Row, Shape, shape
from api.files.sources import Place
from api.files.tables import Table, opened_table

BATCH = 5_000
"""Rows of a batch at most, and rejects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Consecutive rows of a file, each with its line, and rejects by line.

    `bytes_read` of `total_bytes` (None for standard input) is for a progress bar.
    """

    rows: list[tuple[int, Row]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    bytes_read: int
    total_bytes: int | None


def read(place: Place, mapping: Mapping) -> Iterator[Batch]:
    """The rows of a CSV or Parquet file (or `-`, CSV on standard input) in the wire form of the mapping's kind.

    Broken rows become rejects. Raises, before the first batch, SourceError when the file cannot be opened and
    MappingError when its columns do not fit.
    """
    with opened_table(place, mapping.delimiter) as table:
        if table.columns:
            yield from _Reading(table, shape(mapping, table.columns)).batches()
        else:
            sentence = "The file is empty: there is not even a header."
            empty = Reject(line=1, code=Code.EMPTY_FILE, message=sentence, path="row", raw="")
            yield Batch(rejects=[empty], bytes_read=table.bytes_read, total_bytes=table.size)


class _Reading:
    """One pass over a table: rows and rejects wait here until there is a batch of them."""

    def __init__(self, table: Table, shape: Shape) -> None:
        self.table, self.shape = table, shape
        self.rows: list[tuple[int, Row]] = []
        self.rejects: list[Reject] = []

    def batches(self) -> Iterator[Batch]:
        """All rows; at least one batch, which may be empty."""
        for block in self.table.blocks(self.shape.used):
            rows, rejects = self.shape.make(block)
            self.rows += rows
            self.rejects += sorted(block.faults + rejects, key=attrgetter("line"))
            while len(self.rows) + len(self.rejects) >= BATCH:
                yield self._batch()
        yield self._batch()

    def _batch(self) -> Batch:
        rows, self.rows = self.rows[:BATCH], self.rows[BATCH:]
        rejects, self.rejects = self.rejects[:BATCH], self.rejects[BATCH:]
        return Batch(rows=rows, rejects=rejects, bytes_read=self.table.bytes_read, total_bytes=self.table.size)

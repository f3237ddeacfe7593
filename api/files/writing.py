"""Rows as a CSV or Parquet file, in pieces of bytes, so that a file of any size needs the memory of a batch."""

import csv
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from io import BytesIO, StringIO

import pyarrow as pa
import pyarrow.parquet as pq

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs text that begins with one of these as a formula."""
TYPES: dict[type, pa.DataType] = {
    str: pa.string(),
    float: pa.float64(),
    int: pa.int64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
}

Columns = Mapping[str, type]
Batches = AsyncIterator[Sequence[Sequence[object]]]


class Form(StrEnum):
    """The form of a file; also the ending of its name."""

    CSV = "csv"
    PARQUET = "parquet"


MEDIA = {Form.CSV: "text/csv; charset=utf-8", Form.PARQUET: "application/vnd.apache.parquet"}


def written(form: Form, columns: Columns, batches: Batches, *, for_spreadsheet: bool = False) -> AsyncIterator[bytes]:
    """A file of these rows. `for_spreadsheet` defuses formulas in a CSV, which can then not be imported as it was."""
    return _parquet(columns, batches) if form is Form.PARQUET else _csv(columns, batches, for_spreadsheet)


async def _csv(columns: Columns, batches: Batches, for_spreadsheet: bool) -> AsyncIterator[bytes]:
    yield _lines([list(columns)], for_spreadsheet)
    async for batch in batches:
        yield _lines(batch, for_spreadsheet)


def _lines(rows: Iterable[Sequence[object]], for_spreadsheet: bool) -> bytes:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows([_cell(cell, for_spreadsheet) for cell in row] for row in rows)
    return text.getvalue().encode()


def _cell(cell: object, for_spreadsheet: bool) -> object:
    if isinstance(cell, datetime):
        return cell.isoformat()
    if for_spreadsheet and isinstance(cell, str) and cell.startswith(FORMULA):
        return f"'{cell}"
    return cell


async def _parquet(columns: Columns, batches: Batches) -> AsyncIterator[bytes]:
    schema = pa.schema([(name, TYPES[kind]) for name, kind in columns.items()])
    sink = BytesIO()
    with pq.ParquetWriter(_Sink(sink), schema) as writer:
        async for batch in batches:
            writer.write_table(_table(schema, batch))
            yield _drained(sink)
    yield _drained(sink)


def _table(schema: pa.Schema, rows: Sequence[Sequence[object]]) -> pa.Table:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(list(column), kind) for column, kind in zip(columns, schema.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


class _Sink:
    """A file that only grows: it says how much was written, also of what was taken away since."""

    closed = False

    def __init__(self, waiting: BytesIO) -> None:
        self._waiting, self._written = waiting, 0

    def write(self, data: bytes) -> int:
        """Take bytes in."""
        self._written += len(data)
        return self._waiting.write(data)

    def tell(self) -> int:
        """How many bytes were written in all."""
        return self._written

    def writable(self) -> bool:
        """Always: it is for writing."""
        return True

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""


def _drained(sink: BytesIO) -> bytes:
    data = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return data

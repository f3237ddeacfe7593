"""A Parquet file as a table. A cell that Python cannot hold rejects its row, not its neighbours."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, cast

import pyarrow as pa
import pyarrow.parquet as pq

from api.files.blocks import Block
from api.files.errors import Code, SourceError
from api.files.rejects import Reject
from api.files.sources import Spooled
from api.files.times import in_zone
from kpi.columns import Moments

ROWS = 5_000


class ParquetTable:
    """The rows of a Parquet file, numbered from 1. Raises SourceError for a file that is no Parquet."""

    def __init__(self, place: Path | Spooled) -> None:
        path, file = (place.name, place.file) if isinstance(place, Spooled) else (place, place)
        try:
            self._file = pq.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20)
        except FileNotFoundError:
            raise SourceError(f"There is no file {path}.") from None
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{path} cannot be read as Parquet: {error}") from None
        self.columns = tuple(self._file.schema_arrow.names)
        self.size: int | None = place.size if isinstance(place, Spooled) else place.stat().st_size
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def bytes_read(self) -> int:
        """The part of the file that was read, by rows: the bytes of a column are not read in the rows' order."""
        rows: int = self._file.metadata.num_rows
        return (self.size or 0) * self._done // max(rows, 1)

    def blocks(self, used: Collection[str]) -> Iterator[Block]:
        """All rows; columns that are not used are not read, and their cells are None."""
        wanted = [name for name in self.columns if name in used]
        try:
            for batch in self._file.iter_batches(batch_size=ROWS, columns=wanted):
                block = self._block(batch)
                self._done += batch.num_rows
                yield block
        except (pa.ArrowException, OSError) as error:
            sentence = f"The file cannot be read from here on ({error}): this row and all that follow are missing."
            yield Block(faults=[Reject(line=self._done + 1, code=Code.CUT_SHORT, message=sentence, path="row", raw="")])

    def _block(self, batch: pa.RecordBatch) -> Block:
        broken: dict[int, str] = {}
        columns = [self._column(batch, name, broken) for name in self.columns]
        block = Block(lines=range(self._done + 1, self._done + batch.num_rows + 1), columns=columns)
        return _without(block, broken) if broken else block

    def _column(self, batch: pa.RecordBatch, name: str, broken: dict[int, str]) -> Sequence[Any]:
        place = batch.schema.get_field_index(name)
        if place < 0:
            return [None] * batch.num_rows
        column = batch.column(place)
        if pa.types.is_timestamp(column.type):
            return _moments(column)
        try:
            return cast("list[Any]", column.to_pylist())
        except (ValueError, OverflowError):  # one bad cell fails the column: find it
            return [_cell(scalar, index, name, broken) for index, scalar in enumerate(column)]


def _moments(column: pa.Array) -> Sequence[Any]:
    """Moments, or datetimes where no zone is known, by way of numpy: Arrow itself takes 100 times as long.

    Finer than microseconds is cut off; a time that Python cannot hold (after the year 9999) comes as a number.
    """
    times = column.to_numpy(zero_copy_only=False).astype("datetime64[us]")
    if column.type.tz is None:
        return cast("list[Any]", times.tolist())
    moments = Moments.of(times.view("int64"))
    return (
        [in_zone(at, UTC) if isinstance(at, datetime) else at for at in times.tolist()] if moments is None else moments
    )


def _cell(scalar: pa.Scalar, index: int, name: str, broken: dict[int, str]) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError) as error:
        broken[index] = f"The cell of column {name!r} cannot be read: {error}."
        return None


def _without(block: Block, broken: dict[int, str]) -> Block:
    whole = [index for index in range(len(block.lines)) if index not in broken]
    return Block(
        lines=[block.lines[index] for index in whole],
        columns=[[column[index] for index in whole] for column in block.columns],
        faults=[block.reject(index, Code.BAD_CELL, broken[index], "row") for index in sorted(broken)],
    )

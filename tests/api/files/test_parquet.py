"""Whole Parquet files to batches: types, times, broken cells and pages."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.files.errors import Code, SourceError
from api.files.mapping import Mapping
from api.files.reading import BATCH, read
from tests.api.files.wholes import HEADER, JUNE, NAIVE, OUTCOMES, codes, rows, write


def write_parquet(tmp_path: Path, table: pa.Table, **options: Any) -> Path:
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path, **options)
    return path


def test_read_parquet_cells_keep_their_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "unit": pa.array([116, 117], pa.int64()),
            "event": pa.array(["a", "b"]).dictionary_encode(),
            "occurred_at": pa.array([JUNE, None], pa.timestamp("ns", "Europe/Berlin")),
            "value": pa.array([2.5, None], pa.float64()),
        }
    )
    found = list(read(write_parquet(tmp_path, table), OUTCOMES))
    assert rows(found) == [(1, {"unit": "116", "event": "a", "occurredAt": JUNE, "value": 2.5, "eventId": None})]
    assert codes(found) == [(2, Code.BAD_TIME)]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([NAIVE], pa.timestamp("us")),
        pa.array([NAIVE], pa.timestamp("s")),
        pa.array([NAIVE], pa.timestamp("ms", "UTC")),
        pa.array([date(2026, 6, 1)], pa.date32()),
        pa.array(["2026-06-01 00:00:00"]),
        pa.array(["2026-06-01"], pa.large_string()),
    ],
)
def test_read_parquet_times_of_any_type(tmp_path: Path, column: pa.Array) -> None:
    table = pa.table({"unit": ["u"], "event": ["e"], "occurredAt": column})
    assert rows(list(read(write_parquet(tmp_path, table), OUTCOMES)))[0][1]["occurredAt"] == JUNE


@pytest.mark.parametrize(("form", "count"), [("epoch", 1780272000), ("epoch-ms", 1780272000000)])
def test_read_parquet_numbers_as_times(tmp_path: Path, form: str, count: int) -> None:
    table = pa.table({"unit": ["u"], "event": ["e"], "occurredAt": [count]})
    found = list(read(write_parquet(tmp_path, table), Mapping.load(kind="outcomes", time_format=form)))
    assert rows(found)[0][1]["occurredAt"] == JUNE


def test_read_parquet_naive_times_in_the_zone_that_is_said(tmp_path: Path) -> None:
    table = pa.table({"unit": ["u"], "event": ["e"], "occurredAt": [datetime.fromisoformat("2026-06-01T02:00")]})
    found = list(read(write_parquet(tmp_path, table), Mapping.load(kind="outcomes", timezone="Europe/Berlin")))
    assert rows(found)[0][1]["occurredAt"] == JUNE


def test_read_parquet_attributes_keep_their_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "experiment": ["x"],
            "unit": ["u"],
            "variant": [True],
            "exposed_at": [JUNE],
            "age": [31],
            "new": [True],
            "spend": pa.array([Decimal("1.50")], pa.decimal128(9, 2)),
            "born": [date(1995, 1, 2)],
            "zip": pa.array([None], pa.string()),
        }
    )
    names = ["age", "new", "spend", "born", "zip"]
    mapping = Mapping.load(kind="exposures", attributes=[f"{name}={name}" for name in names])
    row = rows(list(read(write_parquet(tmp_path, table), mapping)))[0][1]
    assert row["variant"] == "true"
    assert row["attributes"] == {"age": 31, "new": True, "spend": 1.5, "born": "1995-01-02"}


def test_read_parquet_text_that_is_not_utf8_rejects_its_row_alone(tmp_path: Path) -> None:
    broken = pa.array([b"a", b"\xff", b"c"], pa.binary()).view(pa.string())
    table = pa.table({"unit": broken, "event": ["e"] * 3, "occurredAt": [JUNE] * 3})
    found = list(read(write_parquet(tmp_path, table), OUTCOMES))
    assert [(line, row["unit"]) for line, row in rows(found)] == [(1, "a"), (3, "c")]
    assert codes(found) == [(2, Code.BAD_CELL)]


def test_read_parquet_time_after_the_last_year_rejects_its_row_alone(tmp_path: Path) -> None:
    times = pa.array([1780272000000000, 10**18], pa.timestamp("us", "UTC"))
    table = pa.table({"unit": ["a", "b"], "event": ["e"] * 2, "occurredAt": times})
    found = list(read(write_parquet(tmp_path, table), OUTCOMES))
    assert ([line for line, _ in rows(found)], codes(found)) == ([1], [(2, Code.BAD_TIME)])


def test_read_parquet_in_batches_with_line_numbers_and_progress(tmp_path: Path) -> None:
    count = 12_001
    table = pa.table({"unit": [str(n) for n in range(count)], "event": ["e"] * count, "occurredAt": [JUNE] * count})
    path = write_parquet(tmp_path, table, row_group_size=7_000)
    batches = list(read(path, OUTCOMES))
    assert [(line, row["unit"]) for line, row in rows(batches)] == [(n + 1, str(n)) for n in range(count)]
    assert max(len(batch.rows) for batch in batches) <= BATCH
    assert batches[-1].bytes_read == batches[-1].total_bytes == path.stat().st_size


def test_read_parquet_without_a_needed_column_still_numbers_its_rows(tmp_path: Path) -> None:
    path = write_parquet(tmp_path, pa.table({"x.y": [1, 2]}))
    mapping = Mapping.load(kind="outcomes", maps=["unit=#line"], sets=["event=e", "occurred_at=2026-06-01"])
    assert [row["unit"] for _, row in rows(list(read(path, mapping)))] == ["1", "2"]


def test_read_parquet_column_with_a_dot_in_its_name(tmp_path: Path) -> None:
    path = write_parquet(tmp_path, pa.table({"x.y": ["a"], "event": ["e"], "occurredAt": [JUNE]}))
    assert rows(list(read(path, Mapping.load(kind="outcomes", maps=["unit=x.y"]))))[0][1]["unit"] == "a"


def test_read_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        list(read(write(tmp_path, HEADER, "rows.parquet"), OUTCOMES))


def test_read_parquet_with_a_broken_page_reads_what_is_there_and_says_so(tmp_path: Path) -> None:
    count = 20_000
    table = pa.table({"unit": [str(n) for n in range(count)], "event": ["e"] * count, "occurredAt": [JUNE] * count})
    path = write_parquet(tmp_path, table, row_group_size=5_000, compression="zstd")
    start = pq.ParquetFile(path).metadata.row_group(2).column(0).data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 200] = b"\xff" * 200
    path.write_bytes(content)
    found = list(read(path, OUTCOMES))
    assert ([len(batch.rows) for batch in found], codes(found)) == ([5_000, 5_000, 0], [(10_001, Code.CUT_SHORT)])

"""Tables of traits: what is known of a unit, from when on."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.files.errors import Code, MappingError
from api.files.mapping import Mapping
from api.files.reading import read

JUNE = datetime(2026, 6, 1, tzinfo=UTC)


def rows_of(path: Path, **options: Any) -> list[dict[str, Any]]:
    (batch,) = read(path, Mapping.load(kind="traits", **options))
    assert batch.rejects == []
    return list(batch.rows)


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "traits.csv"
    path.write_text(text)
    return path


def test_csv_columns_are_fields_and_an_empty_cell_is_no_value_or_no_moment(tmp_path: Path) -> None:
    path = table(
        tmp_path, "unit,name,value,since_at\nacme,plan,pro,2026-06-01T00:00:00Z\nacme,plan,, \nacme,seats,12,\n"
    )
    assert rows_of(path) == [
        {"unit": "acme", "name": "plan", "value": "pro", "sinceAt": JUNE},
        {"unit": "acme", "name": "plan", "value": None, "sinceAt": None},
        {"unit": "acme", "name": "seats", "value": "12", "sinceAt": None},
    ]


def test_time_that_cannot_be_read_is_rejected_and_does_not_hold_since_always(tmp_path: Path) -> None:
    path = table(tmp_path, "unit,name,value,since_at\nacme,plan,pro,yesterday\nacme,plan,pro,2026-06-01\n")
    (batch,) = read(path, Mapping.load(kind="traits"))
    assert [(reject.line, reject.code, reject.path) for reject in batch.rejects] == [(2, Code.BAD_TIME, "sinceAt")]
    assert [row["sinceAt"] for row in batch.rows] == [JUNE]


def test_file_without_moments_says_what_holds_since_always(tmp_path: Path) -> None:
    (row,) = rows_of(
        table(tmp_path, "account,plan\nacme,pro\n"), maps=["unit=account", "value=plan"], sets=["name=plan"]
    )
    assert row == {"unit": "acme", "name": "plan", "value": "pro", "sinceAt": None}


@pytest.mark.parametrize("word", ["true", "pro", "7"])
def test_value_may_be_one_for_all_rows(tmp_path: Path, word: str) -> None:
    (row,) = rows_of(table(tmp_path, "unit\nacme\n"), sets=["name=is_beta", f"value={word}"])
    assert (row["name"], row["value"]) == ("is_beta", word)


def test_file_without_a_column_of_values_is_refused_instead_of_ending_all_that_is_known(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="no column for value"):
        rows_of(table(tmp_path, "unit,name\nacme,plan\n"))


def test_parquet_values_keep_their_types_and_a_gap_is_no_value(tmp_path: Path) -> None:
    path = tmp_path / "traits.parquet"
    columns = {"unit": ["a", "b"], "name": ["seats", "seats"], "value": pa.array([12, None], pa.float64())}
    pq.write_table(pa.table(columns), path)
    assert [row["value"] for row in rows_of(path)] == [12.0, None]
    pq.write_table(pa.table(columns | {"value": [float("nan"), 1.5]}), path)
    assert [row["value"] for row in rows_of(path)] == [None, 1.5]
    pq.write_table(pa.table(columns | {"value": [True, False]}), path)
    assert [row["value"] for row in rows_of(path)] == [True, False]
    pq.write_table(pa.table(columns | {"value": [date(2026, 6, 1), None]}), path)
    assert [row["value"] for row in rows_of(path)] == ["2026-06-01", None]

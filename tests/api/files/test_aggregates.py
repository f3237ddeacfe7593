"""Tables of aggregates: days, counts and amounts, and cells that may be empty."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.files.errors import CellError, MappingError
from api.files.mapping import Mapping
from api.files.reading import read
from api.files.times import day

ON = date(2026, 6, 1)
EMPTY = dict.fromkeys(
    (
        *("kpi", "segment", "n", "crossovers", "mean", "m2", "standardDeviation", "successes", "day", "events"),
        *("losses", "meanX", "m2X", "standardDeviationX", "cXy", "missing"),
    )
)
ROW = {"experiment": "tour", "variant": "control", "enteredOn": ON} | EMPTY


def only(path: Path, **options: Any) -> list[dict[str, Any]]:
    (batch,) = read(path, Mapping.load(kind="aggregates", **options))
    assert batch.rejects == []
    return list(batch.rows)


def test_csv_columns_are_fields_and_empty_cells_are_absent(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "experiment,variant,entered_on,kpi,segment,n,mean,standard_deviation\n"
        "tour,control,2026-06-01,,,90,,\n"
        "tour,control,2026-06-01,revenue,plan=pro,90,12.5,3\n"
    )
    assert only(path) == [
        ROW | {"n": 90},
        ROW | {"kpi": "revenue", "segment": "plan=pro", "n": 90, "mean": 12.5, "standardDeviation": 3.0},
    ]


def test_parquet_of_pandas_with_gaps_is_read_as_it_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table(
        {
            "test": ["tour"] * 2,
            "arm": ["A"] * 2,
            "ds": pa.array([datetime(2026, 6, 1, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
            "kpi": [None, "activation"],
            "n": [90.0, 80.0],
            "successes": [float("nan"), 20.0],
        }
    )
    pq.write_table(table, path)
    maps = ["experiment=test", "variant=arm", "entered_on=ds"]
    assert only(path, maps=maps) == [
        ROW | {"variant": "A", "n": 90},
        ROW | {"variant": "A", "n": 80, "kpi": "activation", "successes": 20},
    ]


def test_constants_are_read_as_what_their_fields_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("variant,n\ncontrol,5\n")
    assert only(path, sets=["experiment=tour", "entered_on=2026-06-01", "crossovers=2"]) == [
        ROW | {"n": 5, "crossovers": 2}
    ]
    with pytest.raises(MappingError, match="not a day"):
        Mapping.load(kind="aggregates", sets=["entered_on=June"])


def test_cells_that_are_no_count_or_no_day_reject_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "experiment,variant,entered_on,n\ntour,c,2026-06-01,1.5\ntour,c,2026-06-01T10:00:00Z,1\ntour,c,2026-06-01,x\n"
    )
    (batch,) = read(path, Mapping(kind="aggregates"))
    assert (list(batch.rows), [(one.line, one.path) for one in batch.rejects]) == (
        [],
        [(2, "n"), (3, "entered_on"), (4, "n")],
    )


@pytest.mark.parametrize("cell", ["2026-06-01", "2026-06-01 00:00:00 UTC", ON, datetime(2026, 6, 1)])  # noqa: DTZ001 - as Parquet has it
def test_day_is_read_as_databases_write_it(cell: object) -> None:
    assert day(cell, "entered_on") == ON


@pytest.mark.parametrize("cell", ["", "June", None, 20260601, "2026-06-01T00:00:00+02:00", "2026-13-01"])
def test_day_that_is_none_is_refused(cell: object) -> None:
    with pytest.raises(CellError, match="not a day like 2026-06-01"):
        day(cell, "entered_on")

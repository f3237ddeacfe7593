"""Frames out of answers and into rows, with both libraries; polars is tested where it is installed."""

from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import util
from typing import Any

import msgspec
import pytest

from truelift import KpiSeries, NoFrames, Results, frames
from truelift.decoding import decode
from truelift.frames import Library, frame
from truelift.rows import each, encoded

SERIES = {
    "segment": "plan=pro",
    "granularity": "DAY",
    "starts": ["2026-06-01", "2026-06-02"],
    "n": [10, 0],
    "value": [0.5, None],
    "standardError": [0.1, None],
    "lower": [0.3, None],
    "upper": [0.7, None],
    "isFinal": [True, False],
}


@pytest.fixture(params=["polars", "pandas"])
def library(request: pytest.FixtureRequest) -> Library:
    """Each library that is installed."""
    name: Library = request.param
    pytest.importorskip(name, reason=f"NOT TESTED WITH {name.upper()}: it is not installed")
    return name


def test_series_is_a_frame_with_a_row_a_period(library: Library) -> None:
    found = decode(SERIES, KpiSeries).to_frame(library)
    assert list(found.columns) == ["starts", "n", "value", "standard_error", "lower", "upper", "is_final"]
    assert found.shape == (2, 7)
    assert type(found).__module__.startswith(library)
    assert found["n"].sum() == 10
    assert found["value"].max() == 0.5  # what does not exist is in no figure
    first = found["starts"].to_list()[0]
    assert (first.year, first.month, first.day) == (2026, 6, 1)
    assert found["is_final"].to_list() == [True, False]


def test_columns_without_any_value_keep_their_type(library: Library) -> None:
    found = frame({"value": (float, [None, None]), "name": (str, [None, "a"])}, library)
    assert str(found["value"].dtype).lower() == "float64"
    assert found["name"].to_list()[1] == "a"


def test_results_without_findings_are_an_empty_frame_with_all_columns(library: Library) -> None:
    results = msgspec.convert(
        {
            "computed_at": "2026-06-01T00:00:00Z",
            "data_through": "2026-06-01T00:00:00Z",
            "is_exploratory": False,
            "is_plan_sealed_before_data": True,
            "plan_hash": None,
            "software_version": "0.1.0",
            "verdict": {"state": "A_NEW_ONE", "rule": "R", "sentence": "", "would_change": "", "variant": None},
            "diagnostics": {
                "exposed": 0,
                "crossovers": 0,
                "health": "OK",
                "srm": {"state": "OK", "p_value": None},
                "checks": [],
            },
            "findings": [],
            "segment_findings": [],
        },
        Results,
    )
    assert results.verdict.state == "A_NEW_ONE"  # a newer server's word passes
    found = results.to_frame(library)
    assert found.shape == (0, 19)
    assert list(found.columns)[:4] == ["kpi", "role", "variant", "segment"]


def test_frame_goes_in_as_rows_and_what_is_missing_as_null(library: Library) -> None:
    columns: Any = {
        "unit": (str, ["a", "b"]),
        "value": (float, [1.5, None]),
        "occurred_on": (date, [date(2026, 6, 1), None]),
        "count": (int, [1, 2]),
    }
    lines = [msgspec.json.decode(encoded(row)) for row in each(frame(columns, library))]
    assert [line["unit"] for line in lines] == ["a", "b"]
    assert [line["value"] for line in lines] == [1.5, None]
    assert [line["count"] for line in lines] == [1, 2]
    assert lines[0]["occurredOn"].startswith("2026-06-01")
    assert lines[1]["occurredOn"] is None


def test_times_of_pandas_keep_their_zone() -> None:
    import pandas as pd  # noqa: PLC0415  # only here

    times = pd.DataFrame({"occurred_at": pd.to_datetime(["2026-06-01T08:00:00Z", None])})
    assert [encoded(row) for row in each(times)] == [
        b'{"occurredAt":"2026-06-01T08:00:00+00:00"}',
        b'{"occurredAt":null}',
    ]


def test_row_is_sent_by_the_names_of_the_api_with_exact_numbers() -> None:
    row = {"unit": "a", "occurred_at": datetime(2026, 6, 1, tzinfo=UTC), "value": Decimal("9.50"), "eventId": "x"}
    assert encoded(row) == b'{"unit":"a","occurredAt":"2026-06-01T00:00:00+00:00","value":9.50,"eventId":"x"}'
    with pytest.raises(TypeError, match="A row cannot hold"):
        encoded({"value": object()})


def test_without_a_library_the_sentence_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "find_spec", lambda _: None)
    with pytest.raises(NoFrames, match="Install polars or pandas"):
        frame({"n": (int, [1])})
    with pytest.raises(NoFrames, match="Install pandas"):
        frame({"n": (int, [1])}, "pandas")


def test_polars_is_preferred_where_both_are_installed() -> None:
    pytest.importorskip("pandas")
    expected = "polars" if util.find_spec("polars") else "pandas"
    assert type(frame({"n": (int, [1])})).__module__.startswith(expected)

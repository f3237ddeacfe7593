"""Time cells and spans, against pandas' parser and arithmetic done by hand."""

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from api.files.errors import CellError, Code, MappingError
from api.files.times import Clock, TimeFormat, span, time_format, zone


@pytest.mark.parametrize(
    "cell",
    [
        "2026-06-01T09:30:00Z",
        "2026-06-01T09:30:00+02:00",
        "2026-06-01 09:30:00",
        "2026-06-01 09:30:00.123456",
        "2026-06-01 09:30:00+00",
        "2026-06-01 09:30:00 UTC",
        "2026-06-01T09:30",
        "2026-06-01",
        "20260601",
        "20260601T093000Z",
        "  2026-06-01 ",
    ],
)
def test_read_iso_text_gives_the_moment_pandas_gives(cell: str) -> None:
    expected = pd.Timestamp(cell.strip())
    expected = expected.tz_localize("UTC") if expected.tz is None else expected.tz_convert("UTC")
    assert Clock().read(cell, "exposedAt") == expected.to_pydatetime()


def test_read_gives_aware_utc() -> None:
    assert Clock().read("2026-06-01T09:30:00+02:00", "exposedAt").tzinfo is UTC


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("2026-06-01 00:00:00", "2026-05-31T22:00:00+00:00"), ("2026-01-01", "2025-12-31T23:00:00+00:00")],
)
def test_read_naive_time_in_a_zone_follows_its_summer_time(cell: str, expected: str) -> None:
    assert Clock(timezone=ZoneInfo("Europe/Berlin")).read(cell, "exposedAt") == datetime.fromisoformat(expected)


def test_read_hour_that_a_clock_shows_twice_is_its_first_showing() -> None:
    moment = Clock(timezone=ZoneInfo("Europe/Berlin")).read("2026-10-25 02:30:00", "exposedAt")
    assert moment == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_read_time_with_its_own_zone_ignores_the_files_zone() -> None:
    moment = Clock(timezone=ZoneInfo("Europe/Berlin")).read("2026-06-01T00:00:00Z", "exposedAt")
    assert moment == datetime(2026, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("form", "cell"),
    [
        (TimeFormat.EPOCH, "1780306200"),
        (TimeFormat.EPOCH, 1780306200),
        (TimeFormat.EPOCH, "1780306200.0"),
        (TimeFormat.EPOCH_MS, "1780306200000"),
        (TimeFormat.EPOCH_MS, 1780306200000),
    ],
)
def test_read_epoch_gives_the_moment(form: TimeFormat, cell: object) -> None:
    expected = pd.Timestamp(1780306200, unit="s", tz="UTC").to_pydatetime()
    assert Clock(format=form).read(cell, "exposedAt") == expected


@pytest.mark.parametrize(
    "cell", [datetime.fromisoformat("2026-06-01"), datetime(2026, 6, 1, tzinfo=UTC), date(2026, 6, 1)]
)
def test_read_typed_time_gives_the_moment(cell: object) -> None:
    assert Clock().read(cell, "exposedAt") == datetime(2026, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "cell",
    [
        "xyz",
        "2026-13-01",
        "2026-06-01x10:00",
        "1712012010000",
        "01.06.2026",
        "2026-06-01T",
        "0001-01-01T00:00+10:00",
        True,
    ],
)
def test_read_what_is_no_time_is_refused_with_the_cell_named(cell: object) -> None:
    with pytest.raises(CellError, match="is not a time like") as caught:
        Clock().read(cell, "exposedAt")
    assert (caught.value.code, caught.value.path) == (Code.BAD_TIME, "exposedAt")


@pytest.mark.parametrize("cell", ["1780306200", 1780306200, "1712012010000"])
def test_read_number_as_iso_names_the_option_it_needs(cell: object) -> None:
    with pytest.raises(CellError, match="--time-format epoch or epoch-ms"):
        Clock().read(cell, "exposedAt")


@pytest.mark.parametrize("cell", ["", "  ", None])
def test_read_empty_cell_says_it_is_empty(cell: object) -> None:
    with pytest.raises(CellError, match=r"^occurredAt: the cell is empty"):
        Clock().read(cell, "occurredAt")


@pytest.mark.parametrize("cell", ["1780306200000000", "nan", "1_780_306_200", "2026-06-01", float("inf")])
def test_read_epoch_what_is_no_such_number_is_refused(cell: object) -> None:
    with pytest.raises(CellError, match="seconds since 1970"):
        Clock(format=TimeFormat.EPOCH).read(cell, "exposedAt")


def test_read_with_an_offset_past_the_last_year_is_refused() -> None:
    with pytest.raises(CellError):
        Clock().read("9999-12-31", "exposedAt", timedelta(days=7))


@pytest.mark.parametrize("text", ["0d", "1h", "7d", "90m", "30s", "2w", "1d12h", "1d 12h", "1.5h"])
def test_span_gives_the_length_pandas_gives(text: str) -> None:
    assert span(text) == pd.Timedelta(text.replace("m", "min").replace("2w", "14d").replace("d", "D")).to_pytimedelta()


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1y", "7 days", "99999999999w"])
def test_span_of_no_length_is_refused(text: str) -> None:
    with pytest.raises(MappingError):
        span(text)


def test_zone_unknown_suggests_the_nearest() -> None:
    with pytest.raises(MappingError, match="Did you mean 'Europe/Berlin'"):
        zone("Europe/Berlinn")


def test_time_format_unknown_names_the_formats() -> None:
    with pytest.raises(MappingError, match="iso, epoch, epoch-ms"):
        time_format("unix")


WRITTEN = [
    "2026-06-01T09:30:00Z",
    "2026-06-01 09:30:00+00:00",
    "2026-06-01T09:30:00.123456+05:30",
    "2026-06-01T09:30:00.1234567Z",
    "2026-06-01T09:30Z",
    "2026-06-01T09Z",
    "2026-06-01T09:30:00-0800",
    "2026-06-01T09:30:00+09",
    "2026-06-01T09:30:00+25:00",
    "2026-06-01T09:30:00+23:59",
    "2026-06-01T09:30:00+09:60",
    "2026-06-01t09:30:00Z",
    "2026-06-01T09:30:00z",
    "2026-06-01T24:00:00Z",
    "2026-06-01T23:59:60Z",
    "2026-02-29T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+05:00",
    "9999-12-31T23:59:59-05:00",
    "10000-01-01T00:00:00Z",
    "2026-06-01 09:30:00 UTC",
    " 2026-06-01T09:30:00Z ",
    "2026-06-01",
    "2026-06-01T09:30:00",
    "2026-06-01 09:30",
    "20260601",
    "20260601T093000Z",
    "2026-W23-1",
    "1712012010000",
    "1712012010",
    "2026-06-01T09:30:00,5Z",
    "2026-06-01x09:30:00Z",
    "",
]
MOST = (13, 32, 24, 60, 60, 25, 60)
"""What is written of a month, a day, an hour, minutes, seconds, and of hours and minutes from UTC: one too many."""
ENDS = ["", "Z", "z", " UTC"]
FRACTIONS = ["", ".", ".1", ".123456", ".1234567", ".123456789"]


def drawn(draw: random.Random) -> str:
    """Something like a time; or one of those above."""
    if draw.random() < 0.2:
        return draw.choice(WRITTEN)
    month, day, hour, minute, second, *offset = (f"{draw.randint(0, most):02d}" for most in MOST)
    between = draw.choice(["T", " ", "t", "  ", "x", ""])
    end = draw.choice([*ENDS, draw.choice("+-") + draw.choice(["", ":"]).join(offset)])
    year, fraction = draw.randint(0, 9999), draw.choice(FRACTIONS)
    return f"{year:04d}-{month}-{day}{between}{hour}:{minute}:{second}{fraction}{end}"


def one_by_one(clock: Clock, cells: list[str], offset: timedelta) -> list[datetime]:
    return [clock.read(cell, "at", offset) for cell in cells]


def test_read_all_reads_a_column_as_each_of_its_cells_or_not_at_all() -> None:
    draw, read = random.Random(7), 0  # noqa: S311 - the same cells each time
    for _ in range(500):
        clock, offset = Clock(timezone=zone(draw.choice(["UTC", "Asia/Tokyo"]))), timedelta(days=draw.randint(-2, 2))
        cell = drawn(draw)
        found = clock.read_all([cell, cell], offset)
        if found is not None:
            assert list(found) == one_by_one(clock, [cell, cell], offset), cell
            read += 1
    assert read > 40


@pytest.mark.parametrize("cell", WRITTEN)
def test_read_all_of_a_cell_that_is_no_time_leaves_the_complaint_to_its_row(cell: str) -> None:
    clock = Clock()
    found = clock.read_all([cell, WRITTEN[0]])
    assert found is None or list(found) == one_by_one(clock, [cell, WRITTEN[0]], timedelta(0))


@pytest.mark.parametrize(
    "cells",
    [["2026-06-01T09:30:00Z", "2026-06-01 09:30:00.5+02:00"], ["2026-06-01", "2026-06-01 09:30:00.000001"]],
    ids=["zoned", "naive"],
)
def test_read_all_takes_the_usual_forms_in_one_stride(cells: list[str]) -> None:
    found = Clock().read_all(cells)
    assert found is not None
    assert list(found) == one_by_one(Clock(), cells, timedelta(0))

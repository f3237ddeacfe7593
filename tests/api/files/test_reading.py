"""Whole files to batches: formats, defaults, broken files, sizes."""

import csv
import gzip
import io
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.files.errors import Code, FilesError, MappingError, SourceError
from api.files.mapping import Mapping
from api.files.reading import BATCH, Batch, read
from api.files.rejects import Reject
from api.files.rows import event_id
from tests.api.files.wholes import EXPOSURES, GOOD, GOOD_ROW, HEADER, JUNE, OUTCOMES, codes, rejects, rows, write


def test_read_outcomes_by_the_names_of_their_columns(tmp_path: Path) -> None:
    assert rows(list(read(write(tmp_path, HEADER + GOOD), OUTCOMES))) == [(2, GOOD_ROW)]


def test_read_camel_case_columns_are_the_same_fields(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER.replace("occurred_at", "occurredAt").replace("event_id", "eventId") + GOOD)
    assert rows(list(read(path, OUTCOMES))) == [(2, GOOD_ROW)]


def test_read_outcomes_without_value_and_event_id_have_none(tmp_path: Path) -> None:
    path = write(tmp_path, "unit,event,occurred_at\nu1,visited,2026-06-01\n")
    assert rows(list(read(path, OUTCOMES)))[0][1] == GOOD_ROW | {"value": None, "eventId": None}


def test_read_outcomes_with_empty_cells_have_none(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + "u1,visited,2026-06-01,, \n")
    assert rows(list(read(path, OUTCOMES)))[0][1] == GOOD_ROW | {"value": None, "eventId": None}


def test_read_exposures_with_mapping_constants_variants_and_attributes(tmp_path: Path) -> None:
    mapping_file = write(tmp_path, '[variants]\ngate_30 = "control"\n', "m.toml")
    path = write(tmp_path, "user_id,version,at,device,age,new\n7,gate_30,2026-06-01,ios,31,yes\n8,b,2026-06-01,,,\n")
    mapping = Mapping.load(
        kind="exposures",
        path=mapping_file,
        maps=["unit=user_id", "variant=version", "exposed_at=at"],
        sets=["experiment=gate-40"],
        attributes=["device=device", "age=age:number", "new=new:flag"],
    )
    first = {"experiment": "gate-40", "unit": "7", "variant": "control", "exposedAt": JUNE}
    assert rows(list(read(path, mapping))) == [
        (2, first | {"attributes": {"device": "ios", "age": 31.0, "new": True}}),
        (3, first | {"unit": "8", "variant": "b", "attributes": {}}),
    ]


WIDE = """
[map]
exposed_at = "at"
[[events]]
column = "d7"
event = "session_started"
offset = "7d"
[[events]]
column = "spend"
event = "spent"
offset = "1h"
as = "value"
[[events]]
column = "rounds"
event = "round_played"
offset = "1h"
as = "value"
zero = "keep"
"""


def wide(tmp_path: Path, text: str) -> list[Batch]:
    mapping = Mapping.load(kind="outcomes", path=write(tmp_path, WIDE, "m.toml"))
    return list(read(write(tmp_path, "unit,at,d7,spend,rounds\n" + text), mapping))


def test_read_wide_table_makes_an_outcome_of_each_column_that_tells_of_one(tmp_path: Path) -> None:
    found = wide(tmp_path, "u1,2026-06-01,TRUE,9.5,0\nu2,2026-06-02,no,0,\nu3,2026-06-03,,,\n")
    at, hour = datetime(2026, 6, 8, tzinfo=UTC), datetime(2026, 6, 1, 1, tzinfo=UTC)
    keys = ("unit", "event", "occurredAt", "value")
    assert [(line, tuple(row[key] for key in keys)) for line, row in rows(found)] == [
        (2, ("u1", "session_started", at, None)),
        (2, ("u1", "spent", hour, 9.5)),
        (2, ("u1", "round_played", hour, 0.0)),
    ]
    assert rejects(found) == []


def test_read_wide_table_bad_cell_rejects_its_event_and_not_the_others(tmp_path: Path) -> None:
    found = wide(tmp_path, "u1,2026-06-01,maybe,3,14\n")
    assert [row["event"] for _, row in rows(found)] == ["spent", "round_played"]
    assert rejects(found) == [
        Reject(
            line=2,
            code=Code.BAD_FLAG,
            message="d7: 'maybe' is neither true nor false (true/yes/1, false/no/0 or empty).",
            path="d7",
            raw="u1,2026-06-01,maybe,3,14",
        )
    ]


def test_read_wide_table_bad_time_is_told_once(tmp_path: Path) -> None:
    found = wide(tmp_path, "u1,soon,1,3,14\n")
    assert rows(found) == []
    assert [(reject.code, reject.path) for reject in rejects(found)] == [(Code.BAD_TIME, "exposedAt")]


def test_read_wide_table_again_gives_the_same_event_ids(tmp_path: Path) -> None:
    first, second = (wide(tmp_path, "u1,2026-06-01,1,3,4\nu2,2026-06-01,1,3,4\n") for _ in range(2))
    ids = [row["eventId"] for _, row in rows(first)]
    assert ids == [row["eventId"] for _, row in rows(second)]
    assert len(set(ids)) == 6


def test_event_id_does_not_confuse_where_a_name_ends() -> None:
    assert event_id("a", "bc", "d") != event_id("ab", "c", "d")


def test_read_unit_by_line_is_the_number_of_the_line(tmp_path: Path) -> None:
    mapping = Mapping.load(kind="outcomes", maps=["unit=#line"])
    path = write(tmp_path, 'event,occurred_at\n"a\nb",2026-06-01\nc,2026-06-01\n')
    assert [(line, row["unit"]) for line, row in rows(list(read(path, mapping)))] == [(2, "2"), (4, "4")]


def test_read_unreadable_time_is_a_reject_with_the_row_and_the_path(tmp_path: Path) -> None:
    found = list(read(write(tmp_path, HEADER + "u1,visited,xyz,1,e\n" + GOOD), OUTCOMES))
    assert rows(found) == [(3, GOOD_ROW)]
    assert rejects(found)[0] == Reject(
        line=2,
        code=Code.BAD_TIME,
        message="occurredAt: 'xyz' is not a time like 2026-06-01T09:30:00Z, 2026-06-01 09:30:00 or 2026-06-01.",
        path="occurredAt",
        raw="u1,visited,xyz,1,e",
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("u1,visited\n", Code.WRONG_WIDTH),
        ("u1,visited,2026-06-01,1,e,more\n", Code.WRONG_WIDTH),
        (HEADER, Code.REPEATED_HEADER),
        ('u1,"visited,2026-06-01,1,e\n', Code.BAD_QUOTE),
        (b"u1,\xff,2026-06-01,1,e\n", Code.BAD_TEXT),
        ("u1,\0,2026-06-01,1,e\n", Code.BAD_TEXT),
        ("u1,visited,soon,1,e\n", Code.BAD_TIME),
    ],
)
def test_read_broken_row_is_rejected_by_line_and_its_neighbours_are_read(
    tmp_path: Path, line: str | bytes, code: Code
) -> None:
    middle = line if isinstance(line, bytes) else line.encode()
    found = list(read(write(tmp_path, (HEADER + GOOD).encode() + middle + GOOD.encode()), OUTCOMES))
    assert [line for line, _ in rows(found)] == [2, 4]
    assert codes(found) == [(3, code)]
    assert rejects(found)[0].message.endswith((".", "?"))


@pytest.mark.parametrize("content", ["", "\n\n", b"\xef\xbb\xbf"])
def test_read_empty_file_is_one_reject(tmp_path: Path, content: str | bytes) -> None:
    assert codes(list(read(write(tmp_path, content), OUTCOMES))) == [(1, Code.EMPTY_FILE)]


def test_read_header_alone_is_no_rows_and_no_rejects(tmp_path: Path) -> None:
    (batch,) = read(write(tmp_path, HEADER), OUTCOMES)
    assert (len(batch.rows), batch.rejects) == (0, [])


def test_read_windows_file_with_mark_and_semicolons(tmp_path: Path) -> None:
    text = (HEADER + GOOD).replace(",", ";").replace("\n", "\r\n")
    assert rows(list(read(write(tmp_path, b"\xef\xbb\xbf" + text.encode()), OUTCOMES))) == [(2, GOOD_ROW)]


def test_read_delimiter_that_is_said_is_not_guessed(tmp_path: Path) -> None:
    path = write(tmp_path, "unit:event:occurred_at\nu1:visited:2026-06-01\n")
    found = list(read(path, Mapping.load(kind="outcomes", delimiter=":")))
    assert rows(found)[0][1]["event"] == "visited"


def test_read_column_that_stands_twice_matters_only_when_it_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "unit,event,occurred_at,x,x\nu1,visited,2026-06-01,1,2\n")
    assert len(rows(list(read(path, OUTCOMES)))) == 1
    with pytest.raises(MappingError, match="2 columns named 'x'; rename one"):
        list(read(path, Mapping.load(kind="outcomes", maps=["value=x"])))


def test_read_absent_column_names_those_that_are_there(tmp_path: Path) -> None:
    path = write(tmp_path, "user_id,event,occurred_at\n")
    with pytest.raises(
        MappingError, match=r"no column 'user_idd'.* Did you mean 'user_id'.*user_id, event, occurred_at"
    ):
        list(read(path, Mapping.load(kind="outcomes", maps=["unit=user_idd"])))


def test_read_absent_fields_are_all_named_with_what_was_meant(tmp_path: Path) -> None:
    path = write(tmp_path, "UserID,version,at\n")
    with pytest.raises(MappingError) as caught:
        list(read(path, EXPOSURES))
    sentence = str(caught.value)
    assert "no column for experiment, unit, variant, exposed_at" in sentence
    assert "Did you mean --map unit=UserID --map variant=version?" in sentence
    assert sentence.endswith("Its columns are UserID, version, at.")


@pytest.mark.parametrize("name", ["rows.xlsx", "rows", "rows.gz", "rows.json.gz"])
def test_read_unknown_ending_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match=r"CSV \(.csv, .tsv, .txt\), NDJSON \(.+\), both also with .gz, or Parquet"):
        list(read(write(tmp_path, "", name), OUTCOMES))


@pytest.mark.parametrize("name", ["none.csv", "none.parquet"])
def test_read_absent_file_is_refused_with_its_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match=f"There is no file .*{name}"):
        list(read(tmp_path / name, OUTCOMES))


def test_read_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(SourceError, match="Is a directory"):
        list(read(tmp_path / "a.csv", OUTCOMES))


@pytest.mark.parametrize("content", [HEADER.encode("utf-16"), b'unit,"event\n', b"un\0it,event\n"])
def test_read_broken_header_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SourceError, match=r"The header \(line 1\) cannot be read"):
        list(read(write(tmp_path, content), OUTCOMES))


@pytest.mark.parametrize("name", ["rows.csv.gz", "rows.csv"])
def test_read_gzip_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    packed = gzip.compress(HEADER.encode()) + gzip.compress(GOOD.encode())  # two members, as cat makes them
    assert rows(list(read(write(tmp_path, packed, name), OUTCOMES))) == [(2, GOOD_ROW)]


def test_read_gzip_that_is_cut_short_reads_what_is_there_and_says_so(tmp_path: Path) -> None:
    body = HEADER + "".join(f"u{number},visited,2026-06-01,{number * 7919 % 1000},\n" for number in range(20_000))
    packed = gzip.compress(body.encode())
    found = list(read(write(tmp_path, packed[: len(packed) // 2], "rows.csv.gz"), OUTCOMES))
    last = rows(found)[-1][0]
    assert last > 5_000
    assert [(reject.line, reject.code) for reject in rejects(found)] == [(last + 1, Code.CUT_SHORT)]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_read_standard_input(monkeypatch: pytest.MonkeyPatch, pack: Any) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pack((HEADER + GOOD).encode()))))
    (batch,) = read("-", OUTCOMES)
    assert (rows([batch]), batch.total_bytes) == ([(2, GOOD_ROW)], None)


def test_read_many_rows_come_in_batches_with_progress(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + GOOD * 50_001)
    batches = list(read(path, OUTCOMES))
    assert [line for line, _ in rows(batches)] == list(range(2, 50_003))
    assert max(len(batch.rows) for batch in batches) == BATCH
    progress = [batch.bytes_read for batch in batches]
    assert progress == sorted(progress)
    assert progress[0] < progress[-1] == batches[-1].total_bytes == path.stat().st_size


def test_read_many_rejects_come_in_batches(tmp_path: Path) -> None:
    batches = list(read(write(tmp_path, HEADER + "x\n" * 20_000), OUTCOMES))
    assert codes(batches) == [(line, Code.WRONG_WIDTH) for line in range(2, 20_002)]
    assert max(len(batch.rejects) for batch in batches) == BATCH


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(cells=st.lists(st.tuples(TEXT, TEXT), max_size=8), packed=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_read_any_text_comes_through_as_it_was_written(
    tmp_path: Path, cells: list[tuple[str, str]], packed: bool
) -> None:
    text, expected = io.StringIO(), []
    writer = csv.writer(text)
    writer.writerow(["unit", "event", "occurred_at"])
    for unit, event in cells:
        expected.append((text.getvalue().count("\n") + 1, unit, event))
        writer.writerow([unit, event, "2026-06-01"])
    content = text.getvalue().encode()
    found = list(read(write(tmp_path, gzip.compress(content) if packed else content), OUTCOMES))
    assert [(line, row["unit"], row["event"]) for line, row in rows(found)] == expected
    assert rejects(found) == []


@given(content=st.binary(max_size=300) | st.text('unit,"\n\r;event01', max_size=100).map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_read_any_bytes_end_in_rows_rejects_or_a_sentence(tmp_path: Path, content: bytes) -> None:
    try:
        batches = list(read(write(tmp_path, content), OUTCOMES))
    except FilesError as error:
        assert str(error).endswith((".", "?"))  # noqa: PT017  # either of two ends is right
    else:
        assert batches

"""NDJSON: a row a line, as the other doors take it."""

import gzip
import json
from pathlib import Path

import pytest

from api.files.errors import Code, MappingError
from api.files.mapping import Mapping
from api.files.reading import BATCH, read

OUTCOMES = Mapping(kind="outcomes")
ROW = {"unit": "u1", "event": "played", "occurredAt": "2026-06-02T08:00:00Z", "attributes": {"plan": "pro"}}
LINE = json.dumps(ROW).encode()


def test_ndjson_lines_are_rows_as_they_are_and_blank_ones_are_nothing(tmp_path: Path) -> None:
    for name, data in (("a.ndjson", LINE + b"\n\n" + LINE), ("a.jsonl.gz", gzip.compress(LINE + b"\r\n\r\n" + LINE))):
        path = tmp_path / name
        path.write_bytes(data)
        (batch,) = read(path, OUTCOMES)
        assert (batch.lines, batch.rows, batch.rejects) == ([1, 3], [ROW, ROW], [])
        assert batch.bytes_read == batch.total_bytes == len(data)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"unit,event", Code.BAD_JSON),
        (b"[1]", Code.BAD_JSON),
        (b'{"unit": "\xff"}', Code.BAD_JSON),
        (b'{"unit": NaN}', Code.BAD_JSON),
        (b"[" * 200_000, Code.BAD_JSON),
        (b'{"unit": "' + b"x" * 300_000 + b'"}', Code.TOO_LONG),
    ],
)
def test_ndjson_line_that_is_no_row_is_rejected_and_its_neighbours_are_read(
    tmp_path: Path, line: bytes, code: Code
) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"\n".join([LINE, line, LINE]))
    (batch,) = read(path, OUTCOMES)
    assert batch.lines == [1, 3]
    assert [(one.line, one.code) for one in batch.rejects] == [(2, code)]


def test_ndjson_packed_and_cut_short_gives_what_can_be_read_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    lines = b"\n".join(json.dumps(ROW | {"unit": f"u{n}"}).encode() for n in range(20_000))
    path.write_bytes(gzip.compress(lines)[:-2_000])
    batches = list(read(path, OUTCOMES))
    numbers = [line for batch in batches for line in batch.lines]
    (cut,) = [one for batch in batches for one in batch.rejects]
    assert (numbers, cut.code) == (list(range(1, len(numbers) + 1)), Code.CUT_SHORT)
    assert cut.line == len(numbers) + 1


def test_ndjson_with_a_mapping_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(LINE)
    with pytest.raises(MappingError, match="own names"):
        next(read(path, Mapping.load(kind="outcomes", maps=["unit=who"])))


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
def test_reading_that_broke_off_goes_on_after_any_batch_and_misses_nothing(tmp_path: Path, name: str) -> None:
    rows = [ROW | {"unit": f"u{n}"} for n in range(2 * BATCH)]
    path = tmp_path / name
    if name.endswith("csv"):
        bad = [f"u{n},played,soon" if n % 3 == 0 else f"u{n},played,{ROW['occurredAt']}" for n in range(2 * BATCH)]
        path.write_text("\n".join(["unit,event,occurred_at", *bad]))
    else:
        path.write_text("\n".join("?" if n % 3 == 0 else json.dumps(row) for n, row in enumerate(rows)))
    whole = list(read(path, OUTCOMES))
    assert len(whole) == 3
    for done in range(len(whole)):
        rest = list(read(path, OUTCOMES, after=whole[done].line))
        wanted = whole[done + 1 :]
        assert [line for batch in rest for line in batch.lines] == [line for batch in wanted for line in batch.lines]
        assert [row for batch in rest for row in batch.rows] == [row for batch in wanted for row in batch.rows]
        assert [one for batch in rest for one in batch.rejects] == [one for batch in wanted for one in batch.rejects]

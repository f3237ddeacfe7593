"""The file of rejects."""

import csv
from pathlib import Path

import pytest

from api.files.errors import Code, SourceError
from api.files.rejects import COLUMNS, KEPT_ROW, Reject, RejectFile


def reject(raw: str, line: int = 7) -> Reject:
    return Reject(line=line, code=Code.BAD_TEXT, message="It is broken.", path="row", raw=raw)


def written(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_reject_file_without_rejects_is_not_made(tmp_path: Path) -> None:
    with RejectFile(tmp_path / "out.rejects.csv") as file:
        file.write([])
    assert not (tmp_path / "out.rejects.csv").exists()


def test_reject_file_lists_rejects_under_one_header(tmp_path: Path) -> None:
    with RejectFile(tmp_path / "out.csv") as file:
        file.write([reject("a,b")])
        file.write([reject('c,"d\ne"\n', line=9)])
        assert file.count == 2
    assert written(tmp_path / "out.csv") == [
        list(COLUMNS),
        ["7", "BAD_TEXT", "It is broken.", "row", "a,b"],
        ["9", "BAD_TEXT", "It is broken.", "row", 'c,"d\ne"'],
    ]


def test_reject_file_writes_broken_bytes_and_nul_as_escapes(tmp_path: Path) -> None:
    with RejectFile(tmp_path / "out.csv") as file:
        file.write([reject(b"M\xfcller,\0".decode("utf-8", "surrogateescape"))])
    assert written(tmp_path / "out.csv")[1][4] == "M\\xfcller,\\x00"


def test_reject_keeps_a_long_row_up_to_the_cap_and_says_how_long_it_was() -> None:
    raw = reject("x" * 10_000).raw
    assert raw == "x" * KEPT_ROW + "… (10,000 characters)"


def test_reject_file_in_an_absent_folder_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with RejectFile(tmp_path / "no" / "out.csv") as file, pytest.raises(SourceError, match="cannot be written"):
        file.write([reject("a")])

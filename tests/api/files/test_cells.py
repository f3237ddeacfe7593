"""Cells as text, numbers and flags."""

from decimal import Decimal
from uuid import UUID

import pytest

from api.files.cells import filled, flag, number, plain, shown, text
from api.files.errors import CellError, Code


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("gate_30", "gate_30"),
        (116, "116"),
        (116.0, "116"),
        (1.5, "1.5"),
        (Decimal("116"), "116"),
        (True, "true"),
        (b"abc", "abc"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (None, None),
    ],
)
def test_text_names_a_thing_as_a_csv_file_would(cell: object, expected: object) -> None:
    assert text(cell) == expected


@pytest.mark.parametrize(
    ("cell", "expected"), [("12.5", 12.5), (" 3 ", 3.0), (3, 3.0), (Decimal("1.5"), 1.5), ("1e3", 1000.0)]
)
def test_number_reads_numbers(cell: object, expected: float) -> None:
    assert number(cell, "value") == expected


@pytest.mark.parametrize("cell", ["abc", "", "1_000", "3,14", "nan", "inf", float("nan"), True, None, [], "1e999"])
def test_number_refuses_what_is_no_finite_number(cell: object) -> None:
    with pytest.raises(CellError) as caught:
        number(cell, "spend")
    assert (caught.value.code, caught.value.path) == (Code.BAD_NUMBER, "spend")


@pytest.mark.parametrize("cell", ["true", "TRUE", "Yes", "1", " y ", "1.0", True, 1, 1.0])
def test_flag_true_words(cell: object) -> None:
    assert flag(cell, "visit") is True


@pytest.mark.parametrize("cell", ["false", "FALSE", "No", "0", "", " ", "0.0", False, 0, None])
def test_flag_false_words(cell: object) -> None:
    assert flag(cell, "visit") is False


@pytest.mark.parametrize("cell", ["maybe", "2", 2, "oui", float("nan")])
def test_flag_refuses_other_words(cell: object) -> None:
    with pytest.raises(CellError, match="neither true nor false") as caught:
        flag(cell, "visit")
    assert caught.value.code == Code.BAD_FLAG


def test_plain_keeps_types_and_turns_decimals_into_numbers() -> None:
    assert [plain(cell) for cell in ("01", 3, 2.5, True, None, Decimal("1.5"))] == ["01", 3, 2.5, True, None, 1.5]


def test_filled_empties_blank_text_only() -> None:
    assert filled(["", " ", "x", 0, False, None]) == [None, None, "x", 0, False, None]


def test_shown_cuts_a_long_cell() -> None:
    assert len(shown("x" * 1_000)) == 61

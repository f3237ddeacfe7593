"""One cell of a file as text, a number or a flag. Text comes from CSV; Parquet brings typed values."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import TypeVar
from uuid import UUID

from api.files.errors import CellError, Code

T = TypeVar("T")
TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
FALSE = frozenset({"false", "f", "no", "n", "0", "0.0", ""})
SHOWN = 60
"""Characters of a cell that a sentence quotes."""


def text(cell: object) -> object:
    """A cell that names something. Parquet's whole numbers, flags and UUIDs become the text a CSV file would hold.

    What is no name (a missing cell, a list) stays as it is, for the row's own validation to refuse.
    """
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float | Decimal) and isfinite(cell) and cell == int(cell):
        return str(int(cell))  # pandas turns a column of whole numbers with gaps into floats: 116.0 is unit 116
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "surrogateescape")
    return str(cell) if isinstance(cell, int | float | Decimal | UUID) else cell


def number(cell: object, path: str) -> float:
    """A finite number. Raises CellError for anything else, a decimal comma included."""
    if isinstance(cell, bool) or (isinstance(cell, str) and "_" in cell):
        raise _no_number(cell, path)  # Python would read 1_000 as a number
    try:
        value = float(cell)  # type: ignore[arg-type]  # what float() does not take is what we refuse
    except (TypeError, ValueError, OverflowError):
        raise _no_number(cell, path) from None
    if not isfinite(value):
        raise _no_number(cell, path)
    return value


def count(cell: object, path: str) -> int:
    """A whole number; pandas writes those of a column with gaps as 116.0. Raises CellError for anything else."""
    value = number(cell, path)
    if value != int(value):
        raise CellError(Code.BAD_NUMBER, path, f"{shown(cell)} is not a whole number.")
    return int(value)


def if_any(read: Callable[[object, str], T], path: str) -> Callable[[object], T | None]:
    """A reader of cells that may be empty; NaN is pandas' way to leave one so."""
    return lambda cell: None if is_empty(cell) or cell != cell else read(cell, path)  # noqa: PLR0124 - NaN is no NaN


def flag(cell: object, path: str) -> bool:
    """True or false: true/t/yes/y/1, or false/f/no/n/0/empty, in upper or lower case. Raises CellError otherwise."""
    word = str(text("" if cell is None else cell)).strip().lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise CellError(Code.BAD_FLAG, path, f"{shown(cell)} is neither true nor false (true/yes/1, false/no/0 or empty).")


def plain(cell: object) -> object:
    """A cell as it is typed in the file; what an attribute cannot hold (dates, decimals) becomes text or a number."""
    if cell is None or isinstance(cell, str | int | float):
        return cell
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    return float(cell) if isinstance(cell, Decimal) else str(text(cell))


def is_empty(cell: object) -> bool:
    """No cell, or nothing in it but blanks."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def filled(cells: Sequence[object]) -> list[object]:
    """A column with None for its empty cells. Not by `is_empty`, whose call would be half of the cost of a row."""
    return [None if type(cell) is str and (not cell or cell.isspace()) else cell for cell in cells]


def shown(cell: object) -> str:
    """A cell as a sentence quotes it, cut at SHOWN characters."""
    words = repr(cell) if isinstance(cell, str) else str(cell)
    return words if len(words) <= SHOWN else words[:SHOWN] + "…"


def _no_number(cell: object, path: str) -> CellError:
    return CellError(Code.BAD_NUMBER, path, f"{shown(cell)} is not a number like 1250 or 12.5.")

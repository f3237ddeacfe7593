"""Consecutive rows of a file, column by column: what every format is read into."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from api.files.rejects import Reject, row_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Rows by column (`columns[c][r]`), each with its line, and the rows that could not even be split into cells."""

    lines: Sequence[int] = ()
    columns: Sequence[Sequence[Any]] = ()
    delimiter: str = ","
    faults: list[Reject] = field(default_factory=list)

    def reject(self, row: int, code: str, message: str, path: str) -> Reject:
        """A row of this block as a reject, its cells written as text again."""
        raw = row_text((column[row] for column in self.columns), self.delimiter)
        return Reject(line=self.lines[row], code=code, message=message, path=path, raw=raw)

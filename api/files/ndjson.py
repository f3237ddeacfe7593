"""NDJSON: each line one row as the other doors take it, the fields by their own names."""

from collections.abc import Iterator
from typing import Any

import msgspec

from api.files.errors import Code
from api.files.lines import LONGEST, physical_lines
from api.files.rejects import Reject
from api.files.sources import Source

Row = dict[str, Any]


def rows(source: Source) -> Iterator[tuple[list[int], list[Row], list[Reject]]]:
    """The rows of a text with their lines, and the lines that are no row; blank ones are nothing."""
    first = 1
    for block in physical_lines(source.chunks()):
        lines: list[int] = []
        found: list[Row] = []
        rejects: list[Reject] = []
        whole = block.texts if block.broken is None else block.texts[:-1]
        for line, text in enumerate(whole, start=first):
            row = _row(line, text)
            if isinstance(row, Reject):
                rejects.append(row)
            elif row is not None:
                lines.append(line)
                found.append(row)
        if block.broken is not None:
            sentence = f"The file cannot be read from here on ({block.broken}): this and all that follows is missing."
            rejects.append(_reject(first + len(whole), Code.CUT_SHORT, sentence, block.texts[-1]))
        yield lines, found, rejects
        first += len(block.texts)


def _row(line: int, text: str) -> Row | Reject | None:
    if not text.strip():
        return None
    if len(text) > LONGEST:
        return _reject(line, Code.TOO_LONG, f"The row is longer than {LONGEST:,} characters.", text)
    try:
        row = msgspec.json.decode(text.encode())
    except (UnicodeEncodeError, msgspec.DecodeError, RecursionError):
        return _reject(line, Code.BAD_JSON, "The line is not JSON in UTF-8.", text)
    return row if isinstance(row, dict) else _reject(line, Code.BAD_JSON, "The line is not a JSON object.", text)


def _reject(line: int, code: Code, sentence: str, text: str) -> Reject:
    return Reject(line=line, code=code, message=sentence, path="row", raw=text)

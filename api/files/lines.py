"""Bytes to the physical lines of a text, in blocks of bounded size; broken text is marked, never fatal."""

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO

BOM = b"\xef\xbb\xbf"
LONGEST = 262_144
"""Characters a row may have. More is not a row but a quote that never closes, or no text at all."""
ENOUGH = 4 * LONGEST + 4
"""Bytes after which a line is longer than LONGEST whatever its characters: the rest is thrown away, unread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Physical lines, each with its line end; `clean` when none can hold NUL, a byte that is no UTF-8, or too much.

    In lines that are not clean, bytes that are no UTF-8 stand as lone surrogates (PEP 383).
    `broken` says why the file could not be read to its end; the last line is then a piece.
    """

    texts: list[str]
    clean: bool = True
    broken: str | None = None


def physical_lines(chunks: Iterable[bytes]) -> Iterator[Lines]:
    """Lines end with LF or CR LF, or with CR alone in a file that opens so (old Macintosh)."""
    pending, end = b"", b""
    try:
        for raw in chunks:
            chunk = raw
            if not end:
                pending, chunk = b"", (pending + raw).removeprefix(BOM)
                end = _line_end(chunk)
            cut = chunk.rfind(end) + 1 if end else 0
            if cut:
                yield _decoded(pending + chunk[:cut], end)
            pending = chunk[cut:] if cut else (pending + chunk)[:ENOUGH]
    except (OSError, EOFError, zlib.error) as error:
        yield Lines(texts=[_decoded(pending, end).texts[0] if pending else ""], clean=False, broken=str(error))
        return
    if pending:
        yield _decoded(pending, end)


def _line_end(head: bytes) -> bytes:
    """What ends lines; nothing yet while no line has ended, or only with a CR that an LF may follow."""
    if b"\n" in head or len(head) >= ENOUGH:
        return b"\n"
    return b"\r" if b"\r" in head[:-1] else b""


def _decoded(data: bytes, end: bytes) -> Lines:
    try:
        text, clean = data.decode(), b"\0" not in data
    except UnicodeDecodeError:
        text, clean = data.decode("utf-8", "surrogateescape"), False
    texts = _split(text, end)
    return Lines(texts=texts, clean=clean and max(map(len, texts)) <= LONGEST)


def _split(text: str, end: bytes) -> list[str]:
    """Not str.splitlines, which also splits at form feeds and Unicode's line separators inside cells."""
    return list(StringIO(text, newline="\n")) if end == b"\n" else re.findall("[^\r]*\r|[^\r]+", text)

"""A request's body as rows, in chunks of bounded size, however the network cuts it."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from time import monotonic
from typing import Annotated

import msgspec

from kpi.ingest import Broken, Fault

CHUNK_ROWS = 5_000
CHUNK_BYTES = 2_000_000
"""Rows and bytes of one transaction at most."""
LARGEST_BODY = 2_000_000_000
"""Bytes of a body of lines, as it is sent and as it is unpacked."""
LARGEST_ARRAY = 2_000_000
"""Bytes of a body that is one JSON array: it is read whole before its first row is."""
ARRAY_ROWS = 20_000
LONGEST_LINE = 262_144
"""Bytes of a row."""
BEGINNING = 8_192
"""Bytes that are kept of a row that is too long."""
DENSEST, SLACK = 100, 1_000_000
"""Unpacked bytes may be so many times those sent, and so many more: a body of rows never packs better."""
PIECE = 262_144
"""Bytes unpacked at once."""
GRACE = 20.0
SLOWEST = 1_000
"""A sender may keep us waiting for 20 seconds, and one more for every 1,000 bytes sent."""
BOM = b"\xef\xbb\xbf"

Numbered = tuple[int, object]
"""A row with its line, or its place in the array, from 1."""
Pieces = AsyncIterator[bytes]


class Unreadable(Exception):
    """A body that is not taken, or not taken any further: the status to answer, a code and a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class CutShort(Exception):
    """A packed body ends before its packing does."""


class Lines:
    """Bytes to rows by line: the same rows however the bytes are cut into pieces. Blank lines are no rows."""

    def __init__(self) -> None:
        self._line = 1
        self._rest = b""
        self._is_too_long = False

    def feed(self, piece: bytes) -> list[Numbered]:
        """The rows that end in this piece."""
        *ended, rest = (self._rest + piece).split(b"\n")
        is_plain = self._line > 1 and not self._is_too_long and max(map(len, ended), default=0) <= LONGEST_LINE
        rows = self._plain(ended) if is_plain else [row for line in ended for row in self._ended(line)]
        if self._is_too_long or len(rest) > LONGEST_LINE:
            self._is_too_long, rest = True, rest[: len(BOM) + BEGINNING]
        self._rest = rest
        return rows

    def end(self, *, is_cut_short: bool = False) -> list[Numbered]:
        """The row after the last line end, if there is one; a body that is cut short always has one."""
        if is_cut_short:
            sentence = "The body ends in the middle: this row and all that follow are missing."
            return [(self._line, Broken(beginning=self._rest, code=Fault.CUT_SHORT, message=sentence))]
        return self._ended(self._rest)

    def _plain(self, ended: list[bytes]) -> list[Numbered]:
        """Lines of which none is the first or too long: nearly all, so they are not asked one by one."""
        first, self._line = self._line, self._line + len(ended)
        return [(number, line) for number, line in enumerate(ended, first) if line and not line.isspace()]

    def _ended(self, line: bytes) -> list[Numbered]:
        number, self._line = self._line, self._line + 1
        is_too_long = self._is_too_long or len(line) > LONGEST_LINE  # with the mark at the beginning, as it was sent
        if number == 1:
            line = line.removeprefix(BOM)
        if is_too_long:
            self._is_too_long = False
            sentence = f"The row is longer than {LONGEST_LINE:,} bytes."
            return [(number, Broken(beginning=line[:BEGINNING], code=Fault.TOO_LONG, message=sentence))]
        return [] if not line or line.isspace() else [(number, line)]


async def line_chunks(pieces: Pieces) -> AsyncIterator[list[Numbered]]:
    """The rows of a body of lines (NDJSON), a chunk at a time."""
    lines, rows, size, is_cut_short = Lines(), list[Numbered](), 0, False
    try:
        async for piece in pieces:
            rows += lines.feed(piece)
            size += len(piece)
            while len(rows) >= CHUNK_ROWS or (rows and size >= CHUNK_BYTES):
                yield rows[:CHUNK_ROWS]
                rows, size = rows[CHUNK_ROWS:], 0
    except CutShort:
        is_cut_short = True
    rows += lines.end(is_cut_short=is_cut_short)
    for place in range(0, len(rows), CHUNK_ROWS):
        yield rows[place : place + CHUNK_ROWS]


Elements = msgspec.json.Decoder(Annotated[list[msgspec.Raw], msgspec.Meta(max_length=ARRAY_ROWS)])


async def array_chunks(pieces: Pieces) -> AsyncIterator[list[Numbered]]:
    """The rows of a body that is one JSON array. Raises Unreadable when it is none."""
    body = bytearray()
    try:
        async for piece in pieces:
            body += piece
            if len(body) > LARGEST_ARRAY:
                raise _array_too_large(f"{LARGEST_ARRAY:,} bytes")
        rows: list[Numbered] = [(place, bytes(row)) for place, row in enumerate(Elements.decode(body), start=1)]
    except msgspec.ValidationError:
        if body.lstrip()[:1] == b"[":  # an array, whose elements may be anything: there are too many
            raise _array_too_large(f"{ARRAY_ROWS:,} rows") from None
        raise Unreadable(400, "BAD_REQUEST", "The body is not a JSON array.") from None
    except (CutShort, ValueError, RecursionError):
        raise Unreadable(400, "BAD_REQUEST", "The body is not a JSON array.") from None
    for place in range(0, len(rows), CHUNK_ROWS):
        yield rows[place : place + CHUNK_ROWS]


def _array_too_large(most: str) -> Unreadable:
    sentence = (
        f"A JSON array has at most {most}; send more as application/x-ndjson, a row a line and no commas between."
    )
    return Unreadable(413, "PAYLOAD_TOO_LARGE", sentence)


async def whole(pieces: Pieces, most: int) -> bytes:
    """A body that is read whole before anything of it is. Raises Unreadable when it is too large, or cut short."""
    body = bytearray()
    try:
        async for piece in pieces:
            body += piece
            if len(body) > most:
                sentence = f"A body has at most {most:,} bytes here, also when it is unpacked."
                raise Unreadable(413, "PAYLOAD_TOO_LARGE", sentence)
    except CutShort:
        raise Unreadable(400, "BAD_REQUEST", "The body ends before its packing does.") from None
    return bytes(body)


async def received(stream: Pieces) -> Pieces:
    """What is sent, as long as it is not too much and not too slow. Raises Unreadable."""
    seen, waited = 0, 0.0
    while True:
        began = monotonic()
        try:
            async with asyncio.timeout(GRACE + seen / SLOWEST - waited):
                piece = await anext(stream, None)
        except TimeoutError:
            raise Unreadable(408, "TOO_SLOW", "The body came too slowly; what it lacks can be sent again.") from None
        if piece is None:
            return
        waited += monotonic() - began
        seen += len(piece)
        if seen > LARGEST_BODY:
            raise too_large()
        yield piece


async def unpacked(pieces: Pieces) -> Pieces:
    """What was packed by gzip. Raises Unreadable when it is not gzip or unpacks to too much, CutShort at the end."""
    seen = made = 0
    inflate = zlib.decompressobj(wbits=31)
    async for packed in pieces:
        seen, rest = seen + len(packed), packed
        while rest:
            if inflate.eof:  # one packed body may follow another
                inflate = zlib.decompressobj(wbits=31)
            try:
                piece = inflate.decompress(rest, PIECE)
            except zlib.error:
                raise Unreadable(400, "BAD_REQUEST", "The body is not gzip.") from None
            rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            made += len(piece)
            if made > min(LARGEST_BODY, DENSEST * seen + SLACK):
                raise too_large()
            yield piece
            await asyncio.sleep(0)  # a small packed piece may be a lot of work: let others in between
    if not inflate.eof:
        yield inflate.flush()
        raise CutShort


def too_large() -> Unreadable:
    """A body over the limit."""
    sentence = f"A body has at most {LARGEST_BODY:,} bytes, and gzip at most {DENSEST} times what is sent."
    return Unreadable(413, "PAYLOAD_TOO_LARGE", sentence)

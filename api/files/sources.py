"""Where bytes come from: a file, plain or gzip, or standard input; with a count for a progress bar."""

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase, BufferedReader, RawIOBase
from pathlib import Path
from typing import BinaryIO, Literal, cast

from api.files.errors import SourceError

CHUNK = 131_072
"""Bytes of text that are read and split at a time."""
GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """A file that has no path: its bytes, which can be sought in, and the name its kind is known by."""

    name: str
    file: BinaryIO
    size: int


Place = Path | Spooled | Literal["-"]


class Counted(RawIOBase):
    """A stream that counts what is read from it."""

    def __init__(self, stream: BufferedIOBase) -> None:
        self._stream = stream
        self.count = 0

    def readable(self) -> bool:
        """Always: it is for reading."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed's Buffer is 3.12's
        """Read once, what is there; a pipe need not fill the buffer."""
        read = self._stream.readinto1(buffer)
        self.count += read
        return read


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An open file: its bytes, unpacked, and how much of it was read. `size` is None when it cannot be known."""

    stream: BufferedIOBase
    counted: Counted
    size: int | None

    def chunks(self) -> Iterator[bytes]:
        """The unpacked bytes in chunks of CHUNK; what could be read before a break comes before the error."""
        gathered = bytearray()
        try:
            while piece := self.stream.read1(CHUNK):
                gathered += piece
                if len(gathered) >= CHUNK:
                    yield bytes(gathered)
                    gathered.clear()
        except (OSError, EOFError, zlib.error):
            yield bytes(gathered)
            raise
        yield bytes(gathered)


@contextmanager
def opened(place: Place) -> Iterator[Source]:
    """A file or `-` for standard input, gzip recognised by its first bytes. Raises SourceError when there is none."""
    if place == "-":
        yield _source(sys.stdin.buffer, None)
        return
    if isinstance(place, Spooled):
        yield _source(place.file, place.size)
        return
    with _open(place) as file:
        yield _source(file, place.stat().st_size)


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise SourceError(f"There is no file {path}.") from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from None


def _source(file: BinaryIO, size: int | None) -> Source:
    counted = Counted(cast("BufferedIOBase", file))
    plain = BufferedReader(counted, CHUNK)
    packed = plain.peek(len(GZIP)).startswith(GZIP)
    stream = cast("BufferedIOBase", gzip.GzipFile(fileobj=plain)) if packed else plain
    return Source(stream=stream, counted=counted, size=size)

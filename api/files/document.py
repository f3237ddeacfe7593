"""A mapping as a TOML file: its sections and what each may hold.

    timezone = "Europe/Berlin"       # of times that say none; UTC when left out
    time_format = "epoch"            # iso (when left out), epoch or epoch-ms
    delimiter = ";"                  # guessed from the header when left out
    [map]                            # field = column
    [set]                            # field = one value for all rows
    [variants]                       # cell = variant key
    [attributes]                     # attribute = column, or { column = ..., type = "text" | "number" | "flag" }
    [[events]]                       # a column of a wide table that tells of an event: see EventEntry

docs/examples holds two such files with comments.
"""

import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from api.files.errors import MappingError

ValueType = Literal["typed", "text", "number", "flag"]


class AttributeEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column as an attribute; `typed` leaves the cell as the file has it, which is text in a CSV file."""

    column: str
    type: ValueType = "typed"


class EventEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"reading": "as"}):
    """A column that tells of an event: `flag` makes one when the cell is true, `value` one with the cell's number.

    `offset` is the time from the exposure to the event. A value of 0 makes no event unless `zero` is "keep".
    """

    column: str
    event: str
    offset: str
    reading: Literal["flag", "value"] = "flag"
    zero: Literal["skip", "keep"] = "skip"


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mapping file as it is written; what it means is settled in `mapping.py`."""

    map: dict[str, str] = {}
    set: dict[str, Any] = {}
    variants: dict[str, str] = {}
    attributes: dict[str, str | AttributeEntry] = {}
    events: list[EventEntry] = []
    timezone: str | None = None
    time_format: str | None = None
    delimiter: str | None = None


def load(path: Path) -> Document:
    """The mapping file at a path. Raises MappingError when it is absent, no TOML, or holds what no mapping has."""
    try:
        return parse(path.read_text("utf-8"), f"The mapping file {path}")
    except OSError as error:
        raise MappingError(f"The mapping file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise MappingError(f"The mapping file {path} is not UTF-8.") from None


def parse(text: str, name: str = "The mapping") -> Document:
    """A mapping as it is written. Raises MappingError when it is no TOML, or holds what no mapping has."""
    try:
        return msgspec.convert(tomllib.loads(text), Document)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"{name} is not TOML: {error}.") from None
    except msgspec.ValidationError as error:
        raise MappingError(f"{name} does not fit: {error}.") from None

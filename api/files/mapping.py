"""What a file's columns mean: from cells to the fields of a wire row.

A mapping comes from a small TOML file (`document.py`), from the command line, or from both; the command line wins.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

from api.files import document, times
from api.files.cells import count, number, text
from api.files.document import AttributeEntry, Document, EventEntry, ValueType
from api.files.errors import CellError, MappingError
from api.files.suggestions import did_you_mean, listed
from api.files.times import Clock

Kind = Literal["exposures", "outcomes", "aggregates", "memberships", "traits"]

LINE = "#line"
"""As the column of the unit: the number of the row's line, for a table that has no column of units."""
FIELDS: ReadOnly[Kind, tuple[str, ...]] = {
    "exposures": ("experiment", "unit", "variant", "exposedAt"),
    "outcomes": ("unit", "event", "occurredAt", "value", "eventId"),
    "memberships": ("member", "sinceAt", "account"),
    "traits": ("unit", "name", "value", "sinceAt"),
    "aggregates": (
        *("experiment", "variant", "enteredOn", "kpi", "segment", "n", "crossovers", "mean", "m2"),
        *("standardDeviation", "successes", "day", "events", "losses"),
        *("meanX", "m2X", "standardDeviationX", "cXy", "missing"),
    ),
}
WIDE = ("unit", "exposedAt")
"""What a wide table needs to become outcomes; the rest is in its events."""
TIMES = frozenset({"exposedAt", "occurredAt", "sinceAt"})
NUMBERS = frozenset({"value", "mean", "m2", "standardDeviation", "meanX", "m2X", "standardDeviationX", "cXy"})
COUNTS = frozenset({"n", "crossovers", "successes", "day", "events", "losses", "missing"})
SNAKE = {
    "exposedAt": "exposed_at",
    "occurredAt": "occurred_at",
    "eventId": "event_id",
    "sinceAt": "since_at",
    "enteredOn": "entered_on",
    "standardDeviation": "standard_deviation",
    "meanX": "mean_x",
    "m2X": "m2_x",
    "standardDeviationX": "standard_deviation_x",
    "cXy": "c_xy",
}
"""Fields may be written either way, on the command line, in a mapping file and in a header."""

_WIRE = {name: name for names in FIELDS.values() for name in names} | {snake: camel for camel, snake in SNAKE.items()}
_TYPES: tuple[ValueType, ...] = ("text", "number", "flag")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A field's value is the row's cell in this column."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A field has this value in every row."""

    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """A column that says something about the unit."""

    name: str
    column: str
    type: ValueType


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A column of a wide table that makes an outcome, `offset` after the unit's exposure."""

    column: str
    event: str
    offset: timedelta
    is_value: bool
    keeps_zero: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """How the cells of one file become wire rows. A field that is not in `fields` is a column of its own name."""

    kind: Kind
    fields: ReadOnly[str, Column | Constant] = field(default_factory=dict)
    variants: ReadOnly[str, str] = field(default_factory=dict)
    attributes: tuple[Attribute, ...] = ()
    events: tuple[Event, ...] = ()
    clock: Clock = field(default_factory=Clock)
    delimiter: str | None = None

    @property
    def needed(self) -> tuple[str, ...]:
        """Fields that come from the row itself."""
        return WIDE if self.is_wide else FIELDS[self.kind]

    @property
    def is_wide(self) -> bool:
        """One row a unit, with a column for each kind of event."""
        return self.kind == "outcomes" and bool(self.events)

    @classmethod
    def load(
        cls,
        *,
        kind: Kind,
        path: Path | None = None,
        text: str | None = None,
        maps: Sequence[str] = (),
        sets: Sequence[str] = (),
        attributes: Sequence[str] = (),
        timezone: str | None = None,
        time_format: str | None = None,
        delimiter: str | None = None,
    ) -> Self:
        """A mapping from a file (or its text) and from `field=column`, `field=value`, `attribute=column[:type]`.

        The same file and options serve all kinds: what a kind does not need is left aside. Raises MappingError.
        """
        written = document.load(path) if path else document.parse(text) if text else Document()
        zone, form = timezone or written.timezone, time_format or written.time_format
        clock = Clock(timezone=times.zone(zone), format=times.time_format(form))
        said = _attributes(written.attributes) | _attributes(_pairs(attributes, "--attribute"))
        return cls(
            kind=kind,
            fields=_fields(kind, written.map, written.set, clock)
            | _fields(kind, _pairs(maps, "--map"), _pairs(sets, "--set"), clock),
            variants=written.variants,
            attributes=tuple(said.values()),
            events=tuple(map(_event, written.events)),
            clock=clock,
            delimiter=_delimiter(delimiter or written.delimiter),
        )


def _pairs(options: Iterable[str], name: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for option in options:
        left, sign, right = (part.strip() for part in option.partition("="))
        if not (left and sign and right):
            raise MappingError(f"{name} {option!r}: write it as name=value.")
        if left in pairs:
            raise MappingError(f"{name} names {left!r} twice.")
        pairs[left] = right
    return pairs


def _fields(
    kind: Kind, columns: ReadOnly[str, str], constants: ReadOnly[str, Any], clock: Clock
) -> dict[str, Column | Constant]:
    fields: dict[str, Column | Constant] = {}
    for name, column in columns.items():
        fields[_unused(name, fields)] = _column(name, column)
    for name, value in constants.items():
        wire = _unused(name, fields)
        fields[wire] = Constant(value=_constant(kind, wire, value, clock))
    return fields


def _unused(name: str, fields: ReadOnly[str, object]) -> str:
    wire = _WIRE.get(name)
    if wire is None:
        known = listed(sorted(set(_WIRE.values())))
        raise MappingError(f"There is no field {name!r}; fields are {known}.{did_you_mean(name, _WIRE)}")
    if wire in fields:
        raise MappingError(f"{name} is given twice: as two columns, or as a column and a value.")
    return wire


def _column(name: str, column: str) -> Column:
    if column == LINE and name != "unit":
        raise MappingError(f"{name} = {LINE!r}: only the unit can be the number of the line.")
    return Column(name=column.strip())


def _constant(kind: Kind, field: str, value: Any, clock: Clock) -> Any:
    """The value of a field for all rows, read now: better no import than one in which every row fails."""
    try:
        if field in TIMES:
            return replace(clock, format=times.TimeFormat.ISO).read(value, field)
        if field == "enteredOn":
            return times.day(value, field)
        if field in COUNTS:
            return count(value, field)
        is_word = field not in NUMBERS or (kind == "traits" and field == "value")
        return _word(field, value) if is_word else number(value, field)
    except CellError as error:
        raise MappingError(f"The value set for {error}") from None


def _word(field: str, value: Any) -> str:
    word = text(value)
    if isinstance(word, str) and word:
        return word
    raise MappingError(f"The value set for {field} is {value!r}, which is no text.")


def _attributes(entries: ReadOnly[str, str | AttributeEntry]) -> dict[str, Attribute]:
    return {name: _attribute(name, entry) for name, entry in entries.items()}


def _attribute(name: str, entry: str | AttributeEntry) -> Attribute:
    if isinstance(entry, AttributeEntry):
        return Attribute(name=name, column=entry.column, type=entry.type)
    column, _, ending = entry.rpartition(":")
    for kind in _TYPES:
        if column and ending == kind:
            return Attribute(name=name, column=column, type=kind)
    return Attribute(name=name, column=entry, type="typed")


def _event(entry: EventEntry) -> Event:
    return Event(
        column=entry.column,
        event=entry.event,
        offset=times.span(entry.offset),
        is_value=entry.reading == "value",
        keeps_zero=entry.zero == "keep",
    )


def _delimiter(delimiter: str | None) -> str | None:
    if delimiter is None or (len(delimiter) == 1 and delimiter not in '"\r\n'):
        return delimiter
    raise MappingError(f"The delimiter {delimiter!r} is not one character, such as , or ; or a tab.")

"""Cells to wire rows: a mapping bound to the columns of one file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import blake2b
from typing import Any

from api.files.blocks import Block
from api.files.cells import count, filled, flag, if_any, is_empty, number, plain, text
from api.files.errors import CellError, MappingError
from api.files.mapping import COUNTS, FIELDS, LINE, NUMBERS, SNAKE, Attribute, Column, Constant, Event, Mapping
from api.files.rejects import Reject
from api.files.suggestions import did_you_mean, listed
from api.files.times import NO_TIME, day
from kpi.columns import Columns, joined
from kpi.ingest import Rows

Fields = dict[str, Sequence[Any]]
"""Wire rows by field: its values, one a row."""
Faults = dict[int, CellError]
"""What is wrong with a row of a block, by its index; the first fault counts."""
Reader = Callable[[Block, Faults], Sequence[Any]]
"""A field's values, one a row; where a cell cannot be read, a fault is noted and the value means nothing."""
Maker = Callable[[Block, Faults], tuple[Sequence[int], Fields]]
"""Wire rows, each with the index of the row of the block it was made of."""

OPTIONAL: dict[str, frozenset[str]] = {
    "exposures": frozenset(),
    "outcomes": frozenset({"value", "eventId"}),
    "memberships": frozenset({"account"}),
    "traits": frozenset({"sinceAt"}),
    "aggregates": frozenset(FIELDS["aggregates"][3:]),
}
"""Fields a table may lack. A trait's value is none of them: without its column, all that is known would end."""
USUAL = {
    "experiment": ("experiment_id", "experiment_key", "test", "flag"),
    "unit": ("user_id", "userid", "customer_id", "visitor_id", "account_id", "device_id", "id"),
    "variant": ("variation", "version", "group", "arm", "bucket", "segment", "treatment"),
    "exposedAt": ("exposure_time", "timestamp", "assigned_at", "ts", "time", "date"),
    "event": ("event_name", "name", "action"),
    "occurredAt": ("event_time", "timestamp", "created_at", "ts", "time", "date"),
    "enteredOn": ("entry_date", "exposure_date", "exposed_on", "cohort", "date", "ds"),
}
"""What tables often call a field; only ever a suggestion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What to make of each row: one wire row of a long table, one for each event of a wide one."""

    makers: tuple[Maker, ...]
    used: frozenset[str]

    def make(self, block: Block) -> tuple[list[int], Rows, list[Reject]]:
        """The wire rows of a block with their lines, in the order of lines, and the rows that cannot be read."""
        if not block.lines:
            return [], (), []
        made = [_made(maker, block) for maker in self.makers]
        lines = [line for some, _, _ in made for line in some]
        rows = joined([some for _, some, _ in made])
        if len(made) > 1:
            order = sorted(range(len(lines)), key=lines.__getitem__)
            lines, rows = [lines[place] for place in order], rows.at(order)
        return lines, rows, list(dict.fromkeys(reject for _, _, rejects in made for reject in rejects))


def _made(maker: Maker, block: Block) -> tuple[list[int], Columns, list[Reject]]:
    faults: Faults = {}
    indexes, fields = maker(block, faults)
    rows = Columns(fields=fields)
    if faults:
        whole = [place for place, index in enumerate(indexes) if index not in faults]
        indexes, rows = [indexes[place] for place in whole], rows.at(whole)
    rejects = [block.reject(row, fault.code, str(fault), fault.path) for row, fault in faults.items()]
    return [block.lines[index] for index in indexes], rows, rejects


def shape(mapping: Mapping, columns: Sequence[str]) -> Shape:
    """A mapping bound to the columns of a file. Raises MappingError when the file lacks one."""
    binding = _Binding(mapping, columns)
    if mapping.is_wide:
        makers = tuple(_wide_outcomes(binding, event) for event in mapping.events)
    else:
        makers = (LONG[mapping.kind](binding),)
    return Shape(makers=makers, used=frozenset(binding.used))


def event_id(unit: str, event: str, column: str) -> str:
    """The id of an outcome out of a wide table: the same whenever the table is imported again."""
    return blake2b(f"{unit}\0{event}\0{column}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class _Binding:
    """Fields and attributes as functions of a row's cells; remembers which columns were used."""

    def __init__(self, mapping: Mapping, columns: Sequence[str]) -> None:
        self.mapping, self.columns = mapping, columns
        self.used: set[str] = set()
        optional = OPTIONAL[mapping.kind]
        missing = [name for name in mapping.needed if name not in optional and self._origin(name) is None]
        if missing:
            raise MappingError(_missing_fields(missing, columns))

    def words(self, field: str) -> Reader:
        """A field that holds a name."""
        if self._origin(field) == Column(name=LINE):
            return lambda block, _: list(map(str, block.lines))
        return self.reader(field, text)

    def variants(self) -> Reader:
        """Variants by their keys, where the mapping translates what the file calls them."""
        keys, words = self.mapping.variants, self.words("variant")
        if not keys:
            return words
        return lambda block, faults: [keys.get(str(word), word) for word in words(block, faults)]

    def times(self, field: str, offset: timedelta = NO_TIME, *, may_lack: bool = False) -> Reader:
        """A field that holds a moment, aware and in UTC, moved by an offset; None for an empty cell that may be."""
        clock, origin = self.mapping.clock, self._origin(field)
        read = partial(clock.read, offset=offset)
        one_by_one = self.reader(field, if_any(read, field) if may_lack else partial(read, path=field))
        if not isinstance(origin, Column):
            return one_by_one
        place = self.columns.index(origin.name)
        return lambda block, faults: clock.read_all(block.columns[place], offset) or one_by_one(block, faults)

    def options(self, field: str) -> Reader:
        """A field that may be missing: None where the file has no such column, or the cell is empty."""
        if field in COUNTS or (field in NUMBERS and self.mapping.kind == "aggregates"):
            return self.reader(field, if_any(count if field in COUNTS else number, field))
        read = self.reader(field, _same if field == "value" else text)
        return lambda block, faults: filled(read(block, faults))

    def cells(self, name: str, asker: str, convert: Callable[[Any], Any]) -> Reader:
        """A column by its name, each cell converted. Raises MappingError when it is absent, or there twice."""
        place = self._place(name, asker)
        return lambda block, faults: _each(convert, block.columns[place], faults)

    def attributes(self) -> Reader:
        """All attributes of each row; an empty cell is no attribute."""
        items = self.mapping.attributes
        names = [item.name for item in items]
        readers = [self.cells(item.column, f"attribute {item.name}", _attribute(item)) for item in items]
        if not readers:
            return lambda block, _: [{} for _ in block.lines]
        return lambda block, faults: [
            {name: value for name, value in zip(names, values, strict=True) if value is not None}
            for values in zip(*(filled(read(block, faults)) for read in readers), strict=True)
        ]

    def _place(self, name: str, asker: str) -> int:
        """Where a column stands. Raises MappingError when it is absent, or there twice."""
        if self.columns.count(name) == 1:
            self.used.add(name)
            return self.columns.index(name)
        if name in self.columns:
            raise MappingError(f"{asker}: the file has {self.columns.count(name)} columns named {name!r}; rename one.")
        near = did_you_mean(name, self.columns)
        raise MappingError(f"{asker}: the file has no column {name!r}.{near} Its columns are {listed(self.columns)}.")

    def _origin(self, field: str) -> Column | Constant | None:
        own = (Column(name=name) for name in (field, SNAKE.get(field, "")) if name in self.columns)
        return self.mapping.fields.get(field) or next(own, None)

    def reader(self, field: str, convert: Callable[[Any], Any]) -> Reader:
        """A field, its cells converted."""
        origin = self._origin(field)
        if isinstance(origin, Column):
            return self.cells(origin.name, SNAKE.get(field, field), convert)
        value = _constant(origin, convert) if origin else None
        return lambda block, _: [value] * len(block.lines)


def _long(**readers: Reader) -> Maker:
    """A wire row for each row of a block."""
    return lambda block, faults: (
        range(len(block.lines)),
        {name: read(block, faults) for name, read in readers.items()},
    )


def _exposures(binding: _Binding) -> Maker:
    return _long(
        experiment=binding.words("experiment"),
        unit=binding.words("unit"),
        variant=binding.variants(),
        exposedAt=binding.times("exposedAt"),
        attributes=binding.attributes(),
    )


def _outcomes(binding: _Binding) -> Maker:
    return _long(
        unit=binding.words("unit"),
        event=binding.words("event"),
        occurredAt=binding.times("occurredAt"),
        value=binding.options("value"),
        eventId=binding.options("eventId"),
    )


def _aggregates(binding: _Binding) -> Maker:
    return _long(
        experiment=binding.words("experiment"),
        variant=binding.variants(),
        enteredOn=binding.reader("enteredOn", partial(day, path="entered_on")),
        **{name: binding.options(name) for name in FIELDS["aggregates"][3:]},
    )


def _memberships(binding: _Binding) -> Maker:
    return _long(member=binding.words("member"), sinceAt=binding.times("sinceAt"), account=binding.options("account"))


def _traits(binding: _Binding) -> Maker:
    return _long(
        unit=binding.words("unit"),
        name=binding.words("name"),
        value=binding.reader("value", if_any(lambda cell, _: plain(cell), "value")),
        sinceAt=binding.times("sinceAt", may_lack=True),
    )


LONG: dict[str, Callable[[_Binding], Maker]] = {
    "exposures": _exposures,
    "outcomes": _outcomes,
    "aggregates": _aggregates,
    "memberships": _memberships,
    "traits": _traits,
}


def _wide_outcomes(binding: _Binding, event: Event) -> Maker:
    units, times = binding.words("unit"), binding.times("exposedAt", event.offset)
    tell = _amount if event.is_value else _happened
    told = binding.cells(event.column, f"event {event.event}", partial(tell, event))

    def make(block: Block, faults: Faults) -> tuple[Sequence[int], Fields]:
        rows = zip(units(block, faults), times(block, faults), told(block, faults), strict=True)
        happened = [(index, unit, at, one.value) for index, (unit, at, one) in enumerate(rows) if one]
        fields: Fields = {
            "unit": [unit for _, unit, _, _ in happened],
            "event": [event.event] * len(happened),
            "occurredAt": [at for _, _, at, _ in happened],
            "value": [value for _, _, _, value in happened],
            "eventId": [event_id(str(unit), event.event, event.column) for _, unit, _, _ in happened],
        }
        return [index for index, _, _, _ in happened], fields

    return make


def _happened(event: Event, cell: Any) -> Constant | None:
    return Constant(value=None) if flag(cell, event.column) else None


def _amount(event: Event, cell: Any) -> Constant | None:
    value = 0.0 if is_empty(cell) else number(cell, event.column)
    return Constant(value=value) if value or (event.keeps_zero and not is_empty(cell)) else None


def _attribute(item: Attribute) -> Callable[[Any], Any]:
    if item.type in ("typed", "text"):
        return text if item.type == "text" else plain
    read = partial(number if item.type == "number" else flag, path=f"attributes.{item.name}")
    return lambda cell: None if is_empty(cell) else read(cell)


def _constant(origin: Constant, convert: Callable[[Any], Any]) -> Any:
    try:
        return convert(origin.value)
    except CellError as error:
        raise MappingError(f"The value set for {error}") from None


def _each(convert: Callable[[Any], Any], cells: Sequence[Any], faults: Faults) -> Sequence[Any]:
    if convert is _same or (convert in (text, plain) and set(map(type, cells)) <= {str}):
        return cells  # text already: by far the most columns
    try:
        return list(map(convert, cells))
    except CellError:
        return [_or_fault(convert, cell, row, faults) for row, cell in enumerate(cells)]


def _or_fault(convert: Callable[[Any], Any], cell: Any, row: int, faults: Faults) -> Any:
    try:
        return convert(cell)
    except CellError as error:
        faults.setdefault(row, error)
        return None


def _same(cell: Any) -> Any:
    return cell


def _missing_fields(missing: Sequence[str], columns: Sequence[str]) -> str:
    names = [SNAKE.get(field, field) for field in missing]
    likely = [f"--map {SNAKE.get(field, field)}={near}" for field in missing if (near := _likely(field, columns))]
    meant = f" Did you mean {' '.join(likely)}?" if likely else ""
    return (
        f"The file has no column for {listed(names)}: name it with --map FIELD=COLUMN, or one value for all rows with "
        f"--set FIELD=VALUE.{meant} Its columns are {listed(columns)}."
    )


def _likely(field: str, columns: Sequence[str]) -> str | None:
    wanted = (field, SNAKE.get(field, field), *USUAL.get(field, ()))
    plain_names = {name.lower().replace("_", ""): name for name in columns}
    return next((plain_names[key] for name in wanted if (key := name.lower().replace("_", "")) in plain_names), None)

"""The order of a list, and where a row stands in it: its key in that order and its id, which no two rows share.

Pages are cut by place and not by counting, so a page stays right while rows are added. Rows without a key, such as
experiments that have not started, come last in either direction. Texts go by their small letters, code point by code
point, whatever order of letters the database was made with; words that are told as values, such as how much an alert
matters, go in the order they are listed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from types import GenericAlias
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa
import strawberry
from sqlmodel import and_, col, func, or_

from kpi.ingest import is_text

F = TypeVar("F")
FIRST_TIME, LAST_TIME = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
LARGEST_ID = 999_999_999
Key = datetime | date | str | float | None
FORMS: dict[type, Any] = {datetime: Annotated[datetime, msgspec.Meta(tz=True)], Enum: int}
"""How a key of a type is written in a cursor; others as they are."""


@strawberry.enum(name="OrderDirection", description="Which way an order goes.")
class Direction(Enum):
    """Which way an order goes."""

    ASC = "ASC"
    DESC = "DESC"


@strawberry.input(description="What a list is ordered by, and which way.")
class Order(Generic[F]):
    """What a list is ordered by: a field that is named for a column, and which way."""

    field: F = strawberry.field(description="The field it is ordered by.")
    direction: Direction = strawberry.field(description="The way the order goes.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a row stands: its key in an order, and its id."""

    key: Key
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """An order of a table's rows, by a column and then by id; by `id` alone where that is the column."""

    name: str
    table: Any
    column: str
    direction: Direction = Direction.DESC

    @property
    def _label(self) -> str:
        return f"{self.name}.{self.direction.value}"

    @property
    def _stored(self) -> Any:
        """The column, as the table has it."""
        return sa.inspect(self.table).columns[self.column]

    @property
    def _type(self) -> type:
        kind = self._stored.type
        kind = kind.impl_instance if isinstance(kind, sa.TypeDecorator) else kind  # the text of SQLModel
        found: type = Enum if isinstance(kind, sa.Enum) else kind.python_type
        return found

    def packed(self, row: Any) -> str:
        """A row's place in this order, as text that only this order reads."""
        key = None if self.column == "id" else getattr(row, self.column)
        ranked = [*type(key)].index(key) if isinstance(key, Enum) else key
        return msgspec.json.encode((self._label, ranked, row.id)).decode()

    @property
    def _form(self) -> Any:
        """How a place is written in a cursor."""
        if self.column == "id":
            return tuple[str, None, int]
        key: Any = FORMS.get(self._type, self._type)
        return GenericAlias(tuple, (str, key | None if self._stored.nullable else key, int))

    def unpacked(self, text: str) -> Place | None:
        """The place that a text says; None for a text of another order, or of none."""
        try:
            label, key, identity = msgspec.json.decode(text, type=self._form)
        except (msgspec.DecodeError, UnicodeError):
            return None
        is_right = label == self._label and 0 <= identity <= LARGEST_ID and _is_storable(key)
        return Place(key=key, id=identity) if is_right else None

    def beyond(self, place: Place, *, backwards: bool = False) -> Any:
        """The condition that a row comes after a place; before it, if backwards."""
        rises = self._rises(backwards=backwards)
        identity = col(self.table.id)
        further = identity > place.id if rises else identity < place.id
        if self.column == "id":
            return further
        key, own = self._key(), self._own(place.key)
        if not self._stored.nullable:  # as one comparison, which an index answers
            here, there = sa.tuple_(key, identity), sa.tuple_(own, sa.literal(place.id))
            return here > there if rises else here < there
        if place.key is None:
            alike = and_(key.is_(None), further)
            return or_(key.is_not(None), alike) if backwards else alike
        found = [key > own if rises else key < own, and_(key == own, further)]
        return or_(*found, *([] if backwards else [key.is_(None)]))

    def terms(self, *, backwards: bool = False) -> Sequence[Any]:
        """What rows are sorted by. Where no key is lacking nothing is said of it, so that an index may serve."""
        rises = self._rises(backwards=backwards)
        last = col(self.table.id).asc() if rises else col(self.table.id).desc()
        if self.column == "id":
            return [last]
        key = self._key().asc() if rises else self._key().desc()
        if not self._stored.nullable:
            return [key, last]
        return [key.nulls_first() if backwards else key.nulls_last(), last]

    def _key(self) -> Any:
        key = col(getattr(self.table, self.column))
        if self._type is Enum:
            return sa.case(*((key == one, place) for place, one in enumerate(self._stored.type.enum_class)))
        return func.lower(key).collate("C") if self._type is str else key

    def _own(self, key: Key) -> Any:
        """The key of a place, as what keys of rows are held against."""
        if self._type is str:
            return func.lower(key).collate("C")
        return sa.literal(key, sa.Integer() if self._type is Enum else self._stored.type)

    def _rises(self, *, backwards: bool) -> bool:
        return (self.direction is Direction.ASC) is not backwards


def _is_storable(key: Key) -> bool:
    if isinstance(key, datetime):
        return FIRST_TIME <= key <= LAST_TIME
    if isinstance(key, str):
        return is_text(key)
    return not isinstance(key, int) or abs(key) <= LARGEST_ID

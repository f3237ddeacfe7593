"""The order of a list, and where a row stands in it: its key in that order and its id, which no two rows share.

Pages are cut by place and not by counting, so a page stays right while rows are added. Rows without a key, such as
experiments that have not started, come last in either direction. Texts go by their small letters, code point by code
point, whatever order of letters the database was made with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any

import msgspec
from sqlmodel import and_, col, func, or_

from kpi.ingest import is_text

FIRST_TIME, LAST_TIME = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
LARGEST_ID = 999_999_999
Key = datetime | str | None
Aware = Annotated[datetime, msgspec.Meta(tz=True)]


class Direction(Enum):
    """Which way an order goes."""

    ASC = "ASC"
    DESC = "DESC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a row stands: its key in an order, and its id."""

    key: Key
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """An order of a list's rows, by a column and then by id; without a column by id alone."""

    name: str
    column: str | None = None
    direction: Direction = Direction.DESC
    is_text: bool = False

    @property
    def _label(self) -> str:
        return f"{self.name}.{self.direction.value}"

    def packed(self, row: Any) -> str:
        """A row's place in this order, as text that only this order reads."""
        key = None if self.column is None else getattr(row, self.column)
        return msgspec.json.encode((self._label, key, row.id)).decode()

    def unpacked(self, text: str) -> Place | None:
        """The place that a text says; None for a text of another order, or of none."""
        form = tuple[str, str | None, int] if self.is_text else tuple[str, Aware | None, int]
        try:
            label, key, identity = msgspec.json.decode(text, type=form)
        except (msgspec.DecodeError, UnicodeError):
            return None
        is_right = label == self._label and 0 <= identity <= LARGEST_ID and _is_storable(key)
        return Place(key=key, id=identity) if is_right else None

    def beyond(self, table: Any, place: Place, *, backwards: bool = False) -> Any:
        """The condition that a row comes after a place; before it, if backwards."""
        rises = self._rises(backwards=backwards)
        further = col(table.id) > place.id if rises else col(table.id) < place.id
        if self.column is None:
            return further
        key = self._key(table)
        if place.key is None:
            alike = and_(key.is_(None), further)
            return or_(key.is_not(None), alike) if backwards else alike
        own = func.lower(place.key).collate("C") if self.is_text else place.key
        found = [key > own if rises else key < own, and_(key == own, further)]
        return or_(*found, *([] if backwards else [key.is_(None)]))

    def terms(self, table: Any, *, backwards: bool = False) -> Sequence[Any]:
        """What rows are sorted by."""
        rises = self._rises(backwards=backwards)
        last = col(table.id).asc() if rises else col(table.id).desc()
        if self.column is None:
            return [last]
        key = self._key(table).asc() if rises else self._key(table).desc()
        return [key.nulls_first() if backwards else key.nulls_last(), last]

    def _key(self, table: Any) -> Any:
        key = col(getattr(table, self.column or "id"))
        return func.lower(key).collate("C") if self.is_text else key

    def _rises(self, *, backwards: bool) -> bool:
        return (self.direction is Direction.ASC) is not backwards


NEWEST = Ordering(name="NEWEST")
"""The order of lists that are asked for no other: as rows came, the newest first."""


def _is_storable(key: Key) -> bool:
    if isinstance(key, datetime):
        return FIRST_TIME <= key <= LAST_TIME
    return key is None or is_text(key)

"""What rows of a list meet, as a value that becomes a part of a statement: what asks the same is the same."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sqlmodel import and_, col, exists, false, or_, select, true

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "gte": lambda column, given: column >= given,
    "lt": lambda column, given: column < given,
    "one_of": lambda column, given: column.in_(given),
    "contains": lambda column, given: column.icontains(given, autoescape=True),
    "has": lambda column, given: or_(false(), *(column.contains([one]) for one in given)),
    "is": lambda column, given: column.is_(given),
}


class Condition(Protocol):
    """Something that rows meet or do not."""

    def on(self, table: Any) -> Any:
        """The same, of the rows of a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """The column of a name."""

    name: str

    def __call__(self, table: Any) -> Any:
        """That of a table."""
        return col(getattr(table, self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What of a row is compared, how and with what."""

    what: Callable[[Any], Any]
    how: str
    value: Any

    def on(self, table: Any) -> Any:
        """The same, of the rows of a table."""
        return COMPARISONS[self.how](self.what(table), self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Conditions that all hold; or of which one does."""

    parts: tuple[Condition, ...]
    is_any: bool = False

    def on(self, table: Any) -> Any:
        """The same, of the rows of a table."""
        found = [part.on(table) for part in self.parts]
        return or_(false(), *found) if self.is_any else and_(true(), *found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Belonging:
    """What the row of another table meets that a row belongs to."""

    table: Any
    column: str
    wanted: Condition

    def on(self, table: Any) -> Any:
        """The same, of the rows of a table."""
        theirs = self.table
        its = and_(theirs.id == getattr(table, self.column), theirs.workspace_id == table.workspace_id)
        return exists(select(theirs.id).where(its, self.wanted.on(theirs)))

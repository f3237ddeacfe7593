"""Which rows of a list are meant: comparators of columns, all of which hold, joined by `and` and `or` to a depth.

A filter is an input whose fields are named for the columns they ask for. How much one may ask for is counted before it
becomes a condition of the statement, for what is written in one line may take long to look up.
"""

from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from typing import Any, Generic, TypeVar

import strawberry
from sqlmodel import and_, col, false, or_, true

from api.graphql.nodes import bad_input, utc
from kpi.ingest import is_text

V = TypeVar("V")
MOST_NESTED = 3
"""Filters inside a filter."""
MOST_CONDITIONS = 20
"""Of a filter with all that is inside it; one inside it that asks for nothing counts as one."""
MOST_VALUES = 100
"""Of a list that a value may be one of."""
OF_FILTERS = ("and_", "or_")


@strawberry.input(description="What a text is compared with; all that is said holds.")
class StringComparator:
    """What a text is compared with."""

    eq: str | None = strawberry.field(description="It is this text, to the letter.", default=None)
    one_of: list[str] | None = strawberry.field(
        name="in", description=f"It is one of these, {MOST_VALUES} at most; of none, nothing is.", default=None
    )
    contains: str | None = strawberry.field(
        description="It has this text somewhere in it, in capitals or not; no character stands for another.",
        default=None,
    )


@strawberry.input(description="What a time is compared with; all that is said holds. No time is in no range.")
class DateTimeComparator:
    """What a time is compared with."""

    gte: datetime | None = strawberry.field(description="It is this time or later.", default=None)
    lt: datetime | None = strawberry.field(description="It is before this time.", default=None)


@strawberry.input(description="What a value is compared with; all that is said holds.")
class Comparator(Generic[V]):
    """What one of some values is compared with."""

    eq: V | None = strawberry.field(description="It is this one.", default=None)
    one_of: list[V] | None = strawberry.field(
        name="in", description=f"It is one of these, {MOST_VALUES} at most; of none, nothing is.", default=None
    )


def conditions(table: Any, asked: Any) -> list[Any]:
    """What a filter, or none, asks of the rows of a table. Raises bad input for one that asks for too much."""
    if asked is None:
        return []
    if _depth(asked) > MOST_NESTED:
        raise bad_input(f"Filters stand inside a filter at most {MOST_NESTED} deep.")
    if (n := _count(asked)) > MOST_CONDITIONS:
        raise bad_input(f"The filter has {n} conditions; {MOST_CONDITIONS} is the most.")
    return [_all_of(table, asked)]


def _said(asked: Any) -> Iterator[tuple[str, Any]]:
    """What an input says, by the name of each field."""
    values = ((field.name, getattr(asked, field.name)) for field in fields(asked))
    return ((name, value) for name, value in values if value is not None)


def _inside(asked: Any) -> list[Any]:
    return [one for name in OF_FILTERS for one in getattr(asked, name) or ()]


def _depth(asked: Any) -> int:
    return max((1 + _depth(one) for one in _inside(asked)), default=0)


def _count(asked: Any) -> int:
    own = (value for name, value in _said(asked) if name not in OF_FILTERS)
    here = sum(1 if isinstance(value, bool) else sum(1 for _ in _said(value)) for value in own)
    return here + sum(max(_count(one), 1) for one in _inside(asked))


def _all_of(table: Any, asked: Any) -> Any:
    return and_(true(), *(one for name, value in _said(asked) for one in _each(table, name, value)))


def _each(table: Any, name: str, value: Any) -> Iterator[Any]:
    """The conditions that one field of a filter comes to."""
    if name in OF_FILTERS:
        parts = [_all_of(table, one) for one in value]
        yield and_(true(), *parts) if name == "and_" else or_(false(), *parts)
    elif isinstance(value, bool):
        yield col(getattr(table, name)).is_(value)
    else:
        yield from (_compared(col(getattr(table, name)), how, given) for how, given in _said(value))


def _compared(column: Any, how: str, given: Any) -> Any:
    """One comparison; a text that Postgres cannot store is in no row."""
    if how == "gte":
        return column >= utc(how, given)
    if how == "lt":
        return column < utc(how, given)
    if how == "one_of":
        if len(given) > MOST_VALUES:
            raise bad_input(f"“in” has {len(given)} values; {MOST_VALUES} is the most.")
        return column.in_([one for one in given if _is_storable(one)])
    if not _is_storable(given):
        return false()
    return column == given if how == "eq" else column.icontains(given, autoescape=True)


def _is_storable(given: Any) -> bool:
    return not isinstance(given, str) or is_text(given)

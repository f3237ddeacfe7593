"""Which rows of a list are meant: comparators of columns, all of which hold, joined by `and` and `or` to a depth.

A filter is an input whose fields are named for the columns they ask for; `said` states what is meant otherwise, such as
the row of another noun that a row belongs to. How much one may ask for is counted before it becomes a condition of the
statement, for what is written in one line may take long to look up. What was asked is kept as a value, so that lists
below many objects that are asked for the same are read together.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import date, datetime
from typing import Any, Generic, TypeVar

import strawberry

from api.graphql.conditions import Belonging, Column, Compared, Condition, Joined
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
ALL_OF, ANY_OF = "Filters that all hold.", "Filters of which one holds at least; of none, none does."
ONE_OF = f"It is one of these, {MOST_VALUES} at most; of none, nothing is."


@strawberry.input(description="What a text is compared with; all that is said holds.")
class StringComparator:
    """What a text is compared with."""

    eq: str | None = strawberry.field(description="It is this text, to the letter.", default=None)
    one_of: list[str] | None = strawberry.field(name="in", description=ONE_OF, default=None)
    contains: str | None = strawberry.field(
        description="It has this text somewhere in it, in capitals or not; no character stands for another.",
        default=None,
    )


@strawberry.input(description="What a time is compared with; all that is said holds. No time is in no range.")
class DateTimeComparator:
    """What a time is compared with."""

    gte: datetime | None = strawberry.field(description="It is this time or later.", default=None)
    lt: datetime | None = strawberry.field(description="It is before this time.", default=None)


@strawberry.input(description="What a day is compared with; all that is said holds. No day is in no range.")
class DateComparator:
    """What a day is compared with."""

    gte: date | None = strawberry.field(description="It is this day or later.", default=None)
    lt: date | None = strawberry.field(description="It is before this day.", default=None)


@strawberry.input(description="What a value is compared with; all that is said holds.")
class Comparator(Generic[V]):
    """What one of some values is compared with."""

    eq: V | None = strawberry.field(description="It is this one.", default=None)
    one_of: list[V] | None = strawberry.field(name="in", description=ONE_OF, default=None)


@strawberry.input(description="What an object is compared with, by global ids; all that is said holds.")
class IdComparator:
    """What an object is compared with. An id that names nothing is nobody's."""

    eq: strawberry.ID | None = strawberry.field(description="It is this one.", default=None)
    one_of: list[strawberry.ID] | None = strawberry.field(name="in", description=ONE_OF, default=None)


@strawberry.input(description="What the texts of a list are compared with; all that is said holds of some of them.")
class ElementComparator:
    """What the texts of a list are compared with."""

    eq: str | None = strawberry.field(description="This text is among them, to the letter.", default=None)
    one_of: list[str] | None = strawberry.field(
        name="in", description=f"One of these is among them, {MOST_VALUES} at most; of none, nothing is.", default=None
    )


def said(
    description: str,
    *,
    by: Callable[[Any], Any] | None = None,
    read: Callable[[Any], Any] | None = None,
    of: tuple[Any, str] | None = None,
    name: str | None = None,
) -> Any:
    """A field of a filter, that is asked of the column of its own name.

    `by` says what of the table else, `read` how what is given is stored, None for what is in no row; and `of` the table
    of the noun that a filter in the filter is of, with the column that says which row.
    """
    meant = {"by": by, "read": read, "of": of}
    return strawberry.field(description=description, default=None, name=name, metadata=meant)


def wanted(asked: Any) -> Condition | None:
    """What a filter asks for; None where nothing is asked. Raises bad input for one that asks for too much."""
    if asked is None:
        return None
    if _depth(asked) > MOST_NESTED:
        raise bad_input(f"Filters stand inside a filter at most {MOST_NESTED} deep.")
    if (n := _count(asked)) > MOST_CONDITIONS:
        raise bad_input(f"The filter has {n} conditions; {MOST_CONDITIONS} is the most.")
    return _all_of(asked)


def _said(asked: Any) -> Iterator[tuple[Any, Any]]:
    """What an input says, by its fields."""
    values = ((field, getattr(asked, field.name)) for field in fields(asked))
    return ((field, value) for field, value in values if value is not None)


def _inside(asked: Any) -> list[Any]:
    """The filters inside a filter, those of other nouns among them."""
    joined = [one for name in OF_FILTERS for one in getattr(asked, name) or ()]
    return joined + [value for field, value in _said(asked) if field.metadata.get("of")]


def _depth(asked: Any) -> int:
    return max((1 + _depth(one) for one in _inside(asked)), default=0)


def _count(asked: Any) -> int:
    own = (value for field, value in _said(asked) if field.name not in OF_FILTERS and not field.metadata.get("of"))
    here = sum(1 if isinstance(value, bool) else sum(1 for _ in _said(value)) for value in own)
    return here + sum(max(_count(one), 1) for one in _inside(asked))


def _all_of(asked: Any) -> Condition:
    return Joined(parts=tuple(one for field, value in _said(asked) for one in _each(field, value)))


def _each(field: Any, value: Any) -> Iterator[Condition]:
    """The conditions that one field of a filter comes to."""
    if field.name in OF_FILTERS:
        yield Joined(parts=tuple(map(_all_of, value)), is_any=field.name == "or_")
    elif field.metadata["of"]:
        table, column = field.metadata["of"]
        yield Belonging(table=table, column=column, wanted=_all_of(value))
    else:
        what = field.metadata["by"] or Column(name=field.name)
        if isinstance(value, bool):
            yield Compared(what=what, how="is", value=value)
        else:
            read, is_list = field.metadata["read"] or _stored, isinstance(value, ElementComparator)
            yield from (_compared(what, how.name, given, read, is_list=is_list) for how, given in _said(value))


def _compared(
    what: Callable[[Any], Any], how: str, given: Any, read: Callable[[Any], Any], *, is_list: bool
) -> Condition:
    """One comparison; what is in no row, such as a text that Postgres cannot store, is left out of what one may be."""
    if how in ("eq", "one_of"):
        values = given if how == "one_of" else [given]
        if len(values) > MOST_VALUES:
            raise bad_input(f"“in” has {len(values)} values; {MOST_VALUES} is the most.")
        known = tuple(one for one in map(read, values) if one is not None)
        return Compared(what=what, how="has" if is_list else "one_of", value=known)
    if isinstance(given, datetime):
        return Compared(what=what, how=how, value=utc(how, given))
    return Compared(what=what, how=how, value=given) if _stored(given) is not None else Joined(parts=(), is_any=True)


def _stored(given: Any) -> Any:
    return None if isinstance(given, str) and not is_text(given) else given

"""Global ids and connections, after Relay's specifications.

A global id names the type and the row; a cursor is the place of the row it points at in the order of its list, so a
page stays right while rows are added before it. Lists are in order of creation, newest first, unless another is asked
for.
"""

import base64
import binascii
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

import strawberry
from graphql import GraphQLError
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry import Parent

from api.graphql.conditions import Condition
from api.graphql.orders import Ordering, Place
from kpi.errors import NotFound

T = TypeVar("T")
DEFAULT_PAGE = 20
LARGEST_PAGE = 100
FIRST_DAY, LAST_DAY = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)

First = Annotated[int | None, strawberry.argument(description="How many from the start, 0 to 100; 20 if not said.")]
After = Annotated[str | None, strawberry.argument(description="Only what comes after this cursor.")]
Last = Annotated[int | None, strawberry.argument(description="How many from the end, 0 to 100.")]
Before = Annotated[str | None, strawberry.argument(description="Only what comes before this cursor.")]


@strawberry.interface(description="Anything with an id that can be fetched again by it.")
class Node:
    """Anything with a global id."""

    @strawberry.field(description="The global, opaque id of the object.")
    def id(parent: Parent[Any]) -> strawberry.ID:
        """The global id: the row's noun and number."""
        return global_id(type(parent).__name__, parent.id)


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    """Where a page lies in its list."""

    has_next_page: bool = strawberry.field(description="Whether something comes after this page.")
    has_previous_page: bool = strawberry.field(description="Whether something comes before this page.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first object of the page.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last object of the page.")


def global_id(noun: str, identity: int) -> strawberry.ID:
    """The global id of a row."""
    return strawberry.ID(sealed(f"{noun}:{identity}"))


def local_id(noun: str, identity: str) -> int | None:
    """The row a global id of this noun names; None for anything else."""
    found = parts(identity)
    return found[1] if found is not None and found[0] == noun else None


def row_of(noun: str, identity: str) -> int:
    """The row a global id of this noun names. Raises NotFound for anything else."""
    found = local_id(noun, identity)
    if found is None:
        raise NotFound
    return found


def parts(identity: str) -> tuple[str, int] | None:
    """The noun and the row a global id names; None when it is none."""
    text = opened(identity)
    if text is None:
        return None
    noun, _, number = text.partition(":")
    is_number = number.isascii() and number.isdigit() and len(number) <= 9
    return (noun, int(number)) if is_number else None


def sealed(text: str) -> str:
    """A text as an opaque id or cursor."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def opened(identity: str) -> str | None:
    """The text of an opaque id or cursor; None when it is none."""
    try:
        return base64.urlsafe_b64decode(identity + "=" * (-len(identity) % 4)).decode()
    except (ValueError, binascii.Error):
        return None


class Page(Generic[T]):
    """Some rows of a list, and where they lie in it."""

    def __init__(self, rows: Sequence[T], *, more_before: bool, more_after: bool, total: int) -> None:
        self.rows, self.more_before, self.more_after, self.total = rows, more_before, more_after, total


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointed(Generic[T]):
    """A row of a list with the cursor that points at it."""

    cursor: str
    node: T


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed(Generic[T]):
    """A page as a connection, whose public face is the noun's."""

    edges: list[Pointed[T]]
    nodes: Sequence[T]
    page_info: PageInfo
    total_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which rows of a list are asked for: which ones at all, so many, from which end, between which, in which order."""

    size: int
    backwards: bool
    after: Place | None
    before: Place | None
    ordering: Ordering
    wanted: Condition | None = None

    @classmethod
    def asked(
        cls,
        first: int | None,
        after: str | None,
        last: int | None,
        before: str | None,
        ordering: Ordering,
        wanted: Condition | None = None,
    ) -> "Part":
        """What the arguments of a connection ask for. Raises bad input."""
        size, backwards = page_size(first, last)
        return cls(
            size=size,
            backwards=backwards,
            after=None if after is None else _place(after, "after", ordering),
            before=None if before is None else _place(before, "before", ordering),
            ordering=ordering,
            wanted=wanted,
        )

    def among(self, table: Any, found: Any) -> Any:
        """Those of the rows found that are meant."""
        return found if self.wanted is None else found.where(self.wanted.on(table))

    def within(self, found: Any) -> Any:
        """Those of the rows found that lie between the ends."""
        found = found if self.after is None else found.where(self.ordering.beyond(self.after))
        return found if self.before is None else found.where(self.ordering.beyond(self.before, backwards=True))

    def order(self) -> Sequence[Any]:
        """The end that is asked for first."""
        return self.ordering.terms(backwards=self.backwards)

    def page(self, rows: Sequence[Any], total: int) -> Page[Any]:
        """The page, from one row more than it has, in this order."""
        more, rows = len(rows) > self.size, rows[: self.size]
        if self.backwards:
            return Page(rows[::-1], more_before=more, more_after=self.before is not None, total=total)
        return Page(rows, more_before=self.after is not None, more_after=more, total=total)


async def page(session: AsyncSession, table: Any, workspace_id: int, part: Part) -> Page[Any]:
    """One page of a workspace's rows, as asked for, by keyset: the cost does not grow with the page's number."""
    found = part.among(table, select(table).where(table.workspace_id == workspace_id))
    total = (await session.exec(select(func.count()).select_from(found.subquery()))).one()
    rows = await session.exec(part.within(found).order_by(*part.order()).limit(part.size + 1))
    return part.page(list(rows), total)


async def pages(
    session: AsyncSession,
    table: Any,
    workspace_id: int,
    of: Any,
    owners: Collection[int],
    part: Part,
    *,
    via: Any = True,
) -> dict[int, Page[Any]]:
    """The same page of each owner's rows: those whose column `of` names it. Two statements, however many owners.

    Where `of` is a column of another table, `via` says which rows of both belong together.
    """
    theirs = (table.workspace_id == workspace_id, col(of).in_(owners), via)
    totals = part.among(table, select(of, func.count(table.id)).where(*theirs)).group_by(of)
    place = func.row_number().over(partition_by=of, order_by=part.order())
    mine = part.within(part.among(table, select(table.id, of.label("owner"), place.label("place")).where(*theirs)))
    placed = mine.subquery()
    found = select(table, placed.c.owner).join(placed, table.id == placed.c.id).where(placed.c.place <= part.size + 1)
    rows: dict[int, list[Any]] = {identity: [] for identity in owners}
    for row, owner in await session.exec(found.order_by(*part.order())):
        rows[owner].append(row)
    counted = dict((await session.exec(totals)).all())
    return {identity: part.page(own, counted.get(identity, 0)) for identity, own in rows.items()}


def cursors(ordering: Ordering) -> Callable[[Any], str]:
    """What makes the cursors that point at rows in an order."""
    return lambda row: sealed(ordering.packed(row))


def connection(kind: Any, edge: Any, found: Page[Any], point: Callable[[Any], str]) -> Any:
    """A page as the connection that a noun's types make of it; `point` makes the cursor of a row."""
    return kind(
        edges=[edge(cursor=point(row), node=row) for row in found.rows],
        nodes=found.rows,
        page_info=page_info(found, point),
        total_count=found.total,
    )


def listed(found: Page[T], part: Part) -> Listed[T]:
    """A page of what was asked for, as a connection."""
    made: Listed[T] = connection(Listed, Pointed, found, cursors(part.ordering))
    return made


def page_info(found: Page[Any], point: Callable[[Any], str]) -> PageInfo:
    """Where a page lies in its list."""
    return PageInfo(
        has_next_page=found.more_after,
        has_previous_page=found.more_before,
        start_cursor=point(found.rows[0]) if found.rows else None,
        end_cursor=point(found.rows[-1]) if found.rows else None,
    )


def page_size(first: int | None, last: int | None) -> tuple[int, bool]:
    """How many rows a page has, and whether they are the last ones. Raises bad input."""
    if first is not None and last is not None:
        raise bad_input("Ask for first or for last, not for both.")
    size = first if first is not None else last if last is not None else DEFAULT_PAGE
    if not 0 <= size <= LARGEST_PAGE:
        raise bad_input(f"A page has 0 to {LARGEST_PAGE} objects.")
    return size, last is not None


def _place(text: str, argument: str, ordering: Ordering) -> Place:
    said = opened(text)
    place = None if said is None else ordering.unpacked(said)
    if place is None:
        raise bad_input(f"“{argument}” is not a cursor of this list in this order.")
    return place


def utc(argument: str, at: datetime) -> datetime:
    """A time that a question names, in UTC."""
    if at.tzinfo is None:
        raise bad_input(f"“{argument}” has no time zone; write 2026-06-01T00:00:00Z for UTC.")
    return within_calendar(at)


def within_calendar(at: datetime) -> datetime:
    """A time in UTC; one at the ends of the calendar, where that may not exist, a day further in."""
    return min(max(at, FIRST_DAY), LAST_DAY).astimezone(UTC)


def bad_input(message: str) -> GraphQLError:
    """A fault of a question, for the caller to mend."""
    return GraphQLError(message, extensions={"code": "BAD_USER_INPUT"})

"""A noun's list: what its rows are ordered by where nobody says, and pages of them as somebody asks.

What they can be ordered by and asked for is stated in `types/selection`, a few lines a noun.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

import strawberry

from api.graphql.filters import wanted
from api.graphql.nodes import Listed, Part, listed, page
from api.graphql.orders import Direction, Order, Ordering

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class List(Generic[T]):
    """A list of a table's rows, by the field `default` and the newest first unless another order is asked for."""

    table: type[T]
    default: Enum

    def part(
        self,
        filter: Any,  # noqa: A002 - the API's word
        order_by: Order[Any] | None,
        first: int | None,
        after: str | None,
        last: int | None,
        before: str | None,
    ) -> Part:
        """Which rows the arguments of a connection ask for. Raises bad input."""
        return Part.asked(first, after, last, before, self._ordering(order_by), wanted(filter))

    async def page(self, info: Any, *asked: Any) -> Listed[T]:
        """A page of the caller's rows, as all of an answer is read. What is asked is as above."""
        part = self.part(*asked)
        async with info.context.read() as session:
            return listed(await page(session, self.table, info.context.caller.workspace_id, part), part)

    def _ordering(self, asked: Order[Any] | None) -> Ordering:
        field, direction = (self.default, Direction.DESC) if asked is None else (asked.field, asked.direction)
        name = f"{self.table.__name__}.{field.name}"
        return Ordering(name=name, table=self.table, column=field.value, direction=direction)


def which(nouns: str) -> Any:
    """What the argument `filter` of a list is."""
    return strawberry.argument(description=f"Which {nouns}; all of them if not said.")


def order(default: Enum) -> Any:
    """What the argument `orderBy` of a list is."""
    return strawberry.argument(description=f"The order; newest first if not said: {default.name}, DESC.")

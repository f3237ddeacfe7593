"""Pages of the units at risk: a cursor is the number and the name of the unit it points at."""

from typing import Any, Protocol, TypeVar

import msgspec

from api.graphql.nodes import Page, bad_input, opened, page_size, sealed
from kpi.ingest import is_text
from kpi.risk.listing import Place, Slice


class Placed(Protocol):
    """What has a place in the list."""

    score: Any
    unit: Any


P = TypeVar("P", bound=Placed)


def sliced(first: int | None, after: str | None, last: int | None, before: str | None) -> Slice:
    """What the arguments of the connection ask for. Raises bad input."""
    size, backwards = page_size(first, last)
    return Slice(size=size, backwards=backwards, after=_place(after, "after"), before=_place(before, "before"))


def paged(found: list[P], part: Slice, total: int) -> Page[P]:
    """The page, from one unit more than it has, in the order of the slice."""
    more, found = len(found) > part.size, found[: part.size]
    if part.backwards:
        return Page(found[::-1], more_before=more, more_after=part.before is not None, total=total)
    return Page(found, more_before=part.after is not None, more_after=more, total=total)


def cursor(one: Placed) -> str:
    """The cursor that points at a unit."""
    return sealed(msgspec.json.encode((one.score, one.unit)).decode())


def _place(cursor: str | None, argument: str) -> Place | None:
    if cursor is None:
        return None
    try:
        score, unit = msgspec.json.decode(opened(cursor) or "", type=tuple[float, str])
    except msgspec.MsgspecError:
        raise bad_input(f"“{argument}” is not a cursor of this list.") from None
    if not is_text(unit):
        raise bad_input(f"“{argument}” is not a cursor of this list.")
    return score, unit

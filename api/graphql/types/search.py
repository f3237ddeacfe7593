"""What a search finds, as the API shows it."""

import re
from typing import Any

import strawberry
from strawberry import Parent

from api.graphql.context import Info
from api.graphql.nodes import Node, Page, PageInfo, bad_input, connection, opened, sealed
from experiments.programme import search
from experiments.programme.search import SearchField, SearchKind

strawberry.enum(SearchKind, description="What is searched.")
strawberry.enum(SearchField, description="A field in which words are searched for.")

CURSOR = re.compile(
    rf"Hit:(?P<rank>[01]\.\d+|\d(\.\d+)?e-\d+):(?P<kind>{'|'.join(SearchKind)}):(?P<id>\d{{1,9}})", re.ASCII
)


@strawberry.type(description="A piece of a text. All pieces in order are the text.")
class SearchPart:
    """A piece of a text."""

    text: str = strawberry.field(description="The piece, as plain text: escape it where it becomes part of a page.")
    is_match: bool = strawberry.field(description="Whether it is what was searched for.")


@strawberry.type(description="What surrounds the words that were found in a field.")
class SearchHighlight:
    """What surrounds the words that were found."""

    field: SearchField = strawberry.field(description="The field.")
    parts: list[SearchPart] = strawberry.field(
        description="The pieces: of a key, a name, a title or tags the whole, else two passages at most."
    )


@strawberry.type(description="Something that a search found.")
class SearchHit:
    """Something that a search found."""

    @strawberry.field(description="The hypothesis, experiment or learning.", graphql_type=Node)
    async def node(parent: Parent[search.Hit], info: Info) -> Any:
        """What was found."""
        loaders = info.context.loaders
        by_kind: dict[SearchKind, Any] = {
            SearchKind.HYPOTHESIS: loaders.hypotheses,
            SearchKind.EXPERIMENT: loaders.experiments,
            SearchKind.LEARNING: loaders.learnings,
        }
        return await by_kind[parent.place.kind].load(parent.place.id)

    @strawberry.field(
        description="How well it fits, 0 to 1: the words close together, in a key, name, title, conclusion or tag."
    )
    def rank(parent: Parent[search.Hit]) -> float:
        """How well it fits."""
        return parent.place.rank

    @strawberry.field(description="The fields in which words were found.")
    def highlights(parent: Parent[search.Hit]) -> list[SearchHighlight]:
        """The fields in which words were found."""
        found: Any = parent.highlights
        return list(found)


@strawberry.type(description="A hit in a list.")
class SearchEdge:
    """A hit in a list."""

    cursor: str = strawberry.field(description="The cursor of the hit.")
    node: SearchHit = strawberry.field(description="The hit.")


@strawberry.type(description="A page of hits, the best first.")
class SearchConnection:
    """A page of hits."""

    edges: list[SearchEdge] = strawberry.field(description="The hits of the page with their cursors.")
    nodes: list[SearchHit] = strawberry.field(description="The hits of the page.")
    page_info: PageInfo = strawberry.field(description="The place of the page in the list.")
    total_count: int = strawberry.field(description="The number of hits in the list.")


def hits(found: search.Found, *, has_more_before: bool, has_more_after: bool) -> SearchConnection:
    """A page of hits as a connection."""
    page = Page(found.hits, more_before=has_more_before, more_after=has_more_after, total=found.total)
    made: SearchConnection = connection(SearchConnection, SearchEdge, page, _cursor)
    return made


def place(cursor: str | None, argument: str) -> search.Place | None:
    """The place that a cursor of this list points at. Raises bad input for anything else."""
    if cursor is None:
        return None
    found = CURSOR.fullmatch(opened(cursor) or "")
    if found is None:
        raise bad_input(f"“{argument}” is not a cursor of this list.")
    return search.Place(rank=float(found["rank"]), kind=SearchKind(found["kind"]), id=int(found["id"]))


def _cursor(hit: search.Hit) -> str:
    at = hit.place
    return sealed(f"Hit:{at.rank!r}:{at.kind}:{at.id}")

"""Learnings, as the API shows them."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry import Parent

from api.graphql.context import Info
from api.graphql.nodes import Node, PageInfo
from experiments import tables

if TYPE_CHECKING:
    from api.graphql.types.experiment import Experiment


@strawberry.type(description="What a learning said until somebody changed it.")
class LearningVersion:
    """What a learning said until somebody changed it."""

    number: int = strawberry.field(description="Its number, from 1.")
    conclusion: str = strawberry.field(description="The conclusion.")
    learned: str | None = strawberry.field(description="The things learned.")
    tags: list[str] = strawberry.field(description="The tags.")
    links: list[str] = strawberry.field(description="The https addresses of what it rests on.")
    by: str = strawberry.field(description="The name of the key that wrote it.")
    written_at: datetime = strawberry.field(description="The time it was written.")


@strawberry.type(description="What is known because of an experiment.")
class Learning(Node):
    """A learning."""

    conclusion: str = strawberry.field(description="The conclusion.")
    learned: str | None = strawberry.field(description="The things learned; null where nothing was added.")
    tags: list[str] = strawberry.field(description="The tags it is found by, 10 at most.")
    links: list[str] = strawberry.field(description="The https addresses of what it rests on, 10 at most.")
    by: str = strawberry.field(description="The name of the key that recorded it.")
    recorded_at: datetime = strawberry.field(description="The time it was recorded.")
    updated_by: str | None = strawberry.field(description="The name of the key that changed it last.")
    updated_at: datetime | None = strawberry.field(description="The time it was changed last; null if it never was.")

    @strawberry.field(
        description="The experiment it comes from.",
        graphql_type=Annotated["Experiment", strawberry.lazy("api.graphql.types.experiment")] | None,
    )
    async def experiment(parent: Parent[tables.Learning], info: Info) -> tables.Experiment | None:
        """The experiment it comes from."""
        return await info.context.loaders.experiments.load(parent.experiment_id)

    @strawberry.field(
        description="What it said before it was changed, the first version first.", graphql_type=list[LearningVersion]
    )
    async def history(parent: Parent[tables.Learning], info: Info) -> list[tables.LearningVersion]:
        """What it said before it was changed."""
        return await info.context.loaders.learning_versions.load(parent.id) or []

    @classmethod
    def is_type_of(cls, obj: object, _info: Any) -> bool:
        """Rows stand for themselves."""
        return isinstance(obj, tables.Learning)


@strawberry.type(description="A learning in a list.")
class LearningEdge:
    """A learning in a list."""

    cursor: str = strawberry.field(description="The cursor of the learning.")
    node: Learning = strawberry.field(description="The learning.")


@strawberry.type(description="A page of learnings.")
class LearningConnection:
    """A page of learnings."""

    edges: list[LearningEdge] = strawberry.field(description="The learnings of the page with their cursors.")
    nodes: list[Learning] = strawberry.field(description="The learnings of the page.")
    page_info: PageInfo = strawberry.field(description="The place of the page in the list.")
    total_count: int = strawberry.field(description="The number of learnings in the list.")

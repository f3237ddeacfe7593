"""How the lists of KPIs, hypotheses and experiments are asked for: which of them, and in which order."""

from enum import Enum
from typing import Annotated

import strawberry

from api.graphql.filters import Comparator, DateTimeComparator, StringComparator
from api.graphql.orders import Direction, Ordering
from experiments.enums import Kind, State
from kpi import enums

strawberry.enum(Direction, name="OrderDirection", description="Which way an order goes.")

ALL_OF, ANY_OF = "Filters that all hold.", "Filters of which one holds at least; of none, none does."


@strawberry.enum(description="What KPIs are ordered by.")
class KpiOrderField(Enum):
    """What KPIs are ordered by: columns."""

    CREATED_AT = "created_at"
    KEY = "key"
    NAME = "name"


@strawberry.enum(description="What hypotheses are ordered by.")
class HypothesisOrderField(Enum):
    """What hypotheses are ordered by: columns."""

    CREATED_AT = "created_at"
    KEY = "key"
    TITLE = "title"


@strawberry.enum(description="What experiments are ordered by.")
class ExperimentOrderField(Enum):
    """What experiments are ordered by: columns."""

    CREATED_AT = "created_at"
    STARTED_AT = "started_at"
    KEY = "key"
    NAME = "name"


@strawberry.input(description="The order of KPIs.")
class KpiOrder:
    """The order of KPIs."""

    field: KpiOrderField = strawberry.field(description="The field they are ordered by.")
    direction: Direction = strawberry.field(description="The way the order goes.")


@strawberry.input(description="The order of hypotheses.")
class HypothesisOrder:
    """The order of hypotheses."""

    field: HypothesisOrderField = strawberry.field(description="The field they are ordered by.")
    direction: Direction = strawberry.field(description="The way the order goes.")


@strawberry.input(description="The order of experiments.")
class ExperimentOrder:
    """The order of experiments."""

    field: ExperimentOrderField = strawberry.field(description="The field they are ordered by.")
    direction: Direction = strawberry.field(description="The way the order goes.")


@strawberry.input(description="Which KPIs are meant: all that is said holds. What is not said may be anything.")
class KpiFilter:
    """Which KPIs are meant."""

    key: StringComparator | None = strawberry.field(description="The key.", default=None)
    name: StringComparator | None = strawberry.field(description="The name.", default=None)
    owner: StringComparator | None = strawberry.field(description="The person who owns it.", default=None)
    unit: Comparator[enums.Unit] | None = strawberry.field(description="The unit it counts.", default=None)
    direction: Comparator[enums.Direction] | None = strawberry.field(
        description="The direction that is better.", default=None
    )
    tier: Comparator[enums.Tier] | None = strawberry.field(description="The tier.", default=None)
    is_leading: bool | None = strawberry.field(description="Whether it moves before revenue does.", default=None)
    created_at: DateTimeComparator | None = strawberry.field(description="The time it was registered.", default=None)
    and_: list["KpiFilter"] | None = strawberry.field(name="and", description=ALL_OF, default=None)
    or_: list["KpiFilter"] | None = strawberry.field(name="or", description=ANY_OF, default=None)


@strawberry.input(description="Which hypotheses are meant: all that is said holds. What is not said may be anything.")
class HypothesisFilter:
    """Which hypotheses are meant."""

    key: StringComparator | None = strawberry.field(description="The key.", default=None)
    title: StringComparator | None = strawberry.field(description="The hypothesis in one line.", default=None)
    owner: StringComparator | None = strawberry.field(description="The person who owns it.", default=None)
    direction: Comparator[enums.Change] | None = strawberry.field(
        description="The direction the KPI is expected to move.", default=None
    )
    created_at: DateTimeComparator | None = strawberry.field(description="The time it was registered.", default=None)
    and_: list["HypothesisFilter"] | None = strawberry.field(name="and", description=ALL_OF, default=None)
    or_: list["HypothesisFilter"] | None = strawberry.field(name="or", description=ANY_OF, default=None)


@strawberry.input(description="Which experiments are meant: all that is said holds. What is not said may be anything.")
class ExperimentFilter:
    """Which experiments are meant."""

    key: StringComparator | None = strawberry.field(description="The key.", default=None)
    name: StringComparator | None = strawberry.field(description="The name.", default=None)
    owner: StringComparator | None = strawberry.field(description="The person who owns it.", default=None)
    kind: Comparator[Kind] | None = strawberry.field(description="The thing it changes.", default=None)
    unit: Comparator[enums.Unit] | None = strawberry.field(description="The unit it counts.", default=None)
    state: Comparator[State] | None = strawberry.field(description="The state in its life.", default=None)
    created_at: DateTimeComparator | None = strawberry.field(description="The time it was registered.", default=None)
    started_at: DateTimeComparator | None = strawberry.field(description="The time of its start.", default=None)
    stopped_at: DateTimeComparator | None = strawberry.field(description="The time measuring ended.", default=None)
    and_: list["ExperimentFilter"] | None = strawberry.field(name="and", description=ALL_OF, default=None)
    or_: list["ExperimentFilter"] | None = strawberry.field(name="or", description=ANY_OF, default=None)


ORDER = "The order; newest first if not said: CREATED_AT, DESC."
WhichKpis = Annotated[KpiFilter | None, strawberry.argument(description="Which KPIs; all of them if not said.")]
WhichHypotheses = Annotated[
    HypothesisFilter | None, strawberry.argument(description="Which hypotheses; all of them if not said.")
]
WhichExperiments = Annotated[
    ExperimentFilter | None, strawberry.argument(description="Which experiments; all of them if not said.")
]
OrderOfKpis = Annotated[KpiOrder | None, strawberry.argument(description=ORDER)]
OrderOfHypotheses = Annotated[HypothesisOrder | None, strawberry.argument(description=ORDER)]
OrderOfExperiments = Annotated[ExperimentOrder | None, strawberry.argument(description=ORDER)]


def ordering(noun: str, asked: KpiOrder | HypothesisOrder | ExperimentOrder | None) -> Ordering:
    """The order of a noun's list that is asked for; by the time of registration, newest first, if none is."""
    if asked is None:
        return Ordering(name=f"{noun}.CREATED_AT", column="created_at")
    return Ordering(
        name=f"{noun}.{asked.field.name}",
        column=asked.field.value,
        direction=asked.direction,
        is_text=not asked.field.value.endswith("_at"),
    )

"""How lists of experiments, learnings and protocols are asked for."""

from enum import Enum
from typing import Annotated

import strawberry
from strawberry import enum_value

from api.graphql.conditions import Column
from api.graphql.filters import (
    ALL_OF,
    ANY_OF,
    Comparator,
    DateTimeComparator,
    ElementComparator,
    StringComparator,
    said,
)
from api.graphql.lists import List, order, which
from api.graphql.orders import Order
from api.graphql.types.selection.kpis import HypothesisFilter
from experiments import tables
from experiments.enums import Kind, State
from kpi import tables as kpi_tables
from kpi.enums import Unit


@strawberry.enum(description="What experiments are ordered by.")
class ExperimentOrderField(Enum):
    """What experiments are ordered by."""

    CREATED_AT = enum_value("created_at", description="By the time it was registered.")
    STARTED_AT = enum_value("started_at", description="By the time of its start; those that have none come last.")
    STOPPED_AT = enum_value("stopped_at", description="By the time measuring ended; those that have none come last.")
    KEY = enum_value("key", description="By its key, small letters and capitals alike.")
    NAME = enum_value("name", description="By its name, small letters and capitals alike.")
    OWNER = enum_value("owner", description="By the person who owns it, small letters and capitals alike.")
    STATE = enum_value("state", description="By how far it has come in its life.")


@strawberry.input(description="Which experiments are meant: all that is said holds. What is not said may be anything.")
class ExperimentFilter:
    """Which experiments are meant."""

    key: StringComparator | None = said("The key.")
    name: StringComparator | None = said("The name.")
    owner: StringComparator | None = said("The person who owns it.")
    kind: Comparator[Kind] | None = said("The thing it changes.")
    unit: Comparator[Unit] | None = said("The unit it counts.")
    state: Comparator[State] | None = said("The state in its life.")
    hypothesis: HypothesisFilter | None = said("The hypothesis it tests.", of=(kpi_tables.Hypothesis, "hypothesis_id"))
    created_at: DateTimeComparator | None = said("The time it was registered.")
    started_at: DateTimeComparator | None = said("The time of its start.")
    stopped_at: DateTimeComparator | None = said("The time measuring ended.")
    and_: list["ExperimentFilter"] | None = said(ALL_OF, name="and")
    or_: list["ExperimentFilter"] | None = said(ANY_OF, name="or")


EXPERIMENTS = List(table=tables.Experiment, default=ExperimentOrderField.CREATED_AT)
WhichExperiments = Annotated[ExperimentFilter | None, which("experiments")]
OrderOfExperiments = Annotated[Order[ExperimentOrderField] | None, order(EXPERIMENTS.default)]


@strawberry.enum(description="What learnings are ordered by.")
class LearningOrderField(Enum):
    """What learnings are ordered by."""

    RECORDED_AT = enum_value("recorded_at", description="By the time it was recorded.")
    UPDATED_AT = enum_value("updated_at", description="By the time it was changed last; those that never were last.")


@strawberry.input(description="Which learnings are meant: all that is said holds. What is not said may be anything.")
class LearningFilter:
    """Which learnings are meant."""

    conclusion: StringComparator | None = said("The conclusion.")
    learned: StringComparator | None = said("The things learned.")
    tags: ElementComparator | None = said("The tags it is found by.", by=Column(name="tags"))
    by: StringComparator | None = said("The name of the key that recorded it.")
    experiment: ExperimentFilter | None = said("The experiment it comes from.", of=(tables.Experiment, "experiment_id"))
    recorded_at: DateTimeComparator | None = said("The time it was recorded.")
    updated_at: DateTimeComparator | None = said("The time it was changed last.")
    and_: list["LearningFilter"] | None = said(ALL_OF, name="and")
    or_: list["LearningFilter"] | None = said(ANY_OF, name="or")


LEARNINGS = List(table=tables.Learning, default=LearningOrderField.RECORDED_AT)
WhichLearnings = Annotated[LearningFilter | None, which("learnings")]
OrderOfLearnings = Annotated[Order[LearningOrderField] | None, order(LEARNINGS.default)]


@strawberry.enum(description="What protocols are ordered by.")
class ProtocolOrderField(Enum):
    """What protocols are ordered by."""

    CREATED_AT = enum_value("created_at", description="By the time it was registered.")
    KEY = enum_value("key", description="By its key, small letters and capitals alike.")


@strawberry.input(description="Which protocols are meant: all that is said holds. What is not said may be anything.")
class ProtocolFilter:
    """Which protocols are meant. What else there is of one differs from version to version."""

    key: StringComparator | None = said("The key.")
    created_at: DateTimeComparator | None = said("The time it was registered.")
    and_: list["ProtocolFilter"] | None = said(ALL_OF, name="and")
    or_: list["ProtocolFilter"] | None = said(ANY_OF, name="or")


PROTOCOLS = List(table=tables.Protocol, default=ProtocolOrderField.CREATED_AT)
WhichProtocols = Annotated[ProtocolFilter | None, which("protocols")]
OrderOfProtocols = Annotated[Order[ProtocolOrderField] | None, order(PROTOCOLS.default)]

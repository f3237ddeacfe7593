"""How lists of jobs and of rejected rows are asked for."""

from enum import Enum
from operator import attrgetter
from typing import Annotated

import strawberry
from strawberry import enum_value

from api.graphql.conditions import Column
from api.graphql.filters import ALL_OF, ANY_OF, Comparator, DateTimeComparator, StringComparator, said
from api.graphql.lists import List, order, which
from api.graphql.orders import Order
from api.graphql.types.selection.experiments import ExperimentFilter
from api.jobs import tables
from experiments.tables import Experiment
from kpi.ingest import Fault
from kpi.tables import Rejection


@strawberry.enum(description="What jobs are ordered by.")
class JobOrderField(Enum):
    """What jobs are ordered by."""

    CREATED_AT = enum_value("created_at", description="By the time the upload began, or it was asked for.")
    STARTED_AT = enum_value("started_at", description="By the time it first ran; those that have not come last.")
    ENDED_AT = enum_value("ended_at", description="By the time it ended; those that have not come last.")
    STATE = enum_value("state", description="By how far it has come in its life.")


@strawberry.input(description="Which jobs are meant: all that is said holds. What is not said may be anything.")
class JobFilter:
    """Which jobs are meant."""

    noun: Comparator[tables.Noun] | None = said("The noun that the rows of its file are.")
    state: Comparator[tables.JobState] | None = said("The state.")
    experiment: ExperimentFilter | None = said("The draft that is rehearsed.", of=(Experiment, "experiment_id"))
    created_at: DateTimeComparator | None = said("The time the upload began, or it was asked for.")
    started_at: DateTimeComparator | None = said("The time it first ran.")
    ended_at: DateTimeComparator | None = said("The time it ended.")
    and_: list["JobFilter"] | None = said(ALL_OF, name="and")
    or_: list["JobFilter"] | None = said(ANY_OF, name="or")


JOBS = List(table=tables.Job, default=JobOrderField.CREATED_AT)
WhichJobs = Annotated[JobFilter | None, which("jobs")]
OrderOfJobs = Annotated[Order[JobOrderField] | None, order(JOBS.default)]


@strawberry.enum(description="What rejected rows are ordered by.")
class RejectionOrderField(Enum):
    """What rejected rows are ordered by."""

    RECEIVED_AT = enum_value("received_at", description="By the time the row came.")
    CODE = enum_value("code", description="By the code of the rule it broke.")


@strawberry.input(
    description="Which rejected rows are meant: all that is said holds. What is not said may be anything."
)
class RejectionFilter:
    """Which rejected rows are meant."""

    noun: Comparator[tables.Noun] | None = said("The noun that the row should have been.", read=attrgetter("value"))
    code: Comparator[Fault] | None = said("The rule it breaks.", read=attrgetter("value"))
    path: StringComparator | None = said("The path within the row.")
    row: StringComparator | None = said("The row as it came.")
    is_replayable: bool | None = said("Whether it can be replayed: it was kept whole.", by=Column(name="is_whole"))
    received_at: DateTimeComparator | None = said("The time the row came.")
    and_: list["RejectionFilter"] | None = said(ALL_OF, name="and")
    or_: list["RejectionFilter"] | None = said(ANY_OF, name="or")


REJECTIONS = List(table=Rejection, default=RejectionOrderField.RECEIVED_AT)
WhichRejections = Annotated[RejectionFilter | None, which("rows")]
OrderOfRejections = Annotated[Order[RejectionOrderField] | None, order(REJECTIONS.default)]

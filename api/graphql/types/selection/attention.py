"""How lists of alerts, reviews and what is to be done are asked for."""

from enum import Enum
from typing import Annotated, Any

import strawberry
from sqlmodel import col
from strawberry import enum_value

from api.graphql.filters import (
    ALL_OF,
    ANY_OF,
    Comparator,
    DateComparator,
    DateTimeComparator,
    StringComparator,
    said,
)
from api.graphql.lists import List, order, which
from api.graphql.orders import Order
from api.graphql.types.selection.experiments import ExperimentFilter
from api.graphql.types.selection.kpis import KpiFilter
from experiments.programme.reviews import enums as review_enums
from experiments.programme.reviews import tables as review_tables
from experiments.tables import Experiment
from kpi import enums
from kpi.alerts import tables
from kpi.tables import Kpi


def _is_open(table: Any) -> Any:
    return col(table.state) != enums.AlertState.RESOLVED


@strawberry.enum(description="What alerts are ordered by.")
class AlertOrderField(Enum):
    """What alerts are ordered by."""

    RAISED_AT = enum_value("raised_at", description="By the time it was raised.")
    SEVERITY = enum_value("severity", description="By how much it matters.")


@strawberry.input(description="Which alerts are meant: all that is said holds. What is not said may be anything.")
class AlertFilter:
    """Which alerts are meant."""

    state: Comparator[enums.AlertState] | None = said("How far it has come.")
    is_open: bool | None = said("Whether it is not resolved.", by=_is_open)
    kind: Comparator[enums.AlertKind] | None = said("The kind of condition that raised it.")
    severity: Comparator[enums.Severity] | None = said("How much it matters.")
    segment: StringComparator | None = said("The segment; empty for everybody.")
    kpi: KpiFilter | None = said("The KPI.", of=(Kpi, "kpi_id"))
    start_on: DateComparator | None = said("The first day of the period that raised it.")
    raised_at: DateTimeComparator | None = said("The time it was raised.")
    resolved_at: DateTimeComparator | None = said("The time it was resolved.")
    and_: list["AlertFilter"] | None = said(ALL_OF, name="and")
    or_: list["AlertFilter"] | None = said(ANY_OF, name="or")


ALERTS = List(table=tables.Alert, default=AlertOrderField.RAISED_AT)
WhichAlerts = Annotated[AlertFilter | None, which("alerts")]
OrderOfAlerts = Annotated[Order[AlertOrderField] | None, order(ALERTS.default)]


@strawberry.enum(description="What reviews are ordered by.")
class ReviewOrderField(Enum):
    """What reviews are ordered by."""

    CREATED_AT = enum_value("created_at", description="By the time it was opened.")
    FROM_ON = enum_value("from_on", description="By the first day of its period.")
    CLOSED_AT = enum_value("closed_at", description="By the time it was closed; drafts come last.")


@strawberry.input(description="Which reviews are meant: all that is said holds. What is not said may be anything.")
class ReviewFilter:
    """Which reviews are meant."""

    kind: Comparator[review_enums.ReviewKind] | None = said("How much time it is of.")
    state: Comparator[review_enums.ReviewState] | None = said("Where it is in its life.")
    from_on: DateComparator | None = said("The first day of its period.")
    to_on: DateComparator | None = said("The last day of its period.")
    created_at: DateTimeComparator | None = said("The time it was opened.")
    closed_at: DateTimeComparator | None = said("The time it was closed.")
    and_: list["ReviewFilter"] | None = said(ALL_OF, name="and")
    or_: list["ReviewFilter"] | None = said(ANY_OF, name="or")


REVIEWS = List(table=review_tables.Review, default=ReviewOrderField.CREATED_AT)
WhichReviews = Annotated[ReviewFilter | None, which("reviews")]
OrderOfReviews = Annotated[Order[ReviewOrderField] | None, order(REVIEWS.default)]


@strawberry.enum(description="What action items are ordered by.")
class ActionItemOrderField(Enum):
    """What action items are ordered by."""

    CREATED_AT = enum_value("created_at", description="By the time it was added.")
    DUE_ON = enum_value("due_on", description="By the day by which it shall be done; those without come last.")
    DONE_AT = enum_value("done_at", description="By the time it was done; those that are not come last.")
    OWNER = enum_value("owner", description="By the person who does it, small letters and capitals alike.")


@strawberry.input(description="Which action items are meant: all that is said holds. What is not said may be anything.")
class ActionItemFilter:
    """Which action items are meant."""

    text: StringComparator | None = said("What is to be done.")
    owner: StringComparator | None = said("The person who does it.")
    state: Comparator[review_enums.ItemState] | None = said("What became of it.")
    review: ReviewFilter | None = said("The review that found it.", of=(review_tables.Review, "review_id"))
    kpi: KpiFilter | None = said("The KPI it is about.", of=(Kpi, "kpi_id"))
    experiment: ExperimentFilter | None = said("The experiment it is about.", of=(Experiment, "experiment_id"))
    due_on: DateComparator | None = said("The day by which it shall be done.")
    created_at: DateTimeComparator | None = said("The time it was added.")
    done_at: DateTimeComparator | None = said("The time it was done.")
    and_: list["ActionItemFilter"] | None = said(ALL_OF, name="and")
    or_: list["ActionItemFilter"] | None = said(ANY_OF, name="or")


ACTION_ITEMS = List(table=review_tables.ActionItem, default=ActionItemOrderField.CREATED_AT)
WhichActionItems = Annotated[ActionItemFilter | None, which("action items")]
OrderOfActionItems = Annotated[Order[ActionItemOrderField] | None, order(ACTION_ITEMS.default)]

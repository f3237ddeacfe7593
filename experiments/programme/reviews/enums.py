"""The closed vocabularies of a review."""

from enum import StrEnum

from kpi.enums import Granularity


class ReviewKind(StrEnum):
    """How much time a review is of. A weekly one has the leading KPIs alone."""

    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    QUARTERLY = "QUARTERLY"

    @property
    def granularity(self) -> Granularity:
        """The periods that it is of."""
        return PERIODS[self]


PERIODS = {
    ReviewKind.WEEKLY: Granularity.WEEK,
    ReviewKind.MONTHLY: Granularity.MONTH,
    ReviewKind.QUARTERLY: Granularity.QUARTER,
}


class ReviewState(StrEnum):
    """Where a review is in its life; closed is for good."""

    DRAFT = "DRAFT"
    CLOSED = "CLOSED"


class ItemState(StrEnum):
    """What became of something to do."""

    OPEN = "OPEN"
    DONE = "DONE"
    DROPPED = "DROPPED"


class Topic(StrEnum):
    """Why something is on the agenda of a review, in the order it is talked about."""

    TARGET_MISSED = "TARGET_MISSED"
    TARGET_AT_RISK = "TARGET_AT_RISK"
    DRIFT = "DRIFT"
    CHANGE = "CHANGE"
    ALERT = "ALERT"
    DECISION = "DECISION"
    OVERDUE = "OVERDUE"
    STALE = "STALE"


class WeightSource(StrEnum):
    """Where it is known from what a KPI is worth in revenue."""

    LADDER = "LADDER"
    ASSUMED_LADDER = "ASSUMED_LADDER"
    ASSUMED_DRIVER = "ASSUMED_DRIVER"

"""The closed vocabularies of a KPI and a hypothesis."""

from enum import StrEnum


class Unit(StrEnum):
    """Whom a KPI counts."""

    USER = "USER"
    ACCOUNT = "ACCOUNT"


class Direction(StrEnum):
    """Which way is better."""

    HIGHER = "HIGHER"
    LOWER = "LOWER"

    @property
    def sign(self) -> int:
        """+1 when a larger value is better, else -1."""
        return 1 if self is Direction.HIGHER else -1


class Tier(StrEnum):
    """When in a customer's life the KPI speaks."""

    EARLY = "EARLY"
    GROWTH = "GROWTH"
    LATE = "LATE"


class Driver(StrEnum):
    """The part of revenue a KPI feeds."""

    RENEWAL = "RENEWAL"
    EXPANSION = "EXPANSION"
    CROSS_SELL = "CROSS_SELL"
    PRICE_PRESERVATION = "PRICE_PRESERVATION"
    COST = "COST"


class Frequency(StrEnum):
    """How often a KPI is reported."""

    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    QUARTERLY = "QUARTERLY"


class Granularity(StrEnum):
    """The periods that values over time are given by."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    QUARTER = "QUARTER"


class Change(StrEnum):
    """What a hypothesis expects of its KPI."""

    INCREASE = "INCREASE"
    DECREASE = "DECREASE"

    @property
    def sign(self) -> int:
        """+1 when the KPI is expected to rise, else -1."""
        return 1 if self is Change.INCREASE else -1


class Governed(StrEnum):
    """What of a KPI was changed; of its risk, which units are marked by it."""

    DETAILS = "DETAILS"
    DEFINITION = "DEFINITION"
    BASELINE = "BASELINE"
    TARGET = "TARGET"
    ALERTS = "ALERTS"
    RISK = "RISK"


class AlertKind(StrEnum):
    """What an alert rule watches for."""

    THRESHOLD = "THRESHOLD"
    TREND = "TREND"
    TARGET_AT_RISK = "TARGET_AT_RISK"
    BASELINE_DRIFT = "BASELINE_DRIFT"
    DATA_STOPPED = "DATA_STOPPED"


class AlertState(StrEnum):
    """How far an alert has come; one that is not resolved is open."""

    RAISED = "RAISED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    RESOLVED = "RESOLVED"


class Severity(StrEnum):
    """How much an alert matters, as whoever set its rule says."""

    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


class Side(StrEnum):
    """On which side of a limit a value is out of line."""

    ABOVE = "ABOVE"
    BELOW = "BELOW"

    @property
    def sign(self) -> int:
        """+1 when larger values are out of line, else -1."""
        return 1 if self is Side.ABOVE else -1


class LinkSource(StrEnum):
    """Where it is known from how a lagging KPI moves with a leading one."""

    COHORTS = "COHORTS"
    EXPERIMENTS = "EXPERIMENTS"
    ASSUMPTION = "ASSUMPTION"


class NoticeType(StrEnum):
    """What a notice tells; the value is its name outside. What each means is in `kpi/notices.py`."""

    ALERT_RAISED = "alert.raised"
    ALERT_RESOLVED = "alert.resolved"
    KPI_CHANGED = "kpi.changed"
    EXPERIMENT_STARTED = "experiment.started"
    EXPERIMENT_STOPPED = "experiment.stopped"
    EXPERIMENT_DECIDED = "experiment.decided"
    LOOK_PUBLISHED = "look.published"
    REVIEW_CLOSED = "review.closed"
    ENDPOINT_TESTED = "endpoint.tested"

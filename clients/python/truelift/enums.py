"""The server's vocabularies. A value that a newer server has added passes as itself, so that old clients go on."""

from enum import StrEnum
from typing import Self


class Open(StrEnum):
    """A vocabulary that may grow."""

    @classmethod
    def _missing_(cls, value: object) -> Self:
        member = str.__new__(cls, value)
        member._name_ = member._value_ = str(value)
        return member


class ExperimentState(Open):
    """Where an experiment is in its life."""

    DRAFT = "DRAFT"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    FROZEN = "FROZEN"
    STOPPED = "STOPPED"
    DECIDED = "DECIDED"
    ARCHIVED = "ARCHIVED"


class KpiRole(Open):
    """What a KPI is for in a plan."""

    PRIMARY = "PRIMARY"
    SECONDARY = "SECONDARY"
    GUARDRAIL = "GUARDRAIL"


class VerdictState(Open):
    """What the evidence recommends."""

    SHIP = "SHIP"
    ROLL_BACK = "ROLL_BACK"
    STOP_FUTILE = "STOP_FUTILE"
    KEEP_RUNNING = "KEEP_RUNNING"
    INCONCLUSIVE = "INCONCLUSIVE"
    INVALID = "INVALID"


class HealthState(Open):
    """Whether the data can be trusted."""

    OK = "OK"
    WARNING = "WARNING"
    INVALID = "INVALID"


class SrmState(Open):
    """Whether units are split as planned."""

    OK = "OK"
    WARNING = "WARNING"
    ALARM = "ALARM"


class ValueScale(Open):
    """How a KPI's value is to be read."""

    FRACTION = "FRACTION"
    DAYS = "DAYS"
    AMOUNT = "AMOUNT"
    RATE = "RATE"


class UndefinedReason(Open):
    """Why a number does not exist."""

    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"
    ZERO_VARIANCE = "ZERO_VARIANCE"
    ZERO_BASELINE = "ZERO_BASELINE"
    UNBOUNDED = "UNBOUNDED"
    NOT_REACHED = "NOT_REACHED"
    TOO_FEW_EVENTS = "TOO_FEW_EVENTS"
    UNPLANNED = "UNPLANNED"
    ZERO_DENOMINATOR = "ZERO_DENOMINATOR"
    TOO_FEW_PERIODS = "TOO_FEW_PERIODS"
    NEAR_LOWEST = "NEAR_LOWEST"
    BEFORE_END = "BEFORE_END"


class Granularity(Open):
    """The length of a period."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    QUARTER = "QUARTER"


class UnitType(Open):
    """Whom a KPI counts."""

    USER = "USER"
    ACCOUNT = "ACCOUNT"


class KpiDirection(Open):
    """Which way is better."""

    HIGHER = "HIGHER"
    LOWER = "LOWER"

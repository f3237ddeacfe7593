"""Numbers that stand behind a check or a verdict, each with a name: what a reader may hold it to."""

from dataclasses import dataclass
from enum import StrEnum


class FactName(StrEnum):
    """What a number is."""

    UNITS = "UNITS"
    EXPECTED_UNITS = "EXPECTED_UNITS"
    SHARE = "SHARE"
    DAYS = "DAYS"
    DIFFERENCE = "DIFFERENCE"
    LOWER = "LOWER"
    UPPER = "UPPER"
    P_VALUE = "P_VALUE"
    SLOPE = "SLOPE"
    MDE = "MDE"
    MARGIN = "MARGIN"
    INFORMATION_FRACTION = "INFORMATION_FRACTION"
    CONDITIONAL_POWER = "CONDITIONAL_POWER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A number and its name; `about` says whose it is: a variant, a segment, a KPI."""

    name: FactName
    value: float
    about: str = ""


def known(name: FactName, value: float | None, about: str = "") -> tuple[Fact, ...]:
    """The fact, unless there is none."""
    return () if value is None else (Fact(name=name, value=value, about=about),)

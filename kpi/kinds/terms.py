"""What a ratio adds up over units, above and below its line: an amount, or what two amounts make together."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from kpi.kinds.shape import Between, event_problem
from kpi.kinds.sums import added_up, latest

LOOKBACK_DAYS = 3_650
"""Days that a level stays known after it was sent: ten years. A state that nobody changes is a state all the same, so
an account whose revenue stood still for long has not left."""


class Measured(StrEnum):
    """What of an event is an amount: what it comes to in the window, or a level that its last value states."""

    VALUE = "VALUE"
    COUNT = "COUNT"
    DAYS = "DAYS"
    DISTINCT = "DISTINCT"
    ANY = "ANY"
    LEVEL_AT_START = "LEVEL_AT_START"
    LEVEL_AT_END = "LEVEL_AT_END"
    HAD_AT_START = "HAD_AT_START"
    HAD_AT_END = "HAD_AT_END"


AT_START = (Measured.LEVEL_AT_START, Measured.HAD_AT_START)
AT_END = (Measured.LEVEL_AT_END, Measured.HAD_AT_END)
HAD = (Measured.HAD_AT_START, Measured.HAD_AT_END)
Measure: TypeAlias = tuple[str, str]
"""What an amount is counted in: of what, and of which event."""
UNITS: Measure = ("UNITS", "")


class How(StrEnum):
    """What two amounts a and b of a unit make together; KPIs of accounts need little more than these."""

    DIFFERENCE = "DIFFERENCE"
    KEPT = "KEPT"
    SMALLER = "SMALLER"
    GAIN = "GAIN"
    LOSS = "LOSS"
    LOST = "LOST"
    LEFT = "LEFT"
    DISTANCE = "DISTANCE"
    MATCHED = "MATCHED"


TOGETHER = {
    How.DIFFERENCE: "{a} - {b}",
    How.KEPT: "CASE WHEN {b} > 0 THEN {a} ELSE 0 END",
    How.SMALLER: "least({a}, {b})",
    How.GAIN: "CASE WHEN {b} > 0 THEN greatest({a} - {b}, 0) ELSE 0 END",
    How.LOSS: "CASE WHEN {a} > 0 THEN greatest({b} - {a}, 0) ELSE 0 END",
    How.LOST: "CASE WHEN {a} = 0 THEN {b} ELSE 0 END",
    How.LEFT: "CASE WHEN {a} = 0 AND {b} > 0 THEN 1 ELSE 0 END",
    How.DISTANCE: "abs({a} - {b})",
    How.MATCHED: "greatest({b} - abs({a} - {b}), 0)",
}
"""Postgres computes an aggregate once, however often a statement names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A unit's amount: of one event over the window or its last `last_days`, or its level at the start or the end.

    A level is the last value sent before that moment, ten years back at most; none is 0. HAD is 1 where it is above 0.
    """

    event: str
    of: Measured
    last_days: int | None = None

    @property
    def is_level(self) -> bool:
        """Whether it is a state at a moment, and not what happened over days."""
        return self.of in (*AT_START, *AT_END)

    @property
    def measure(self) -> Measure:
        """What it is counted in: units, or something of its event, such as the level that it states."""
        if self.of is Measured.ANY or self.of in HAD:
            return UNITS
        return ("LEVEL" if self.is_level else self.of.value, self.event)

    def days(self, window_days: int) -> tuple[int, int]:
        """Days after exposure, from and until, in which the event matters; below 0 before it."""
        until = 0 if self.of in AT_START else window_days
        if self.is_level:
            return until - LOOKBACK_DAYS, until
        return 0 if self.last_days is None else window_days - self.last_days, until

    def sql(self, between: Between, numbers: Mapping[str, int], window_days: int) -> str:
        """SQL as of `Kind.per_unit`; `between` is the kind's own."""
        only = between(self.event, numbers, *self.days(window_days))
        if not self.is_level:
            return added_up(self.of, only)
        return f"({latest(only)} > 0)::int::float8" if self.of in HAD else latest(only)

    def problems(self, window_days: int) -> list[tuple[str, str]]:
        """What is wrong with it."""
        found = event_problem("event", self.event)
        if self.last_days is None:
            return found
        if self.is_level:
            return [*found, ("lastDays", "A level is of one moment and has no last days.")]
        if not 1 <= self.last_days <= window_days:
            sentence = f"The last days are 1 to {window_days}, the window's; {self.last_days} is not."
            return [*found, ("lastDays", sentence)]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A unit's part of a sum: an amount, or what it makes `how` together with another one."""

    amount: Amount
    how: How | None = None
    other: Amount | None = None

    @property
    def measure(self) -> Measure:
        """What it is counted in."""
        if self.how is How.LEFT:
            return UNITS
        return (self.other if self.how is How.LOST and self.other else self.amount).measure

    @property
    def amounts(self) -> tuple[Amount, ...]:
        """One or both."""
        return (self.amount,) if self.other is None else (self.amount, self.other)

    def sql(self, between: Between, numbers: Mapping[str, int], window_days: int) -> str:
        """SQL as of `Kind.per_unit`; `between` is the kind's own."""
        a, *others = (amount.sql(between, numbers, window_days) for amount in self.amounts)
        if self.how is None or not others:
            return a
        return f"({TOGETHER[self.how].format(a=a, b=others[0])})::float8"

    def problems(self, window_days: int) -> list[tuple[str, str]]:
        """What is wrong with it; fields within are written with a dot."""
        parts = {"amount": self.amount} if self.other is None else {"amount": self.amount, "other": self.other}
        found = [
            (f"{part}.{field}", text) for part, amount in parts.items() for field, text in amount.problems(window_days)
        ]
        if self.how is not None and self.other is None:
            found.append(("other", f"{self.how} takes two amounts: name the other one."))
        if self.how is None and self.other is not None:
            found.append(("how", "Say how the two amounts go together."))
        return found

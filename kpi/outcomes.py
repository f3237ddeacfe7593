"""Outcomes as they come in: the shape of a row, its rules, and the rows of a batch by column.

A batch is read and checked in whole columns. Only where that finds something wrong is it read again row by row, to
tell each row what is wrong with it; so the rules and their sentences stand once, with the row.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from kpi.columns import EPOCH, MICROSECOND, Columns, Moments, micros
from kpi.gate import Gate
from kpi.ingest import (
    UNREADABLE,
    Fault,
    Refusal,
    Refused,
    Rows,
    check_text,
    check_time,
    parse_all,
    parse_together,
)

LARGEST_VALUE = 1e100
"""A larger value is a mistake, and its square would overflow every variance it met."""
MICROSECONDS = 1e6
"""In a second."""

T = TypeVar("T")
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class OutcomeRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", gc=False):
    """One outcome on the wire."""

    unit: Name
    event: Name
    occurred_at: Moment
    value: float | None = None
    event_id: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Outcomes that keep every rule, by column; `places` are where they stand in their batch.

    Times are whole microseconds since 1970, and a value that is missing is NaN, which no value may be.
    """

    places: NDArray[np.int64]
    units: Sequence[str]
    events: Sequence[str]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    event_ids: Sequence[str | None]

    def at(self, indexes: NDArray[np.int64]) -> "Outcomes":
        """Some of them, in this order."""
        chosen = indexes.tolist()
        return Outcomes(
            places=self.places[indexes],
            units=[self.units[index] for index in chosen],
            events=[self.events[index] for index in chosen],
            times=self.times[indexes],
            values=self.values[indexes],
            event_ids=[self.event_ids[index] for index in chosen],
        )

    def admitted(self, gate: Gate, refusals: list[Refusal]) -> "Outcomes":
        """Those that may pass a gate, as they are stored; the refusals of the others are added."""
        passed = self
        if gate.before is not None:
            passed = passed.without(self.times < micros(gate.before), gate.too_old, refusals)
        if gate.secret is not None:
            passed = replace(passed, units=[gate.unit(unit) for unit in passed.units])
        if gate.without.units:
            passed = passed.without(
                np.array([gate.without.holds(unit) for unit in passed.units], np.bool_), gate.forgotten, refusals
            )
        return passed

    def without(
        self, is_refused: NDArray[np.bool_], refuse: Callable[[list[int]], list[Refusal]], refusals: list[Refusal]
    ) -> "Outcomes":
        """All but some, whose refusals are added."""
        if not is_refused.any():
            return self
        refusals += refuse(self.places[is_refused].tolist())
        return self.at(np.flatnonzero(~is_refused))


def read(rows: Rows, now: datetime, *, lax: bool) -> tuple[Outcomes, list[Refusal]]:
    """The outcomes of a batch that are as they should be, and the refusals of the rest."""
    try:
        told = _told(rows, lax=lax)
        _check_all(*told, now)
    except (*UNREADABLE, Refused, OverflowError):  # somewhere among them; each is told what is wrong with it
        parsed, refusals = parse_all(rows, OutcomeRow, check, now, lax=lax)
        return by_column(parsed), refusals
    return _outcomes(range(len(rows)), *told), []


def by_column(parsed: Mapping[int, OutcomeRow]) -> Outcomes:
    """Rows by column, with the place of each."""
    return _outcomes(parsed, *_fields(parsed.values()))


Told = tuple[list[str], list[str], NDArray[np.int64], list[float | None], list[str | None]]
"""Units, events, times, values and event ids."""


def _told(rows: Rows, *, lax: bool) -> Told:
    """What all rows say, by column. Raises one of UNREADABLE when a row is not of its shape."""
    if not isinstance(rows, Columns):
        return _fields(parse_together(rows, OutcomeRow, lax=lax))
    told = rows.fields

    def column(name: str, kind: type[T]) -> T:
        return msgspec.convert(told[name], kind, strict=not lax)

    at = told["occurredAt"]
    return (
        column("unit", list[Name]),
        column("event", list[Name]),
        at.micros if isinstance(at, Moments) else _micros(column("occurredAt", list[Moment])),
        column("value", list[float | None]),
        column("eventId", list[Name | None]),
    )


def _fields(rows: Collection[OutcomeRow]) -> Told:
    return (
        [row.unit for row in rows],
        [row.event for row in rows],
        _micros([row.occurred_at for row in rows]),
        [row.value for row in rows],
        [row.event_id for row in rows],
    )


def _micros(moments: list[datetime]) -> NDArray[np.int64]:
    """Whole microseconds: a double tells them apart for three centuries around 1970, so rounding gives them back."""
    seconds = np.fromiter(map(datetime.timestamp, moments), np.float64, len(moments))
    return np.rint(seconds * MICROSECONDS).astype(np.int64)


def check(row: OutcomeRow, now: datetime) -> None:
    """The rules of a row beyond its shape. Raises Refused."""
    check_text("unit", row.unit)
    check_text("event", row.event)
    check_text("eventId", row.event_id)
    check_time("occurredAt", row.occurred_at, now)
    if row.value is not None:
        _check_value(row.value)


def _check_value(value: float) -> None:
    if not abs(value) <= LARGEST_VALUE:
        raise Refused(Fault.NOT_FINITE, f"value is not a finite number, or above {LARGEST_VALUE:.0e} in size.", "value")


def _check_all(
    units: list[str],
    events: list[str],
    times: NDArray[np.int64],
    values: list[float | None],
    event_ids: list[str | None],
    now: datetime,
) -> None:
    """The same rules for all rows: what all texts in one and the extremes of numbers keep, each of them keeps."""
    check_text("unit", "".join(units))
    check_text("event", "".join(set(events)))
    check_text("eventId", "".join(filter(None, event_ids)))
    for at in (times.min(), times.max()) if times.size else ():
        check_time("occurredAt", EPOCH + int(at) * MICROSECOND, now)
    known = np.array([value for value in values if value is not None], np.float64)
    _check_value(float(np.abs(known).max(initial=0.0)))


def _outcomes(
    places: Iterable[int],
    units: list[str],
    events: list[str],
    times: NDArray[np.int64],
    values: list[float | None],
    event_ids: list[str | None],
) -> Outcomes:
    return Outcomes(
        places=np.fromiter(places, np.int64, len(units)),
        units=units,
        events=events,
        times=times,
        values=np.array(values, np.float64),
        event_ids=event_ids,
    )

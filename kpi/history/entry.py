"""Who a KPI counts outside an experiment, and from when on: by a first event, or at the end of every period. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from kpi.enums import Granularity, Unit
from kpi.kinds import Aggregate, Kind
from kpi.kinds.shape import event_problem

MOST_SEGMENTS = 5
"""Traits that a KPI is sliced by: each is a scan of who has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """When a unit's window opens where no experiment exposes it.

    With `event` at its first such event, once in its life, or with `is_repeated` at each of them, as when a contract
    comes up for renewal again; cohorts are the units of one day. With `every` all units are
    measured at the end of each period, over the window up to that end: those with a row of the KPI's events, or with
    `among` all whose level of that event is above 0 at the end, also those who did nothing. With `is_clustered` units
    are users, and the error is that of their accounts.
    """

    event: str | None = None
    every: Granularity | None = None
    is_clustered: bool = False
    among: str | None = None
    is_repeated: bool = False

    @property
    def has_clusters(self) -> bool:
        """Whether what varies by chance is more than a row: an account with its users, or a unit that enters again."""
        return self.is_clustered or self.is_repeated

    def problems(self, kind: Kind, unit: Unit) -> list[tuple[str, str]]:
        """What is wrong with it for a kind: field and sentence."""
        if (self.event is None) == (self.every is None):
            return [("event", "Units enter by an event, or are measured at the end of every period: give one of both.")]
        found = event_problem("event", self.event)
        if self.every is not None and (kind.aggregate is not Aggregate.MOMENTS or kind.curve is not None):
            found.append(("every", "What follows units by day of their own needs the event by which they enter."))
        found += event_problem("among", self.among)
        if self.is_repeated and self.event is None:
            found.append(("isRepeated", "Only an event can be repeated: every period is measured anyway."))
        if self.among is not None and self.every is None:
            found.append(("among", "Units that enter by an event are all counted; only periods are among some."))
        if self.is_clustered and unit is Unit.ACCOUNT:
            found.append(("isClustered", "Accounts are units of their own here: only users go by account."))
        if self.is_clustered and (kind.aggregate is not Aggregate.MOMENTS or not kind.adds_up):
            found.append(("isClustered", "The error by account is known for KPIs with one number a unit."))
        return found


def encode(entry: Entry | None) -> dict[str, Any] | None:
    """An entry as it is stored: what is set of it."""
    return None if entry is None else {name: value for name, value in msgspec.to_builtins(entry).items() if value}


def decode(stored: Mapping[str, Any] | None) -> Entry | None:
    """A stored entry; None where a KPI is measured in experiments only."""
    return None if stored is None else msgspec.convert(stored, Entry)

"""The aggregates as arrays: what the database sums by segment, variant and entry day, laid out for analysis."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from operator import itemgetter
from typing import Any

import numpy as np

from experiments.plan import Plan, PlannedKpi
from kpi import kinds
from kpi.kinds.shape import Cohorts, Ints, Kind
from stats.comoments import CoMoments
from stats.moments import Moments

EVERYBODY = ""
"""The segment of all units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Aggregates as they are stored: mappings with the columns of the three tables."""

    entries: list[Mapping[str, Any]]
    moments: list[Mapping[str, Any]]
    durations: list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregates:
    """An experiment's aggregates through a moment. `entered` is (V, C) by segment, the control first."""

    first: date
    entered: dict[str, Ints]
    cohorts: dict[tuple[int, str], Cohorts]
    data_through: datetime
    crossovers: int

    @property
    def segments(self) -> list[str]:
        """The segments but everybody, in order of name."""
        return sorted(segment for segment in self.entered if segment != EVERYBODY)

    @property
    def through(self) -> date:
        """The last midnight the data reach."""
        return self.data_through.date()

    def snapshots(self, longest_window: int) -> list[date]:
        """Each midnight from the first one after entry to the last one at which anything can still change."""
        width = next(iter(self.entered.values())).shape[-1]
        last = min(self.through, self.first + timedelta(days=width + longest_window))
        return [self.first + timedelta(days=day) for day in range(1, (last - self.first).days + 1)]

    def ages(self, snapshots: list[date]) -> Ints:
        """Whole days that every unit of each cohort has been observed at each snapshot: (S, C)."""
        width = next(iter(self.entered.values())).shape[-1]
        at = np.array([(snapshot - self.first).days for snapshot in snapshots], dtype=np.int64)
        ages: Ints = np.maximum(at[:, None] - np.arange(width)[None, :] - 1, 0)
        return ages


def assemble(
    plan: Plan, variant_ids: Mapping[str, int], rows: Rows, data_through: datetime, crossovers: int
) -> Aggregates:
    """Lay the rows out. Variants keep the plan's order, which has the control first."""
    place = {variant_ids[variant.key]: index for index, variant in enumerate(plan.variants)}
    days = [row["entered_on"] for row in rows.entries]
    first = min(days, default=data_through.date())
    width = (max(days, default=first) - first).days + 1
    layout = _Layout(place=place, first=first, width=width)
    entered = layout.counts(rows.entries)
    entered.setdefault(EVERYBODY, np.zeros((len(place), width), dtype=np.int64))
    return Aggregates(
        first=first,
        entered=entered,
        cohorts=dict(_cohorts(plan, layout, entered, rows)),
        data_through=data_through,
        crossovers=crossovers,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Where a row goes: which variant, which day."""

    place: dict[int, int]
    first: date
    width: int

    def counts(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, Ints]:
        grouped: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in rows:
            grouped[row["segment"]].append(row)
        return {segment: self._counts(some) for segment, some in grouped.items()}

    def moments(self, rows: Sequence[Mapping[str, Any]]) -> Moments:
        grid = np.zeros((3, len(self.place), self.width))
        if rows:
            variants, days, *summary = self._columns(rows, "n", "mean", "m2")
            grid[:, variants, days] = summary
        return Moments(n=grid[0], mean=grid[1], m2=grid[2])

    def pairs(self, rows: Sequence[Mapping[str, Any]], unknown: float) -> tuple[CoMoments, Ints]:
        """The KPI with its covariate. Of a cell without one nothing is known: all its units are missing there."""
        grid = np.zeros((7, len(self.place), self.width))
        if rows:
            variants, days, *columns = self._columns(rows, "n", "mean", "m2", "mean_x", "m2_x", "c_xy", "missing")
            stand_in = ([unknown] * len(rows), [0.0] * len(rows), [0.0] * len(rows), columns[0])
            for place, instead in enumerate(stand_in, start=3):
                columns[place] = [
                    other if own is None else own for own, other in zip(columns[place], instead, strict=True)
                ]
            grid[:, variants, days] = columns
        n, mean, m2, mean_x, m2_x, c_xy, missing = grid
        pairs = CoMoments.of_pair(n=n, first_mean=mean, second_mean=mean_x, first_m2=m2, second_m2=m2_x, c=c_xy)
        return pairs, missing.astype(np.int64)

    def durations(self, rows: Sequence[Mapping[str, Any]], days: int) -> tuple[Ints, Ints]:
        grid = np.zeros((2, len(self.place), self.width, days), dtype=np.int64)
        if rows:
            variants, entered_on, after, *counts = self._columns(rows, "day", "events", "losses")
            grid[:, variants, entered_on, after] = counts
        return grid[0], grid[1]

    def _counts(self, rows: Sequence[Mapping[str, Any]]) -> Ints:
        grid = np.zeros((len(self.place), self.width), dtype=np.int64)
        variants, days, counts = self._columns(rows, "n")
        grid[variants, days] = counts
        return grid

    def _columns(self, rows: Sequence[Mapping[str, Any]], *names: str) -> list[list[Any]]:
        """Places of variants and days, and these columns: a cell of an array at a time would cost ten times as much."""
        variants, days, *others = zip(*map(itemgetter("variant_id", "entered_on", *names), rows), strict=True)
        first = self.first.toordinal()
        return [
            [self.place[variant] for variant in variants],
            [day.toordinal() - first for day in days],
            *map(list, others),
        ]


def _cohorts(
    plan: Plan, layout: _Layout, entered: dict[str, Ints], rows: Rows
) -> Iterable[tuple[tuple[int, str], Cohorts]]:
    moments, durations = _by_table(rows.moments), _by_table(rows.durations)
    for planned in plan.kpis:
        kind = decode(planned)
        for segment, counts in entered.items():
            key = (planned.definition.id, segment)
            if kind.aggregate is kinds.Aggregate.MOMENTS:
                found = Cohorts(entered=counts, moments=layout.moments(moments[key]))
                if planned.covariate is not None:
                    pairs, missing = layout.pairs(moments[key], planned.covariate.when_missing)
                    found = replace(found, pairs=pairs, missing=missing)
                yield key, found
            else:
                events, losses = layout.durations(durations[key], kind.window[1])
                yield key, Cohorts(entered=counts, events=events, losses=losses)


def decode(planned: PlannedKpi) -> Kind:
    """The kind that a planned KPI's pinned definition is of."""
    return kinds.decode(planned.definition.kind, planned.definition.parameters)


def _by_table(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[int, str], list[Mapping[str, Any]]]:
    grouped: dict[tuple[int, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        grouped[row["definition_id"], row["segment"]].append(row)
    return grouped

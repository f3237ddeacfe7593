"""The aggregates as arrays: what the database sums by segment, variant and entry day, laid out for analysis.

Questions whose kinds are alike (a KPI in a segment each) are laid out side by side, so that one call of arrays answers
them all.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import repeat
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from experiments.enums import Role, Slopes
from experiments.planning.plan import PinnedDefinition, Plan, PlannedKpi
from kpi import kinds
from kpi.kinds.shape import Aggregate, Cohorts, Counted, DayCurve, Floats, Ints, Kind
from stats.arrays import Mask
from stats.comoments import CoMoments
from stats.moments import Moments

EVERYBODY = ""
"""The segment of all units."""
DECIDING = "deciding"
"""The family of questions that decide."""
LARGEST = 100_000
"""Cells of variants, entry days and duration days that are laid out together: more of them leave the processor's cache,
and the memory that an analysis takes must not grow with its segments."""

Columns: TypeAlias = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One of the three tables of aggregates as columns, in groups; `entered_on` is in numpy's days.

    `keys` are the columns that are the same within a group: its place among `groups`.
    """

    keys: tuple[str, ...]
    groups: Mapping[tuple[Any, ...], Columns]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Row by row, for those who are in no hurry."""
        for key, columns in self.groups.items():
            own = dict(zip(self.keys, key, strict=True))
            for row in zip(*(column.tolist() for column in columns.values()), strict=True):
                yield own | dict(zip(columns, row, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Aggregates as they are stored: entries by segment, all else by definition and segment.

    `covariates` are the moments of covariates and denominators, of the cells that have them. `values` are the counts of
    units by their numbers.
    `tallies` are of everybody.
    """

    entries: Table
    moments: Table
    covariates: Table
    durations: Table
    values: Table = Table(keys=("definition_id", "segment"), groups={})
    tallies: Table = Table(keys=("definition_id",), groups={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A planned KPI in a segment."""

    planned: PlannedKpi
    segment: str

    @property
    def key(self) -> tuple[int, str]:
        """The definition and the segment."""
        return self.planned.definition.id, self.segment

    @property
    def role(self) -> Role:
        """The KPI's own for everybody. Only the whole of the units decides; a segment informs."""
        return self.planned.role if self.segment == EVERYBODY else Role.SECONDARY

    @property
    def family(self) -> str:
        """What is adjusted together: the questions that decide, the others about everybody, and those by segment."""
        if self.segment != EVERYBODY:
            return "segments"
        return DECIDING if self.role is Role.PRIMARY else "informing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Questions (Q) whose kinds are alike; `kind` is that of the first. The cohorts are (Q, V, C) and (Q, V, C, D).

    All of them are adjusted for a covariate with as many `slopes`, or none is.
    """

    kind: Kind
    questions: tuple[Question, ...]
    slopes: Slopes | None
    until: Ints  # (Q) the day on which each KPI's window ends
    cohorts: Cohorts
    by_day: tuple[Ints | None, ...]  # (V, C, D) of each question with a curve beside its number

    def at(self, place: int) -> Cohorts:
        """The cohorts of one question."""
        of = self.cohorts
        return Cohorts(
            entered=of.entered[place],
            moments=None if of.moments is None else of.moments[place],
            pairs=None if of.pairs is None else of.pairs[place],
            missing=None if of.missing is None else of.missing[place],
            events=None if of.events is None else of.events[place],
            losses=None if of.losses is None else of.losses[place],
            counted=None if of.counted is None else of.counted.at(place),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregates:
    """An experiment's aggregates through a midnight. `entered` is (V, C) by segment, the control first.

    `tallies` are (2, V) by definition: units that are tallied, and units that were asked about.
    """

    first: date
    entered: dict[str, Ints]
    tallies: dict[int, Ints]
    blocks: tuple[Block, ...]
    through: date

    def cohorts(self, definition_id: int, segment: str) -> Cohorts:
        """One KPI in one segment. Raises KeyError for a question that nobody asks."""
        for block in self.blocks:
            for place, question in enumerate(block.questions):
                if question.key == (definition_id, segment):
                    return block.at(place)
        raise KeyError((definition_id, segment))

    def snapshots(self, longest_window: int) -> list[date]:
        """Each midnight from the first one after entry to the last one at which anything can still change."""
        last = min(self.through, self.first + timedelta(days=self._width + longest_window))
        return [self.first + timedelta(days=day) for day in range(1, (last - self.first).days + 1)]

    def ages(self, snapshots: list[date]) -> Ints:
        """Whole days that every unit of each cohort has been observed at each snapshot: (S, C)."""
        at = np.array([(snapshot - self.first).days for snapshot in snapshots], dtype=np.int64)
        ages: Ints = np.maximum(at[:, None] - np.arange(self._width)[None, :] - 1, 0)
        return ages

    @property
    def _width(self) -> int:
        return int(self.entered[EVERYBODY].shape[-1])


def assemble(plan: Plan, variant_ids: Mapping[str, int], rows: Rows, through: date) -> Aggregates:
    """Lay the rows out, through the last midnight they reach. Variants keep the plan's order: the control first."""
    days = [columns["entered_on"] for columns in rows.entries.groups.values()]
    first: date = min((column.min().item() for column in days), default=through)
    last: date = max((column.max().item() for column in days), default=first)
    ids = np.array([variant_ids[variant.key] for variant in plan.variants])
    layout = _Layout(ids=ids, order=np.argsort(ids), first=np.datetime64(first, "D"), width=(last - first).days + 1)
    # Everybody comes first, and the other segments in order of their names, which are longer.
    segments = sorted({EVERYBODY, *(segment for (segment,) in rows.entries.groups)})
    entered = layout.entered(rows.entries, segments)
    return Aggregates(
        first=first,
        entered=dict(zip(segments, entered, strict=True)),
        tallies=_tallies(plan, layout, rows.tallies, through),
        blocks=tuple(_blocks(plan, segments, layout, entered, rows)),
        through=through,
    )


def _tallies(plan: Plan, layout: "_Layout", table: Table, through: date) -> dict[int, Ints]:
    """Those of the entry days that were final at a midnight."""
    found = {}
    for planned in plan.kpis:
        columns = table.groups.get((planned.definition.id,))
        if columns is not None:
            last = np.datetime64(through - timedelta(days=tallied_until(planned)), "D")
            found[planned.definition.id] = layout.summed(columns, columns["entered_on"] < last, ("tally", "n"))
    return found


def _blocks(plan: Plan, segments: list[str], layout: "_Layout", entered: Ints, rows: Rows) -> Iterator[Block]:
    alike: dict[tuple[Hashable, Slopes | None], list[tuple[Kind, PlannedKpi]]] = {}
    for planned in plan.kpis:
        kind, slopes = decode(planned), None if planned.covariate is None else planned.covariate.slopes
        alike.setdefault((kind.alike, slopes), []).append((kind, planned))
    for (_, slopes), members in alike.items():
        kind = members[0][0]
        asked = [
            (Question(planned=planned, segment=segment), one.window[1], one.curve, place)
            for one, planned in members
            for place, segment in enumerate(segments)
        ]
        depth = kind.window[1] if kind.aggregate is Aggregate.DURATIONS else 1
        most = max(1, LARGEST // (entered[0].size * depth))
        for start in range(0, len(asked), most):
            questions, until, curves, places = zip(*asked[start : start + most], strict=True)
            counts = entered[list(places)]
            cohorts = layout.cohorts(kind, counts, questions, rows)
            if slopes is not None or kind.has_denominator:
                cohorts = layout.with_second(cohorts, questions, rows.covariates)
            yield Block(
                kind=kind,
                questions=questions,
                slopes=slopes,
                until=np.array(until),
                cohorts=cohorts,
                by_day=tuple(map(layout.by_day, questions, curves, repeat(rows.durations))),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Where a row goes: which variant, which day."""

    ids: Ints
    order: Ints
    first: np.datetime64
    width: int

    def entered(self, entries: Table, segments: Sequence[str]) -> Ints:
        """Units that entered: (segments, V, C)."""
        found = np.zeros((len(segments), self.ids.size, self.width), dtype=np.int64)
        self._fill(found, entries, [(segment,) for segment in segments], ("n",))
        return found

    def cohorts(self, kind: Kind, entered: Ints, questions: Sequence[Question], rows: Rows) -> Cohorts:
        """The aggregates of these questions, side by side."""
        keys = [question.key for question in questions]
        if not kind.adds_up:
            return Cohorts(entered=entered, counted=self._counted(keys, rows.values))
        if kind.aggregate is Aggregate.MOMENTS:
            moments: Floats = np.zeros((3, *entered.shape))
            self._fill(moments, rows.moments, keys, ("n", "mean", "m2"))
            return Cohorts(entered=entered, moments=Moments(n=moments[0], mean=moments[1], m2=moments[2]))
        counts: Ints = np.zeros((2, *entered.shape, kind.window[1]), dtype=np.int64)
        self._fill(counts, rows.durations, keys, ("events", "losses"), "day")
        return Cohorts(entered=entered, events=counts[0], losses=counts[1])

    def by_day(self, question: Question, curve: DayCurve | None, durations: Table) -> Ints | None:
        """Units by the days of a curve beside a number: (V, C, D)."""
        if curve is None:
            return None
        found: Ints = np.zeros((1, self.ids.size, self.width, curve.days.stop), dtype=np.int64)
        self._fill(found, durations, [question.key], ("events",), "day")
        return found[0, ..., curve.days.start :]

    def with_second(self, cohorts: Cohorts, questions: Sequence[Question], covariates: Table) -> Cohorts:
        """The aggregates with those of covariates, or of denominators.

        Of a cell without nothing is known: all its units are missing.
        """
        of = cohorts.moments
        if of is None:
            raise ValueError("only moments have a second number")
        unknown = [
            question.planned.covariate.when_missing if question.planned.covariate else 0.0 for question in questions
        ]
        found: Floats = np.zeros((4, *of.shape))
        found[0], found[3] = np.array(unknown)[:, np.newaxis, np.newaxis], of.n
        self._fill(found, covariates, [question.key for question in questions], ("mean_x", "m2_x", "c_xy", "missing"))
        mean_x, m2_x, c_xy, missing = found
        pairs = CoMoments.of_pair(
            n=of.n, first_mean=of.mean, second_mean=mean_x, first_m2=of.m2, second_m2=m2_x, c=c_xy
        )
        return replace(cohorts, pairs=pairs, missing=missing.astype(np.int64))

    def _counted(self, keys: Sequence[tuple[Any, ...]], values: Table) -> Counted:
        """How many units have which number, of all these questions."""
        found = [(place, values.groups[key]) for place, key in enumerate(keys) if key in values.groups]
        parts = [
            (
                np.full(columns["n"].size, place),
                self._variants(columns["variant_id"]),
                (columns["entered_on"] - self.first).astype(np.int64),
                columns["value"].astype(np.float64),
                columns["n"].astype(np.int64),
            )
            for place, columns in found
        ]
        empty = [(*(np.empty(0, np.int64) for _ in range(3)), np.empty(0), np.empty(0, np.int64))]
        question, variant, cohort, value, n = map(np.concatenate, zip(*(parts or empty), strict=True))
        return Counted(question=question, variant=variant, cohort=cohort, value=value, n=n)

    def summed(self, columns: Columns, which: Mask, names: Sequence[str]) -> Ints:
        """Columns added up over some of their rows, by variant: (names, V)."""
        variants = self._variants(columns["variant_id"][which])
        found = [np.bincount(variants, columns[name][which], minlength=self.ids.size) for name in names]
        return np.array(found).astype(np.int64)

    def _fill(
        self, into: Floats | Ints, table: Table, keys: Iterable[tuple[Any, ...]], names: Sequence[str], *axes: str
    ) -> None:
        """Put columns of each group where they belong: `into` is ([names,] keys, V, C[, axes])."""
        for place, key in enumerate(keys):
            columns = table.groups.get(key)
            if columns is not None:
                cells = (self._variants(columns["variant_id"]), (columns["entered_on"] - self.first).astype(np.int64))
                more = tuple(columns[axis] for axis in axes)
                for name, part in zip(names, into if len(names) > 1 else [into], strict=True):
                    part[(place, *cells, *more)] = columns[name]

    def _variants(self, ids: Ints) -> Ints:
        """The places of these variants in the plan."""
        found = self.order[np.searchsorted(self.ids, ids, sorter=self.order).clip(max=self.ids.size - 1)]
        strange = self.ids[found] != ids
        if strange.any():
            raise KeyError(ids[strange][0].item())
        return np.asarray(found)


def tallied_until(planned: PlannedKpi) -> int:
    """Days after entry until a tally is final: the KPI's window for those at its cap, none for what came before."""
    kind = decode(planned)
    return 0 if kind.cap is None else kind.window[1]


def decode(planned: PlannedKpi) -> Kind:
    """The kind that a planned KPI's pinned definition is of."""
    return decode_pinned(planned.definition)


def decode_pinned(definition: PinnedDefinition) -> Kind:
    """The kind that a pinned definition is of."""
    return kinds.decode(definition.kind, definition.parameters)

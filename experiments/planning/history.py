"""What experiments have seen: how many units enter a day, and their control units to be split again and again.

Shares and times come from the aggregates as they are stored; amounts are read once, as counts of equal values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import numpy as np
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments import queries
from experiments.aggregation import aggregates as tables
from experiments.inference.cohorts import EVERYBODY, Aggregates, assemble, decode
from experiments.planning import plan as plans
from experiments.planning.plan import Plan, PlannedKpi, PlannedVariant
from experiments.planning.rehearsal import (
    QUANTILE,
    START,
    Missing,
    alpha_of,
    informative,
    judges,
    own_family,
    treatments,
)
from experiments.tables import Experiment
from kpi.kinds.shape import Cohorts, Ints, Scale
from stats.calibration import families, splits
from stats.calibration.families import Family
from stats.calibration.scenarios import MEAN, SHARE
from stats.calibration.splits import Replayed, SplitTimes, SplitValues

MOST_UNITS = 200_000
"""Control units whose amounts are read, the first ones; shares and times have no limit, for they are counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """An experiment with what it has seen so far; None before its first refresh."""

    experiment: Experiment
    plan: Plan
    variant_ids: dict[str, int]
    aggregates: Aggregates | None
    data_through: datetime | None

    @property
    def started_on(self) -> date | None:
        """The UTC day it started."""
        started = self.experiment.started_at
        return None if started is None else started.astimezone(UTC).date()

    @property
    def is_closed(self) -> bool:
        """Whether no more units enter."""
        return self.experiment.frozen_at is not None

    @property
    def entered(self) -> Ints | None:
        """Units of all variants on each whole day since the start, or None without any."""
        if self.aggregates is None or self.started_on is None:
            return None
        by_day = np.zeros((self.aggregates.through - self.started_on).days, dtype=np.int64)
        seen = self.aggregates.entered[EVERYBODY].sum(axis=0)[: max(0, by_day.size - self._offset)]
        by_day[self._offset : self._offset + seen.size] = seen
        return by_day if by_day.sum() else None

    @property
    def _offset(self) -> int:
        """Days from the start to the first entry."""
        if self.aggregates is None or self.started_on is None:
            return 0
        return (self.aggregates.first - self.started_on).days


async def past(session: AsyncSession, connection: asyncpg.Connection, experiment: Experiment) -> Past:
    """Read what an experiment has seen."""
    plan = plans.from_document(experiment.plan)
    variants = (await queries.variants_of(session, [experiment.id]))[experiment.id]
    refresh = (await queries.refreshes_of(session, [experiment.id])).get(experiment.id)
    ids = {variant.key: variant.id for variant in variants}
    if refresh is None:
        return Past(experiment=experiment, plan=plan, variant_ids=ids, aggregates=None, data_through=None)
    rows = await tables.read(connection, experiment.id)
    through = refresh.data_through.astimezone(UTC)
    found = assemble(plan, ids, rows, through.date())
    return Past(experiment=experiment, plan=plan, variant_ids=ids, aggregates=found, data_through=through)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """The control units of a planned KPI, ready to be split as one treatment's weight asks, and the families."""

    experiment: str
    kpi: str
    variant: str
    own: str
    units: int
    split: SplitValues | SplitTimes
    plan: families.Plan
    families: tuple[Family, ...]

    def replayed(
        self, draw: np.random.Generator, *, replicates: int, advance: Callable[[int], object] = lambda _: None
    ) -> tuple[Replayed, ...]:
        """One row a family."""
        return splits.replay(
            self.split, self.plan, draw, replicates=replicates, start=START, families=self.families, advance=advance
        )


async def trials(
    connection: asyncpg.Connection,
    of: Past,
    *,
    plan: Plan | None = None,
    kpis: Sequence[PlannedKpi] | None = None,
    most: int = MOST_UNITS,
) -> list[Trial | Missing]:
    """Every KPI of an experiment for every treatment weight, or why there is nothing to split yet.

    They are judged by the experiment's own plan, or by another one that asks about `kpis` which this experiment
    measures as well. In the caller's transaction, once in it.
    """
    plan = of.plan if plan is None else plan
    kpis = plan.kpis if kpis is None else kpis
    seen, started_on = of.aggregates, of.started_on
    if seen is None or started_on is None or of.entered is None or of.data_through is None:
        return [Missing(kpi=kpi.kpi, sentence=f"“{of.plan.experiment}” has no data yet.") for kpi in kpis[:1]]
    values = await tables.values(
        connection,
        experiment_id=of.experiment.id,
        workspace_id=of.experiment.workspace_id,
        unit=of.plan.unit,
        variant_id=of.variant_ids[of.plan.variants[0].key],
        kpis=[kpi for kpi in kpis if decode(kpi).scale.is_amount and decode(kpi).adds_up],
        through=of.data_through,
        most=most,
    )
    found: list[Trial | Missing] = []
    for planned in kpis:
        rows = values.get(planned.definition.id, [])
        found += _of_kpi(of.plan.experiment, plan, planned, seen, rows, started_on)
    return found


def _of_kpi(
    experiment: str, plan: Plan, planned: PlannedKpi, seen: Aggregates, rows: list[asyncpg.Record], started_on: date
) -> list[Trial | Missing]:
    if not decode(planned).adds_up:
        return [Missing(kpi=planned.kpi, sentence=f"“{planned.kpi}”: {QUANTILE}")]
    control = plan.variants[0].weight
    until = decode(planned).window[1]
    first, end = (seen.first - started_on).days, min(plan.horizon_days, (seen.through - started_on).days)
    days = np.arange(first + 1 + until, end + 1)
    found: list[Trial] = []
    for treatment in treatments(plan) if days.size else ():
        common = {"days": days, "share": treatment.weight / (control + treatment.weight)}
        trial = _trial(experiment, plan, planned, treatment, _split(planned, seen, rows, first, common))
        found += [] if trial is None else [trial]
    sentence = f"“{planned.kpi}” of “{experiment}” has too few units whose window has closed."
    return list(found) or [Missing(kpi=planned.kpi, sentence=sentence)]


def _split(
    planned: PlannedKpi, seen: Aggregates, rows: list[asyncpg.Record], first: int, common: Mapping[str, Any]
) -> SplitValues | SplitTimes:
    """The control's units in cells; days are counted from the start, and the first cohort is of day `first`."""
    cohorts, kind = seen.cohorts(planned.definition.id, EVERYBODY), decode(planned)
    final_after = first + 1 + kind.window[1]
    if kind.scale is Scale.DAYS:
        return _times(cohorts, first=first, tau=kind.window[1], **common)
    if kind.scale is Scale.FRACTION:
        return _shares(cohorts, final_after, common)
    return SplitValues(
        values=np.array([row["y"] for row in rows], dtype=np.float64),
        counts=np.array([row["n"] for row in rows], dtype=np.int64),
        final_on=np.array([(row["entered_on"] - seen.first).days + final_after for row in rows], dtype=np.int64),
        measure=MEAN,
        **common,
    )


def _shares(cohorts: Cohorts, final_after: int, common: Mapping[str, Any]) -> SplitValues:
    if cohorts.moments is None:
        raise ValueError("these cohorts hold no moments")
    control = cohorts.moments[0]
    won = np.rint(control.n * np.nan_to_num(control.mean)).astype(np.int64)
    return SplitValues(
        values=np.tile([0.0, 1.0], won.size),
        counts=np.stack((control.n.astype(np.int64) - won, won), axis=-1).ravel(),
        final_on=np.repeat(np.arange(won.size) + final_after, 2),
        measure=SHARE,
        **common,
    )


def _times(cohorts: Cohorts, **fields: Any) -> SplitTimes:
    if cohorts.events is None or cohorts.losses is None:
        raise ValueError("these cohorts hold no durations")
    return SplitTimes(entered=cohorts.entered[0], events=cohorts.events[0], losses=cohorts.losses[0], **fields)


def _trial(
    experiment: str,
    plan: Plan,
    planned: PlannedKpi,
    treatment: PlannedVariant,
    every_day: SplitValues | SplitTimes,
) -> Trial | None:
    """The split on the days that bring news, or None if there are none."""
    alpha = alpha_of(plan, planned)
    if not every_day.units:
        return None
    reading = every_day.expected(start=START, alpha=alpha)
    kept = informative(reading)
    if not kept.size:
        return None
    expected, days = splits.at(reading, kept), every_day.days[kept]
    return Trial(
        experiment=experiment,
        kpi=planned.kpi,
        variant=treatment.key,
        own=own_family(plan, planned),
        units=every_day.units,
        split=replace(every_day, days=days),
        plan=families.Plan.of(splits.at(expected, np.array([-1])), alpha),
        families=judges(plan, days, expected, alpha=alpha),
    )

"""Having past control units split for a draft: whose units they are, what is still to be asked, and what is kept.

The units are the control's of one experiment that has measured the same version of the KPI on the same kind of unit.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta

import asyncpg
import numpy as np
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments import queries
from experiments.inference.cohorts import decode
from experiments.planning import history
from experiments.planning import plan as plans
from experiments.planning.history import Past, Trial
from experiments.planning.plan import Plan, PlannedKpi
from experiments.planning.replays import REPLAYS, SEED, Setting, Shown, settings
from experiments.tables import Experiment, Refresh, Rehearsal
from kpi.enums import Unit
from kpi.workspaces import workspace_by_id

MOST_ASKED = 20
"""Experiments whose entries are read in search of the units, the newest ones."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """A deciding KPI of a draft, what is asked about it by treatment, and the experiment whose units answer."""

    plan: Plan
    planned: PlannedKpi
    settings: dict[str, Setting]
    past: Past

    @property
    def days(self) -> int:
        """Days that the first units have been watched, as far as the draft's horizon reaches."""
        if self.past.aggregates is None or self.past.started_on is None:
            return 0
        end = self.past.started_on + timedelta(days=self.plan.horizon_days)
        return max(0, (min(self.past.aggregates.through, end) - self.past.aggregates.first).days)


# --- whose units ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Experiments of a workspace whose control units may be split, the newest first, and what is known of these.

    That is how far they are counted, and how many entered by day. Rows before `floor` are gone.
    """

    experiments: Sequence[Experiment]
    refreshes: Mapping[int, Refresh]
    by_day: Mapping[int, Mapping[date, int]]
    floor: date | None

    def sources(self, unit: Unit, plan: Plan) -> dict[int, Experiment]:
        """By definition of a deciding KPI, the experiment with most control units that are final; none is absent."""
        found: dict[int, Experiment] = {}
        for planned in plan.primaries:
            units = {one.id: self.final(one, planned) for one in self.experiments if one.unit is unit}
            best = max(units, key=units.__getitem__, default=None)
            if best is not None and units[best]:
                found[planned.definition.id] = next(one for one in self.experiments if one.id == best)
        return found

    def final(self, of: Experiment, planned: PlannedKpi) -> float:
        """Control units whose window has closed, reckoned by the control's weight; 0 where they cannot be split."""
        plan, kind = plans.from_document(of.plan), decode(planned)
        if of.id not in self.refreshes or planned.definition.id not in {kpi.definition.id for kpi in plan.kpis}:
            return 0.0
        if not kind.adds_up:
            return 0.0
        first = date.min
        if kind.scale.is_amount:  # read from rows, unit by unit; of the others the sums by day say all
            first = date.max if of.given_at is not None else self.floor or first
        last = self.refreshes[of.id].data_through.astimezone(UTC).date() - timedelta(days=1 + kind.window[1])
        control, *others = (variant.weight for variant in plan.variants)
        final = sum(n for day, n in self.by_day.get(of.id, {}).items() if first <= day <= last)
        return final * control / (control + sum(others))


async def pool(session: AsyncSession, workspace_id: int, started: Sequence[Experiment]) -> Pool:
    """What of a workspace's started experiments may be split: the newest of each kind of unit."""
    newest = sorted(started, key=lambda one: one.started_at or one.created_at, reverse=True)
    asked = [one for unit in Unit for one in [one for one in newest if one.unit is unit][:MOST_ASKED]]
    ids = [one.id for one in asked]
    return Pool(
        experiments=asked,
        refreshes=await queries.refreshes_of(session, ids),
        by_day=await queries.entered_by_day(session, ids),
        floor=(await workspace_by_id(session, workspace_id)).frozen_before,
    )


async def sources(session: AsyncSession, draft: Experiment, plan: Plan) -> dict[int, Experiment]:
    """By definition of a deciding KPI, the experiment whose control units can be split; none is absent."""
    started = await queries.started_experiments(session, draft.workspace_id)
    return (await pool(session, draft.workspace_id, started)).sources(draft.unit, plan)


async def shown(session: AsyncSession, workspace_id: int, kpis: Collection[str]) -> list[Shown]:
    """What splits have shown for some KPIs, under whatever rules and for whatever version."""
    return [
        Shown(kpi=kpi, version=version, experiment=experiment, stored=stored)
        for stored, kpi, version, experiment in await queries.rehearsals_of(session, workspace_id, kpis)
    ]


async def of_plan(session: AsyncSession, experiment: Experiment) -> list[Shown]:
    """What splits have shown under the rules of a plan, KPIs in its order; what was not asked is absent."""
    plan = plans.from_document(experiment.plan)
    known = {one.setting: one for one in await shown(session, experiment.workspace_id, _deciding(plan))}
    asked = [setting for planned in plan.primaries for setting in settings(plan, planned).values()]
    return [known[setting] for setting in asked if setting in known]


async def questions(
    session: AsyncSession, connection: asyncpg.Connection, draft: Experiment, since: datetime
) -> list[Question]:
    """What is to be asked for a draft, but for what was answered `since` then: a job that was cut off goes on."""
    plan = plans.from_document(draft.plan)
    answered = {
        one.setting
        for one in await shown(session, draft.workspace_id, _deciding(plan))
        if one.stored.computed_at >= since
    }
    found: list[Question] = []
    whose = await sources(session, draft, plan)
    pasts = {one.id: await history.past(session, connection, one) for one in whose.values()}
    for planned in plan.primaries:
        open_ = {key: one for key, one in settings(plan, planned).items() if one not in answered}
        if open_ and planned.definition.id in whose:
            past = pasts[whose[planned.definition.id].id]
            found.append(Question(plan=plan, planned=planned, settings=open_, past=past))
    return found


async def trials(connection: asyncpg.Connection, of: Question) -> dict[str, Trial]:
    """The units ready to be split, by treatment, for the draft's own way to test; nothing where there are too few.

    In the caller's transaction, once in it.
    """
    found = await history.trials(connection, of.past, plan=of.plan, kpis=[of.planned])
    return {one.variant: _own(one) for one in found if isinstance(one, Trial)}


def _own(trial: Trial) -> Trial:
    return replace(trial, families=tuple(family for family in trial.families if family.name == trial.own))


def found_in(trial: Trial, draw: np.random.Generator, replays: int) -> int:
    """In how many of so many splits the plan's own test finds a difference."""
    (row,) = trial.replayed(draw, replicates=replays)
    return round(row.false_positives.value * replays)


def rehearsal(
    of: Question, setting: Setting, trial: Trial | None, false_positives: int, *, now: datetime, version: str
) -> Rehearsal:
    """What is kept of it, also where nothing could be split."""
    through = of.past.data_through or now
    return Rehearsal(
        **asdict(setting),
        experiment_id=of.past.experiment.id,
        replays=0 if trial is None else REPLAYS,
        false_positives=false_positives,
        units=0 if trial is None else trial.units,
        days=of.days,
        data_through=through,
        computed_at=now,
        seed=SEED,
        version=version,
    )


def _deciding(plan: Plan) -> list[str]:
    return [planned.kpi for planned in plan.primaries]

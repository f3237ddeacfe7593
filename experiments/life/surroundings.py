"""What drafts meet in their workspace, read for the checks before a launch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from experiments import queries
from experiments.enums import State
from experiments.life import story
from experiments.life.launch import LATELY_DAYS, Accrual, LaunchCheck, Neighbour, Surroundings, checks
from experiments.life.lifecycle import MEASURING
from experiments.life.traffic import open_days
from experiments.planning import plan as plans
from experiments.planning import rehearsals
from experiments.planning.plan import Plan
from experiments.planning.replays import Shown
from experiments.tables import Experiment, Refresh, Step
from kpi.events import first_id
from kpi.ingest import SKEW
from kpi.queries import baselines_of, hypotheses_by_key, newest_versions
from kpi.storage import events_among, known_events
from kpi.tables import Baseline

ACCRUAL_DAYS = 28
"""Whole weeks, for days of the week differ."""
MOST_ASKED = 20
"""Experiments whose entries are read, those nearest to the draft."""


async def launch_checks(
    session: AsyncSession, experiments: Collection[Experiment], now: datetime
) -> dict[int, list[LaunchCheck]]:
    """What is checked before drafts of one workspace start, as it stands now; nothing of what has started."""
    drafts = [_Draft(experiment=one, plan=plans.from_document(one.plan)) for one in experiments if _is_draft(one)]
    found: dict[int, list[LaunchCheck]] = {one.id: [] for one in experiments}
    if drafts:
        meet = await _Workspace.read(session, drafts, now)
        found |= {draft.experiment.id: checks(draft.plan, meet.surroundings(draft), now) for draft in drafts}
    return found


def _is_draft(experiment: Experiment) -> bool:
    return experiment.state is State.DRAFT


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """An experiment that has not started, and its plan."""

    experiment: Experiment
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class _Started:
    """An experiment that has started, and what a draft beside it would see of it."""

    experiment: Experiment
    seen: Neighbour

    def nearness(self, plan: Plan) -> tuple[bool, datetime]:
        """The nearest is the newest on the same primary KPI, or else the newest."""
        decides_alike = not self.seen.primaries.isdisjoint(kpi.kpi for kpi in plan.primaries)
        return decides_alike, self.experiment.started_at or self.experiment.created_at


@dataclass(frozen=True, slots=True, kw_only=True)
class _Workspace:
    """What any of some drafts may meet, read at once for all of them."""

    started: Sequence[_Started]
    baselines: Mapping[int, Sequence[Baseline]]
    refreshes: Mapping[int, Refresh]
    entered: Mapping[int, Mapping[date, int]]
    steps: Mapping[int, Sequence[Step]]
    segments: Mapping[str, str | None]
    versions: Mapping[str, int]
    replayed: Sequence[Shown]
    pool: rehearsals.Pool
    known_events: frozenset[str]
    late_events: frozenset[str]

    @classmethod
    async def read(cls, session: AsyncSession, drafts: Sequence[_Draft], now: datetime) -> "_Workspace":
        """In so many statements, however many drafts."""
        workspace_id = drafts[0].experiment.workspace_id
        rows = await queries.started_experiments(session, workspace_id)
        started = [_Started(experiment=row, seen=_neighbour(row)) for row in rows]
        asked = {one.experiment.id for draft in drafts for one in _nearest(started, draft)}
        definitions = {kpi.definition.id for draft in drafts for kpi in draft.plan.primaries}
        events = {event for draft in drafts for event in draft.plan.events}
        believed = await hypotheses_by_key(session, workspace_id, {draft.plan.hypothesis for draft in drafts})
        kpis = {kpi.kpi for draft in drafts for kpi in draft.plan.kpis}
        refreshes = await queries.refreshes_of(session, asked)
        since, until = first_id(now - timedelta(days=LATELY_DAYS)), first_id(now + SKEW)
        return cls(
            started=started,
            baselines=await baselines_of(session, definitions),
            refreshes=refreshes,
            entered=await queries.entered_by_day(session, list(refreshes)),
            steps=await story.steps_of(session, list(refreshes)),
            segments={key: hypothesis.segment for key, hypothesis in believed.items()},
            versions=await newest_versions(session, workspace_id, kpis),
            replayed=await rehearsals.shown(session, workspace_id, kpis),
            pool=await rehearsals.pool(session, workspace_id, rows),
            known_events=await known_events(session, workspace_id, events),
            late_events=await events_among(session, workspace_id, events, since, until),
        )

    def surroundings(self, draft: _Draft) -> Surroundings:
        """What one draft meets."""
        split = self.pool.sources(draft.experiment.unit, draft.plan)
        return Surroundings(
            baselines=self.baselines,
            neighbours=[one.seen for one in self.started if _is_beside(one.experiment, draft.experiment)],
            accrual=self._accrual(draft),
            known_events=self.known_events,
            late_events=self.late_events,
            segment=self.segments.get(draft.plan.hypothesis),
            versions=self.versions,
            replayed=self.replayed,
            sources={definition: one.key for definition, one in split.items()},
        )

    def _accrual(self, draft: _Draft) -> Accrual | None:
        """How many units came a day to the nearest experiment that took any in."""
        for one in _nearest(self.started, draft):
            experiment = one.experiment
            refresh, entered = self.refreshes.get(experiment.id), self.entered.get(experiment.id, {})
            steps = self.steps.get(experiment.id, ())
            daily = 0.0 if refresh is None else _daily(experiment, refresh, entered, steps)
            if daily:
                return Accrual(experiment=experiment.key, daily=daily)
        return None


def _nearest(started: Sequence[_Started], draft: _Draft) -> list[_Started]:
    """Those whose entries say how many units a draft may expect, the nearest first."""
    alike = [one for one in started if one.experiment.unit is draft.experiment.unit]
    return sorted(alike, key=lambda one: one.nearness(draft.plan), reverse=True)[:MOST_ASKED]


def neighbours(started: Sequence[Experiment], experiment: Experiment) -> list[Neighbour]:
    """Those of some experiments that measure the same kind of unit now, but for the experiment itself."""
    return [_neighbour(one) for one in started if _is_beside(one, experiment)]


def _is_beside(one: Experiment, experiment: Experiment) -> bool:
    return one.id != experiment.id and one.unit is experiment.unit and one.state in MEASURING


def _neighbour(of: Experiment) -> Neighbour:
    plan = plans.from_document(of.plan)
    primaries = frozenset(kpi.kpi for kpi in plan.primaries)
    return Neighbour(key=of.key, layer=plan.layer, traffic=of.traffic, primaries=primaries, holdout=plan.holdout)


def _daily(experiment: Experiment, refresh: Refresh, entered: Mapping[date, int], steps: Sequence[Step]) -> float:
    """The mean of the last days of enrolment, each reckoned up to all traffic; 0 without any."""
    ends = [at.astimezone(UTC).date() for at in (refresh.data_through, experiment.frozen_at) if at is not None]
    end, began = min(ends), (experiment.started_at or experiment.created_at).astimezone(UTC).date()
    first = max(began, end - timedelta(days=ACCRUAL_DAYS))
    days = open_days(experiment, steps, first=first, end=end)
    return sum(n for day, n in entered.items() if first <= day < end) / days if days else 0.0

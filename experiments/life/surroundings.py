"""What a draft meets in its workspace, read for the checks before its launch."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from experiments import queries
from experiments.enums import State
from experiments.life.launch import LATELY_DAYS, Accrual, LaunchCheck, Neighbour, Surroundings, checks
from experiments.life.lifecycle import MEASURING
from experiments.planning import plan as plans
from experiments.planning.plan import Plan
from experiments.tables import Experiment, Refresh
from kpi.events import first_id
from kpi.ingest import SKEW
from kpi.queries import baselines_of, hypotheses_by_key
from kpi.storage import events_among, known_events

ACCRUAL_DAYS = 28
"""Whole weeks, for days of the week differ."""
MOST_ASKED = 20
"""Experiments whose entries are read, those nearest to the draft."""


async def launch_checks(session: AsyncSession, experiment: Experiment, now: datetime) -> list[LaunchCheck]:
    """What is checked before a draft starts, as it stands now; nothing of what has started."""
    if experiment.state is not State.DRAFT:
        return []
    plan = plans.from_document(experiment.plan)
    return checks(plan, await _surroundings(session, experiment, plan, now), now)


async def _surroundings(session: AsyncSession, experiment: Experiment, plan: Plan, now: datetime) -> Surroundings:
    workspace_id = experiment.workspace_id
    started = [one for one in await queries.started_experiments(session, workspace_id) if one.unit is experiment.unit]
    believed = (await hypotheses_by_key(session, workspace_id, [plan.hypothesis])).get(plan.hypothesis)
    since, until = first_id(now - timedelta(days=LATELY_DAYS)), first_id(now + SKEW)
    return Surroundings(
        baselines=await baselines_of(session, [kpi.definition.id for kpi in plan.primaries]),
        neighbours=neighbours(started, experiment),
        accrual=await _accrual(session, started, plan),
        known_events=await known_events(session, workspace_id, plan.events),
        late_events=await events_among(session, workspace_id, plan.events, since, until),
        segment=None if believed is None else believed.segment,
    )


def neighbours(started: Sequence[Experiment], experiment: Experiment) -> list[Neighbour]:
    """Those of some experiments that measure the same kind of unit now, but for the experiment itself."""
    return [
        _neighbour(one)
        for one in started
        if one.id != experiment.id and one.unit is experiment.unit and one.state in MEASURING
    ]


def _neighbour(of: Experiment) -> Neighbour:
    plan = plans.from_document(of.plan)
    primaries = frozenset(kpi.kpi for kpi in plan.primaries)
    return Neighbour(key=of.key, layer=plan.layer, traffic=of.traffic, primaries=primaries, holdout=plan.holdout)


async def _accrual(session: AsyncSession, started: Sequence[Experiment], plan: Plan) -> Accrual | None:
    """How many units came a day to the newest experiment on the same primary KPI, or else to the newest."""
    wanted = {kpi.kpi for kpi in plan.primaries}

    def nearness(one: Experiment) -> tuple[bool, datetime]:
        return bool(_neighbour(one).primaries & wanted), one.started_at or one.created_at

    nearest = sorted(started, key=nearness, reverse=True)[:MOST_ASKED]
    refreshes = await queries.refreshes_of(session, [one.id for one in nearest])
    entered = await queries.entered_by_day(session, list(refreshes))
    for one in nearest:
        daily = _daily(one, refreshes[one.id], entered.get(one.id, {})) if one.id in refreshes else 0.0
        if daily:
            return Accrual(experiment=one.key, daily=daily / one.traffic)
    return None


def _daily(experiment: Experiment, refresh: Refresh, entered: dict[date, int]) -> float:
    """The mean of the last whole days of enrolment; 0 without any."""
    ends = [at.astimezone(UTC).date() for at in (refresh.data_through, experiment.frozen_at) if at is not None]
    end, began = min(ends), (experiment.started_at or experiment.created_at).astimezone(UTC).date()
    first = max(began, end - timedelta(days=ACCRUAL_DAYS))
    days = (end - first).days
    return sum(n for day, n in entered.items() if first <= day < end) / days if days else 0.0

"""An experiment's results: the stored aggregates read, laid out and evaluated.

Nothing is stored: results are a pure function of the sealed plan and the aggregates, so the same data give the same
answer.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import asyncpg
import msgspec
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments import entrants, queries
from experiments.aggregation import overlaps
from experiments.aggregation.aggregates import crossovers_before, read
from experiments.inference import recall
from experiments.inference.cohorts import EVERYBODY, Aggregates
from experiments.inference.evaluation import Evaluation
from experiments.inference.health import Health
from experiments.inference.interaction import Interaction, compared, interactions, laid_out
from experiments.inference.looks import Span
from experiments.inference.monitoring import LATELY_DAYS, Circumstances, Leaks
from experiments.inference.reading import Calendar
from experiments.inference.verdict import Verdict, judge
from experiments.life import story
from experiments.life.lifecycle import last_entry_on
from experiments.planning import plan as plans
from experiments.planning.plan import Plan
from experiments.tables import Amendment, Experiment, Pause, Refresh, Variant
from kpi import batches


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What may honestly be concluded now, and where the numbers come from."""

    experiment: Experiment
    plan: Plan
    refresh: Refresh
    data_through: datetime
    span: Span
    crossovers: int
    evaluation: Evaluation
    health: Health
    verdict: Verdict
    exposed: int
    is_sealed_before_data: bool
    amendments: tuple[Amendment, ...]
    interactions: tuple[Interaction, ...]

    @property
    def is_exploratory(self) -> bool:
        """Whether an amendment broke the error rates that the sealed plan promised."""
        return breaks_error_control(self.amendments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is written down of an experiment beside its aggregates; `refresh` is the last one, None before the first."""

    refresh: Refresh | None
    variants: Sequence[Variant]
    amendments: Sequence[Amendment]
    pauses: Sequence[Pause]


async def records(session: AsyncSession, experiment_ids: Collection[int]) -> dict[int, Record]:
    """What is written down of experiments, in the statements of one."""
    refreshes = await queries.refreshes_of(session, experiment_ids)
    variants = await queries.variants_of(session, experiment_ids)
    amendments = await story.amendments_of(session, experiment_ids)
    pauses = await story.pauses_of(session, experiment_ids)
    return {
        identity: Record(
            refresh=refreshes.get(identity),
            variants=variants[identity],
            amendments=amendments.get(identity, []),
            pauses=pauses.get(identity, []),
        )
        for identity in experiment_ids
    }


async def results(
    session: AsyncSession,
    connection: asyncpg.Connection,
    experiment: Experiment,
    as_of: datetime | None = None,
    record: Record | None = None,
) -> Results | None:
    """Read an experiment's aggregates and evaluate its plan on them; None before its first refresh or its start.

    With `as_of`, what was to be seen then: the plan in force then, and the units that were final then, by what is known
    of them now. `connection` is the session's own: all is read within one transaction, but for a record that was read
    before.
    """
    record = record or (await records(session, [experiment.id]))[experiment.id]
    refresh, variants, amendments = record.refresh, record.variants, record.amendments
    if refresh is None or experiment.started_at is None or (as_of is not None and as_of < experiment.started_at):
        return None
    data_through = reach(experiment, refresh, as_of)
    # What a stopped experiment's units do later does not count; a day that was cut short is not over.
    is_past = experiment.stopped_at is not None or as_of is not None
    until = data_through.date() if is_past else date.max
    plan = plan_at(experiment, amendments, as_of)
    crossed = await crossovers_before(connection, experiment.id, until)
    rows = await read(connection, experiment.id, until)
    ids = {row.key: row.id for row in variants}
    span = span_at(experiment, as_of)
    worked = recall.evaluated(plan, ids, rows, Calendar(span=span, through=data_through.date()))
    evaluation, control = worked.evaluation, ids[plan.variants[0].key]
    beside = await _interactions(session, connection, experiment, plan, data_through)
    circumstances = Circumstances(
        crossovers={key: crossed.get(identity, 0) for key, identity in ids.items()},
        open_since=_open_since(span, data_through, record.pauses),
        interactions=beside,
        leaks=await _leaks(connection, experiment.id, control, worked.aggregates, data_through),
        arrived=await _arrived(connection, experiment, plan, data_through),
    )
    health = recall.inspected(plan, worked, circumstances)
    made = tuple(one for one in amendments if as_of is None or one.created_at <= as_of)
    return Results(
        experiment=experiment,
        plan=plan,
        refresh=refresh,
        data_through=data_through,
        span=span,
        crossovers=sum(crossed.values()),
        evaluation=evaluation,
        health=health,
        verdict=judge(evaluation.findings, health, is_exploratory=breaks_error_control(made)),
        exposed=sum(arm.observed for arm in evaluation.sample_ratio.arms),
        is_sealed_before_data=_is_sealed_before_data(experiment),
        amendments=made,
        interactions=beside,
    )


async def _interactions(
    session: AsyncSession, connection: asyncpg.Connection, experiment: Experiment, plan: Plan, through: datetime
) -> tuple[Interaction, ...]:
    """What the experiments that share units do to the effects of this one, the one with most of them first."""
    stored = await overlaps.read(connection, experiment.id, through, compared(plan))
    if stored is None or not stored.counts:
        return ()
    others = await queries.experiments_by_id(session, experiment.workspace_id, {other for other, _, _ in stored.counts})
    variants = await queries.variants_of(session, [experiment.id, *others])
    numbers = {of: {row.key: row.id for row in rows} for of, rows in variants.items()}
    shared = []
    for other in others.values():
        its = plans.from_document(other.plan)
        places = [
            [(numbers[experiment.id][own.key], numbers[other.id][one.key]) for one in its.variants]
            for own in plan.variants
        ]
        shared.append(laid_out(plan, other.id, its, places, stored.counts, stored.moments))
    shared.sort(key=lambda one: (-one.units.sum(), one.other_id))
    return interactions(plan, shared, computed_at=stored.computed_at, data_through=stored.data_through)


async def _leaks(
    connection: asyncpg.Connection, experiment_id: int, control_id: int, aggregates: Aggregates, through: datetime
) -> Leaks | None:
    held = int(aggregates.entered[EVERYBODY][0].sum())
    found = await entrants.leaks(connection, experiment_id, control_id, through, held)
    return None if found is None else Leaks(units=found[0], leaked=found[1])


async def _arrived(
    connection: asyncpg.Connection, experiment: Experiment, plan: Plan, moment: datetime
) -> list[tuple[int, int]]:
    """The outcomes of a week up to a moment by day of arrival, and the late ones; none where aggregates are given.

    From the day after the plan was sealed on: history that is taken in with a start in the past is not late.
    """
    sealed_on = _day(experiment.sealed_at)
    if experiment.given_at is not None or sealed_on is None:
        return []
    first = max(sealed_on, moment.date() - timedelta(days=LATELY_DAYS)) + timedelta(days=1)
    return await batches.arrived(connection, experiment.workspace_id, plan.events, first, moment.date())


def breaks_error_control(amendments: Sequence[Amendment]) -> bool:
    """Whether one of them broke the error rates that the sealed plan promised."""
    return any(amendment.breaks_error_control for amendment in amendments)


def plan_at(experiment: Experiment, amendments: Sequence[Amendment], as_of: datetime | None) -> Plan:
    """The plan in force at a moment: what the first amendment after it replaced, or the one in force now."""
    later = next((one for one in amendments if as_of is not None and one.created_at > as_of), None)
    return plans.from_document(experiment.plan if later is None else msgspec.json.decode(later.replaced_json))


def reach(experiment: Experiment, refresh: Refresh, as_of: datetime | None = None) -> datetime:
    """The time through which data are counted: as far as they are refreshed, and not beyond the stop or the moment."""
    ends = (refresh.data_through, experiment.stopped_at, as_of)
    return min(end for end in ends if end is not None).astimezone(UTC)


def span_at(experiment: Experiment, as_of: datetime | None = None) -> Span:
    """What is known of the experiment's life at a moment."""
    started_at, frozen_at, stopped_at = (
        at if as_of is None or at is None or at <= as_of else None
        for at in (experiment.started_at, experiment.frozen_at, experiment.stopped_at)
    )
    if started_at is None:
        raise ValueError("an experiment that has not started has no results")
    return Span(
        started_on=started_at.astimezone(UTC).date(), frozen_on=last_entry_on(frozen_at), stopped_on=_day(stopped_at)
    )


def _day(at: datetime | None) -> date | None:
    return None if at is None else at.astimezone(UTC).date()


def _open_since(span: Span, moment: datetime, pauses: Sequence[Pause]) -> date | None:
    """The day since which units may enter without a break; None when they may not at this moment."""
    begun = [pause for pause in pauses if pause.from_at <= moment]
    if span.frozen_on is not None or any(pause.until_at is None or pause.until_at > moment for pause in begun):
        return None
    resumed = [pause.until_at.astimezone(UTC).date() for pause in begun if pause.until_at is not None]
    return max([span.started_on, *resumed])


def _is_sealed_before_data(experiment: Experiment) -> bool:
    sealed, started = experiment.sealed_at, experiment.started_at
    return sealed is not None and started is not None and sealed <= started

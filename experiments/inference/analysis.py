"""An experiment's results: the stored aggregates read, laid out and evaluated.

Nothing is stored: results are a pure function of the sealed plan and the aggregates, so the same data give the same
answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import asyncpg
import msgspec
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments import queries
from experiments.aggregation.aggregates import crossovers_before, read
from experiments.inference.cohorts import assemble
from experiments.inference.evaluation import Evaluation, evaluate
from experiments.inference.health import Health
from experiments.inference.looks import Span
from experiments.inference.monitoring import LATELY_DAYS, Circumstances, inspect
from experiments.inference.reading import Calendar
from experiments.inference.verdict import Verdict, judge
from experiments.life import story
from experiments.planning import plan as plans
from experiments.planning.plan import Plan
from experiments.tables import Amendment, Experiment, Pause, Refresh
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

    @property
    def is_exploratory(self) -> bool:
        """Whether an amendment broke the error rates that the sealed plan promised."""
        return breaks_error_control(self.amendments)


async def results(
    session: AsyncSession, connection: asyncpg.Connection, experiment: Experiment, as_of: datetime | None = None
) -> Results | None:
    """Read an experiment's aggregates and evaluate its plan on them; None before its first refresh or its start.

    With `as_of`, what was to be seen then: the plan in force then, and the units that were final then, by what is known
    of them now. `connection` is the session's own: all is read within one transaction.
    """
    refresh = (await queries.refreshes_of(session, [experiment.id])).get(experiment.id)
    if refresh is None or experiment.started_at is None or (as_of is not None and as_of < experiment.started_at):
        return None
    variants = (await queries.variants_of(session, [experiment.id]))[experiment.id]
    amendments = (await story.amendments_of(session, [experiment.id])).get(experiment.id, [])
    data_through = reach(experiment, refresh, as_of)
    # What a stopped experiment's units do later does not count; a day that was cut short is not over.
    is_past = experiment.stopped_at is not None or as_of is not None
    until = data_through.date() if is_past else date.max
    plan = plan_at(experiment, amendments, as_of)
    crossed = await crossovers_before(connection, experiment.id, until)
    rows = await read(connection, experiment.id, until)
    ids = {row.key: row.id for row in variants}
    aggregates = assemble(plan, ids, rows, data_through, sum(crossed.values()))
    span = span_at(experiment, as_of)
    evaluation = evaluate(plan, aggregates, Calendar(span=span, through=aggregates.through))
    circumstances = Circumstances(
        crossovers={key: crossed.get(identity, 0) for key, identity in ids.items()},
        open_since=_open_since(span, data_through, (await story.pauses_of(session, [experiment.id]))[experiment.id]),
        arrived=await _arrived(connection, experiment, plan, data_through),
    )
    health = inspect(plan, aggregates, evaluation.findings, evaluation.sample_ratio, circumstances)
    made = tuple(one for one in amendments if as_of is None or one.created_at <= as_of)
    return Results(
        experiment=experiment,
        plan=plan,
        refresh=refresh,
        data_through=data_through,
        span=span,
        crossovers=aggregates.crossovers,
        evaluation=evaluation,
        health=health,
        verdict=judge(evaluation.findings, health, is_exploratory=breaks_error_control(made)),
        exposed=sum(arm.observed for arm in evaluation.sample_ratio.arms),
        is_sealed_before_data=_is_sealed_before_data(experiment),
        amendments=made,
    )


async def _arrived(
    connection: asyncpg.Connection, experiment: Experiment, plan: Plan, moment: datetime
) -> tuple[int, int]:
    """The outcomes that came in within a week up to a moment, and the late ones; none where aggregates are given.

    From the day after the plan was sealed on: history that is taken in with a start in the past is not late.
    """
    sealed_on = _day(experiment.sealed_at)
    if experiment.given_at is not None or sealed_on is None:
        return 0, 0
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
    started_on, frozen_on, stopped_on = (
        _day(at if as_of is None or at is None or at <= as_of else None)
        for at in (experiment.started_at, experiment.frozen_at, experiment.stopped_at)
    )
    if started_on is None:
        raise ValueError("an experiment that has not started has no results")
    return Span(started_on=started_on, frozen_on=frozen_on, stopped_on=stopped_on)


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

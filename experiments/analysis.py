"""An experiment's results: the stored aggregates read, laid out and evaluated.

Nothing is stored: results are a pure function of the sealed plan and the aggregates, so the same data give the same
answer.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import asyncpg
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments import plan as plans
from experiments import queries, story
from experiments.aggregates import read
from experiments.cohorts import assemble
from experiments.evaluation import Evaluation, evaluate
from experiments.looks import Span
from experiments.plan import Plan
from experiments.reading import Calendar
from experiments.tables import Amendment, Experiment, Refresh
from experiments.verdict import Verdict, judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What may honestly be concluded now, and where the numbers come from."""

    experiment: Experiment
    plan: Plan
    refresh: Refresh
    data_through: datetime
    evaluation: Evaluation
    verdict: Verdict
    exposed: int
    is_sealed_before_data: bool
    amendments: tuple[Amendment, ...]

    @property
    def is_exploratory(self) -> bool:
        """Whether an amendment broke the error rates that the sealed plan promised."""
        return any(amendment.breaks_error_control for amendment in self.amendments)


async def results(session: AsyncSession, connection: asyncpg.Connection, experiment: Experiment) -> Results | None:
    """Read an experiment's aggregates and evaluate its plan on them; None before its first refresh.

    `connection` is the session's own: all is read within one transaction.
    """
    refresh = (await queries.refreshes_of(session, [experiment.id])).get(experiment.id)
    if refresh is None:
        return None
    variants = (await queries.variants_of(session, [experiment.id]))[experiment.id]
    variant_ids = {row.key: row.id for row in variants}
    amendments = (await story.amendments_of(session, [experiment.id])).get(experiment.id, [])
    data_through = _data_through(experiment, refresh)
    # What a stopped experiment's units do later does not count; the day of the stop is not over.
    rows = await read(connection, experiment.id, date.max if experiment.stopped_at is None else data_through.date())
    plan = plans.from_document(experiment.plan)
    aggregates = assemble(plan, variant_ids, rows, data_through, refresh.crossovers)
    evaluation = evaluate(plan, aggregates, Calendar(span=_span(experiment), through=aggregates.through))
    return Results(
        experiment=experiment,
        plan=plan,
        refresh=refresh,
        data_through=data_through,
        evaluation=evaluation,
        verdict=judge(evaluation.findings, evaluation.sample_ratio),
        exposed=sum(arm.observed for arm in evaluation.sample_ratio.arms),
        is_sealed_before_data=_is_sealed_before_data(experiment),
        amendments=tuple(amendments),
    )


def _data_through(experiment: Experiment, refresh: Refresh) -> datetime:
    ends = [refresh.data_through] if experiment.stopped_at is None else [refresh.data_through, experiment.stopped_at]
    return min(ends).astimezone(UTC)


def _span(experiment: Experiment) -> Span:
    started_on = _day(experiment.started_at)
    if started_on is None:
        raise ValueError("an experiment that has not started has no results")
    return Span(started_on=started_on, frozen_on=_day(experiment.frozen_at), stopped_on=_day(experiment.stopped_at))


def _day(at: datetime | None) -> date | None:
    return None if at is None else at.astimezone(UTC).date()


def _is_sealed_before_data(experiment: Experiment) -> bool:
    sealed, started = experiment.sealed_at, experiment.started_at
    return sealed is not None and started is not None and sealed <= started

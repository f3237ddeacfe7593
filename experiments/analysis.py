"""An experiment's results: the stored aggregates read, laid out and evaluated.

Nothing is stored: results are a pure function of the sealed plan and the aggregates, so the same data give the same
answer.
"""

from dataclasses import dataclass
from datetime import UTC, date

import asyncpg

from experiments import plan as plans
from experiments.aggregates import read
from experiments.cohorts import assemble
from experiments.evaluation import Evaluation, evaluate
from experiments.plan import Plan
from experiments.reading import Calendar
from experiments.tables import Experiment, Refresh
from experiments.verdict import Verdict, judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What may honestly be concluded now, and where the numbers come from."""

    experiment: Experiment
    plan: Plan
    refresh: Refresh
    evaluation: Evaluation
    verdict: Verdict
    exposed: int
    is_sealed_before_data: bool


async def results(
    connection: asyncpg.Connection, experiment: Experiment, refresh: Refresh, variant_ids: dict[str, int]
) -> Results:
    """Read an experiment's aggregates and evaluate its plan on them."""
    rows = await read(connection, experiment.id)
    plan = plans.from_document(experiment.plan)
    aggregates = assemble(plan, variant_ids, rows, refresh.data_through.astimezone(UTC), refresh.crossovers)
    evaluation = evaluate(plan, aggregates, _calendar(experiment, aggregates.through))
    return Results(
        experiment=experiment,
        plan=plan,
        refresh=refresh,
        evaluation=evaluation,
        verdict=judge(evaluation.findings, evaluation.sample_ratio),
        exposed=sum(arm.observed for arm in evaluation.sample_ratio.arms),
        is_sealed_before_data=_is_sealed_before_data(experiment),
    )


def _calendar(experiment: Experiment, through: date) -> Calendar:
    started, stopped = experiment.started_at, experiment.stopped_at
    if started is None:
        raise ValueError("an experiment that has not started has no results")
    return Calendar(
        started_on=started.astimezone(UTC).date(),
        stopped_on=None if stopped is None else stopped.astimezone(UTC).date(),
        through=through,
    )


def _is_sealed_before_data(experiment: Experiment) -> bool:
    sealed, started = experiment.sealed_at, experiment.started_at
    return sealed is not None and started is not None and sealed <= started

"""The evidence on a hypothesis, read from its experiments, and the record of how its status followed it.

The evidence is computed anew each time: it is a function of sealed plans and aggregates. What is stored is when the
status changed, and what brought that about.
"""

from datetime import datetime

import asyncpg
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments import queries
from experiments.enums import Cause, Status
from experiments.inference.analysis import Results, results
from experiments.inference.monitoring import SrmState, srm_state
from experiments.programme.evidence import Contribution, Evidence, gather
from experiments.tables import Experiment, StatusChange
from kpi.queries import hypotheses_by_id, kpis_by_id
from kpi.tables import Hypothesis


async def evidence(session: AsyncSession, connection: asyncpg.Connection, hypothesis: Hypothesis) -> Evidence:
    """All experiments on a hypothesis that have started and been looked at once. `connection` is the session's own."""
    kpi = (await kpis_by_id(session, hypothesis.workspace_id, [hypothesis.kpi_id]))[hypothesis.kpi_id]
    found: list[Contribution] = []
    for experiment in await queries.experiments_on(session, hypothesis.id):
        seen = await results(session, connection, experiment)
        part = None if seen is None else contribution(seen, kpi.key)
        found += [] if part is None else [part]
    return gather(found, sign=hypothesis.direction.sign)


def contribution(
    seen: Results, kpi: str, variant: str | None = None, segment: str | None = None
) -> Contribution | None:
    """What an experiment says of a KPI; None if it does not measure it.

    Of several variants the first that is not control, if none is named; for everybody, if no segment is.
    """
    among = seen.evaluation.findings if segment is None else seen.evaluation.segment_findings
    finding = next(
        (
            one
            for one in among
            if one.kpi == kpi and variant in (None, one.variant.key) and segment in (None, one.segment)
        ),
        None,
    )
    if finding is None:
        return None
    planned = next(planned for planned in seen.plan.kpis if planned.kpi == kpi)
    return Contribution(
        experiment=seen.experiment.key,
        experiment_id=seen.experiment.id,
        finding=finding,
        definition_version=planned.definition.version,
        planned_effect=planned.mde,
        planned_information=planned.information,
        is_over=finding.is_over or seen.experiment.stopped_at is not None,
        is_split_broken=srm_state(seen.evaluation.sample_ratio) is SrmState.ALARM,
        is_exploratory=seen.is_exploratory,
        is_sealed_before_data=seen.is_sealed_before_data,
    )


async def weigh(
    session: AsyncSession,
    connection: asyncpg.Connection,
    *,
    experiment: Experiment,
    cause: Cause,
    now: datetime,
    by: str | None = None,
) -> Status:
    """Settle the status of an experiment's hypothesis, and record it if it has changed. Safe to run twice."""
    await queries.hold_status(connection, experiment.id, experiment.hypothesis_id)
    hypothesis = (await hypotheses_by_id(session, experiment.workspace_id, [experiment.hypothesis_id]))[
        experiment.hypothesis_id
    ]
    found = await evidence(session, connection, hypothesis)
    changes = (await queries.status_changes_of(session, [hypothesis.id])).get(hypothesis.id, [])
    before = changes[-1].status if changes else Status.OPEN
    if found.status is not before:
        session.add(
            StatusChange(
                workspace_id=hypothesis.workspace_id,
                hypothesis_id=hypothesis.id,
                status=found.status,
                rule=found.rule,
                sentence=found.sentence,
                cause=cause,
                experiment_id=experiment.id,
                by=by,
                changed_at=now,
            )
        )
    return found.status

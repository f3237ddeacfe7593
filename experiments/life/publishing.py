"""Publishing planned looks: what each said when it was due, kept word for word with what it rests on.

Results are computed anew whenever they are asked for, so a late row changes what a past look would say today. What was
published does not change: plan hash, watermark, software version and the whole document, with its SHA-256.
"""

import hashlib
from collections.abc import Collection
from datetime import UTC, date, datetime, time
from typing import Any

import asyncpg
import msgspec
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments import queries
from experiments.inference import looks
from experiments.inference.analysis import Results, reach, results, span_at
from experiments.inference.cohorts import decode
from experiments.inference.looks import Span
from experiments.inference.verdict import Verdict
from experiments.life import story
from experiments.planning import plan as plans
from experiments.planning.plan import Plan
from experiments.tables import Experiment, PublishedLook
from kpi import notices
from kpi.enums import NoticeType

BULKY = ("series", "curves")
"""What a published finding leaves out: every day of it is in the looks before."""


async def publish_looks(
    session: AsyncSession, connection: asyncpg.Connection, *, workspace_id: int, experiment_id: int
) -> list[date]:
    """Publish the looks of a refreshed experiment that are due; returns their days. Safe to run twice."""
    experiment = (await queries.experiments_by_id(session, workspace_id, [experiment_id]))[experiment_id]
    refresh = (await queries.refreshes_of(session, [experiment_id]))[experiment_id]
    known = {look.planned_on for look in (await story.published_looks_of(session, [experiment_id]))[experiment_id]}
    plan = plans.from_document(experiment.plan)
    days = due(plan, span_at(experiment), reach(experiment, refresh).date(), known)
    for day in days:
        then = await results(session, connection, experiment, datetime.combine(day, time(tzinfo=UTC)))
        if then is not None and await story.publish(session, _published(experiment, then, day)):
            said = {"experiment": experiment.key, "plannedOn": day, "verdict": then.verdict.state}
            await notices.tell(session, workspace_id, NoticeType.LOOK_PUBLISHED, said, datetime.now(UTC))
    return days


def due(plan: Plan, span: Span, through: date, known: Collection[date]) -> list[date]:
    """The days of looks at deciding KPIs that have come and were not published."""
    planned = {
        look.planned_on
        for primary in plan.primaries
        for look in looks.calendar(plan, span, decode(primary).window[1])
        if look.planned_on <= through and not look.is_early
    }
    return sorted(planned - set(known))


def document(seen: Results, planned_on: date) -> bytes:
    """What a look says, as JSON in one order."""
    said = {
        "experiment": seen.experiment.key,
        "plannedOn": planned_on,
        "planHash": seen.experiment.plan_hash,
        "dataThrough": seen.data_through,
        "softwareVersion": seen.refresh.version,
        "isExploratory": seen.is_exploratory,
        "verdict": _plain(seen.verdict),
        "health": seen.health,
        "sampleRatio": seen.evaluation.sample_ratio,
        "crossovers": seen.crossovers,
        "findings": [_without_bulk(finding) for finding in seen.evaluation.findings],
        "segmentFindings": [_without_bulk(finding) for finding in seen.evaluation.segment_findings],
    }
    return msgspec.json.encode(said, order="deterministic")


def _plain(verdict: Verdict) -> dict[str, Any]:
    """The verdict without what is in the plan already: the payloads of variants."""
    said: dict[str, Any] = msgspec.to_builtins(verdict)
    for part in (said, *said["standings"]):
        if part["variant"] is not None:
            del part["variant"]["payload"]
    return said


def _without_bulk(finding: object) -> dict[str, Any]:
    said = {name: value for name, value in msgspec.to_builtins(finding).items() if name not in BULKY}
    del said["variant"]["payload"]  # the plan has it
    return said


def _published(experiment: Experiment, seen: Results, planned_on: date) -> PublishedLook:
    written = document(seen, planned_on)
    return PublishedLook(
        workspace_id=experiment.workspace_id,
        experiment_id=experiment.id,
        planned_on=planned_on,
        plan_hash=experiment.plan_hash or "",
        data_through=seen.data_through,
        software_version=seen.refresh.version,
        verdict=seen.verdict.state,
        rule=seen.verdict.rule,
        document=written.decode(),
        document_hash=hashlib.sha256(written).hexdigest(),
        published_at=datetime.now(UTC),
    )

"""What a person can do with jobs, and what else has to reach the files they wait with."""

from datetime import datetime

import asyncpg
from sqlmodel.ext.asyncio.session import AsyncSession

from api.database import driver
from api.jobs import spool
from api.jobs.tables import Job, JobState
from experiments import queries
from experiments.aggregation import forgetting
from experiments.aggregation.forgetting import Forgotten
from experiments.enums import State
from experiments.planning import plan as plans
from experiments.planning import rehearsals, replays
from experiments.tables import Experiment
from kpi.errors import Code, Invalid, NotFound, Problem


async def cancel(connection: asyncpg.Connection, workspace_id: int, job_id: int | None) -> Job:
    """End a job of a workspace. A batch that is being stored is not: its worker finds the job gone."""
    found = None if job_id is None else await spool.lock_job(connection, workspace_id, job_id)
    if found is None:
        raise NotFound
    if found.state in (JobState.SUCCEEDED, JobState.FAILED):
        sentence = "The job has ended; what it took in stays."
        raise Invalid([Problem(code=Code.WRONG_STATE, message=sentence, path=("id",))])
    done = "taken in" if found.experiment_id is None else "worked out"
    await spool.end(connection, found.id, JobState.CANCELLED, f"Cancelled; what was {done} before stays.")
    return await spool.lock_job(connection, workspace_id, found.id) or found


async def rehearse(session: AsyncSession, workspace_id: int, experiment_id: int) -> Job:
    """Have past control units split under a draft's rules; the job that does it, also where it is under way already.

    A workspace has one such job at a time.
    """
    draft = await queries.lock_experiment(session, workspace_id, experiment_id)
    if draft is None:
        raise NotFound
    asked = await _splits(session, draft)
    job = await spool.open_rehearsal(await driver(session), workspace_id, experiment_id, asked)
    if job.experiment_id != experiment_id:
        raise _refused(Code.NOT_READY, "Another draft is being rehearsed; one at a time. Try again when that is done.")
    return job


async def _splits(session: AsyncSession, draft: Experiment) -> int:
    """How many splits a rehearsal is made of. Raises Invalid for what is no draft, and where nothing can be split."""
    if draft.state is not State.DRAFT:
        raise _refused(Code.WRONG_STATE, f"“{draft.key}” is no draft: a rehearsal comes before the start.")
    plan = plans.from_document(draft.plan)
    whose = await rehearsals.sources(session, draft, plan)
    ready = [planned for planned in plan.primaries if planned.definition.id in whose]
    if not ready:
        sentence = "No experiment has final units of a deciding KPI, in the version of this plan, to be split."
        raise _refused(Code.NOT_READY, sentence)
    return replays.REPLAYS * sum(len(replays.settings(plan, planned)) for planned in ready)


def _refused(code: Code, sentence: str) -> Invalid:
    return Invalid([Problem(code=code, message=sentence, path=("id",))])


async def forget(connection: asyncpg.Connection, *, workspace_id: int, unit: str, now: datetime) -> Forgotten:
    """Remove a unit's rows, and have files that are under way come without it, in the caller's transaction.

    Raises LockNotAvailableError when rows that are just being taken in do not let it through.
    """
    names = await forgetting.stop_rows(connection, workspace_id, unit)
    await spool.leave_out(connection, workspace_id, names)
    return await forgetting.forget(connection, workspace_id=workspace_id, unit=unit, now=now)

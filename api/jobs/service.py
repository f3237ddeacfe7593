"""What a person can do with jobs, and what else has to reach the files they wait with."""

from datetime import datetime

import asyncpg

from api.database import Database
from api.jobs import spool
from api.jobs.tables import Job, JobState
from experiments.aggregation import forgetting
from experiments.aggregation.forgetting import Forgotten
from kpi.errors import Code, Invalid, NotFound, Problem


async def cancel(database: Database, workspace_id: int, job_id: int | None) -> Job:
    """End a job of a workspace. A batch that is being stored is not: its worker finds the job gone."""
    async with database.door() as connection:
        found = None if job_id is None else await spool.lock_job(connection, workspace_id, job_id)
        if found is None:
            raise NotFound
        if found.state in (JobState.SUCCEEDED, JobState.FAILED):
            sentence = "The job has ended; what it took in stays."
            raise Invalid([Problem(code=Code.WRONG_STATE, message=sentence, path=("id",))])
        await spool.end(connection, found.id, JobState.CANCELLED, "Cancelled; what was taken in before stays.")
        return await spool.lock_job(connection, workspace_id, found.id) or found


async def forget(connection: asyncpg.Connection, *, workspace_id: int, unit: str, now: datetime) -> Forgotten:
    """Remove a unit's rows, and have files that are under way come without it, in the caller's transaction.

    Raises LockNotAvailableError when rows that are just being taken in do not let it through.
    """
    names = await forgetting.stop_rows(connection, workspace_id, unit)
    await spool.leave_out(connection, workspace_id, names)
    return await forgetting.forget(connection, workspace_id=workspace_id, unit=unit, now=now)

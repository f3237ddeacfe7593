"""What a person can do with a job."""

from api.database import Database
from api.jobs import spool
from api.jobs.tables import Job, JobState
from kpi.errors import Code, Invalid, NotFound, Problem


async def cancel(database: Database, workspace_id: int, job_id: int | None) -> Job:
    """End a job of a workspace. A batch that is being stored is not: its worker finds the job gone."""
    async with database.raw() as connection:
        found = None if job_id is None else await spool.lock_job(connection, workspace_id, job_id)
        if found is None:
            raise NotFound
        if found.state in (JobState.SUCCEEDED, JobState.FAILED):
            sentence = "The job has ended; what it took in stays."
            raise Invalid([Problem(code=Code.WRONG_STATE, message=sentence, path=("id",))])
        await spool.end(connection, found.id, JobState.CANCELLED, "Cancelled; what was taken in before stays.")
        return await spool.lock_job(connection, workspace_id, found.id) or found

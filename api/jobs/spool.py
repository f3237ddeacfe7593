"""Jobs and the files they came with, in Postgres: API and worker may be on different machines, the database is one.

A worker that runs a job holds an advisory lock for as long as its connection lives, so the death of a worker, however
sudden, gives the job back at once.
"""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, BinaryIO

import asyncpg
import msgspec
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.database import Database
from api.jobs.tables import Job, JobState, Noun
from kpi.gate import NOBODY, SECRET_BYTES, Omission, hidden

LOCKS = 7_220_912
"""The space of advisory locks under which jobs run."""
SILENCE = timedelta(minutes=10)
"""After which a file of which nothing more comes is given up."""
LONGEST_WAIT = timedelta(days=1)
"""After which a file of which no worker took anything in is dropped."""

OPEN = "SELECT count(*) FROM jobs WHERE workspace_id = $1 AND ended_at IS NULL AND experiment_id IS NULL"
REHEARSED = "SELECT * FROM jobs WHERE workspace_id = $1 AND ended_at IS NULL AND experiment_id IS NOT NULL"
REHEARSE = """
INSERT INTO jobs (workspace_id, experiment_id, state, parameters, bytes_total, bytes_read, line, accepted, duplicates,
    rejected, attempts, created_at, touched_at)
VALUES ($1, $2, 'WAITING', $3, 0, 0, 0, 0, 0, 0, 0, clock_timestamp(), clock_timestamp()) RETURNING *
"""
APPEND = """
WITH received AS (
    UPDATE jobs SET bytes_total = bytes_total + octet_length($3::bytea), touched_at = now()
    WHERE id = $1 AND state = 'RECEIVING' RETURNING id
) INSERT INTO job_chunks (job_id, place, data) SELECT id, $2, $3 FROM received RETURNING job_id
"""
COMPLETE = "UPDATE jobs SET state = 'WAITING', touched_at = now() WHERE id = $1 AND state = 'RECEIVING' RETURNING id"
TAKE = """
WITH next AS MATERIALIZED (
    SELECT id FROM jobs
    WHERE ended_at IS NULL AND state <> 'RECEIVING' AND (experiment_id IS NOT NULL) = $2 AND NOT EXISTS (
        SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = $1::int::oid AND l.objid = jobs.id::oid
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ) ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
), claim AS MATERIALIZED (SELECT id, pg_try_advisory_lock($1, id) AS is_ours FROM next)
UPDATE jobs SET state = 'RUNNING', attempts = attempts + 1, touched_at = now(),
    started_at = coalesce(started_at, now())
FROM claim WHERE jobs.id = claim.id AND claim.is_ours RETURNING jobs.*
"""
ADVANCE = """
UPDATE jobs SET bytes_read = $3, line = $4, accepted = accepted + $5, duplicates = duplicates + $6,
    rejected = rejected + $7, touched_at = now()
WHERE id = $1 AND attempts = $2 AND state = 'RUNNING' RETURNING id
"""
END = """
UPDATE jobs SET state = $2, message = CASE WHEN secret IS NULL THEN $3 ELSE $3 || $4 END, secret = NULL,
    ended_at = now(), touched_at = now()
WHERE id = $1 AND ended_at IS NULL RETURNING id
"""
LEFT_OUT = (
    " A unit was forgotten meanwhile: its rows were left out, and rejected rows after that are counted, not kept."
)
OVERDUE = """
SELECT id FROM jobs
WHERE ended_at IS NULL AND experiment_id IS NULL AND state <> 'RECEIVING' AND touched_at < $1 ORDER BY id
FOR UPDATE SKIP LOCKED
"""
REMEMBER = """
WITH open_jobs AS (
    UPDATE jobs SET secret = coalesce(secret, $2)
    WHERE workspace_id = $1 AND ended_at IS NULL AND experiment_id IS NULL RETURNING id, secret
) SELECT id, secret FROM open_jobs
"""
OMITTED = """
SELECT secret, ARRAY(SELECT unit FROM job_omissions WHERE job_id = jobs.id) AS units FROM jobs WHERE id = $1
"""


async def open_job(connection: asyncpg.Connection, workspace_id: int, noun: Noun, parameters: Mapping[str, Any]) -> int:
    """A job whose file is about to come; returns its number."""
    statement = (
        "INSERT INTO jobs (workspace_id, noun, state, parameters, bytes_total, bytes_read, line, accepted, duplicates,"
        " rejected, attempts, created_at, touched_at)"
        " VALUES ($1, $2, 'RECEIVING', $3, 0, 0, 0, 0, 0, 0, 0, now(), now()) RETURNING id"
    )
    return int(await connection.fetchval(statement, workspace_id, noun.name, msgspec.json.encode(parameters).decode()))


async def open_rehearsal(connection: asyncpg.Connection, workspace_id: int, experiment_id: int, replays: int) -> Job:
    """A job that rehearses a draft with so many splits, or the one that rehearses in this workspace already."""
    await _hold(connection, workspace_id)
    row = await connection.fetchrow(REHEARSED, workspace_id)
    if row is None:
        parameters = msgspec.json.encode({"replays": replays}).decode()
        row = await connection.fetchrow(REHEARSE, workspace_id, experiment_id, parameters)
        await _tell(connection, row["id"])
    return _job(row)


async def count_open(connection: asyncpg.Connection, workspace_id: int) -> int:
    """How many files of a workspace are under way; locked, so that two at once do not both find room for one."""
    await _hold(connection, workspace_id)
    return int(await connection.fetchval(OPEN, workspace_id))


async def append(connection: asyncpg.Connection, job_id: int, place: int, data: bytes) -> bool:
    """Keep a piece of a file; False when the job does not wait for it any more."""
    return await connection.fetchval(APPEND, job_id, place, data) is not None


async def complete(connection: asyncpg.Connection, job_id: int) -> bool:
    """The file is whole: the job may be taken. False when the job does not wait for it any more."""
    statement = (
        "UPDATE jobs SET state = 'WAITING', touched_at = now() WHERE id = $1 AND state = 'RECEIVING' RETURNING id"
    )
    found = await connection.fetchval(statement, job_id)
    await _tell(connection, job_id)
    return found is not None


async def give_up(connection: asyncpg.Connection, job_id: int) -> None:
    """Forget a job whose file never came whole: nobody was told of it. One whose file is whole is left alone."""
    lock = "SELECT id FROM jobs WHERE id = $1 AND state = 'RECEIVING' FOR UPDATE"
    if await connection.fetchval(lock, job_id) is not None:
        await _drop_file(connection, job_id)
        await connection.execute("DELETE FROM jobs WHERE id = $1", job_id)


async def silent(connection: asyncpg.Connection, now: datetime) -> list[int]:
    """Jobs of whose file nothing more has come for long."""
    statement = "SELECT id FROM jobs WHERE state = 'RECEIVING' AND touched_at < $1 ORDER BY id FOR UPDATE SKIP LOCKED"
    return [row["id"] for row in await connection.fetch(statement, now - SILENCE)]


async def overdue(connection: asyncpg.Connection, now: datetime) -> list[int]:
    """Jobs of which no worker has taken anything in for long; ids lie clear in their files."""
    return [row["id"] for row in await connection.fetch(OVERDUE, now - LONGEST_WAIT)]


async def leave_out(connection: asyncpg.Connection, workspace_id: int, units: Sequence[str]) -> None:
    """Let no open job of a workspace bring these units, as they are stored. Nobody takes rows in meanwhile."""
    for row in await connection.fetch(REMEMBER, workspace_id, secrets.token_bytes(SECRET_BYTES)):
        hashes = [hidden(row["secret"], unit) for unit in units]
        statement = "INSERT INTO job_omissions (job_id, unit) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING"
        await connection.execute(statement, row["id"], hashes)


async def omitted(connection: asyncpg.Connection, job_id: int) -> Omission:
    """The units that a job must not bring."""
    row = await connection.fetchrow(OMITTED, job_id)
    is_free = row is None or row["secret"] is None
    return NOBODY if is_free else Omission(secret=row["secret"], units=frozenset(row["units"]))


@asynccontextmanager
async def taken(database: Database, *, is_rehearsal: bool = False) -> AsyncIterator[Job | None]:
    """The next file, or rehearsal, that nobody runs, ours until the block ends; a worker's death sets it free."""
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        ours: asyncpg.Connection = (await connection.get_raw_connection()).driver_connection
        row = await ours.fetchrow(TAKE, LOCKS, is_rehearsal)
        try:
            yield None if row is None else _job(row)
        finally:
            if not ours.is_closed():
                await ours.execute("SELECT pg_advisory_unlock_all()")


async def copy_to(connection: asyncpg.Connection, job_id: int, file: BinaryIO) -> None:
    """Write a job's file, a piece at a time."""
    statement = "SELECT data FROM job_chunks WHERE job_id = $1 ORDER BY place"
    async for row in connection.cursor(statement, job_id, prefetch=2):
        file.write(row["data"])


async def advance(
    connection: asyncpg.Connection, job: Job, *, bytes_read: int, line: int, counts: tuple[int, int, int]
) -> bool:
    """Note that a batch is in, in its own transaction; False when the job is not ours to run any more."""
    found = await connection.fetchval(ADVANCE, job.id, job.attempts, bytes_read, line, *counts)
    await _tell(connection, job.id)
    return found is not None


async def end(connection: asyncpg.Connection, job_id: int, state: JobState, message: str) -> bool:
    """End a job for good and drop its file; False when it has ended already."""
    found = await connection.fetchval(END, job_id, state.name, message, LEFT_OUT)
    if found is None:
        return False
    await _drop_file(connection, job_id)
    await _tell(connection, job_id)
    return True


async def lock_job(connection: asyncpg.Connection, workspace_id: int, job_id: int) -> Job | None:
    """One job of a workspace, locked until the transaction ends."""
    row = await connection.fetchrow(
        "SELECT * FROM jobs WHERE workspace_id = $1 AND id = $2 FOR UPDATE", workspace_id, job_id
    )
    return None if row is None else _job(row)


async def jobs_by_id(session: AsyncSession, workspace_id: int, ids: list[int]) -> dict[int, Job]:
    """Jobs of a workspace by id; those of others are absent."""
    rows = await session.exec(select(Job).where(Job.workspace_id == workspace_id, col(Job.id).in_(ids)))
    return {row.id: row for row in rows}


async def _drop_file(connection: asyncpg.Connection, job_id: int) -> None:
    await connection.execute("DELETE FROM job_chunks WHERE job_id = $1", job_id)
    await connection.execute("DELETE FROM job_omissions WHERE job_id = $1", job_id)


async def _hold(connection: asyncpg.Connection, workspace_id: int) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock($1, -$2::int)", LOCKS, workspace_id)


async def _tell(connection: asyncpg.Connection, job_id: int) -> None:
    await connection.execute("SELECT pg_notify('truelift_jobs', $1)", str(job_id))


def _job(row: Mapping[str, Any]) -> Job:
    noun = None if row["noun"] is None else Noun[row["noun"]]
    return Job(**{**row, "noun": noun, "state": JobState[row["state"]]})

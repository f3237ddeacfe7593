"""Taking in uploaded files: one job after the other, a batch a transaction, each batch counted where it is stored.

A worker that dies leaves a job that says how many lines are in; the next one reads the file from its start and goes on
after them. The rows of the batch that was cut off were never stored, and any that were do not count twice.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import Any

import asyncpg

from api.database import Database
from api.files.errors import FilesError
from api.files.intake import take_in
from api.files.mapping import Mapping
from api.files.reading import Batch, read
from api.files.sources import Spooled
from api.jobs import spool
from api.jobs.errors import Gone
from api.jobs.tables import Job, JobState, Noun
from api.pipeline import read_ahead
from api.telemetry import metrics
from api.trail import chain
from api.trail.entry import BY_WORKER, Deed
from kpi import ingest
from kpi.batches import next_ingest, record_ingest
from kpi.ingest import Fault, Refusal, Report
from kpi.storage import gate, hold_rows

log = logging.getLogger("truelift.uploads")
MOST_ATTEMPTS = 3
"""A file that ended the worker so often would end it again."""
OVERDUE = "No worker took this file in for a day, so it was dropped; what was taken in counts. Send it again."
ENDINGS = {"csv": ".csv", "ndjson": ".ndjson", "parquet": ".parquet"}
"""What a file may be; CSV and NDJSON also packed with gzip, which its first bytes tell."""


async def take_in_uploads(database: Database) -> list[int]:
    """Take in every upload that waits; returns the jobs that ended. Files that nobody will take in are dropped."""
    await sweep(database)
    ended: list[int] = []
    while (job := await _next(database)) is not None:
        ended.append(job)
    return ended


def mapping(noun: Noun, parameters: dict[str, Any]) -> Mapping:
    """What the columns of an upload mean. Raises MappingError."""
    said = {name: value for name, value in parameters.items() if name != "format"}
    return Mapping.load(kind=noun.value, **said)


async def _next(database: Database) -> int | None:
    async with spool.taken(database) as job:
        if job is None:
            return None
        if job.attempts > MOST_ATTEMPTS:
            sentence = f"The worker ended {MOST_ATTEMPTS} times while it took this file in; what it took in counts."
            await _end(database, job, JobState.FAILED, sentence)
        else:
            await _attempt(database, job)
        return job.id


async def _attempt(database: Database, job: Job) -> None:
    try:
        async with aclosing(batches(database, job)) as found:
            async for batch in found:
                await store(database, job, batch)
    except Gone:
        log.info("Job %d is not ours any more.", job.id)
    except FilesError as error:
        await _end(database, job, JobState.FAILED, str(error))
    except asyncpg.DataError as error:
        log.exception("Job %d holds what cannot be stored.", job.id)
        await _end(database, job, JobState.FAILED, f"Postgres cannot store a row ({type(error).__name__}).")
    else:
        await _end(database, job, JobState.SUCCEEDED, "The file is in; rows that were rejected say why.")


async def batches(database: Database, job: Job) -> AsyncGenerator[Batch, None]:
    """What is not in yet of a job's file. Raises FilesError when the file does not fit the job."""
    with TemporaryFile() as file:  # it has no name, so a killed worker leaves nothing behind
        async with database.raw() as connection:
            await spool.copy_to(connection, job.id, file)
        file.seek(0)
        name = f"The file{ENDINGS[job.parameters['format']]}"
        place = Spooled(name=name, file=file, size=job.bytes_total)
        found = read(place, mapping(job.rows, job.parameters), after=job.line)
        async with aclosing(read_ahead(found)) as following:
            async for batch in following:
                yield batch


async def store(database: Database, job: Job, batch: Batch) -> None:
    """Take a batch in and count it, or neither. Raises Gone when the job is not ours to run any more."""
    async with database.raw() as connection:
        now = datetime.now(UTC)
        async with chain.batch(connection, _deed(job, now)):
            report = await stored(connection, job, batch, now)
            if report is None:
                raise Gone  # and nothing of this batch is stored
    metrics.taken_in(job.rows.value, report, unreadable=len(batch.rejects))


def _deed(job: Job, now: datetime) -> Deed:
    """A batch of a file that is taken in. Who sent the file stands with the entry of its upload."""
    return Deed(
        workspace_id=job.workspace_id,
        done_at=now,
        actor=BY_WORKER,
        key=BY_WORKER,
        action="takeInUploads",
        details={"job": job.id},
    )


async def stored(connection: asyncpg.Connection, job: Job, batch: Batch, now: datetime) -> Report | None:
    """Store and count a batch in the caller's transaction; None when the job is not ours to run any more.

    A unit that is forgotten meanwhile waits for this batch; one that was before is not brought back by it.
    """
    await hold_rows(connection, job.workspace_id)
    without = await spool.omitted(connection, job.id)
    report = await take_in(
        connection, workspace_id=job.workspace_id, noun=job.rows, batch=batch, now=now, without=without
    )
    await _keep_unreadable(connection, job, batch, now, keeps_refused=not without.units)
    is_ours = await spool.advance(
        connection,
        job,
        bytes_read=batch.bytes_read,
        line=batch.line,
        counts=(len(report.accepted), len(report.duplicates), len(report.refusals) + len(batch.rejects)),
    )
    return report if is_ours else None


async def _keep_unreadable(
    connection: asyncpg.Connection, job: Job, batch: Batch, now: datetime, *, keeps_refused: bool
) -> None:
    """Rows that could not even be read are kept with their reasons as those that were refused."""
    if not batch.rejects:
        return
    refusals = tuple(
        Refusal(index=index, code=Fault.UNREADABLE, message=f"Line {one.line}: {one.message}", path=one.path)
        for index, one in enumerate(batch.rejects)
    )
    ledger = ingest.Batch(
        id=await next_ingest(connection),
        workspace_id=job.workspace_id,
        noun=job.rows.value,
        touched=frozenset(),
        received_at=now,
        keeps_refused=keeps_refused,
        is_hidden=True,  # a text that is no row cannot be taken in again
    )
    report = Report(accepted=(), duplicates=(), refusals=refusals)
    kept = await gate(connection, job.workspace_id, "outcomes")
    await record_ingest(connection, ledger, report, kept.keepable([one.raw for one in batch.rejects], report))


async def _end(database: Database, job: Job, state: JobState, message: str) -> None:
    async with database.raw() as connection:
        await spool.end(connection, job.id, state, message)


async def sweep(database: Database) -> None:
    """Give up files that never came whole, and drop those that no worker took in: ids lie clear in them."""
    now = datetime.now(UTC)
    async with database.raw() as connection:
        for job_id in await spool.silent(connection, now):
            await spool.give_up(connection, job_id)
        for job_id in await spool.overdue(connection, now):
            await spool.end(connection, job_id, JobState.FAILED, OVERDUE)

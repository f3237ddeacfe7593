"""Rehearsing drafts: splits of past control units, counted a block at a time, each KPI kept as soon as it is done.

A worker that dies leaves the KPIs that were done; the next one goes on with the others. The numbers do not depend on
who ran them or how often: the seed is the same.
"""

import asyncio
import logging

import asyncpg
import numpy as np

from api.database import Database, driver
from api.jobs import spool
from api.jobs.errors import Gone
from api.jobs.tables import Job, JobState
from api.version import VERSION
from experiments import queries
from experiments.enums import State
from experiments.planning import rehearsals
from experiments.planning.history import Trial
from experiments.planning.rehearsals import Question
from experiments.planning.replays import REPLAYS, SEED, Setting
from stats.calibration.rates import BLOCK, blocks

log = logging.getLogger("truelift.rehearsals")
MOST_ATTEMPTS = 3
LONGEST_READ = 300.0
"""Seconds that reading the units of one KPI may take."""
DONE = "What the splits showed is among the launch checks."
STARTED = "The experiment is no draft any more: what comes before a launch is over."
TOO_SLOW = "Reading the units took too long; what was worked out before stays."
DEADLY = f"The worker ended {MOST_ATTEMPTS} times over this; what was worked out before stays."


async def rehearse_drafts(database: Database) -> list[int]:
    """Run every rehearsal that waits; returns the jobs that ended. Safe to run twice, and beside another worker."""
    ended: list[int] = []
    while (job := await _next(database)) is not None:
        ended.append(job)
    return ended


async def _next(database: Database) -> int | None:
    async with spool.taken(database, is_rehearsal=True) as job:
        if job is None:
            return None
        if job.attempts > MOST_ATTEMPTS:
            await _end(database, job, JobState.FAILED, DEADLY)
        else:
            await _attempt(database, job)
        return job.id


async def _attempt(database: Database, job: Job) -> None:
    try:
        asked = await _asked(database, job)
        left = REPLAYS * sum(len(question.settings) for question in asked or ())
        job.line = max(0, job.parameters["replays"] - left)  # of a KPI that was cut off nothing was kept
        for question in asked or ():
            await answer(database, job, question)
    except Gone:
        log.info("Job %d is not ours any more.", job.id)
    except TimeoutError:
        await _end(database, job, JobState.FAILED, TOO_SLOW)
    except asyncpg.DataError as error:
        log.exception("Job %d holds what cannot be added up.", job.id)
        await _end(database, job, JobState.FAILED, f"Postgres cannot read a value ({type(error).__name__}).")
    else:
        state = JobState.FAILED if asked is None else JobState.SUCCEEDED
        await _end(database, job, state, STARTED if asked is None else DONE)


async def _asked(database: Database, job: Job) -> list[Question] | None:
    """What is still to be asked for the job's draft, with what its units have shown; None when it is no draft now."""
    if job.experiment_id is None:
        raise ValueError("this job rehearses nothing")
    async with database.read() as session:
        found = await queries.experiments_by_id(session, job.workspace_id, [job.experiment_id])
        draft = found[job.experiment_id]
        if draft.state is not State.DRAFT:
            return None
        return await rehearsals.questions(session, await driver(session), draft, job.created_at)


async def answer(database: Database, job: Job, question: Question) -> None:
    """Split the units of one KPI and keep what came of it. Raises Gone when the job is not ours to run any more."""
    async with database.raw(LONGEST_READ) as connection:
        trials = await rehearsals.trials(connection, question)
    for treatment, setting in question.settings.items():
        trial = trials.get(treatment)
        found = 0 if trial is None else await _count(database, job, trial)
        await _keep(database, job, question, setting, trial, found)


async def _count(database: Database, job: Job, trial: Trial) -> int:
    """In how many splits the plan's test finds a difference; beside other duties, in a thread of its own."""
    draw, found = np.random.default_rng(SEED), 0
    for size in blocks(REPLAYS, BLOCK):
        found += await asyncio.to_thread(rehearsals.found_in, trial, draw, size)
        async with database.raw() as connection:
            await _advance(connection, job, size)
    return found


async def _keep(
    database: Database, job: Job, question: Question, setting: Setting, trial: Trial | None, found: int
) -> None:
    async with database.write() as session:
        connection = await driver(session)
        await _advance(connection, job, REPLAYS if trial is None else 0)
        now = await queries.clock(connection)
        await session.merge(rehearsals.rehearsal(question, setting, trial, found, now=now, version=VERSION))


async def _advance(connection: asyncpg.Connection, job: Job, splits: int) -> None:
    job.line += splits
    if not await spool.advance(connection, job, bytes_read=0, line=job.line, counts=(0, 0, 0)):
        raise Gone


async def _end(database: Database, job: Job, state: JobState, message: str) -> None:
    async with database.raw() as connection:
        await spool.end(connection, job.id, state, message)

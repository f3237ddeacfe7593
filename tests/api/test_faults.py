"""Experiments that the worker fails on, on real Postgres: each rests and is tried again, and holds up nobody else."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from api.commands.doctor import examine
from api.commands.process import Surroundings
from api.database import Database
from api.jobs.evidence import weigh_due
from api.jobs.faults import each
from api.jobs.looks import publish_due
from api.jobs.refresh import refresh_due
from api.jobs.worker import work
from api.settings import Settings
from experiments import queries
from experiments.enums import Duty
from tests.api.databases import migrated, url_of
from tests.experiments.aggregating import START, Running, running, send
from tests.experiments.recomputation import DAY, Did, Exposed
from tests.waiting import came

AROUND = Surroundings(settings=Settings(), url="", secret=b"", folder=None)
UNITS = [Exposed(unit=f"u{n}", variant=n % 2, at=START + n * DAY / 4, plan=None) for n in range(40)]
ACTS = [Did(unit=f"u{n}", event="did", at=START + n * DAY / 4 + DAY / 3, value=1.0 + n) for n in range(0, 40, 3)]
IMPOSSIBLE = "UPDATE durations SET day = day + 1000 WHERE experiment_id = $1"
"""Days of a duration far beyond the window: a sum that no rows could have given."""
MENDED = "UPDATE durations SET day = day - 1000 WHERE experiment_id = $1"
AGED = "UPDATE duty_faults SET failed_at = failed_at - interval '1 hour' WHERE experiment_id = $1"
LOOKS = "SELECT count(*) FROM published_looks WHERE experiment_id = $1"
FAULTS = "SELECT duty FROM duty_faults WHERE experiment_id = $1 ORDER BY duty"
WEIGHED = "SELECT weighed_at = computed_at FROM refreshes WHERE experiment_id = $1"


@pytest_asyncio.fixture
async def own(database_url: str) -> AsyncIterator[Database]:
    """A database in which nothing else is due."""
    found = Database(url_of(database_url, await migrated(database_url)))
    yield found
    await found.close()


@pytest_asyncio.fixture
async def sound(own: Database) -> Running:
    """An experiment whose looks are due."""
    return await refreshed(own)


@pytest_asyncio.fixture
async def broken(own: Database, sound: Running) -> Running:
    """Another, registered and refreshed before, in which stands a number that cannot be."""
    assert sound
    found = await refreshed(own)
    await execute(own, IMPOSSIBLE, found.experiment.id)
    return found


async def refreshed(database: Database) -> Running:
    to = await running(database)
    await send(database, to, [*UNITS, *ACTS])
    await refresh_due(database)
    return to


async def execute(database: Database, statement: str, *arguments: object) -> None:
    async with database.raw() as connection:
        await connection.execute(statement, *arguments)


async def values(database: Database, statement: str, of: Running) -> list[Any]:
    async with database.raw() as connection:
        return [row[0] for row in await connection.fetch(statement, of.experiment.id)]


async def test_experiment_that_cannot_be_evaluated_is_logged_rests_and_holds_up_nobody(
    own: Database, sound: Running, broken: Running, caplog: pytest.LogCaptureFixture
) -> None:
    assert set(await publish_due(own)) == {sound.experiment.id, broken.experiment.id}
    assert set(await weigh_due(own)) == {sound.experiment.id, broken.experiment.id}
    assert (await values(own, LOOKS, sound), await values(own, WEIGHED, sound)) == ([4], [True])
    assert (await values(own, LOOKS, broken), await values(own, WEIGHED, broken)) == ([0], [None])
    assert await values(own, FAULTS, broken) == ["EVIDENCE", "LOOKS"]
    assert await values(own, FAULTS, sound) == []
    told = f"Experiment “shorter-form” of “{broken.workspace.key}” could not have its looks published, 1 times in a row"
    assert told in caplog.text
    assert "Traceback" in caplog.text
    assert await publish_due(own) == await weigh_due(own) == []


async def test_experiment_that_rests_is_tried_again_and_what_is_due_is_made_up_for(
    own: Database, broken: Running
) -> None:
    await publish_due(own)
    await weigh_due(own)
    await execute(own, AGED, broken.experiment.id)
    assert await publish_due(own) == [broken.experiment.id]  # it fails again, so it rests two hours
    await execute(own, AGED, broken.experiment.id)
    assert await publish_due(own) == []
    await execute(own, AGED, broken.experiment.id)
    await execute(own, MENDED, broken.experiment.id)
    assert await publish_due(own) == await weigh_due(own) == [broken.experiment.id]
    assert (await values(own, LOOKS, broken), await values(own, WEIGHED, broken)) == ([4], [True])
    assert await values(own, FAULTS, broken) == []


async def test_data_of_an_experiment_that_cannot_be_evaluated_are_refreshed_meanwhile(
    own: Database, broken: Running
) -> None:
    await publish_due(own)
    await send(own, broken, [Exposed(unit="late", variant=0, at=START + DAY, plan=None)])
    assert await refresh_due(own) == [broken.experiment.id]
    assert await publish_due(own) == []


async def test_worker_goes_on_and_doctor_names_the_experiment_that_it_fails_on(
    own: Database, sound: Running, broken: Running
) -> None:
    before = {check.name: check for check in await examine(AROUND, own)}
    assert before["experiments"].is_ok
    worker = asyncio.create_task(work(own, seconds=0.05))
    await came(lambda: is_weighed(own, sound))
    await came(lambda: is_given_up(own, broken))
    later = await running(own)
    await send(own, later, [*UNITS, *ACTS])
    await came(lambda: is_weighed(own, later))
    assert not worker.done()
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    after = {check.name: check for check in await examine(AROUND, own)}
    assert not after["experiments"].is_ok
    assert (
        f"“shorter-form” of “{broken.workspace.key}” could not have its looks published"
        in after["experiments"].sentence
    )
    assert after["experiments"].sentence.count("1 times in a row") == 2


async def is_weighed(database: Database, of: Running) -> bool:
    return await values(database, WEIGHED, of) == [True]


async def is_given_up(database: Database, of: Running) -> bool:
    return await values(database, FAULTS, of) == ["EVIDENCE", "LOOKS"]


async def test_rows_that_postgres_cannot_add_up_are_a_fault_of_their_experiment(own: Database, sound: Running) -> None:
    await execute(own, "UPDATE outcomes SET value = 1e308 WHERE workspace_id = $1", sound.workspace.id)
    await send(own, sound, [Exposed(unit="late", variant=0, at=START + DAY, plan=None)])
    await refresh_due(own)
    async with own.raw() as connection:
        (failing,) = await queries.failing(connection)
    assert (failing.duty, failing.attempts, failing.message) == (Duty.REFRESH, 1, "NumericValueOutOfRangeError")


@pytest.mark.parametrize("error", [ConnectionResetError(), asyncpg.DiskFullError(), TimeoutError()])
async def test_database_that_is_away_is_no_fault_of_an_experiment(
    own: Database, sound: Running, error: Exception
) -> None:
    async def step() -> None:
        raise error

    with pytest.raises(type(error)):
        await each(own, Duty.LOOKS, {sound.experiment.id: step})
    assert await values(own, FAULTS, sound) == []


async def test_duty_that_is_cancelled_notes_no_fault(own: Database, sound: Running) -> None:
    async def step() -> None:
        await asyncio.sleep(60)

    duty = asyncio.create_task(each(own, Duty.EVIDENCE, {sound.experiment.id: step}))
    await asyncio.sleep(0.05)
    duty.cancel()
    with pytest.raises(asyncio.CancelledError):
        await duty
    assert await values(own, FAULTS, sound) == []


async def test_stopped_experiment_is_refreshed_as_far_as_its_stop_and_not_for_a_new_day(
    own: Database, sound: Running
) -> None:
    ends = START + 9 * DAY
    stopped = "UPDATE experiments SET state = 'STOPPED', frozen_at = $2, stopped_at = $2 WHERE id = $1"
    reach = "UPDATE refreshes SET data_through = $2, computed_at = $2 WHERE experiment_id = $1"
    await execute(own, stopped, sound.experiment.id, ends)
    for through, expected in ((ends, []), (ends - timedelta(hours=1), [sound.experiment.id])):
        await execute(own, reach, sound.experiment.id, through)
        await send(own, sound, [Did(unit="u1", event="of no plan", at=through, value=None)])
        assert await refresh_due(own) == expected

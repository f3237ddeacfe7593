"""The worker's refresh on real Postgres: failing, cut off, beside another worker, by strange clocks."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from api.database import Database
from api.jobs import refresh
from api.jobs.refresh import is_resting, refresh_due
from api.jobs.worker import FAULTS, work
from experiments import queries
from experiments.enums import Duty
from tests.api.databases import migrated, url_of
from tests.experiments.aggregating import (
    MOMENT,
    START,
    Running,
    bring_up,
    law_holds,
    pending,
    running,
    send,
    tables,
    take_in,
)
from tests.experiments.recomputation import DAY, Did, Exposed
from tests.waiting import came

END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
LOCK = "SELECT pg_advisory_lock(hashtext('refresh'), $1)"
END_BLOCKED = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
BLOCKED = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
TOO_LARGE = "UPDATE outcomes SET value = $2 WHERE workspace_id = $1 AND value IS NOT NULL"
COMPUTED = "SELECT computed_at FROM refreshes WHERE experiment_id = $1"
SLEEP = """
CREATE FUNCTION half_a_second() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END'
"""
REST = refresh.WORTH_A_REST
ENDED = """
UPDATE refreshes SET computed_at = clock_timestamp() - $2::interval,
    data_through = clock_timestamp() - $2::interval - interval '30 s' WHERE experiment_id = $1
"""
AGED = "UPDATE duty_faults SET failed_at = failed_at - interval '1 hour' WHERE experiment_id = $1"
UNITS = [Exposed(unit=f"u{n}", variant=n % 2, at=START + n * DAY / 4, plan=None) for n in range(8)]
ACTS = [Did(unit=f"u{n}", event="did", at=START + n * DAY / 4 + DAY / 3, value=1.0 + n) for n in range(8)]
LATE: list[Exposed | Did] = [
    Exposed(unit="u9", variant=1, at=START + DAY, plan=None),
    Did(unit="u2", event="did", at=START + DAY, value=7.0),
    Exposed(unit="u3", variant=1, at=START, plan=None),
]
"""A unit of a day that is over, something a unit did then, and an earlier exposure of another."""


@pytest.fixture
def they_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Experiments rest as they do outside tests."""
    monkeypatch.setattr(refresh, "WORTH_A_REST", REST)


@pytest_asyncio.fixture(scope="module")
async def own(database_url: str) -> AsyncIterator[Database]:
    """A database in which nothing else is due."""
    found = Database(url_of(database_url, await migrated(database_url)))
    await execute(found, SLEEP)
    yield found
    await found.close()


@pytest_asyncio.fixture
async def to(own: Database) -> Running:
    """An experiment with units that nobody has looked at."""
    found = await running(own)
    await send(own, found, [*UNITS, *ACTS])
    return found


async def execute(database: Database, statement: str, *arguments: object) -> None:
    async with database.raw() as connection:
        await connection.execute(statement, *arguments)


async def fetch(database: Database, statement: str, *arguments: object) -> list[Any]:
    async with database.raw() as connection:
        return [row[0] for row in await connection.fetch(statement, *arguments)]


async def is_settled(database: Database, to: Running) -> bool:
    return await pending(database, to) == 0


@asynccontextmanager
async def half_way(database: Database, to: Running, now: datetime | None = None) -> AsyncIterator[None]:
    """Another worker that has derived everything due and commits when the block ends."""
    async with database.raw() as connection:
        await bring_up(connection, to, now or await queries.clock(connection))
        yield


# --- what cannot be added up -----------------------------------------------------------------------------------------


async def test_rows_that_do_not_add_up_rest_an_hour_hold_up_nobody_and_are_then_derived_anew(
    own: Database, to: Running, caplog: pytest.LogCaptureFixture
) -> None:
    other = await running(own)
    await refresh_due(own)
    before = await tables(own, to)
    await execute(own, TOO_LARGE, to.workspace.id, 1e308)
    await send(own, to, LATE[:1])
    await send(own, other, UNITS)
    assert set(await refresh_due(own)) == {to.experiment.id, other.experiment.id}
    told = f"Experiment “shorter-form” of “{to.workspace.key}” could not be refreshed, 1 times in a row now"
    assert told in caplog.text
    assert await tables(own, to) == before
    await law_holds(own, other, UNITS)
    await send(own, to, LATE[1:])
    assert await refresh_due(own) == []
    assert await is_settled(own, to)
    await execute(own, TOO_LARGE, to.workspace.id, 1.0)
    await execute(own, AGED, to.experiment.id)
    assert await refresh_due(own) == [to.experiment.id]
    ones = [Did(unit=row.unit, event=row.event, at=row.at, value=1.0) for row in [*ACTS, *LATE] if isinstance(row, Did)]
    await law_holds(own, to, [*UNITS, *LATE[::2], *ones])
    assert await fetch(own, "SELECT experiment_id FROM duty_faults") == []


# --- cut off ---------------------------------------------------------------------------------------------------------


async def cut_off(database: Database, locking: str, *arguments: object) -> None:
    """Let a refresh wait for a lock, and end its connection there."""
    async with database.engine.connect() as holder:
        raw: asyncpg.Connection = (await holder.get_raw_connection()).driver_connection
        await holder.exec_driver_sql("SELECT 1")
        await raw.execute(locking, *arguments)
        duty = asyncio.create_task(refresh_due(database))
        await came(lambda: raw.fetch(BLOCKED))
        await raw.execute(END_BLOCKED)
        with pytest.raises(FAULTS):
            await duty
        await holder.invalidate()


async def test_connection_that_ends_in_a_refresh_leaves_it_due(own: Database, to: Running) -> None:
    other = await running(own)
    await send(own, other, UNITS)
    await cut_off(own, LOCK, to.experiment.id)
    assert await pending(own, to) == await pending(own, other) + 1 == 2
    await law_holds(own, other, UNITS)
    assert to.experiment.id in await refresh_due(own)
    await law_holds(own, to, [*UNITS, *ACTS])
    assert await is_settled(own, to)


async def test_connection_that_ends_between_refresh_and_settling_only_repeats_the_refresh(
    own: Database, to: Running
) -> None:
    await cut_off(own, "SELECT id FROM ingests WHERE workspace_id = $1 FOR UPDATE", to.workspace.id)
    await law_holds(own, to, [*UNITS, *ACTS])
    assert await pending(own, to) == 2
    assert await refresh_due(own) == [to.experiment.id]
    await law_holds(own, to, [*UNITS, *ACTS])
    assert await refresh_due(own) == []


async def test_worker_whose_connections_end_over_and_over_goes_on(own: Database, to: Running) -> None:
    async with working(own) as duty:
        for row in LATE:
            await send(own, to, [row])
            await execute(own, END_OTHERS)
        await came(lambda: is_settled(own, to))
        assert not duty.done()
    await law_holds(own, to, [*UNITS, *ACTS, *LATE])


# --- beside another worker -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", LATE, ids=["exposure", "outcome", "move"])
async def test_row_that_comes_in_during_another_workers_first_refresh_is_not_lost(
    own: Database, to: Running, row: Exposed | Did
) -> None:
    async with half_way(own, to):
        await send(own, to, [row])
        duty = asyncio.create_task(refresh_due(own))
        await came(lambda: fetch(own, BLOCKED))
    await duty
    assert await is_settled(own, to)
    await law_holds(own, to, [*UNITS, *ACTS, row])


async def test_outcome_of_yesterday_that_comes_in_while_another_worker_passes_midnight_is_not_lost(
    own: Database, to: Running
) -> None:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    entered = Exposed(unit="u9", variant=1, at=midnight - 2 * DAY - MOMENT, plan=None)
    act = Did(unit="u9", event="did", at=midnight - 2 * MOMENT, value=2.0)  # the last of a window of two days
    await send(own, to, [entered])
    async with half_way(own, to, midnight - timedelta(hours=2)):
        pass
    await execute(own, "UPDATE refreshes SET computed_at = data_through WHERE experiment_id = $1", to.experiment.id)
    async with half_way(own, to):
        await send(own, to, [act])
        duty = asyncio.create_task(refresh_due(own))
        await came(lambda: fetch(own, BLOCKED))
    await duty
    assert await is_settled(own, to)
    await law_holds(own, to, [*UNITS, *ACTS, entered, act])


async def test_batch_that_commits_after_a_pass_has_read_the_ledger_stays_pending(own: Database, to: Running) -> None:
    await refresh_due(own)
    async with half_way_in(own, to, LATE):
        await send(own, to, ACTS[:1])  # a later number, committed before
        await refresh_due(own)
    assert await pending(own, to) == 2
    await refresh_due(own)
    await law_holds(own, to, [*UNITS, *ACTS, *LATE])


@asynccontextmanager
async def half_way_in(database: Database, to: Running, rows: Sequence[Exposed | Did]) -> AsyncIterator[None]:
    """A sender whose rows are all written and are committed when the block ends."""
    async with database.raw() as connection:
        await take_in(connection, to, rows)
        yield


async def test_two_workers_at_once_settle_everything_and_count_it_once(own: Database, to: Running) -> None:
    for row in LATE:
        await send(own, to, [row])
        await asyncio.gather(refresh_due(own), refresh_due(own))
        assert await is_settled(own, to)
    await law_holds(own, to, [*UNITS, *ACTS, *LATE])


# --- strange clocks --------------------------------------------------------------------------------------------------


async def test_clock_that_was_set_back_counts_late_rows_and_never_goes_back(own: Database, to: Running) -> None:
    ahead = datetime.now(UTC) + 2 * DAY
    async with half_way(own, to, ahead):
        pass
    await send(own, to, LATE)
    assert await refresh_due(own) == [to.experiment.id]
    assert await fetch(own, "SELECT data_through FROM refreshes WHERE experiment_id = $1", to.experiment.id) == [ahead]
    await law_holds(own, to, [*UNITS, *ACTS, *LATE])


async def test_failure_noted_by_a_clock_that_was_ahead_does_not_rest_for_days(own: Database, to: Running) -> None:
    async with own.raw() as connection:
        await queries.note_fault(connection, to.experiment.id, Duty.REFRESH, "DataError", datetime.now(UTC) + 3 * DAY)
    assert await refresh_due(own) == [to.experiment.id]
    await law_holds(own, to, [*UNITS, *ACTS])


# --- pacing ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("they_rest")
@pytest.mark.parametrize(
    ("took", "since", "rests"),
    [(0.9, 0.1, False), (1.0, 0.9, True), (1.0, 1.0, False), (60, 59, True), (900, 299, True), (900, 300, False)],
)
def test_rest_is_as_long_as_the_refresh_took_from_a_second_on_and_never_beyond_five_minutes(
    took: float, since: float, rests: bool
) -> None:
    began = datetime(2026, 3, 2, tzinfo=UTC)
    ended = began + timedelta(seconds=took)
    row = {"data_through": began, "computed_at": ended, "given_at": None}
    assert is_resting(row, ended + timedelta(seconds=since)) is rests
    assert not is_resting(row | {"given_at": began}, ended + timedelta(seconds=since))
    assert not is_resting(row, began)  # the clock was set back
    assert not is_resting(row | {"computed_at": None}, ended)


@pytest.mark.usefixtures("they_rest")
async def test_news_to_an_experiment_that_rests_stay_pending_and_others_go_on(own: Database, to: Running) -> None:
    other = await running(own)
    await refresh_due(own)
    await execute(own, ENDED, to.experiment.id, timedelta(0))
    await send(own, to, LATE)
    await send(own, other, UNITS)
    assert await refresh_due(own) == [other.experiment.id]
    assert (await pending(own, to), await pending(own, other)) == (2, 0)
    await execute(own, ENDED, to.experiment.id, timedelta(seconds=31))
    assert await refresh_due(own) == [to.experiment.id]
    assert await is_settled(own, to)
    await law_holds(own, to, [*UNITS, *ACTS, *LATE])


@pytest.mark.usefixtures("they_rest")
async def test_backfill_has_its_days_derived_half_of_the_time_and_small_changes_show_within_seconds(
    own: Database, to: Running
) -> None:
    async with working(own):
        assert await came(lambda: is_settled(own, to)) < 30
        async with slow(own):  # a refresh now takes a second
            ended: set[datetime] = set()
            rows: list[Exposed | Did] = []
            while len(ended) < 3:  # the first was quick
                rows.append(Did(unit="u1", event="did", at=START + DAY + len(rows) * MOMENT, value=1.0))
                await send(own, to, rows[-1:])
                ended |= set(await fetch(own, COMPUTED, to.experiment.id))
        await came(lambda: is_settled(own, to))
    _, first, second = sorted(ended)
    assert second - first >= timedelta(seconds=2)
    await law_holds(own, to, [*UNITS, *ACTS, *rows])


@asynccontextmanager
async def slow(database: Database) -> AsyncIterator[None]:
    """Have Postgres take half a second for every time it fills the table of entries: twice a refresh."""
    await execute(database, "CREATE TRIGGER slow AFTER INSERT ON entry_counts EXECUTE FUNCTION half_a_second()")
    yield
    await execute(database, "DROP TRIGGER slow ON entry_counts")


@asynccontextmanager
async def working(database: Database) -> AsyncIterator[asyncio.Task[None]]:
    """A worker, until the block ends."""
    duty = asyncio.create_task(work(database, seconds=0.05))
    yield duty
    duty.cancel()
    with suppress(asyncio.CancelledError):
        await duty

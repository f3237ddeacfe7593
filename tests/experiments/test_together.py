"""Senders, refreshers and people at once, on connections of their own: nothing locks up, is lost or counts twice."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import asyncpg
import pytest_asyncio

from api.database import Database
from api.jobs.refresh import refresh_due
from experiments import exposures, queries
from experiments.aggregation import floor
from experiments.aggregation.forgetting import Forgotten, forget
from kpi import events, storage
from kpi.ingest import Report
from tests.api.databases import migrated, url_of
from tests.experiments.aggregating import (
    START,
    Running,
    exposure_row,
    law_holds,
    outcome_row,
    pending,
    running,
    send,
    take_in,
)
from tests.experiments.recomputation import DAY, Did, Exposed
from tests.experiments.registering import freeze
from tests.waiting import PATIENCE

SECONDS = 2.5
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
Row = Exposed | Did


@pytest_asyncio.fixture(scope="module")
async def own(database_url: str) -> AsyncIterator[Database]:
    """A database in which nothing else is due, with room for everybody."""
    found = Database(url_of(database_url, await migrated(database_url)), pool_size=20)
    yield found
    await found.close()


def drawn(draw: random.Random, most: int = 12) -> list[Row]:
    """A batch of rows of few units, so that senders meet: moves, crossings, late and early outcomes."""
    return [_row(draw) for _ in range(draw.randint(1, most))]


def _row(draw: random.Random) -> Row:
    unit, at = f"u{draw.randrange(40)}", START + timedelta(hours=draw.randrange(24 * 9), seconds=draw.randrange(3600))
    if draw.random() < 0.4:
        return Exposed(unit=unit, variant=0 if draw.random() < 0.9 else 1, at=at, plan=None)
    return Did(unit=unit, event=draw.choice(["did", "did", "deleted", "other"]), at=at, value=draw.random())


async def over_and_over(step: Callable[[], Awaitable[object]], *, at_least: int = 2) -> None:
    """Take a step until the time is over, and so many on a machine that is slow."""
    clock = asyncio.get_running_loop().time
    ends, steps = clock() + SECONDS, 0
    while clock() < ends or steps < at_least:
        await step()
        steps += 1


class Sender:
    """Sends batches and remembers what was acknowledged."""

    def __init__(self, database: Database, to: Running, seed: int) -> None:
        self.database, self.to, self.draw = database, to, random.Random(seed)  # noqa: S311 - a test's rows
        self.rows: list[Row] = []

    async def send(self) -> None:
        """Something new."""
        batch = drawn(self.draw)
        await send(self.database, self.to, batch)
        self.rows += batch

    async def send_twice(self) -> None:
        """The same over two connections at once, in another order."""
        batch = drawn(self.draw)
        await asyncio.gather(*(send(self.database, self.to, rows) for rows in (batch, batch[::-1], batch[1:])))
        self.rows += batch


async def outdate(database: Database, to: Running) -> None:
    """Somebody changes what everything rests on."""
    await asyncio.sleep(0.3)
    async with database.write() as session, database.raw() as connection:
        await queries.outdate(session, to.experiment, await queries.clock(connection))


async def deadlocks(database: Database) -> int:
    async with database.raw() as connection:
        return int(await connection.fetchval(DEADLOCKS))


async def settle(database: Database, *those: Running) -> None:
    """What the worker does when everybody has gone: whose refresh took a second rests as long before the next."""
    async with asyncio.timeout(PATIENCE):
        while any([await pending(database, to) for to in those]):
            await refresh_due(database)


async def test_senders_refreshers_and_redefinitions_at_once_keep_the_law(own: Database) -> None:
    to, other = await running(own), await running(own)
    senders = [Sender(own, to, 1), Sender(own, to, 2), Sender(own, other, 3)]
    await asyncio.gather(
        over_and_over(senders[0].send),
        over_and_over(senders[1].send_twice),
        over_and_over(senders[2].send),
        over_and_over(lambda: refresh_due(own)),
        over_and_over(lambda: refresh_due(own)),
        over_and_over(lambda: outdate(own, to)),
    )
    await settle(own, to, other)
    await law_holds(own, to, senders[0].rows + senders[1].rows)
    await law_holds(own, other, senders[2].rows)
    assert await deadlocks(own) == 0


async def test_freeze_while_exposures_come_in_counts_all_of_before_and_none_of_after(own: Database) -> None:
    to, ends = await running(own), START + 4 * DAY
    sender = Sender(own, to, 4)

    async def try_to_send() -> None:
        batch = [row for row in drawn(sender.draw) if isinstance(row, Exposed)]
        async with own.raw() as connection:
            await ingest_both(connection, to, batch)
        sender.rows += batch

    async def freeze_half_way() -> None:
        await asyncio.sleep(SECONDS / 4)
        await freeze(own, to.experiment, frozen_at=ends)

    await asyncio.gather(
        over_and_over(try_to_send, at_least=20),
        over_and_over(try_to_send, at_least=20),
        over_and_over(lambda: refresh_due(own)),
        freeze_half_way(),
    )
    await settle(own, to)
    after = [row for row in sender.rows if row.at >= ends]
    assert len(after) > 20
    await law_holds(own, to, [row for row in sender.rows if row.at < ends])


async def ingest_both(connection: asyncpg.Connection, to: Running, rows: Sequence[Row]) -> list[Report]:
    """Take in rows some of which may be refused."""
    exposed = [exposure_row(row) for row in rows if isinstance(row, Exposed)]
    did = [outcome_row(row) for row in rows if isinstance(row, Did)]
    now = await queries.clock(connection)
    return [
        await ingest(connection, workspace_id=to.workspace.id, rows=batch, now=now)
        for ingest, batch in ((exposures.ingest, exposed), (events.ingest, did))
    ]


async def test_same_rows_in_different_order_at_once_are_accepted_once(own: Database) -> None:
    to = await running(own)
    exposed = [Exposed(unit=f"u{n}", variant=n % 2, at=START + n * DAY / 50, plan=None) for n in range(200)]
    did = [Did(unit=f"u{n}", event=f"event-{n % 7}", at=START + n * DAY / 40, value=1.0) for n in range(200)]
    rows: list[Row] = [*exposed, *did]
    shuffled = [random.Random(seed).sample(rows, len(rows)) for seed in range(6)]  # noqa: S311 - a test's order

    async def sent(batch: Sequence[Row]) -> list[Report]:
        async with own.raw() as connection:
            return await ingest_both(connection, to, batch)

    reports = await asyncio.gather(*map(sent, shuffled))
    assert [sum(len(report[noun].accepted) for report in reports) for noun in (0, 1)] == [200, 200]
    assert [sum(len(report[noun].duplicates) for report in reports) for noun in (0, 1)] == [1_000, 1_000]
    await settle(own, to)
    await law_holds(own, to, rows)


async def test_senders_that_tell_of_the_same_units_agree_on_the_first_exposure(own: Database) -> None:
    to = await running(own)
    early, late = (
        [Exposed(unit=f"u{n}", variant=n // 50, at=START + (n % 5 + days) * DAY, plan=None) for n in range(100)]
        for days in (0, 2)
    )
    crossing = [Exposed(unit=f"u{n}", variant=1, at=START + 3 * DAY, plan=None) for n in range(0, 100, 3)]
    await asyncio.gather(*(send(own, to, batch) for batch in (late, early[::-1], crossing, late[::-1], early)))
    await settle(own, to)
    await law_holds(own, to, [*early, *late, *crossing])


@asynccontextmanager
async def held(database: Database, step: Callable[[asyncpg.Connection], Awaitable[object]]) -> AsyncIterator[None]:
    """Somebody who has done all and commits when the block ends."""
    async with database.raw() as connection:
        await step(connection)
        yield


async def test_unit_that_moves_while_a_refresh_runs_counts_on_its_new_day_only(own: Database) -> None:
    to = await running(own)
    units: list[Row] = [Exposed(unit=f"u{n}", variant=0, at=START + 3 * DAY, plan=None) for n in range(3)]
    earlier: list[Row] = [Exposed(unit=f"u{n}", variant=0, at=START + n * DAY, plan=None) for n in range(3)]
    await send(own, to, units)
    await refresh_due(own)
    async with held(own, lambda connection: take_in(connection, to, earlier[:1])):
        await send(own, to, earlier[1:2])
        await refresh_due(own)
        await law_holds(own, to, [*units, earlier[1]])
    assert await pending(own, to) == 1
    await asyncio.gather(refresh_due(own), send(own, to, earlier[2:]), refresh_due(own))
    await settle(own, to)
    await law_holds(own, to, [*units, *earlier])


async def waiting(database: Database, count: int) -> set[str]:
    """What so many connections wait for, once they do."""
    blocked = "SELECT wait_event FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    found: list[asyncpg.Record] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            # Each looks anew: a transaction sees one moment of who waits.
            async with database.acting(None).raw() as connection:
                found = await connection.fetch(blocked)
    return {row["wait_event"] for row in found}


async def cleared(database: Database, to: Running, *, before: datetime) -> None:
    async with database.raw() as connection:
        await storage.raise_floor(connection, to.workspace.id, before.date(), before.date())
    async with database.raw() as connection:
        while await floor.drop_rows(connection, workspace_id=to.workspace.id):
            pass


async def forgotten(database: Database, to: Running, unit: str) -> Forgotten:
    async with database.raw() as connection:
        return await forget(connection, workspace_id=to.workspace.id, unit=unit, now=START)


async def test_unit_is_forgotten_while_retention_drops_its_rows_and_neither_locks_up(own: Database) -> None:
    """Forgetting goes by event, retention by time: of two rows they would each hold what the other wants."""
    to, before = await running(own), await deadlocks(own)
    for event, hour, unit in (
        ("event-a", 0, "other"),
        ("event-a", 3, "u"),
        ("event-b", 1, "u"),
        ("event-b", 2, "other"),
    ):
        await send(own, to, [Did(unit=unit, event=event, at=START + hour * DAY / 24, value=None)])
    between = "SELECT FROM outcomes WHERE workspace_id = $1 AND occurred_at = $2 FOR UPDATE"
    async with own.raw() as connection:
        await connection.execute(between, to.workspace.id, START + 2 * DAY / 24)
        # Two days of outcomes stay below the floor: a covariate reads them.
        dropping = asyncio.create_task(cleared(own, to, before=START + 3 * DAY))
        assert await waiting(own, 1) == {"transactionid"}
        forgetting = asyncio.create_task(forgotten(own, to, "u"))
        assert await waiting(own, 2) == {"transactionid", "advisory"}  # so it holds no row yet
    await asyncio.gather(dropping, forgetting)
    assert await deadlocks(own) == before
    async with own.raw() as connection:
        assert await connection.fetchval("SELECT count(*) FROM outcomes WHERE workspace_id = $1", to.workspace.id) == 0


async def test_units_are_forgotten_while_rows_are_dropped_and_come_in_and_the_rest_keep_the_law(own: Database) -> None:
    to, before = await running(own), await deadlocks(own)
    senders = [Sender(own, to, seed) for seed in (5, 6)]
    gone = [f"u{n}" for n in range(4)]
    draw = random.Random(7)  # noqa: S311 - a test's units
    await asyncio.gather(
        *(over_and_over(sender.send) for sender in senders),
        *(over_and_over(lambda: forgotten(own, to, draw.choice(gone))) for _ in range(2)),
        over_and_over(lambda: cleared(own, to, before=START)),
        over_and_over(lambda: refresh_due(own)),
    )
    for unit in gone:
        await forgotten(own, to, unit)
    await settle(own, to)
    await law_holds(own, to, [row for sender in senders for row in sender.rows if row.unit not in gone])
    assert await deadlocks(own) == before

"""All of an answer is of one moment, read in one transaction, whatever is committed meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
import sqlalchemy
from sqlalchemy import event
from sqlmodel.ext.asyncio.session import AsyncSession

import web
from api.auth.keys import Caller
from api.database import CLIENT_FAULTS, Database, driver, is_away
from api.graphql.context import Context
from api.graphql.schema import schema
from api.sitting import Sitting
from kpi.tables import Workspace
from tests.conftest import Ask

BOTH = (
    "query Both($key: String!) { experiment(key: $key) { name hypothesis { title } plan { kpis { kpi { name } } } } }"
)
SEEN = "SELECT pg_current_snapshot()::text"
TWICE = """mutation Twice($id: ID!) {
  first: kpiUpdate(input: {id: $id, reason: "once", name: "one"}) { kpi { history { reason } } }
  second: kpiUpdate(input: {id: $id, reason: "a second time", name: "two"}) { kpi { history { reason } } }
}"""
RENAMED = (
    "UPDATE experiments SET name = $1 WHERE workspace_id = $2",
    "UPDATE hypotheses SET title = $1 WHERE workspace_id = $2",
    "UPDATE kpis SET name = $1 WHERE workspace_id = $2",
)


@pytest_asyncio.fixture
async def alone(database_url: str, database: Database) -> AsyncIterator[Database]:
    """The database, over one connection and no other: who holds it and asks for another waits in vain."""
    assert database  # at the newest schema
    found = Database(database_url, pool_size=1, patience=5.0)
    yield found
    await found.close()


@pytest.fixture
def sitting(alone: Database) -> Sitting:
    return Sitting(alone)


async def seen(session: AsyncSession) -> str:
    found: str = await (await driver(session)).fetchval(SEEN)
    return found


async def written(database: Database) -> None:
    async with database.acting(None).raw() as connection:
        await connection.execute("SELECT pg_current_xact_id()")


@contextmanager
def before_each(database: Database, name: str, do: Any) -> Iterator[None]:
    """Do something before each event of some name of the database's connections."""
    event.listen(database.engine.sync_engine, name, do)
    try:
        yield
    finally:
        event.remove(database.engine.sync_engine, name, do)


async def test_who_stays_reads_of_the_moment_of_the_first_read(sitting: Sitting, database: Database) -> None:
    async with sitting.stay():
        async with sitting.read() as session:
            first = await seen(session)
        await written(database)
        async with sitting.read() as session:
            assert await seen(session) == first
    async with sitting.read() as session:
        assert await seen(session) != first


async def test_what_is_read_after_an_end_is_of_a_moment_after_it(sitting: Sitting, database: Database) -> None:
    async with sitting.stay():
        async with sitting.read() as session:
            first = await seen(session)
        await sitting.end()
        await written(database)
        async with sitting.read() as session:
            assert await seen(session) != first


async def test_those_who_read_at_once_read_one_after_another(sitting: Sitting) -> None:
    inside = 0

    async def one() -> str:
        nonlocal inside
        async with sitting.read() as session:
            inside += 1
            assert inside == 1
            found = await seen(session)
            await asyncio.sleep(0)
            inside -= 1
            return found

    async with sitting.stay():
        found = await asyncio.gather(*(one() for _ in range(5)))
    assert len(set(found)) == 1


async def test_a_statement_that_fails_fails_nobody_else(sitting: Sitting) -> None:
    async with sitting.stay():
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="division by zero"):
            async with sitting.read() as session:
                await (await session.connection()).exec_driver_sql("SELECT 1 / 0")
        async with sitting.read() as session:
            assert await seen(session)


async def test_a_reader_who_is_cut_off_holds_nobody_up(sitting: Sitting) -> None:
    async with sitting.stay():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), sitting.read() as session:
                await (await driver(session)).execute("SELECT pg_sleep(60)")
        async with asyncio.timeout(5), sitting.read() as session:
            assert await seen(session)


async def test_a_connection_that_ends_between_two_reads_fails_one_of_them(sitting: Sitting, database: Database) -> None:
    async with sitting.stay():
        async with sitting.read() as session:
            process = (await driver(session)).get_server_pid()
        async with database.acting(None).raw() as connection:
            await connection.execute("SELECT pg_terminate_backend($1)", process)
        with pytest.raises(CLIENT_FAULTS) as raised:
            async with sitting.read() as session:
                await (await session.connection()).exec_driver_sql("SELECT 1")
        assert is_away(raised.value)
        async with sitting.read() as session:
            assert await seen(session)


async def test_nothing_is_held_once_everybody_has_left(sitting: Sitting, alone: Database) -> None:
    async with sitting.stay(), sitting.read() as session:
        assert await seen(session)
    async with asyncio.timeout(2), alone.read() as session:
        assert await seen(session)


async def test_nobody_can_write_in_it(sitting: Sitting) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with sitting.read() as session:
            await (await driver(session)).execute("CREATE TABLE never_made (a int)")


async def test_an_experiments_page_is_read_in_one_transaction(alone: Database, caller: Caller, started: str) -> None:
    assert started
    begun: list[object] = []
    context = Context(database=alone, caller=caller)
    with before_each(alone, "begin", begun.append):
        found = await schema.execute(web.documents["experiment"], {"key": "guided-tour"}, context)
    assert not found.errors
    assert len(begun) == 1


async def test_all_of_an_answer_is_of_one_moment(
    alone: Database, caller: Caller, workspace: Workspace, database_url: str, drafted: str
) -> None:
    assert drafted
    number = count()

    async def rename() -> None:
        connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
        async with connection.transaction():
            name = f"name {next(number)}"
            for statement in RENAMED:
                await connection.execute(statement, name, workspace.id)
        await connection.close()

    def before_each_statement(*_given: object) -> None:
        with ThreadPoolExecutor() as elsewhere:  # a loop of its own: this one waits
            elsewhere.submit(asyncio.run, rename()).result()

    with before_each(alone, "before_cursor_execute", before_each_statement):
        found = await schema.execute(BOTH, {"key": "guided-tour"}, Context(database=alone, caller=caller))
    assert found.data is not None
    assert next(number) > 3
    experiment = found.data["experiment"]
    named = {experiment["name"], experiment["hypothesis"]["title"], experiment["plan"]["kpis"][0]["kpi"]["name"]}
    assert len(named) == 1
    assert named.pop().startswith("name ")


async def test_what_a_mutation_answers_was_read_after_it(ask: Ask, drafted: str) -> None:
    assert drafted
    identity = (await ask("{ kpis { nodes { id } } }"))["kpis"]["nodes"][0]["id"]
    found = await ask(TWICE, {"id": identity})
    first, second = ([change["reason"] for change in found[name]["kpi"]["history"]] for name in ("first", "second"))
    assert (first.count("once"), first.count("a second time")) == (1, 0)
    assert (second.count("once"), second.count("a second time")) == (1, 1)

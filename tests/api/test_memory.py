"""Answers that are given again while the database stands still, and never when it does not."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio

from api.auth import keys
from api.auth.keys import Caller, Scope
from api.database import Database
from api.graphql.memory import LARGEST, Answer, Memory, place
from api.graphql.moments import Moments
from api.telemetry.metrics import REGISTRY
from tests.api import documents
from tests.api.conftest import MakeKey, bearing
from tests.api.servers import serving
from tests.conftest import Ask

KPIS = "query Kpis($first: Int) { kpis(first: $first) { totalCount nodes { key name } } }"
ENDED = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_current_snapshot()%'"
WHO = "{ viewer { apiKey { name } } }"
TRIES = 5
"""Postgres tidies up by itself now and then, which ends what is known: one of so many falls between two of these."""


@pytest_asyncio.fixture
async def memory(database: Database) -> AsyncIterator[Memory]:
    moments = Moments(database)
    async with moments.open():
        yield Memory(moments)


@pytest_asyncio.fixture
async def service(database_url: str, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    assert database  # at the newest schema
    async with serving(database_url, cost_per_second=0.001) as client:
        yield client


async def asked(client: httpx.AsyncClient, key: str, query: str = KPIS, **variables: Any) -> httpx.Response:
    return await client.post("/graphql", json={"query": query, "variables": variables}, headers=bearing(key))


async def noted(memory: Memory, where: object, json: bytes = b"{}") -> None:
    visit = await memory.visit()
    visit.note_answer(where, Answer(json=json, cost=1.0, label="query kpis"))
    await visit.end()


async def is_known(memory: Memory, where: object) -> bool:
    return (await memory.visit()).answer(where) is not None


async def stays_known(memory: Memory, where: object) -> bool:
    """Whether what is noted is found again, unless something else was written meanwhile."""
    for _ in range(TRIES):
        await noted(memory, where)
        if await is_known(memory, where):
            return True
    return False


async def written(database: Database) -> None:
    """A change of what no answer reads."""
    async with database.acting(None).raw() as connection:
        await connection.execute("CREATE TABLE nobody_reads (a int); DROP TABLE nobody_reads")


async def test_what_is_noted_is_known_until_anything_is_committed(memory: Memory, database: Database) -> None:
    assert await stays_known(memory, "place")
    assert not await is_known(memory, "another place")
    await written(database)
    assert not await is_known(memory, "place")


async def test_what_is_found_out_while_something_is_committed_is_not_kept(memory: Memory, database: Database) -> None:
    visit = await memory.visit()
    visit.note_answer("place", Answer(json=b"{}", cost=1.0, label="query kpis"))
    await written(database)
    await visit.end()
    assert not await is_known(memory, "place")


async def test_answer_of_more_than_a_million_bytes_is_not_kept(memory: Memory) -> None:
    for _ in range(TRIES):
        await noted(memory, "place", b" " * (LARGEST + 1))
        assert not await is_known(memory, "place")


async def test_nothing_is_known_while_the_database_is_away() -> None:
    moments = Moments(Database("postgresql+asyncpg://nobody@127.0.0.1:9/none"))
    async with moments.open():
        memory = Memory(moments)
        await noted(memory, "place")
        assert not await is_known(memory, "place")


async def test_nothing_is_known_any_more_once_the_connection_was_lost(memory: Memory, database: Database) -> None:
    assert await stays_known(memory, "place")
    async with database.acting(None).raw() as connection:
        await connection.execute(ENDED)
    assert not await is_known(memory, "place")
    assert await stays_known(memory, "place")  # on another connection


async def test_place_is_of_the_caller_the_document_the_operation_and_the_variables(caller: Caller) -> None:
    mine = place(caller, "document", "A", {"a": 1, "b": 2})
    assert mine == place(replace(caller), "document", "A", {"b": 2, "a": 1})
    others = [
        place(replace(caller, public_id="x"), "document", "A", {"a": 1, "b": 2}),
        place(replace(caller, scopes=frozenset({Scope.INGEST})), "document", "A", {"a": 1, "b": 2}),
        place(caller, "documents", "A", {"a": 1, "b": 2}),
        place(caller, "document", "B", {"a": 1, "b": 2}),
        place(caller, "document", "A", {"a": 1}),
        place(caller, "document", "A", {"a": "1", "b": 2}),
    ]
    assert mine not in others


def connections_taken() -> float:
    """How often a connection was taken out of the pool."""
    return REGISTRY.get_sample_value("truelift_pool_wait_seconds_count") or 0.0


async def test_known_answer_is_the_same_and_takes_no_connection_but_costs_the_same(
    service: httpx.AsyncClient, make_key: MakeKey, ask: Ask
) -> None:
    await ask(documents.KPI_REGISTER, {"input": documents.kpi()})
    key, taken = await make_key(Scope.READ), []
    first = (await asked(service, key)).json()
    assert first["data"]["kpis"]["totalCount"] == 1
    for _ in range(TRIES):
        before = connections_taken()
        again = (await asked(service, key)).json()
        taken.append(connections_taken() - before)
        assert again["data"] == first["data"]
        cost, last = again["extensions"]["cost"], first["extensions"]["cost"]
        assert cost["requested"] == last["requested"]
        assert cost["available"] == pytest.approx(last["available"] - cost["requested"], abs=0.11)  # each is rounded
        first = again
    assert min(taken) == 0


async def test_every_change_is_seen_at_once(service: httpx.AsyncClient, make_key: MakeKey, ask: Ask) -> None:
    key = await make_key(Scope.READ)
    for count in range(1, 4):
        for _ in range(2):
            assert (await asked(service, key)).json()["data"]["kpis"]["totalCount"] == count - 1
        await ask(documents.KPI_REGISTER, {"input": documents.kpi(f"kpi-{count}")})
    assert (await asked(service, key)).json()["data"]["kpis"]["totalCount"] == 3
    assert [len((await asked(service, key, first=size)).json()["data"]["kpis"]["nodes"]) for size in (1, 2)] == [1, 2]


async def test_answer_is_given_to_nobody_but_who_asked(
    service: httpx.AsyncClient, make_key: MakeKey, database: Database, caller: Caller
) -> None:
    keys_of = [await make_key(Scope.READ), await make_key(Scope.INGEST)]
    for _ in range(2):
        first, second = [(await asked(service, key, WHO)).json() for key in keys_of]
        assert first["data"]["viewer"]["apiKey"] == {"name": "test"}
        assert second["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    async with database.write() as session:
        public_id = keys_of[0].split("_")[1]
        assert await keys.revoke(session, caller.workspace_id, public_id, datetime.now(UTC))
    assert (await asked(service, keys_of[0], WHO)).status_code == 401


async def test_answer_that_asks_for_the_moment_is_worked_out_each_time(
    service: httpx.AsyncClient, make_key: MakeKey, drafted: str
) -> None:
    assert drafted
    query, key = '{ experiment(key: "guided-tour") { launchChecks { kind state } } }', await make_key(Scope.READ)
    await asked(service, key, query)
    before = connections_taken()
    await asked(service, key, query)
    assert connections_taken() > before

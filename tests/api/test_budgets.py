"""Budgets: what may be taken at once, how fast it comes back, and what strangers and callers are told."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from api.app import build
from api.auth.budgets import Budgets
from api.auth.keys import Scope
from api.auth.shares import SharedBudgets
from api.database import Database
from api.settings import Settings
from kpi.tables import Workspace
from tests.api.conftest import SECRET, MakeKey, bearing

few = examples(max_examples=100, deadline=None, database=None, derandomize=True)


@pytest_asyncio.fixture
async def limited(database: Database, make_key: MakeKey) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key that works, of a service whose workspaces have little to spend."""
    settings = Settings(cost_per_second=1, cost_at_once=200, wrong_keys_at_once=5)
    app = build(database, settings=settings, secret=SECRET, with_worker=False)
    headers = bearing(await make_key(Scope.READ))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://truelift.test", headers=headers) as client:
        yield client


def test_budget_is_taken_at_once_and_comes_back_as_time_goes_by() -> None:
    budgets = Budgets(per_second=10, at_once=100)
    assert budgets.take("ann", 80, now=0) == 0
    assert budgets.take("ann", 40, now=0) == pytest.approx(2.0)
    assert budgets.left("ann", now=0) == pytest.approx(20)
    assert budgets.take("ann", 40, now=2.0) == 0
    assert budgets.take("ben", 100, now=2.0) == 0


def test_what_is_refused_is_not_taken() -> None:
    budgets = Budgets(per_second=1, at_once=10)
    budgets.take("ann", 10, now=0)
    assert [budgets.take("ann", 5, now=1) for _ in range(3)] == [pytest.approx(4)] * 3
    assert budgets.take("ann", 5, now=5) == 0


def test_what_is_more_than_a_whole_budget_passes_when_it_is_full() -> None:
    budgets = Budgets(per_second=1, at_once=10)
    assert budgets.take("ann", 50, now=0) == 0
    assert budgets.take("ann", 1, now=0) == pytest.approx(41)


def test_memory_is_bounded_by_forgetting_who_asked_longest_ago() -> None:
    budgets = Budgets(per_second=1, at_once=10, most=2)
    for who in ("ann", "ben", "cat"):
        budgets.take(who, 10, now=0)
    assert budgets.take("ann", 10, now=0) == 0
    assert budgets.take("cat", 10, now=0) > 0


@few
@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 20)), min_size=1, max_size=60))
def test_nobody_takes_more_than_the_budget_and_what_came_back_meanwhile(asked: list[tuple[float, float]]) -> None:
    budgets, now, taken = Budgets(per_second=3, at_once=20), 0.0, 0.0
    for later, amount in asked:
        now += later
        if budgets.take("ann", amount, now) == 0:
            taken += amount
        assert taken <= 20 + 3 * now + 1e-9
        assert 0 <= budgets.left("ann", now) <= 20


async def test_document_beyond_the_budget_is_answered_429_with_when_to_come_back(
    limited: httpx.AsyncClient,
) -> None:
    sent = {"query": "{ kpis(first: 100) { nodes { key } } }"}
    first = await limited.post("/graphql", json=sent)
    assert first.status_code == 200
    cost = first.json()["extensions"]["cost"]
    assert cost["available"] == pytest.approx(200 - cost["requested"], abs=1)
    assert cost["restoreRate"] == 1
    second = await limited.post("/graphql", json=sent)
    assert second.status_code == 429
    assert int(second.headers["retry-after"]) >= 1
    (error,) = second.json()["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"


async def test_wrong_keys_are_slowed_down_and_right_ones_are_not(limited: httpx.AsyncClient) -> None:
    sent = {"query": "{ viewer { __typename } }"}
    wrong = {"authorization": "Bearer tl_0000000000000000_nothing"}
    assert (await limited.post("/graphql", json=sent)).status_code == 200
    answers = [(await limited.post("/graphql", json=sent, headers=wrong)).status_code for _ in range(10)]
    assert answers == [401] * 5 + [429] * 5
    assert (await limited.post("/graphql", json=sent)).status_code == 200


@asynccontextmanager
async def processes(url: str, key: str, **settings: Any) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Clients of two processes of one service, as far as they can know of each other: each has a pool of its own."""
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(2):
            database = Database(url, pool_size=4)
            stack.push_async_callback(database.close)
            app = build(database, settings=Settings(**settings), secret=SECRET, with_worker=False)
            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://truelift.test", headers=bearing(key)
            )
            clients.append(await stack.enter_async_context(client))
        yield clients


PAGE = {"query": "{ kpis(first: 10) { nodes { key } } }"}
COST = 1 + 10 * (1 + 0.1)
"""By the table of prices: a connection, and ten KPIs with a field each."""


async def spent(client: httpx.AsyncClient, most: int = 100, headers: dict[str, str] | None = None) -> int:
    """How many requests pass until one is refused."""
    for passed in range(most):
        answer = await client.post("/graphql", json=PAGE, headers=headers)
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) >= 1
            return passed
        assert answer.json()["extensions"]["cost"]["requested"] == pytest.approx(COST)
    return most


async def test_two_processes_give_one_budget_together(database_url: str, database: Database, make_key: MakeKey) -> None:
    assert database
    settings = {"cost_per_second": 0.01, "cost_at_once": 240}  # a chunk is 240 / 50: less than one request
    async with processes(database_url, await make_key(Scope.READ), **settings) as (one, other):
        turns = [await spent(one, 5), await spent(other, 5), await spent(one), await spent(other)]
    assert turns[:2] == [5, 5]
    assert sum(turns) == 240 // COST


async def test_chunk_is_taken_from_postgres_and_spent_without_it(database: Database, workspace: Workspace) -> None:
    of = (workspace.id, "")
    one, other = (SharedBudgets(database, per_second=0.001, at_once=1_000) for _ in range(2))
    assert [await one.take(of, 5) for _ in range(4)] == [0.0] * 4  # one chunk of 20
    async with database.raw() as connection:
        row = "SELECT taken FROM budgets WHERE workspace_id = $1"
        assert (await connection.fetchrow(row, workspace.id))["taken"] == pytest.approx(20 / 0.001)
    assert await other.take(of, 975) == 0.0
    assert await one.take(of, 6) == pytest.approx(1 / 0.001, rel=0.01)  # 995 of 1,000 are gone
    assert await one.take(of, 5) == 0.0
    assert await other.take(of, 5) > 0
    assert [budgets.left(of) for budgets in (one, other)] == pytest.approx([0, 0], abs=0.1)


async def test_key_has_a_budget_of_its_own_and_leaves_the_rest_to_others(
    database_url: str, database: Database, make_key: MakeKey
) -> None:
    assert database
    settings = {"cost_per_second": 0.01, "cost_at_once": 240, "key_cost_per_second": 0.01, "key_cost_at_once": 50}
    keys = [await make_key(Scope.READ) for _ in range(6)]
    async with processes(database_url, keys[0], **settings) as (one, other):
        assert await spent(one) + await spent(other) == 50 // COST
        passed = [await spent(one, headers=bearing(key)) for key in keys[1:]]
    assert passed == [4, 4, 4, 4, 0]  # 240 // 12 in all; the first key had 4, and the last finds nothing left


async def test_process_gives_a_budget_alone_while_postgres_is_away(workspace: Workspace) -> None:
    away = Database("postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    budgets = SharedBudgets(away, per_second=0.001, at_once=100)
    assert [await budgets.take((workspace.id, ""), 60) > 0 for _ in range(2)] == [False, True]
    await away.close()


async def test_rate_limit_says_what_is_left_and_when_it_is_whole(database: Database, make_key: MakeKey) -> None:
    query = {"query": "{ rateLimit { cost remaining resetAt } }"}
    app = build(database, settings=Settings(cost_per_second=1, cost_at_once=100), secret=SECRET, with_worker=False)
    headers = bearing(await make_key(Scope.READ))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://truelift.test", headers=headers
    ) as client:
        began = datetime.now(UTC)
        await client.post("/graphql", json={"query": "{ kpis(first: 30) { nodes { key } } }"})
        told = (await client.post("/graphql", json=query)).json()["data"]["rateLimit"]
    cost = 1 + 30 * 1.1 + 1.3
    assert told["cost"] == pytest.approx(1.3)
    assert told["remaining"] == pytest.approx(100 - cost, abs=5)
    assert cost - 1 <= (datetime.fromisoformat(told["resetAt"]) - began).total_seconds() < cost + 10

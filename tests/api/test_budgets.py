"""Budgets: what may be taken at once, how fast it comes back, and what strangers and callers are told."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from api.app import build
from api.auth.budgets import Budgets
from api.auth.keys import Scope
from api.database import Database
from api.settings import Settings
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

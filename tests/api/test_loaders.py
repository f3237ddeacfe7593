"""What belongs to each experiment of a list is read for all of them at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from api.database import Database
from tests.api import documents
from tests.api.conftest import Try
from tests.conftest import Ask

CHECKS = "{ experiments { nodes { key launchChecks { kind state sentence } } } }"
PAGE = "nodes { conclusion } totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
PART = f"key learnings(first: $first, after: $after, last: $last, before: $before) {{ {PAGE} }}"
ARGUMENTS = "($first: Int, $after: String, $last: Int, $before: String)"
LISTED = f"query Listed{ARGUMENTS} {{ experiments {{ nodes {{ {PART} }} }} }}"
ALONE = f"query Alone($key: String!, {ARGUMENTS[1:]} {{ experiment(key: $key) {{ {PART} }} }}"


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """The statements that are sent meanwhile."""
    seen: list[str] = []

    def note(*given: Any) -> None:
        seen.append(given[2])

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)


async def count(database: Database, ask: Ask, document: str) -> int:
    with statements(database) as seen:
        await ask(document)
    return len(seen)


async def register(ask: Ask, *keys: str, **changes: Any) -> None:
    for key in keys:
        found = await ask(documents.EXPERIMENT_REGISTER, {"input": documents.experiment(key, **changes)})
        assert found["experimentRegister"]["userErrors"] == []


async def learn(ask: Ask, key: str, *conclusions: str) -> None:
    """Archive a draft, and record what was learned from it."""
    identity = (await ask("query Id($key: String!) { experiment(key: $key) { id } }", {"key": key}))["experiment"]["id"]
    await ask(documents.move("Archive"), {"input": {"id": identity}})
    for conclusion in conclusions:
        await ask(documents.LEARNING_RECORD, {"input": documents.learning(key, conclusion=conclusion)})


async def test_launch_checks_of_a_list_take_the_statements_of_one(
    ask: Ask, database: Database, drafted: str, started: str
) -> None:
    assert drafted == started  # what drafts are checked beside
    await register(ask, "a")
    one = await count(database, ask, CHECKS)
    await register(ask, "b", "c", "d")
    assert await count(database, ask, CHECKS) == one


async def test_launch_checks_of_a_list_are_those_of_each_alone(ask: Ask, started: str) -> None:
    assert started
    await ask(documents.KPI_REGISTER, {"input": documents.kpi("bare", baseline=None)})
    kpis = [{"kpi": "bare", "role": "PRIMARY", "mde": {"difference": 0.05}}]
    await register(ask, "rival")
    await register(ask, "without-baseline", plan=documents.plan(kpis=kpis))
    listed = (await ask(CHECKS))["experiments"]["nodes"]
    found = {node["key"]: node["launchChecks"] for node in listed}
    assert found["guided-tour"] == []
    assert found["rival"] != found["without-baseline"]
    for key, checks in found.items():
        document = f'{{ experiment(key: "{key}") {{ launchChecks {{ kind state sentence }} }} }}'
        assert (await ask(document))["experiment"]["launchChecks"] == checks


async def test_learnings_of_a_list_take_the_statements_of_one(ask: Ask, database: Database, drafted: str) -> None:
    assert drafted
    await learn(ask, "guided-tour", "0")
    one = await count(database, ask, LISTED)
    await register(ask, "a", "b", "c")
    await learn(ask, "b", "1", "2")
    assert await count(database, ask, LISTED) == one


@pytest.mark.parametrize(
    "given", [{}, {"first": 2}, {"last": 2}, {"first": 0}, {"first": 1, "after": 1}, {"last": 1, "before": 2}]
)
async def test_learnings_of_a_list_are_those_of_each_alone(ask: Ask, drafted: str, given: dict[str, Any]) -> None:
    assert drafted
    await register(ask, "full", "empty")
    await learn(ask, "guided-tour", "a", "b")
    await learn(ask, "full", "c", "d", "e")
    edges = (await ask("{ learnings { edges { cursor } } }"))["learnings"]["edges"]
    arguments = {name: edges[at]["cursor"] if name in {"after", "before"} else at for name, at in given.items()}
    listed = (await ask(LISTED, arguments))["experiments"]["nodes"]
    assert {node["key"]: node["learnings"]["totalCount"] for node in listed} == {
        "empty": 0,
        "full": 3,
        "guided-tour": 2,
    }
    for node in listed:
        assert (await ask(ALONE, arguments | {"key": node["key"]}))["experiment"] == node


async def test_learnings_of_a_list_by_a_cursor_that_is_none_are_refused(attempt: Try, drafted: str) -> None:
    assert drafted
    said = await attempt(LISTED, {"after": "nonsense"})
    assert [error["extensions"]["code"] for error in said["errors"]] == ["BAD_USER_INPUT"]

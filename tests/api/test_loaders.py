"""What belongs to each experiment of a list is read for all of them at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from api.database import Database
from kpi.queries import kpis_by_key, latest_definitions
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import Try
from tests.conftest import Ask
from tests.kpi.history.rows import NOW, derive, describe, send

CHECKS = "{ experiments { nodes { key launchChecks { kind state sentence } } } }"
RESULTS = "{ experiments { nodes { key results { computedAt verdict { state } } } } }"
PAGE = "nodes { conclusion } totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
PART = f"key learnings(first: $first, after: $after, last: $last, before: $before) {{ {PAGE} }}"
ARGUMENTS = "($first: Int, $after: String, $last: Int, $before: String)"
LISTED = f"query Listed{ARGUMENTS} {{ experiments {{ nodes {{ {PART} }} }} }}"
ALONE = f"query Alone($key: String!, {ARGUMENTS[1:]} {{ experiment(key: $key) {{ {PART} }} }}"
STANDINGS = """
{ kpis { nodes { key values { value } standing { level { value } } outlook { chance } target { value }
  weeks: values(granularity: WEEK, fromOn: "2026-06-01") { starts } bySegment { segment values { n } } } } }
"""


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


async def test_results_of_a_list_take_no_statement_more_for_a_draft(ask: Ask, database: Database, started: str) -> None:
    assert started
    one = await count(database, ask, RESULTS)
    await register(ask, "a", "b", "c")
    assert await count(database, ask, RESULTS) == one


async def test_learnings_of_a_list_take_the_statements_of_one(ask: Ask, database: Database, drafted: str) -> None:
    assert drafted
    await learn(ask, "guided-tour", "0")
    one = await count(database, ask, LISTED)
    await register(ask, "a", "b", "c")
    await learn(ask, "b", "1", "2")
    assert await count(database, ask, LISTED) == one


async def derived(ask: Ask, database: Database, workspace: Workspace, *keys: str) -> None:
    """Register KPIs whose history is derived."""
    for key in keys:
        given = documents.kpi(key, entry={"event": "signed_up"}, segments=["plan"], baseline=None)
        found = await ask(documents.KPI_REGISTER, {"input": given})
        assert found["kpiRegister"]["userErrors"] == []
    async with database.read() as session:
        ids = [kpi.id for kpi in (await kpis_by_key(session, workspace.id, keys)).values()]
        definitions = await latest_definitions(session, ids)
    for definition in definitions.values():
        await derive(database, definition)


async def test_cohorts_of_all_kpis_are_read_at_once_whatever_is_asked_of_them(
    ask: Ask, database: Database, workspace: Workspace
) -> None:
    signed_up = [(f"u{day}", "signed_up", f"2026-06-{day:02}T08:00:00Z", None) for day in range(1, 20)]
    activated = [(f"u{day}", "activated", f"2026-06-{day:02}T09:00:00Z", None) for day in range(1, 20, 2)]
    await send(database, workspace, [*signed_up, *activated])
    await describe(database, workspace, [(f"u{day}", "plan", "pro", None) for day in range(1, 20)])
    await derived(ask, database, workspace, "a")
    with statements(database) as one:
        found = await ask(STANDINGS, now=NOW)
    assert found["kpis"]["nodes"][0]["standing"]["level"]["value"] is not None
    assert len(found["kpis"]["nodes"][0]["bySegment"]) == 1
    await derived(ask, database, workspace, "b", "c", "d")
    with statements(database) as four:
        found = await ask(STANDINGS, now=NOW)
    assert len(found["kpis"]["nodes"]) == 4
    for seen in (one, four):  # two tables, of everybody and of all segments
        assert 2 <= len([said for said in seen if "array_agg" in said]) <= 4


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

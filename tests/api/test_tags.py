"""Answers by GET have a mark; who holds one is told whether it still stands, and never that an old one does."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.auth.keys import Caller, Scope
from api.database import Database
from api.graphql import tags
from api.graphql.tags import Tags
from api.jobs.refresh import refresh_due
from api.telemetry.metrics import REGISTRY
from tests.api import documents
from tests.api.conftest import Client, MakeKey, bearing
from tests.api.test_results import Trial, run, today
from tests.conftest import Ask

QUERY = """query Q($key: String!) { experiment(key: $key) {
    state decisions { choice } results { dataThrough findings { kpi { name } control { n value } } }
} }"""
FRESH = {"cache-control": "private, no-cache", "vary": "Authorization, Accept, Cookie"}
TRIES = 5
"""Postgres tidies up by itself now and then, which looks like a change: one of so many falls between two of these."""


@pytest.fixture
async def reader(client: Client, make_key: MakeKey) -> Client:
    """A client with a key that may read."""
    client.headers.update(bearing(await make_key(Scope.READ)))
    return client


async def asked(client: Client, query: str = QUERY, tag: str = "", key: str = "guided-tour", **headers: str) -> Any:
    """What is answered to who holds an answer of this mark."""
    parameters = {"query": query, "variables": json.dumps({"key": key})}
    return await client.get("/graphql", params=parameters, headers=headers | ({"if-none-match": tag} if tag else {}))


def operations(field: str) -> float:
    """How often a query of a field was run."""
    labels = {"operation": f"query {field}", "outcome": "OK"}
    return REGISTRY.get_sample_value("truelift_graphql_operation_seconds_count", labels) or 0.0


async def runs(client: Client, field: str, query: str) -> list[float]:
    """How often a query is run, each time that its answer is held already."""
    found = []
    tag = (await asked(client, query)).headers["etag"]
    for _ in range(TRIES):
        before = operations(field)
        answer = await asked(client, query, tag)
        assert (answer.status_code, answer.headers["etag"], answer.content) == (304, tag, b"")
        found.append(operations(field) - before)
    return found


async def test_answer_has_a_mark_and_who_holds_it_is_sent_nothing(reader: Client, drafted: str) -> None:
    assert drafted
    first = await asked(reader)
    assert first.status_code == 200
    assert {name: first.headers[name] for name in FRESH} == FRESH
    tag = first.headers["etag"]
    assert tag == (await asked(reader)).headers["etag"]  # the same question, the same bytes
    for named in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = await asked(reader, tag=named)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert {name: again.headers[name] for name in FRESH} == FRESH
    for other in ('"x"', tag.strip('"')):
        assert (await asked(reader, tag=other)).content == first.content


async def test_mark_is_of_the_form_the_variables_and_the_caller(
    reader: Client, make_key: MakeKey, drafted: str
) -> None:
    assert drafted
    tag = (await asked(reader)).headers["etag"]
    other = bearing(await make_key(Scope.INGEST))
    answers = [
        await asked(reader, tag=tag, key="another"),
        await asked(reader, QUERY.replace("state", "name"), tag),
        await asked(reader, tag=tag, **other),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[0].json()["data"] == {"experiment": None}
    assert answers[2].json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_answer_is_not_worked_out_again_while_nothing_has_changed(
    reader: Client, database: Database, ask: Ask
) -> None:
    await run(ask, Trial())
    await refresh_due(database)
    assert min(await runs(reader, "experiment", QUERY)) == 0


async def test_answer_that_asks_for_the_moment_is_worked_out_each_time(reader: Client, drafted: str) -> None:
    assert drafted
    checks = "query Q($key: String!) { experiment(key: $key) { launchChecks { kind state } } }"
    assert set(await runs(reader, "experiment", checks)) == {1}


async def test_no_change_is_answered_with_what_was_true_before(
    reader: Client, database: Database, ask: Ask, started: str
) -> None:
    kpi = (await ask('{ kpi(key: "activation") { id } }'))["kpi"]["id"]
    late = [documents.exposure("u", "tour", (today() - timedelta(days=20)).isoformat())]
    changes: dict[str, tuple[str, dict[str, Any]]] = {
        "renamed": (documents.KPI_CHANGE % {"verb": "Update"}, {"id": kpi, "name": "Anew", "reason": "r"}),
        "rows": (documents.EXPOSURES_INGEST, {"exposures": late}),
        "stopped": (documents.EXPERIMENT_STOP, {"id": started, "reason": "r"}),
        "decided": (documents.move("Decide"), {"id": started, "choice": "ABANDON", "reason": "r"}),
    }
    await refresh_due(database)
    held = await asked(reader)
    assert held.status_code == 200
    for name, (document, given) in changes.items():
        (payload,) = (await ask(document, {"input": given})).values()
        assert payload.get("userErrors", []) == [], name
        await refresh_due(database)
        now = await asked(reader, tag=held.headers["etag"])
        assert now.status_code == 200, name
        assert now.headers["etag"] != held.headers["etag"]
        sent = {"query": QUERY, "variables": {"key": "guided-tour"}}
        assert now.json()["data"] == (await reader.post("/graphql", json=sent)).json()["data"]
        assert (await asked(reader, tag=now.headers["etag"])).status_code == 304
        held = now


async def test_what_is_no_answer_has_no_mark(reader: Client) -> None:
    answers = [
        await asked(reader, "{ nothing }", "*"),
        await asked(reader, "{ auditLog { totalCount } }", "*"),
        await reader.post("/graphql", json={"query": "{ viewer { workspace } }"}, headers={"if-none-match": "*"}),
        await asked(reader, "{ viewer { workspace } }", "*", accept="text/event-stream"),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [answer.headers.get("etag") for answer in answers] == [None] * 4
    assert {answer.headers["cache-control"] for answer in answers[:3]} == {"no-store"}


async def test_mark_stands_for_one_state_and_ends_at_midnight(database: Database, caller: Caller) -> None:
    known, question = Tags(), tags.question(caller, "a document", {"first": 1})
    async with database.read() as session:
        now = await tags.state(session)
    known.note(question, now, '"mark"')
    assert known.standing(question, now) == '"mark"'
    assert known.standing(question, replace(now, day=now.day + timedelta(days=1))) is None
    assert known.standing(tags.question(caller, "a document", {"first": 2}), now) is None
    for other in (replace(caller, workspace_id=0), replace(caller, public_id="x"), replace(caller, scopes=frozenset())):
        assert known.standing(tags.question(other, "a document", {"first": 1}), now) is None
    async with database.raw() as connection:
        await connection.execute("SELECT pg_current_xact_id()")  # a change, though of nothing
    async with database.read() as session:
        later = await tags.state(session)
    assert known.standing(question, replace(later, day=now.day)) is None
    assert now.day == datetime.now(UTC).date()

"""Rejected rows: kept, listed, and taken in again once the cause is mended."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from api.auth.keys import Caller
from api.database import Database
from api.graphql.nodes import global_id
from experiments import exposures
from kpi import batches, events
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import Try
from tests.conftest import Ask

NOW = datetime(2026, 6, 20, tzinfo=UTC)
AT = "2026-06-02T08:00:00Z"
LIST = """
query List($filter: RejectionFilter, $first: Int, $after: String) {
  rejections(filter: $filter, first: $first, after: $after) {
    nodes { id noun code message path row isReplayable receivedAt } totalCount pageInfo { endCursor hasNextPage }
    counts { noun code n }
  }
}
"""


async def send(database: Database, workspace: Workspace, noun: str, *rows: Any, lax: bool = False) -> None:
    ingest = {"exposures": exposures.ingest, "outcomes": events.ingest}[noun]
    async with database.raw() as connection:
        await ingest(connection, workspace_id=workspace.id, rows=rows, now=NOW, lax=lax)


async def listed(ask: Ask, **variables: Any) -> dict[str, Any]:
    return dict((await ask(LIST, variables))["rejections"])


async def replay(ask: Ask, **given: Any) -> dict[str, Any]:
    return dict((await ask(documents.REJECTIONS_REPLAY, {"input": given}, now=NOW))["rejectionsReplay"])


async def outcomes_of(ask: Ask, **given: Any) -> list[str]:
    payload = await replay(ask, **given)
    assert payload["userErrors"] == []
    return [row["outcome"] for row in payload["results"]]


BAD = documents.outcome("u1", "activated", "2026-06-21T00:00:00Z")
SOONER = documents.exposure("u1", "tour", AT)


async def test_rejections_are_listed_newest_first_by_filter_and_counted(
    ask: Ask, database: Database, workspace: Workspace
) -> None:
    await send(database, workspace, "outcomes", BAD, None, BAD | {"unit": ""})
    await send(database, workspace, "exposures", SOONER)
    found = await listed(ask)
    codes = ["UNKNOWN_EXPERIMENT", "MALFORMED", "MALFORMED", "TIME_IN_FUTURE"]
    assert [row["code"] for row in found["nodes"]] == codes
    assert [row["noun"] for row in found["nodes"]] == ["EXPOSURES", "OUTCOMES", "OUTCOMES", "OUTCOMES"]
    assert found["counts"] == [
        {"noun": "EXPOSURES", "code": "UNKNOWN_EXPERIMENT", "n": 1},
        {"noun": "OUTCOMES", "code": "MALFORMED", "n": 2},
        {"noun": "OUTCOMES", "code": "TIME_IN_FUTURE", "n": 1},
    ]
    last = found["nodes"][-1]
    assert (last["path"], last["isReplayable"], last["receivedAt"]) == ("occurredAt", True, NOW.isoformat())
    for field, value, n in (("noun", "OUTCOMES", 3), ("code", "MALFORMED", 2), ("noun", "EXPOSURES", 1)):
        assert (await listed(ask, filter={field: {"eq": value}}))["totalCount"] == n
    page = await listed(ask, filter={"code": {"eq": "MALFORMED"}}, first=1)
    rest = await listed(ask, filter={"code": {"eq": "MALFORMED"}}, first=5, after=page["pageInfo"]["endCursor"])
    assert [len(page["nodes"]), len(rest["nodes"])] == [1, 1]
    node = await ask("query N($id: ID!) { node(id: $id) { ... on Rejection { row } } }", {"id": last["id"]})
    assert node["node"]["row"] == last["row"]


@pytest.mark.parametrize("by", ["ids", "filter"])
async def test_replay_after_the_cause_is_mended_takes_rows_in_and_the_rest_stay_with_their_new_reason(
    ask: Ask, database: Database, workspace: Workspace, drafted: str, by: str
) -> None:
    early = SOONER | {"unit": "u2", "exposedAt": "2026-05-01T00:00:00Z"}
    await send(database, workspace, "exposures", SOONER, SOONER, early)
    rows = (await listed(ask))["nodes"][::-1]
    assert {row["code"] for row in rows} == {"NOT_STARTED"}
    await ask(documents.EXPERIMENT_START, {"input": {"id": drafted, "startedAt": "2026-06-01T00:00:00Z"}})
    ids = [row["id"] for row in rows]
    given: dict[str, Any] = {"ids": ids} if by == "ids" else {"filter": {"code": "NOT_STARTED", "noun": "EXPOSURES"}}
    payload = await replay(ask, **given)
    assert [row["id"] for row in payload["results"]] == ids
    assert [row["outcome"] for row in payload["results"]] == ["ACCEPTED", "DUPLICATE", "REJECTED"]
    (left,) = (await listed(ask))["nodes"]
    assert (left["id"], left["code"], left["path"]) == (ids[2], "OUTSIDE_ENROLMENT", "exposedAt")
    assert left["message"] == payload["results"][2]["message"]
    async with database.raw() as connection:
        pending = await connection.fetchval(
            "SELECT count(*) FROM ingests WHERE workspace_id = $1 AND is_pending AND days = $2",
            workspace.id,
            [datetime(2026, 6, 2, tzinfo=UTC).date()],
        )
    assert pending == 1  # what was taken in is in the ledger as from any door


async def test_replay_of_bytes_and_of_cells_reads_them_as_they_were_read_first(
    ask: Ask, database: Database, workspace: Workspace
) -> None:
    cell = BAD | {"value": "7.5"}
    await send(database, workspace, "outcomes", cell, lax=True)
    await send(
        database, workspace, "outcomes", b'{"unit":"u1","event":"e","occurredAt":"2026-06-02T08:00:00Z","value":"7"}'
    )
    later: dict[str, Any] = {"input": {"filter": {}}}
    mended = datetime(2026, 6, 22, tzinfo=UTC)
    found = (await ask(documents.REJECTIONS_REPLAY, later, now=mended))["rejectionsReplay"]["results"]
    assert [(row["outcome"], row["code"]) for row in found] == [("ACCEPTED", None), ("REJECTED", "MALFORMED")]
    async with database.raw() as connection:
        assert await connection.fetchval("SELECT value FROM outcomes WHERE workspace_id = $1", workspace.id) == 7.5


async def test_row_that_was_not_kept_as_it_was_says_that_it_cannot_be_replayed(
    ask: Ask, database: Database, workspace: Workspace
) -> None:
    long = BAD | {"unit": "u" * 3_000}
    rows = [long, BAD | {"value": float("nan")}, b'{"unit": "\xff"}', b'{"unit": "a\0b"}', BAD | {"unit": "\ud800"}]
    await send(database, workspace, "outcomes", *rows)
    found = (await listed(ask))["nodes"]
    assert [row["isReplayable"] for row in found] == [False] * 5
    assert max(len(row["row"]) for row in found) == 2_000
    payload = await replay(ask, ids=[row["id"] for row in found])
    assert {row["outcome"] for row in payload["results"]} == {"NOT_REPLAYABLE"}
    assert all("send it anew" in row["message"] for row in payload["results"])
    assert (await listed(ask))["totalCount"] == 5
    assert await outcomes_of(ask, filter={}) == []


async def test_replay_goes_on_after_a_row(ask: Ask, database: Database, workspace: Workspace) -> None:
    await send(database, workspace, "outcomes", *(BAD | {"unit": f"u{n}"} for n in range(3)))
    first = (await listed(ask))["nodes"][-1]["id"]
    assert await outcomes_of(ask, filter={}, after=first) == ["REJECTED"] * 2


async def test_rows_of_a_stranger_are_neither_listed_nor_replayed(
    ask: Ask, attempt: Try, stranger: Caller, database: Database, workspace: Workspace
) -> None:
    await send(database, workspace, "outcomes", BAD)
    (mine,) = (await listed(ask))["nodes"]
    theirs = (await attempt(LIST, {}, caller=stranger))["data"]["rejections"]
    assert (theirs["totalCount"], theirs["counts"]) == (0, [])
    given = {"input": {"ids": [mine["id"]]}}
    answer = await attempt(documents.REJECTIONS_REPLAY, given, caller=stranger)
    assert [row["outcome"] for row in answer["data"]["rejectionsReplay"]["results"]] == ["NOT_FOUND"]
    assert (await listed(ask))["totalCount"] == 1


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, ["ids"]),
        ({"ids": [], "filter": {}}, ["ids"]),
        ({"ids": [global_id("Rejection", 1)] * 1_001}, ["ids"]),
        ({"ids": [global_id("Rejection", 1), global_id("Kpi", 1)]}, ["ids", "1"]),
        ({"filter": {}, "after": "nonsense"}, ["after"]),
    ],
)
async def test_replay_of_nothing_said_or_too_much_is_bad_input(
    ask: Ask, given: dict[str, Any], path: list[str]
) -> None:
    payload = await replay(ask, **given)
    assert payload["results"] is None
    assert [(error["code"], error["path"]) for error in payload["userErrors"]] == [("BAD_USER_INPUT", path)]


async def test_workspace_keeps_its_newest_rejections_up_to_the_limit_and_others_theirs(
    ask: Ask, database: Database, workspace: Workspace, stranger: Caller
) -> None:
    async with database.raw() as connection:
        for owner in (workspace.id, stranger.workspace_id):
            await connection.execute(
                "INSERT INTO rejections (workspace_id, noun, code, message, path, row, received_at)"
                " SELECT $1, 'outcomes', 'MALFORMED', '', 'row', n::text, now() FROM generate_series(1, $2::int) n",
                owner,
                batches.KEPT_REJECTIONS,
            )
    await send(database, workspace, "outcomes", BAD, None)
    assert (await listed(ask))["totalCount"] == batches.KEPT_REJECTIONS
    async with database.raw() as connection:
        oldest = "SELECT row FROM rejections WHERE workspace_id = $1 ORDER BY id LIMIT 1"
        assert await connection.fetchval(oldest, workspace.id) == "3"
        assert await connection.fetchval(oldest, stranger.workspace_id) == "1"


async def test_replay_waits_for_a_unit_that_is_being_forgotten_before_it_holds_a_row(
    ask: Ask, database: Database, workspace: Workspace, started: str
) -> None:
    assert started
    await send(database, workspace, "exposures", documents.exposure("u1", "tour", AT))
    await send(database, workspace, "exposures", documents.exposure("u1", "tour", AT) | {"experiment": "other"})
    async with database.raw() as connection:
        await connection.fetch("SELECT FROM exposures WHERE unit = 'u1' FOR UPDATE")
        forgetting = asyncio.ensure_future(ask(FORGET, {"unit": "u1"}))
        await waiting(database, 1)
        replaying = asyncio.create_task(outcomes_of(ask, filter={"noun": "EXPOSURES"}))
        await waiting(database, 2)
    assert (await forgetting)["unitForget"] == {"exposures": 1, "rejections": 1}
    assert await replaying == []


FORGET = "mutation F($unit: String!) { unitForget(input: {unit: $unit}) { exposures rejections } }"


async def waiting(database: Database, count: int) -> None:
    """Return when so many connections wait for others."""
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    found = 0
    async with asyncio.timeout(60):
        while found < count:
            async with database.acting(None).raw() as connection:
                found = await connection.fetchval(blocked)

"""The API as public clients meet it: audits of GraphQL over HTTP, and the clients of both ways to follow something.

They need Node and what `make clients` installs from the lock file of `tests/clients`.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from api.auth.keys import Scope
from api.database import Database
from api.graphql.nodes import local_id
from tests.api.conftest import MakeKey
from tests.api.servers import PATIENCE, serving

CLIENTS = Path(__file__).parents[1] / "clients"
NODE = shutil.which("node")
UPDATED = "subscription S($id: ID!) { experimentResultsUpdated(id: $id) { experiment { key } } }"
EVENT = {"data": {"experimentResultsUpdated": {"experiment": {"key": "guided-tour"}}}}

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="NOT TESTED AGAINST PUBLIC CLIENTS: Node is absent"),
    pytest.mark.skipif(
        not (CLIENTS / "node_modules").is_dir(), reason="NOT TESTED AGAINST PUBLIC CLIENTS: run `make clients`"
    ),
]


@pytest_asyncio.fixture
async def service(database_url: str, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    assert database  # at the newest schema
    async with serving(database_url) as client:
        yield client


async def said(script: str, *arguments: str) -> AsyncIterator[Any]:
    """What a script prints, a JSON value a line."""
    process = await asyncio.create_subprocess_exec(
        str(NODE), script, *arguments, cwd=CLIENTS, stdout=asyncio.subprocess.PIPE, limit=1_000_000
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        async for line in process.stdout:
            yield json.loads(line)
        assert await process.wait() == 0


async def all_said(script: str, *arguments: str) -> list[Any]:
    return [value async for value in said(script, *arguments)]


def address(service: httpx.AsyncClient, script: str) -> str:
    url = str(service.base_url.join("/graphql"))
    return url.replace("http:", "ws:") if script == "socket.mjs" else url


async def test_every_audit_of_graphql_over_http_is_passed(service: httpx.AsyncClient, make_key: MakeKey) -> None:
    key = await make_key(Scope.READ, Scope.SCHEMA)
    (found,) = await all_said("audit.mjs", address(service, "audit.mjs"), key)
    assert len(found) == 61
    assert [audit for audit in found if audit["status"] != "ok"] == []


@pytest.mark.parametrize("script", ["socket.mjs", "stream.mjs"])
async def test_client_runs_a_query_and_is_told_what_a_subscription_tells(
    service: httpx.AsyncClient, make_key: MakeKey, database: Database, started: str, script: str
) -> None:
    key, url = await make_key(Scope.READ), address(service, script)
    query = "query Q($id: ID!) { node(id: $id) { id } }"
    told = [value async for value in said(script, url, key, query, started, "9") if "closed" not in value]
    answer, end = told
    assert (answer["data"], end) == ({"node": {"id": started}}, {"ended": True})
    assert answer["extensions"]["cost"]["requested"] == 1.1
    heard = []
    async for value in said(script, url, key, UPDATED, started, "2"):
        heard.append({"data": value["data"]} if "data" in value else value)
        if len(heard) == 1:
            async with database.raw() as connection:
                number = str(local_id("Experiment", started))
                await connection.execute("SELECT pg_notify('truelift_refreshed', $1)", number)
    assert [value for value in heard if "closed" not in value] == [EVENT, EVENT, {"ended": True}]


@pytest.mark.parametrize(
    ("script", "failed"),
    [
        ("socket.mjs", {"code": 4403, "reason": "Forbidden"}),
        ("stream.mjs", {"status": 401, "message": "Server responded with 401: Unauthorized"}),
    ],
)
async def test_client_with_a_key_that_does_not_work_is_told_so(
    service: httpx.AsyncClient, script: str, failed: dict[str, Any]
) -> None:
    told = await all_said(script, address(service, script), "tl_none_none", UPDATED, "x", "1")
    assert {"failed": failed} in told


@pytest.mark.parametrize("script", ["socket.mjs", "stream.mjs"])
async def test_client_that_sends_a_wrong_document_is_told_what_is_wrong(
    service: httpx.AsyncClient, make_key: MakeKey, script: str
) -> None:
    told = await all_said(script, address(service, script), await make_key(Scope.READ), "{ nothing }", "x", "1")
    assert "Cannot query field 'nothing' on type 'Query'." in json.dumps(told[0])

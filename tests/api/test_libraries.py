"""The libraries of neighbours, with nothing but their host changed, against a real server.

They need Node and what `make clients` installs from the lock file of `tests/clients`.
"""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from api.auth.keys import Scope
from api.database import Database
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import MakeKey
from tests.api.servers import serving
from tests.api.test_clients import all_said, pytestmark, said
from tests.conftest import Ask

assert pytestmark  # as there

FOUND = """
SELECT 'exposure' AS noun, x.unit, v.key AS what FROM exposures x JOIN variants v ON v.id = x.variant_id
JOIN experiments e ON e.id = x.experiment_id WHERE e.workspace_id = $1
UNION ALL SELECT 'outcome', o.unit, e.name FROM outcomes o JOIN events e ON e.id = o.event_id WHERE o.workspace_id = $1
UNION ALL SELECT 'trait', unit, name || '=' || value FROM traits WHERE workspace_id = $1
UNION ALL SELECT 'membership', member, account FROM memberships WHERE workspace_id = $1
ORDER BY noun, unit, what
"""


@pytest_asyncio.fixture
async def service(database_url: str, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    assert database  # at the newest schema
    async with serving(database_url) as client:
        yield client


async def test_library_of_segment_delivers_every_message_once(
    service: httpx.AsyncClient, make_key: MakeKey, database: Database, workspace: Workspace, started: str
) -> None:
    assert started
    host = str(service.base_url).rstrip("/")
    told = await all_said("segment.mjs", host, await make_key(Scope.INGEST), "u1")
    assert [(message["type"], message["fault"]) for message in told] == [
        (type_, None) for type_ in ("identify", "group", "track", "track", "page", "screen")
    ]
    async with database.raw() as connection:
        assert [tuple(row) for row in await connection.fetch(FOUND, workspace.id)] == [
            ("exposure", "u1", "tour"),
            ("membership", "u1", "acme"),
            ("outcome", "u1", "activated"),
            ("outcome", "u1", "page"),
            ("outcome", "u1", "screen"),
            ("trait", "acme", "seats=12"),
            ("trait", "u1", "plan=pro"),
        ]
    refused = await all_said("segment.mjs", host, await make_key(Scope.READ), "u2")
    assert {message["fault"] for message in refused} == {"Error: [403] Forbidden"}


async def test_library_of_openfeature_for_the_web_asks_again_when_an_experiment_is_moved(
    service: httpx.AsyncClient, make_key: MakeKey, ask: Ask, started: str
) -> None:
    """Unit u4 is in the tour by the published hash, and in control once the experiment takes no more units in."""
    host = str(service.base_url).rstrip("/")
    told = []
    async for served in said("flags.mjs", host, await make_key(Scope.EVALUATE), "u4", "2"):
        told.append(served)
        if len(told) == 1:
            await ask(documents.move("Pause"), {"input": {"id": started}})
    assert told == [
        {"value": "tour", "variant": "tour", "reason": "SPLIT", "exposes": True, "told": [200]},
        {"value": "control", "variant": "control", "reason": "DEFAULT", "exposes": False, "told": [200]},
    ]

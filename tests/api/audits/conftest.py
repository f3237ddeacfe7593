"""A server on a port, and somebody with a key who asks it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest_asyncio

from api.auth import keys
from api.auth.keys import Scope
from api.auth.tenants import ensure_workspace
from api.database import Database
from tests.api.conftest import SECRET
from tests.api.servers import serving


async def key_of(database: Database, *scopes: Scope) -> str:
    """A key of a workspace of its own."""
    now = datetime.now(UTC)
    async with database.write() as session:
        workspace = await ensure_workspace(session, f"audit-{uuid4().hex[:12]}", now)
        return await keys.create(
            session, workspace_id=workspace.id, name="audit", scopes=list(scopes), secret=SECRET, now=now
        )


@pytest_asyncio.fixture(scope="module")
async def service(database_url: str, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the server, without a key; one server for all tests of a file."""
    assert database  # at the newest schema
    async with serving(database_url, wrong_keys_at_once=100_000) as client:
        yield client

"""A real server on a port of its own, and clients of it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from api.auth.keys import Scope
from api.database import Database
from tests.api.conftest import MakeKey
from tests.api.servers import serving
from truelift import AsyncTruelift, Truelift


@pytest_asyncio.fixture
async def address(database_url: str, database: Database) -> AsyncIterator[str]:
    """Where the server is."""
    assert database  # at the newest schema
    async with serving(database_url) as client:
        yield str(client.base_url)


@pytest_asyncio.fixture
async def key(make_key: MakeKey) -> str:
    """A key that reads and sends rows."""
    return await make_key(Scope.READ, Scope.INGEST)


@pytest_asyncio.fixture
async def truelift(address: str, key: str) -> AsyncIterator[AsyncTruelift]:
    """A client of the server."""
    async with AsyncTruelift(address, key, attempts=2) as client:
        yield client


@pytest_asyncio.fixture
async def notebook(address: str, key: str) -> AsyncIterator[Truelift]:
    """The client that waits; in a test it does so in a thread of its own, for the server runs in the test's."""
    with Truelift(address, key, attempts=2) as client:
        yield client

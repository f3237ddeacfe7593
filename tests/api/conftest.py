"""Ways to ask the API: in this process as some caller, over HTTP with some key, and as a stranger."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from api.app import build
from api.auth import keys
from api.auth.keys import Caller, Scope
from api.auth.tenants import ensure_workspace
from api.database import Database
from api.delivery.outside import Outside
from api.graphql.context import Context
from api.graphql.schema import schema
from api.jobs import refresh
from api.settings import Settings
from kpi.tables import Workspace
from tests.api import documents
from tests.conftest import Ask

SECRET = b"a secret of thirty-two characters"
MakeKey = Callable[..., Awaitable[str]]
Client = httpx.AsyncClient


class Try(Protocol):
    """Run a document as some caller and return the answer as it leaves: data and errors."""

    async def __call__(
        self,
        document: str,
        variables: dict[str, Any] | None = None,
        *,
        caller: Caller | None = None,
        now: datetime | None = None,
    ) -> dict[str, Any]:
        """The answer."""


@pytest.fixture(autouse=True)
def nobody_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """An experiment is refreshed whenever it is due, though its last refresh took long on a machine that is busy."""
    monkeypatch.setattr(refresh, "WORTH_A_REST", timedelta(hours=1))


@pytest.fixture
def attempt(database: Database, caller: Caller, outside: Outside) -> Try:
    """Run a document that may well be refused; the caller of the test's workspace unless another is named."""
    somebody = caller

    async def run(
        document: str,
        variables: dict[str, Any] | None = None,
        *,
        caller: Caller | None = None,
        now: datetime | None = None,
    ) -> dict[str, Any]:
        context = Context(database=database, caller=caller or somebody, now=now, outside=outside)
        result = await schema.execute(document, variables, context)
        return {"data": result.data, "errors": [error.formatted for error in result.errors or []]}

    return run


@pytest_asyncio.fixture
async def stranger(database: Database, caller: Caller) -> Caller:
    """Somebody who may do everything, in another workspace."""
    async with database.write() as session:
        other = await ensure_workspace(session, f"other-{uuid4().hex[:12]}", datetime.now(UTC))
    return replace(caller, workspace_id=other.id, workspace=other.key, public_id="other")


@pytest_asyncio.fixture
async def drafted(ask: Ask) -> str:
    """A KPI, a hypothesis and an experiment that has not started; its global id."""
    await ask(documents.KPI_REGISTER, {"input": documents.kpi()})
    await ask(documents.HYPOTHESIS_REGISTER, {"input": documents.hypothesis()})
    registered = await ask(documents.EXPERIMENT_REGISTER, {"input": documents.experiment()})
    identity: str = registered["experimentRegister"]["experiment"]["id"]
    return identity


@pytest_asyncio.fixture
async def started(ask: Ask, drafted: str) -> str:
    """The same experiment, running since the first of June."""
    start = {"id": drafted, "startedAt": "2026-06-01T00:00:00Z"}
    await ask(documents.EXPERIMENT_START, {"input": start})
    return drafted


@pytest.fixture(scope="session")
def app(database: Database) -> Starlette:
    """The application on the session's database, without a worker; tests send many wrong keys."""
    return build(database, settings=Settings(wrong_keys_at_once=100_000), secret=SECRET, with_worker=False)


@pytest_asyncio.fixture
async def client(app: Starlette) -> AsyncIterator[Client]:
    """A client of the application, without a key. A bug shows as the 500 that a user would see."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with Client(transport=transport, base_url="http://truelift.test") as client:
        yield client


@pytest_asyncio.fixture
async def make_key(database: Database, workspace: Workspace) -> MakeKey:
    """Make a key of the test's workspace."""

    async def make(*scopes: Scope) -> str:
        async with database.write() as session:
            return await keys.create(
                session,
                workspace_id=workspace.id,
                name="test",
                scopes=list(scopes),
                secret=SECRET,
                now=datetime.now(UTC),
            )

    return make


def bearing(key: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"authorization": f"Bearer {key}"}

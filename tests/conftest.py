"""What the tests share: one real Postgres for the session, and a workspace of its own for every test."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from api import embedded, schema
from api.auth.keys import Caller, Scope
from api.auth.tenants import ensure_workspace
from api.commands.loading import to_stay
from api.database import Database, Role
from api.delivery.outside import Outside
from api.graphql.context import Context
from api.graphql.schema import schema as graphql
from api.settings import DRIVER
from kpi.tables import Workspace
from tests.api.databases import made, url_of

SHARED = Path(__file__).parent.parent.parent / "shared" / "data"
"""Where the two real experiments lie, beside the checkout; they are not part of the product."""

SHARING = ("tests/service", "tests/api/sample")
"""Folders whose files share a set-up that takes long: one demo, one sample company."""

Ask = Callable[..., Awaitable[dict[str, Any]]]


def pytest_configure() -> None:
    """Have Hypothesis draw the same examples each time, and pass no judgement on how quick the machine is today.

    What comes at random is for `make fuzz`, which does not run under pytest.
    """
    steady = settings(derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("suite", steady)
    settings.load_profile("suite")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Where there are several workers, keep what shares a set-up on one of them.

    Marks with the name of a group would say the same, but pytest 9.2 no longer lets pytest-xdist 3.8 heed them.
    """
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - one worker needs none

    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = _together
    return scheduler


def _together(nodeid: str) -> str:
    """What a test shares its set-up with: the tests of its file, or of a folder."""
    file = nodeid.partition("::")[0]
    return next((place for place in SHARING if file.startswith(place)), file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker is left with it in the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(SHARING[0]))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the collector of garbage what is imported and collected, which stays to the end: a tenth of all time."""
    with to_stay():
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Let SIGINT through to what the tests start: whatever a shell runs in the background is born deaf to it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data_dir() -> Iterator[Path]:
    """A folder that the account Postgres runs as can reach, also when the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="truelift-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def database_url(data_dir: Path) -> Iterator[str]:
    """The address of the session's database: in a Postgres of its own, or in the one that TEST_DATABASE_URL names."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        server = given.replace("postgresql://", DRIVER)
        yield url_of(server, asyncio.run(made(server)))
        return
    with embedded.running(data_dir / "database") as database:
        asyncio.run(_without_waiting_for_the_disk(database.url))
        yield database.url


async def _without_waiting_for_the_disk(url: str) -> None:
    """Commit at once: what tests write need not outlive the machine. Those that kill a Postgres have their own."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("ALTER ROLE CURRENT_USER SET synchronous_commit = off"))
    await engine.dispose()


@pytest_asyncio.fixture(scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    """The session's database, at the newest schema; what a request does is confined to its workspace all the same."""
    found = Database(database_url)
    await schema.upgrade(found.engine)
    yield found.acting(Role.WORKER)
    await found.close()


@pytest_asyncio.fixture
async def workspace(database: Database) -> Workspace:
    """A workspace nobody else uses."""
    async with database.write() as session:
        return await ensure_workspace(session, f"test-{uuid4().hex[:12]}", datetime.now(UTC))


@pytest.fixture
def caller(workspace: Workspace) -> Caller:
    """Somebody who may do everything in the test's workspace."""
    return Caller(
        workspace_id=workspace.id, workspace=workspace.key, key_name="test", public_id="test", scopes=frozenset(Scope)
    )


@pytest.fixture
def outside() -> Outside:
    """A way to the outside that leads to no receiver inside, and to no mail server."""
    return Outside(secret=b"what keys are derived under", base_url="https://truelift.test")


@pytest.fixture
def ask(database: Database, caller: Caller, outside: Outside) -> Ask:
    """Run a GraphQL document in the test's workspace and return its data; errors fail the test."""

    async def ask(
        document: str, variables: dict[str, Any] | None = None, *, now: datetime | None = None
    ) -> dict[str, Any]:
        context = Context(database=database, caller=caller, now=now, outside=outside)
        result = await graphql.execute(document, variables, context)
        assert result.errors is None, result.errors
        assert result.data is not None
        return result.data

    return ask


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real experiments' folder; absent, the test is skipped and says so."""
    if not SHARED.is_dir():
        pytest.skip(f"NOT TESTED AGAINST REAL DATA: {SHARED} is absent")
    return SHARED

"""A database that lags, stands still or has no connection left is said at every door, in a bounded time."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from sqlalchemy import make_url
from sqlmodel import func, select

from api.app import build
from api.auth import cookies, keys, sign_ins
from api.auth.keys import Scope
from api.database import Database, is_away
from api.doors import bodies, ingest
from api.jobs.worker import FAULTS
from api.settings import Settings
from kpi.storage import hold_rows
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import SECRET, Client, MakeKey, bearing

PATIENCE = 0.7
SOON = 20.0
"""Seconds within which an answer is there on a busy machine; a connection that stands still takes 2 to be given up."""
ATTEMPTS = 50
"""How often a door without patience is tried at most, on a machine that is slow by itself."""
AT = "2026-06-02T08:00:00Z"
ROW = documents.outcome("u1", "activated", AT)
Ask = Callable[[Client], Awaitable[httpx.Response]]


def graphql(document: str, **variables: Any) -> Ask:
    return lambda client: client.post("/graphql", json={"query": document, "variables": variables})


LINES = {"content-type": "application/x-ndjson"}
DOORS: dict[str, Ask] = {
    "query": graphql("{ kpis { totalCount } }"),
    "rows": lambda client: client.post("/v1/outcomes", content=json.dumps(ROW), headers=LINES),
    "upload": lambda client: client.post("/v1/uploads?noun=outcomes&format=csv", content=b"unit,event\n"),
    "export": lambda client: client.get("/v1/export/outcomes.csv"),
    "page": lambda client: client.get("/"),
    "sign-in": lambda client: client.post("/sign-in", data={"key": "tl_0_0"}),
    "ready": lambda client: client.get("/readyz"),
}


async def asking(database: Database, key: str) -> Client:
    """A client with a key and a cookie, of an application on some database."""
    app = build(database, settings=Settings(), secret=SECRET, with_worker=False)
    now = datetime.now(UTC)
    async with database.write() as session:
        caller = await keys.caller(session, key, SECRET, now)
        assert caller is not None
        cookie = await sign_ins.with_key(session, caller, secret=SECRET, now=now)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return Client(
        transport=transport,
        base_url="http://truelift.test",
        headers=bearing(key),
        cookies={cookies.SIGNED_IN: cookie},
        timeout=60,
    )


@pytest_asyncio.fixture
async def hasty(database_url: str) -> AsyncIterator[Database]:
    """A database of two connections, and no patience."""
    found = Database(database_url, pool_size=2, patience=PATIENCE)
    yield found
    await found.close()


@pytest_asyncio.fixture
async def client(hasty: Database, make_key: MakeKey) -> AsyncIterator[Client]:
    async with await asking(hasty, await make_key(*Scope)) as client:
        yield client


async def told(client: Client, ask: Ask) -> tuple[int, bool]:
    """The status of an answer, which comes soon, and whether it says when to try again."""
    began = monotonic()
    answer = await ask(client)
    assert monotonic() - began < SOON
    return answer.status_code, "retry-after" in answer.headers


async def opened(client: Client, ask: Ask) -> httpx.Response:
    """The answer of a door that is open: a machine that is slow today is tried again."""
    for _ in range(ATTEMPTS):
        answer = await ask(client)
        if "retry-after" not in answer.headers:
            return answer
    raise AssertionError(answer.text)


@pytest.mark.parametrize("door", sorted(DOORS.keys() - {"ready"}))
async def test_door_without_a_free_connection_answers_503_and_is_open_again_when_there_is_one(
    client: Client, hasty: Database, door: str
) -> None:
    async with hasty.raw(), hasty.raw():
        assert await told(client, DOORS[door]) == (503, True)
    assert (await opened(client, DOORS[door])).status_code < 404


LAGS: dict[str, tuple[str, Ask]] = {
    "query": ("kpis", DOORS["query"]),
    "page": ("experiments", DOORS["page"]),
    "rows": ("outcomes", DOORS["rows"]),
    "upload": ("job_chunks", DOORS["upload"]),
    "ingest": ("ingests", graphql(documents.OUTCOMES_INGEST, input={"outcomes": [ROW]})),
    "replay": ("rejections", graphql(documents.REJECTIONS_REPLAY, input={"filter": {"noun": "OUTCOMES"}})),
    "cancel": ("jobs", graphql(documents.JOB_CANCEL, input={"id": "Sm9iOjE="})),
    "register": ("kpis", graphql(documents.KPI_REGISTER, input=documents.kpi())),
    "settings": (
        "workspaces",
        graphql("mutation { workspaceUpdate(input: {retentionDays: 9}) { workspace { key } } }"),
    ),
}


@pytest.mark.parametrize("name", LAGS)
async def test_door_on_a_table_that_is_locked_answers_503_and_stores_nothing_twice(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    table, ask = LAGS[name]
    monkeypatch.setattr(ingest, "PATIENCE", PATIENCE)
    async with database.raw() as connection:
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        assert await told(client, ask) == (503, True)
    assert (await opened(client, ask)).status_code < 404


async def test_forgetting_that_is_kept_waiting_by_rows_that_come_in_answers_503(
    client: Client, database: Database, workspace: Workspace
) -> None:
    forget = graphql('mutation { unitForget(input: {unit: "u1"}) { outcomes } }')
    async with database.raw() as connection:
        await hold_rows(connection, workspace.id)
        assert await told(client, forget) == (503, True)
    assert (await opened(client, forget)).json()["data"]["unitForget"] == {"outcomes": 0}


async def test_answer_beside_a_part_that_is_away_keeps_what_there_is(client: Client, database: Database) -> None:
    both = graphql('{ viewer { workspace } kpi(key: "x") { key } }')
    async with database.raw() as connection:
        await connection.execute("LOCK TABLE kpis IN ACCESS EXCLUSIVE MODE")
        answer = await both(client)
    assert answer.status_code == 503
    assert answer.json()["data"]["viewer"]["workspace"].startswith("test-")
    (error,) = answer.json()["errors"]
    assert (error["path"], error["extensions"]) == (["kpi"], {"code": "UNAVAILABLE"})


async def ended(database: Database, pid: int) -> None:
    """Have a connection end, as an administrator or a crash would."""
    async with database.acting(None).raw() as connection:
        await connection.execute("SELECT pg_terminate_backend($1)", pid)


async def cut_off_raw(hasty: Database, database: Database) -> None:
    async with hasty.door() as connection:
        await ended(database, await connection.fetchval("SELECT pg_backend_pid()"))
        await connection.fetchval("SELECT 1")


async def cut_off_session(hasty: Database, database: Database) -> None:
    async with hasty.write() as session:
        await ended(database, (await session.exec(select(func.pg_backend_pid()))).one())
        await session.exec(select(func.pg_sleep(1)))


@pytest.mark.parametrize("cut_off", [cut_off_raw, cut_off_session])
async def test_connection_that_ends_in_the_middle_leaves_its_pool_at_once_and_the_error_says_so(
    hasty: Database, database: Database, cut_off: Callable[[Database, Database], Awaitable[None]]
) -> None:
    with pytest.raises(FAULTS) as cut:
        await cut_off(hasty, database)
    assert is_away(cut.value)
    assert "rollback" not in str(cut.value)
    pool: Any = hasty.engine.pool
    assert pool.checkedout() == 0


class Wire:
    """What lies between us and Postgres; while it stands still nothing comes through, and nothing is refused."""

    database: Database

    def __init__(self, url: str) -> None:
        self.url, self.moves = make_url(url), asyncio.Event()
        self.moves.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host = self.url.query.get("host") or self.url.host or "127.0.0.1"
        port = self.url.port or 5432
        if isinstance(host, str) and host.startswith("/"):
            return await asyncio.open_unix_connection(str(Path(host) / f".s.PGSQL.{port}"))
        return await asyncio.open_connection(str(host), port)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        theirs, ours = await self._connected()
        for source, sink in ((reader, ours), (theirs, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            await self.moves.wait()
            sink.write(data)
        sink.close()

    def end(self) -> None:
        """Cut everything."""
        for task in self._tasks:
            task.cancel()


@pytest_asyncio.fixture
async def wire(database_url: str) -> AsyncIterator[Wire]:
    found = Wire(database_url)
    server = await asyncio.start_server(found.carry, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    query = {name: value for name, value in found.url.query.items() if name not in {"host", "port"}}
    moved = found.url.set(host=host, port=port, query=query)
    distant = Database(moved.render_as_string(hide_password=False), pool_size=2, patience=PATIENCE)
    found.database = distant
    yield found
    found.moves.set()
    await distant.close()
    server.close()
    found.end()


@pytest.mark.parametrize("door", DOORS)
async def test_door_to_a_database_that_stands_still_answers_503_and_is_open_again_when_it_moves(
    wire: Wire, make_key: MakeKey, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "PATIENCE", PATIENCE)
    async with await asking(wire.database, await make_key(*Scope)) as client:
        first = (await opened(client, DOORS[door])).status_code
        wire.moves.clear()
        assert (await told(client, DOORS[door]))[0] == 503
        wire.moves.set()
        assert (await opened(client, DOORS[door])).status_code == first


async def test_body_that_comes_too_slowly_is_refused_at_every_door_that_takes_one(
    database: Database, workspace: Workspace, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "GRACE", 0.3)
    monkeypatch.setattr(bodies, "SLOWEST", 10_000_000)

    async def slow() -> AsyncIterator[bytes]:
        yield b'{"query": '
        await asyncio.sleep(2)
        yield b'"{ viewer { workspace } }"}'

    headers = {"content-type": "application/json"}
    async with await asking(database, await make_key(*Scope)) as client:
        for path in ("/graphql", "/v1/uploads?noun=outcomes&format=csv"):
            answer = await client.post(path, content=slow(), headers=headers)
            assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (408, "TOO_SLOW")
    async with database.raw() as connection:
        assert await connection.fetchval("SELECT count(*) FROM jobs WHERE workspace_id = $1", workspace.id) == 0


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (asyncpg.InterfaceError("the connection is closed"), True),
        (asyncpg.DeadlockDetectedError(), True),
        (asyncpg.LockNotAvailableError(), True),
        (asyncpg.DiskFullError(), True),
        (asyncpg.CannotConnectNowError(), True),
        (asyncpg.QueryCanceledError(), True),
        (asyncpg.UndefinedTableError(), False),
        (asyncpg.DivisionByZeroError(), False),
        (asyncpg.exceptions.ClientConfigurationError("x"), False),
        (ValueError(), False),
    ],
)
def test_error_says_whether_the_database_is_away_or_we_are_wrong(error: Exception, expected: bool) -> None:
    assert is_away(error) is expected

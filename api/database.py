"""The one door to Postgres: an engine, a transaction to read in and one to write in.

One request or duty is one transaction, and only `write` commits. A session is never shared between concurrent tasks.
Each transaction says as whom it reads and writes: Postgres itself then shows it the rows of that workspace alone.
Whoever waits for the database on somebody's behalf waits for a bounded time, for a connection and for its answer.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from copy import copy
from enum import StrEnum
from math import ceil
from typing import Self

import asyncpg
import msgspec
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from api.telemetry import metrics

STATEMENT_TIMEOUT = "30s"
CHECK_SECONDS = 1.0
"""How often a silent listening connection is looked at: it may have gone."""
CLIENT_FAULTS = (OSError, SQLAlchemyError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a connection that ends looks like from this side, whatever was being done on it."""
LONGEST_STATEMENT, LONGEST_SILENCE = "300s", "600s"
"""Of what is read out for long: what a batch may take, and how long the next may keep waiting."""
PATIENCE = 30.0
"""Seconds a transaction of a request may take, with the wait for a connection, before the database is said to lag."""
LONGEST_QUEUE = 10.0
"""Seconds to wait for a connection at most."""
AWAY = ("08", "40", "53", "55", "57", "58")
"""What a database says that cannot answer now: classes of SQLSTATE, from connections to disks; never a wrong query."""


class Pool(AsyncAdaptedQueuePool):
    """Connections, with the time that is waited for one."""

    def connect(self) -> PoolProxiedConnection:
        """A connection that works."""
        with metrics.POOL_WAIT.time():
            return super().connect()


class Role(StrEnum):
    """As whom a transaction reads and writes: roles of Postgres that own nothing (`api.roles` makes them)."""

    APP = "truelift_app"  # sees the workspace that the transaction names, and without one nothing
    WORKER = "truelift_worker"  # sees all workspaces, for duties


class Database:
    """A pool of connections to one database."""

    def __init__(self, url: str, *, pool_size: int = 10, patience: float = PATIENCE) -> None:
        self.patience, self._longest = patience, STATEMENT_TIMEOUT
        self._settings: dict[str, str] = {}
        settings = {"statement_timeout": STATEMENT_TIMEOUT, "timezone": "UTC", "application_name": "truelift"}
        self.engine: AsyncEngine = create_async_engine(
            url,
            poolclass=Pool,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=min(LONGEST_QUEUE, patience),
            pool_pre_ping=True,
            json_deserializer=msgspec.json.decode,  # a list of experiments reads all of their plans
            hide_parameters=True,  # an error in the log must not carry people's data
            connect_args={"server_settings": settings, "timeout": 10},
        )

    def within(self, seconds: float) -> Self:
        """The same database, for what has so much time in all: no statement that reads is run for longer."""
        other = copy(self)
        other._longest = f"{ceil(seconds * 1_000)}ms"
        return other

    def acting(self, role: Role | None) -> Self:
        """The same pool, with every transaction under a role of Postgres; None is the login itself."""
        return self._with({"role": role, "app.workspace": ""} if role else {})

    def of(self, workspace_id: int) -> Self:
        """The same pool, with every transaction confined to the rows of one workspace."""
        return self._with({"role": Role.APP, "app.workspace": str(workspace_id)})

    def _with(self, settings: dict[str, str]) -> Self:
        other = copy(self)
        other._settings = settings
        return other

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A read-only transaction that sees one moment of the data. Raises TimeoutError when it takes too long."""
        async with self._session(self.patience) as session:
            await self.begin_reading(session)
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A transaction that is committed when the block ends, and rolled back when it raises.

        Raises TimeoutError when it takes too long.
        """
        async with self._session(self.patience) as session:
            await self._begin(session)
            yield session
            await session.commit()

    @asynccontextmanager
    async def trial(self) -> AsyncIterator[AsyncSession]:
        """As `write`, but rolled back when the block ends: what was done in it is only asked about."""
        async with self._session(self.patience) as session:
            await self._begin(session)
            yield session
            await session.rollback()

    @asynccontextmanager
    async def duty(self) -> AsyncIterator[AsyncSession]:
        """As `write`, for a duty: it has all the time it needs."""
        async with self._session(None) as session:
            await self._begin(session, statement_timeout="0")
            yield session
            await session.commit()

    @asynccontextmanager
    async def raw(self, seconds: float | None = None) -> AsyncIterator[asyncpg.Connection]:
        """A writing transaction as asyncpg's own connection, for COPY and the aggregates.

        It has all the time it needs, as duties do, or so many seconds. Raises TimeoutError when these are over.
        Statements are planned anew each time: while rows pour in, a table outgrows a plan within seconds.
        """
        async with self._session(seconds) as session:
            await self._begin(session, statement_timeout="0", plan_cache_mode="force_custom_plan")
            yield await driver(session)
            await session.commit()

    def door(self) -> AbstractAsyncContextManager[asyncpg.Connection]:
        """As `raw`, for a request: its sender waits."""
        return self.raw(self.patience)

    @asynccontextmanager
    async def reading(self, seconds: float) -> AsyncIterator[asyncpg.Connection]:
        """As `raw`, for what is read out for long. Postgres ends it by itself when the process stands still."""
        async with self.raw(seconds) as connection:
            await connection.execute("SET TRANSACTION READ ONLY")
            await connection.execute(f"SET LOCAL statement_timeout = '{LONGEST_STATEMENT}'")
            await connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{LONGEST_SILENCE}'")
            yield connection

    def session(self) -> AsyncSession:
        """What a transaction is done with."""
        return AsyncSession(self.engine, expire_on_commit=False)

    async def begin_reading(self, session: AsyncSession) -> None:
        """Begin a transaction as that of `read`."""
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        await self._begin(session, transaction_read_only="on", statement_timeout=self._longest)

    async def _begin(self, session: AsyncSession, **settings: str) -> None:
        """Begin a transaction with what holds in it and ends with it: one statement, however much that is."""
        connection = await session.connection()
        pairs = [text for pair in (self._settings | settings).items() for text in pair]
        calls = ", ".join(f"set_config(${place}, ${place + 1}, true)" for place in range(1, len(pairs), 2))
        await connection.exec_driver_sql(f"SELECT {calls or 1}", tuple(pairs))

    @asynccontextmanager
    async def _session(self, seconds: float | None) -> AsyncIterator[AsyncSession]:
        async with self.session() as session, minded(session, seconds):
            yield session

    @asynccontextmanager
    async def listening(self, channel: str, application: str) -> AsyncIterator["News"]:
        """Hear what is notified on a channel, on a connection of its own under a name of its own."""
        async with self.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.exec_driver_sql(f"SET application_name = '{application}'")
            listener: asyncpg.Connection = (await connection.get_raw_connection()).driver_connection
            news = News(listener)
            await listener.add_listener(channel, news.heard)
            try:
                yield news
            finally:
                await connection.invalidate()

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


class News:
    """What a listening connection hears."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection, self._heard = connection, asyncio.Event()
        self._said: set[str] = set()

    async def also(self, channel: str) -> "News":
        """What is heard on another channel, of its own, on the same connection."""
        news = News(self._connection)
        await self._connection.add_listener(channel, news.heard)
        return news

    def heard(self, _connection: object, _process: int, _channel: str, payload: str) -> None:
        """Note what was said."""
        self._said.add(payload)
        self._heard.set()

    async def wait(self, seconds: float) -> None:
        """Wait until something is said, or for a time. Raises ConnectionError when the connection is gone."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._heard.wait(), seconds)
        self._heard.clear()
        self._said.clear()
        if self._connection.is_closed():
            raise ConnectionError("the listening connection is closed")

    async def payloads(self) -> AsyncIterator[frozenset[str]]:
        """What is said, each thing once however often it was said meanwhile. Raises ConnectionError as above."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._heard.wait(), CHECK_SECONDS)
            said = frozenset(self._said)
            self._heard.clear()
            self._said.clear()
            if self._connection.is_closed():
                raise ConnectionError("the listening connection is closed")
            yield said


@asynccontextmanager
async def minded(session: AsyncSession, seconds: float | None) -> AsyncIterator[None]:
    """Use a session for so many seconds at most. What is cut off, or finds the database away, ends its connection."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except (*CLIENT_FAULTS, asyncpg.PostgresError) as error:
        if is_away(error):
            await session.invalidate()
        raise
    except asyncio.CancelledError:
        # What was cut off may not even answer a rollback: its connection is closed, which ends all it did.
        await session.invalidate()
        raise


def is_away(error: BaseException | None) -> bool:
    """Whether an error says that the database does not answer now, in time or at all: the same may work soon."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or is_away(error.orig and error.orig.__cause__)
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)  # that is an argument of ours that it cannot send
    is_lost = isinstance(error, OSError | PoolTimeout | asyncpg.InternalClientError)
    return is_lost or (getattr(error, "sqlstate", None) or "").startswith(AWAY)


async def driver(session: AsyncSession) -> asyncpg.Connection:
    """The asyncpg connection under a session, inside the session's transaction."""
    connection: asyncpg.Connection = (await (await session.connection()).get_raw_connection()).driver_connection
    if not connection.is_in_transaction():  # SQLAlchemy begins one with its first statement
        await (await session.connection()).exec_driver_sql("SELECT 1")
    return connection

"""The one door to Postgres: an engine, a transaction to read in and one to write in.

One request or duty is one transaction, and only `write` commits. A session is never shared between concurrent tasks.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

STATEMENT_TIMEOUT = "30s"


class Database:
    """A pool of connections to one database."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        settings = {"statement_timeout": STATEMENT_TIMEOUT, "timezone": "UTC", "application_name": "truelift"}
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=True,
            hide_parameters=True,  # an error in the log must not carry people's data
            connect_args={"server_settings": settings, "timeout": 10},
        )

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A read-only transaction that sees one moment of the data."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            connection = await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            await connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A transaction that is committed when the block ends, and rolled back when it raises."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @asynccontextmanager
    async def raw(self) -> AsyncIterator[asyncpg.Connection]:
        """A writing transaction as asyncpg's own connection, for COPY and the aggregates. Without a time limit.

        Statements are planned anew each time: while rows pour in, a table outgrows a plan within seconds.
        """
        async with self.write() as session:
            connection = await driver(session)
            await connection.execute("SET LOCAL statement_timeout = 0; SET LOCAL plan_cache_mode = force_custom_plan")
            yield connection

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

    async def also(self, channel: str) -> "News":
        """What is heard on another channel, of its own, on the same connection."""
        news = News(self._connection)
        await self._connection.add_listener(channel, news.heard)
        return news

    def heard(self, *_message: object) -> None:
        """Note that something was said."""
        self._heard.set()

    async def wait(self, seconds: float) -> None:
        """Wait until something is said, or for a time. Raises ConnectionError when the connection is gone."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._heard.wait(), seconds)
        self._heard.clear()
        if self._connection.is_closed():
            raise ConnectionError("the listening connection is closed")


async def driver(session: AsyncSession) -> asyncpg.Connection:
    """The asyncpg connection under a session, inside the session's transaction."""
    connection = await session.connection()
    await connection.exec_driver_sql("SELECT 1")  # SQLAlchemy begins a transaction with its first statement
    return (await connection.get_raw_connection()).driver_connection

"""The state of a database by a name: as long as Postgres gives it the same name, every row reads as it did.

A snapshot of Postgres is which transactions are seen. Two that see the same transactions see the same rows, of every
table, whoever wrote them; and whatever is committed makes another. So nothing has to say what it changed, and nothing
can be forgotten to say it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.database import CLIENT_FAULTS, Database

log = logging.getLogger("truelift.moments")
NAME = "SELECT pg_current_snapshot()::text"
PATIENCE = 1.0
"""Seconds to wait for the name: without it everything is read, which is right as well."""
FAULTS = (*CLIENT_FAULTS, asyncpg.PostgresError, TimeoutError)


class Moments:
    """Asks for the name on a connection of its own: a transaction in the pool takes five statements instead of one."""

    def __init__(self, database: Database) -> None:
        self._engine: AsyncEngine = database.engine
        self._connection: tuple[AsyncConnection, asyncpg.Connection] | None = None
        self._turn = asyncio.Lock()
        self._asked, self._answered, self._name = 0, 0, ""
        self._is_open = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Answer for as long as the block runs; the connection is made when it is wanted."""
        self._is_open = True
        try:
            yield
        finally:
            self._is_open = False
            async with self._turn:
                await self._leave()

    async def now(self) -> str | None:
        """The name of the state now; None where it cannot be said. Those who wait at once are told at once."""
        if not self._is_open:
            return None
        self._asked += 1
        mine = self._asked
        async with self._turn:
            if self._answered < mine:  # else it was asked for after this call began
                upto = self._asked
                try:
                    async with asyncio.timeout(PATIENCE):
                        self._name = await (await self._driver()).fetchval(NAME)
                except FAULTS as fault:
                    log.info("The state of the database is not known (%s).", type(fault).__name__)
                    await self._leave()
                    return None
                self._answered = upto
            return self._name

    async def _driver(self) -> asyncpg.Connection:
        if self._connection is None:
            connection = await self._engine.connect()
            raw = await connection.get_raw_connection()
            self._connection = connection, raw.driver_connection
            raw.detach()  # it counts no longer among those of the pool
        return self._connection[1]

    async def _leave(self) -> None:
        left, self._connection = self._connection, None
        if left is not None:
            left[1].terminate()
            await left[0].close()

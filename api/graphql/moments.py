"""What an answer would be made of now (`tags.State`), for one statement.

A transaction out of the pool takes five. What Postgres lost in a crash it may write anew under the same numbers; who
was connected then notices, so a new connection makes another state.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.database import CLIENT_FAULTS, Database
from api.graphql.tags import State

log = logging.getLogger("truelift.moments")
SEEN = "SELECT pg_current_snapshot()::text || ' ' || pg_postmaster_start_time()"
PATIENCE = 1.0
"""Seconds to wait for it: who does not know it works everything out, which is right as well."""
FAULTS = (*CLIENT_FAULTS, asyncpg.PostgresError, TimeoutError)


class Moments:
    """Asks on a connection of its own."""

    def __init__(self, database: Database) -> None:
        self._engine: AsyncEngine = database.engine
        self._connection: tuple[AsyncConnection, asyncpg.Connection] | None = None
        self._turn = asyncio.Lock()
        self._asked, self._answered, self._connections = 0, 0, 0
        self._state: State | None = None
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

    async def now(self) -> State | None:
        """What can be seen now; None where that is not known. All who wait at once are told at once."""
        if not self._is_open:
            return None
        self._asked += 1
        mine = self._asked
        async with self._turn:
            if self._answered < mine:  # else it was looked at after this was asked
                upto = self._asked
                self._state = await self._look()
                self._answered = upto
            return self._state

    async def _look(self) -> State | None:
        try:
            async with asyncio.timeout(PATIENCE):
                seen = await (await self._driver()).fetchval(SEEN)
        except FAULTS as fault:
            log.info("What the database shows is not known (%s).", type(fault).__name__)
            await self._leave()
            return None
        return State(seen=f"{self._connections} {seen}", day=datetime.now(UTC).date())

    async def _driver(self) -> asyncpg.Connection:
        if self._connection is None:
            connection = await self._engine.connect()
            raw = await connection.get_raw_connection()
            self._connection = connection, raw.driver_connection
            self._connections += 1
            raw.detach()  # it counts no longer among those of the pool
        return self._connection[1]

    async def _leave(self) -> None:
        left, self._connection = self._connection, None
        if left is not None:
            left[1].terminate()
            await left[0].close()

"""All that is read in one sitting: of one moment of the data, in one transaction, on one connection.

Who answers a question asks the database in many places at once. They read one after another here, each for itself, so
that all of the answer is of one moment, and so that a question takes one connection out of the pool, not ten.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlmodel.ext.asyncio.session import AsyncSession

from api.database import Database, minded


class Sitting:
    """One transaction to read in, lent to one after another. It begins with the first, and ends with the last."""

    def __init__(self, database: Database) -> None:
        self._database, self._session = database, database.session()
        self._turn, self._guests = asyncio.Lock(), 0

    @asynccontextmanager
    async def stay(self) -> AsyncIterator[None]:
        """Whatever is read while somebody stays is of one moment."""
        self._guests += 1
        try:
            yield
        finally:
            self._guests -= 1
            if not self._guests and self._session.in_transaction():
                await asyncio.shield(asyncio.create_task(self._leave()))

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Read, when it is one's turn. Raises TimeoutError when it takes too long.

        Nobody waits in here for what others read: those would wait for their turn. Who fails takes the transaction
        along, for after a statement that failed or was cut off it reads no more; what follows is read anew.
        """
        async with self.stay(), self._turn:
            is_sound = False
            try:
                async with minded(self._session, self._database.patience):
                    if not self._session.in_transaction():
                        await self._database.begin_reading(self._session)
                    yield self._session
                is_sound = True
            finally:
                if not is_sound:
                    await self._session.close()

    async def end(self) -> None:
        """Let what is read from here on be of a moment from here on: something is about to be changed."""
        async with self._turn:
            await self._session.close()

    async def _leave(self) -> None:
        async with self._turn:
            if not self._guests:  # else somebody came who stays
                await self._session.close()

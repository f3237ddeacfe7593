"""What every GraphQL request carries: who asks, the database, the time, and fresh loaders."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry.types import Info as StrawberryInfo

from api.auth.keys import Caller
from api.auth.shares import Allowance
from api.database import Database
from api.delivery.outside import Outside
from api.graphql import recording
from api.graphql.loaders import Loaders
from api.graphql.news import Desk
from api.sitting import Sitting
from kpi.actor import Actor

DEADLINE = 10.0
"""Seconds a query may take, unless the settings say otherwise."""
SLOW = 1.0
"""Seconds from which on an operation is called slow, unless the settings say otherwise."""


class Context:
    """One request. What its fields read is read in one sitting; what it changes, in transactions of their own."""

    def __init__(
        self,
        *,
        database: Database,
        caller: Caller,
        now: datetime | None = None,
        desk: Desk | None = None,
        outside: Outside | None = None,
        allowance: Allowance | None = None,
        slow_seconds: float = SLOW,
        deadline: float = DEADLINE,
        request_id: str | None = None,
    ) -> None:
        self.database = database.of(caller.workspace_id).within(deadline)
        self.caller = caller
        self._now = now or datetime.now(UTC)
        self.is_of_the_moment = False
        self.desk = desk
        self.slow_seconds, self.deadline = slow_seconds, deadline
        self.variables: dict[str, Any] = {}
        self.request_id = request_id or secrets.token_hex(16)
        self._outside = outside
        self.allowance, self.cost = allowance, 0.0
        self._loaders: Loaders | None = None

    @property
    def loaders(self) -> Loaders:
        """What the operation's fields read together."""
        if self._loaders is None:
            self._loaders = Loaders(Sitting(self.database), self.caller.workspace_id, self)
        return self._loaders

    @property
    def now(self) -> datetime:
        """The moment of the request. Whoever asks for it makes an answer that another moment could change."""
        self.is_of_the_moment = True
        return self._now

    @property
    def today(self) -> date:
        """The day of the request, in UTC; for answers that stay as they are until midnight."""
        return self._now.astimezone(UTC).date()

    @property
    def outside(self) -> Outside:
        """How this process reaches the outside. Raises ValueError where a page asks, which tells it nothing."""
        if self._outside is None:
            raise ValueError("this request was given no way to the outside")
        return self._outside

    def actor(self, reason: str | None = None) -> Actor:
        """The caller, as the one who changes something."""
        caller, why = self.caller, (reason or "").strip() or None
        return Actor(
            workspace_id=caller.workspace_id, name=caller.key_name, id=caller.public_id, now=self.now, reason=why
        )

    def read(self) -> AbstractAsyncContextManager[AsyncSession]:
        """The transaction that all of an answer is read in, for a while: nobody waits in it for a loader."""
        return self.loaders.sitting.read()

    @asynccontextmanager
    async def write(self, info: "Info") -> AsyncIterator[AsyncSession]:
        """The transaction of a mutation. What it changes is told by an entry in the audit trail, both or neither."""
        await self._end_reading()
        async with recording.write(self, info) as session:
            yield session

    @asynccontextmanager
    async def door(self, info: "Info") -> AsyncIterator[asyncpg.Connection]:
        """As `write`, as asyncpg's own connection."""
        await self._end_reading()
        async with recording.door(self, info) as connection:
            yield connection

    @asynccontextmanager
    async def trial(self) -> AsyncIterator[AsyncSession]:
        """A transaction that is rolled back."""
        await self._end_reading()
        async with self.database.trial() as session:
            yield session

    async def _end_reading(self) -> None:
        """What is read before a change is not what is told after it; and nobody holds one connection and wants two."""
        if self._loaders is not None:
            sitting = self._loaders.sitting
            await sitting.end()
            self._loaders = Loaders(sitting, self.caller.workspace_id, self)

    def turn_to(self, loaders: Loaders) -> None:
        """Forget what was loaded, and read with these from now on: a subscription outlives many states of the data."""
        self._now, self._loaders = datetime.now(UTC), loaders


Info = StrawberryInfo[Context, None]

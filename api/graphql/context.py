"""What every GraphQL request carries: who asks, the database, the time, and fresh loaders."""

import secrets
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any

import asyncpg
from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry.types import Info as StrawberryInfo

from api.auth.budgets import Budgets
from api.auth.keys import Caller
from api.database import Database
from api.delivery.outside import Outside
from api.graphql import recording
from api.graphql.loaders import Loaders
from api.graphql.news import Desk

SLOW = 1.0
"""Seconds from which on an operation is called slow, unless the settings say otherwise."""


class Context:
    """One request. Loaders open their own reads: fields resolve side by side, and a session must not be shared."""

    def __init__(
        self,
        *,
        database: Database,
        caller: Caller,
        now: datetime | None = None,
        desk: Desk | None = None,
        outside: Outside | None = None,
        budgets: Budgets | None = None,
        slow_seconds: float = SLOW,
        request_id: str | None = None,
    ) -> None:
        self.database = database.of(caller.workspace_id)
        self.caller = caller
        self.now = now or datetime.now(UTC)
        self.desk = desk
        self.slow_seconds = slow_seconds
        self.variables: dict[str, Any] = {}
        self.request_id = request_id or secrets.token_hex(16)
        self._outside = outside
        self.budgets = budgets
        self.loaders = Loaders(self.database, caller.workspace_id, self.now)

    @property
    def outside(self) -> Outside:
        """How this process reaches the outside. Raises ValueError where a page asks, which tells it nothing."""
        if self._outside is None:
            raise ValueError("this request was given no way to the outside")
        return self._outside

    def write(self, info: "Info") -> AbstractAsyncContextManager[AsyncSession]:
        """The transaction of a mutation. What it changes is told by an entry in the audit trail, both or neither."""
        return recording.write(self, info)

    def door(self, info: "Info") -> AbstractAsyncContextManager[asyncpg.Connection]:
        """As `write`, as asyncpg's own connection."""
        return recording.door(self, info)

    def renew(self) -> None:
        """Forget what was loaded: a subscription outlives many states of the data."""
        self.now = datetime.now(UTC)
        self.loaders = Loaders(self.database, self.caller.workspace_id, self.now)


Info = StrawberryInfo[Context, None]

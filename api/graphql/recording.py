"""The one way a mutation writes: in a transaction that leaves an entry in the audit trail, or nothing at all.

What comes with an idempotency key is done once: sent again, the transaction ends before it began (`Ended`).
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
from sqlalchemy import event, inspect
from sqlmodel.ext.asyncio.session import AsyncSession

from api.database import driver
from api.graphql import replies
from api.graphql.inputs import given
from api.graphql.nodes import parts
from api.replies import keeping
from api.trail import chain
from api.trail.entry import Deed, digest

NODES = {
    "Kpi",
    "Hypothesis",
    "Experiment",
    "Learning",
    "Protocol",
    "ActionItem",
    "Alert",
    "AlertRule",
    "Annotation",
    "Endpoint",
    "Review",
    "Workspace",
    "Member",
    "ApiKey",
}
"""Rows whose adding or changing an entry names; more than one: the one that was asked for, else the first."""
BATCHES = {"exposuresIngest", "outcomesIngest", "membershipsIngest", "traitsIngest"}
"""Fields that take rows in."""
OF_UNITS = BATCHES | {"unitForget"}
"""Fields whose input names units: not even its hash is kept, as who guesses an id could tell it by its hash."""
UNHASHED = OF_UNITS | {"memberInvite"}
"""The same goes for who is known by a mailbox."""


@asynccontextmanager
async def write(context: Any, info: Any) -> AsyncIterator[AsyncSession]:
    """A transaction of a mutation, and its entry."""
    keyed = replies.keyed(context, info)
    async with context.database.write() as session:
        connection = await driver(session)
        if keyed is not None:
            await replies.claim(session, connection, keyed, context.now)
        since, traces = await chain.mark(connection), Traces(session)
        yield session
        await session.flush()
        done = traces.on(deed(context, info))
        await chain.record(connection, since, done)
        if keyed is not None:
            await keeping.keep_node(
                connection, keyed, done.node_type, None if done.node_id is None else int(done.node_id)
            )


@asynccontextmanager
async def door(context: Any, info: Any) -> AsyncIterator[asyncpg.Connection]:
    """As `write`, as asyncpg's own connection. What takes a key here keeps its reply itself (`replies.once`)."""
    kept = chain.batch if info.field_name in BATCHES else chain.recorded
    async with context.database.door() as connection, kept(connection, deed(context, info)):
        yield connection


def deed(context: Any, info: Any) -> Deed:
    """What the running mutation is."""
    said = given(context, info)
    named = parts(said["id"]) if isinstance(said.get("id"), str) else None
    return Deed(
        workspace_id=context.caller.workspace_id,
        done_at=context.now,
        actor=context.caller.key_name,
        key=context.caller.public_id,
        action=info.field_name,
        node_type=named and named[0],
        node_id=named and str(named[1]),
        input_hash=None if info.field_name in UNHASHED else digest(said),
        request_id=context.request_id,
    )


class Traces:
    """The rows of a session's nodes that were added or changed, and what they said before."""

    def __init__(self, session: AsyncSession) -> None:
        self._rows: dict[tuple[str, str], tuple[Any, str | None]] = {}
        self._new: list[Any] = []
        event.listen(session.sync_session, "before_flush", self._before)
        event.listen(session.sync_session, "after_flush", self._after)

    def on(self, deed: Deed) -> Deed:
        """What was done, with the row that it was done to: its id, and the hashes of what it said before and after."""
        asked = (deed.node_type, deed.node_id) if deed.node_id else None
        identity = asked if asked in self._rows else None if asked else next(iter(self._rows), None)
        if identity is None:
            return deed
        row, before = self._rows[identity]
        node_type, node_id = identity
        return replace(deed, node_type=node_type, node_id=node_id, before_hash=before, after_hash=digest(_says(row)))

    def _before(self, session: Any, *_rest: object) -> None:
        self._new += [row for row in session.new if type(row).__name__ in NODES]
        for row in session.dirty:
            if type(row).__name__ in NODES and session.is_modified(row):
                self._rows.setdefault(_identity(row), (row, digest(_said(row))))

    def _after(self, *_rest: object) -> None:
        """Only now do new rows have their number."""
        for row in self._new:
            self._rows.setdefault(_identity(row), (row, None))
        self._new.clear()


def _identity(row: Any) -> tuple[str, str]:
    return type(row).__name__, str(row.id)


def _says(row: Any) -> Mapping[str, Any]:
    """What a row says now, by column."""
    state = inspect(row)
    return {column.key: state.dict[column.key] for column in state.mapper.column_attrs if column.key in state.dict}


def _said(row: Any) -> Mapping[str, Any]:
    """What a row said before it was changed."""
    changed = {name: part.history.deleted for name, part in inspect(row).attrs.items()}
    return {name: changed[name][0] if changed[name] else value for name, value in _says(row).items()}

"""Rows as doors take them in, and a KPI whose history is derived from them."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from api.database import Database
from kpi import events, memberships, traits
from kpi.history import refresh
from kpi.history.entry import Entry
from kpi.history.sums import Sums
from kpi.history.values import EVERYBODY, sums
from kpi.kinds import Kind
from kpi.queries import latest_definitions
from kpi.tables import Definition, Workspace
from tests.kpi.registering import register_kpi

NOW = datetime(2026, 7, 1, 9, tzinfo=UTC)
TODAY = NOW.date()
LONG_AGO, FAR_AHEAD = date(2000, 1, 1), date(2100, 1, 1)


async def send(
    database: Database, workspace: Workspace, rows: Iterable[tuple[str, str, str, float | None]], now: datetime = NOW
) -> None:
    """Take in outcomes: unit, event, moment and value of each."""
    wire = [
        {"unit": unit, "event": event, "occurredAt": at, **({} if value is None else {"value": value})}
        for unit, event, at, value in rows
    ]
    async with database.raw() as connection:
        report = await events.ingest(connection, workspace_id=workspace.id, rows=wire, now=now)
        assert not report.refusals
        await settle(connection, workspace)


async def join(database: Database, workspace: Workspace, rows: Iterable[tuple[str, str, str]]) -> None:
    """Take in memberships: member, account and the moment from which on."""
    wire = [{"member": member, "account": account, "sinceAt": at} for member, account, at in rows]
    async with database.raw() as connection:
        report = await memberships.ingest(connection, workspace_id=workspace.id, rows=wire, now=NOW)
        assert not report.refusals
        await settle(connection, workspace)


async def describe(database: Database, workspace: Workspace, rows: Iterable[tuple[str, str, str, str | None]]) -> None:
    """Take in traits: unit, name, value and the moment from which on, None for always."""
    wire = [
        {"unit": unit, "name": name, "value": value, **({"sinceAt": at} if at else {})}
        for unit, name, value, at in rows
    ]
    async with database.raw() as connection:
        report = await traits.ingest(connection, workspace_id=workspace.id, rows=wire, now=NOW)
        assert not report.refusals
        await settle(connection, workspace)


async def settle(connection: Any, workspace: Workspace) -> None:
    """Tell the histories what came in, as the worker does before it settles the ledger."""
    pending = await connection.fetch("SELECT id FROM ingests WHERE workspace_id = $1 AND is_pending", workspace.id)
    ids = [row["id"] for row in pending]
    await refresh.outdate(connection, ids)
    await connection.execute("UPDATE ingests SET is_pending = false WHERE id = ANY($1::bigint[])", ids)


async def kept(database: Database, workspace: Workspace, definition: Kind, entry: Entry, **changes: Any) -> Definition:
    """Register a KPI with a history."""
    async with database.write() as session:
        kpi = await register_kpi(session, workspace, definition=definition, entry=entry, **changes)
        return (await latest_definitions(session, [kpi.id]))[kpi.id]


async def derive(database: Database, definition: Definition, through: date = TODAY) -> None:
    """Bring a history up to a midnight."""
    async with database.raw() as connection:
        await refresh.refresh(connection, definition.id, through)


async def cohorts(database: Database, definition: Definition, segment: str = EVERYBODY) -> Sums:
    """All cohorts of a definition."""
    async with database.read() as session:
        found = await sums(session, definition, segment=segment, first=LONG_AGO, last=FAR_AHEAD)
    assert found is not None
    return found

"""Every statement of the kpi package. Each names the workspace it reads: authorisation is part of the query."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from kpi.ingest import Batch, Report, Rows, is_text, kept_text
from kpi.tables import Baseline, Definition, Hypothesis, Kpi

# --- nouns -----------------------------------------------------------------------------------------------------------


async def kpis_by_key(session: AsyncSession, workspace_id: int, keys: Collection[str]) -> dict[str, Kpi]:
    """KPIs of a workspace by key; unknown keys are absent."""
    found = select(Kpi).where(Kpi.workspace_id == workspace_id, col(Kpi.key).in_(filter(is_text, keys)))
    rows = await session.exec(found)
    return {row.key: row for row in rows}


async def hypotheses_by_key(session: AsyncSession, workspace_id: int, keys: Collection[str]) -> dict[str, Hypothesis]:
    """Hypotheses of a workspace by key; unknown keys are absent."""
    among = col(Hypothesis.key).in_(filter(is_text, keys))
    found = select(Hypothesis).where(Hypothesis.workspace_id == workspace_id, among)
    return {row.key: row for row in await session.exec(found)}


async def kpis_by_id(session: AsyncSession, workspace_id: int, ids: Collection[int]) -> dict[int, Kpi]:
    """KPIs of a workspace by id; those of others are absent."""
    rows = await session.exec(select(Kpi).where(Kpi.workspace_id == workspace_id, col(Kpi.id).in_(ids)))
    return {row.id: row for row in rows}


async def hypotheses_by_id(session: AsyncSession, workspace_id: int, ids: Collection[int]) -> dict[int, Hypothesis]:
    """Hypotheses of a workspace by id; those of others are absent."""
    found = select(Hypothesis).where(Hypothesis.workspace_id == workspace_id, col(Hypothesis.id).in_(ids))
    return {row.id: row for row in await session.exec(found)}


async def latest_definitions(session: AsyncSession, kpi_ids: Collection[int]) -> dict[int, Definition]:
    """The newest definition of each KPI, by KPI id."""
    rows = await session.exec(
        select(Definition).where(col(Definition.kpi_id).in_(kpi_ids)).order_by(col(Definition.version))
    )
    return {row.kpi_id: row for row in rows}


async def latest_baselines(session: AsyncSession, definition_ids: Collection[int]) -> dict[int, Baseline]:
    """The newest baseline of each definition, by definition id; a definition without one is absent."""
    rows = await session.exec(
        select(Baseline).where(col(Baseline.definition_id).in_(definition_ids)).order_by(col(Baseline.version))
    )
    return {row.definition_id: row for row in rows}


# --- ingestion -------------------------------------------------------------------------------------------------------


async def event_numbers(connection: asyncpg.Connection, workspace_id: int, names: Collection[str]) -> dict[str, int]:
    """The numbers of event names that are known."""
    rows = await connection.fetch(
        "SELECT name, id FROM events WHERE workspace_id = $1 AND name = ANY($2::text[])", workspace_id, list(names)
    )
    return {row["name"]: row["id"] for row in rows}


async def count_events(connection: asyncpg.Connection, workspace_id: int) -> int:
    """How many event names a workspace uses."""
    return int(await connection.fetchval("SELECT count(*) FROM events WHERE workspace_id = $1", workspace_id))


async def add_events(connection: asyncpg.Connection, workspace_id: int, names: Sequence[str]) -> None:
    """Give numbers to new event names; one that another batch has just added is left as it is."""
    await connection.execute(
        "INSERT INTO events (workspace_id, name) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING",
        workspace_id,
        list(names),
    )


async def copy_outcomes(connection: asyncpg.Connection, records: Sequence[tuple[Any, ...]]) -> None:
    """COPY outcomes straight into the keyed table; raises UniqueViolationError when one is there already."""
    columns = ["id", "workspace_id", "event_id", "unit", "occurred_at", "value", "ingest_id"]
    await connection.copy_records_to_table("outcomes", records=records, columns=columns)


async def known_outcomes(connection: asyncpg.Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these outcomes are stored."""
    rows = await connection.fetch("SELECT id FROM outcomes WHERE id = ANY($1::uuid[])", ids)
    return {row["id"] for row in rows}


async def next_ingest(connection: asyncpg.Connection) -> int:
    """The number of a batch about to be taken in."""
    return int(await connection.fetchval("SELECT nextval(pg_get_serial_sequence('ingests', 'id'))"))


async def record_ingest(connection: asyncpg.Connection, batch: Batch, report: Report, rows: Rows) -> None:
    """Write a batch into the ledger, keep its rejected rows, and wake the worker when there is something new."""
    await connection.execute(
        "INSERT INTO ingests (id, workspace_id, noun, accepted, duplicates, rejected, touched, days, earliest_at,"
        " is_pending, received_at) OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $4 > 0, $10)",
        batch.id,
        batch.workspace_id,
        batch.noun,
        len(report.accepted),
        len(report.duplicates),
        len(report.refusals),
        sorted(batch.touched),
        sorted(batch.days),
        batch.earliest_at,
        batch.received_at,
    )
    kept = [
        (
            batch.workspace_id,
            batch.noun,
            refusal.code,
            refusal.message,
            refusal.path,
            kept_text(rows[refusal.index]),
            batch.received_at,
        )
        for refusal in report.refusals
    ]
    columns = ["workspace_id", "noun", "code", "message", "path", "row", "received_at"]
    await connection.copy_records_to_table("rejections", records=kept, columns=columns)
    if report.accepted:
        await connection.execute("SELECT pg_notify('truelift_ingested', $1)", str(batch.workspace_id))


async def pending_ingests(connection: asyncpg.Connection, limit: int) -> list[asyncpg.Record]:
    """Changes the aggregates do not know yet, oldest first."""
    return list(
        await connection.fetch(
            "SELECT id, workspace_id, noun, touched, days, earliest_at FROM ingests"
            " WHERE is_pending ORDER BY id LIMIT $1",
            limit,
        )
    )


async def settle_ingests(connection: asyncpg.Connection, ids: Sequence[int]) -> None:
    """Mark batches as known to the aggregates."""
    await connection.execute("UPDATE ingests SET is_pending = false WHERE id = ANY($1::bigint[])", ids)


async def drop_rejections(connection: asyncpg.Connection, before: datetime) -> None:
    """Forget rejected rows older than their time to live."""
    await connection.execute("DELETE FROM rejections WHERE received_at < $1", before)

"""Statements on the ledger: what became of each batch, and the rows that were rejected."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

import asyncpg
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from kpi.ingest import Batch, Refusal, Report, Rows, is_kept_whole, kept_text
from kpi.tables import Rejection


async def next_ingest(connection: asyncpg.Connection) -> int:
    """The number of a batch about to be taken in."""
    return int(await connection.fetchval("SELECT nextval(pg_get_serial_sequence('ingests', 'id'))"))


async def record_ingest(connection: asyncpg.Connection, batch: Batch, report: Report, rows: Rows) -> None:
    """Write a batch into the ledger, keep its rejected rows, and wake the worker when there is something new."""
    await connection.execute(
        "INSERT INTO ingests (id, workspace_id, noun, accepted, duplicates, rejected, touched, days, earliest_at,"
        " is_pending, received_at, counts, late)"
        " OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $4 > 0, $10, $11, $12)",
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
        *_columns(batch.arrived),
    )
    if report.refusals and batch.keeps_refused:
        await _keep_refused(connection, batch, report, rows)
    if report.accepted:
        await connection.execute("SELECT pg_notify('truelift_ingested', $1)", str(batch.workspace_id))


def _columns(arrived: Mapping[int, tuple[int, int]]) -> tuple[list[int] | None, list[int] | None]:
    """The rows and the late ones of each event, in the order of events."""
    if not arrived:
        return None, None
    return [arrived[event][0] for event in sorted(arrived)], [arrived[event][1] for event in sorted(arrived)]


async def _keep_refused(connection: asyncpg.Connection, batch: Batch, report: Report, rows: Rows) -> None:
    kept = [
        (
            batch.workspace_id,
            batch.noun,
            refusal.code,
            refusal.message,
            refusal.path,
            kept_text(rows[refusal.index]),
            batch.received_at,
            not batch.is_hidden and is_kept_whole(rows[refusal.index]),
            batch.is_lax,
        )
        for refusal in report.refusals
    ]
    await connection.execute(KEEP, *zip(*kept, strict=True))
    await connection.execute(DROP_OLDEST, batch.workspace_id, KEPT_REJECTIONS)


KEEP = """
INSERT INTO rejections (workspace_id, noun, code, message, path, row, received_at, is_whole, is_lax)
SELECT * FROM unnest(
    $1::integer[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::bool[], $9::bool[]
)
"""

KEPT_REJECTIONS = 10_000
"""Rejected rows that a workspace keeps at most."""

DROP_OLDEST = """
DELETE FROM rejections WHERE id IN (
    SELECT id FROM rejections WHERE workspace_id = $1 AND id <= (
        SELECT id FROM rejections WHERE workspace_id = $1 ORDER BY id DESC OFFSET $2 LIMIT 1
    ) FOR UPDATE SKIP LOCKED
)
"""
"""The oldest go first. Those that another batch is just dropping are left to it."""


async def rejection_counts(session: AsyncSession, workspace_id: int) -> list[tuple[str, str, int]]:
    """How many rejected rows a workspace keeps by noun and code."""
    found = select(Rejection.noun, Rejection.code, func.count()).where(Rejection.workspace_id == workspace_id)
    grouped = found.group_by(Rejection.noun, Rejection.code).order_by(Rejection.noun, Rejection.code)
    return [(noun, code, n) for noun, code, n in await session.exec(grouped)]


async def rejections_by_id(session: AsyncSession, workspace_id: int, ids: Collection[int]) -> dict[int, Rejection]:
    """Rejected rows of a workspace by id; those of others are absent."""
    found = select(Rejection).where(Rejection.workspace_id == workspace_id, col(Rejection.id).in_(ids))
    return {row.id: row for row in await session.exec(found)}


async def lock_rejections(
    connection: asyncpg.Connection,
    workspace_id: int,
    *,
    ids: Collection[int] | None,
    noun: str | None,
    code: str | None,
    after: int,
    limit: int,
) -> list[asyncpg.Record]:
    """Rejected rows of a workspace, oldest first, locked until the transaction ends; not those locked already.

    None for `ids`, `noun` or `code` means any. By a filter, only rows that were kept whole.
    """
    return list(
        await connection.fetch(
            "SELECT id, noun, row, is_whole, is_lax FROM rejections WHERE workspace_id = $1"
            " AND ($2::bigint[] IS NULL AND is_whole OR id = ANY($2))"
            " AND ($3::text IS NULL OR noun = $3) AND ($4::text IS NULL OR code = $4) AND id > $5"
            " ORDER BY id LIMIT $6 FOR UPDATE SKIP LOCKED",
            workspace_id,
            None if ids is None else list(ids),
            noun,
            code,
            after,
            limit,
        )
    )


async def settle_rejections(
    connection: asyncpg.Connection, *, taken: Sequence[int], refused: Sequence[tuple[int, Refusal]]
) -> None:
    """Remove rejected rows that are in now, and give the others their new reason."""
    await connection.execute("DELETE FROM rejections WHERE id = ANY($1::bigint[])", taken)
    await connection.executemany(
        "UPDATE rejections SET code = $2, message = $3, path = $4 WHERE id = $1",
        [(identity, refusal.code, refusal.message, refusal.path) for identity, refusal in refused],
    )


async def pending_ingests(connection: asyncpg.Connection, limit: int) -> list[asyncpg.Record]:
    """Changes the aggregates do not know yet, oldest first."""
    return list(
        await connection.fetch(
            "SELECT id, workspace_id, noun, touched, days, earliest_at FROM ingests"
            " WHERE is_pending ORDER BY id LIMIT $1",
            limit,
        )
    )


SETTLE = """
WITH settled AS (
    UPDATE ingests SET is_pending = false WHERE id = ANY($1::bigint[]) AND is_pending
    RETURNING touched, counts, late, received_at
)
INSERT INTO arrivals (event_id, arrived_on, n, late)
SELECT came.event_id, (received_at AT TIME ZONE 'UTC')::date, sum(came.n), sum(came.late)
FROM settled CROSS JOIN LATERAL unnest(touched, counts, late) AS came (event_id, n, late)
WHERE counts IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (event_id, arrived_on) DO UPDATE SET n = arrivals.n + excluded.n, late = arrivals.late + excluded.late
"""
"""Who settles an entry counts it: of two workers one finds it pending. In one order, so that they never lock up."""


async def settle_ingests(connection: asyncpg.Connection, ids: Sequence[int]) -> None:
    """Mark batches as known to the aggregates, and count what they brought."""
    await connection.execute(SETTLE, ids)


ARRIVED = """
SELECT sum(a.n)::bigint AS n, sum(a.late)::bigint AS late
FROM arrivals a JOIN events v ON v.id = a.event_id
WHERE v.workspace_id = $1 AND v.name = ANY($2::text[]) AND a.arrived_on >= $3 AND a.arrived_on <= $4
GROUP BY a.arrived_on ORDER BY a.arrived_on
"""


async def arrived(
    connection: asyncpg.Connection, workspace_id: int, names: Collection[str], first: date, last: date
) -> list[tuple[int, int]]:
    """The outcomes of some events by day of arrival, and those among them of a day that was over by then."""
    rows = await connection.fetch(ARRIVED, workspace_id, list(names), first, last)
    return [(row["n"], row["late"]) for row in rows]


async def forget_rejections(connection: asyncpg.Connection, workspace_id: int, patterns: Sequence[str]) -> int:
    """Remove kept rejections whose row or reason matches one of some patterns; returns how many there were."""
    status = await connection.execute(
        "DELETE FROM rejections WHERE workspace_id = $1 AND (row ~ ANY($2::text[]) OR message ~ ANY($2::text[]))",
        workspace_id,
        patterns,
    )
    return int(status.split()[-1])


async def drop_rejections(connection: asyncpg.Connection, before: datetime) -> None:
    """Forget rejected rows older than their time to live; those that somebody works on go with the next round."""
    await connection.execute(
        "DELETE FROM rejections WHERE id IN (SELECT id FROM rejections WHERE received_at < $1 FOR UPDATE SKIP LOCKED)",
        before,
    )

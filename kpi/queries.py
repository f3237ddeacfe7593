"""Every statement of the kpi package. Each names the workspace it reads: authorisation is part of the query."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from io import BytesIO
from typing import Any, cast
from uuid import UUID

import asyncpg
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import packing
from kpi.gate import NOBODY, Gate, Noun, Omission, midnight
from kpi.ingest import Batch, Refusal, Report, Rows, is_kept_whole, is_text, kept_text
from kpi.tables import Baseline, Definition, Event, Hypothesis, Ingest, Kpi, Outcome, Rejection, Workspace

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


async def baselines_of(session: AsyncSession, definition_ids: Collection[int]) -> dict[int, list[Baseline]]:
    """All baselines of definitions, the oldest first."""
    found: dict[int, list[Baseline]] = {}
    every = select(Baseline).where(col(Baseline.definition_id).in_(definition_ids)).order_by(col(Baseline.version))
    for row in await session.exec(every):
        found.setdefault(row.definition_id, []).append(row)
    return found


async def known_events(session: AsyncSession, workspace_id: int, names: Collection[str]) -> frozenset[str]:
    """Those of some event names that have ever come in."""
    found = select(Event.name).where(Event.workspace_id == workspace_id, col(Event.name).in_(names))
    return frozenset(await session.exec(found))


LATEST = 100_000
"""Outcomes that are looked through for events, so that one nobody sends costs no long search."""


async def events_among(
    session: AsyncSession, workspace_id: int, names: Collection[str], since: UUID, until: UUID
) -> frozenset[str]:
    """Those of some event names that are among the latest outcomes from one id up to another."""
    latest = (
        select(Outcome.event_id)
        .where(Outcome.workspace_id == workspace_id, Outcome.id >= since, Outcome.id < until)
        .order_by(col(Outcome.id).desc())
        .limit(LATEST)
    )
    found = select(Event.name).where(
        Event.workspace_id == workspace_id, col(Event.name).in_(names), col(Event.id).in_(latest)
    )
    return frozenset(await session.exec(found))


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


ID_BYTES = 16


async def copy_outcomes(connection: asyncpg.Connection, packed: bytes) -> None:
    """COPY packed outcomes straight into the keyed table; raises UniqueViolationError when one is there already."""
    await connection.copy_to_table("outcomes", source=BytesIO(packed), columns=packing.COLUMNS, format="binary")


async def known_outcomes(connection: asyncpg.Connection, ids: bytes) -> bytes:
    """Which of these outcomes are stored; ids stand one after the other, and are no objects on their way."""
    known = await connection.fetchval(
        # One look into the key for each, and never a scan of the table, whatever the planner thinks of many of them.
        "SELECT string_agg(uuid_send(found.id), '') FROM unnest($1::text::uuid[]) AS asked (id)"
        " CROSS JOIN LATERAL (SELECT o.id FROM outcomes o WHERE o.id = asked.id LIMIT 1) AS found",
        f"{{{ids.hex(',', ID_BYTES)}}}",
    )
    return cast("bytes | None", known) or b""


async def lock_memberships(connection: asyncpg.Connection, workspace_id: int) -> None:
    """Let one batch of memberships in at a time: where one ends depends on the others."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('memberships'), $1)", workspace_id)


async def known_memberships(
    connection: asyncpg.Connection, workspace_id: int, keys: Sequence[tuple[str, datetime]]
) -> dict[tuple[str, datetime], str | None]:
    """The accounts of those memberships that are stored, by member and beginning."""
    rows = await connection.fetch(
        "SELECT member, since_at, account FROM memberships WHERE workspace_id = $1"
        " AND (member, since_at) IN (SELECT * FROM unnest($2::text[], $3::timestamptz[]))",
        workspace_id,
        [member for member, _ in keys],
        [since for _, since in keys],
    )
    return {(row["member"], row["since_at"]): row["account"] for row in rows}


async def copy_memberships(connection: asyncpg.Connection, records: Sequence[tuple[Any, ...]]) -> None:
    """COPY new memberships; where they end is not known yet."""
    columns = ["workspace_id", "member", "since_at", "account", "ingest_id"]
    await connection.copy_records_to_table("memberships", records=records, columns=columns)


async def end_memberships(
    connection: asyncpg.Connection, workspace_id: int, members: Collection[str], batch: int
) -> None:
    """Let each membership of these members end where the next begins; those that change belong to this batch now."""
    await connection.execute(
        """
        UPDATE memberships m SET until_at = spans.until_at, ingest_id = $3
        FROM (
            SELECT member, since_at, lead(since_at) OVER (PARTITION BY member ORDER BY since_at) AS until_at
            FROM memberships WHERE workspace_id = $1 AND member = ANY($2::text[])
        ) spans
        WHERE m.workspace_id = $1 AND m.member = spans.member AND m.since_at = spans.since_at
            AND m.until_at IS DISTINCT FROM spans.until_at
        """,
        workspace_id,
        list(members),
        batch,
    )


async def forget_memberships(connection: asyncpg.Connection, workspace_id: int, units: Sequence[str]) -> int:
    """Remove what says where units belong to, or who belongs to them; returns how many rows that were."""
    found = await connection.fetch(
        "DELETE FROM memberships WHERE workspace_id = $1 AND (member = ANY($2::text[]) OR account = ANY($2::text[]))"
        " RETURNING member",
        workspace_id,
        units,
    )
    return len(found)


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
    if report.refusals and batch.keeps_refused:
        await _keep_refused(connection, batch, report, rows)
    if report.accepted:
        await connection.execute("SELECT pg_notify('truelift_ingested', $1)", str(batch.workspace_id))


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
    columns = ["workspace_id", "noun", "code", "message", "path", "row", "received_at", "is_whole", "is_lax"]
    await connection.copy_records_to_table("rejections", records=kept, columns=columns)
    await connection.execute(DROP_OLDEST, batch.workspace_id, KEPT_REJECTIONS)


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


async def settle_ingests(connection: asyncpg.Connection, ids: Sequence[int]) -> None:
    """Mark batches as known to the aggregates."""
    await connection.execute("UPDATE ingests SET is_pending = false WHERE id = ANY($1::bigint[])", ids)


# --- what is kept, and for how long -----------------------------------------------------------------------------------

LOCK = "SELECT pg_advisory_xact_lock{shared}(hashtext('floor'), $1)"
"""Shared by all who change raw rows or rejected ones, alone for who raises the floor or forgets a unit.

It is the first lock of every transaction that takes it: who waits for it holds no row that somebody else could want."""


async def hold_rows(connection: asyncpg.Connection, workspace_id: int) -> None:
    """Let nobody raise the floor or forget a unit until the transaction ends. The first lock of a transaction."""
    await connection.execute(LOCK.format(shared="_shared"), workspace_id)


async def gate(connection: asyncpg.Connection, workspace_id: int, noun: Noun, *, without: Omission = NOBODY) -> Gate:
    """What the workspace asks of rows; it asks nothing else before the transaction ends."""
    await hold_rows(connection, workspace_id)
    # A second statement: it sees what was written while the first one waited.
    row = await connection.fetchrow(
        "SELECT frozen_before, refused_before, unit_secret FROM workspaces WHERE id = $1", workspace_id
    )
    day = row["refused_before" if noun == "outcomes" else "frozen_before"]
    return Gate(noun=noun, before=midnight(day), secret=row["unit_secret"], without=without)


async def frozen_before(connection: asyncpg.Connection, workspace_id: int) -> date | None:
    """The first entry day that is not frozen; None where all may be derived anew."""
    return cast(
        "date | None", await connection.fetchval("SELECT frozen_before FROM workspaces WHERE id = $1", workspace_id)
    )


async def unit_secret(connection: asyncpg.Connection, workspace_id: int) -> bytes | None:
    """The key that a workspace's units are hidden under; None where they are not."""
    found = await connection.fetchval("SELECT unit_secret FROM workspaces WHERE id = $1", workspace_id)
    return cast("bytes | None", found)


async def hold_floor(session: AsyncSession, workspace_id: int) -> date | None:
    """The first entry day that is not frozen, and stays it until the transaction ends."""
    await session.exec(select(func.pg_advisory_xact_lock_shared(func.hashtext("floor"), workspace_id)))
    return (await session.exec(select(col(Workspace.frozen_before)).where(Workspace.id == workspace_id))).one()


async def lock_rows(connection: asyncpg.Connection, workspace_id: int, *, seconds: int) -> None:
    """Let nobody change the workspace's rows until the transaction ends. Raises LockNotAvailableError.

    No lock of the transaction is waited for longer than so many seconds.
    """
    await connection.execute(f"SET LOCAL lock_timeout = '{seconds:d}s'")
    await connection.execute(LOCK.format(shared=""), workspace_id)


async def workspaces_to_clear(connection: asyncpg.Connection, today: date) -> list[asyncpg.Record]:
    """Workspaces with a retention whose floor may rise, or that hold rows below it."""
    return list(
        await connection.fetch(
            "SELECT id, retention_days FROM workspaces WHERE retention_days IS NOT NULL AND ("
            " frozen_before IS NULL OR frozen_before < $1::date - retention_days"
            " OR dropped_before IS NULL OR dropped_before < frozen_before) ORDER BY id",
            today,
        )
    )


async def raise_floor(connection: asyncpg.Connection, workspace_id: int, frozen: date, refused: date) -> None:
    """Freeze the entry days before a day, and refuse outcomes before another; neither ever goes back."""
    await connection.execute(
        "UPDATE workspaces SET frozen_before = greatest(frozen_before, $2),"
        " refused_before = greatest(refused_before, $3) WHERE id = $1",
        workspace_id,
        frozen,
        refused,
    )


async def lock_clearing(connection: asyncpg.Connection, workspace_id: int) -> asyncpg.Record | None:
    """What is to be dropped of a workspace, for one worker at a time; None while another one is at it.

    No unit is forgotten meanwhile: that would want some of the same rows, in another order.
    """
    await hold_rows(connection, workspace_id)
    if not await connection.fetchval("SELECT pg_try_advisory_xact_lock(hashtext('clearing'), $1)", workspace_id):
        return None
    return await connection.fetchrow("SELECT frozen_before, dropped_before FROM workspaces WHERE id = $1", workspace_id)


async def hold_clearing(session: AsyncSession, workspace_id: int) -> None:
    """Have none of a workspace's old rows dropped until the transaction ends."""
    await session.exec(select(func.pg_advisory_xact_lock(func.hashtext("clearing"), workspace_id)))


async def nth_outcome(connection: asyncpg.Connection, workspace_id: int, first: UUID, end: UUID, n: int) -> UUID | None:
    """The id of a workspace's outcome that so many of its others come before, from one id up to another."""
    found = "SELECT id FROM outcomes WHERE workspace_id = $1 AND id >= $2 AND id < $3 ORDER BY id OFFSET $4 LIMIT 1"
    return cast("UUID | None", await connection.fetchval(found, workspace_id, first, end, n))


async def drop_outcomes(connection: asyncpg.Connection, workspace_id: int, first: UUID, end: UUID) -> int:
    """Drop a workspace's outcomes from one id up to another; returns how many there were."""
    status = await connection.execute(
        "DELETE FROM outcomes WHERE workspace_id = $1 AND id >= $2 AND id < $3", workspace_id, first, end
    )
    return int(status.split()[-1])


async def note_dropped(connection: asyncpg.Connection, workspace_id: int, before: datetime) -> None:
    """Remember how far a workspace's rows are dropped."""
    await connection.execute("UPDATE workspaces SET dropped_before = $2 WHERE id = $1", workspace_id, before)


async def forget_outcomes(connection: asyncpg.Connection, workspace_id: int, units: Sequence[str]) -> int:
    """Remove the outcomes of units; returns how many there were."""
    status = await connection.execute(
        "DELETE FROM outcomes WHERE workspace_id = $1 AND unit = ANY($2::text[])"
        " AND event_id IN (SELECT id FROM events WHERE workspace_id = $1)",
        workspace_id,
        units,
    )
    return int(status.split()[-1])


async def forget_rejections(connection: asyncpg.Connection, workspace_id: int, patterns: Sequence[str]) -> int:
    """Remove kept rejections whose row or reason matches one of some patterns; returns how many there were."""
    status = await connection.execute(
        "DELETE FROM rejections WHERE workspace_id = $1 AND (row ~ ANY($2::text[]) OR message ~ ANY($2::text[]))",
        workspace_id,
        patterns,
    )
    return int(status.split()[-1])


async def workspace_by_id(session: AsyncSession, workspace_id: int) -> Workspace:
    """A workspace."""
    return (await session.exec(select(Workspace).where(Workspace.id == workspace_id))).one()


async def lock_workspace(session: AsyncSession, workspace_id: int) -> Workspace:
    """A workspace, locked until the transaction ends, with nobody taking in rows meanwhile."""
    await session.exec(select(func.pg_advisory_xact_lock(func.hashtext("floor"), workspace_id)))
    return (await session.exec(select(Workspace).where(Workspace.id == workspace_id).with_for_update())).one()


async def has_batches(session: AsyncSession, workspace_id: int) -> bool:
    """Whether any row was ever sent to a workspace, even one that was rejected."""
    of_units = ["exposures", "outcomes", "memberships"]
    sent = select(Ingest.id).where(Ingest.workspace_id == workspace_id, col(Ingest.noun).in_(of_units))
    return (await session.exec(sent.limit(1))).first() is not None


async def drop_rejections(connection: asyncpg.Connection, before: datetime) -> None:
    """Forget rejected rows older than their time to live; those that somebody works on go with the next round."""
    await connection.execute(
        "DELETE FROM rejections WHERE id IN (SELECT id FROM rejections WHERE received_at < $1 FOR UPDATE SKIP LOCKED)",
        before,
    )

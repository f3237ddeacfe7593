"""Statements on raw rows as they come in (outcomes, memberships, traits), what is kept of them, and for how long."""

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from datetime import date, datetime
from io import BytesIO
from typing import Any, cast
from uuid import UUID

import asyncpg
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import packing
from kpi.gate import NOBODY, Gate, Noun, Omission, midnight
from kpi.tables import Event, Ingest, Outcome, Workspace


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


STAGE = """
DO $$ BEGIN
    IF to_regclass('pg_temp.incoming') IS NULL THEN
        CREATE TEMP TABLE incoming (
            id uuid, event_id integer, occurred_at timestamptz, value float8, unit varchar(200)
        ) ON COMMIT DELETE ROWS;
        GRANT ALL ON incoming TO PUBLIC;
    ELSIF EXISTS (SELECT FROM incoming) THEN
        TRUNCATE incoming;  -- a batch of the same transaction
    END IF;
END $$
"""
"""A connection's own table, made once and emptied by each commit: whoever next has the connection may use it too."""
STORE = """
INSERT INTO outcomes (id, workspace_id, event_id, occurred_at, ingest_id, value, unit)
SELECT id, $1, event_id, occurred_at, $2, value, unit FROM incoming
"""


async def copy_outcomes(connection: asyncpg.Connection, packed: bytes, *, workspace_id: int, batch: int) -> None:
    """Store packed outcomes; raises UniqueViolationError when one is there already.

    They are copied into a table of this connection first: Postgres has no COPY into a table that shows each workspace
    its own rows only.
    """
    await connection.execute(STAGE)
    sent = connection.copy_to_table("incoming", source=BytesIO(packed), columns=packing.COLUMNS, format="binary")
    await _while_connected(connection, sent)
    await connection.execute(STORE, workspace_id, batch)


async def _while_connected(connection: asyncpg.Connection, sent: Coroutine[Any, Any, object]) -> None:
    """Send rows, or raise ConnectionDoesNotExistError once the connection has ended.

    By itself asyncpg waits for ever where it ends while its buffer is full and Postgres has not read on.
    """
    ended = asyncio.get_running_loop().create_future()

    def tell(_connection: object) -> None:
        if not ended.done():
            ended.set_result(None)

    connection.add_termination_listener(tell)
    sending = asyncio.create_task(sent)
    try:
        await asyncio.wait((sending, ended), return_when=asyncio.FIRST_COMPLETED)
        if not sending.done():
            raise asyncpg.ConnectionDoesNotExistError("The connection ended while rows were being sent.")
        await sending
    finally:
        connection.remove_termination_listener(tell)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


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


ADD_MEMBERSHIPS = """
INSERT INTO memberships (workspace_id, member, since_at, account, ingest_id)
SELECT * FROM unnest($1::integer[], $2::text[], $3::timestamptz[], $4::text[], $5::bigint[])
"""


async def add_memberships(connection: asyncpg.Connection, records: Sequence[tuple[Any, ...]]) -> None:
    """Add new memberships; where they end is not known yet."""
    await connection.execute(ADD_MEMBERSHIPS, *zip(*records, strict=True))


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


async def lock_traits(connection: asyncpg.Connection, workspace_id: int) -> None:
    """Let one batch of traits in at a time: what one says may contradict another, or use up the names."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('traits'), $1)", workspace_id)


async def known_traits(
    connection: asyncpg.Connection, workspace_id: int, keys: Sequence[tuple[str, str, datetime]]
) -> dict[tuple[str, str, datetime], str | None]:
    """The values of those traits that are stored, by unit, name and moment."""
    rows = await connection.fetch(
        "SELECT unit, name, since_at, value FROM traits WHERE workspace_id = $1"
        " AND (unit, name, since_at) IN (SELECT * FROM unnest($2::text[], $3::text[], $4::timestamptz[]))",
        workspace_id,
        [unit for unit, _, _ in keys],
        [name for _, name, _ in keys],
        [since for _, _, since in keys],
    )
    return {(row["unit"], row["name"], row["since_at"]): row["value"] for row in rows}


TRAIT_NAMES = """
WITH RECURSIVE named (name) AS (
    SELECT min(name) FROM traits WHERE workspace_id = $1
    UNION ALL
    SELECT (SELECT min(t.name) FROM traits t WHERE t.workspace_id = $1 AND t.name > named.name)
    FROM named WHERE named.name IS NOT NULL
)
SELECT name FROM named WHERE name IS NOT NULL
"""
"""A look into the index for each name, however many units have it."""


async def trait_names(connection: asyncpg.Connection, workspace_id: int) -> set[str]:
    """The names of a workspace's traits."""
    return {row["name"] for row in await connection.fetch(TRAIT_NAMES, workspace_id)}


ADD_TRAITS = """
INSERT INTO traits (workspace_id, unit, name, since_at, value, ingest_id)
SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::bigint[])
"""


async def add_traits(connection: asyncpg.Connection, records: Sequence[tuple[Any, ...]]) -> None:
    """Add new traits."""
    await connection.execute(ADD_TRAITS, *zip(*records, strict=True))


async def forget_traits(connection: asyncpg.Connection, workspace_id: int, units: Sequence[str]) -> int:
    """Remove what is known of units; returns how many rows that were."""
    status = await connection.execute(
        "DELETE FROM traits WHERE workspace_id = $1 AND unit = ANY($2::text[])", workspace_id, units
    )
    return int(status.split()[-1])


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


async def has_batches(session: AsyncSession, workspace_id: int) -> bool:
    """Whether any row was ever sent to a workspace, even one that was rejected."""
    of_units = ["exposures", "outcomes", "memberships", "traits"]
    sent = select(Ingest.id).where(Ingest.workspace_id == workspace_id, col(Ingest.noun).in_(of_units))
    return (await session.exec(sent.limit(1))).first() is not None

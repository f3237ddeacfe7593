"""Statements on the audit trail: adding an entry at the end of a transaction, walking it, and retiring old ones.

The chain of a workspace is locked from the adding to the commit and never longer: whoever adds has done all the rest
before. So nobody waits for another one's work, only for another one's commit.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import asyncpg

from api.trail.entry import BEGINNING, RETIRE, Chain, Deed, Walk, canonical, document

LOCK = "SELECT pg_advisory_xact_lock(hashtext('audit'), $1)"
"""Held on a workspace's chain: nobody else's space of locks has this name."""
BATCH = 2_000
"""Entries that are held at once while a chain is walked."""

MARK = """
SELECT (SELECT last_value FROM ingests_id_seq) AS ledger, coalesce(sum(
    pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid) + pg_stat_get_xact_tuples_deleted(oid)
), 0)::bigint AS written
FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
"""
"""How many rows this connection has written, as Postgres itself counts: a lock on a row is none."""

LEDGER = """
SELECT id, noun, accepted, duplicates, rejected FROM ingests
WHERE id >= $1 AND workspace_id = $2 AND xmin = pg_current_xact_id()::xid ORDER BY id
"""
"""What this very transaction wrote into the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where a transaction stood: the last number of the ledger, and the rows it had written."""

    ledger: int
    written: int


async def mark(connection: asyncpg.Connection) -> Mark:
    """Where a transaction stands."""
    return Mark(**await connection.fetchrow(MARK))


@asynccontextmanager
async def batch(connection: asyncpg.Connection, deed: Deed) -> AsyncIterator[None]:
    """As `recorded`, for rows that come in: the ledger tells what changed, and nothing need be counted."""
    ledger = await connection.fetchval("SELECT last_value FROM ingests_id_seq")
    yield
    await _tell(connection, ledger, deed, is_batch=True)


@asynccontextmanager
async def recorded(connection: asyncpg.Connection, deed: Deed) -> AsyncIterator[None]:
    """Leave an entry at the end of what is done on a connection, if that changed anything."""
    since = await mark(connection)
    yield
    await record(connection, since, deed)


async def record(connection: asyncpg.Connection, since: Mark, deed: Deed) -> bool:
    """Add an entry if the transaction changed anything since a mark; what it brought is in the entry's details.

    A batch of rows that were all there already changes nothing. The caller commits, and does nothing else before.
    """
    if (await mark(connection)).written == since.written:
        return False
    return await _tell(connection, since.ledger, deed, is_batch=False)


async def _tell(connection: asyncpg.Connection, ledger: int, deed: Deed, *, is_batch: bool) -> bool:
    batches = [dict(row) for row in await connection.fetch(LEDGER, ledger, deed.workspace_id)]
    is_retry = all(row["duplicates"] and not row["accepted"] + row["rejected"] for row in batches)
    is_empty = not any(row["accepted"] + row["rejected"] for row in batches)
    if is_empty if is_batch else batches and is_retry:
        return False
    details = {**deed.details} | ({"ledger": batches} if batches else {})
    await append(connection, replace(deed, details=details))
    return True


async def append(connection: asyncpg.Connection, deed: Deed) -> None:
    """Add an entry to the end of its workspace's chain. The caller commits, and does nothing else before."""
    await connection.execute(LOCK, deed.workspace_id)
    said = canonical(document(asdict(deed) | {"number": 0, "previous_hash": ""}))
    head, tail = said.rsplit(PLACE, 1)
    details = json.dumps(deed.details, default=str)
    await connection.execute(APPEND, *(getattr(deed, name) for name in FIELDS), details, head, tail, BEGINNING)


PLACE = b'"number":0,"previousHash":""'
"""Where an entry says what it follows: that is filled in by Postgres, so that the chain is held for one statement."""
FIELDS = (
    "workspace_id",
    "done_at",
    "actor",
    "key",
    "action",
    "node_type",
    "node_id",
    "input_hash",
    "before_hash",
    "after_hash",
    "request_id",
)
APPEND = """
INSERT INTO audit_entries (workspace_id, done_at, actor, key, action, node_type, node_id, input_hash, before_hash,
    after_hash, request_id, details, number, previous_hash, hash)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, number, previous, encode(sha256(
    $13::bytea || convert_to('"number":' || number || ',"previousHash":"' || previous || '"', 'UTF8') || $14::bytea
), 'hex')
FROM (
    SELECT coalesce(max(number), 0) + 1 AS number, coalesce(max(hash), $15) AS previous FROM (
        SELECT number, hash FROM audit_entries WHERE workspace_id = $1 ORDER BY number DESC LIMIT 1
    ) AS last
) AS following
"""


async def entries(connection: asyncpg.Connection, workspace_id: int) -> AsyncIterator[list[Mapping[str, Any]]]:
    """All entries of a workspace from the oldest on, some at a time."""
    cursor = await connection.cursor(
        "SELECT * FROM audit_entries WHERE workspace_id = $1 ORDER BY number", workspace_id
    )
    while rows := await cursor.fetch(BATCH):
        yield rows


async def verify(connection: asyncpg.Connection, workspace_id: int, kept: Mapping[int, str] | None = None) -> Chain:
    """Walk a workspace's chain. `kept` are hashes that were written down elsewhere, by number."""
    walk = Walk(kept=kept or {})
    async for rows in entries(connection, workspace_id):
        walk.take(document(row) | {"hash": row["hash"]} for row in rows)
    return walk.end()


async def retire(connection: asyncpg.Connection, deed: Deed, before: datetime) -> int:
    """Drop a workspace's entries from before a moment; returns how many. One entry says which they were.

    Only the beginning of a chain goes: up to the first entry that is younger.
    """
    await connection.execute(LOCK, deed.workspace_id)
    last = await connection.fetchrow(OLDEST, deed.workspace_id, before)
    if last is None:
        return 0
    said = {"through": last["number"], "hash": last["hash"]}
    await append(connection, replace(deed, action=RETIRE, details=said))
    status = await connection.execute(
        "DELETE FROM audit_entries WHERE workspace_id = $1 AND number <= $2", deed.workspace_id, last["number"]
    )
    return int(status.split()[-1])


OLDEST = """
SELECT number, hash FROM audit_entries WHERE workspace_id = $1 AND number < coalesce(
    (SELECT min(number) FROM audit_entries WHERE workspace_id = $1 AND done_at >= $2), 2147483647
) ORDER BY number DESC LIMIT 1
"""
"""The last of those at the beginning that are all older."""

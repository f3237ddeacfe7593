"""Statements on replies. A key is claimed in the transaction that does what was sent under it, before anything else.

Who sends the same while the first is still at work waits for it at the claim, and then finds its reply.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

KEPT = timedelta(days=3)
"""For so long the same key finds its reply."""
CLAIM = """
INSERT INTO replies (workspace_id, key, action, input_hash, sent_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
FIND = "SELECT action, input_hash, node_type, node_id, report FROM replies WHERE workspace_id = $1 AND key = $2"
KEEP = "UPDATE replies SET node_type = $3, node_id = $4, report = $5 WHERE workspace_id = $1 AND key = $2"
DROP = "DELETE FROM replies WHERE sent_at < $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """What was sent under a key: which mutation, and a hash of its input."""

    workspace_id: int
    key: str
    action: str
    input_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What came of it before: a node, the report of a batch, or neither where nothing was changed."""

    is_same: bool
    node_type: str | None
    node_id: int | None
    report: Mapping[str, Any] | None


async def claim(connection: asyncpg.Connection, keyed: Keyed, now: datetime) -> Found | None:
    """Claim a key; what came of it before, if it was sent before."""
    done = await connection.execute(CLAIM, keyed.workspace_id, keyed.key, keyed.action, keyed.input_hash, now)
    if done.endswith(" 1"):
        return None
    row = await connection.fetchrow(FIND, keyed.workspace_id, keyed.key)
    return Found(
        is_same=(row["action"], row["input_hash"]) == (keyed.action, keyed.input_hash),
        node_type=row["node_type"],
        node_id=row["node_id"],
        report=row["report"],
    )


async def keep_node(connection: asyncpg.Connection, keyed: Keyed, node_type: str | None, node_id: int | None) -> None:
    """Keep which node came of it."""
    await connection.execute(KEEP, keyed.workspace_id, keyed.key, node_type, node_id, None)


async def keep_report(connection: asyncpg.Connection, keyed: Keyed, report: Mapping[str, Any]) -> None:
    """Keep the report of a batch."""
    await connection.execute(KEEP, keyed.workspace_id, keyed.key, None, None, json.dumps(report))


async def drop_old(connection: asyncpg.Connection, now: datetime) -> None:
    """Forget replies that were kept for long enough."""
    await connection.execute(DROP, now - KEPT)

"""The statements on endpoints and deliveries. What the worker does goes by the database's clock."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import asyncpg
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.delivery import signing
from api.delivery.parcels import Parcel
from api.delivery.schedule import Answer, Next
from api.delivery.tables import Delivery, DeliveryState, Endpoint, EndpointKind
from kpi.enums import NoticeType
from kpi.notices import CHANNEL
from kpi.tables import Notice

SPREAD = """
WITH news AS MATERIALIZED (
    SELECT id, workspace_id, type FROM notices WHERE is_pending ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
), known AS (
    UPDATE notices SET is_pending = false FROM news WHERE notices.id = news.id RETURNING notices.id
), found AS MATERIALIZED (
    SELECT news.workspace_id, news.id AS notice_id, e.id AS endpoint_id
    FROM news JOIN endpoints e ON e.workspace_id = news.workspace_id AND e.is_enabled
        AND (e.types IS NULL OR news.type = ANY(e.types))
    ORDER BY news.id FOR KEY SHARE OF e
), made AS (
    INSERT INTO deliveries (workspace_id, notice_id, endpoint_id, state, attempts, next_at, created_at)
    SELECT workspace_id, notice_id, endpoint_id, 'WAITING', 0, clock_timestamp(), clock_timestamp() FROM found
    ON CONFLICT DO NOTHING
) SELECT count(*) FROM known
"""
CLAIM = """
WITH due AS MATERIALIZED (
    SELECT d.id, row_number() OVER (PARTITION BY d.endpoint_id ORDER BY d.next_at, d.id) AS place
    FROM deliveries d JOIN endpoints e ON e.id = d.endpoint_id
    WHERE d.state = 'WAITING' AND d.next_at <= statement_timestamp() AND e.is_enabled
), next AS MATERIALIZED (
    SELECT d.id FROM deliveries d JOIN due ON due.id = d.id
    WHERE due.place <= $2 AND d.state = 'WAITING' AND d.next_at <= statement_timestamp()
    ORDER BY d.next_at, d.id LIMIT $1 FOR UPDATE OF d SKIP LOCKED
), taken AS (
    UPDATE deliveries SET attempts = attempts + 1, attempted_at = clock_timestamp(), next_at = clock_timestamp() + $3
    FROM next WHERE deliveries.id = next.id RETURNING deliveries.*
)
SELECT taken.id AS delivery_id, taken.endpoint_id, taken.attempts AS attempt, taken.attempted_at AS sent_at,
    n.key, n.type, n.data, n.created_at, e.kind, e.address, e.salt, e.old_salt, e.rotated_at
FROM taken JOIN notices n ON n.id = taken.notice_id JOIN endpoints e ON e.id = taken.endpoint_id ORDER BY taken.id
"""
NOTE = """
UPDATE deliveries SET state = $3::text, status = $5, answer = $6, fault = $7,
    next_at = CASE WHEN $3::text = 'WAITING' THEN clock_timestamp() + $4::interval * (1 + random() / 5) END,
    delivered_at = CASE WHEN $3::text = 'DELIVERED' THEN clock_timestamp() END
WHERE id = $1 AND attempts = $2 AND state = 'WAITING'
"""
"""Up to a fifth longer each time: what failed together does not come back together."""
END = """
UPDATE endpoints SET is_enabled = false, disabled_reason = $3 WHERE id = $1 AND address = $2 AND is_enabled
"""
DROP = """
WITH old AS (
    DELETE FROM deliveries d USING notices n
    WHERE n.id = d.notice_id AND n.created_at < statement_timestamp() - $1::interval AND d.state <> 'WAITING'
)
DELETE FROM notices n WHERE n.created_at < statement_timestamp() - $1::interval AND NOT n.is_pending
    AND NOT EXISTS (SELECT FROM deliveries d WHERE d.notice_id = n.id)
"""


async def spread(connection: asyncpg.Connection, most: int) -> int:
    """Make the deliveries of pending notices; returns how many notices are pending no more."""
    return int(await connection.fetchval(SPREAD, most))


async def claim(connection: asyncpg.Connection, *, most: int, most_each: int, lease: timedelta) -> list[Parcel]:
    """Take deliveries that are due, so many at most and so many of one endpoint.

    They are ours for the lease: a worker that dies over them leaves them due again when it is over.
    """
    return [_parcel(row) for row in await connection.fetch(CLAIM, most, most_each, lease)]


async def note(connection: asyncpg.Connection, parcel: Parcel, answer: Answer, following: Next) -> None:
    """Keep what came of an attempt, unless the delivery has been taken up anew meanwhile."""
    said = (answer.status, answer.text, answer.fault)
    await connection.execute(NOTE, parcel.delivery_id, parcel.attempt, following.state.name, following.wait, *said)


async def end_endpoint(connection: asyncpg.Connection, parcel: Parcel, reason: str) -> None:
    """Send nothing more to the address that a parcel went to."""
    await connection.execute(END, parcel.endpoint_id, parcel.address, reason)


async def drop_old(connection: asyncpg.Connection, kept: timedelta) -> None:
    """Drop notices of long ago with their deliveries, but for those that still wait."""
    await connection.execute(DROP, kept)


async def add_endpoint(session: AsyncSession, endpoint: Endpoint) -> Endpoint | None:
    """Keep a new endpoint; None when the workspace has one of its kind and address."""
    try:
        async with session.begin_nested():
            session.add(endpoint)
    except IntegrityError:  # its kind and address: all else of it was checked
        return None
    return endpoint


async def count_endpoints(session: AsyncSession, workspace_id: int) -> int:
    """How many endpoints a workspace has."""
    return (await session.exec(select(func.count()).where(col(Endpoint.workspace_id) == workspace_id))).one()


async def is_taken(session: AsyncSession, endpoint: Endpoint, address: str) -> bool:
    """Whether another endpoint of the workspace has this address."""
    same = (Endpoint.workspace_id == endpoint.workspace_id, Endpoint.kind == endpoint.kind, Endpoint.address == address)
    return (await session.exec(select(Endpoint.id).where(*same, Endpoint.id != endpoint.id))).first() is not None


async def lock_endpoint(session: AsyncSession, workspace_id: int, endpoint_id: int) -> Endpoint | None:
    """An endpoint of a workspace, locked until the transaction ends."""
    mine = select(Endpoint).where(Endpoint.workspace_id == workspace_id, Endpoint.id == endpoint_id)
    return (await session.exec(mine.with_for_update())).one_or_none()


async def lock_delivery(session: AsyncSession, workspace_id: int, delivery_id: int) -> Delivery | None:
    """A delivery of a workspace, locked until the transaction ends."""
    mine = select(Delivery).where(Delivery.workspace_id == workspace_id, Delivery.id == delivery_id)
    return (await session.exec(mine.with_for_update())).one_or_none()


async def remove(session: AsyncSession, endpoint: Endpoint) -> None:
    """Remove a locked endpoint and its deliveries."""
    await session.exec(delete(Delivery).where(col(Delivery.endpoint_id) == endpoint.id))
    await session.exec(delete(Endpoint).where(col(Endpoint.id) == endpoint.id))


async def send_now(session: AsyncSession, delivery: Delivery) -> Delivery:
    """Have a delivery attempted at once, with all its attempts before it; the worker is woken."""
    now = (await session.exec(select(func.clock_timestamp()))).one()
    delivery.state, delivery.attempts, delivery.delivered_at, delivery.next_at = DeliveryState.WAITING, 0, None, now
    session.add(delivery)
    await session.exec(select(func.pg_notify(CHANNEL, "")))
    return delivery


async def endpoints_by_id(session: AsyncSession, workspace_id: int, ids: Collection[int]) -> dict[int, Endpoint]:
    """Endpoints of a workspace by id; those of others are absent."""
    rows = await session.exec(select(Endpoint).where(Endpoint.workspace_id == workspace_id, col(Endpoint.id).in_(ids)))
    return {row.id: row for row in rows}


async def deliveries_by_id(session: AsyncSession, workspace_id: int, ids: Collection[int]) -> dict[int, Delivery]:
    """Deliveries of a workspace by id; those of others are absent."""
    rows = await session.exec(select(Delivery).where(Delivery.workspace_id == workspace_id, col(Delivery.id).in_(ids)))
    return {row.id: row for row in rows}


async def notices_by_id(session: AsyncSession, workspace_id: int, ids: Collection[int]) -> dict[int, Notice]:
    """Notices of a workspace by id; those of others are absent."""
    rows = await session.exec(select(Notice).where(Notice.workspace_id == workspace_id, col(Notice.id).in_(ids)))
    return {row.id: row for row in rows}


def _parcel(row: Mapping[str, Any]) -> Parcel:
    kept: Sequence[str] = ("delivery_id", "endpoint_id", "attempt", "address", "key", "created_at", "sent_at")
    return Parcel(
        **{name: row[name] for name in kept},
        kind=EndpointKind[row["kind"]],
        type=NoticeType[row["type"]],
        data=row["data"],
        salts=signing.salts(row["salt"], row["old_salt"], row["rotated_at"], row["sent_at"]),
    )

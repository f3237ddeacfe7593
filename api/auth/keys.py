"""API keys: made once, shown once, kept as a keyed hash, looked up by their public part.

A key reads `tl_<public id>_<secret>` (`tokens`). Its secret may be replaced: the one before then works for a while.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import update
from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.auth import arrivals
from api.auth.tables import ApiKey, Role
from api.auth.tokens import Token
from kpi.tables import Workspace

PREFIX = "tl"
REVOKED = "truelift_keys"
"""The channel that says whose rights have changed or ended: a key, a member or a browser that was signed in."""
SELDOM = timedelta(hours=1)
"""How old the note of a last use may be: it is not written at every request."""


class Scope(StrEnum):
    """What a key may do."""

    INGEST = "ingest"
    READ = "read"
    EDIT = "edit"
    DECIDE = "decide"
    ADMIN = "admin"
    SCHEMA = "schema:read"
    EVALUATE = "evaluate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is asking, in which workspace, and what they may do there: who came with a key, or a member who signed in.

    `key_name` and `public_id` are what the audit trail names them by: a key's, or a member's name and `member-12`.
    `sign_in` is the browser they signed in with, `rotation` the number of the key's secret, `ends_at` the moment from
    which on none of it holds, if that is known, and `seen_at` when they were last noted.
    """

    workspace_id: int
    workspace: str
    key_name: str
    public_id: str
    scopes: frozenset[Scope]
    member_id: int | None = None
    role: Role | None = None
    sign_in: str | None = None
    rotation: int = 0
    ends_at: datetime | None = None
    seen_at: datetime | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the caller has a scope."""
        return scope in self.scopes

    @property
    def names(self) -> tuple[str, ...]:
        """What is told on the channel when the caller's rights change."""
        return (self.public_id,) if self.sign_in is None else (self.public_id, self.sign_in)

    def lasts(self, now: datetime) -> float:
        """For how many seconds it may hold: without end, when none is known."""
        return float("inf") if self.ends_at is None else (self.ends_at - now).total_seconds()


async def create(
    session: AsyncSession,
    *,
    workspace_id: int,
    name: str,
    scopes: Collection[Scope],
    secret: bytes,
    now: datetime,
    by: str | None = None,
    expires_at: datetime | None = None,
) -> str:
    """Make a key and return it; it cannot be shown again."""
    token = Token.new(PREFIX)
    row = ApiKey(
        workspace_id=workspace_id,
        public_id=token.public_id,
        name=name,
        scopes=[str(scope) for scope in scopes],
        secret_hash=token.hashed(secret),
        created_by=by,
        created_at=now,
        expires_at=expires_at,
        revoked_at=None,
    )
    session.add(row)
    await session.flush()
    return str(token)


async def caller(session: AsyncSession, key: str, secret: bytes, now: datetime) -> Caller | None:
    """Who a key belongs to; None for a wrong one, and for one that has ended."""
    token = Token.read(PREFIX, key)
    found = await _find(session, token.public_id)
    row = None if found is None else found[0]
    is_new = token.fits(None if row is None else row.secret_hash, secret)
    is_old = token.fits(None if row is None else row.old_secret_hash, secret)
    if found is None or not (is_new or is_old):
        return None
    return as_caller(*found, found[0].rotation - is_old, now)


async def caller_by_id(session: AsyncSession, public_id: str, rotation: int, now: datetime) -> Caller | None:
    """Who came with a key's secret of this number; None once that works no more."""
    found = await _find(session, public_id)
    return None if found is None else as_caller(*found, rotation, now)


async def listed(session: AsyncSession, workspace_id: int) -> list[ApiKey]:
    """A workspace's keys, newest first."""
    keys = select(ApiKey).where(ApiKey.workspace_id == workspace_id).order_by(col(ApiKey.created_at).desc())
    return list(await session.exec(keys))


async def keys_by_id(session: AsyncSession, workspace_id: int, ids: Collection[int]) -> dict[int, ApiKey]:
    """Keys of a workspace by id; those of others are absent."""
    rows = await session.exec(select(ApiKey).where(ApiKey.workspace_id == workspace_id, col(ApiKey.id).in_(ids)))
    return {row.id: row for row in rows}


async def lock(session: AsyncSession, workspace_id: int, which: int | str) -> ApiKey | None:
    """A workspace's key by its number or its public id, locked until the transaction ends."""
    named = ApiKey.id == which if isinstance(which, int) else ApiKey.public_id == which
    mine = select(ApiKey).where(ApiKey.workspace_id == workspace_id, named)
    return (await session.exec(mine.with_for_update())).one_or_none()


async def rotate(session: AsyncSession, row: ApiKey, *, secret: bytes, now: datetime, grace: timedelta) -> str:
    """Give a locked key a new secret and return the key; the old one works on for the time given."""
    token = Token(prefix=PREFIX, public_id=row.public_id, secret=Token.new(PREFIX).secret)
    row.old_secret_hash, row.old_ends_at = (row.secret_hash, now + grace) if grace else (None, None)
    row.secret_hash, row.rotation, row.rotated_at = token.hashed(secret), row.rotation + 1, now
    await tell(session, row.public_id)
    return str(token)


async def revoke(session: AsyncSession, workspace_id: int, public_id: str, now: datetime) -> bool:
    """End a key at once; False when the workspace has no such key that still works."""
    row = await lock(session, workspace_id, public_id)
    if row is None or row.revoked_at is not None:
        return False
    row.revoked_at = now
    await tell(session, public_id)
    return True


async def used(session: AsyncSession, public_id: str, now: datetime) -> None:
    """Note that a key is in use, unless that was noted lately or somebody else is at it."""
    is_stale = or_(col(ApiKey.last_used_at).is_(None), col(ApiKey.last_used_at) < now - SELDOM)
    row = select(ApiKey.id).where(ApiKey.public_id == public_id, is_stale).with_for_update(skip_locked=True)
    await session.exec(update(ApiKey).where(col(ApiKey.id).in_(row)).values(last_used_at=now))


async def tell(session: AsyncSession, name: str) -> None:
    """Say, with the commit, that somebody's rights have changed."""
    await session.exec(select(func.pg_notify(REVOKED, name)))


def is_over(row: ApiKey, now: datetime) -> bool:
    """Whether a key works no more."""
    return row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now)


def as_caller(row: ApiKey, workspace: Workspace, rotation: int, now: datetime) -> Caller | None:
    """Who comes with a key's secret of this number; None where that works no more."""
    is_old = rotation != row.rotation
    if is_over(row, now) or (is_old and not _is_in_grace(row, rotation, now)):
        return None
    ends = [at for at in (row.expires_at, row.old_ends_at if is_old else None) if at is not None]
    return Caller(
        workspace_id=workspace.id,
        workspace=workspace.key,
        key_name=row.name,
        public_id=row.public_id,
        scopes=frozenset(Scope(scope) for scope in row.scopes),
        rotation=rotation,
        ends_at=min(ends, default=None),
        seen_at=row.last_used_at,
    )


def _is_in_grace(row: ApiKey, rotation: int, now: datetime) -> bool:
    return rotation == row.rotation - 1 and row.old_ends_at is not None and now < row.old_ends_at


async def _find(session: AsyncSession, public_id: str) -> tuple[ApiKey, Workspace] | None:
    await arrivals.come(session, public_id)
    found = select(ApiKey, Workspace).where(ApiKey.public_id == public_id, col(ApiKey.revoked_at).is_(None))
    return (await session.exec(found.join(Workspace))).first()

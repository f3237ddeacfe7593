"""API keys: made once, shown once, kept as a keyed hash, looked up by their public part.

A key reads `tl_<public id>_<secret>`: 32 random bytes of secret, of which the database holds only the HMAC-SHA-256
under the server's secret. A leaked database opens nothing.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.auth.tables import ApiKey
from kpi.tables import Workspace

PREFIX = "tl"
REVOKED = "truelift_keys"
"""The channel that says which key no longer works."""


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
    """Who is asking: a key of a workspace, and what it may do."""

    workspace_id: int
    workspace: str
    key_name: str
    public_id: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether the caller has a scope."""
        return scope in self.scopes


async def create(
    session: AsyncSession, *, workspace_id: int, name: str, scopes: list[Scope], secret: bytes, now: datetime
) -> str:
    """Make a key and return it; it cannot be shown again."""
    public_id, token = secrets.token_hex(8), secrets.token_urlsafe(32)
    session.add(
        ApiKey(
            workspace_id=workspace_id,
            public_id=public_id,
            name=name,
            scopes=[str(scope) for scope in scopes],
            secret_hash=_hash(secret, token),
            created_at=now,
            revoked_at=None,
        )
    )
    await session.flush()
    return f"{PREFIX}_{public_id}_{token}"


async def caller(session: AsyncSession, key: str, secret: bytes) -> Caller | None:
    """Who a key belongs to; None for a wrong or revoked one."""
    public_id, token = _parts(key)
    await _come(session, public_id)
    found = await _find(session, public_id)
    # The hash is compared also when there is no such key, so that the time taken says nothing.
    kept = found[0].secret_hash if found else bytes(32)
    if not hmac.compare_digest(kept, _hash(secret, token)) or found is None:
        return None
    return _caller(*found)


async def caller_by_id(session: AsyncSession, public_id: str) -> Caller | None:
    """Who a signed-in browser's key belongs to; None once it is revoked."""
    await _come(session, public_id)
    found = await _find(session, public_id)
    return None if found is None else _caller(*found)


async def listed(session: AsyncSession, workspace_id: int) -> list[ApiKey]:
    """A workspace's keys, newest first."""
    keys = select(ApiKey).where(ApiKey.workspace_id == workspace_id).order_by(col(ApiKey.created_at).desc())
    return list(await session.exec(keys))


async def revoke(session: AsyncSession, workspace_id: int, public_id: str, now: datetime) -> bool:
    """End a key; False when the workspace has no such key that still works."""
    found = await _find(session, public_id)
    if found is None or found[0].workspace_id != workspace_id:
        return False
    found[0].revoked_at = now
    await session.exec(select(func.pg_notify(REVOKED, public_id)))
    return True


async def _come(session: AsyncSession, public_id: str) -> None:
    """Name the key one comes with: there is no workspace to name yet, and Postgres shows this key's alone."""
    await session.exec(select(func.set_config("app.key", public_id, True)))


async def _find(session: AsyncSession, public_id: str) -> tuple[ApiKey, Workspace] | None:
    found = select(ApiKey, Workspace).where(ApiKey.public_id == public_id, col(ApiKey.revoked_at).is_(None))
    return (await session.exec(found.join(Workspace))).first()


def _caller(key: ApiKey, workspace: Workspace) -> Caller:
    return Caller(
        workspace_id=workspace.id,
        workspace=workspace.key,
        key_name=key.name,
        public_id=key.public_id,
        scopes=frozenset(Scope(scope) for scope in key.scopes),
    )


def _parts(key: str) -> tuple[str, str]:
    prefix, _, rest = key.partition("_")
    public_id, _, token = rest.partition("_")
    is_key = prefix == PREFIX and public_id.isascii() and public_id.isalnum() and len(public_id) <= 32
    return (public_id, token) if is_key else ("", token)


def _hash(secret: bytes, token: str) -> bytes:
    return hmac.digest(secret, token.encode("utf-8", "replace"), "sha256")

"""Workspaces: finding one by its key, and making the first."""

from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from kpi.tables import Workspace

DEFAULT = "default"


async def workspace(session: AsyncSession, key: str) -> Workspace | None:
    """A workspace by its key."""
    return (await session.exec(select(Workspace).where(Workspace.key == key))).first()


async def workspace_ids(session: AsyncSession) -> list[int]:
    """The numbers of all workspaces."""
    return list(await session.exec(select(Workspace.id).order_by(col(Workspace.id))))


async def ensure_workspace(session: AsyncSession, key: str, now: datetime) -> Workspace:
    """A workspace by its key, made if it is new."""
    found = await workspace(session, key)
    if found is None:
        found = Workspace(key=key, name=key, created_at=now)
        session.add(found)
        await session.flush()
    return found

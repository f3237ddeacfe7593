"""How somebody comes in who has no workspace yet: they name what they came with, and Postgres shows that alone.

Once that says which workspace it is of, the transaction enters it, and sees all the rest as every request does.
"""

from sqlmodel import func, select
from sqlmodel.ext.asyncio.session import AsyncSession


async def come(session: AsyncSession, public_id: str) -> None:
    """Name the key, the cookie or the link one comes with."""
    await _name(session, "app.key", public_id)


async def come_from_provider(session: AsyncSession, *, email: str, subject: str) -> None:
    """Name the person that an identity provider vouches for."""
    await _name(session, "app.email", email)
    await _name(session, "app.subject", subject)


async def come_by_mail(session: AsyncSession, email: str) -> None:
    """Name the mailbox that a link is to be sent to."""
    await _name(session, "app.email", email)


async def enter(session: AsyncSession, workspace_id: int) -> None:
    """See a workspace's rows for the rest of the transaction."""
    await _name(session, "app.workspace", str(workspace_id))


async def _name(session: AsyncSession, setting: str, value: str) -> None:
    await session.exec(select(func.set_config(setting, value, True)))

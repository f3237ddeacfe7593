"""Browsers that are signed in: begun by a key, a link or an identity provider, and ended by hand or by time.

What a browser may do is looked up at every request, of the key or the member behind it.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.auth import arrivals, keys, members
from api.auth.errors import UsedAlready
from api.auth.keys import Caller
from api.auth.tables import ApiKey, Member, MemberState, SignIn, SignInLink
from api.auth.tokens import Token
from kpi.tables import Workspace

PREFIX, LINK = "in", "link"
LIFETIME = timedelta(hours=12)
LINK_LIFETIME = timedelta(minutes=15)


async def with_key(session: AsyncSession, caller: Caller, *, secret: bytes, now: datetime) -> str:
    """Sign a browser in with a key that opens; returns its cookie."""
    key = (await session.exec(select(ApiKey.id).where(ApiKey.public_id == caller.public_id))).one()
    who = {"workspace_id": caller.workspace_id, "api_key_id": key, "rotation": caller.rotation}
    return await _begin(session, who, secret=secret, now=now)


async def as_member(
    session: AsyncSession, member: Member, *, secret: bytes, now: datetime, proof: bytes | None = None
) -> str:
    """Sign a browser in as a locked member, who is here from now on; returns its cookie.

    Raises UsedAlready when this proof has signed somebody in before.
    """
    member.state, member.last_seen_at = MemberState.ACTIVE, now
    who = {"workspace_id": member.workspace_id, "member_id": member.id, "proof": proof}
    return await _begin(session, who, secret=secret, now=now)


async def caller(session: AsyncSession, cookie: str, secret: bytes, now: datetime) -> Caller | None:
    """Who a browser's cookie stands for; None for a forged one, and for one that is over."""
    token = Token.read(PREFIX, cookie)
    row = await _find(session, token.public_id, now)
    is_right = token.fits(None if row is None else row.token_hash, secret)
    return await _who(session, row, now) if row is not None and is_right else None


async def caller_by_id(session: AsyncSession, public_id: str, now: datetime) -> Caller | None:
    """Who is signed in with a browser; None once they are no more."""
    row = await _find(session, public_id, now)
    return None if row is None else await _who(session, row, now)


async def end(session: AsyncSession, public_id: str, now: datetime) -> None:
    """Sign a browser out."""
    row = await _find(session, public_id, now)
    if row is not None:
        row.ended_at = now
        await keys.tell(session, public_id)


async def link(session: AsyncSession, member: Member, *, secret: bytes, now: datetime) -> str:
    """Make a link's token for a locked member; the one before works no more."""
    token = Token.new(LINK)
    await members.drop_links(session, member)
    session.add(
        SignInLink(
            workspace_id=member.workspace_id,
            member_id=member.id,
            public_id=token.public_id,
            token_hash=token.hashed(secret),
            created_at=now,
            ends_at=now + LINK_LIFETIME,
        )
    )
    await session.flush()
    return str(token)


async def invited(session: AsyncSession, text: str, secret: bytes, now: datetime) -> Member | None:
    """Whom a link would sign in, and leave it as it is."""
    found = await _linked(session, text, secret, now)
    return None if found is None else await session.get_one(Member, found.member_id)


async def follow(session: AsyncSession, text: str, secret: bytes, now: datetime) -> Member | None:
    """Use a link up: its member, locked, or None when it is none that works."""
    found = await _linked(session, text, secret, now)
    if found is None:
        return None
    member = await members.lock(session, found.workspace_id, found.member_id)
    taken = delete(SignInLink).where(col(SignInLink.id) == found.id).returning(col(SignInLink.id))
    return member if (await session.exec(taken)).first() is not None else None


def address(base_url: str, token: str) -> str:
    """Where a link leads."""
    return f"{base_url}/sign-in/link?token={token}"


async def _begin(session: AsyncSession, who: Mapping[str, Any], *, secret: bytes, now: datetime) -> str:
    """Keep that a browser is signed in, and forget those whose time is over."""
    over = (col(SignIn.workspace_id) == who["workspace_id"], col(SignIn.ends_at) < now - LIFETIME)
    await session.exec(delete(SignIn).where(*over))
    token = Token.new(PREFIX)
    said = {
        **who,
        "public_id": token.public_id,
        "token_hash": token.hashed(secret),
        "created_at": now,
        "ends_at": now + LIFETIME,
    }
    made = insert(SignIn).values(said).on_conflict_do_nothing(index_elements=["proof"]).returning(col(SignIn.id))
    if (await session.exec(made)).first() is None:
        raise UsedAlready
    return str(token)


async def _find(session: AsyncSession, public_id: str, now: datetime) -> SignIn | None:
    """A browser that is signed in still; its workspace is entered."""
    await arrivals.come(session, public_id)
    found = select(SignIn).where(SignIn.public_id == public_id, col(SignIn.ended_at).is_(None), SignIn.ends_at > now)
    row = (await session.exec(found)).first()
    if row is not None:
        await arrivals.enter(session, row.workspace_id)
    return row


async def _who(session: AsyncSession, row: SignIn, now: datetime) -> Caller | None:
    workspace = await session.get_one(Workspace, row.workspace_id)
    if row.member_id is not None:
        member = await session.get_one(Member, row.member_id)
        return members.as_caller(member, workspace, sign_in=row.public_id, ends_at=row.ends_at)
    key = await session.get_one(ApiKey, row.api_key_id)
    found = keys.as_caller(key, workspace, row.rotation or 0, now)
    if found is None:
        return None
    return replace(found, sign_in=row.public_id, ends_at=min(found.ends_at or row.ends_at, row.ends_at))


async def _linked(session: AsyncSession, text: str, secret: bytes, now: datetime) -> SignInLink | None:
    """A link that works; its workspace is entered."""
    token = Token.read(LINK, text)
    await arrivals.come(session, token.public_id)
    found = select(SignInLink).where(SignInLink.public_id == token.public_id, SignInLink.ends_at > now)
    row = (await session.exec(found)).first()
    if not token.fits(None if row is None else row.token_hash, secret) or row is None:
        return None
    await arrivals.enter(session, row.workspace_id)
    return row

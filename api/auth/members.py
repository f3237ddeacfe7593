"""Statements on the members of a workspace."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import update
from sqlmodel import col, delete, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.auth import arrivals, keys
from api.auth.keys import SELDOM, Caller
from api.auth.roles import SCOPES
from api.auth.tables import Member, MemberState, Role, SignIn, SignInLink
from kpi.actor import Actor
from kpi.tables import Workspace

MARK = "member-"
"""What the audit trail knows a member by begins with this, and their number follows."""

MOST_WORKSPACES = 10
"""Of one mailbox, that it is sent links to."""


async def listed(session: AsyncSession, workspace_id: int) -> list[Member]:
    """A workspace's members, those who are gone too, newest first."""
    found = select(Member).where(Member.workspace_id == workspace_id).order_by(col(Member.id).desc())
    return list(await session.exec(found))


async def members_by_id(session: AsyncSession, workspace_id: int, ids: Collection[int]) -> dict[int, Member]:
    """Members of a workspace by id; those of others are absent."""
    rows = await session.exec(select(Member).where(Member.workspace_id == workspace_id, col(Member.id).in_(ids)))
    return {row.id: row for row in rows}


async def lock(session: AsyncSession, workspace_id: int, which: int | str) -> Member | None:
    """A workspace's member by number or mailbox, locked until the transaction ends."""
    named = Member.id == which if isinstance(which, int) else Member.email == which
    mine = select(Member).where(Member.workspace_id == workspace_id, named)
    return (await session.exec(mine.with_for_update())).one_or_none()


async def lock_admins(session: AsyncSession, workspace_id: int) -> list[int]:
    """The numbers of a workspace's admins, locked in one order: of two who demote each other one finds it done."""
    admins = select(Member).where(
        Member.workspace_id == workspace_id, Member.role == Role.ADMIN, Member.state == MemberState.ACTIVE
    )
    return [row.id for row in await session.exec(admins.order_by(col(Member.id)).with_for_update())]


async def add(session: AsyncSession, *, actor: Actor, email: str, name: str, role: Role) -> Member:
    """Keep somebody new, who is invited."""
    member = Member(
        workspace_id=actor.workspace_id,
        email=email,
        name=name,
        role=role,
        state=MemberState.INVITED,
        invited_by=actor.name,
        created_at=actor.now,
    )
    session.add(member)
    await session.flush()
    return member


async def drop_links(session: AsyncSession, member: Member) -> None:
    """Let no link sign a member in any more."""
    await session.exec(delete(SignInLink).where(col(SignInLink.member_id) == member.id))


async def shut_out(session: AsyncSession, member: Member, now: datetime) -> None:
    """Sign a member out of every browser, for good: one who comes back later signs in anew."""
    await drop_links(session, member)
    theirs = (col(SignIn.member_id) == member.id, col(SignIn.ended_at).is_(None))
    await session.exec(update(SignIn).where(*theirs).values(ended_at=now))
    await tell(session, member)


async def of_person(session: AsyncSession, *, email: str, subject: str, workspace: str | None) -> Member | None:
    """The member whom an identity provider vouches for, locked and their workspace entered: where they were last seen.

    Known by their subject; by their mailbox until they first come from there, or when the provider is another now.
    """
    await arrivals.come_from_provider(session, email=email, subject=subject)
    issuer = subject.partition(" ")[0] + " "
    is_free = or_(col(Member.subject).is_(None), ~col(Member.subject).startswith(issuer, autoescape=True))
    theirs = select(Member.id, Member.workspace_id).where(
        or_(col(Member.subject) == subject, (col(Member.email) == email) & is_free),
        col(Member.state) != MemberState.REMOVED,
    )
    order = col(Member.last_seen_at).desc().nulls_last(), col(Member.id)
    for member_id, workspace_id in (await session.exec(theirs.order_by(*order))).all():
        await arrivals.enter(session, workspace_id)
        if workspace in (None, (await session.get_one(Workspace, workspace_id)).key):
            member = await lock(session, workspace_id, member_id)
            return None if member is None or member.state is MemberState.REMOVED else member
    return None


async def of_mailbox(session: AsyncSession, email: str) -> list[tuple[int, int]]:
    """The workspaces that a mailbox is a member of, and as which: those of the lowest numbers, at most."""
    await arrivals.come_by_mail(session, email)
    theirs = select(Member.workspace_id, Member.id).where(
        Member.email == email, col(Member.state) != MemberState.REMOVED
    )
    found = await session.exec(theirs.order_by(col(Member.workspace_id)).limit(MOST_WORKSPACES))
    return [(workspace_id, member_id) for workspace_id, member_id in found]


async def seen(session: AsyncSession, member_id: int, now: datetime) -> None:
    """Note that a member is here, unless that was noted lately or somebody else is at it."""
    is_stale = or_(col(Member.last_seen_at).is_(None), col(Member.last_seen_at) < now - SELDOM)
    row = select(Member.id).where(Member.id == member_id, is_stale).with_for_update(skip_locked=True)
    await session.exec(update(Member).where(col(Member.id).in_(row)).values(last_seen_at=now))


async def tell(session: AsyncSession, member: Member) -> None:
    """Say, with the commit, that a member's rights have changed."""
    await keys.tell(session, public_id(member))


def public_id(member: Member) -> str:
    """What the audit trail knows a member by."""
    return f"{MARK}{member.id}"


def as_caller(member: Member, workspace: Workspace, *, sign_in: str, ends_at: datetime) -> Caller | None:
    """A member who signed in; None for one who is gone."""
    if member.state is not MemberState.ACTIVE:
        return None
    return Caller(
        workspace_id=workspace.id,
        workspace=workspace.key,
        key_name=member.name,
        public_id=public_id(member),
        scopes=SCOPES[member.role],
        member_id=member.id,
        role=member.role,
        sign_in=sign_in,
        ends_at=ends_at,
        seen_at=member.last_seen_at,
    )

"""What admins do with the members of a workspace: each function one action in the caller's transaction.

An input with faults raises `Invalid` with all of them, an unknown member `NotFound`. Nobody gives a role that may do
what they may not, and a workspace keeps its last admin.
"""

from collections.abc import Collection

from sqlmodel.ext.asyncio.session import AsyncSession

from api.auth import members
from api.auth.keys import Scope
from api.auth.roles import SCOPES
from api.auth.tables import Member, MemberState, Role
from api.delivery import addresses
from api.delivery.errors import BadAddress
from kpi.actor import Actor
from kpi.errors import Code, NotFound, Problem, bad, refuse
from kpi.ingest import is_text

LONGEST_NAME = 200
LAST_ADMIN = "This is the last admin of the workspace: make somebody else an admin first, who has signed in."


async def invite(
    session: AsyncSession, *, actor: Actor, scopes: Collection[Scope], email: str, name: str, role: Role
) -> Member:
    """Ask somebody to come, or ask anew who has not come yet or is gone. What they were before is forgotten."""
    email, name = email.strip().lower(), name.strip()
    refuse(_email_problems(email) + _name_problems(name) + _role_problems(role, scopes))
    member = await members.lock(session, actor.workspace_id, email)
    if member is not None and member.state is MemberState.ACTIVE:
        taken = "Somebody with this address is a member already: change their role, or remove them first."
        refuse([Problem(code=Code.KEY_TAKEN, message=taken, path=("email",))])
    if member is not None:
        member.name, member.role, member.state = name, role, MemberState.INVITED
        member.invited_by, member.subject = actor.name, None
        return member
    return await members.add(session, actor=actor, email=email, name=name, role=role)


async def update(
    session: AsyncSession,
    *,
    actor: Actor,
    scopes: Collection[Scope],
    which: int | str,
    role: Role | None = None,
    name: str | None = None,
) -> Member:
    """Change a member's role or name; None leaves it as it is."""
    admins = await members.lock_admins(session, actor.workspace_id)
    member = await _locked(session, actor, which)
    new_role, new_name = role or member.role, member.name if name is None else name.strip()
    problems = _name_problems(new_name) + _state_problems(member)
    if new_role is not member.role:
        problems += _role_problems(new_role, scopes) + _last_problems(member, admins, "role")
    refuse(problems)
    member.role, member.name = new_role, new_name
    await members.tell(session, member)
    return member


async def remove(session: AsyncSession, *, actor: Actor, which: int | str) -> Member:
    """Let a member in no more: their browsers are signed out, and no link of theirs works."""
    admins = await members.lock_admins(session, actor.workspace_id)
    member = await _locked(session, actor, which)
    refuse(_state_problems(member) + _last_problems(member, admins, "id"))
    member.state = MemberState.REMOVED
    await members.shut_out(session, member, actor.now)
    return member


async def _locked(session: AsyncSession, actor: Actor, which: int | str) -> Member:
    member = await members.lock(session, actor.workspace_id, which)
    if member is None:
        raise NotFound
    return member


def _email_problems(email: str) -> list[Problem]:
    try:
        addresses.mailbox(email)
    except BadAddress as fault:
        return [bad(str(fault), "email")]
    return []


def _name_problems(name: str) -> list[Problem]:
    if name and len(name) <= LONGEST_NAME and is_text(name):
        return []
    return [bad(f"A name has 1 to {LONGEST_NAME} characters.", "name")]


def _role_problems(role: Role, scopes: Collection[Scope]) -> list[Problem]:
    missing = sorted(SCOPES[role] - set(scopes))
    if not missing:
        return []
    return [bad(f"You cannot give the role {role}: it may do what you may not ({', '.join(missing)}).", "role")]


def _state_problems(member: Member) -> list[Problem]:
    if member.state is not MemberState.REMOVED:
        return []
    return [Problem(code=Code.WRONG_STATE, message="This member is removed; invite them anew.", path=("id",))]


def _last_problems(member: Member, admins: Collection[int], path: str) -> list[Problem]:
    if set(admins) != {member.id}:
        return []
    return [Problem(code=Code.WRONG_STATE, message=LAST_ADMIN, path=(path,))]

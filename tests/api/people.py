"""Members for the tests of people, and ways to sign a browser in as one."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from api.auth import members, sign_ins
from api.auth.keys import Caller
from api.auth.roles import SCOPES
from api.auth.tables import Member, Role
from api.database import Database
from kpi.actor import Actor
from kpi.tables import Workspace
from tests.api.conftest import SECRET

OWN = {"x-truelift-page": "1", "origin": "http://truelift.test", "content-type": "application/json"}
"""What a script of our own page sends beside its cookie."""


async def invited(database: Database, workspace: Workspace, role: Role, email: str = "ada@example.org") -> Member:
    """A member who has not come yet."""
    actor = Actor(workspace_id=workspace.id, name="setup", id="setup", now=datetime.now(UTC))
    async with database.write() as session:
        return await members.add(session, actor=actor, email=email, name=email.partition("@")[0].title(), role=role)


async def linked(database: Database, member: Member, now: datetime | None = None) -> str:
    """A link's token for a member."""
    async with database.write() as session:
        row = await members.lock(session, member.workspace_id, member.id)
        assert row is not None
        return await sign_ins.link(session, row, secret=SECRET, now=now or datetime.now(UTC))


async def signed_in(database: Database, member: Member, now: datetime | None = None) -> str:
    """The cookie of a browser that is signed in as a member."""
    async with database.write() as session:
        row = await members.lock(session, member.workspace_id, member.id)
        assert row is not None
        return await sign_ins.as_member(session, row, secret=SECRET, now=now or datetime.now(UTC))


async def present(database: Database, workspace: Workspace, role: Role, email: str = "ada@example.org") -> Member:
    """A member who has signed in before."""
    member = await invited(database, workspace, role, email)
    await signed_in(database, member)
    return member


def as_member(caller: Caller, member: Member) -> Caller:
    """A caller as a member, whatever they came with."""
    return replace(
        caller,
        key_name=member.name,
        public_id=members.public_id(member),
        member_id=member.id,
        role=member.role,
        scopes=SCOPES[member.role],
    )


def faults(payload: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """What is wrong with an input, without the sentences."""
    return [(error["code"], error["path"]) for error in payload["userErrors"]]

"""`truelift member`: inviting people, giving them a link to sign in with, and removing them."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Column, Table
from sqlmodel.ext.asyncio.session import AsyncSession

from api.auth import members, membership, sign_ins
from api.auth.keys import Scope
from api.auth.tables import Member, MemberState, Role
from api.auth.tenants import DEFAULT, ensure_workspace, workspace
from api.commands.process import (
    DataDir,
    Surroundings,
    WorkspaceKey,
    as_actor,
    by_command,
    console,
    run,
    surroundings,
    told,
)
from api.database import Database, driver
from api.delivery.outside import Outside
from api.trail import chain
from kpi.actor import Actor
from kpi.errors import NotFound

app = typer.Typer(help="Invite people, let them sign in, and remove them.", no_args_is_help=True, add_completion=False)
Email = Annotated[str, typer.Argument(help="The mailbox they are known by.")]
ServedOn = Annotated[
    int | None,
    typer.Option(
        "--port", help="The port that the link leads to, as `truelift serve --port` has it.", min=1, max=65535
    ),
]
RoleName = Annotated[Role, typer.Option("--role", help="What they may do.", case_sensitive=False)]
Step = Callable[[AsyncSession, Actor], Awaitable[Member]]
EVERY = frozenset(Scope)
"""Who commands the machine lacks none."""
MISSING = "Nobody of this address is a member of the workspace; invite them with `truelift member invite`."


@app.command()
def invite(
    email: Email,
    role: RoleName,
    name: Annotated[str | None, typer.Option(help="The name of the person; the mailbox, if not said.")] = None,
    workspace: WorkspaceKey = DEFAULT,
    data_dir: DataDir = None,
    port: ServedOn = None,
) -> None:
    """Invite a person, and print a link that signs them in once, unless people sign in at an identity provider."""
    with surroundings(data_dir, port) as around:

        async def step(session: AsyncSession, actor: Actor) -> Member:
            called = name or email
            return await membership.invite(session, actor=actor, scopes=EVERY, email=email, name=called, role=role)

        has_link = around.settings.oidc_issuer is None
        printed = _run(around, workspace, "invite", step, links=has_link)
    _say(printed, f"{email} is invited as {role.lower()}. They sign in at the identity provider.")


@app.command()
def link(email: Email, workspace: WorkspaceKey = DEFAULT, data_dir: DataDir = None, port: ServedOn = None) -> None:
    """Print a link that signs a member in once, within 15 minutes."""

    async def step(session: AsyncSession, actor: Actor) -> Member:
        return await _there(session, actor, email)

    with surroundings(data_dir, port) as around:
        printed = _run(around, workspace, "link", step, links=True)
    _say(printed, "")


@app.command()
def update(email: Email, role: RoleName, workspace: WorkspaceKey = DEFAULT, data_dir: DataDir = None) -> None:
    """Give a member another role. It holds within seconds."""

    async def step(session: AsyncSession, actor: Actor) -> Member:
        which = email.strip().lower()
        return await membership.update(session, actor=actor, scopes=EVERY, which=which, role=role)

    with surroundings(data_dir) as around:
        _run(around, workspace, "update", step)
    console.print(f"{email} is {role.lower()} now.")


@app.command()
def remove(email: Email, workspace: WorkspaceKey = DEFAULT, data_dir: DataDir = None) -> None:
    """Remove a member: they are signed out everywhere within seconds."""

    async def step(session: AsyncSession, actor: Actor) -> Member:
        return await membership.remove(session, actor=actor, which=email.strip().lower())

    with surroundings(data_dir) as around:
        _run(around, workspace, "remove", step)
    console.print(f"{email} is a member no more.")


@app.command("list")
def show(workspace: WorkspaceKey = DEFAULT, data_dir: DataDir = None) -> None:
    """List the members, newest first."""
    with surroundings(data_dir) as around:
        found = run(around, lambda database: _listed(database, workspace))
    others = ("name", "role", "state", "last seen")
    table = Table(Column("e-mail", no_wrap=True), *(Column(name, overflow="fold") for name in others))
    for member in found:
        seen = member.last_seen_at.isoformat(timespec="seconds") if member.last_seen_at else ""
        table.add_row(member.email, member.name, member.role.lower(), member.state.lower(), seen)
    console.print(table)


def _run(around: Surroundings, workspace_key: str, verb: str, step: Step, *, links: bool = False) -> str | None:
    """Do something to a member; returns the address of a link, if one is wanted."""

    async def doing(database: Database) -> str | None:
        token = await told(done(database, workspace_key, verb, step, around.secret if links else None), missing=MISSING)
        return None if token is None else sign_ins.address(Outside.of(around.settings, around.secret).base_url, token)

    return run(around, doing)


async def done(database: Database, workspace_key: str, verb: str, step: Step, secret: bytes | None) -> str | None:
    """Do something to a member, with its entry in the audit trail; with a secret, returns a link's token."""
    now = datetime.now(UTC)
    async with database.write() as session:
        owner = await ensure_workspace(session, workspace_key, now)
        deed = by_command(owner.id, f"member {verb}", now)
        member = await step(session, as_actor(deed))
        token = None if secret is None else await sign_ins.link(session, member, secret=secret, now=now)
        await session.flush()
        details = {"member": members.public_id(member), "role": str(member.role)}
        await chain.append(await driver(session), replace(deed, details=details))
    return token


async def _there(session: AsyncSession, actor: Actor, email: str) -> Member:
    """A member who is not gone. Raises NotFound for one who is, or was never there."""
    member = await members.lock(session, actor.workspace_id, email.strip().lower())
    if member is None or member.state is MemberState.REMOVED:
        raise NotFound
    return member


async def _listed(database: Database, workspace_key: str) -> list[Member]:
    async with database.read() as session:
        owner = await workspace(session, workspace_key)
        return [] if owner is None else await members.listed(session, owner.id)


def _say(address: str | None, otherwise: str) -> None:
    if address is None:
        console.print(otherwise)
        return
    typer.echo(address)
    console.print("It signs them in once, within 15 minutes.")

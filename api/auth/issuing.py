"""What admins do with API keys: each function one action in the caller's transaction.

An input with faults raises `Invalid` with all of them, an unknown key `NotFound`. Nobody hands out a scope they lack:
not in a new key, and not by giving a key that has it a new secret.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from api.auth import keys
from api.auth.keys import Scope
from api.auth.tables import ApiKey
from api.auth.tokens import Token
from kpi.actor import Actor
from kpi.errors import Code, NotFound, Problem, bad, refuse
from kpi.ingest import is_text

LONGEST_NAME = 200
GRACE, MOST_GRACE = timedelta(days=1), timedelta(days=7)
"""How long the secret before works beside a new one: if not said, and at most."""


async def create(
    session: AsyncSession,
    *,
    actor: Actor,
    scopes: Collection[Scope],
    secret: bytes,
    name: str,
    wanted: Sequence[str],
    expires_at: datetime | None,
) -> tuple[ApiKey, str]:
    """Make a key with the scopes that are wanted; returns it and the key itself, which is shown this once."""
    name = name.strip()
    problems = _name_problems(name) + _scope_problems(wanted, scopes)
    if expires_at is not None and expires_at <= actor.now:
        problems.append(bad("The end lies in the past.", "expiresAt"))
    refuse(problems)
    key = await keys.create(
        session,
        workspace_id=actor.workspace_id,
        name=name,
        scopes=[Scope(scope) for scope in dict.fromkeys(wanted)],
        secret=secret,
        now=actor.now,
        by=actor.name,
        expires_at=expires_at,
    )
    return await _locked(session, actor, Token.read(keys.PREFIX, key).public_id), key


async def rotate(
    session: AsyncSession,
    *,
    actor: Actor,
    scopes: Collection[Scope],
    secret: bytes,
    which: int | str,
    grace: timedelta = GRACE,
) -> tuple[ApiKey, str]:
    """Give a key a new secret; returns it and the key itself, shown this once. The old one works for the grace."""
    row = await _locked(session, actor, which)
    problems = _state_problems(row, actor.now)
    if not timedelta(0) <= grace <= MOST_GRACE:
        problems.append(bad("The old secret works on for 0 hours to 168, which are 7 days.", "graceHours"))
    if missing := sorted(set(row.scopes) - set(scopes)):
        problems.append(bad(f"This key may do what you may not ({', '.join(missing)}).", "id"))
    refuse(problems)
    return row, await keys.rotate(session, row, secret=secret, now=actor.now, grace=grace)


async def revoke(session: AsyncSession, *, actor: Actor, which: int | str) -> ApiKey:
    """End a key at once."""
    row = await _locked(session, actor, which)
    refuse(_state_problems(row, actor.now))
    await keys.revoke(session, actor.workspace_id, row.public_id, actor.now)
    return row


async def _locked(session: AsyncSession, actor: Actor, which: int | str) -> ApiKey:
    row = await keys.lock(session, actor.workspace_id, which)
    if row is None:
        raise NotFound
    return row


def _name_problems(name: str) -> list[Problem]:
    if name and len(name) <= LONGEST_NAME and is_text(name):
        return []
    return [bad(f"A name has 1 to {LONGEST_NAME} characters.", "name")]


def _scope_problems(wanted: Sequence[str], scopes: Collection[Scope]) -> list[Problem]:
    if not wanted:
        return [bad(f"Say what the key may do: {', '.join(Scope)}.", "scopes")]
    found = [(place, _scope_fault(scope, scopes)) for place, scope in enumerate(wanted)]
    return [bad(fault, "scopes", str(place)) for place, fault in found if fault is not None]


def _scope_fault(scope: str, scopes: Collection[Scope]) -> str | None:
    if scope not in set(Scope):
        return f"There is no such scope; there are {', '.join(Scope)}."
    return None if scope in scopes else f"You cannot grant the scope “{scope}”: you have not got it yourself."


def _state_problems(row: ApiKey, now: datetime) -> list[Problem]:
    if not keys.is_over(row, now):
        return []
    return [Problem(code=Code.WRONG_STATE, message="This key works no more; make another.", path=("id",))]

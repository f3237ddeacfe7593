"""Who is asking: the one place where doors find out, by a key or by a browser's cookie.

That a key or a member was seen is noted here too, once an hour.
"""

import logging
from datetime import UTC, datetime

import asyncpg

from api.auth import keys, members, sign_ins
from api.auth.keys import SELDOM, Caller
from api.database import CLIENT_FAULTS, Database

log = logging.getLogger("truelift.callers")
RECHECK_SECONDS = 60.0
"""How often who listens for long is looked up again while nothing is told of them."""
SOONEST = 0.05
"""Seconds between looking at somebody whose time is just up and looking again."""


async def by_key(database: Database, key: str | None, secret: bytes) -> Caller | None:
    """Whose key this is; None for one that does not work."""
    now = datetime.now(UTC)
    if key is None:
        return None
    async with database.read() as session:
        found = await keys.caller(session, key, secret, now)
    return await _noted(database, found, now)


async def by_cookie(database: Database, cookie: str | None, secret: bytes) -> Caller | None:
    """Who is signed in with a browser; None when nobody is."""
    now = datetime.now(UTC)
    if not cookie:
        return None
    async with database.read() as session:
        found = await sign_ins.caller(session, cookie, secret, now)
    return await _noted(database, found, now)


async def again(database: Database, caller: Caller) -> Caller | None:
    """Somebody as they are now; None once what they came with works no more, or lets them do other things."""
    now = datetime.now(UTC)
    async with database.read() as session:
        if caller.sign_in is not None:
            found = await sign_ins.caller_by_id(session, caller.sign_in, now)
        else:
            found = await keys.caller_by_id(session, caller.public_id, caller.rotation, now)
    return found if found is not None and found.scopes == caller.scopes else None


def patience(caller: Caller) -> float:
    """For how many seconds somebody who listens need not be looked up again."""
    return max(SOONEST, min(RECHECK_SECONDS, caller.lasts(datetime.now(UTC))))


def is_over(caller: Caller) -> bool:
    """Whether what somebody came with is known to hold no longer."""
    return caller.lasts(datetime.now(UTC)) <= 0


async def _noted(database: Database, caller: Caller | None, now: datetime) -> Caller | None:
    """Note that somebody is here. A database that can only be read is no reason to turn them away."""
    if caller is None or (caller.seen_at is not None and now - caller.seen_at < SELDOM):
        return caller
    try:
        async with database.of(caller.workspace_id).write() as session:
            if caller.member_id is not None:
                await members.seen(session, caller.member_id, now)
            else:
                await keys.used(session, caller.public_id, now)
    except (*CLIENT_FAULTS, asyncpg.PostgresError) as fault:
        log.warning("That somebody was seen is not noted (%s).", type(fault).__name__)
    return caller

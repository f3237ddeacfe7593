"""Inputs that may be sent again: the key they come with, and how what came of them before is answered."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

import asyncpg
import msgspec
import strawberry
from sqlalchemy import inspect
from sqlmodel.ext.asyncio.session import AsyncSession

from api.graphql import inputs
from api.graphql.errors import Ended
from api.replies import keeping
from api.replies.keeping import Found, Keyed
from api.trail.entry import canonical
from kpi.errors import Code, Invalid, Problem
from kpi.ingest import Report
from kpi.tables import Workspace

FIELD = "idempotencyKey"
LONGEST_KEY = 200


@strawberry.input
class Repeatable:
    """An input that may be sent again."""

    idempotency_key: str | None = strawberry.field(
        description="A text of yours, such as a UUID, 200 characters at most. Sent again with the same input within "
        "three days, nothing is done twice and the answer is the same; with another input it is refused.",
        default=None,
    )

    def said(self) -> dict[str, Any]:
        """What the input says, without the key it came with and without what it leaves as it is."""
        said = inputs.said(self)
        del said["idempotency_key"]
        return said


def keyed(context: Any, info: Any) -> Keyed | None:
    """What the running mutation was sent under; None without a key. Raises Invalid."""
    said = inputs.given(context, info)
    key = said.get(FIELD)
    if key is None:
        return None
    if not 1 <= len(key) <= LONGEST_KEY:
        raise _refused(Code.BAD_USER_INPUT, f"The key has 1 to {LONGEST_KEY} characters.")
    return Keyed(
        workspace_id=context.caller.workspace_id,
        key=key,
        action=info.field_name,
        input_hash=hmac.digest(context.outside.secret, canonical(said), "sha256").hex(),
    )


async def claim(session: AsyncSession, connection: asyncpg.Connection, keyed: Keyed, now: datetime) -> None:
    """Claim the key of what makes or changes a node. Raises Ended with the node as it is now, and Invalid."""
    found = await keeping.claim(connection, keyed, now)
    if found is not None:
        _same(found)
        raise Ended(found.node_type and await session.get(_model(found.node_type), found.node_id))


async def once(
    context: Any, info: Any, connection: asyncpg.Connection, take_in: Callable[[], Awaitable[Report]]
) -> Report:
    """Take a batch in, or say what became of it before. Raises Invalid."""
    batch = keyed(context, info)
    if batch is None:
        return await take_in()
    found = await keeping.claim(connection, batch, context.now)
    if found is not None:
        _same(found)
        return msgspec.convert(found.report, Report)
    report = await take_in()
    await keeping.keep_report(connection, batch, asdict(report))
    return report


def _same(found: Found) -> None:
    if not found.is_same:
        raise _refused(Code.IDEMPOTENCY_MISMATCH, "Another input was sent under this key.")


def _refused(code: Code, sentence: str) -> Invalid:
    return Invalid([Problem(code=code, message=sentence, path=(FIELD,))])


def _model(noun: str) -> Any:
    return next(one.class_ for one in inspect(Workspace).registry.mappers if one.class_.__name__ == noun)

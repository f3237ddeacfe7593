"""A workspace's settings: how long raw rows are kept, whether unit ids are hidden, what experiments ask for."""

import secrets
from collections.abc import Mapping
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import queries, storage
from kpi.errors import Code, Invalid, Problem
from kpi.gate import SECRET_BYTES
from kpi.tables import Workspace

LONGEST_RETENTION = 36_500


async def workspace_by_id(session: AsyncSession, workspace_id: int) -> Workspace:
    """A workspace that is there, as the caller's own is."""
    return await session.get_one(Workspace, workspace_id)


async def update(session: AsyncSession, *, workspace_id: int, given: Mapping[str, Any]) -> Workspace:
    """Change what is given: `retention_days` (None for ever), `hashes_units`, and what asks for other people or rules.

    These are `needs_second_person` and `requires_protocol`. `opens_reviews` is whether reviews open by themselves.
    Raises Invalid.

    Whether units are hidden is settled before the first row: later, one unit would become two.
    """
    workspace = await queries.lock_workspace(session, workspace_id)
    problems = _retention_problems(given.get("retention_days"))
    hashes = given.get("hashes_units", workspace.hashes_units)
    if hashes is None:
        problems.append(_problem(Code.BAD_USER_INPUT, "hashesUnits is true or false.", "hashesUnits"))
    elif hashes != workspace.hashes_units and await storage.has_batches(session, workspace_id):
        sentence = "Rows have come in already: how units are stored is settled before the first of them."
        problems.append(_problem(Code.WRONG_STATE, sentence, "hashesUnits"))
    second = given.get("needs_second_person", workspace.needs_second_person)
    if second is None:
        problems.append(_problem(Code.BAD_USER_INPUT, "needsSecondPerson is true or false.", "needsSecondPerson"))
    requires = given.get("requires_protocol", workspace.requires_protocol)
    if requires is None:
        problems.append(_problem(Code.BAD_USER_INPUT, "requiresProtocol is true or false.", "requiresProtocol"))
    opens = given.get("opens_reviews", workspace.opens_reviews)
    if opens is None:
        problems.append(_problem(Code.BAD_USER_INPUT, "opensReviews is true or false.", "opensReviews"))
    if problems:
        raise Invalid(problems)
    workspace.opens_reviews = opens
    workspace.requires_protocol = requires
    workspace.needs_second_person = second
    workspace.retention_days = given.get("retention_days", workspace.retention_days)
    if hashes != workspace.hashes_units:
        workspace.unit_secret = secrets.token_bytes(SECRET_BYTES) if hashes else None
    return workspace


def _retention_problems(days: int | None) -> list[Problem]:
    if days is None or 1 <= days <= LONGEST_RETENTION:
        return []
    sentence = f"Rows are kept for 1 to {LONGEST_RETENTION:,} days, or for ever (null); {days} is neither."
    return [_problem(Code.BAD_USER_INPUT, sentence, "retentionDays")]


def _problem(code: Code, message: str, field: str) -> Problem:
    return Problem(code=code, message=message, path=(field,))

"""What a new definition would have said of the past: derived under a number of its own, and rolled back."""

from datetime import date

import asyncpg
from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import kinds, storage
from kpi.history import values
from kpi.history.derivation import Derivation
from kpi.history.entry import Entry
from kpi.history.measured import events_of
from kpi.history.periods import DAY
from kpi.history.sums import Sums
from kpi.tables import Definition, Kpi

LONGEST = 366
"""Days of entry that a preview is of: somebody waits for it."""
SECONDS = 20


async def preview(
    connection: asyncpg.Connection,
    session: AsyncSession,
    *,
    kpi: Kpi,
    definition: Definition,
    entry: Entry,
    first: date,
    through: date,
) -> Sums:
    """The cohorts from a day on as a definition that is not stored would count them.

    `connection` is the one under the session, whose transaction must be rolled back.
    """
    await connection.execute(f"SET LOCAL statement_timeout = '{SECONDS}s'")
    session.add(definition)
    await session.flush()
    kind = kinds.decode(definition.kind, definition.parameters)
    derivation = Derivation(
        definition_id=definition.id,
        workspace_id=kpi.workspace_id,
        unit=kpi.unit,
        kind=kind,
        entry=entry,
        segments=(),
        numbers=await storage.event_numbers(connection, kpi.workspace_id, events_of(kind, entry)),
        first=first,
        began=first,
        through=through,
    )
    for statement, arguments in derivation.statements():
        await connection.execute(statement, *arguments)
    wanted = values.Asked(
        definition_id=definition.id, kind=kind, entry=entry, through=through, first=first, last=through - DAY
    )
    return (await values.read(session, [wanted]))[wanted]

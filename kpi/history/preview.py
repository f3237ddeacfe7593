"""What a new definition would have said of the past: derived beside the stored sums, and forgotten after the answer.

The tables of sums are made anew for the transaction under the same names, where Postgres looks first; so the statements
are those that fill the real ones.
"""

from datetime import date

import asyncpg
from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import storage
from kpi.history import values
from kpi.history.derivation import TABLES, Derivation
from kpi.history.entry import Entry
from kpi.history.measured import events_of
from kpi.history.periods import DAY
from kpi.history.sums import Sums
from kpi.kinds import Kind
from kpi.tables import Kpi

LONGEST = 366
"""Days of entry that a preview is of: somebody waits for it."""
SECONDS = 20
NOBODYS = 0
"""The number of a definition that is not stored."""
SHADOW = "CREATE TEMP TABLE {table} (LIKE {table} INCLUDING DEFAULTS) ON COMMIT DROP"


async def preview(
    connection: asyncpg.Connection,
    session: AsyncSession,
    *,
    kpi: Kpi,
    definition: Kind,
    entry: Entry,
    first: date,
    through: date,
) -> Sums:
    """The cohorts from a day on as this definition would count them, in a transaction that is thrown away.

    `connection` is the one under the session.
    """
    await connection.execute(f"SET LOCAL statement_timeout = '{SECONDS}s'")
    for table in TABLES:
        await connection.execute(SHADOW.format(table=table))
    derivation = Derivation(
        definition_id=NOBODYS,
        workspace_id=kpi.workspace_id,
        unit=kpi.unit,
        kind=definition,
        entry=entry,
        segments=(),
        numbers=await storage.event_numbers(connection, kpi.workspace_id, events_of(definition, entry)),
        first=first,
        began=first,
        through=through,
    )
    for statement, arguments in derivation.statements():
        await connection.execute(statement, *arguments)
    return await values.read(session, NOBODYS, definition, entry, through=through, first=first, last=through - DAY)

"""What a definition's history reads, as a row that says so."""

from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import kinds
from kpi.history import entry as entries
from kpi.history.tables import History
from kpi.ingest import EARLIEST
from kpi.tables import Definition, Kpi


def history(kpi: Kpi, definition: Definition) -> History | None:
    """The row that has a definition's history kept; None where it says nothing of whom it counts."""
    entry, kind = entries.decode(definition.entry), kinds.decode(definition.kind, definition.parameters)
    if entry is None:
        return None
    return History(
        definition_id=definition.id,
        workspace_id=kpi.workspace_id,
        events=events_of(kind, entry),
        reach=reach(kind, entry),
    )


def events_of(kind: kinds.Kind, entry: entries.Entry) -> list[str]:
    """The names of the events that a history reads."""
    return sorted({*kind.events, *(name for name in (entry.event, entry.among) if name)})


async def derive_anew(session: AsyncSession, definition_id: int) -> None:
    """Have a definition's history derived anew, as when it is sliced by other traits."""
    history = await session.get(History, definition_id)
    if history is not None and history.through is not None:
        history.stale_from = EARLIEST.date()


def reach(kind: kinds.Kind, entry: entries.Entry) -> int:
    """How many days before an outcome a cohort may be that it changes: none where a period's window ends with it."""
    return 0 if entry.every is not None else kind.window[1] + 1

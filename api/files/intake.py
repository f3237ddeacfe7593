"""A file's batches on their way in: the same functions as every other door, and what they said of each row."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import asyncpg

from api.files.reading import Batch
from api.files.rejects import Reject
from api.jobs.tables import Noun
from experiments import exposures
from experiments.aggregation import warehouse
from kpi import events, memberships, traits
from kpi.gate import NOBODY, Omission
from kpi.ingest import Report, kept_text

INGEST: dict[Noun, Callable[..., Awaitable[Report]]] = {
    Noun.EXPOSURES: exposures.ingest,
    Noun.OUTCOMES: events.ingest,
    Noun.AGGREGATES: warehouse.ingest,
    Noun.MEMBERSHIPS: memberships.ingest,
    Noun.TRAITS: traits.ingest,
}


async def take_in(
    connection: asyncpg.Connection,
    *,
    workspace_id: int,
    noun: Noun,
    batch: Batch,
    now: datetime,
    without: Omission = NOBODY,
) -> Report:
    """Take a batch in, in the caller's transaction; what is aggregated is of no one unit that could be left out."""
    of_units = {} if noun is Noun.AGGREGATES else {"without": without}
    return await INGEST[noun](connection, workspace_id=workspace_id, rows=batch.rows, now=now, lax=True, **of_units)


def refused(batch: Batch, report: Report) -> list[Reject]:
    """The rows of a batch that were read and then refused."""
    return [
        Reject(
            line=batch.lines[refusal.index],
            code=refusal.code,
            message=refusal.message,
            path=refusal.path,
            raw=kept_text(batch.rows[refusal.index]),
        )
        for refusal in report.refusals
    ]

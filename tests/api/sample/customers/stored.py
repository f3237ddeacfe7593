"""Customers in Postgres, as the doors take their rows in."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time
from itertools import islice
from typing import Any

from api.database import Database
from api.sample.customers import Clientele
from api.sample.rows import customer_memberships, customer_outcomes, customer_traits
from kpi import events, memberships, traits
from kpi.tables import Workspace
from tests.api.sample.conftest import TODAY

NOW = datetime.combine(TODAY, time(), UTC)


async def taken_in(database: Database, workspace: Workspace, drawn: Clientele) -> None:
    """Take in all rows of some customers; none is a duplicate, none is rejected."""
    await _take(database, workspace, events.ingest, customer_outcomes(drawn))
    await _take(database, workspace, memberships.ingest, customer_memberships(drawn))
    await _take(database, workspace, traits.ingest, customer_traits(drawn))


async def _take(
    database: Database, workspace: Workspace, ingest: Callable[..., Any], rows: Iterator[dict[str, Any]]
) -> None:
    while batch := list(islice(rows, 20_000)):
        async with database.raw() as connection:
            report = await ingest(connection, workspace_id=workspace.id, rows=batch, now=NOW)
        assert len(report.accepted) == len(batch)

"""Letting the status of hypotheses follow their experiments: one transaction for each hypothesis with news."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.database import Database, driver
from experiments import queries
from experiments.enums import Cause
from experiments.programme import weighing


async def weigh_due(database: Database) -> list[int]:
    """Settle the status of every hypothesis with news; returns the experiments that brought them. Safe to run twice.

    A refresh is marked as known in the transaction that settles the status, so a crash in between means it is done
    again. Of several at once the last one counts as what brought a change.
    """
    async with database.raw() as connection:
        due = await queries.unweighed(connection)
    for hypothesis_id in dict.fromkeys(row["hypothesis_id"] for row in due):
        await _settle(database, [row for row in due if row["hypothesis_id"] == hypothesis_id])
    return [row["id"] for row in due]


async def _settle(database: Database, refreshes: Sequence[Mapping[str, Any]]) -> None:
    last = refreshes[-1]
    async with database.write() as session:
        connection = await driver(session)
        experiment = (await queries.experiments_by_id(session, last["workspace_id"], [last["id"]]))[last["id"]]
        now = await queries.clock(connection)
        await weighing.weigh(session, connection, experiment=experiment, cause=Cause.REFRESH, now=now)
        for row in refreshes:
            await queries.note_weighed(connection, row["id"], row["computed_at"])

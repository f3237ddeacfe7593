"""Letting the status of hypotheses follow their experiments: one transaction for each hypothesis with news."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from api.database import Database, driver
from api.jobs.faults import each, is_pausing
from experiments import queries
from experiments.enums import Cause, Duty
from experiments.programme import weighing


async def weigh_due(database: Database) -> list[int]:
    """Settle the status of every hypothesis with news; returns the experiments that brought them. Safe to run twice.

    A refresh is marked as known in the transaction that settles the status, so a crash in between means it is done
    again. Of several at once the last one counts as what brought a change. A hypothesis whose evidence could not be
    weighed rests with all that is news to it.
    """
    async with database.raw() as connection:
        found = await queries.unweighed(connection)
        now = await queries.clock(connection)
    by_hypothesis: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in found:
        by_hypothesis[row["hypothesis_id"]].append(row)
    due = [rows for rows in by_hypothesis.values() if not any(is_pausing(row, now) for row in rows)]
    await each(database, Duty.EVIDENCE, {rows[-1]["id"]: partial(_settle, database, rows) for rows in due})
    return [row["id"] for rows in due for row in rows]


async def _settle(database: Database, refreshes: Sequence[Mapping[str, Any]]) -> None:
    last = refreshes[-1]
    async with database.duty() as session:
        connection = await driver(session)
        experiment = (await queries.experiments_by_id(session, last["workspace_id"], [last["id"]]))[last["id"]]
        now = await queries.clock(connection)
        await weighing.weigh(session, connection, experiment=experiment, cause=Cause.REFRESH, now=now)
        for row in refreshes:
            await queries.note_weighed(connection, row["id"], row["computed_at"])
            await queries.clear_fault(connection, row["id"], Duty.EVIDENCE)

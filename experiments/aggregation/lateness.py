"""The entry days that rows belong to of which nobody knew when the days were derived."""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time

import asyncpg

from experiments.aggregation import covariates
from experiments.aggregation.actors import outcomes_with_unit
from experiments.aggregation.slices import NONE, Changes, Days, merged
from experiments.inference.cohorts import decode
from experiments.planning.plan import Plan

OUTCOMES = """
SELECT DISTINCT (x.exposed_at AT TIME ZONE 'UTC')::date AS day
FROM {acted} JOIN exposures x ON x.experiment_id = $1 AND x.unit = acted.unit
WHERE o.ingest_id BETWEEN $2 AND $3 AND o.ingest_id = ANY($4::bigint[]) AND o.event_id = ANY($5::int[])
    AND o.occurred_at < $6 AND o.occurred_at >= x.exposed_at - make_interval(hours => 24 * $8::int)
    AND o.occurred_at < x.exposed_at + make_interval(hours => 24 * $7::int)
"""
"""The units that did something before the last midnight."""
MEMBERSHIPS = """
SELECT DISTINCT (x.exposed_at AT TIME ZONE 'UTC')::date AS day
FROM memberships m JOIN exposures x ON x.experiment_id = $1 AND x.unit = m.account
WHERE m.workspace_id = $2 AND m.ingest_id = ANY($3::bigint[])
"""
"""The accounts that somebody joined, or left: then the end of the membership before came with the same batch."""


async def late_days(
    connection: asyncpg.Connection,
    plan: Plan,
    changes: Changes,
    *,
    experiment_id: int,
    workspace_id: int,
    events: Collection[int],
    before: date | None,
) -> Days:
    """The entry days that these changes reach back to, with the last midnight of the refresh before."""
    if before is None:
        return NONE
    return merged(
        [
            await _of_outcomes(connection, plan, changes.outcomes, experiment_id, workspace_id, events, before),
            await _of_memberships(connection, changes.memberships, experiment_id, workspace_id),
        ]
    )


async def _of_outcomes(
    connection: asyncpg.Connection,
    plan: Plan,
    batches: Sequence[int],
    experiment_id: int,
    workspace_id: int,
    events: Collection[int],
    before: date,
) -> Days:
    if not batches:
        return NONE
    acted = outcomes_with_unit(plan.unit, workspace_id=workspace_id, experiment_id=experiment_id)
    rows = await connection.fetch(
        OUTCOMES.format(acted=acted),
        experiment_id,
        min(batches),
        max(batches),
        list(batches),
        list(events),
        datetime.combine(before, time(tzinfo=UTC)),
        max(decode(planned).window[1] for planned in plan.kpis),
        covariates.longest(plan.kpis),
    )
    return frozenset(row["day"] for row in rows)


async def _of_memberships(
    connection: asyncpg.Connection, batches: Sequence[int], experiment_id: int, workspace_id: int
) -> Days:
    if not batches:
        return NONE
    rows = await connection.fetch(MEMBERSHIPS, experiment_id, workspace_id, list(batches))
    return frozenset(row["day"] for row in rows)

"""Every statement of the experiments package but the aggregates' own. Each names the workspace it reads."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import asyncpg
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments.tables import Experiment, Refresh, Variant
from kpi.ingest import is_text
from kpi.tables import Ingest


async def experiment_by_key(session: AsyncSession, workspace_id: int, key: str) -> Experiment | None:
    """One experiment of a workspace."""
    if not is_text(key):
        return None
    found = select(Experiment).where(Experiment.workspace_id == workspace_id, Experiment.key == key)
    return (await session.exec(found)).first()


async def experiments_by_id(session: AsyncSession, workspace_id: int, ids: Collection[int]) -> dict[int, Experiment]:
    """Experiments of a workspace by id; those of others are absent."""
    found = select(Experiment).where(Experiment.workspace_id == workspace_id, col(Experiment.id).in_(ids))
    return {row.id: row for row in await session.exec(found)}


async def started_experiments(session: AsyncSession, workspace_id: int) -> list[Experiment]:
    """The experiments of a workspace that have started, in order of key."""
    found = select(Experiment).where(Experiment.workspace_id == workspace_id, col(Experiment.started_at).is_not(None))
    return list(await session.exec(found.order_by(Experiment.key)))


async def lock_experiment(session: AsyncSession, workspace_id: int, experiment_id: int) -> Experiment | None:
    """One experiment, locked until the transaction ends, so that two people cannot move it at once."""
    found = select(Experiment).where(Experiment.workspace_id == workspace_id, Experiment.id == experiment_id)
    return (await session.exec(found.with_for_update())).first()


async def variants_of(session: AsyncSession, experiment_ids: Collection[int]) -> dict[int, list[Variant]]:
    """Variants by experiment id, the control first, then as registered."""
    found = select(Variant).where(col(Variant.experiment_id).in_(experiment_ids))
    rows = await session.exec(found.order_by(col(Variant.is_control).desc(), col(Variant.id)))
    grouped: dict[int, list[Variant]] = {identity: [] for identity in experiment_ids}
    for row in rows:
        grouped[row.experiment_id].append(row)
    return grouped


async def outdate(session: AsyncSession, experiment: Experiment, now: datetime) -> None:
    """Have all aggregates of an experiment derived anew: what they rest on has changed."""
    session.add(
        Ingest(
            workspace_id=experiment.workspace_id,
            noun="experiments",
            accepted=0,
            duplicates=0,
            rejected=0,
            touched=[experiment.id],
            days=None,
            earliest_at=None,
            is_pending=True,
            received_at=now,
        )
    )
    await session.exec(select(func.pg_notify("truelift_ingested", str(experiment.workspace_id))))


async def refreshes_of(session: AsyncSession, experiment_ids: Collection[int]) -> dict[int, Refresh]:
    """The last refresh of each experiment that has had one."""
    rows = await session.exec(select(Refresh).where(col(Refresh.experiment_id).in_(experiment_ids)))
    return {row.experiment_id: row for row in rows}


# --- ingestion -------------------------------------------------------------------------------------------------------


async def enrolments(connection: asyncpg.Connection, workspace_id: int, keys: Collection[str]) -> list[asyncpg.Record]:
    """What an exposure must fit: a row per variant of the named experiments, with the experiment's enrolment time."""
    return list(
        await connection.fetch(
            "SELECT e.key, e.id, e.started_at, e.stopped_at, v.key AS variant, v.id AS variant_id"
            " FROM experiments e JOIN variants v ON v.experiment_id = e.id"
            " WHERE e.workspace_id = $1 AND e.key = ANY($2::text[])",
            workspace_id,
            list(keys),
        )
    )


FOLD_EXPOSURES = """
INSERT INTO exposures AS kept (experiment_id, unit, variant_id, exposed_at, crossed_at, attributes)
SELECT * FROM unnest($1::int[], $2::text[], $3::int[], $4::timestamptz[], $5::timestamptz[], $6::jsonb[])
ON CONFLICT (experiment_id, unit) DO UPDATE SET
    variant_id = CASE WHEN {earlier} THEN excluded.variant_id ELSE kept.variant_id END,
    exposed_at = least(kept.exposed_at, excluded.exposed_at),
    attributes = CASE WHEN {earlier} THEN excluded.attributes ELSE kept.attributes END,
    moved_from = (kept.exposed_at AT TIME ZONE 'UTC')::date,
    crossed_at = CASE
        WHEN excluded.variant_id = kept.variant_id THEN least(kept.crossed_at, excluded.crossed_at)
        WHEN {earlier} THEN least(kept.exposed_at, excluded.crossed_at)
        ELSE least(kept.crossed_at, excluded.exposed_at)
    END
WHERE {earlier}
    OR least(kept.crossed_at, excluded.crossed_at) IS DISTINCT FROM kept.crossed_at
    OR (excluded.variant_id <> kept.variant_id AND (kept.crossed_at IS NULL OR excluded.exposed_at < kept.crossed_at))
RETURNING experiment_id, unit, (exposed_at AT TIME ZONE 'UTC')::date AS entered_on, moved_from
""".format(earlier="(excluded.exposed_at, excluded.variant_id) < (kept.exposed_at, kept.variant_id)")
"""First exposure wins whatever the order of arrival; another variant leaves the time the unit crossed over.

Equal times are settled by the variant's number, so that the outcome never depends on who came first."""


async def fold_exposures(
    connection: asyncpg.Connection, columns: Sequence[Sequence[object]]
) -> dict[tuple[int, str], set[date]]:
    """Fold exposures, one per (experiment, unit), into what is stored; returns the entry days that each change touched.

    A pair that changed nothing is absent; one that moved names the day it left as well.
    """
    rows = await connection.fetch(FOLD_EXPOSURES, *columns)
    return {
        (row["experiment_id"], row["unit"]): {row["entered_on"], row["moved_from"] or row["entered_on"]} for row in rows
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPlan:
    """An experiment's plan document and the workspace it belongs to."""

    workspace_id: int
    document: dict[str, Any]


async def sealed_plan(connection: asyncpg.Connection, experiment_id: int) -> SealedPlan:
    """The plan of a started experiment."""
    row = await connection.fetchrow("SELECT workspace_id, plan FROM experiments WHERE id = $1", experiment_id)
    return SealedPlan(workspace_id=row["workspace_id"], document=row["plan"])


async def behind(connection: asyncpg.Connection, workspaces: Collection[int], day: datetime) -> list[asyncpg.Record]:
    """Started experiments of workspaces with changes, and those that no refresh has taken to this midnight.

    Each with its last refresh, the last failure since, and the numbers of its events.
    """
    return list(
        await connection.fetch(
            """
            SELECT e.id, e.workspace_id, r.data_through, f.failed_at, ARRAY(
                SELECT v.id FROM events v
                WHERE v.workspace_id = e.workspace_id AND e.plan -> 'events' @> to_jsonb(v.name)
            ) AS events
            FROM experiments e LEFT JOIN refreshes r ON r.experiment_id = e.id
                LEFT JOIN refresh_faults f ON f.experiment_id = e.id
            WHERE e.started_at IS NOT NULL
                AND (e.workspace_id = ANY($1::int[]) OR r.data_through IS NULL OR r.data_through < $2)
            ORDER BY e.id
            """,
            list(workspaces),
            day,
        )
    )


async def note_fault(connection: asyncpg.Connection, experiment_id: int, message: str, now: datetime) -> None:
    """Remember that a refresh failed, so that the next one derives everything anew."""
    await connection.execute(
        "INSERT INTO refresh_faults (experiment_id, failed_at, message) VALUES ($1, $2, $3)"
        " ON CONFLICT (experiment_id) DO UPDATE SET failed_at = excluded.failed_at, message = excluded.message",
        experiment_id,
        now,
        message,
    )


async def clear_fault(connection: asyncpg.Connection, experiment_id: int) -> None:
    """A refresh succeeded."""
    await connection.execute("DELETE FROM refresh_faults WHERE experiment_id = $1", experiment_id)

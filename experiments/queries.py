"""Statements on experiments and their refreshes. Each names the workspace it reads."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import asyncpg
from sqlalchemy import ColumnElement
from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments.enums import Duty
from experiments.tables import (
    DayMoments,
    Decision,
    EntryCount,
    Experiment,
    ExperimentKpi,
    Refresh,
    Rehearsal,
    StatusChange,
    Variant,
)
from kpi.enums import Unit
from kpi.ingest import is_text
from kpi.tables import Definition, Ingest, Kpi


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


async def all_experiments(session: AsyncSession, workspace_id: int) -> list[Experiment]:
    """The experiments of a workspace in order of key, whatever state they are in."""
    found = select(Experiment).where(Experiment.workspace_id == workspace_id)
    return list(await session.exec(found.order_by(Experiment.key)))


async def last_decided(session: AsyncSession) -> dict[int, datetime]:
    """When the last decision of each workspace was recorded; those without one are absent."""
    last = select(Decision.workspace_id, func.max(Decision.created_at)).group_by(col(Decision.workspace_id))
    return {workspace_id: at for workspace_id, at in await session.exec(last)}  # noqa: C416 - a result has keys of its own


async def experiments_on(session: AsyncSession, hypothesis_id: int) -> list[Experiment]:
    """The experiments on a hypothesis that have started, in order of key."""
    found = select(Experiment).where(Experiment.hypothesis_id == hypothesis_id, col(Experiment.started_at).is_not(None))
    return list(await session.exec(found.order_by(Experiment.key)))


def measures() -> ColumnElement[bool]:
    """Which KPIs an experiment's plan measures: rows of both."""
    return col(ExperimentKpi.experiment_id) == col(Experiment.id)


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


async def forget_covariates(session: AsyncSession, experiment_id: int, definition_ids: Collection[int]) -> None:
    """Drop the sums of covariates that no plan names any more, also of days that nothing derives anew."""
    of = col(DayMoments.experiment_id) == experiment_id
    nothing = {"mean_x": None, "m2_x": None, "c_xy": None, "missing": None}
    await session.exec(
        update(DayMoments).where(of, col(DayMoments.definition_id).in_(definition_ids)).values(**nothing)
    )


async def hold_layer(session: AsyncSession, workspace_id: int) -> None:
    """Let one experiment of a workspace at a time take its share of a layer, until the transaction ends."""
    await session.exec(select(func.pg_advisory_xact_lock(func.hashtext("layer"), workspace_id)))


async def entered_by_day(session: AsyncSession, experiment_ids: Collection[int]) -> dict[int, dict[date, int]]:
    """Units of everybody that entered experiments by day, crossovers left out."""
    place = col(EntryCount.experiment_id), col(EntryCount.entered_on)
    counted = select(*place, func.sum(EntryCount.n)).where(place[0].in_(experiment_ids), EntryCount.segment == "")
    found: dict[int, dict[date, int]] = {}
    for experiment_id, day, n in await session.exec(counted.group_by(*place)):
        found.setdefault(experiment_id, {})[day] = n
    return found


async def rehearsals_of(
    session: AsyncSession, workspace_id: int, kpis: Collection[str]
) -> list[tuple[Rehearsal, str, int, str]]:
    """What splits showed for some KPIs of a workspace: with the KPI's key and version, and whose units were split."""
    found = (
        select(Rehearsal, Kpi.key, Definition.version, Experiment.key)
        .join(Definition, col(Definition.id) == Rehearsal.definition_id)
        .join(Kpi, col(Kpi.id) == Definition.kpi_id)
        .join(Experiment, col(Experiment.id) == Rehearsal.experiment_id)
        .where(Kpi.workspace_id == workspace_id, Experiment.workspace_id == workspace_id, col(Kpi.key).in_(kpis))
    )
    return list(await session.exec(found))


async def refreshes_of(session: AsyncSession, experiment_ids: Collection[int]) -> dict[int, Refresh]:
    """The last refresh of each experiment that has had one."""
    rows = await session.exec(select(Refresh).where(col(Refresh.experiment_id).in_(experiment_ids)))
    return {row.experiment_id: row for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accrual:
    """How many units entered an experiment on these whole UTC days, both ends included."""

    experiment_id: int
    from_on: date
    to_on: date
    units: int


ACCRUAL = """
WITH days AS (
    SELECT e.id, e.started_at, c.entered_on, sum(c.n + c.crossovers) AS units
    FROM experiments e JOIN refreshes r ON r.experiment_id = e.id JOIN entry_counts c ON c.experiment_id = e.id
    WHERE e.workspace_id = $1 AND e.unit = $2 AND c.segment = ''
        AND c.entered_on < (r.data_through AT TIME ZONE 'UTC')::date
    GROUP BY e.id, c.entered_on
), latest AS (
    SELECT id, min(entered_on) AS first, max(entered_on) AS to_on FROM days
    GROUP BY id ORDER BY max(started_at) DESC, id DESC LIMIT 1
)
SELECT id, greatest(l.first, l.to_on - $3::int + 1) AS from_on, l.to_on, sum(d.units)::bigint AS units
FROM latest l JOIN days d USING (id) WHERE d.entered_on > l.to_on - $3::int
GROUP BY id, l.first, l.to_on
"""


async def accrual(connection: asyncpg.Connection, workspace_id: int, unit: Unit, days: int) -> Accrual | None:
    """The last days on which units of this type entered the latest experiment that has some; None without one."""
    row = await connection.fetchrow(ACCRUAL, workspace_id, unit.value, days)
    if row is None or not row["units"]:
        return None
    return Accrual(experiment_id=row["id"], from_on=row["from_on"], to_on=row["to_on"], units=row["units"])


async def status_changes_of(session: AsyncSession, hypothesis_ids: Collection[int]) -> dict[int, list[StatusChange]]:
    """How the status of hypotheses changed, the first change first; the last one holds."""
    found = select(StatusChange).where(col(StatusChange.hypothesis_id).in_(hypothesis_ids))
    grouped: dict[int, list[StatusChange]] = {}
    for row in await session.exec(found.order_by(col(StatusChange.id))):
        grouped.setdefault(row.hypothesis_id, []).append(row)
    return grouped


async def hold_status(connection: asyncpg.Connection, experiment_id: int, hypothesis_id: int) -> None:
    """Let nobody else settle a hypothesis's status until the transaction ends.

    The experiment's row comes first, as it does for who decides on it: else they could lock up.
    """
    await connection.execute("SELECT FROM experiments WHERE id = $1 FOR KEY SHARE", experiment_id)
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('status'), $1)", hypothesis_id)


UNKNOWN = """
SELECT e.id, e.workspace_id, e.hypothesis_id, r.computed_at, f.failed_at, f.attempts
FROM refreshes r JOIN experiments e ON e.id = r.experiment_id
    LEFT JOIN duty_faults f ON f.experiment_id = e.id AND f.duty = $1
WHERE {known} IS DISTINCT FROM r.computed_at ORDER BY r.computed_at, e.id
"""


async def unweighed(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """The experiments whose last refresh the status of their hypothesis does not know, the oldest refresh first.

    Each with the last time that weighing failed since, and how often it did.
    """
    return list(await connection.fetch(UNKNOWN.format(known="r.weighed_at"), Duty.EVIDENCE))


async def unpublished(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """The experiments whose last refresh may have made looks due; as above."""
    return list(await connection.fetch(UNKNOWN.format(known="r.looked_at"), Duty.LOOKS))


async def note_looked(connection: asyncpg.Connection, experiment_id: int, computed_at: datetime) -> None:
    """Remember that the looks of this refresh are published; a later one is still to be looked at."""
    await connection.execute(
        "UPDATE refreshes SET looked_at = $2 WHERE experiment_id = $1 AND computed_at = $2", experiment_id, computed_at
    )


async def note_weighed(connection: asyncpg.Connection, experiment_id: int, computed_at: datetime) -> None:
    """Remember that the status of its hypothesis knows this refresh; a later one is still to be weighed."""
    await connection.execute(
        "UPDATE refreshes SET weighed_at = $2 WHERE experiment_id = $1 AND computed_at = $2", experiment_id, computed_at
    )


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
    """Started experiments of workspaces with changes, those that failed, and those not refreshed since a midnight.

    One that has stopped is not refreshed again for what becomes final later: that does not count.

    Each with its last refresh, the last failure since and how many there were, and the numbers of its events.
    """
    return list(
        await connection.fetch(
            """
            SELECT e.id, e.workspace_id, e.unit, r.data_through, r.computed_at, f.failed_at, f.attempts,
                e.given_at, e.stopped_at, ARRAY(
                    SELECT v.id FROM events v
                    WHERE v.workspace_id = e.workspace_id AND e.plan -> 'events' @> to_jsonb(v.name)
                ) AS events
            FROM experiments e LEFT JOIN refreshes r ON r.experiment_id = e.id
                LEFT JOIN duty_faults f ON f.experiment_id = e.id AND f.duty = 'REFRESH'
            WHERE e.started_at IS NOT NULL
                AND (e.workspace_id = ANY($1::int[]) OR f.failed_at IS NOT NULL
                    OR r.data_through IS NULL OR r.data_through < least($2, e.given_at, e.stopped_at))
            ORDER BY e.id
            """,
            list(workspaces),
            day,
        )
    )


async def clock(connection: asyncpg.Connection) -> datetime:
    """The database's clock, which all workers share."""
    at: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return at


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """An experiment that a duty fails on, by the keys that people know it by; `attempts` failed in a row."""

    workspace: str
    experiment: str
    duty: Duty
    attempts: int
    failed_at: datetime
    message: str


NOTE_FAULT = """
INSERT INTO duty_faults AS f (experiment_id, duty, attempts, failed_at, message) VALUES ($1, $2, 1, $3, $4)
ON CONFLICT (experiment_id, duty) DO UPDATE
SET attempts = f.attempts + 1, failed_at = excluded.failed_at, message = excluded.message
"""
FAILING = """
SELECT w.key AS workspace, e.key AS experiment, f.duty, f.attempts, f.failed_at, f.message
FROM duty_faults f JOIN experiments e ON e.id = f.experiment_id JOIN workspaces w ON w.id = e.workspace_id
WHERE e.id = $1 AND f.duty = $2 OR $1 IS NULL ORDER BY w.key, e.key, f.duty
"""


async def note_fault(
    connection: asyncpg.Connection, experiment_id: int, duty: Duty, message: str, now: datetime
) -> Failing:
    """Remember that a duty failed on an experiment; returns what is known of its failing."""
    await connection.execute(NOTE_FAULT, experiment_id, duty, now, message)
    (noted,) = await _failing(connection, experiment_id, duty)
    return noted


async def clear_fault(connection: asyncpg.Connection, experiment_id: int, duty: Duty) -> None:
    """A duty succeeded."""
    await connection.execute("DELETE FROM duty_faults WHERE experiment_id = $1 AND duty = $2", experiment_id, duty)


async def failing(connection: asyncpg.Connection) -> list[Failing]:
    """The experiments of all workspaces that a duty fails on, in order of key."""
    return await _failing(connection)


async def _failing(
    connection: asyncpg.Connection, experiment_id: int | None = None, duty: Duty | None = None
) -> list[Failing]:
    rows = await connection.fetch(FAILING, experiment_id, duty)
    return [Failing(**(dict(row) | {"duty": Duty(row["duty"])})) for row in rows]

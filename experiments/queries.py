"""Every statement of the experiments package but the aggregates' own. Each names the workspace it reads."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import asyncpg
from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments.aggregation.cells import Cohort, Place, Value
from experiments.tables import DayMoments, EntryCount, Experiment, Refresh, StatusChange, Variant
from kpi.enums import Unit
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


async def experiments_on(session: AsyncSession, hypothesis_id: int) -> list[Experiment]:
    """The experiments on a hypothesis that have started, in order of key."""
    found = select(Experiment).where(Experiment.hypothesis_id == hypothesis_id, col(Experiment.started_at).is_not(None))
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


async def refreshes_of(session: AsyncSession, experiment_ids: Collection[int]) -> dict[int, Refresh]:
    """The last refresh of each experiment that has had one."""
    rows = await session.exec(select(Refresh).where(col(Refresh.experiment_id).in_(experiment_ids)))
    return {row.experiment_id: row for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accrual:
    """How many units entered an experiment on these whole UTC days, both ends included."""

    experiment: str
    traffic: float
    from_on: date
    to_on: date
    units: int


ACCRUAL = """
WITH days AS (
    SELECT e.id, e.key, e.traffic, e.started_at, c.entered_on, sum(c.n + c.crossovers) AS units
    FROM experiments e JOIN refreshes r ON r.experiment_id = e.id JOIN entry_counts c ON c.experiment_id = e.id
    WHERE e.workspace_id = $1 AND e.unit = $2 AND c.segment = ''
        AND c.entered_on < (r.data_through AT TIME ZONE 'UTC')::date
    GROUP BY e.id, c.entered_on
), latest AS (
    SELECT id, min(entered_on) AS first, max(entered_on) AS to_on FROM days
    GROUP BY id ORDER BY max(started_at) DESC, id DESC LIMIT 1
)
SELECT d.key, d.traffic, greatest(l.first, l.to_on - $3::int + 1) AS from_on, l.to_on, sum(d.units)::bigint AS units
FROM latest l JOIN days d USING (id) WHERE d.entered_on > l.to_on - $3::int
GROUP BY d.key, d.traffic, l.first, l.to_on
"""


async def accrual(connection: asyncpg.Connection, workspace_id: int, unit: Unit, days: int) -> Accrual | None:
    """The last days on which units of this type entered the latest experiment that has some; None without one."""
    row = await connection.fetchrow(ACCRUAL, workspace_id, unit.value, days)
    if row is None or not row["units"]:
        return None
    return Accrual(
        experiment=row["key"], traffic=row["traffic"], from_on=row["from_on"], to_on=row["to_on"], units=row["units"]
    )


# --- the status of hypotheses ----------------------------------------------------------------------------------------


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


async def unweighed(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """The experiments whose last refresh the status of their hypothesis does not know, the oldest refresh first."""
    return list(
        await connection.fetch(
            "SELECT e.id, e.workspace_id, e.hypothesis_id, r.computed_at FROM refreshes r"
            " JOIN experiments e ON e.id = r.experiment_id"
            " WHERE r.weighed_at IS DISTINCT FROM r.computed_at ORDER BY r.computed_at, e.id"
        )
    )


async def note_weighed(connection: asyncpg.Connection, experiment_id: int, computed_at: datetime) -> None:
    """Remember that the status of its hypothesis knows this refresh; a later one is still to be weighed."""
    await connection.execute(
        "UPDATE refreshes SET weighed_at = $2 WHERE experiment_id = $1 AND computed_at = $2", experiment_id, computed_at
    )


# --- ingestion -------------------------------------------------------------------------------------------------------


async def enrolments(connection: asyncpg.Connection, workspace_id: int, keys: Collection[str]) -> list[asyncpg.Record]:
    """What an exposure must fit: a row per variant of the named experiments, with the experiment's enrolment time."""
    return list(
        await connection.fetch(
            "SELECT e.key, e.id, e.started_at, e.frozen_at, e.given_at, v.key AS variant, v.id AS variant_id,"
            " ARRAY(SELECT tstzrange(p.from_at, p.until_at) FROM pauses p WHERE p.experiment_id = e.id) AS pauses"
            " FROM experiments e JOIN variants v ON v.experiment_id = e.id"
            # Locked, so that exposures and aggregates cannot both be the first.
            " WHERE e.workspace_id = $1 AND e.key = ANY($2::text[]) ORDER BY e.id FOR KEY SHARE OF e",
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
    """Started experiments of workspaces with changes, those that failed, and those not refreshed since a midnight.

    One that has stopped is not refreshed again for what becomes final later: that does not count.

    Each with its last refresh, the last failure since, and the numbers of its events.
    """
    return list(
        await connection.fetch(
            """
            SELECT e.id, e.workspace_id, e.unit, r.data_through, r.computed_at, f.failed_at, e.given_at, ARRAY(
                SELECT v.id FROM events v
                WHERE v.workspace_id = e.workspace_id AND e.plan -> 'events' @> to_jsonb(v.name)
            ) AS events
            FROM experiments e LEFT JOIN refreshes r ON r.experiment_id = e.id
                LEFT JOIN refresh_faults f ON f.experiment_id = e.id
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


# --- aggregates handed in --------------------------------------------------------------------------------------------


async def given_at(connection: asyncpg.Connection, experiment_id: int) -> datetime | None:
    """When aggregates of an experiment were last handed in; None where they are derived from rows."""
    found: datetime | None = await connection.fetchval("SELECT given_at FROM experiments WHERE id = $1", experiment_id)
    return found


KEEP_OUT = """
SELECT pg_advisory_xact_lock(hashtext('refresh'), id)
FROM (SELECT id FROM experiments WHERE workspace_id = $1 AND key = ANY($2::text[]) ORDER BY id) found
"""
LOCK_TAKERS = """
SELECT id, key, started_at, frozen_at, plan, given_at IS NULL AND (
    EXISTS (SELECT FROM exposures x WHERE x.experiment_id = experiments.id)
    OR EXISTS (SELECT FROM entry_counts c WHERE c.experiment_id = experiments.id)
) AS has_rows
FROM experiments WHERE workspace_id = $1 AND key = ANY($2::text[]) ORDER BY id FOR UPDATE
"""


async def lock_takers(connection: asyncpg.Connection, workspace_id: int, keys: Collection[str]) -> list[asyncpg.Record]:
    """The named experiments, and whether they have rows; locked against a refresh, other aggregates, first rows.

    Asked twice: who waited for first rows to be committed does not see them in the statement that waited.
    """
    await connection.execute(KEEP_OUT, workspace_id, list(keys))
    await connection.execute(LOCK_TAKERS, workspace_id, list(keys))
    return list(await connection.fetch(LOCK_TAKERS, workspace_id, list(keys)))


async def variant_numbers(connection: asyncpg.Connection, experiment_ids: Collection[int]) -> dict[int, dict[str, int]]:
    """The variants of experiments by key."""
    found: dict[int, dict[str, int]] = {identity: {} for identity in experiment_ids}
    statement = "SELECT experiment_id, key, id FROM variants WHERE experiment_id = ANY($1::int[])"
    for row in await connection.fetch(statement, list(experiment_ids)):
        found[row["experiment_id"]][row["key"]] = row["id"]
    return found


async def segment_names(
    connection: asyncpg.Connection, experiment_ids: Collection[int]
) -> dict[int, dict[str, set[str]]]:
    """The values of attributes that are segments of experiments."""
    found: dict[int, dict[str, set[str]]] = {identity: {} for identity in experiment_ids}
    statement = "SELECT experiment_id, attribute, value FROM segments WHERE experiment_id = ANY($1::int[])"
    for row in await connection.fetch(statement, list(experiment_ids)):
        found[row["experiment_id"]].setdefault(row["attribute"], set()).add(row["value"])
    return found


async def name_segments(connection: asyncpg.Connection, segments: Collection[tuple[int, str]]) -> None:
    """Remember which segments experiments have; what is read together is none of its own."""
    await connection.execute(
        """
        INSERT INTO segments (experiment_id, attribute, value)
        SELECT experiment_id, split_part(segment, '=', 1), substr(segment, strpos(segment, '=') + 1)
        FROM unnest($1::int[], $2::text[]) AS s (experiment_id, segment) WHERE segment NOT LIKE '%=(other)'
        ON CONFLICT DO NOTHING
        """,
        [experiment_id for experiment_id, _ in segments],
        [segment for _, segment in segments],
    )


async def note_given(connection: asyncpg.Connection, experiment_ids: Collection[int], now: datetime) -> None:
    """Remember when aggregates of experiments were last handed in."""
    await connection.execute(
        "UPDATE experiments SET given_at = greatest(given_at, $2) WHERE id = ANY($1::int[])", list(experiment_ids), now
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CellTable:
    """One of the three tables: what a cell's key has beside its cohort, and its numbers with their types."""

    name: str
    keys: tuple[str, ...]
    numbers: dict[str, str]


MOMENTS = {
    "n": "int",
    "mean": "float8",
    "m2": "float8",
    "mean_x": "float8",
    "m2_x": "float8",
    "c_xy": "float8",
    "missing": "int",
}
CELL_TABLES = (
    CellTable(name="entry_counts", keys=(), numbers={"n": "int", "crossovers": "int"}),
    CellTable(name="moments", keys=("definition_id",), numbers=MOMENTS),
    CellTable(name="durations", keys=("definition_id", "day"), numbers={"events": "int", "losses": "int"}),
)
COHORT = ("experiment_id", "segment", "variant_id", "entered_on")
READ_CELLS = """
SELECT {columns} FROM {table} JOIN unnest($1::int[], $2::text[], $3::int[], $4::date[]) AS c ({cohort}) USING ({cohort})
"""
WRITE_CELLS = """
INSERT INTO {table} ({columns}) SELECT * FROM unnest({arrays})
ON CONFLICT ({keys}) DO UPDATE SET {numbers}
"""


async def cells(connection: asyncpg.Connection, cohorts: Collection[Cohort]) -> dict[Place, Value]:
    """Every cell of these cohorts as it is stored."""
    found: dict[Place, Value] = {}
    columns = [list(column) for column in zip(*cohorts, strict=True)] or [[]] * len(COHORT)
    for table in CELL_TABLES:
        names = (*COHORT, *table.keys, *table.numbers)
        statement = READ_CELLS.format(columns=", ".join(names), table=table.name, cohort=", ".join(COHORT))
        for row in await connection.fetch(statement, *columns):
            place = tuple(row[: len(COHORT)]), row.get("definition_id"), row.get("day")
            # A KPI without a covariate has none of its numbers; they are the last ones.
            found[place] = tuple(row[name] for name in table.numbers if row[name] is not None)
    return found


async def write_cells(connection: asyncpg.Connection, changed: Mapping[Place, Value]) -> None:
    """Let cells say this, whatever they said before."""
    for table in CELL_TABLES:
        rows = [
            (*place[0], *place[1:][: len(table.keys)], *value, *[None] * (len(table.numbers) - len(value)))
            for place, value in changed.items()
            if sum(key is not None for key in place[1:]) == len(table.keys)
        ]
        if rows:
            await connection.execute(_write(table), *(list(column) for column in zip(*rows, strict=True)))


DROP_GIVEN = """
DELETE FROM {table} c USING experiments e WHERE e.id = $1 AND c.experiment_id = e.id
    AND c.entered_on > ((e.frozen_at - interval '1 microsecond') AT TIME ZONE 'UTC')::date
"""
"""Cells of the day of the stop stay, as they are taken: what entered before it cannot be told from the rest."""


async def drop_given_after_stop(connection: asyncpg.Connection, experiment_id: int) -> None:
    """Drop cells of days after enrolment closed: as for rows, a stop in the past closes it for what came before."""
    for table in CELL_TABLES:
        await connection.execute(DROP_GIVEN.format(table=table.name), experiment_id)


def _write(table: CellTable) -> str:
    types = ("int", "text", "int", "date", *("int" for _ in table.keys), *table.numbers.values())
    return WRITE_CELLS.format(
        table=table.name,
        columns=", ".join((*COHORT, *table.keys, *table.numbers)),
        arrays=", ".join(f"${place}::{kind}[]" for place, kind in enumerate(types, start=1)),
        keys=", ".join((*COHORT, *table.keys)),
        numbers=", ".join(f"{name} = excluded.{name}" for name in table.numbers),
    )


# --- what is kept, and for how long ----------------------------------------------------------------------------------


async def started_in(connection: asyncpg.Connection, workspace_id: int) -> list[asyncpg.Record]:
    """A workspace's started experiments, each with its last refresh, and whether its aggregates are handed in."""
    return list(
        await connection.fetch(
            "SELECT e.id, e.plan, e.started_at, e.frozen_at, r.data_through, e.given_at IS NOT NULL AS is_given"
            " FROM experiments e LEFT JOIN refreshes r ON r.experiment_id = e.id"
            " WHERE e.workspace_id = $1 AND e.started_at IS NOT NULL ORDER BY e.id",
            workspace_id,
        )
    )


async def lock_refreshes(connection: asyncpg.Connection, workspace_id: int) -> bool:
    """Keep a workspace's experiments from being refreshed until the transaction ends; False when one is just now."""
    locked = (
        "SELECT coalesce(bool_and(pg_try_advisory_xact_lock(hashtext('refresh'), id)), true)"
        " FROM experiments WHERE workspace_id = $1 AND started_at IS NOT NULL"
    )
    return bool(await connection.fetchval(locked, workspace_id))


UNSETTLED = """
SELECT EXISTS (
    SELECT FROM ingests WHERE workspace_id = $1 AND is_pending AND CASE
        WHEN noun = 'outcomes' THEN earliest_at < $3
        ELSE days IS NULL OR EXISTS (SELECT FROM unnest(days) AS day WHERE day < $2)
    END
) OR EXISTS (
    SELECT FROM refresh_faults f JOIN experiments e ON e.id = f.experiment_id WHERE e.workspace_id = $1
)
"""


async def is_unsettled(connection: asyncpg.Connection, workspace_id: int, day: date, moment: datetime | None) -> bool:
    """Whether the aggregates lack changes to entry days before a day, or outcomes before a moment."""
    return bool(await connection.fetchval(UNSETTLED, workspace_id, day, moment))


async def drop_exposures(connection: asyncpg.Connection, workspace_id: int, before: datetime, limit: int) -> int:
    """Drop exposures before a moment of experiments whose enrolment had ended by then; returns how many there were."""
    status = await connection.execute(
        """
        DELETE FROM exposures WHERE (experiment_id, unit) IN (
            SELECT x.experiment_id, x.unit FROM experiments e JOIN exposures x ON x.experiment_id = e.id
            WHERE e.workspace_id = $1 AND e.frozen_at <= $2 AND x.exposed_at < $2 LIMIT $3
        )
        """,
        workspace_id,
        before,
        limit,
    )
    return int(status.split()[-1])


async def closed_units(
    connection: asyncpg.Connection, places: Collection[tuple[int, str]], before: datetime
) -> dict[tuple[int, str], int]:
    """Of these units in experiments, those that entered before a moment and have not crossed, with their variant."""
    rows = await connection.fetch(
        "SELECT x.experiment_id, x.unit, x.variant_id FROM exposures x JOIN unnest($1::int[], $2::text[])"
        " AS p (experiment_id, unit) USING (experiment_id, unit) WHERE x.exposed_at < $3 AND x.crossed_at IS NULL",
        [experiment_id for experiment_id, _ in places],
        [unit for _, unit in places],
        before,
    )
    return {(row["experiment_id"], row["unit"]): row["variant_id"] for row in rows}


async def forget_exposures(
    connection: asyncpg.Connection, workspace_id: int, units: Sequence[str]
) -> list[tuple[int, date]]:
    """Remove the exposures of units; returns the experiment and the entry day of each."""
    rows = await connection.fetch(
        "DELETE FROM exposures WHERE unit = ANY($2::text[])"
        " AND experiment_id IN (SELECT id FROM experiments WHERE workspace_id = $1)"
        " RETURNING experiment_id, (exposed_at AT TIME ZONE 'UTC')::date AS entered_on",
        workspace_id,
        units,
    )
    return [(row["experiment_id"], row["entered_on"]) for row in rows]


async def days_of_accounts(
    connection: asyncpg.Connection, workspace_id: int, members: Sequence[str]
) -> list[tuple[int, date]]:
    """The experiments and entry days of the accounts that these units belong to, or did."""
    rows = await connection.fetch(
        "SELECT DISTINCT x.experiment_id, (x.exposed_at AT TIME ZONE 'UTC')::date AS entered_on"
        " FROM memberships m JOIN exposures x ON x.unit = m.account JOIN experiments e ON e.id = x.experiment_id"
        " WHERE m.workspace_id = $1 AND m.member = ANY($2::text[]) AND e.workspace_id = $1 AND e.unit = 'ACCOUNT'",
        workspace_id,
        members,
    )
    return [(row["experiment_id"], row["entered_on"]) for row in rows]


async def note_forgotten(
    connection: asyncpg.Connection, workspace_id: int, days: Collection[tuple[int, date]], now: datetime
) -> None:
    """Have entry days of experiments derived anew: a unit that was part of them is not there any more."""
    await connection.execute(
        "INSERT INTO ingests (workspace_id, noun, accepted, duplicates, rejected, touched, days, is_pending,"
        " received_at) VALUES ($1, 'units', 0, 0, 0, $2, $3, true, $4)",
        workspace_id,
        sorted({experiment_id for experiment_id, _ in days}),
        sorted({day for _, day in days}),
        now,
    )
    await connection.execute("SELECT pg_notify('truelift_ingested', $1)", str(workspace_id))


# --- exports ---------------------------------------------------------------------------------------------------------

EXPORT_OUTCOMES = """
SELECT o.unit, v.name, o.occurred_at, o.value, o.id::text
FROM outcomes o JOIN events v ON v.id = o.event_id
WHERE o.workspace_id = $1 AND o.id >= $6 AND o.id < $7 AND o.occurred_at >= $4 AND o.occurred_at < $5
    AND ($3::text[] IS NULL OR o.unit = ANY($3))
    AND ($2::int IS NULL OR EXISTS (
        SELECT FROM exposures x JOIN experiments e ON e.id = x.experiment_id
        WHERE x.experiment_id = $2 AND x.unit = o.unit
            AND x.exposed_at <= o.occurred_at + make_interval(hours => 24 * $8::int)
            AND e.plan -> 'events' @> to_jsonb(v.name)
    ))
ORDER BY o.id
"""
"""In the order of time. Of an experiment: what its units did that it reads, from their exposure on, or from the days
before it that a covariate reads."""
EXPORT_EXPOSURES = """
SELECT e.key, x.unit, said.variant, said.at, said.is_crossing{attributes}
FROM experiments e JOIN exposures x ON x.experiment_id = e.id JOIN variants v ON v.id = x.variant_id
    CROSS JOIN LATERAL (VALUES (v.key, x.exposed_at, false), (
        (SELECT w.key FROM variants w WHERE w.experiment_id = e.id AND w.id <> x.variant_id ORDER BY w.id DESC LIMIT 1),
        x.crossed_at,
        true
    )) AS said (variant, at, is_crossing)
WHERE e.workspace_id = $1 AND ($2::int IS NULL OR e.id = $2) AND ($3::text[] IS NULL OR x.unit = ANY($3))
    AND x.exposed_at >= $4 AND x.exposed_at < $5 AND said.at IS NOT NULL
"""
"""A crossing is a row of its own. Which variant it was to is not kept: any other makes the same crossover, and of equal
times the lowest number enters, so the highest crosses."""
EXPORT_AGGREGATES = """
WITH cells AS (
    SELECT experiment_id, segment, variant_id, entered_on, NULL::int AS definition_id, n, crossovers,
        NULL::float8 AS mean, NULL::float8 AS m2, NULL::int AS day, NULL::int AS events, NULL::int AS losses,
        NULL::float8 AS mean_x, NULL::float8 AS m2_x, NULL::float8 AS c_xy, NULL::int AS missing
    FROM entry_counts
    UNION ALL SELECT experiment_id, segment, variant_id, entered_on, definition_id, n, NULL, mean, m2, NULL, NULL, NULL,
        mean_x, m2_x, c_xy, missing
    FROM moments
    UNION ALL SELECT experiment_id, segment, variant_id, entered_on, definition_id, NULL, NULL, NULL, NULL, day, events,
        losses, NULL, NULL, NULL, NULL
    FROM durations
)
SELECT e.key, v.key, c.entered_on::text, k.key, nullif(c.segment, ''), c.n,
    CASE WHEN c.segment = '' THEN c.crossovers END, c.mean, c.m2, c.day, c.events, c.losses,
    c.mean_x, c.m2_x, c.c_xy, c.missing
FROM experiments e JOIN refreshes r ON r.experiment_id = e.id JOIN cells c ON c.experiment_id = e.id
    JOIN variants v ON v.id = c.variant_id
    LEFT JOIN definitions d ON d.id = c.definition_id LEFT JOIN kpis k ON k.id = d.kpi_id
WHERE e.workspace_id = $1 AND ($2::int IS NULL OR e.id = $2) AND c.entered_on >= $3 AND c.entered_on < $4
    AND c.entered_on < (r.data_through AT TIME ZONE 'UTC')::date
ORDER BY e.key, k.key NULLS FIRST, c.entered_on, c.segment, c.variant_id, c.day
"""
"""The three tables in one, as far as days are over; a row without a KPI says how many entered."""


def export_exposures(attributes: int) -> str:
    """The statement that exports exposures with so many attributes, whose names follow its other arguments."""
    return EXPORT_EXPOSURES.format(
        attributes="".join(
            f", CASE WHEN NOT said.is_crossing THEN x.attributes ->> ${6 + n} END" for n in range(attributes)
        )
    )


async def attribute_names(connection: asyncpg.Connection, workspace_id: int, experiment_id: int | None) -> list[str]:
    """The names of all attributes that exposures of a workspace, or of one experiment, have."""
    rows = await connection.fetch(
        "SELECT DISTINCT said.name FROM experiments e JOIN exposures x ON x.experiment_id = e.id"
        " CROSS JOIN LATERAL jsonb_object_keys(x.attributes) AS said (name)"
        " WHERE e.workspace_id = $1 AND ($2::int IS NULL OR e.id = $2) ORDER BY said.name",
        workspace_id,
        experiment_id,
    )
    return [row["name"] for row in rows]


async def experiment_number(connection: asyncpg.Connection, workspace_id: int, key: str) -> int | None:
    """The number of one experiment of a workspace."""
    if not is_text(key):
        return None
    found: int | None = await connection.fetchval(
        "SELECT id FROM experiments WHERE workspace_id = $1 AND key = $2", workspace_id, key
    )
    return found

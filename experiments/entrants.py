"""Statements on who entered: exposures as they come in, how long they are kept, and how they are forgotten."""

from collections.abc import Collection, Sequence
from datetime import date, datetime

import asyncpg


async def enrolments(connection: asyncpg.Connection, workspace_id: int, keys: Collection[str]) -> list[asyncpg.Record]:
    """What an exposure must fit: a row per variant of the named experiments, with when and whom they take in."""
    return list(
        await connection.fetch(
            "SELECT e.key, e.id, e.started_at, e.frozen_at, e.given_at, v.key AS variant, v.id AS variant_id,"
            " ARRAY(SELECT tstzrange(p.from_at, p.until_at) FROM pauses p WHERE p.experiment_id = e.id) AS pauses,"
            " e.plan -> 'targeting' AS targeting"
            " FROM experiments e JOIN variants v ON v.experiment_id = e.id"
            # Locked, so that exposures and aggregates cannot both be the first.
            " WHERE e.workspace_id = $1 AND e.key = ANY($2::text[]) ORDER BY e.id FOR KEY SHARE OF e",
            workspace_id,
            list(keys),
        )
    )


async def known_experiments(connection: asyncpg.Connection, workspace_id: int, keys: Collection[str]) -> set[str]:
    """Which of these are keys of experiments; nothing is locked."""
    found = await connection.fetch(
        "SELECT key FROM experiments WHERE workspace_id = $1 AND key = ANY($2::text[])", workspace_id, list(keys)
    )
    return {row["key"] for row in found}


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


async def started_in(connection: asyncpg.Connection, workspace_id: int) -> list[asyncpg.Record]:
    """A workspace's started experiments, each with its last refresh, and whether its aggregates are handed in."""
    return list(
        await connection.fetch(
            "SELECT e.id, e.plan, e.started_at, e.frozen_at, e.stopped_at, r.data_through,"
            " e.given_at IS NOT NULL AS is_given"
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
    SELECT FROM duty_faults f JOIN experiments e ON e.id = f.experiment_id
    WHERE e.workspace_id = $1 AND f.duty = 'REFRESH'
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


KEEPERS = """
SELECT e.id FROM experiments held JOIN experiments e ON e.holdout_id = held.id
WHERE held.id = $1 AND held.given_at IS NULL AND e.started_at IS NOT NULL
"""
LOOKED_AT = 5_000
"""Units held out that are looked up, drawn by a hash of their ids: as many as tell 1 % from 1.5 %."""
LEAKS = """
SELECT count(*) AS units, count(leak.met) AS leaked
FROM exposures h LEFT JOIN LATERAL (
    SELECT true AS met FROM exposures x JOIN variants v ON v.id = x.variant_id
    WHERE x.experiment_id = ANY($4::int[]) AND x.unit = h.unit
        AND least(x.crossed_at, CASE WHEN NOT v.is_control THEN x.exposed_at END) < $3 LIMIT 1
) leak ON true
WHERE h.experiment_id = $1 AND h.variant_id = $2 AND h.crossed_at IS NULL AND h.exposed_at < $3
    AND abs(hashtext(h.unit)::bigint) % $5 = 0
"""
"""Whoever meets a control sees nothing new, so that is no leak; a crossover has met another variant as well.

One unit after the other: a join would read all units of every experiment that keeps to the holdout."""


async def leaks(
    connection: asyncpg.Connection, experiment_id: int, control_id: int, until: datetime, units: int
) -> tuple[int, int] | None:
    """Of an experiment's control, which has about so many units: how many were looked up, and how many leaked.

    A unit leaks that met, before a moment, a variant of an experiment that is to keep it out. None where no such
    experiment has started, and where the control is known as aggregates only.
    """
    keepers = [row["id"] for row in await connection.fetch(KEEPERS, experiment_id)]
    if not keepers:
        return None
    every = max(1, units // LOOKED_AT)
    row = await connection.fetchrow(LEAKS, experiment_id, control_id, until, keepers, every)
    return row["units"], row["leaked"]


async def units_inside(
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


async def variants_inside(
    connection: asyncpg.Connection, experiment_ids: Collection[int], unit: str, before: datetime
) -> dict[int, str]:
    """The keys of the first variants that a unit met before a moment, by experiment."""
    rows = await connection.fetch(
        "SELECT x.experiment_id, v.key FROM exposures x JOIN variants v ON v.id = x.variant_id"
        " WHERE x.experiment_id = ANY($1::int[]) AND x.unit = $2 AND x.exposed_at < $3",
        list(experiment_ids),
        unit,
        before,
    )
    return {row["experiment_id"]: row["key"] for row in rows}


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

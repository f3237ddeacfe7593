"""Statements that read rows out of a workspace, for a file."""

import asyncpg

from kpi.ingest import is_text

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

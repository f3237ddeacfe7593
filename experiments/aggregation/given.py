"""Statements on aggregates that were handed in instead of rows: the cells of the three tables, and who takes them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from experiments.aggregation.cells import Cohort, Place, Value


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

"""From raw rows to the three tables that analysis reads: entries (C), moments (M) and durations (T).

A refresh derives the slices that are due (`experiments.slices`, `experiments.derivation`). Nothing below the grain of
an entry day leaves the database; what `values` adds is how many units of a day have which amount. The law: the tables
are what deriving everything anew would give.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import asyncpg
import numpy as np

from experiments.aggregation import given
from experiments.aggregation.derivation import Derivation
from experiments.aggregation.lateness import late_days
from experiments.aggregation.slices import Changes, Piece, due, merged
from experiments.inference.cohorts import Rows, Table, decode
from experiments.planning.plan import Plan, PlannedKpi
from kpi.enums import Unit
from kpi.storage import event_numbers, frozen_before

MEMORY = "128MB"
"""What one sort or hash table of a refresh may take before it goes to disk."""
PARTS = 8
"""Into how many parts a large experiment's units are divided, for whatever processes the server has."""
LARGE = 100_000
"""Exposures from which on it is worth it."""
BOUNDS = """
SELECT quote_literal(bound) AS bound FROM unnest((
    SELECT percentile_disc(ARRAY(SELECT part / $1::float8 FROM generate_series(1, $1 - 1) part))
        WITHIN GROUP (ORDER BY unit)
    FROM exposures TABLESAMPLE SYSTEM ({share}) REPEATABLE (0)
)) AS bound
"""
"""From some of the pages: no part is wrong, some are only larger."""
SIZE = "SELECT reltuples FROM pg_class WHERE oid = 'exposures'::regclass"
SAMPLE = 30_000
"""Exposures that the parts are told from."""
CLOSES = "SELECT frozen_at FROM experiments WHERE id = $1"
FIRST_DAYS = """
SELECT entered_on FROM (
    SELECT entered_on, sum(n) OVER (ORDER BY entered_on) AS so_far, n FROM entry_counts
    WHERE experiment_id = $1 AND segment = '' AND variant_id = $2 AND entered_on >= coalesce($4, '-infinity'::date)
) days WHERE so_far <= $3 OR so_far = n
"""
"""The first entry days whose rows are there with so many units of a variant together, one day at least."""
VALUES = """
SELECT entered_on, k{definition} AS y, count(*) AS n FROM units
WHERE variant_id = {variant} AND entered_on + 1 + {until} <= '{through}' GROUP BY 1, 2 ORDER BY 1, 2
"""
RATIOS = """
WITH final AS (
    SELECT entered_on, k{definition} AS above, x{definition} AS below FROM units
    WHERE variant_id = {variant} AND entered_on + 1 + {until} <= '{through}'
), whole AS (SELECT avg(above) / nullif(avg(below), 0) AS ratio, avg(below) AS mean FROM final)
SELECT entered_on, ratio + (above - ratio * below) / mean AS y, count(*) AS n FROM final CROSS JOIN whole
WHERE ratio IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
"""
"""Of a ratio, units on the straight line that it is near its value: they vary as it does, by the delta method."""

READ = "SELECT {keys}, {columns} FROM {table} WHERE experiment_id = $1 AND entered_on < $2 AND {which} GROUP BY {keys}"
COLUMN = "string_agg({send}, ''::bytea) AS {name}"
"""A column's values as Postgres sends them, one after the other: no row becomes an object on its way to an array."""
WHOLE, REAL, DAY = ("int4send({})", ">i4"), ("float8send({})", ">f8"), ("int4send({} - date '1970-01-01')", ">i4")
PLACE = {"variant_id": WHOLE, "entered_on": DAY}
COUNTS = {"n": WHOLE}
MOMENTS = {"n": WHOLE, "mean": REAL, "m2": REAL}
COVARIATES = {"mean_x": REAL, "m2_x": REAL, "c_xy": REAL, "missing": WHOLE}
WITH_COVARIATE = f"({', '.join(COVARIATES)}) IS NOT NULL"
"""Of a row this asks that none of its columns is null."""
TALLIES = {"n": WHOLE, "tally": WHOLE}
DURATIONS = {"day": WHOLE, "events": WHOLE, "losses": WHOLE}
NUMBERS = {"value": REAL, "n": WHOLE}
RECORD = """
INSERT INTO refreshes (experiment_id, data_through, computed_at, crossovers, version)
SELECT $1, $2, clock_timestamp(), coalesce(sum(crossovers), 0), $3 FROM entry_counts WHERE experiment_id = $1
ON CONFLICT (experiment_id) DO UPDATE SET data_through = excluded.data_through,
    computed_at = excluded.computed_at, crossovers = excluded.crossovers, version = excluded.version
"""


async def read(connection: asyncpg.Connection, experiment_id: int, until: date = date.max) -> Rows:
    """An experiment's aggregates as they are stored, of the units that entered before a day."""
    whose = (experiment_id, until)
    question = ("definition_id", "segment")
    return Rows(
        entries=await _table(connection, whose, "entry_counts", ("segment",), COUNTS, "n > 0"),
        moments=await _table(connection, whose, "moments", question, MOMENTS),
        covariates=await _table(connection, whose, "moments", question, COVARIATES, WITH_COVARIATE),
        durations=await _table(connection, whose, "durations", question, DURATIONS),
        values=await _table(connection, whose, "value_counts", question, NUMBERS),
        tallies=await _table(connection, whose, "tallies", ("definition_id",), TALLIES),
    )


async def crossovers_before(connection: asyncpg.Connection, experiment_id: int, until: date) -> dict[int, int]:
    """By the variant they met first, the units that entered before a day and have met two variants by now."""
    statement = (
        "SELECT variant_id, sum(crossovers) AS n FROM entry_counts"
        " WHERE experiment_id = $1 AND entered_on < $2 AND crossovers > 0 GROUP BY variant_id"
    )
    return {row["variant_id"]: int(row["n"]) for row in await connection.fetch(statement, experiment_id, until)}


async def _table(
    connection: asyncpg.Connection,
    whose: tuple[int, date],
    name: str,
    keys: tuple[str, ...],
    columns: dict[str, tuple[str, str]],
    which: str = "true",
) -> Table:
    sent = PLACE | columns
    statement = READ.format(
        keys=", ".join(keys),
        columns=", ".join(COLUMN.format(send=send.format(column), name=column) for column, (send, _) in sent.items()),
        table=name,
        which=which,
    )
    groups = {}
    for row in await connection.fetch(statement, *whose):
        read = {column: np.frombuffer(row[column], dtype=form) for column, (_, form) in sent.items()}
        groups[tuple(row[key] for key in keys)] = read | {"entered_on": read["entered_on"].astype("datetime64[D]")}
    return Table(keys=keys, groups=groups)


async def values(
    connection: asyncpg.Connection,
    *,
    experiment_id: int,
    workspace_id: int,
    unit: Unit,
    variant_id: int,
    kpis: Sequence[PlannedKpi],
    through: datetime,
    most: int,
) -> dict[int, list[asyncpg.Record]]:
    """Final values of a variant's units, by definition: how many of an entry day have which value.

    Of the first entry days, up to `most` units. Only KPIs with one number a unit have values, and ratios.
    """
    floor = await frozen_before(connection, workspace_id)
    first = await connection.fetch(FIRST_DAYS, experiment_id, variant_id, most, floor)
    days = frozenset(row["entered_on"] for row in first)
    events = {event for planned in kpis for event in planned.definition.events}
    derivation = Derivation(
        experiment_id=experiment_id,
        workspace_id=workspace_id,
        unit=unit,
        closes=await connection.fetchval(CLOSES, experiment_id),
        piece=Piece(days=days, kpis=tuple(kpis)),
        through=_day(through),
        attributes=[],
        numbers=await event_numbers(connection, workspace_id, events),
    )
    if not days or not kpis:
        return {planned.definition.id: [] for planned in kpis}
    statement, arguments = derivation.units()
    await connection.execute(f"CREATE TEMP TABLE units AS {statement}", *arguments)
    found = {
        planned.definition.id: await connection.fetch(
            (RATIOS if decode(planned).has_denominator else VALUES).format(
                definition=planned.definition.id,
                variant=variant_id,
                until=decode(planned).window[1],
                through=_day(through),
            )
        )
        for planned in kpis
    }
    await connection.execute("DROP TABLE units")
    return found


async def refresh(
    connection: asyncpg.Connection,
    *,
    experiment_id: int,
    workspace_id: int,
    plan: Plan,
    changes: Changes,
    now: datetime,
    version: str,
) -> None:
    """Bring an experiment's aggregates up to its rows, in the caller's transaction. Safe to run twice.

    A stop in the past closes enrolment for rows that had come in already, as it does for those still to come.
    A lock lets one refresh of an experiment run at a time.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('refresh'), $1)", experiment_id)
    await connection.execute(f"SET LOCAL work_mem = '{MEMORY}'")
    last = await connection.fetchval("SELECT data_through FROM refreshes WHERE experiment_id = $1", experiment_id)
    now = now if last is None else max(now, last)  # of two workers' clocks, the one ahead counts
    given_at = await given.given_at(connection, experiment_id)
    if given_at is None:
        await _derive(connection, experiment_id, workspace_id, plan, changes, last and _day(last), _day(now))
    else:
        await given.drop_given_after_stop(connection, experiment_id)
    # What was handed in is else left as it is, and reaches as far as the last time somebody sent some.
    await connection.execute(RECORD, experiment_id, given_at or now, version)
    await connection.execute("SELECT pg_notify('truelift_refreshed', $1)", str(experiment_id))


async def _derive(
    connection: asyncpg.Connection,
    experiment_id: int,
    workspace_id: int,
    plan: Plan,
    changes: Changes,
    before: date | None,
    through: date,
) -> None:
    closes = await connection.fetchval(CLOSES, experiment_id)
    numbers = await event_numbers(connection, workspace_id, plan.events)
    late = await late_days(
        connection,
        plan,
        changes,
        experiment_id=experiment_id,
        workspace_id=workspace_id,
        events=numbers.values(),
        before=before,
    )
    floor = await frozen_before(connection, workspace_id)
    for piece in due(plan.kpis, merged([changes.days, late]), before=before, through=through, floor=floor):
        derivation = Derivation(
            experiment_id=experiment_id,
            workspace_id=workspace_id,
            unit=plan.unit,
            closes=closes,
            piece=piece,
            through=through,
            # Tallies are of everybody.
            attributes=plan.segment_attributes if piece.with_entries or piece.kpis else [],
            numbers=numbers,
            bounds=await _bounds(connection, plan, piece),
        )
        for statement, arguments in derivation.statements():
            await connection.execute(statement, *arguments)


async def _bounds(connection: asyncpg.Connection, plan: Plan, piece: Piece) -> list[str]:
    # Of some days an index finds the units. What members do for an account lies under ids of their own, anywhere.
    if piece.days is not None or plan.unit is Unit.ACCOUNT:
        return []
    size = await connection.fetchval(SIZE)
    if size < LARGE:
        return []
    share = 100 * min(1.0, SAMPLE / max(size, 1))
    found = await connection.fetch(BOUNDS.format(share=f"{share:.6f}"), PARTS)
    return [row["bound"] for row in found if row["bound"] is not None]


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()

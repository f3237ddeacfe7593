"""`truelift doctor`: what a person would look at first when something is wrong.

With `--recompute`, also whether the aggregates are what the rows say: each experiment's are derived anew beside those
that are stored, in a transaction that is rolled back.
"""

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from math import sqrt
from typing import Annotated

import asyncpg
import typer
from sqlalchemy import text

from api.commands.process import DataDir, Surroundings, console, run, surroundings
from api.database import Database
from api.doors.health import readiness
from api.jobs.faults import FAILED
from api.jobs.refresh import Due, news, refresh
from api.version import VERSION
from experiments import queries
from experiments.aggregation import aggregates
from experiments.aggregation.covariates import COLUMNS
from experiments.aggregation.slices import EVERYTHING
from experiments.planning import plan as plans
from experiments.planning.plan import Plan
from kpi.batches import pending_ingests

app = typer.Typer(add_completion=False)

OLDEST_POSTGRES = 15
LARGEST_DRIFT = 5.0
"""Seconds the clocks of this machine and of the database may differ before times become doubtful."""
LEAST_DISK = 1_000_000_000
"""Bytes free below which the next import may fail."""
TOLERANCE = 1e-9
"""By how much of a sum of squares two orders of adding it up may differ."""
NAMED = 10
"""Slices that differ, and experiments that a duty fails on, are named up to here."""
PENDING = 1_000_000
"""Changes that are looked through at most."""
MOST_LOOKS = 5
"""Attempts at a comparison that others may disturb."""
FOREVER = datetime.max.replace(tzinfo=UTC)
CROSSOVERS = (
    "SELECT segment, variant_id, entered_on, crossovers FROM entry_counts WHERE experiment_id = $1 AND crossovers > 0"
)

Slice = tuple[str, date]
"""A KPI's key, or what is counted on entry, and the entry day."""
Cells = Mapping[tuple[str, date, str, int, float], tuple[float, ...]]
"""The numbers of every cell: by slice, segment, variant and day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    is_ok: bool
    sentence: str


@app.command()
def doctor(
    data_dir: DataDir = None,
    is_recomputing: Annotated[
        bool, typer.Option("--recompute", help="Derive all aggregates anew and compare; changes nothing.")
    ] = False,
    is_mending: Annotated[bool, typer.Option("--mend", help="With --recompute: keep what was derived anew.")] = False,
) -> None:
    """Look at Postgres, migrations, clock, worker, experiments and disk, and say in words what is wrong."""
    with surroundings(data_dir) as around:
        checks = run(around, lambda database: examine(around, database), is_migration=True)
        if is_recomputing or is_mending:
            checks += run(around, lambda database: recompute(database, is_mending=is_mending))
    for check in checks:
        console.print(f"{'[green]ok[/]   ' if check.is_ok else '[bold red]wrong[/]'} {check.name}: {check.sentence}")
    if not all(check.is_ok for check in checks):
        raise typer.Exit(1)


async def examine(around: Surroundings, database: Database) -> list[Check]:
    """Look at everything; a database that does not answer ends the examination."""
    ready = await readiness(database)
    found = [_readiness("database", ready), _readiness("migrations", ready), _readiness("worker", ready)]
    if not found[0].is_ok:
        return found
    experiments = [await _experiments(database)] if found[1].is_ok else []
    return [await _version(database), *found[1:], *experiments, await _clock(database), _disk(around)]


def _readiness(name: str, ready: dict[str, str]) -> Check:
    sentence = ready[name]
    return Check(name=name, is_ok=sentence == "ok", sentence="as it should be" if sentence == "ok" else sentence)


async def _version(database: Database) -> Check:
    async with database.engine.connect() as connection:
        number = int((await connection.execute(text("SHOW server_version_num"))).scalar_one()) // 10_000
    sentence = f"Postgres {number}" if number >= OLDEST_POSTGRES else f"Postgres {number} is older than 15."
    return Check(name="database", is_ok=number >= OLDEST_POSTGRES, sentence=sentence)


async def _experiments(database: Database) -> Check:
    """Whether the worker fails on one: the others go on, so nobody else would tell."""
    async with database.raw() as connection:
        failing = await queries.failing(connection)
    named = [
        f"“{one.experiment}” of “{one.workspace}” {FAILED[one.duty]}, {one.attempts} times in a row, last at"
        f" {one.failed_at:%Y-%m-%d %H:%M} UTC ({one.message}; the log has more)"
        for one in failing[:NAMED]
    ]
    more = [f"and {len(failing) - NAMED} more"] if len(failing) > NAMED else []
    sentence = "; ".join([*named, *more]) or "the worker fails on none"
    return Check(name="experiments", is_ok=not failing, sentence=sentence)


async def _clock(database: Database) -> Check:
    async with database.engine.connect() as connection:
        theirs = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    drift = abs((datetime.now(UTC) - theirs).total_seconds())
    sentence = f"{drift:.1f} s between this machine and the database"
    return Check(name="clock", is_ok=drift <= LARGEST_DRIFT, sentence=sentence)


def _disk(around: Surroundings) -> Check:
    if around.folder is None:
        return Check(name="disk", is_ok=True, sentence="the database's own, which cannot be seen from here")
    free = shutil.disk_usage(around.folder).free
    return Check(name="disk", is_ok=free >= LEAST_DISK, sentence=f"{free / 1e9:.1f} GB free where {around.folder} is")


# --- recomputing -----------------------------------------------------------------------------------------------------


async def recompute(database: Database, *, is_mending: bool) -> list[Check]:
    """Derive the aggregates of every started experiment anew and compare; mend those that differ if asked to."""
    async with database.raw() as connection:
        started = await queries.behind(connection, [], FOREVER)
    return [await _recomputed(database, row["id"], is_mending=is_mending) for row in started]


async def _recomputed(database: Database, experiment_id: int, *, is_mending: bool) -> Check:
    check = await _compared_undisturbed(database, experiment_id)
    if check.is_ok or not is_mending:
        return check
    await refresh(database, Due(experiment_id=experiment_id, changes=EVERYTHING))
    return Check(name=check.name, is_ok=True, sentence=f"{check.sentence}; derived anew")


async def _compared_undisturbed(database: Database, experiment_id: int) -> Check:
    """Compare, and look again where its evidence was weighed meanwhile: that is noted in the same row."""
    for _ in range(MOST_LOOKS - 1):
        with suppress(asyncpg.SerializationError):
            return await _compared(database, experiment_id)
    return await _compared(database, experiment_id)


async def _compared(database: Database, experiment_id: int) -> Check:
    async with _alone(database, experiment_id) as connection:
        (row,) = (row for row in await queries.behind(connection, [], FOREVER) if row["id"] == experiment_id)
        found = await queries.sealed_plan(connection, experiment_id)
        plan = plans.from_document(found.document)
        name = f"aggregates of {plan.experiment}"
        if row["data_through"] is None or row["failed_at"] is not None:
            return Check(name=name, is_ok=False, sentence="behind: the worker has not derived them, or could not")
        # What is pending is no difference: it is refreshed first, as the worker would.
        pending = news(row, await pending_ingests(connection, PENDING), row["data_through"])
        seen = []
        for changes in (pending, EVERYTHING):
            await aggregates.refresh(
                connection,
                experiment_id=experiment_id,
                workspace_id=found.workspace_id,
                plan=plan,
                changes=changes,
                now=row["data_through"],
                version=VERSION,
            )
            seen.append(await _cells(connection, experiment_id, plan))
    return _verdict(name, *seen)


@asynccontextmanager
async def _alone(database: Database, experiment_id: int) -> AsyncIterator[asyncpg.Connection]:
    """One moment of the data, with no other refresh of this experiment. Nothing that is done in it stays."""
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        raw: asyncpg.Connection = (await connection.get_raw_connection()).driver_connection
        try:
            await raw.execute("SET statement_timeout = 0")
            # Of the session: whoever held it must have committed before the transaction looks.
            await raw.execute("SELECT pg_advisory_lock(hashtext('refresh'), $1)", experiment_id)
            await connection.exec_driver_sql("SELECT 1")  # begins the transaction
            yield raw
        finally:
            await connection.invalidate()  # the end of a session ends its locks and its transaction


async def _cells(connection: asyncpg.Connection, experiment_id: int, plan: Plan) -> Cells:
    rows = await aggregates.read(connection, experiment_id)
    kpi = {planned.definition.id: planned.kpi for planned in plan.kpis}
    crossovers = await connection.fetch(CROSSOVERS, experiment_id)
    found: dict[tuple[str, date, str, int, float], tuple[float, ...]] = {}
    for what, number, counted in (("units", "n", rows.entries), ("crossovers", "crossovers", crossovers)):
        found |= {(what, row["entered_on"], row["segment"], row["variant_id"], 0): (row[number],) for row in counted}
    for row in rows.moments:
        place = (kpi.get(row["definition_id"], "?"), row["entered_on"], row["segment"], row["variant_id"], 0)
        found[place] = (row["n"], row["mean"], row["m2"])
    for row in rows.covariates:
        place = (kpi.get(row["definition_id"], "?"), row["entered_on"], row["segment"], row["variant_id"], 0)
        found[place] += tuple(row[name] for name in COLUMNS)
    for row in rows.durations:
        place = (kpi.get(row["definition_id"], "?"), row["entered_on"], row["segment"], row["variant_id"], row["day"])
        found[place] = (row["events"], row["losses"])
    for row in rows.values:
        what = f"{kpi.get(row['definition_id'], '?')} (values)"
        found[what, row["entered_on"], row["segment"], row["variant_id"], row["value"]] = (row["n"],)
    for row in rows.tallies:
        what = f"{kpi.get(row['definition_id'], '?')} (tallies)"
        found[what, row["entered_on"], "", row["variant_id"], 0] = (row["n"], row["tally"])
    return found


def _verdict(name: str, stored: Cells, anew: Cells) -> Check:
    slices = {place[:2] for place in {*stored, *anew}}
    wrong = {place[:2] for place in {*stored, *anew} if not _agree(stored.get(place), anew.get(place))}
    if not wrong:
        return Check(name=name, is_ok=True, sentence=f"{len(slices)} slices, as derived anew")
    named = [f"{what} of {day}" for what, day in sorted(wrong)]
    more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
    sentence = f"{len(wrong)} of {len(slices)} slices differ when derived anew: {', '.join(named[:NAMED])}{more}"
    return Check(name=name, is_ok=False, sentence=sentence)


def _agree(stored: tuple[float, ...] | None, anew: tuple[float, ...] | None) -> bool:
    """Whether a cell is the same. Counts are equal; moments as far as the order of adding up allows."""
    if stored is None or anew is None or len(stored) != len(anew) or len(stored) < 3:
        return stored == anew
    n, squares = stored[0], _squares(stored, anew, 1)
    if n != anew[0] or not _alike(n, stored[1:3], anew[1:3], squares):
        return False
    if len(stored) == 3:
        return True
    squares_x = _squares(stored, anew, 3)
    is_c = abs(stored[5] - anew[5]) <= TOLERANCE * sqrt(squares * squares_x)
    return stored[6] == anew[6] and is_c and _alike(n, stored[3:5], anew[3:5], squares_x)


def _squares(stored: tuple[float, ...], anew: tuple[float, ...], at: int) -> float:
    """The sum of squares of the values whose mean stands there, and after it that of their deviations."""
    return max(stored[at + 1], anew[at + 1]) + stored[0] * max(stored[at] ** 2, anew[at] ** 2)


def _alike(n: float, stored: tuple[float, ...], anew: tuple[float, ...], squares: float) -> bool:
    (mean, m2), (mean_anew, m2_anew) = stored, anew
    return abs(mean - mean_anew) <= TOLERANCE * sqrt(squares / n) and abs(m2 - m2_anew) <= TOLERANCE * squares

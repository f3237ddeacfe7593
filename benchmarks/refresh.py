"""What a refresh costs: everything anew, a day of new rows, and how both grow with history, on a Postgres of its own.

    python -m benchmarks.refresh [--outcomes 10000000] [--days 90] [--curves]

2 units for every 10 outcomes, 3 variants, one attribute, 5 KPIs of 4 kinds over 3 events. The new rows are those of the
day that follows; the ratio is to deriving everything anew, in the same run. With --curves the two shares have one.
"""

import argparse
import asyncio
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from api import embedded, schema
from api.database import Database
from experiments.aggregation import aggregates
from experiments.aggregation.slices import EVERYTHING, Changes
from experiments.enums import Kind as ExperimentKind
from experiments.enums import Policy, Role
from experiments.planning.plan import PinnedDefinition, Plan, PlannedKpi, PlannedVariant
from kpi import kinds
from kpi.enums import Change, Direction, Unit
from kpi.kinds.mean import Of

START = datetime(2026, 1, 1, tzinfo=UTC)
PER_UNIT = 5
TABLES = ("outcomes", "exposures")
KINDS: tuple[kinds.Kind, ...] = (
    kinds.Activation(event="project_created", window_days=7),
    kinds.Retention(event="session_started", day=7),
    kinds.Mean(event="paid", window_days=14),
    kinds.Mean(event="session_started", window_days=7, of=Of.COUNT),
    kinds.TimeToValue(event="project_created", tau_days=14),
)

NOUNS = """
INSERT INTO workspaces (key, name, created_at) VALUES ('bench', 'bench', now());
INSERT INTO kpis (workspace_id, key, name, description, unit, direction, tier, is_leading, driver, owner, data_source,
    frequency, action, created_at)
VALUES (1, 'k', 'k', '', 'USER', 'HIGHER', 'EARLY', true, 'RENEWAL', 'o', '', 'WEEKLY', '', now());
INSERT INTO hypotheses (workspace_id, key, title, change, kpi_id, direction, rationale, owner, created_at)
VALUES (1, 'h', 't', 'c', 1, 'INCREASE', '', 'o', now());
INSERT INTO experiments (workspace_id, key, name, hypothesis_id, kind, unit, owner, state, plan, created_at)
VALUES (1, 'e', 'e', 1, 'OTHER', 'USER', 'o', 'DRAFT', '{}', now());
INSERT INTO variants (experiment_id, key, name, weight, is_control)
SELECT 1, 'v' || n, 'v', 1, n = 1 FROM generate_series(1, 3) n;
INSERT INTO events (workspace_id, name) VALUES (1, 'session_started'), (1, 'project_created'), (1, 'paid');
"""
EXPOSURES = """
INSERT INTO exposures (experiment_id, unit, variant_id, exposed_at, attributes)
SELECT 1, 'user-' || n, 1 + abs(hashint4(n)) % 3, {at},
    jsonb_build_object('plan', (ARRAY['free', 'pro', 'team'])[1 + n % 3])
FROM generate_series({first}, {last} - 1) n
"""
OUTCOMES = """
INSERT INTO outcomes (id, workspace_id, event_id, unit, occurred_at, value, ingest_id)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || substr(md5(n::text || part), 1, 20))::uuid, 1,
    1 + abs(hashint4(n + part)) % 3, 'user-' || n, at, abs(hashint4(n)) % 1000 / 10.0, {batch}
FROM (
    SELECT n, part, {at} + interval '1 day' * power(abs(hashint4(n * 7 + part)) % 10000 / 10000.0, 2) * 21 AS at
    FROM generate_series({first}, {last} - 1) n CROSS JOIN generate_series(1, 5) part
) rows WHERE at >= '{since}' AND at < '{before}' ORDER BY at
"""


def curved(kind: kinds.Kind) -> kinds.Kind:
    """The kind with a curve, where it can have one."""
    return replace(kind, has_curve=True) if isinstance(kind, kinds.Activation | kinds.Retention) else kind


def plan(has_curves: bool = False) -> Plan:
    """Five KPIs of four kinds over three events."""
    planned = []
    for number, kind in enumerate(map(curved, KINDS) if has_curves else KINDS, start=1):
        name, parameters = kinds.encode(kind)
        planned.append(
            PlannedKpi(
                kpi=f"kpi-{number}",
                name=f"KPI {number}",
                role=Role.PRIMARY,
                direction=Direction.HIGHER,
                definition=PinnedDefinition(
                    id=number, version=1, kind=name, parameters=parameters, events=list(kind.events)
                ),
                baseline=None,
                mde=None,
                margin=None,
                information=None,
            )
        )
    return Plan(
        experiment="e",
        hypothesis="h",
        change=Change.INCREASE,
        kind=ExperimentKind.OTHER,
        unit=Unit.USER,
        variants=[PlannedVariant(key=f"v{n}", name="v", weight=1, is_control=n == 1) for n in range(1, 4)],
        kpis=planned,
        alpha=0.05,
        power=0.8,
        policy=Policy.GROUP_SEQUENTIAL,
        looks=4,
        horizon_days=90,
        segment_attributes=["plan"],
        events=["paid", "project_created", "session_started"],
    )


class Company:
    """A database whose days go by: so many units enter each day, and act over the three weeks that follow."""

    def __init__(self, database: Database, units_a_day: int, has_curves: bool = False) -> None:
        self.database, self.units_a_day, self.day = database, units_a_day, 0
        self.plan = plan(has_curves)

    async def live(self, until: int) -> int:
        """Let days pass; returns the batch that the new outcomes are."""
        first, last = self.day * self.units_a_day, until * self.units_a_day
        at = f"timestamptz '{START.isoformat()}' + interval '1 day' * (n::float8 / {self.units_a_day})"
        entered = max(0, first - 21 * self.units_a_day)
        since, before = (START + timedelta(days=day) for day in (self.day, until))
        async with self.database.raw() as connection:
            await connection.execute(EXPOSURES.format(at=at, first=first, last=last))
            await connection.execute(
                OUTCOMES.format(at=at, first=entered, last=last, batch=until, since=since, before=before)
            )
        self.day = until
        return until

    async def refresh(self, changes: Changes) -> float:
        """Seconds that a refresh at the midnight reached takes."""
        began = time.perf_counter()
        async with self.database.raw() as connection:
            await aggregates.refresh(
                connection,
                experiment_id=1,
                workspace_id=1,
                plan=self.plan,
                changes=changes,
                now=START + timedelta(days=self.day),
                version="bench",
            )
        return time.perf_counter() - began


async def measure(url: str, outcomes: int, days: int, steps: int, has_curves: bool) -> None:
    """Grow the history by steps; at each, refresh everything and then a day more, several times; the best counts."""
    database = Database(url)
    await schema.upgrade(database.engine)
    async with database.raw() as connection:
        await connection.execute(NOUNS)
    company = Company(database, outcomes // PER_UNIT // days, has_curves)
    for step in range(1, steps + 1):
        await company.live(days * step // steps)
        await vacuum(database)
        everything = min([await company.refresh(EVERYTHING) for _ in range(2)])
        one_day = min([await one_day_more(company) for _ in range(3)])
        print(  # noqa: T201 - a benchmark prints
            f"{await size(database)}: everything {everything:6.2f} s, one day more {one_day:6.3f} s"
            f" = {one_day / everything:.3f} of it"
        )
    await database.close()


async def one_day_more(company: Company) -> float:
    """Seconds that the refresh after one more day takes."""
    # Whom the new rows say to have entered did so on the new day.
    day = frozenset([(START + timedelta(days=company.day)).date()])
    batch = await company.live(company.day + 1)
    return await company.refresh(Changes(days=day, outcomes=(batch,)))


async def size(database: Database) -> str:
    """How many rows there are, and the bytes on disk of one, its indexes included."""
    async with database.raw() as connection:
        rows, units = [await connection.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES]  # noqa: S608 - ours
        disk, disk_units = [await connection.fetchval("SELECT pg_total_relation_size($1)", table) for table in TABLES]
    return f"{rows:11,} outcomes of {disk / rows:.0f} bytes, {units:,} exposures of {disk_units / units:.0f}"


async def vacuum(database: Database) -> None:
    """What autovacuum would have done by then."""
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.exec_driver_sql("SET statement_timeout = 0")
        await connection.exec_driver_sql("VACUUM ANALYZE exposures, outcomes")
        await connection.exec_driver_sql("RESET statement_timeout")


def main() -> None:
    """Start a database of its own and measure."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--outcomes", type=int, default=10_000_000)
    arguments.add_argument("--days", type=int, default=90)
    arguments.add_argument("--steps", type=int, default=3)
    arguments.add_argument("--curves", action="store_true")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with embedded.running(Path(folder) / "data") as database:
            asyncio.run(measure(database.url, given.outcomes, given.days, given.steps, given.curves))


if __name__ == "__main__":
    main()

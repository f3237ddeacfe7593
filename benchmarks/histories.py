"""A KPI's history from raw rows, beside the same question as one statement to Postgres, and to DuckDB's scanner.

    python -m benchmarks.histories [--units 100000] [--rounds 2] [--environments FOLDER] [--only KPI] [--explain]

Ten outcomes a unit over two years: a sign-up, for two of three an activation, sessions of the month after; every twenty
units are an account that pays by quarters. Ours derives cohorts with their sums of squares and stores them; a statement
answers value by cohort or period, with no error of it, and stores nothing. Then a day more is refreshed. All answers
are compared. `--explain` prints how Postgres goes about the slowest statement of each KPI.
"""

import argparse
import asyncio
import json
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from api import embedded, schema
from api.database import Database
from benchmarks.peers import environment, show
from kpi import kinds
from kpi.enums import Direction, Driver, Frequency, Granularity, Tier, Unit
from kpi.history import refresh
from kpi.history.derivation import EVER, Derivation
from kpi.history.entry import Entry
from kpi.kinds.terms import Amount, How, Measured, Term
from kpi.service import register_kpi

START, DAYS = date(2024, 1, 1), 730
THROUGH = START + timedelta(days=DAYS)
A_ACCOUNT = 20
NOUNS = """
INSERT INTO workspaces (key, name, created_at) VALUES ('bench', 'bench', now());
INSERT INTO events (workspace_id, name)
VALUES (1, 'signed_up'), (1, 'activated'), (1, 'session_started'), (1, 'mrr');
"""
ID = """(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
    || substr(md5(who || part || event), 1, 20))::uuid"""
MEMBERS = """
INSERT INTO memberships (workspace_id, member, since_at, account, ingest_id)
SELECT 1, 'user-' || n, '2000-01-01Z', 'account-' || n / {a_account}, 0 FROM generate_series(0, {units} - 1) n
"""
OUTCOMES = """
INSERT INTO outcomes (id, workspace_id, event_id, unit, occurred_at, value, ingest_id)
SELECT {id}, 1, event, who, at, value, 0 FROM (
    SELECT 'user-' || n AS who, part, CASE part WHEN 0 THEN 1 WHEN 1 THEN 2 ELSE 3 END AS event, NULL::float8 AS value,
        joined + interval '1 day' * CASE part WHEN 0 THEN 0
            WHEN 1 THEN power(abs(hashint4(n * 7)) % 10000 / 10000.0, 2) * 45
            ELSE abs(hashint4(n * 13 + part)) % 10000 / 10000.0 * 60 END AS at
    FROM (SELECT n, timestamptz '{start}Z' + interval '1 day' * (n::float8 * {days} / {units}) AS joined
        FROM generate_series(0, {units} - 1) n) u CROSS JOIN generate_series(0, 9) part
    WHERE part <> 1 OR abs(hashint4(n)) % 3 < 2
    UNION ALL
    SELECT 'account-' || a, term, 4, CASE WHEN abs(hashint4(a * 3 + term)) % 12 = 0 AND term > 0 THEN 0
        ELSE 100 + abs(hashint4(a + term)) % 50 END,
        timestamptz '{start}Z' + interval '1 day' * (a::float8 * {days} * {a_account} / {units} + 91.25 * term)
    FROM generate_series(0, {units} / {a_account} - 1) a CROSS JOIN generate_series(0, 7) term
) rows WHERE at >= '{since}Z' AND at < '{before}Z' ORDER BY at
"""
PAID = Amount(event="mrr", of=Measured.LEVEL_AT_START)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A KPI, and the statement that gives its value (day or last day of the period, value) in Postgres and DuckDB."""

    kind: kinds.Kind
    entry: Entry
    statement: str
    unit: Unit = Unit.USER

    def over(self, outcomes: str) -> str:
        """The statement, over the table as it is called there."""
        return self.statement.format(outcomes=outcomes, entered=ENTERED.format(outcomes=outcomes), **DATES)


ENTERED = "SELECT unit, min(occurred_at) AS at FROM {outcomes} WHERE event_id = 1 GROUP BY 1"
DATES = {
    "through": THROUGH,
    "before_14": THROUGH - timedelta(days=14),
    "before_30": THROUGH - timedelta(days=30),
    "first_week": START + timedelta(days=7),
}
QUESTIONS: Mapping[str, Question] = {
    "activation": Question(
        kind=kinds.Activation(event="activated", window_days=14),
        entry=Entry(event="signed_up"),
        statement="""
SELECT entered_on, avg(k) FROM (
    SELECT e.unit, CAST(e.at AS date) AS entered_on, CASE WHEN count(o.unit) > 0 THEN 1.0 ELSE 0.0 END AS k
    FROM ({entered}) e LEFT JOIN {outcomes} o ON o.unit = e.unit AND o.event_id = 2 AND o.occurred_at >= e.at
        AND o.occurred_at < e.at + INTERVAL '336 hours' GROUP BY 1, 2
) u WHERE entered_on < date '{before_14}' GROUP BY 1 ORDER BY 1""",
    ),
    "time to value": Question(
        kind=kinds.TimeToValue(event="activated", tau_days=30),
        entry=Entry(event="signed_up"),
        statement="""
SELECT entered_on, sum(k) FROM (
    SELECT e.unit, CAST(e.at AS date) AS entered_on, CASE WHEN min(o.occurred_at) IS NULL THEN 0.0 ELSE 1.0 END AS k
    FROM ({entered}) e LEFT JOIN {outcomes} o ON o.unit = e.unit AND o.event_id = 2 AND o.occurred_at >= e.at
        AND o.occurred_at < e.at + INTERVAL '720 hours' GROUP BY 1, 2
) u WHERE entered_on < date '{before_30}' GROUP BY 1 ORDER BY 1""",
    ),
    "monthly NRR": Question(
        kind=kinds.Ratio(
            window_days=365,
            numerator=Term(amount=Amount(event="mrr", of=Measured.LEVEL_AT_END), how=How.KEPT, other=PAID),
            denominator=Term(amount=PAID),
        ),
        entry=Entry(every=Granularity.MONTH),
        unit=Unit.ACCOUNT,
        statement="""
WITH paid AS (
    SELECT unit, value, occurred_at AS since,
        lead(occurred_at, 1, timestamptz '2100-01-01 00:00:00+00') OVER (PARTITION BY unit ORDER BY occurred_at)
            AS until
    FROM {outcomes} WHERE event_id = 4
)
SELECT CAST(m.t - INTERVAL '1 day' AS date), sum(a.value) / sum(b.value)
FROM generate_series(timestamptz '2025-01-01 00:00:00+00', timestamptz '{through} 00:00:00+00', INTERVAL '1 month') m(t)
    JOIN paid b ON b.since < m.t - INTERVAL '8760 hours' AND b.until >= m.t - INTERVAL '8760 hours' AND b.value > 0
    JOIN paid a ON a.unit = b.unit AND a.since < m.t AND a.until >= m.t
GROUP BY 1 ORDER BY 1""",
    ),
    "weekly stickiness": Question(
        kind=kinds.Ratio(
            window_days=28,
            numerator=Term(amount=Amount(event="session_started", of=Measured.ANY, last_days=7)),
            denominator=Term(amount=Amount(event="session_started", of=Measured.ANY)),
        ),
        entry=Entry(every=Granularity.WEEK),
        statement="""
SELECT CAST(w.t - INTERVAL '1 day' AS date),
    1.0 * count(DISTINCT unit) FILTER (WHERE occurred_at >= w.t - INTERVAL '168 hours') / count(DISTINCT unit)
FROM generate_series(
        timestamptz '{first_week} 00:00:00+00', timestamptz '{through} 00:00:00+00', INTERVAL '7 days'
    ) w(t)
    JOIN {outcomes} o ON o.event_id = 3 AND o.occurred_at >= w.t - INTERVAL '672 hours' AND o.occurred_at < w.t
GROUP BY 1 ORDER BY 1""",
    ),
}
VALUES = {
    "time to value": "SELECT entered_on, sum(events)::float8 FROM history_durations WHERE definition_id = {id}"
    " AND entered_on < '{before_30}' GROUP BY 1 ORDER BY 1",
    "": "SELECT entered_on, (CASE WHEN mean_x IS NULL THEN mean ELSE mean / nullif(mean_x, 0) END)::float8"
    " FROM history_moments WHERE definition_id = {id} ORDER BY 1",
}
DUCKDB = """
import duckdb, duckdb_extension_postgres_scanner, json, sys, time
from pathlib import Path
(extension,) = Path(duckdb_extension_postgres_scanner.__file__).parent.rglob("*.duckdb_extension")
connection = duckdb.connect()
connection.execute(f"LOAD '{extension}'")
connection.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
connection.execute(f"ATTACH 'host={sys.argv[1]} user=truelift dbname=truelift' AS pg (TYPE postgres, READ_ONLY)")
began = time.perf_counter()
rows = connection.execute(sys.argv[2]).fetchall()
seconds = time.perf_counter() - began
print(json.dumps([seconds, [[str(day), None if value is None else float(value)] for day, value in rows]]))
"""


async def filled(database: Database, units: int) -> None:
    """Two years of rows, and the KPIs."""
    async with database.raw() as connection:
        await connection.execute("SET statement_timeout = 0")
        await connection.execute(NOUNS)
        await connection.execute(MEMBERS.format(units=units, a_account=A_ACCOUNT))
    await lived(database, units, START, THROUGH)
    async with database.write() as session:
        for name, question in QUESTIONS.items():
            await register_kpi(
                session,
                workspace_id=1,
                now=datetime.now(UTC),
                key=name.lower().replace(" ", "-"),
                name=name,
                description="",
                unit=question.unit,
                direction=Direction.HIGHER,
                tier=Tier.EARLY,
                is_leading=True,
                driver=Driver.RENEWAL,
                owner="o",
                data_source="",
                frequency=Frequency.WEEKLY,
                action="",
                definition=question.kind,
                baseline=None,
                entry=question.entry,
            )


async def lived(database: Database, units: int, since: date, before: date) -> None:
    """The rows of some days."""
    shared = {"start": START, "days": DAYS, "units": units, "a_account": A_ACCOUNT, "id": ID}
    async with database.raw() as connection:
        await connection.execute("SET statement_timeout = 0")
        await connection.execute(OUTCOMES.format(since=since, before=before, **shared))
    async with database.engine.connect() as vacuuming:
        await vacuuming.execution_options(isolation_level="AUTOCOMMIT")
        await vacuuming.exec_driver_sql("SET statement_timeout = 0")
        await vacuuming.exec_driver_sql("VACUUM ANALYZE outcomes, memberships")
        await vacuuming.exec_driver_sql("RESET statement_timeout")


async def derived(database: Database, definition_id: int, through: date, *, anew: bool) -> float:
    """Seconds that a refresh of a KPI takes."""
    async with database.raw() as connection:
        await connection.execute("SET LOCAL statement_timeout = 0")
        if anew:
            await connection.execute("UPDATE histories SET through = NULL WHERE definition_id = $1", definition_id)
        began = time.perf_counter()
        await refresh.refresh(connection, definition_id, through)
        return time.perf_counter() - began


async def asked(database: Database, statement: str) -> tuple[float, list[tuple[str, float]]]:
    """Seconds of one statement, and its answer."""
    async with database.raw() as connection:
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute(f"SET LOCAL work_mem = '{refresh.MEMORY}'")
        began = time.perf_counter()
        rows = await connection.fetch(statement)
        return time.perf_counter() - began, [(str(row[0]), row[1]) for row in rows]


def scanned(python: Path, statement: str, host: str) -> tuple[float, list[tuple[str, float]]]:
    """The same by DuckDB, in a process of its own and without its start."""
    command = [str(python), "-I", "-c", DUCKDB, host, statement]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - the source above
    seconds, rows = json.loads(done.stdout)
    return seconds, [tuple(row) for row in rows]


async def compare(url: str, units: int, rounds: int, folder: Path, only: Sequence[str], *, explains: bool) -> None:
    """Everybody in turn, several times; the best of each counts. Then a day more."""
    database = Database(url)
    await schema.upgrade(database.engine)
    await filled(database, units)
    (host,) = parse_qs(urlsplit(url).query)["host"]
    python = environment("duckdb", folder)
    numbers = {name: number for number, name in enumerate(QUESTIONS, start=1) if name in only}
    for name, number in numbers.items():
        question = QUESTIONS[name]
        ours, plain, duck = [], [], []
        for _ in range(rounds):
            ours.append(await derived(database, number, THROUGH, anew=True))
            seconds, expected = await asked(database, question.over("outcomes"))
            plain.append(seconds)
            if python:
                statement = question.over("pg.outcomes")
                duck.append((await asyncio.to_thread(scanned, python, statement, host))[0])
        await agree(database, number, name, expected)
        beside = [("one statement", min(plain)), *([("DuckDB", min(duck))] if duck else [])]
        parts = [f"{who} {best:.2f} s: ours is {min(ours) / best:.2f} of it" for who, best in beside]
        show(f"{name:<18} first derivation {min(ours):7.2f} s   {'   '.join(parts)}")
        if explains:
            await explain(database, question)
    await lived(database, units, THROUGH, THROUGH + timedelta(days=1))
    for name, number in numbers.items():
        seconds = await derived(database, number, THROUGH + timedelta(days=1), anew=False)
        show(f"{name:<18} a day more {seconds:7.2f} s")
    await database.close()


async def agree(database: Database, number: int, name: str, expected: list[tuple[str, float]]) -> None:
    """Raise ValueError unless our values are those of the statement."""
    _, found = await asked(database, VALUES.get(name, VALUES[""]).format(id=number, **DATES))
    own = dict(found)
    apart = [
        (day, own.get(day), value) for day, value in expected if abs((own.get(day) or 0) - float(value or 0)) > 1e-9
    ]
    if apart or not expected:
        raise ValueError(f"{name}: {len(apart)} of {len(expected)} values differ, such as {apart[:3]}")


async def explain(database: Database, question: Question) -> None:
    """How Postgres goes about the units of a KPI: what is run before that, and then its plan."""
    derivation = Derivation(
        definition_id=0,
        workspace_id=1,
        unit=question.unit,
        kind=question.kind,
        entry=question.entry,
        segments=(),
        numbers={"signed_up": 1, "activated": 2, "session_started": 3, "mrr": 4},
        first=EVER,
        began=START,
        through=THROUGH,
    )
    async with database.raw() as connection:
        await connection.execute(f"SET LOCAL statement_timeout = 0; SET LOCAL work_mem = '{refresh.MEMORY}'")
        for statement, arguments in derivation.statements():
            if "TABLE cells" in statement:
                for (line,) in await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {statement}", *arguments):
                    show(line)
                await connection.execute("DROP TABLE IF EXISTS cells, entrants")
                return
            await connection.execute(statement, *arguments)


def main() -> None:
    """Measure on a Postgres of its own."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--units", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--environments", type=Path, help="where DuckDB stays installed (default: nowhere)")
    arguments.add_argument("--only", action="append", choices=list(QUESTIONS), help="a KPI (default: all)")
    arguments.add_argument("--explain", action="store_true")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)
        folder = (given.environments or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        with embedded.running(Path(scratch) / "data") as database:
            asyncio.run(
                compare(
                    database.url,
                    given.units,
                    given.rounds,
                    folder,
                    given.only or list(QUESTIONS),
                    explains=given.explain,
                )
            )


if __name__ == "__main__":
    main()

"""Deriving everything anew, beside peers that read the same rows from the same Postgres in the same run.

    python -m benchmarks.recompute [--outcomes 10000000] [--rounds 2] [--environments FOLDER] [--url URL]

The rows are those of `benchmarks.refresh`. Ours fills the three tables of 5 KPIs of 4 kinds, by variant, entry day and
segment. A peer brings the same outcomes to one row a unit and reads five means and variances by variant from these;
time to value is the mean of its days up to tau. It knows no entry days and no segments, and stores nothing. `--url`
takes an embedded database with these rows, by its socket.
"""

import argparse
import asyncio
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from api import embedded, schema
from api.database import Database
from benchmarks.peers import PINS, environment, show
from benchmarks.refresh import NOUNS, PER_UNIT, Company, size, vacuum
from experiments.aggregation.slices import EVERYTHING

DAYS, AIM = 90, 0.6
TIMED = """
import sys, time
began = time.perf_counter()
step(sys.argv[1])
print(time.perf_counter() - began)
"""
TEA_TASTING = """
import ibis, tea_tasting
def step(host):
    memory = "-c work_mem=128MB"  # as much as ours, so that it spills no sooner
    there = ibis.postgres.connect(host=host, user="truelift", database="truelift", options=memory)
    e, o = there.table("exposures"), there.table("outcomes")
    e = e.filter(e.experiment_id == 1, e.crossed_at.isnull()).select("unit", "variant_id", "exposed_at")
    o = o.filter(o.event_id.isin([1, 2, 3])).select("event_id", "occurred_at", "value", did_by=o.unit)
    def after(table, days):
        return table.exposed_at + ibis.interval(hours=24 * days)
    until = o.occurred_at < e.exposed_at + ibis.interval(hours=24 * 14)
    rows = e.left_join(o, [o.did_by == e.unit, o.occurred_at >= e.exposed_at, until])
    def did(event, start, until):
        inside = (rows.occurred_at >= after(rows, start)) & (rows.occurred_at < after(rows, until))
        return inside & (rows.event_id == event)
    units = rows.group_by("unit", "variant_id", "exposed_at").aggregate(
        k1=(rows.count(where=did(2, 0, 7)) > 0).cast("int32"),
        k2=(rows.count(where=did(1, 7, 8)) > 0).cast("int32"),
        k3=rows.value.sum(where=did(3, 0, 14)).fill_null(0.0),
        k4=rows.count(where=did(1, 0, 7)).cast("float64"),
        first=rows.occurred_at.min(where=did(2, 0, 14)),
    )
    days = ((units["first"].epoch_seconds() - units.exposed_at.epoch_seconds()) / 86400).floor() + 1
    units = units.mutate(k5=days.fill_null(14).cast("float64"))
    metrics = {f"k{n}": tea_tasting.Mean(f"k{n}") for n in range(1, 6)}
    tea_tasting.Experiment(metrics, variant="variant_id").analyze(units, control=1, all_variants=True)
"""
DUCKDB = """
import duckdb, duckdb_extension_postgres_scanner
from pathlib import Path
def step(host):
    (extension,) = Path(duckdb_extension_postgres_scanner.__file__).parent.rglob("*.duckdb_extension")
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension}'")
    connection.execute(f"ATTACH 'host={host} user=truelift dbname=truelift' AS pg (TYPE postgres, READ_ONLY)")
    connection.execute("SET enable_progress_bar = false")
    connection.execute(STATEMENT).fetchall()
STATEMENT = '''
SELECT variant_id, count(*), avg(k1), var_samp(k1), avg(k2), var_samp(k2), avg(k3), var_samp(k3), avg(k4), var_samp(k4),
    avg(k5), var_samp(k5)
FROM (
    SELECT e.variant_id,
        (count(*) FILTER (event_id = 2 AND occurred_at < e.exposed_at + INTERVAL 168 HOUR) > 0)::int AS k1,
        (count(*) FILTER (event_id = 1 AND occurred_at >= e.exposed_at + INTERVAL 168 HOUR
            AND occurred_at < e.exposed_at + INTERVAL 192 HOUR) > 0)::int AS k2,
        coalesce(sum(value) FILTER (event_id = 3), 0) AS k3,
        count(*) FILTER (event_id = 1 AND occurred_at < e.exposed_at + INTERVAL 168 HOUR) AS k4,
        coalesce(1 + floor(epoch(min(occurred_at) FILTER (event_id = 2) - e.exposed_at) / 86400), 14) AS k5
    FROM pg.exposures e LEFT JOIN pg.outcomes o ON o.unit = e.unit AND o.event_id IN (1, 2, 3)
        AND o.occurred_at >= e.exposed_at AND o.occurred_at < e.exposed_at + INTERVAL 336 HOUR
    WHERE e.experiment_id = 1 AND e.crossed_at IS NULL GROUP BY e.unit, e.variant_id, e.exposed_at
) GROUP BY variant_id
'''
"""
PEERS = {"tea-tasting-postgres": TEA_TASTING, "duckdb": DUCKDB}


def peer_seconds(python: Path, source: str, host: str) -> float:
    """Seconds a peer takes in a process of its own, without its start and imports."""
    command = [str(python), "-I", "-W", "ignore", "-c", source + TIMED, host]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - the sources above
    return float(done.stdout.split()[-1])


async def compare(url: str, outcomes: int, rounds: int, folder: Path, *, is_filled: bool) -> None:
    """Everybody in turn, several times; the best of each counts."""
    (host,) = parse_qs(urlsplit(url).query)["host"]
    pythons = {peer: python for peer in PEERS if (python := environment(peer, folder))}
    async with filled(url, outcomes, is_filled=is_filled) as company:
        show(await size(company.database))
        ours: list[float] = []
        theirs: dict[str, list[float]] = {peer: [] for peer in pythons}
        for _ in range(rounds):
            ours.append(await company.refresh(EVERYTHING))
            for peer, python in pythons.items():
                theirs[peer].append(await asyncio.to_thread(peer_seconds, python, PEERS[peer], host))
            show(", ".join([f"ours {ours[-1]:.1f} s", *(f"{peer} {theirs[peer][-1]:.1f} s" for peer in pythons)]))
    show(f"{'everything anew':<16}{min(ours):8.2f} s")
    for peer, seconds in theirs.items():
        ratio = min(ours) / min(seconds)
        show(f"{PINS[peer][0]:<20}{min(seconds):6.2f} s   ours is {ratio:.2f} of it   aim {AIM}")


@asynccontextmanager
async def filled(url: str, outcomes: int, *, is_filled: bool) -> AsyncIterator[Company]:
    """The company of the benchmark after its days, all of them new unless the database holds them."""
    database = Database(url)
    company = Company(database, outcomes // PER_UNIT // DAYS)
    if is_filled:
        company.day = DAYS
    else:
        await schema.upgrade(database.engine)
        async with database.raw() as connection:
            await connection.execute(NOUNS)
        await company.live(DAYS)
        await vacuum(database)
    yield company
    await database.close()


def main() -> None:
    """Measure on a database of its own, or on one that is there."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--outcomes", type=int, default=10_000_000)
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--environments", type=Path, help="where the peers stay installed (default: nowhere)")
    arguments.add_argument("--url", help="a database this benchmark filled before")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)
        folder = (given.environments or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if given.url:
            asyncio.run(compare(given.url, given.outcomes, given.rounds, folder, is_filled=True))
            return
        with embedded.running(Path(scratch) / "data") as database:
            asyncio.run(compare(database.url, given.outcomes, given.rounds, folder, is_filled=False))


if __name__ == "__main__":
    main()

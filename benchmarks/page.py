"""CPU time of the experiment page's own document on the sample company, and how much of it is not the analysis.

    python -m benchmarks.page [--rounds 20]

For each sample experiment: the whole answer as the page asks for it; the results alone (reading the aggregates,
evaluating, checking, judging); the difference, which is what GraphQL and its other reads take; and the page made of it.
Then the daily series and curves of the 40 findings of `benchmarks.analysis`, which need no database, and their JSON.
Milliseconds of this process; Postgres works in another.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import strawberry
from strawberry.schema.config import StrawberryConfig

import web
from api import embedded, sample, schema
from api.auth.keys import Caller, Scope
from api.commands.demo import load
from api.database import Database
from api.graphql.columns import SCALARS
from api.graphql.context import Context
from api.graphql.schema import schema as graphql
from api.graphql.types.finding import Finding
from benchmarks import analysis
from experiments import queries
from experiments.tables import Experiment

DOCUMENT = web.documents["experiment"]
COLUMNS = """{ findings {
  series { on n difference lower upper alwaysValidLower alwaysValidUpper }
  survival { days control { reached lower upper atRisk } treatment { reached lower upper atRisk } }
} }"""
CALLER = Caller(
    workspace_id=1, workspace="default", key_name="bench", public_id="bench", scopes=frozenset({Scope.READ})
)


async def best(step: Callable[[], Awaitable[object]], rounds: int) -> float:
    """The least CPU milliseconds of several rounds."""
    found = []
    for _ in range(rounds):
        began = time.process_time()
        await step()
        found.append((time.process_time() - began) * 1_000)
    return min(found)


async def answer(database: Database, key: str) -> dict[str, Any]:
    """What the page's document says of an experiment."""
    result = await graphql.execute(DOCUMENT, {"key": key}, Context(database=database, caller=CALLER))
    if result.errors or result.data is None:
        raise RuntimeError(str(result.errors))
    return result.data


async def measure(database: Database, experiment: Experiment, rounds: int) -> None:
    """One experiment."""
    said = await answer(database, experiment.key)
    results = said["experiment"]["results"]
    findings, segments = results["findings"], results["segmentFindings"]

    async def analysed() -> object:
        return await Context(database=database, caller=CALLER).loaders.results(experiment, None)

    async def rendered() -> object:
        return web.render("experiment", said)

    whole = await best(lambda: answer(database, experiment.key), rounds)
    alone = await best(analysed, rounds)
    drawn = await best(rendered, max(1, rounds // 4))
    print(  # noqa: T201 - a benchmark prints
        f"{experiment.key:18} {len(findings)} findings of {len(findings[0]['series']['on'])} days,"
        f" {len(segments)} by segment: whole {whole:6.1f} ms, analysis {alone:5.1f},"
        f" GraphQL {whole - alone:5.1f}; the page of it {drawn:5.1f}"
    )


@strawberry.type
class Columns:
    """Findings without a database."""

    @strawberry.field
    def findings(self, info: strawberry.Info) -> list[Finding]:
        """Those that were handed over."""
        found: Any = info.context
        return list(found)


async def columns(rounds: int) -> None:
    """What has an entry a day, of 40 findings of 104 days."""
    public = strawberry.Schema(query=Columns, config=StrawberryConfig(scalar_map=SCALARS))
    found = analysis.evaluated()
    answer = await public.execute(COLUMNS, context_value=found)

    async def encoded() -> object:
        return msgspec.json.encode(answer.data)

    resolved = await best(lambda: public.execute(COLUMNS, context_value=found), rounds)
    size, written = len(msgspec.json.encode(answer.data)), await best(encoded, rounds)
    print(  # noqa: T201 - a benchmark prints
        f"columns of {len(found)} findings: GraphQL {resolved:.1f} ms, {size:,} bytes of JSON {written:.1f}"
    )


async def company(url: str, rounds: int) -> None:
    """Load the sample company and measure each of its experiments."""
    database = Database(url)
    await schema.upgrade(database.engine)
    await load(database, sample.simulate(today=datetime.now(UTC).date()))
    async with database.read() as session:
        started = await queries.started_experiments(session, CALLER.workspace_id)
    for experiment in started:
        await measure(database, experiment, rounds)
    await database.close()


def main() -> None:
    """Start a database of its own and measure."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=20)
    given = arguments.parse_args()
    asyncio.run(columns(given.rounds))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with embedded.running(Path(folder) / "data") as database:
            asyncio.run(company(database.url, given.rounds))


if __name__ == "__main__":
    main()

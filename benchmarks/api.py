"""How long an answer takes over HTTP, as ratios to a bare Starlette route that reads one row, and one that reads none.

    python -m benchmarks.api [--rounds 30] [--times 10] [--data-dir FOLDER]

`truelift serve` and the bare routes (`benchmarks.bare`) run as processes of their own on one Postgres with the sample
company. One request is on its way at a time. In each round everything is asked in turn, so that what disturbs the
machine disturbs all alike; the first rounds, and the first answer of each turn, do not count. Beside it stands what the
process that answers worked, which holds on a busy machine too. Given a folder, the company is loaded into it once and
kept.

"after a commit" is the first answer after something was committed somewhere: nothing is known of answers, as while rows
pour in. "other numbers" is the first after the aggregates of the experiments have changed: as after a refresh.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from statistics import median, quantiles

import web
from api import embedded, sample, schema
from api.auth import keys
from api.auth.keys import Caller, Scope
from api.commands.demo import load
from api.database import Database
from api.graphql.context import Context
from api.graphql.schema import schema as graphql
from api.sample import Company
from benchmarks.faults.service import Service, place, until
from benchmarks.peers import show
from tests.service.running import free_port

EXPERIMENT = "guided-onboarding"
BARE = "bare route, one row"
PLAIN = "bare route, no row"
WARM = 3
"""Rounds that do not count."""
PAGE = 20
"""Experiments there are: the company's, and drafts beside them."""
UNLIMITED = {"TRUELIFT_COST_PER_SECOND": "1e9", "TRUELIFT_COST_AT_ONCE": "1e9"}
SMALL = """query Results($key: String!) { experiment(key: $key) { key name state results {
  computedAt dataThrough verdict { state sentence variant { key } }
  diagnostics { health srm { state pValue } }
  findings { role kpi { key name } variant { key } estimate { difference lift }
    interval { lower upper level } pValue adjustedPValue isSignificant }
} } }"""
LIST = """query List { experiments(first: 20) { totalCount pageInfo { hasNextPage endCursor } nodes {
  id key name state owner createdAt startedAt hypothesis { key title }
} } }"""
INGEST = """mutation Ingest($input: OutcomesIngestInput!) { outcomesIngest(input: $input) {
  report { accepted rejected } userErrors { message }
} }"""
LEAVES = """query Leaves { experiments(first: 20) { nodes { key results {
  findings { ...F } segmentFindings { ...F }
} } } }
fragment F on Finding {
  role scale method readOn isSignificant isBetter isWorse isOver endsOn progress pValue adjustedPValue correction margin
  breachesMargin keepsMargin reason decidedOn nextLookOn
  kpi { key name unit direction owner } variant { key name weight isControl } segment { attribute value }
  control { n open censored value standardError } treatment { n open censored value standardError }
  estimate { difference lift } interval { lower upper level } liftInterval { lower upper level }
  fixed { statistic pValue interval { lower upper level } }
  alwaysValid { pValue eValue logEValue interval { lower upper level } } repeated { lower upper level }
  futility { mde conditionalPower isMdeExcluded isFutile }
  baseline { value standardError n version difference pValue isObservational interval { lower upper level } }
}"""


DRAFT = """mutation Draft($input: ExperimentRegisterInput!) { experimentRegister(input: $input) {
  userErrors { message }
} }"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Something that is asked again and again: how, whom, and how long each time took, in milliseconds.

    `worked` is what the process that answers worked for it, round by round. `before` is done before each time, by
    another process, and is part of neither.
    """

    name: str
    ask: Callable[[], bytes]
    process: int
    before: Callable[[], object] = bytes
    took: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One connection to one server, kept open."""

    connection: HTTPConnection
    headers: Mapping[str, str] = field(default_factory=dict)

    def get(self, path: str) -> bytes:
        """An answer. Raises RuntimeError for one that is none."""
        return self._answer("GET", path, None)

    def graphql(self, body: bytes) -> bytes:
        """An answer of the GraphQL endpoint."""
        return self._answer("POST", "/graphql", body)

    def _answer(self, method: str, path: str, body: bytes | None) -> bytes:
        try:
            return self._once(method, path, body)
        except ConnectionError:  # a server closes a connection on which nothing is asked for some seconds
            self.connection.close()
            return self._once(method, path, body)

    def _once(self, method: str, path: str, body: bytes | None) -> bytes:
        self.connection.request(method, path, body, dict(self.headers))
        answer = self.connection.getresponse()
        found = answer.read()
        if answer.status != 200 or b'"errors"' in found[-2_000:]:
            raise RuntimeError(f"{answer.status}: {found[:2_000]!r}")
        return found


def works(ours: Asking, bare: Asking, processes: tuple[int, int]) -> list[Work]:
    """What is measured; the first two are what the rest is held against."""
    number = count()

    def ingest() -> bytes:
        row = {"unit": f"api-{next(number)}", "event": "project_created", "occurredAt": datetime.now(UTC).isoformat()}
        return ours.graphql(asked(INGEST, input={"outcomes": [row]}))

    documents = {
        "results, the page's document": asked(web.documents["experiment"], key=EXPERIMENT),
        "results, a small query": asked(SMALL, key=EXPERIMENT),
        f"list of {PAGE} experiments": asked(LIST),
        "list, the page's document": asked(web.documents["experiments"], first=PAGE),
        "leaves": asked(LEAVES),
    }
    states: Mapping[str, Callable[[], object]] = {
        "": bytes,
        ", after a commit": partial(bare.get, "/commit"),
        ", other numbers": partial(bare.get, "/another"),
    }
    return [
        Work(name=BARE, ask=partial(bare.get, f"/row/{EXPERIMENT}"), process=processes[1]),
        Work(name=PLAIN, ask=partial(bare.get, "/json"), process=processes[1]),
        Work(name="mutation, one outcome", ask=ingest, process=processes[0]),
        *(
            Work(name=f"{name}{state}", ask=partial(ours.graphql, body), process=processes[0], before=before)
            for state, before in states.items()
            for name, body in documents.items()
        ),
    ]


def asked(document: str, **variables: object) -> bytes:
    """A document with its variables, as it is sent."""
    return json.dumps({"query": document, "variables": variables}).encode()


def measure(found: list[Work], rounds: int, times: int) -> None:
    """Ask for everything in turn, round after round, each round from another beginning."""
    for number in range(WARM + rounds):
        start = number % len(found)
        for work in found[start:] + found[:start]:
            work.ask()
            began = worked(work.process)
            took = [timed(work) for _ in range(times)]
            if number >= WARM:
                work.took.extend(took)
                work.worked.append((worked(work.process) - began) / times)


def worked(process: int) -> float:
    """The milliseconds that a process has been on a processor, of its main thread, which all is done in."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e6


def timed(work: Work) -> float:
    """The milliseconds of one answer."""
    work.before()
    began = time.perf_counter()
    work.ask()
    return (time.perf_counter() - began) * 1_000


def tell(found: list[Work]) -> None:
    """Print each work beside the bare route that reads a row."""
    row = found[0]
    show(
        f"{'':44} {'p50 ms':>8} {'/ row':>6} {'p99 ms':>8} {'/ row':>6} {'CPU ms':>8} {'/ row':>6} {'bytes':>9} leaves"
    )
    for work in found:
        answer, columns = work.ask(), ""
        for of in (median, at_99):
            columns += f" {of(work.took):8.2f} {of(work.took) / of(row.took):6.2f}"
        columns += f" {median(work.worked):8.2f} {median(work.worked) / median(row.worked):6.2f}"
        show(f"{work.name:44}{columns} {len(answer):9,} {leaves_of(json.loads(answer)):6,}")


def at_99(took: list[float]) -> float:
    """What 99 of 100 took at most."""
    return quantiles(took, n=100, method="inclusive")[98]


def leaves_of(value: object) -> int:
    """The leaves of an answer; a column is one."""
    if isinstance(value, dict):
        return sum(map(leaves_of, value.values()))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return sum(map(leaves_of, value))
    return 1


async def prepare(url: str, secret: bytes) -> str:
    """Load the company where it is not, with the drafts; returns a key that may do what is measured."""
    database = Database(url)
    await schema.upgrade(database.engine)
    scopes = [Scope.READ, Scope.EDIT, Scope.INGEST, Scope.DECIDE]
    caller = Caller(workspace_id=1, workspace="default", key_name="bench", public_id="bench", scopes=frozenset(scopes))
    context = Context(database=database, caller=caller)
    found = await graphql.execute("{ experiments { totalCount } }", context_value=context)
    if found.errors or found.data is None:
        raise RuntimeError(str(found.errors))
    if not found.data["experiments"]["totalCount"]:
        company = sample.simulate(today=datetime.now(UTC).date())
        await load(database, company)
        await draft(context, company)
    async with database.write() as session:
        key = await keys.create(
            session, workspace_id=1, name="bench", scopes=scopes, secret=secret, now=datetime.now(UTC)
        )
    await database.close()
    return key


async def draft(context: Context, company: Company) -> None:
    """Register experiments that do not start."""
    known = company.registrations.experiments
    for number in range(PAGE - len(known)):
        given = {**known[0], "key": f"draft-{number}", "name": f"Draft {number}"}
        found = await graphql.execute(DRAFT, {"input": given}, context)
        if found.errors or found.data is None or found.data["experimentRegister"]["userErrors"]:
            raise RuntimeError(str(found))


@contextmanager
def bare_server(url: str, port: int) -> Iterator[int]:
    """The bare routes, in a process of their own, served as ours are; its number."""
    options = ["--port", str(port), "--log-level", "warning", "--no-server-header"]
    environment = os.environ | {"BARE_DATABASE": url.replace("+asyncpg", "")}
    process = subprocess.Popen([sys.executable, "-m", "uvicorn", "benchmarks.bare:app", *options], env=environment)  # noqa: S603 - ours
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def is_up(port: int, path: str) -> bool:
    """Whether somebody answers; no worker is needed."""
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    connection.request("GET", path)
    return connection.getresponse().status == 200


async def compare(folder: Path, rounds: int, times: int) -> None:
    """Start everything, measure and print."""
    service = Service(data=folder / "data", port=free_port(), settings=UNLIMITED)
    port = free_port()
    secret = os.urandom(32).hex()
    with embedded.running(service.data) as found, bare_server(found.url, port) as bare_process:
        secret_file = service.data / "secret"
        if not secret_file.exists():
            secret_file.write_text(secret)
        key = await prepare(found.url, secret_file.read_bytes())
        service.start("api")
        try:
            await until(lambda: is_up(service.port, "/healthz"))
            await until(lambda: is_up(port, "/json"))
            headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
            ours = Asking(connection=HTTPConnection("127.0.0.1", service.port), headers=headers)
            bare = Asking(connection=HTTPConnection("127.0.0.1", port))
            known = works(ours, bare, (service.processes["api"].pid, bare_process))
            measure(known, rounds, times)
            tell(known)
        finally:
            service.end()


def main() -> None:
    """Start a service of its own and measure."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=30)
    arguments.add_argument("--times", type=int, default=10)
    arguments.add_argument("--data-dir", type=Path)
    given = arguments.parse_args()
    if given.data_dir is not None:
        asyncio.run(compare(given.data_dir, given.rounds, given.times))
        return
    with place() as folder:
        asyncio.run(compare(folder, given.rounds, given.times))


if __name__ == "__main__":
    main()

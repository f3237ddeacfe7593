"""A thousand open subscriptions: what they take, how soon all have heard, and what others notice of it.

    python -m benchmarks.subscriptions [--subscriptions 1000] [--events 20]

`truelift serve` runs as a process of its own on the sample company. Half of the subscriptions come over websockets
(graphql-transport-ws, 20 a socket), half as server-sent events, a third of them each for `experimentResultsUpdated`,
`jobProgressed` and `alertRaised`. Of each kind something is committed again and again, and the time taken from the
commit until every subscriber has its event. Then all of them follow one experiment, and after that others beside them
read nothing at all. Meanwhile a process beside it keeps asking an ordinary query.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles

from sqlmodel import func, select
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from api import embedded
from api.database import Database
from api.graphql.news import Channel
from api.graphql.nodes import global_id
from api.jobs.refresh import refresh_due
from api.jobs.tables import Job, JobState, Noun
from benchmarks.api import SMALL, UNLIMITED, Asking, asked, is_up, prepare
from benchmarks.faults.service import Service, place, until
from benchmarks.peers import show
from experiments import exposures, queries
from experiments.enums import State
from experiments.tables import Experiment
from kpi.alerts import queries as alert_queries
from kpi.alerts.tables import Alert, AlertRule
from kpi.enums import AlertKind, AlertState, Granularity, Severity
from kpi.queries import kpis_of
from tests.service.running import free_port

A_SOCKET = 20
"""Subscriptions that a websocket may have."""
RESULTS = """subscription S($id: ID!) { experimentResultsUpdated(id: $id) { experiment { key state results {
  computedAt verdict { state sentence } diagnostics { exposed health srm { state pValue } }
  findings { kpi { key name } variant { key } estimate { difference lift } interval { lower upper level } pValue }
} } } }"""
ALERTS = "subscription S { alertRaised { alert { id state value sentence kpi { key name } } } }"
JOBS = "subscription S($id: ID!) { jobProgressed(id: $id) { job { state progress { accepted rejected } } } }"
PATIENCE = 120.0
"""Seconds after which an event that has not come is lost."""
PROBE_SECONDS = 10.0
ROOM = {"TRUELIFT_MAX_SUBSCRIPTIONS": "3000", "TRUELIFT_MAX_WORKSPACE_SUBSCRIPTIONS": "3000"}
SLOW = 100
"""Subscribers that read nothing."""


@dataclass(slots=True, kw_only=True)
class Heard:
    """What the subscribers of one kind have heard: how many events each, and when its last one came."""

    events: Counter[int] = field(default_factory=Counter)
    at: dict[int, float] = field(default_factory=dict)
    reached: Counter[int] = field(default_factory=Counter)
    another: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, who: int) -> None:
        """An event has come."""
        self.events[who] += 1
        self.at[who] = time.monotonic()
        self.reached[self.events[who]] += 1
        self.another.set()

    async def all_have(self, number: int, many: int) -> None:
        """Wait until so many subscribers have so many events. Raises TimeoutError for one that is lost."""
        async with asyncio.timeout(PATIENCE):
            while self.reached[number] < many:
                self.another.clear()
                await self.another.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """What is followed: a document, its variables, and whether its first event comes at once."""

    name: str
    document: str
    variables: dict[str, str]
    has_first: bool = True
    heard: Heard = field(default_factory=Heard)

    @property
    def payload(self) -> dict[str, object]:
        """As it is sent."""
        return {"query": self.document, "variables": self.variables}


async def over_events(port: int, key: str, of: Following, who: int) -> asyncio.StreamReader:
    """Subscribe by server-sent events; returns what the answer is read from."""
    body = json.dumps(of.payload).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"POST /graphql HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\naccept: text/event-stream\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    if b" 200 " not in await reader.readline():
        raise RuntimeError(f"subscription {who} was refused")
    reader.writer = writer  # type: ignore[attr-defined]  # it is open as long as somebody holds it
    return reader


async def follow_events(reader: asyncio.StreamReader, of: Following, who: int) -> None:
    """Note each event."""
    while line := await reader.readline():
        if line.startswith(b"data: {"):
            _hold_fine(line)
            of.heard.note(who)


async def over_socket(socket: ClientConnection, following: dict[int, Following]) -> None:
    """Subscribe on one websocket, and note each event."""
    for who, of in following.items():
        await socket.send(json.dumps({"id": str(who), "type": "subscribe", "payload": of.payload}))
    async for message in socket:
        said = json.loads(message)
        if said["type"] != "next":
            raise RuntimeError(message)
        _hold_fine(message if isinstance(message, bytes) else message.encode())
        following[int(said["id"])].heard.note(int(said["id"]))


def _hold_fine(event: bytes) -> None:
    if b'"errors"' in event:
        raise RuntimeError(event.decode())


@asynccontextmanager
async def subscribed(port: int, key: str, following: list[Following]) -> AsyncIterator[None]:
    """All of them open: every other one by server-sent events, the rest over websockets."""
    tasks: list[asyncio.Task[None]] = []
    async with AsyncExitStack() as stack:
        halves = list(enumerate(following))
        for who, of in halves[::2]:
            reader = await over_events(port, key, of, who)
            tasks.append(asyncio.create_task(follow_events(reader, of, who)))
        for start in range(0, len(halves[1::2]), A_SOCKET):
            socket = await stack.enter_async_context(opened(port, key))
            tasks.append(asyncio.create_task(over_socket(socket, dict(halves[1::2][start : start + A_SOCKET]))))
        for of in {id(one): one for one in following}.values():
            if of.has_first:
                await of.heard.all_have(1, following.count(of))
        yield
        for task in tasks:
            if task.done():
                task.result()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def opened(port: int, key: str) -> AsyncIterator[ClientConnection]:
    """A websocket that a key has opened."""
    protocols = [Subprotocol("graphql-transport-ws")]
    async with connect(f"ws://127.0.0.1:{port}/graphql", subprotocols=protocols, ping_interval=None) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {key}"}}))
        if json.loads(await socket.recv())["type"] != "connection_ack":
            raise RuntimeError("the websocket was refused")
        yield socket


async def delays(of: Following, many: int, happen: Callable[[], Awaitable[None]], events: int) -> list[list[float]]:
    """Let something happen again and again: how long after its commit each subscriber had its event, in order."""
    found = []
    for _ in range(events):
        wanted = max(of.heard.events.values(), default=0) + 1
        await happen()
        began = time.monotonic()
        await of.heard.all_have(wanted, many)
        found.append(sorted(max(0.0, at - began) * 1_000 for at in of.heard.at.values()))
    return found


def tell(name: str, found: list[list[float]]) -> None:
    """Print how soon half of the subscribers, nearly all, and the last had heard, in the median and at worst."""
    half, most, last = ([one[int(len(one) * share) - 1] for one in found] for share in (0.5, 0.99, 1.0))
    show(
        f"{name:44} half {median(half):6.0f} ms, 99 % {median(most):6.0f}, last {median(last):6.0f}"
        f" (at worst {max(last):.0f}) of {len(found[0])}, {len(found)} times"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Happenings:
    """What is committed for others to hear of."""

    database: Database
    experiment: Experiment
    job: Job
    rule: AlertRule

    async def refreshed(self) -> None:
        """Another unit is exposed, and the results are refreshed."""
        now = datetime.now(UTC)
        row = {
            "experiment": self.experiment.key,
            "unit": f"bench-{now.timestamp()}",
            "variant": self.experiment.plan["variants"][0]["key"],
            "exposedAt": now.isoformat(),
        }
        async with self.database.raw() as connection:
            report = await exposures.ingest(connection, workspace_id=self.experiment.workspace_id, rows=[row], now=now)
        if report.refusals:
            raise RuntimeError(report.refusals[0].message)
        await refresh_due(self.database)

    async def progressed(self) -> None:
        """The job has taken in one row more."""
        async with self.database.write() as session:
            self.job.accepted += 1
            await session.merge(self.job)
            await session.exec(select(func.pg_notify(Channel.JOBS, str(self.job.id))))

    async def raised(self) -> None:
        """Another alert is raised; it is resolved at once, as a rule has one that is open at most."""
        now = datetime.now(UTC)
        async with self.database.write() as session:
            session.add(
                Alert(
                    workspace_id=self.rule.workspace_id,
                    kpi_id=self.rule.kpi_id,
                    rule_id=self.rule.id,
                    state=AlertState.RESOLVED,
                    kind=self.rule.kind,
                    severity=self.rule.severity,
                    segment="",
                    granularity=self.rule.granularity,
                    start_on=now.date(),
                    end_on=now.date(),
                    value=0.1,
                    limit=0.2,
                    sentence="It fell.",
                    evidence={},
                    raised_at=now,
                    resolved_at=now,
                )
            )
            await session.flush()
            await alert_queries.tell(session, self.rule.workspace_id)


async def happenings(database: Database) -> Happenings:
    """An experiment of the company that takes units in, a job that goes on, and a rule."""
    now = datetime.now(UTC)
    async with database.read() as session:
        started = await queries.started_experiments(session, 1)
        kpi = (await kpis_of(session, 1))[0]
    experiment = next(one for one in started if one.state is State.RUNNING)
    job = Job(
        workspace_id=1,
        noun=Noun.OUTCOMES,
        state=JobState.RUNNING,
        parameters={},
        created_at=now,
        touched_at=now,
        started_at=now,
    )
    async with database.write() as session:
        rule = AlertRule(
            workspace_id=1,
            kpi_id=kpi.id,
            kind=AlertKind.THRESHOLD,
            parameters={},
            segment="",
            granularity=Granularity.DAY,
            severity=Severity.WARNING,
            is_enabled=False,
            cooldown_days=0,
            created_by="bench",
            created_at=now,
        )
        session.add_all([job, rule])
    return Happenings(database=database, experiment=experiment, job=job, rule=rule)


def memory(process: int) -> float:
    """The kilobytes that a process holds."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def probe(port: int, key: str, experiment: str, seconds: float) -> None:
    """Ask an ordinary query for a while, and print how long each answer took; a process of its own."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    asking = Asking(connection=HTTPConnection("127.0.0.1", port), headers=headers)
    body, took, ends = asked(SMALL, key=experiment), [], time.monotonic() + seconds
    while time.monotonic() < ends:
        began = time.perf_counter()
        asking.graphql(body)
        took.append((time.perf_counter() - began) * 1_000)
        time.sleep(0.01)
    show(json.dumps(took))


@asynccontextmanager
async def probed(name: str, arguments: tuple[str, ...], seconds: float = PROBE_SECONDS) -> AsyncIterator[None]:
    """Ask an ordinary query beside the block, and print what it took."""
    words = ("-m", "benchmarks.subscriptions", "--probe", *arguments, str(seconds))
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
    yield
    said, _ = await process.communicate()
    took = json.loads(said)
    show(
        f"{name:44} p50 {median(took):6.1f} ms, p99 {quantiles(took, n=100)[98]:6.1f}, of {len(took)} ordinary queries"
    )


def kinds(of: Happenings) -> list[Following]:
    """The three that can be followed."""
    return [
        Following(
            name="experimentResultsUpdated",
            document=RESULTS,
            variables={"id": global_id("Experiment", of.experiment.id)},
        ),
        Following(name="jobProgressed", document=JOBS, variables={"id": global_id("Job", of.job.id)}),
        Following(name="alertRaised", document=ALERTS, variables={}, has_first=False),
    ]


async def measure(service: Service, of: Happenings, key: str, many: int, events: int) -> None:
    """All that is measured of a service that runs."""
    process = service.processes["api"].pid
    words = (str(service.port), key, of.experiment.key)
    await of.refreshed()
    async with probed("nobody follows", words):
        pass
    empty = memory(process)
    following = kinds(of)
    began = time.monotonic()
    async with subscribed(service.port, key, [following[number % 3] for number in range(many)]):
        took = time.monotonic() - began
        show(f"{many} subscriptions opened in {took:.1f} s, {(memory(process) - empty) / many:.0f} kB each")
        async with probed("they are open", words):
            pass
        happen = (of.refreshed, of.progressed, of.raised)
        async with probed("they are told", words, seconds=events * 1.5):
            for one, happens in zip(following, happen, strict=True):
                tell(
                    one.name,
                    await delays(
                        one, sum(number % 3 == following.index(one) for number in range(many)), happens, events
                    ),
                )
    everybody = kinds(of)[0]
    async with subscribed(service.port, key, [everybody] * many):
        async with probed("all of them are told", words, seconds=events * 1.5):
            tell("all follow one experiment", await delays(everybody, many, of.refreshed, events))
        full = memory(process)
        deaf = [await over_events(service.port, key, everybody, many + number) for number in range(SLOW)]
        tell(f"{SLOW} more read nothing", await delays(everybody, many, of.refreshed, events))
        show(f"{'':44} {(memory(process) - full) / len(deaf):.0f} kB for each that reads nothing")


async def watch(folder: Path, many: int, events: int) -> None:
    """Start a service and measure."""
    service = Service(data=folder / "data", port=free_port(), settings=UNLIMITED | ROOM)
    with embedded.running(service.data) as found:
        secret = service.data / "secret"
        secret.write_text(os.urandom(32).hex())
        key = await prepare(found.url, secret.read_bytes())
        database = Database(found.url)
        of = await happenings(database)
        service.start("api")
        try:
            await until(lambda: is_up(service.port, "/healthz"))
            await measure(service, of, key, many, events)
        finally:
            service.end()
            await database.close()


def main() -> None:
    """Start a service of its own and measure, or ask one that runs."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--subscriptions", type=int, default=1_000)
    arguments.add_argument("--events", type=int, default=20)
    arguments.add_argument("--probe", nargs=4, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.probe:
        port, key, experiment, seconds = given.probe
        probe(int(port), key, experiment, float(seconds))
        return
    with place() as folder:
        asyncio.run(watch(folder, given.subscriptions, given.events))


if __name__ == "__main__":
    main()

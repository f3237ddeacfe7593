"""`truelift demo`: the sample company, loaded once through the public doors, and served.

The company's registrations go through GraphQL and its rows through the functions that every door ends in. Each step is
safe to repeat, so a load that was interrupted is simply run again: what is there is a duplicate.
"""

import hashlib
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from api import embedded, sample
from api.auth import members, membership, sign_ins
from api.auth.keys import Caller, Scope
from api.auth.tables import MemberState
from api.auth.tenants import DEFAULT, ensure_workspace
from api.commands import serving
from api.commands.key import made
from api.commands.process import DataDir, Port, Surroundings, check_port, console, fail, run, surroundings
from api.database import Database
from api.graphql.context import Context
from api.graphql.schema import schema
from api.jobs.looks import publish_due
from api.jobs.refresh import refresh_due
from api.sample import Company
from api.sample.steering import Step
from api.sample.truths import ladder_truths, told_at_most
from experiments import exposures
from kpi import events, memberships, traits
from kpi.actor import Actor
from kpi.history.refresh import refresh
from kpi.ingest import Report
from kpi.queries import kpis_by_key, latest_definitions

app = typer.Typer(add_completion=False)

BATCH = 5_000
REGISTER = """
mutation Register($input: {noun}RegisterInput!) {{ {verb}Register(input: $input) {{
  {verb} {{ id }} userErrors {{ message code }}
}} }}
"""
MOVE = """
mutation Move($input: Experiment{verb}Input!) {{ experiment{verb}(input: $input) {{ userErrors {{ message code }} }} }}
"""
STEER = """
mutation Steer($input: {noun}Input!) {{ {verb}(input: $input) {{ userErrors {{ message code }} }} }}
"""
FIND_KPI = "query Find($key: String!) { kpi(key: $key) { id } }"
FIND = "query Find($key: String!) { experiment(key: $key) { id } }"
NOUNS = (
    ("Kpi", "kpi", "kpis"),
    ("Hypothesis", "hypothesis", "hypotheses"),
    ("Experiment", "experiment", "experiments"),
)
TRUTH = ("experiment", "KPI", "segment", "true difference", "in words")
LADDER_TRUTH = ("KPI of customers", "true level", "per 1 % of account-ttfv, %", "were everybody treated")
LEAVING_TRUTH = (
    "Who leaves within 90 days: of 100 pairs of one who leaves and one who stays, no health score can put more than"
    " {:.1%} in the right order."
)
Ingest = Callable[..., Awaitable[Report]]


class Memory(msgspec.Struct, kw_only=True):
    """What a demo remembers between starts: the day it was made for, whether it is whole, and its keys.

    Keys are kept here in the open, beside the data they open: this is a demo on this machine's own address.
    """

    today: date
    is_loaded: bool = False
    read_key: str = ""
    ingest_key: str = ""
    admin_key: str = ""


@app.command()
def demo(
    data_dir: DataDir = None,
    port: Port = None,
    truth: Annotated[bool, typer.Option("--truth", help="Print the true effects and end.")] = False,
) -> None:
    """Load the sample company, once, and serve it."""
    if truth:
        show_truths()
        return
    with surroundings(data_dir or default_data_dir()) as around:
        number = port or around.settings.port
        check_port(around.settings.host, number)
        serve(around, port=number)


def default_data_dir() -> Path:
    """A folder of this checkout's own, in the user's data folder."""
    here = hashlib.sha256(str(Path.cwd()).encode()).hexdigest()[:8]
    return embedded.default_data_dir(f"demo-{here}")


def show_truths() -> None:
    """Print the true effects that the sample company was drawn with."""
    # Folded, not cut: where the output is no terminal, there is little room.
    table = Table(*(Column(name, overflow="fold") for name in TRUTH))
    for truth in sample.simulate(today=datetime.now(UTC).date()).truths:
        table.add_row(
            truth.experiment, truth.kpi, truth.plan or "everybody", f"{truth.difference:+.4f}", truth.sentence
        )
    console.print(table)
    _show_ladder()


def _show_ladder() -> None:
    """Print what is true of the customers' ladder."""
    table = Table(*(Column(name, overflow="fold") for name in LADDER_TRUTH))
    for truth in ladder_truths():
        lifts = ", ".join(f"{experiment} {lift:+.1%}" for experiment, lift in truth.lifts.items() if lift)
        table.add_row(truth.kpi, f"{truth.level:.4f}", f"{truth.elasticity:+.4f}", lifts)
    console.print(table)
    console.print(LEAVING_TRUTH.format(told_at_most()))


def serve(around: Surroundings, *, port: int) -> None:
    """Load what is not loaded yet, then serve."""
    memory = _remembered(around)
    if not memory.is_loaded:
        run(around, lambda database: _load(around, database, memory))
    address = f"http://{around.settings.host}:{port}"
    token = run(around, lambda database: way_in(database, around.secret))
    serving.serve(
        around,
        host=around.settings.host,
        port=port,
        with_worker=True,
        ready=lambda: _welcome(around, memory, address, token),
    )


async def _load(around: Surroundings, database: Database, memory: Memory) -> None:
    await load(database, sample.simulate(today=memory.today))
    memory.read_key = await made(database, DEFAULT, "demo read", [Scope.READ, Scope.SCHEMA], around.secret)
    memory.ingest_key = await made(database, DEFAULT, "demo ingest", [Scope.INGEST], around.secret)
    whole = [Scope.READ, Scope.SCHEMA, Scope.EDIT, Scope.DECIDE, Scope.ADMIN]
    memory.admin_key = await made(database, DEFAULT, "demo admin", whole, around.secret)
    memory.is_loaded = True
    _remember(around, memory)


async def load(database: Database, company: Company) -> None:
    """Take the company in, by the ways that anybody's nouns and rows come in."""
    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        loading = _Loading(database=database, company=company, progress=progress, caller=await _owner(database))
        await loading.register()
        await loading.steer()
        await loading.take_in("exposures", exposures.ingest, sample.exposures(company), company.exposure_count)
        await loading.take_in("outcomes", events.ingest, sample.outcomes(company), company.outcome_count)
        clientele = company.clientele
        belonging, known = list(sample.memberships(company)), list(sample.traits(company))
        await loading.take_in("memberships", memberships.ingest, iter(belonging), len(belonging))
        await loading.take_in("traits", traits.ingest, iter(known), len(known))
        await loading.take_in("customers", events.ingest, sample.customer_outcomes(clientele), len(clientele))
        await loading.freeze()
        await loading.analyse()
        await loading.mark()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loading:
    """One pass of loading the company."""

    database: Database
    company: Company
    progress: Progress
    caller: Caller

    async def register(self) -> None:
        """Register KPIs, hypotheses and experiments, and start each experiment on its day."""
        inputs = [(noun, verb, given) for noun, verb, field in NOUNS for given in self._inputs(field)]
        task = self._task("registrations", len(inputs))
        for noun, verb, given in inputs:
            at = self._day_of(given) if noun == "Experiment" else self.company.began_at
            await self._do(REGISTER.format(noun=noun, verb=verb), given, at)
            if noun == "Experiment":
                await self._move("Start", given["key"], at)
            self.progress.advance(task)

    async def steer(self) -> None:
        """Set targets, have KPIs watched, and say what is believed to lead to what."""
        steps = list(sample.steps(self.company.today))
        task = self._task("targets, alerts, links", len(steps))
        for step in steps:
            await self._steer(step)
            self.progress.advance(task)

    async def mark(self) -> None:
        """Work out how single accounts are, and mark those at risk; the worker derives all other histories."""
        step, task = sample.mark(), self._task("units at risk", 1)
        async with self.database.read() as session:
            kpis = await kpis_by_key(session, self.caller.workspace_id, [str(step.kpi)])
            definitions = await latest_definitions(session, [kpi.id for kpi in kpis.values()])
        for definition in definitions.values():
            async with self.database.raw() as connection:
                await refresh(connection, definition.id, datetime.now(UTC).date())
        await self._steer(step)
        self.progress.advance(task)

    async def take_in(self, noun: str, ingest: Ingest, rows: Iterator[dict[str, Any]], total: int) -> None:
        """Take rows in, a batch a transaction."""
        task = self._task(noun, total)
        while batch := list(islice(rows, BATCH)):
            async with self.database.raw() as connection:
                report = await ingest(
                    connection, workspace_id=self.caller.workspace_id, rows=batch, now=datetime.now(UTC)
                )
            if report.refusals:
                fail(f"A row of the sample company was rejected: {report.refusals[0].message}")
            self.progress.advance(task, len(batch))

    async def freeze(self) -> None:
        """End enrolment of each experiment that takes no more units in, on its day."""
        for key, period in self.company.periods.items():
            if period.frozen_at is not None:
                await self._move("Freeze", key, period.frozen_at)

    async def analyse(self) -> None:
        """Compute the aggregates of every experiment, and publish its looks."""
        task = self._task("analysis", 1)
        await refresh_due(self.database)
        await publish_due(self.database)
        self.progress.advance(task)

    async def _steer(self, step: Step) -> None:
        """Do a step now."""
        now, given = datetime.now(UTC), dict(step.given)
        if step.kpi is not None:
            found = await schema.execute(FIND_KPI, {"key": step.kpi}, self._context(now))
            given["id"] = (found.data or {})["kpi"]["id"]
        noun = step.verb[0].upper() + step.verb[1:]
        await self._do(STEER.format(noun=noun, verb=step.verb), given, now)

    async def _move(self, verb: str, key: str, at: datetime) -> None:
        found = await schema.execute(FIND, {"key": key}, self._context(at))
        identity = (found.data or {})["experiment"]["id"]
        await self._do(MOVE.format(verb=verb), {"id": identity}, at)

    async def _do(self, document: str, given: dict[str, Any], at: datetime) -> None:
        """Run a mutation on the day it belongs to; what an interrupted load has done already is passed over."""
        result = await schema.execute(document, {"input": given}, self._context(at))
        if result.errors or not result.data:
            fail(f"The sample company could not be registered: {result.errors}")
        (payload,) = result.data.values()
        problems = [error for error in payload["userErrors"] if error["code"] not in {"KEY_TAKEN", "WRONG_STATE"}]
        if problems:
            fail(f"The sample company could not be registered: {problems[0]['message']}")

    def _context(self, at: datetime) -> Context:
        return Context(database=self.database, caller=self.caller, now=at)

    def _inputs(self, field: str) -> tuple[dict[str, Any], ...]:
        found: tuple[dict[str, Any], ...] = getattr(self.company.registrations, field)
        return found

    def _day_of(self, given: dict[str, Any]) -> datetime:
        return self.company.periods[given["key"]].started_at

    def _task(self, name: str, total: int) -> TaskID:
        return self.progress.add_task(name, total=total)


async def way_in(database: Database, secret: bytes) -> str | None:
    """The token of a link that signs in the company's admin once; None where somebody has removed them.

    Whoever of the company is missing is invited.
    """
    now = datetime.now(UTC)
    async with database.write() as session:
        owner = await ensure_workspace(session, DEFAULT, now)
        actor = Actor(workspace_id=owner.id, name="demo", id="demo", now=now)
        for email, name, role in sample.staff():
            if await members.lock(session, owner.id, email) is None:
                await membership.invite(
                    session, actor=actor, scopes=frozenset(Scope), email=email, name=name, role=role
                )
        admin = await members.lock(session, owner.id, sample.ADMIN)
        if admin is None or admin.state is MemberState.REMOVED:
            return None
        return await sign_ins.link(session, admin, secret=secret, now=now)


async def _owner(database: Database) -> Caller:
    """The caller that registers the company: everything it may do is done within this process."""
    async with database.write() as session:
        found = await ensure_workspace(session, DEFAULT, datetime.now(UTC))
    return Caller(
        workspace_id=found.id,
        workspace=found.key,
        key_name="demo",
        public_id="demo",
        scopes=frozenset({Scope.EDIT, Scope.READ, Scope.DECIDE}),
    )


def _welcome(around: Surroundings, memory: Memory, address: str, token: str | None) -> None:
    query = '{ experiment(key: \\"guided-onboarding\\") { name results { verdict { state sentence } } } }'
    curl = (
        f"curl -s {address}/graphql -H 'Authorization: Bearer {memory.read_key}'"
        f" -H 'Content-Type: application/json' -d '{{\"query\": \"{query}\"}}'"
    )
    lines = (
        "",
        "[bold]Truelift is running.[/] Ctrl-C ends it; the data stay.",
        "",
        *(_link(address, token) if token is not None else ()),
        f"  open        [bold]{address}/[/]   and sign in with the read key",
        f"  read key    {memory.read_key}",
        f"  ingest key  {memory.ingest_key}",
        *(
            [f"  admin key   {memory.admin_key}   shows single accounts at risk, and may change things"]
            if memory.admin_key
            else []
        ),
        f"  data        {around.folder or 'in the database of DATABASE_URL'}",
        "",
        "  Ask it something:",
    )
    console.print("\n".join(lines), soft_wrap=True)
    console.print(curl, markup=False, soft_wrap=True)


def _link(address: str, token: str) -> tuple[str, ...]:
    return (
        "  once, within 15 minutes, as an admin of the sample company:",
        f"  open        [bold]{sign_ins.address(address, token)}[/]",
        "  or, as often as you like, to look around:",
    )


def _memory_file(around: Surroundings) -> Path:
    if around.folder is None:
        fail("The demo uses its own embedded Postgres: unset DATABASE_URL.")
    return around.folder / "demo.json"


def _remembered(around: Surroundings) -> Memory:
    path = _memory_file(around)
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Memory)
    memory = Memory(today=datetime.now(UTC).date())
    _remember(around, memory)
    return memory


def _remember(around: Surroundings, memory: Memory) -> None:
    """Write in one step, so that a demo killed meanwhile finds the old state or the new one."""
    path = _memory_file(around)
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(memory))
    fresh.rename(path)

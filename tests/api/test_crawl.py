"""What is one workspace's is nothing to another: every field, argument and door that takes an id or a key is tried.

Two workspaces that are alike ask: one with the ids and keys of a third, one with such as nobody has. Both get the same
answers, and the third stays as it was.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest_asyncio
from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry.types import ExecutionResult

from api.auth import keys
from api.auth.cookies import SIGNED_IN
from api.auth.keys import Caller, Scope
from api.auth.tenants import ensure_workspace
from api.database import Database, driver
from api.delivery.outside import Outside
from api.graphql.context import Context
from api.graphql.nodes import global_id
from api.graphql.schema import schema
from api.jobs.refresh import refresh_due
from tests.api import documents
from tests.api.conftest import SECRET, Client, bearing
from tests.api.crawling import NOUNS, Call, Names, calls, followings, plain
from tests.api.test_isolation import isolated
from tests.api.test_sign_in import signed_in_at

NOW = datetime(2026, 6, 24, 12, tzinfo=UTC)
MARK, NOBODYS = "zebra", "quail"
"""What all of somebody's words begin with, and such as nobody has: equally long."""
OUTSIDE = Outside(secret=b"what keys are derived under", base_url="https://truelift.test")
ALERT_AND_JOB = """
INSERT INTO alerts (workspace_id, kpi_id, rule_id, state, kind, severity, segment, granularity, start_on, end_on, value,
    "limit", sentence, evidence, raised_at)
SELECT workspace_id, kpi_id, id, 'RAISED', kind, severity, '', 'WEEK', '2026-03-02', '2026-03-08', 0.3, 0.4,
    'zebra', '{}', now() FROM alert_rules;
INSERT INTO jobs (workspace_id, noun, state, parameters, message, created_at, touched_at, bytes_total, bytes_read, line,
    accepted, duplicates, rejected, attempts)
SELECT id, 'OUTCOMES', 'RECEIVING', '{}', 'zebra', now(), now(), 1, 0, 0, 0, 0, 0, 0 FROM workspaces
"""
TABLES = {
    "ApiKey": "api_keys",
    "Member": "members",
    "ActionItem": "action_items",
    "Alert": "alerts",
    "AlertRule": "alert_rules",
    "Annotation": "annotations",
    "Delivery": "deliveries",
    "Endpoint": "endpoints",
    "Experiment": "experiments WHERE state <> 'STOPPED'",
    "Hypothesis": "hypotheses",
    "Job": "jobs",
    "Kpi": "kpis WHERE key NOT LIKE '%late'",
    "Learning": "learnings",
    "Protocol": "protocols",
    "Rejection": "rejections",
    "Review": "reviews",
}
NEWEST = "SELECT '{}' AS noun, max(id) AS id FROM {}"
IDS = " UNION ALL ".join(NEWEST.format(noun, table) for noun, table in TABLES.items())


class Undone(Database):
    """A database on which nothing stays: whoever asks may see what would become of it."""

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        async with self.trial() as session:
            yield session
            await session.flush()
            session.expunge_all()  # what was written is shown as it is, and not read again

    @asynccontextmanager
    async def raw(self, seconds: float | None = None) -> AsyncIterator[asyncpg.Connection]:
        async with self._session(seconds) as session:
            await self._begin(session)
            yield await driver(session)
            await session.rollback()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A workspace, whoever may do everything there, and what its things are called."""

    caller: Caller
    key: str
    cookie: str
    names: Names


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawl:
    """Somebody's workspace, which is full, and two that are alike and have next to nothing."""

    database: Database
    owner: Place
    contents: dict[str, str]
    askers: tuple[Place, Place]


@pytest_asyncio.fixture(scope="module")
async def crawl(database: Database) -> Crawl:
    """All three."""
    owner = await settled(database, MARK)
    await fill(database, owner.caller)
    await refresh_due(database)
    named = Names(ids=await ids_of(database, owner.caller), keys=keys_of(MARK))
    assert set(named.ids) == set(NOUNS)
    kept = await contents(database, owner.caller.workspace_id)
    askers = (await settled(database, "own"), await settled(database, "own"))
    for asker in askers:
        await begin(database, asker.caller, "own")
    return Crawl(database=database, owner=replace(owner, names=named), contents=kept, askers=askers)


def keys_of(mark: str) -> dict[str, str]:
    """The keys of what `fill` makes, and the unit that it tells of."""
    nouns = ("Kpi", "Experiment", "Hypothesis", "Protocol", "unit")
    return {noun: f"{mark}-{noun.lower()}" for noun in nouns} | {"variant": "tour"}


async def settled(database: Database, mark: str) -> Place:
    name = f"{mark}-{uuid4().hex[:16]}"
    async with database.write() as session:
        workspace = await ensure_workspace(session, name, NOW)
        key = await keys.create(
            session, workspace_id=workspace.id, name="crawl", scopes=[*Scope], secret=SECRET, now=NOW
        )
    caller = Caller(
        workspace_id=workspace.id,
        workspace=name,
        key_name="crawl",
        public_id=key.split("_")[1],
        scopes=frozenset(Scope),
    )
    cookie = await signed_in_at(database, key, SECRET, datetime.now(UTC))
    return Place(caller=caller, key=key, cookie=cookie, names=nobodys())


def nobodys() -> Names:
    """What nobody has, in the shape of what somebody has."""
    return Names(ids={noun: global_id(noun, 900_000_000) for noun in NOUNS}, keys=keys_of(NOBODYS))


async def begin(database: Database, caller: Caller, mark: str) -> None:
    """A KPI, a hypothesis and an experiment that has started."""
    named = keys_of(mark)
    plan = {"kpis": [{"kpi": named["Kpi"], "role": "PRIMARY", "mde": {"difference": 0.05}}]}
    about = {"name": f"{mark} name", "owner": f"{mark} owner"}
    tried = documents.hypothesis(named["Hypothesis"], kpi=named["Kpi"], title=f"{mark} title", owner=f"{mark} owner")
    await do(database, caller, "kpiRegister", documents.kpi(named["Kpi"], entry={"event": "signed_up"}, **about))
    await do(database, caller, "hypothesisRegister", tried)
    for key in (f"{mark}-draft", named["Experiment"]):
        given = documents.experiment(key, hypothesis=named["Hypothesis"], plan=documents.plan(**plan), **about)
        await do(database, caller, "experimentRegister", given)
    found = await ids_of(database, caller)
    await do(database, caller, "experimentStart", {"id": found["Experiment"], "startedAt": "2026-06-01T00:00:00Z"})


async def fill(database: Database, caller: Caller) -> None:
    """One of everything that has an id or a key."""
    await begin(database, caller, MARK)
    named = keys_of(MARK)
    kpi, experiment, unit = named["Kpi"], named["Experiment"], named["unit"]
    seen = documents.exposure(unit, "tour", "2026-06-02T00:00:00Z", experiment=experiment)
    did = documents.outcome(unit, "activated", "2026-06-03T00:00:00Z")
    known = await ids_of(database, caller)
    rule = {"condition": {"threshold": {"side": "BELOW", "limit": 0.3}}, "granularity": "DAY"}
    steps: tuple[tuple[str, dict[str, Any]], ...] = (
        ("kpiRegister", documents.kpi(f"{MARK}-late", name=f"{MARK} late")),
        ("exposuresIngest", {"exposures": [seen, seen | {"variant": f"{MARK}-variant"}]}),
        ("outcomesIngest", {"outcomes": [did]}),
        (
            "traitsIngest",
            {
                "traits": [
                    {"unit": unit, "name": f"{MARK}-plan", "value": "zebra-pro", "sinceAt": "2026-06-02T00:00:00Z"}
                ]
            },
        ),
        (
            "membershipsIngest",
            {"memberships": [{"member": unit, "account": f"{MARK}-account", "sinceAt": "2026-06-02T00:00:00Z"}]},
        ),
        ("protocolRegister", documents.protocol(named["Protocol"], name=f"{MARK} name")),
        ("kpiTargetSet", {"id": known["Kpi"], "reason": MARK, "value": 0.5, "dueOn": "2026-12-31", "owner": MARK}),
        ("kpiLinkAssume", ASSUMED | {"leading": kpi, "lagging": f"{MARK}-late"}),
        ("alertRuleSet", {"id": known["Kpi"], "reason": MARK, "rules": [rule]}),
        ("annotationAdd", {"kpi": kpi, "notedOn": "2026-06-01", "text": MARK}),
        ("reviewOpen", {"kind": "WEEKLY", "on": "2026-06-24"}),
        ("memberInvite", {"email": f"{MARK}@example.org", "name": MARK, "role": "VIEWER"}),
        ("endpointRegister", {"kind": "WEBHOOK", "address": f"https://{MARK}.example.org/"}),
    )
    for name, given in steps:
        await do(database, caller, name, given)
    await conclude(database, caller)
    async with database.of(caller.workspace_id).raw() as connection:
        await connection.execute(ALERT_AND_JOB)
    known = await ids_of(database, caller)
    item = {"review": known["Review"], "text": MARK, "owner": MARK, "kpi": kpi}
    await do(database, caller, "actionItemAdd", item)
    await do(database, caller, "endpointTest", {"id": known["Endpoint"]})


async def conclude(database: Database, caller: Caller) -> None:
    """An experiment that is over, and what was learned from it."""
    named = keys_of(MARK)
    plan = documents.plan(kpis=[{"kpi": named["Kpi"], "role": "PRIMARY", "mde": {"difference": 0.05}}])
    over = documents.experiment(f"{MARK}-over", hypothesis=named["Hypothesis"], plan=plan)
    await do(database, caller, "experimentRegister", over)
    over_id = {"id": (await ids_of(database, caller))["Experiment"]}
    await do(database, caller, "experimentStart", over_id | {"startedAt": "2026-06-01T00:00:00Z"})
    await do(database, caller, "experimentStop", over_id | {"stoppedAt": "2026-06-20T00:00:00Z"})
    learned = documents.learning(f"{MARK}-over", conclusion=f"{MARK} conclusion", tags=[f"{MARK}-tag"])
    await do(database, caller, "learningRecord", learned)


ASSUMED = {"low": 0.2, "likely": 0.5, "high": 1.1, "reason": MARK}


async def do(database: Database, caller: Caller, name: str, given: dict[str, Any]) -> None:
    """A mutation that must go well."""
    noun = name[0].upper() + name[1:]
    text = f"mutation M($input: {noun}Input!) {{ {name}(input: $input) {{ userErrors {{ message path }} }} }}"
    result = await schema.execute(text, {"input": given}, context(database, caller))
    assert result.errors is None, (name, result.errors)
    assert result.data is not None
    assert result.data[name]["userErrors"] == [], name


def context(database: Database, caller: Caller) -> Context:
    return Context(database=database, caller=caller, now=NOW, outside=OUTSIDE, request_id="0" * 32)


async def ids_of(database: Database, caller: Caller) -> dict[str, str]:
    """The newest thing of each noun in a workspace."""
    async with database.of(caller.workspace_id).raw() as connection:
        return {row["noun"]: global_id(row["noun"], row["id"]) for row in await connection.fetch(IDS) if row["id"]}


async def told(database: Database, caller: Caller, call: Call, sent: Names) -> str:
    """The answer to a document, without the ids and keys that it was sent, and without what always differs."""
    result = await schema.execute(call.document, None, context(database, caller))
    errors = [error.formatted for error in result.errors or []]
    assert isinstance(database, Undone) or "INTERNAL" not in str(errors), (call.field, errors)
    text = json.dumps({"data": result.data, "errors": errors}, default=str)
    for word in sorted((*sent.ids.values(), *sent.keys.values()), key=len, reverse=True):
        text = text.replace(word, "?")
    return plain(text.replace(caller.workspace, "<workspace>"))


async def contents(database: Database, workspace_id: int) -> dict[str, str]:
    """What a workspace has in each table, as a hash."""
    async with database.of(workspace_id).raw() as connection:
        return {table: await connection.fetchval(HASH.format(table)) for table in await isolated(database)}


HASH = """
SELECT md5(coalesce(string_agg(said, '' ORDER BY said), ''))
FROM {} AS t CROSS JOIN LATERAL (SELECT (to_jsonb(t) - 'last_used_at')::text AS said) AS row
"""
"""When a key was last used is noted of whoever asks for their own."""


@pytest_asyncio.fixture(scope="module")
async def answers(crawl: Crawl) -> list[tuple[Call, str, str]]:
    """Every call, and what it tells who names somebody's things, and who names nobody's."""
    database, (asker, twin) = crawl.database, crawl.askers
    return [
        (
            named,
            await told(database, asker.caller, named, crawl.owner.names),
            await told(database, twin.caller, unknown, twin.names),
        )
        for named, unknown in zip(calls(crawl.owner.names), calls(twin.names), strict=True)
    ]


async def test_somebodys_ids_and_keys_are_to_every_field_as_such_that_nobody_has(
    crawl: Crawl, answers: list[tuple[Call, str, str]]
) -> None:
    assert len(answers) > 90
    assert [(call.field, got) for call, got, unknown in answers if got != unknown or MARK in got] == []
    assert await contents(crawl.database, crawl.owner.caller.workspace_id) == crawl.contents


async def test_every_field_that_takes_an_id_or_a_key_tells_its_owner_something_else(
    crawl: Crawl, answers: list[tuple[Call, str, str]]
) -> None:
    """What the crawl compares must be able to differ, or it would find nothing."""
    undone = Undone(crawl.database.engine.url.render_as_string(hide_password=False), pool_size=4)
    silent = {
        call.field
        for call, got, _ in answers
        if call.names_something and got == await told(undone, crawl.owner.caller, call, crawl.owner.names)
    }
    await undone.close()
    assert silent == OF_ONES_OWN


OF_ONES_OWN = {"outcomesIngest", "membershipsIngest", "traitsIngest"}
"""Rows name units as their sender likes, and take nothing that is there already."""


async def followed(database: Database, caller: Caller, call: Call) -> str:
    """The first event of a subscription, or why there is none."""
    stream = await schema.subscribe(call.document, context_value=context(database, caller))
    assert not isinstance(stream, ExecutionResult)
    async with aclosing(stream) as events:
        event = await anext(events)
    return str([error.message for error in event.errors or []] or event.data)


async def test_nobody_follows_what_is_somebodys(crawl: Crawl) -> None:
    database, owner, (asker, twin) = crawl.database, crawl.owner, crawl.askers
    named, unknown = list(followings(owner.names)), list(followings(twin.names))
    assert len(named) > 1
    for mine, nobodys_own in zip(named, unknown, strict=True):
        got = await followed(database, asker.caller, mine)
        assert got == await followed(database, twin.caller, nobodys_own)
        assert got != await followed(database, owner.caller, mine)


def doors(names: Names) -> Iterator[tuple[str, str]]:
    """Every address that is asked for by GET and takes an id or a key, and those that list what a workspace has."""
    kpi, experiment, unit, review = names.keys["Kpi"], names.keys["Experiment"], names.keys["unit"], names.ids["Review"]
    for noun in ("outcomes", "exposures"):
        yield "key", f"/v1/export/{noun}.csv?unit={unit}"
        yield "key", f"/v1/export/{noun}.csv?experiment={experiment}"
        yield "list", f"/v1/export/{noun}.csv"
    yield "key", f"/v1/export/aggregates.csv?experiment={experiment}"
    yield "key", f"/v1/export/at-risk.csv?kpi={kpi}&worst=0.5"
    yield "list", "/v1/audit.ndjson"
    for form in ("html", "md", "csv"):
        yield "key", f"/reviews/{review}.{form}"
    yield from (("list", page) for page in ("/", "/kpis", "/ladder", "/alerts", "/reviews", "/settings"))
    yield from (("key", page) for page in (f"/experiments/{experiment}", f"/kpis/{kpi}", f"/kpis/{kpi}/at-risk"))


async def opened(client: Client, place: Place, path: str, sent: Names) -> tuple[int, str]:
    """What a door answers to a key, as it is sent or signed in with."""
    answer = await client.get(path, headers=bearing(place.key) | {"cookie": f"{SIGNED_IN}={place.cookie}"})
    text = answer.text
    for word in sorted((*sent.ids.values(), *sent.keys.values()), key=len, reverse=True):
        text = text.replace(word, "?")
    return answer.status_code, text.replace(place.caller.workspace, "<workspace>")


async def test_no_door_opens_on_what_is_somebodys(crawl: Crawl, client: Client) -> None:
    owner, (asker, twin) = crawl.owner, crawl.askers
    for (kind, path), (_, unknown) in zip(doors(owner.names), doors(twin.names), strict=True):
        status, got = await opened(client, asker, path, owner.names)
        assert MARK not in got, path
        if kind == "key":
            status_of_nobodys, of_nobodys = await opened(client, twin, unknown, twin.names)
            assert (status, plain(got)) == (status_of_nobodys, plain(of_nobodys)), path
        assert (status, got) != await opened(client, owner, path, owner.names), path


async def test_rows_for_somebodys_experiment_are_rejected_as_for_one_that_nobody_has(
    crawl: Crawl, client: Client
) -> None:
    answers = []
    for place, names in zip(crawl.askers, (crawl.owner.names, crawl.askers[1].names), strict=True):
        row = documents.exposure("u", "tour", "2026-06-02T00:00:00Z", experiment=names.keys["Experiment"])
        headers = bearing(place.key) | {"content-type": "application/json"}
        answer = await client.post("/v1/exposures", content=json.dumps([row]), headers=headers)
        answers.append(answer.text.replace(names.keys["Experiment"], "?"))
    assert answers[0] == answers[1]
    assert json.loads(answers[0])["rejected"] == 1
    assert await contents(crawl.database, crawl.owner.caller.workspace_id) == crawl.contents

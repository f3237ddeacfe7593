"""A unit that is forgotten while a file is under way is not brought back by it, and a file waits for a day at most."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from api.app import build
from api.auth.keys import Scope
from api.auth.tenants import ensure_workspace
from api.commands.forgetting import forgotten as forgotten_by_command
from api.database import Database
from api.files.reading import BATCH
from api.graphql.nodes import local_id
from api.jobs import service, spool, uploads
from api.jobs.tables import Noun
from api.jobs.uploads import take_in_uploads
from api.settings import Settings
from experiments.aggregation import forgetting
from kpi import workspaces
from kpi.storage import hold_rows
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import SECRET, Client, MakeKey
from tests.api.test_uploads import (
    AT,
    break_off,
    chunks,
    counts,
    csv,
    job,
    ndjson,
    outcomes,
    send,
    stored,
)
from tests.conftest import Ask

FORGET = """
mutation Forget($input: UnitForgetInput!) {
  unitForget(input: $input) { outcomes memberships userErrors { code } }
}
"""


@pytest_asyncio.fixture(autouse=True)
async def nothing_waits(database: Database) -> AsyncIterator[None]:
    """Every test begins and ends without a job of another."""
    await take_in_uploads(database)
    yield
    await take_in_uploads(database)


@pytest_asyncio.fixture
async def key(make_key: MakeKey) -> str:
    return await make_key(Scope.INGEST)


def deeds(*units: str) -> list[dict[str, Any]]:
    return [
        {"unit": unit, "event": "played", "occurred_at": AT, "value": 1, "event_id": f"{unit}-{n}"}
        for n, unit in enumerate(units)
    ]


async def forgotten(ask: Ask, unit: str) -> int:
    answer = (await ask(FORGET, {"input": {"unit": unit}}))["unitForget"]
    assert answer["userErrors"] == []
    return int(answer["outcomes"])


async def units(database: Database, workspace: Workspace) -> list[str]:
    async with database.raw() as connection:
        found = "SELECT DISTINCT unit FROM outcomes WHERE workspace_id = $1 ORDER BY unit"
        return [row["unit"] for row in await connection.fetch(found, workspace.id)]


async def kept_rejections(database: Database, workspace: Workspace) -> int:
    async with database.raw() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM rejections WHERE workspace_id = $1", workspace.id))


async def omissions(database: Database, identity: str) -> list[str]:
    async with database.raw() as connection:
        found = await connection.fetch("SELECT unit FROM job_omissions WHERE job_id = $1", local_id("Job", identity))
    return [row["unit"] for row in found]


async def test_unit_forgotten_while_a_file_waits_is_not_brought_by_it(
    database: Database, workspace: Workspace, client: Client, key: str, ask: Ask
) -> None:
    identity = await send(client, key, csv(deeds("ada", "bob", "ada", "cleo")))
    assert await forgotten(ask, "ada") == 0
    (remembered,) = await omissions(database, identity)
    assert (len(remembered), "ada" in remembered) == (32, False)
    await take_in_uploads(database)
    assert await units(database, workspace) == ["bob", "cleo"]
    found = await job(ask, identity)
    assert (found["state"], counts(found)) == ("SUCCEEDED", (2, 0, 2))
    assert found["message"].endswith(spool.LEFT_OUT)
    assert (await omissions(database, identity), await chunks(database, identity)) == ([], 0)
    assert await kept_rejections(database, workspace) == 0


async def test_unit_forgotten_in_the_middle_of_a_file_is_removed_and_stays_away(
    database: Database, workspace: Workspace, client: Client, key: str, ask: Ask
) -> None:
    rows = [*deeds("ada"), *outcomes(BATCH), *deeds("bob", "ada")]
    identity = await send(client, key, csv(rows))
    await break_off(database, after=1)
    assert "ada" in await units(database, workspace)
    assert await forgotten(ask, "ada") == 1
    await take_in_uploads(database)
    assert "ada" not in await units(database, workspace)
    assert await stored(database, workspace) == BATCH + 1
    assert counts(await job(ask, identity)) == (BATCH + 2, 0, 1)


async def test_forgetting_waits_for_a_batch_that_is_being_stored_and_removes_its_rows(
    database: Database, workspace: Workspace, client: Client, key: str, ask: Ask
) -> None:
    await send(client, key, csv(deeds("ada", "bob")))
    async with spool.taken(database) as ours:
        assert ours is not None
        async with aclosing(uploads.batches(database, ours)) as batches, database.raw() as connection:
            batch = await anext(batches)
            assert await uploads.stored(connection, ours, batch, datetime.now(UTC))
            waiting = asyncio.create_task(forgotten(ask, "ada"))
            await asyncio.sleep(0.3)
            assert not waiting.done()
    assert await waiting == 1
    assert await units(database, workspace) == ["bob"]


async def test_hidden_unit_is_left_out_by_its_clear_id_and_by_its_hash(
    database: Database, workspace: Workspace, client: Client, key: str, ask: Ask
) -> None:
    async with database.write() as session:
        await workspaces.update(session, workspace_id=workspace.id, given={"hashes_units": True})
    await send(client, key, csv(deeds("bob")))
    await take_in_uploads(database)
    (bob,) = await units(database, workspace)
    await send(client, key, csv(deeds("ada", "bob", "cleo")))
    await forgotten(ask, "ada")
    await forgotten(ask, bob)
    await take_in_uploads(database)
    (cleo,) = await units(database, workspace)
    assert cleo != bob


async def test_members_and_accounts_that_are_forgotten_are_left_out(
    database: Database, workspace: Workspace, client: Client, key: str, ask: Ask
) -> None:
    rows = ["member,account,since_at", f"m1,a1,{AT}", f"m2,a2,{AT}", f"m3,a1,{AT}"]
    await send(client, key, "\n".join(rows).encode(), noun="memberships")
    for unit in ("a1", "m2"):
        await forgotten(ask, unit)
    await take_in_uploads(database)
    async with database.raw() as connection:
        left = await connection.fetchval("SELECT count(*) FROM memberships WHERE workspace_id = $1", workspace.id)
    assert left == 0


async def test_rejected_rows_of_a_file_are_not_kept_once_a_unit_was_forgotten(
    database: Database, workspace: Workspace, client: Client, key: str, ask: Ask
) -> None:
    broken = b'\n{"unit": "ada", "event": 7}\n{"unit": "ada", \n'
    identity = await send(client, key, ndjson(deeds("bob")) + broken, format="ndjson")
    await forgotten(ask, "ada")
    await take_in_uploads(database)
    assert counts(await job(ask, identity)) == (1, 0, 2)
    assert await kept_rejections(database, workspace) == 0
    await send(client, key, ndjson(deeds("bob")) + broken, format="ndjson")
    await take_in_uploads(database)
    assert await kept_rejections(database, workspace) == 2


async def test_file_sent_after_the_forgetting_and_one_of_another_workspace_bring_the_unit(
    database: Database, workspace: Workspace, client: Client, key: str, ask: Ask
) -> None:
    async with database.write() as session:
        other = await ensure_workspace(session, f"{workspace.key}-other", datetime.now(UTC))
    async with database.raw() as connection:
        theirs = await spool.open_job(connection, other.id, Noun.OUTCOMES, {"format": "csv"})
        await spool.append(connection, theirs, 0, csv(deeds("ada")))
        await spool.complete(connection, theirs)
    await forgotten(ask, "ada")
    await send(client, key, csv(deeds("ada")))
    await take_in_uploads(database)
    assert (await units(database, workspace), await units(database, other)) == (["ada"], ["ada"])


async def test_unit_forgotten_while_a_file_still_comes_in_is_left_out_and_nothing_is_left_when_it_stops_coming(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    async with database.raw() as connection:
        whole, broken = [
            await spool.open_job(connection, workspace.id, Noun.OUTCOMES, {"format": "csv"}) for _ in range(2)
        ]
        for number in (whole, broken):
            await spool.append(connection, number, 0, csv(deeds("ada", "bob")))
    async with database.raw() as connection:
        await service.forget(connection, workspace_id=workspace.id, unit="ada", now=datetime.now(UTC))
    async with database.raw() as connection:
        await spool.complete(connection, whole)
        for number in (whole, broken):
            await spool.give_up(connection, number)
        left = await connection.fetch("SELECT job_id FROM job_omissions WHERE job_id = ANY($1::int[])", [whole, broken])
    assert [row["job_id"] for row in left] == [whole]  # a file that is whole is not given up
    await take_in_uploads(database)
    assert await units(database, workspace) == ["bob"]
    assert (await ask("{ jobs { nodes { state } } }"))["jobs"]["nodes"] == [{"state": "SUCCEEDED"}]


@pytest_asyncio.fixture
async def waited(database: Database, client: Client, key: str) -> str:
    """A file that has waited for a day, and nobody took it in."""
    identity = await send(client, key, csv(deeds("ada")))
    async with database.raw() as connection:
        past = datetime.now(UTC) - spool.LONGEST_WAIT - timedelta(seconds=1)
        await connection.execute("UPDATE jobs SET touched_at = $2 WHERE id = $1", local_id("Job", identity), past)
    return identity


async def test_file_that_no_worker_took_in_for_a_day_is_dropped_and_says_so(
    database: Database, workspace: Workspace, client: Client, key: str, ask: Ask, waited: str
) -> None:
    fresh = await send(client, key, csv(deeds("bob")))
    await uploads.sweep(database)
    found = await job(ask, waited)
    assert (found["state"], found["message"]) == ("FAILED", uploads.OVERDUE)
    assert (await chunks(database, waited), await chunks(database, fresh)) == (0, 1)
    await take_in_uploads(database)
    assert await units(database, workspace) == ["bob"]


@pytest.fixture
async def workerless(database_url: str) -> AsyncIterator[Client]:
    """An API process without a worker, running."""
    app = build(Database(database_url), settings=Settings(), secret=SECRET, with_worker=False)
    async with (
        app.router.lifespan_context(app),
        Client(transport=httpx.ASGITransport(app), base_url="http://truelift.test") as client,
    ):
        yield client


async def test_process_without_a_worker_drops_it_as_well(ask: Ask, waited: str, workerless: Client) -> None:
    assert (await workerless.get("/healthz")).status_code == 200
    async with asyncio.timeout(60):
        while (await job(ask, waited))["state"] != "FAILED":
            pass


async def test_file_that_is_cancelled_is_gone_at_once(database: Database, client: Client, key: str, ask: Ask) -> None:
    identity = await send(client, key, csv(deeds("ada")))
    await forgotten(ask, "ada")
    await ask(documents.JOB_CANCEL, {"input": {"id": identity}})
    assert (await chunks(database, identity), await omissions(database, identity)) == (0, [])


async def test_command_that_rows_do_not_let_through_says_so(
    database: Database, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(forgetting, "LOCK_SECONDS", 1)
    async with database.raw() as connection:
        await hold_rows(connection, workspace.id)
        with pytest.raises(SystemExit):
            await forgotten_by_command(database, workspace.key, "ada")
    assert "Try again" in capsys.readouterr().err
    assert await forgotten_by_command(database, workspace.key, "ada") is not None

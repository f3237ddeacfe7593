"""Uploads: a file comes in, waits, is taken in batch by batch, and its job says how far it is."""

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytest_asyncio

from api.app import build
from api.auth.keys import Caller, Scope
from api.database import Database
from api.files.reading import BATCH
from api.graphql.nodes import global_id, local_id
from api.jobs import spool, uploads
from api.jobs.errors import Gone
from api.jobs.tables import Noun
from api.jobs.uploads import MOST_ATTEMPTS, take_in_uploads
from api.settings import Settings
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import SECRET, Client, MakeKey, Try, bearing
from tests.conftest import Ask

AT = "2026-06-02T08:00:00Z"
COLUMNS = ("unit", "event", "occurred_at", "value", "event_id")
JOB = """
query Job($id: ID!) { job(id: $id) {
  noun state message startedAt endedAt progress { bytesTotal bytesRead accepted duplicates rejected }
} }
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


def outcomes(count: int) -> list[dict[str, Any]]:
    return [
        {"unit": f"u{n}", "event": "played", "occurred_at": AT, "value": n % 7, "event_id": f"e{n}"}
        for n in range(count)
    ]


def csv(rows: list[dict[str, Any]]) -> bytes:
    lines = [",".join(COLUMNS), *(",".join(str(row[name]) for name in COLUMNS) for row in rows)]
    return "\n".join(lines).encode()


def ndjson(rows: list[dict[str, Any]]) -> bytes:
    wire = {"occurred_at": "occurredAt", "event_id": "eventId"}
    return b"\n".join(json.dumps({wire.get(name, name): value for name, value in row.items()}).encode() for row in rows)


def parquet(rows: list[dict[str, Any]]) -> bytes:
    buffer = BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


async def send(client: Client, key: str, data: bytes, **parameters: str) -> str:
    """Upload a file; the global id of its job."""
    query = {"noun": "outcomes", "format": "csv"} | parameters
    answer = await client.post("/v1/uploads", params=query, content=data, headers=bearing(key))
    assert answer.status_code == 202, answer.text
    assert answer.json()["job"]["state"] == "WAITING"
    return str(answer.json()["job"]["id"])


async def job(ask: Ask, identity: str) -> dict[str, Any]:
    return dict((await ask(JOB, {"id": identity}))["job"])


def counts(found: dict[str, Any]) -> tuple[int, int, int]:
    progress = found["progress"]
    return progress["accepted"], progress["duplicates"], progress["rejected"]


async def stored(database: Database, workspace: Workspace) -> int:
    async with database.raw() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM outcomes WHERE workspace_id = $1", workspace.id))


async def chunks(database: Database, identity: str) -> int:
    async with database.raw() as connection:
        number = local_id("Job", identity)
        return int(await connection.fetchval("SELECT count(*) FROM job_chunks WHERE job_id = $1", number))


async def test_upload_waits_and_is_taken_in_once_however_often_it_comes(
    database: Database, workspace: Workspace, client: Client, key: str, ask: Ask
) -> None:
    data = csv(outcomes(2 * BATCH + 7))
    first = await send(client, key, data)
    waiting = await job(ask, first)
    assert (waiting["noun"], waiting["state"], waiting["message"]) == ("OUTCOMES", "WAITING", None)
    assert waiting["progress"] == {
        "bytesTotal": len(data),
        "bytesRead": 0,
        "accepted": 0,
        "duplicates": 0,
        "rejected": 0,
    }
    await take_in_uploads(database)
    done = await job(ask, first)
    assert (done["state"], counts(done)) == ("SUCCEEDED", (2 * BATCH + 7, 0, 0))
    assert done["progress"]["bytesRead"] == len(data)
    assert None not in {done["startedAt"], done["endedAt"], done["message"]}
    assert await chunks(database, first) == 0
    again = await send(client, key, data)
    await take_in_uploads(database)
    assert counts(await job(ask, again)) == (0, 2 * BATCH + 7, 0)
    assert await stored(database, workspace) == 2 * BATCH + 7


@pytest.mark.parametrize("form", ["csv", "csv packed", "ndjson", "ndjson packed", "parquet", "by its media type"])
async def test_upload_of_any_kind_brings_the_same_rows(
    database: Database, workspace: Workspace, client: Client, key: str, ask: Ask, form: str
) -> None:
    rows = outcomes(300)
    data = {"csv": csv, "ndjson": ndjson, "parquet": parquet}.get(form.partition(" ")[0], ndjson)(rows)
    data = gzip.compress(data) if form.endswith("packed") else data
    if form == "by its media type":
        headers = bearing(key) | {"content-type": "application/x-ndjson; charset=utf-8"}
        answer = await client.post("/v1/uploads", params={"noun": "outcomes"}, content=data, headers=headers)
        identity = answer.json()["job"]["id"]
    else:
        identity = await send(client, key, data, format=form.partition(" ")[0])
    await take_in_uploads(database)
    found = await job(ask, identity)
    assert (found["state"], counts(found)) == ("SUCCEEDED", (300, 0, 0))
    async with database.raw() as connection:
        total = await connection.fetchval("SELECT sum(value) FROM outcomes WHERE workspace_id = $1", workspace.id)
    assert total == sum(row["value"] for row in rows)


async def test_upload_of_exposures_is_mapped_by_its_parameters(
    database: Database, client: Client, key: str, ask: Ask, started: str
) -> None:
    assert started
    table = f"who;arm;seen;tier\nu1;A;{AT};pro\nu2;B;{AT};free\n".encode()
    mapping = '[variants]\nA = "control"\nB = "tour"\n[set]\nexperiment = "guided-tour"\n'
    query = [("map", "unit=who"), ("map", "variant=arm"), ("map", "exposed_at=seen"), ("attribute", "plan=tier")]
    answer = await client.post(
        "/v1/uploads",
        params=[("noun", "exposures"), ("format", "csv"), ("mapping", mapping), *query],
        content=table,
        headers=bearing(key),
    )
    await take_in_uploads(database)
    assert counts(await job(ask, answer.json()["job"]["id"])) == (2, 0, 0)


async def test_upload_of_aggregates_is_taken_in(
    database: Database, client: Client, key: str, ask: Ask, started: str
) -> None:
    assert started
    table = (
        b"experiment,kpi,variant,entered_on,n,successes\n"
        b"guided-tour,activation,tour,2026-06-02,100,45\n"
        b"guided-tour,,tour,2026-06-02,100,\n"
        b"guided-tour,activation,control,2026-06-02,90,x\n"
        b"guided-tour,,control,2026-06-02,90,\n"
    )
    identity = await send(client, key, table, noun="aggregates")
    await take_in_uploads(database)
    assert counts(await job(ask, identity)) == (3, 0, 1)


async def test_rows_of_an_upload_that_are_rejected_are_kept_with_their_reasons(
    database: Database, workspace: Workspace, client: Client, key: str, ask: Ask
) -> None:
    table = csv(outcomes(2)) + b"\nu9,played,yesterday,1,e9\nu8,played\n,played," + AT.encode() + b",1,e8\n"
    identity = await send(client, key, table)
    await take_in_uploads(database)
    found = await job(ask, identity)
    assert (found["state"], counts(found)) == ("SUCCEEDED", (2, 0, 3))
    async with database.raw() as connection:
        kept = await connection.fetch(
            "SELECT code, message, row FROM rejections WHERE workspace_id = $1 ORDER BY id", workspace.id
        )
    assert [line["code"] for line in kept] == ["MALFORMED", "UNREADABLE", "UNREADABLE"]
    assert [line["message"][:7] for line in kept[1:]] == ["Line 4:", "Line 5:"]
    assert "yesterday" in kept[1]["row"]


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"noun": "people"}, "noun is one of"),
        ({"format": "xlsx"}, "format is one of"),
        ({"colour": "red"}, "no parameter 'colour'"),
        ({"map": "unit"}, "name=value"),
        ({"timezone": "Mars/Base"}, "no time zone"),
        ({"mapping": "[["}, "not TOML"),
    ],
)
async def test_upload_that_cannot_be_understood_is_refused_before_its_file_is_kept(
    client: Client, key: str, ask: Ask, parameters: dict[str, str], word: str
) -> None:
    query = {"noun": "outcomes", "format": "csv"} | parameters
    answer = await client.post("/v1/uploads", params=query, content=b"x", headers=bearing(key))
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["extensions"]["code"]) == (400, "BAD_USER_INPUT")
    assert word in error["message"]
    assert (await ask("{ jobs { totalCount } }"))["jobs"]["totalCount"] == 0


async def test_upload_needs_a_key_that_may_ingest(client: Client, make_key: MakeKey) -> None:
    query = {"noun": "outcomes", "format": "csv"}
    assert (await client.post("/v1/uploads", params=query, content=b"x")).status_code == 401
    reader = bearing(await make_key(Scope.READ))
    assert (await client.post("/v1/uploads", params=query, content=b"x", headers=reader)).status_code == 403


@pytest.mark.parametrize("is_declared", [True, False])
async def test_file_over_the_cap_is_refused_and_nothing_of_it_is_left(
    database: Database, key: str, ask: Ask, is_declared: bool
) -> None:
    app = build(database, settings=Settings(max_upload_bytes=2_500_000), secret=SECRET, with_worker=False)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(1_000_000)

    async with Client(transport=httpx.ASGITransport(app), base_url="http://truelift.test") as client:
        answer = await client.post(
            "/v1/uploads",
            params={"noun": "outcomes", "format": "csv"},
            content=bytes(3_000_000) if is_declared else pieces(),
            headers=bearing(key),
        )
    assert answer.status_code == 413
    assert "2,500,000 bytes" in answer.json()["errors"][0]["message"]
    assert (await ask("{ jobs { totalCount } }"))["jobs"]["totalCount"] == 0


async def test_upload_beyond_those_that_may_wait_is_refused_until_one_is_done(
    database: Database, client: Client, key: str
) -> None:
    for _ in range(Settings().max_uploads):
        await send(client, key, csv(outcomes(1)))
    query = {"noun": "outcomes", "format": "csv"}
    answer = await client.post("/v1/uploads", params=query, content=b"x", headers=bearing(key))
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (429, "RATE_LIMITED")
    assert int(answer.headers["retry-after"]) > 0
    await take_in_uploads(database)
    await send(client, key, csv(outcomes(1)))


@pytest.mark.parametrize(
    ("form", "data", "word"),
    [("csv", b"who,what\nu1,played\n", "no column for unit"), ("parquet", b"no parquet", "cannot be read as Parquet")],
)
async def test_file_that_does_not_fit_its_job_fails_with_a_sentence(
    database: Database, client: Client, key: str, ask: Ask, form: str, data: bytes, word: str
) -> None:
    identity = await send(client, key, data, format=form)
    await take_in_uploads(database)
    found = await job(ask, identity)
    assert (found["state"], counts(found)) == ("FAILED", (0, 0, 0))
    assert word in found["message"]
    assert await chunks(database, identity) == 0


async def break_off(database: Database, after: int) -> None:
    """Take the next job as a worker does that dies after some batches."""
    async with spool.taken(database) as taken:
        assert taken is not None
        async with aclosing(uploads.batches(database, taken)) as batches:
            for _ in range(after):
                await uploads.store(database, taken, await anext(batches))


async def test_job_whose_worker_died_goes_on_after_the_last_batch_and_counts_each_row_once(
    database: Database, workspace: Workspace, client: Client, key: str, ask: Ask
) -> None:
    table = csv(outcomes(3 * BATCH)) + b"\nu9,played\n"
    identity = await send(client, key, table)
    await break_off(database, after=2)
    between = await job(ask, identity)
    assert (between["state"], counts(between)) == ("RUNNING", (2 * BATCH, 0, 0))
    await take_in_uploads(database)
    found = await job(ask, identity)
    assert (found["state"], counts(found)) == ("SUCCEEDED", (3 * BATCH, 0, 1))
    assert await stored(database, workspace) == 3 * BATCH


async def test_job_that_ends_its_worker_again_and_again_fails(
    database: Database, client: Client, key: str, ask: Ask
) -> None:
    identity = await send(client, key, csv(outcomes(10)))
    for _ in range(MOST_ATTEMPTS):
        await break_off(database, after=0)
    await take_in_uploads(database)
    found = await job(ask, identity)
    assert (found["state"], counts(found)) == ("FAILED", (0, 0, 0))
    assert "ended 3 times" in found["message"]


async def test_job_that_one_worker_runs_is_not_taken_by_another(database: Database, client: Client, key: str) -> None:
    first = local_id("Job", await send(client, key, csv(outcomes(1))))
    second = local_id("Job", await send(client, key, csv(outcomes(1))))
    async with spool.taken(database) as one, spool.taken(database) as other, spool.taken(database) as none:
        assert (one and one.id, other and other.id, none) == (first, second, None)
    async with spool.taken(database) as again:
        assert again is not None
        assert (again.id, again.attempts) == (first, 2)


async def test_worker_that_lost_its_job_stores_no_further_batch(
    database: Database, workspace: Workspace, client: Client, key: str, ask: Ask
) -> None:
    identity = await send(client, key, csv(outcomes(10)))
    async with spool.taken(database) as ours:
        assert ours is not None
        async with aclosing(uploads.batches(database, ours)) as batches:
            batch = await anext(batches)
        answer = await ask(documents.JOB_CANCEL, {"input": {"id": identity}})
        assert answer["jobCancel"]["job"]["state"] == "CANCELLED"
        with pytest.raises(Gone):
            await uploads.store(database, ours, batch)
    assert await stored(database, workspace) == 0
    assert await chunks(database, identity) == 0


async def test_cancel_of_a_job_that_waits_is_for_good_and_of_one_that_has_ended_is_refused(
    database: Database, workspace: Workspace, client: Client, key: str, ask: Ask
) -> None:
    waiting, done = [await send(client, key, csv(outcomes(3))) for _ in range(2)]
    for _ in range(2):
        answer = await ask(documents.JOB_CANCEL, {"input": {"id": waiting}})
        assert (answer["jobCancel"]["job"]["state"], answer["jobCancel"]["userErrors"]) == ("CANCELLED", [])
    await take_in_uploads(database)
    assert (await job(ask, waiting))["state"] == "CANCELLED"
    answer = await ask(documents.JOB_CANCEL, {"input": {"id": done}})
    assert answer["jobCancel"] == {"job": None, "userErrors": [{"code": "WRONG_STATE", "path": ["id"]}]}
    assert await stored(database, workspace) == 3


async def test_stranger_sees_no_job_and_cancels_none(
    client: Client, key: str, ask: Ask, attempt: Try, stranger: Caller
) -> None:
    identity = await send(client, key, csv(outcomes(1)))
    document = "query Q($id: ID!) { job(id: $id) { id } node(id: $id) { id } jobs { totalCount nodes { id } } }"
    mine = await ask(document, {"id": identity})
    assert mine == {
        "job": {"id": identity},
        "node": {"id": identity},
        "jobs": {"totalCount": 1, "nodes": [{"id": identity}]},
    }
    theirs = await attempt(document, {"id": identity}, caller=stranger)
    assert theirs["data"] == {"job": None, "node": None, "jobs": {"totalCount": 0, "nodes": []}}
    answer = await attempt(documents.JOB_CANCEL, {"input": {"id": identity}}, caller=stranger)
    assert answer["data"]["jobCancel"] == {"job": None, "userErrors": [{"code": "NOT_FOUND", "path": ["id"]}]}
    assert (await job(ask, identity))["state"] == "WAITING"


@pytest.mark.parametrize("identity", [global_id("Kpi", 1), global_id("Job", 999_999_999), "no id"])
async def test_job_that_is_none_is_null(ask: Ask, identity: str) -> None:
    assert (await ask(JOB, {"id": identity}))["job"] is None


async def test_file_that_never_came_whole_is_given_up_after_a_while(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    async with database.raw() as connection:
        number = await spool.open_job(connection, workspace.id, Noun.OUTCOMES, {"format": "csv"})
        assert await spool.append(connection, number, 0, b"unit,event\n")
    await take_in_uploads(database)
    assert (await ask("{ jobs { nodes { state } } }"))["jobs"]["nodes"] == [{"state": "RECEIVING"}]
    async with database.raw() as connection:
        past = datetime.now(UTC) - spool.SILENCE - timedelta(seconds=1)
        await connection.execute("UPDATE jobs SET touched_at = $2 WHERE id = $1", number, past)
    await take_in_uploads(database)
    assert (await ask("{ jobs { totalCount } }"))["jobs"]["totalCount"] == 0

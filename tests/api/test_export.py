"""What is exported holds every row, and taken in elsewhere it gives the same tables."""

import asyncio
import csv
import socket
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import pytest_asyncio
import uvicorn
from starlette.applications import Starlette

from api.auth import keys
from api.auth.keys import Scope
from api.commands.export import export_file
from api.commands.importing import import_file
from api.database import Database
from api.doors import export as door
from api.files.mapping import Mapping
from api.files.writing import MEDIA, Form
from experiments.aggregation import extraction
from experiments.aggregation.extraction import Noun, Selection
from kpi import events, workspaces
from kpi.tables import Workspace
from tests.api.conftest import SECRET, Client, MakeKey, bearing
from tests.api.test_doors import Quiet, until
from tests.experiments.aggregating import START, Running, assert_same, refresh, running, send
from tests.experiments.recomputation import Did, Exposed

NOW = START + timedelta(days=40)
NAMES = ["plain", "=1+1", "-2", "@x", 'a "quoted", one', "two\nlines", "Zoë ✓", " spaced ", "NULL", "007", "+1"]


def at(day: float) -> datetime:
    return START + timedelta(days=day)


ROWS: list[Exposed | Did] = [
    *(
        Exposed(unit=name, variant=number % 3, at=at(number / 3), plan=["free", True, 1.5, None, "=x"][number % 5])
        for number, name in enumerate(NAMES)
    ),
    Exposed(unit="plain", variant=2, at=at(0.1), plan=None),
    Exposed(unit="@x", variant=1, at=at(1), plan="free"),
    *(
        Did(unit=name, event=event, at=at(number / 3 + 0.5), value=value)
        for number, name in enumerate(NAMES)
        for event, value in (("did", 2.5), ("did", None), ("deleted", 1e-7), ("other", 3.0))
    ),
]


async def full(database: Database) -> Running:
    to = await running(database)
    await send(database, to, ROWS)
    return to


async def exported(database: Database, of: Running, noun: Noun, file: Path, **selection: Any) -> list[str]:
    where = Selection(**selection)
    return await export_file(database, of.workspace.key, noun, where, file, Form(file.suffix[1:]))


async def imported(database: Database, to: Running, noun: Noun, file: Path, attributes: list[str]) -> None:
    said = [f"{name.removeprefix(extraction.ATTRIBUTE)}={name}:text" for name in attributes]
    columns = Mapping.load(kind=noun.value, attributes=said)
    await import_file(database, to.workspace.id, noun, file, columns, file.with_suffix(".rejects"))  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("form", Form)
async def test_rows_exported_and_taken_in_elsewhere_give_the_same_tables(
    database: Database, tmp_path: Path, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "BATCH", 4)
    here, there = await full(database), await running(database)
    for noun in (Noun.EXPOSURES, Noun.OUTCOMES):
        file = tmp_path / f"{noun}.{form}"
        attributes = await exported(database, here, noun, file)
        await imported(database, there, noun, file, attributes)
    found = await refresh(database, there, NOW)
    assert found.crossovers == 2
    assert_same(found, await refresh(database, here, NOW))


async def test_rows_are_chosen_by_experiment_unit_and_time(database: Database, tmp_path: Path) -> None:
    here = await full(database)

    async def units(noun: Noun, **selection: Any) -> list[str]:
        file = tmp_path / "chosen.parquet"
        await exported(database, here, noun, file, **selection)
        return sorted(set(pq.read_table(file).column("unit").to_pylist()))

    assert await units(Noun.OUTCOMES) == sorted(NAMES)
    assert await units(Noun.EXPOSURES, unit="-2") == ["-2"]
    assert await units(Noun.OUTCOMES, from_at=at(0.5), to_at=at(1)) == sorted(NAMES[:2])
    assert await units(Noun.EXPOSURES, experiment="shorter-form", from_at=at(3)) == sorted(NAMES[9:])
    file = tmp_path / "events.parquet"
    await exported(database, here, Noun.OUTCOMES, file, experiment="shorter-form")
    # The plan reads “did” and “deleted”, and “activated” of the primary KPI, which nobody did.
    assert set(pq.read_table(file).column("event").to_pylist()) == {"did", "deleted"}


async def test_outcomes_of_an_experiment_hold_what_its_covariates_read_before_exposure(
    database: Database, tmp_path: Path
) -> None:
    here = await full(database)  # one of its KPIs is adjusted for the two days before exposure
    did = [Did(unit="early", event="did", at=at(day), value=1.0) for day in (2.9, 3.1, 5.1)]
    await send(database, here, [Exposed(unit="early", variant=0, at=at(5), plan=None), *did])
    file = tmp_path / "events.parquet"
    await exported(database, here, Noun.OUTCOMES, file, experiment="shorter-form")
    rows = pq.read_table(file).to_pylist()
    assert [row["occurredAt"] for row in rows if row["unit"] == "early"] == [at(3.1), at(5.1)]


async def test_aggregates_are_exported_as_they_are_stored(database: Database, tmp_path: Path) -> None:
    here = await full(database)
    expected = await refresh(database, here, NOW)
    file = tmp_path / "aggregates.parquet"
    await exported(database, here, Noun.AGGREGATES, file)
    rows = pq.read_table(file).to_pylist()
    entered = [row for row in rows if row["kpi"] is None]
    assert sum(row["n"] for row in entered if row["segment"] is None) == len(NAMES) - 2
    assert sum(row["crossovers"] or 0 for row in entered) == 2
    sums = [row for row in rows if row["kpi"] == "sum-2"]
    stored = [value for (kpi, *_), value in expected.moments.items() if kpi == "sum-2"]
    assert sorted((row["n"], row["mean"], row["m2"]) for row in sums) == sorted(stored)
    ended = [row for row in rows if row["day"] is not None]
    assert sorted((row["events"], row["losses"]) for row in ended) == sorted(expected.durations.values())


async def asked(client: Client, make_key: MakeKey, path: str, *scopes: Scope, **said: str) -> Any:
    return await client.get(f"/v1/export/{path}", params=said, headers=bearing(await make_key(*scopes)))


async def taken(database: Database, workspace: Workspace, *units: str) -> None:
    did = [{"unit": unit, "event": "did", "occurredAt": at(0.5)} for unit in units]
    async with database.raw() as connection:
        assert (await events.ingest(connection, workspace_id=workspace.id, rows=did, now=NOW)).refusals == ()


@pytest.mark.parametrize("form", Form)
async def test_aggregates_are_sent_once_and_again_when_they_have_changed(
    database: Database, client: Client, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = await full(database)
    await refresh(database, here, NOW)
    async with database.write() as session:
        key = await keys.create(
            session, workspace_id=here.workspace.id, name="x", scopes=[Scope.READ], secret=SECRET, now=NOW
        )

    async def told(tag: str | None = None) -> Any:
        held = {} if tag is None else {"if-none-match": tag}
        return await client.get(f"/v1/export/aggregates.{form}", headers=bearing(key) | held)

    first = await told()
    assert int(first.headers["content-length"]) == len(first.content) > 100
    assert (first.headers["cache-control"], first.headers["content-type"]) == ("private, no-cache", MEDIA[form])
    assert (await told(first.headers["etag"])).status_code == 304
    monkeypatch.setattr(door, "WHOLE", 50)  # as a longer file it says the same, and has no mark
    streamed = await told(first.headers["etag"])
    assert (streamed.status_code, streamed.content, streamed.headers.get("etag")) == (200, first.content, None)
    monkeypatch.undo()
    await send(database, here, [Exposed(unit="late", variant=0, at=at(0.5), plan="free")])
    await refresh(database, here, NOW)
    later = await told(first.headers["etag"])
    assert later.status_code == 200
    assert later.headers["etag"] != first.headers["etag"]


async def test_raw_rows_need_admin_and_aggregates_read(client: Client, make_key: MakeKey) -> None:
    for path, needed in (
        ("outcomes.csv", Scope.ADMIN),
        ("exposures.parquet", Scope.ADMIN),
        ("aggregates.csv", Scope.READ),
    ):
        for scope in Scope:
            answer = await asked(client, make_key, path, scope)
            assert answer.status_code == (200 if scope is needed else 403)
    assert (await client.get("/v1/export/outcomes.csv")).status_code == 401


async def test_file_is_streamed_whole_over_http_in_both_forms(
    client: Client, make_key: MakeKey, database: Database, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "BATCH", 3)
    await taken(database, workspace, *NAMES)
    text = await asked(client, make_key, "outcomes.csv", Scope.ADMIN)
    assert text.headers["content-type"] == "text/csv; charset=utf-8"
    packed = await asked(client, make_key, "outcomes.parquet", Scope.ADMIN)
    for rows in (list(csv.DictReader(StringIO(text.text))), pq.read_table(BytesIO(packed.content)).to_pylist()):
        assert sorted(row["unit"] for row in rows) == sorted(NAMES)
        assert {row["event"] for row in rows} == {"did"}


async def test_texts_are_defused_for_a_spreadsheet_only_when_that_is_asked_for(
    client: Client, make_key: MakeKey, database: Database, workspace: Workspace
) -> None:
    await taken(database, workspace, "=1+1", "plain")
    for said, expected in (({}, ["=1+1", "plain"]), ({"spreadsheet": "yes"}, ["'=1+1", "plain"])):
        answer = await asked(client, make_key, "outcomes.csv", Scope.ADMIN, **said)
        assert sorted(row["unit"] for row in csv.DictReader(StringIO(answer.text))) == expected


@pytest.mark.parametrize(
    ("path", "said", "status", "code"),
    [
        ("secrets.csv", {}, 404, "NOT_FOUND"),
        ("outcomes.xlsx", {}, 404, "NOT_FOUND"),
        ("outcomes.csv", {"experiment": "nothing"}, 404, "NOT_FOUND"),
        ("outcomes.csv", {"from": "yesterday"}, 400, "BAD_USER_INPUT"),
        ("outcomes.csv", {"to": "0001-01-01"}, 400, "BAD_USER_INPUT"),
        ("outcomes.csv", {"unit": "nul\0"}, 400, "BAD_USER_INPUT"),
        ("outcomes.csv", {"units": "u1"}, 400, "BAD_USER_INPUT"),
        ("aggregates.csv", {"unit": "u1"}, 400, "BAD_USER_INPUT"),
    ],
)
async def test_export_that_cannot_be_is_refused_in_words(
    client: Client, make_key: MakeKey, path: str, said: dict[str, str], status: int, code: str
) -> None:
    answer = await asked(client, make_key, path, Scope.ADMIN, Scope.READ, **said)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["extensions"]["code"] == code
    # What was refused holds no place: the next one has it.
    assert (await asked(client, make_key, "outcomes.csv", Scope.ADMIN)).status_code == 200
    assert not door.AT_ONCE.locked()


async def test_export_beyond_the_second_at_once_is_told_to_come_back(client: Client, make_key: MakeKey) -> None:
    async with door.AT_ONCE, door.AT_ONCE:
        answer = await asked(client, make_key, "outcomes.csv", Scope.ADMIN)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert (await asked(client, make_key, "outcomes.csv", Scope.ADMIN)).status_code == 200


async def test_hidden_unit_is_exported_by_its_clear_id_and_not_under_it(
    client: Client, make_key: MakeKey, database: Database, workspace: Workspace
) -> None:
    async with database.write() as session:
        await workspaces.update(session, workspace_id=workspace.id, given={"hashes_units": True})
    await taken(database, workspace, "zoe", "bob")
    answer = await asked(client, make_key, "outcomes.csv", Scope.ADMIN, unit="zoe")
    (row,) = csv.DictReader(StringIO(answer.text))
    assert len(row["unit"]) == 32
    assert "zoe" not in answer.text
    (again,) = csv.DictReader(
        StringIO((await asked(client, make_key, "outcomes.csv", Scope.ADMIN, unit=row["unit"])).text)
    )
    assert again == row


@pytest_asyncio.fixture
async def server(app: Starlette) -> AsyncIterator[tuple[str, int]]:
    """The address of a real server that keeps little on the way to a reader."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        listening.bind(("127.0.0.1", 0))
        quiet = Quiet(uvicorn.Config(app, lifespan="off", log_level="critical", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(quiet.serve([listening]))
        await until(lambda: quiet.started)
        yield listening.getsockname()
        quiet.should_exit = True
        await serving


@pytest_asyncio.fixture
async def reader(server: tuple[str, int]) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that takes in little by itself."""
    with socket.socket() as ours:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        ours.setblocking(False)
        await asyncio.get_running_loop().sock_connect(ours, server)
        incoming, outgoing = await asyncio.open_connection(sock=ours, limit=4_096)
        yield incoming, outgoing
        outgoing.transport.abort()


def checked_out(database: Database) -> int:
    pool: Any = database.engine.pool
    return int(pool.checkedout())


@pytest.mark.parametrize("limit", ["pace", "whole"])
async def test_reader_that_is_too_slow_is_broken_off_and_frees_its_connection_and_its_place(
    reader: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    make_key: MakeKey,
    database: Database,
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
) -> None:
    await taken(database, workspace, *(f"unit-{number}-{'x' * 150}" for number in range(10_000)))
    monkeypatch.setattr(door, "GRACE", 0.5 if limit == "pace" else 60)
    monkeypatch.setattr(door, "SLOWEST", 10_000_000)
    monkeypatch.setattr(door, "LONGEST", 60 if limit == "pace" else 0.5)
    incoming, outgoing = reader
    key = await make_key(Scope.ADMIN)
    outgoing.write(f"GET /v1/export/outcomes.csv HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n".encode())
    assert (await incoming.readline()).split()[1] == b"200"
    assert checked_out(database) == 1
    await until(lambda: checked_out(database) == 0)
    assert not door.AT_ONCE.locked()
    rest = await asyncio.wait_for(incoming.read(-1), 60)
    assert 0 < rest.count(b"\nunit-") < 10_000
    assert not rest.endswith(b"0\r\n\r\n")  # so nobody takes it for whole


async def test_reader_that_takes_its_time_within_the_limits_gets_all(
    reader: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    make_key: MakeKey,
    database: Database,
    workspace: Workspace,
) -> None:
    await taken(database, workspace, *(f"unit-{number}-{'x' * 150}" for number in range(2_000)))
    incoming, outgoing = reader
    key = await make_key(Scope.ADMIN)
    outgoing.write(f"GET /v1/export/outcomes.csv HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n".encode())
    found = b""
    while not found.endswith(b"\r\n0\r\n\r\n"):
        found += await asyncio.wait_for(incoming.read(16_384), 60)
        await asyncio.sleep(0.005)
    assert found.count(b"\nunit-") == 2_000

"""Memberships and traits at every door: the same rows are taken in, and told, alike; and they are forgotten alike."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from api.auth.keys import Scope
from api.commands.importing import import_file
from api.database import Database
from api.files.mapping import Mapping
from api.jobs.tables import Noun
from api.jobs.uploads import take_in_uploads
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import Client, MakeKey
from tests.api.test_uploads import counts, job, send
from tests.conftest import Ask

JUNE, JULY, AHEAD = "2026-06-02T08:00:00Z", "2026-07-02T08:00:00Z", "2999-01-01T00:00:00Z"
ROWS: dict[Noun, list[dict[str, Any]]] = {
    Noun.MEMBERSHIPS: [
        {"member": "ada", "account": "acme", "sinceAt": JUNE},
        {"member": "ada", "account": "acme", "sinceAt": JUNE},
        {"member": "ada", "account": "globex", "sinceAt": JUNE},
        {"member": "ada", "account": None, "sinceAt": JULY},
        {"member": "bob", "account": "acme", "sinceAt": AHEAD},
    ],
    Noun.TRAITS: [
        {"unit": "ada", "name": "plan", "value": "pro", "sinceAt": JUNE},
        {"unit": "ada", "name": "plan", "value": "pro", "sinceAt": JUNE},
        {"unit": "ada", "name": "plan", "value": "free", "sinceAt": JUNE},
        {"unit": "ada", "name": "plan", "value": None, "sinceAt": JULY},
        {"unit": "bob", "name": "plan", "value": "pro", "sinceAt": AHEAD},
    ],
}
"""Of each noun: a row, the same, one that contradicts it, one that ends it, and one that cannot be true."""
STORED = {
    Noun.MEMBERSHIPS: "SELECT member, account, since_at FROM memberships WHERE workspace_id = $1 ORDER BY since_at",
    Noun.TRAITS: "SELECT unit, value, since_at FROM traits WHERE workspace_id = $1 ORDER BY since_at",
}
INGEST = {Noun.MEMBERSHIPS: documents.MEMBERSHIPS_INGEST, Noun.TRAITS: documents.TRAITS_INGEST}
NOUNS = [Noun.MEMBERSHIPS, Noun.TRAITS]
FORGET = "mutation F($input: UnitForgetInput!) { unitForget(input: $input) { memberships traits rejections } }"


class Doors(NamedTuple):
    """What it takes to come in by any door."""

    ask: Ask
    client: Client
    key: str
    database: Database
    workspace: Workspace
    folder: Path


@pytest_asyncio.fixture
async def doors(
    ask: Ask, client: Client, make_key: MakeKey, database: Database, workspace: Workspace, tmp_path: Path
) -> AsyncIterator[Doors]:
    """All of them; no job of another test waits before or after."""
    await take_in_uploads(database)
    yield Doors(ask, client, await make_key(Scope.INGEST), database, workspace, tmp_path)
    await take_in_uploads(database)


def csv(rows: list[dict[str, Any]]) -> bytes:
    cells = [",".join("" if cell is None else str(cell) for cell in row.values()) for row in rows]
    return "\n".join([",".join(rows[0]), *cells]).encode()


def ndjson(rows: list[dict[str, Any]]) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


async def by_graphql(doors: Doors, noun: Noun) -> tuple[int, int, int]:
    answer = (await doors.ask(INGEST[noun], {"input": {noun.value: ROWS[noun]}}))[f"{noun.value}Ingest"]
    assert answer["userErrors"] == []
    report = answer["report"]
    return report["accepted"], report["duplicates"], report["rejected"]


async def by_http(doors: Doors, noun: Noun) -> tuple[int, int, int]:
    headers = {"authorization": f"Bearer {doors.key}", "content-type": "application/x-ndjson"}
    answer = (await doors.client.post(f"/v1/{noun}", content=ndjson(ROWS[noun]), headers=headers)).json()
    return answer["accepted"], answer["duplicates"], answer["rejected"]


async def by_upload(doors: Doors, noun: Noun) -> tuple[int, int, int]:
    identity = await send(doors.client, doors.key, csv(ROWS[noun]), noun=noun.value)
    await take_in_uploads(doors.database)
    found = await job(doors.ask, identity)
    assert found["noun"] == noun.name
    return counts(found)


async def by_ndjson_upload(doors: Doors, noun: Noun) -> tuple[int, int, int]:
    identity = await send(doors.client, doors.key, ndjson(ROWS[noun]), noun=noun.value, format="ndjson")
    await take_in_uploads(doors.database)
    return counts(await job(doors.ask, identity))


async def by_import(doors: Doors, noun: Noun) -> tuple[int, int, int]:
    file, mapping = doors.folder / "rows.csv", Mapping.load(kind=noun.value)
    file.write_bytes(csv(ROWS[noun]))
    found = await import_file(doors.database, doors.workspace.id, noun, file, mapping, file.with_suffix(".rejects"))
    return found.accepted, found.duplicates, found.rejected


Door = Callable[[Doors, Noun], Awaitable[tuple[int, int, int]]]


@pytest.mark.parametrize("noun", NOUNS)
@pytest.mark.parametrize("door", [by_graphql, by_http, by_upload, by_ndjson_upload, by_import])
async def test_rows_are_taken_in_and_told_alike_at_every_door(doors: Doors, door: Door, noun: Noun) -> None:
    assert await door(doors, noun) == (2, 1, 2)
    async with doors.database.raw() as connection:
        rows = await connection.fetch(STORED[noun], doors.workspace.id)
        kept = await connection.fetch(
            "SELECT noun, code, path FROM rejections WHERE workspace_id = $1 ORDER BY id", doors.workspace.id
        )
    first = "acme" if noun is Noun.MEMBERSHIPS else "pro"
    assert [tuple(row) for row in rows] == [
        ("ada", first, datetime(2026, 6, 2, 8, tzinfo=UTC)),
        ("ada", None, datetime(2026, 7, 2, 8, tzinfo=UTC)),
    ]
    path = "account" if noun is Noun.MEMBERSHIPS else "value"
    assert [tuple(row) for row in kept] == [(noun, "CONTRADICTION", path), (noun, "TIME_IN_FUTURE", "sinceAt")]


@pytest.mark.parametrize("noun", NOUNS)
@pytest.mark.parametrize("door", [by_graphql, by_import])
async def test_rejected_row_is_taken_in_once_its_cause_is_mended(doors: Doors, door: Door, noun: Noun) -> None:
    await door(doors, noun)
    given = {"input": {"filter": {"noun": noun.name}}}
    later = datetime(2999, 1, 2, tzinfo=UTC)
    replayed = (await doors.ask(documents.REJECTIONS_REPLAY, given, now=later))["rejectionsReplay"]["results"]
    assert [row["outcome"] for row in replayed] == ["REJECTED", "ACCEPTED"]
    async with doors.database.raw() as connection:
        names = [row[0] for row in await connection.fetch(STORED[noun], doors.workspace.id)]
    assert names == ["ada", "ada", "bob"]


async def test_unit_that_is_forgotten_loses_its_traits_its_memberships_and_its_rejected_rows(doors: Doors) -> None:
    for noun in NOUNS:
        await by_graphql(doors, noun)
    found = (await doors.ask(FORGET, {"input": {"unit": "ada"}}))["unitForget"]
    assert found == {"memberships": 2, "traits": 2, "rejections": 2}
    assert (await doors.ask(FORGET, {"input": {"unit": "ada"}}))["unitForget"] == dict.fromkeys(found, 0)


async def test_unit_forgotten_while_a_file_of_traits_waits_is_not_brought_by_it(doors: Doors) -> None:
    identity = await send(doors.client, doors.key, csv(ROWS[Noun.TRAITS]), noun="traits")
    await doors.ask(FORGET, {"input": {"unit": "ada"}})
    await take_in_uploads(doors.database)
    assert counts(await job(doors.ask, identity)) == (0, 0, 5)
    async with doors.database.raw() as connection:
        assert await connection.fetch(STORED[Noun.TRAITS], doors.workspace.id) == []


async def test_trait_without_a_value_is_refused_by_graphql_and_null_is_one(doors: Doors) -> None:
    rows = [{"unit": "ada", "name": "plan"}, {"unit": "ada", "name": "plan", "value": None}]
    report = (await doors.ask(documents.TRAITS_INGEST, {"input": {"traits": rows}}))["traitsIngest"]["report"]
    assert (report["accepted"], [row["code"] for row in report["rowErrors"]]) == (1, ["MALFORMED"])
    assert "value" in report["rowErrors"][0]["message"]

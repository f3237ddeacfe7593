"""`POST /v1/exposures` and `/v1/outcomes` on a real server: what every row is told, and what no sender can do."""

import asyncio
import gzip
import json
import socket
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from starlette.applications import Starlette

from api.auth.keys import Scope
from api.database import Database
from api.doors import bodies, ingest
from api.doors.bodies import ARRAY_ROWS, CHUNK_ROWS, LARGEST_ARRAY, LONGEST_LINE
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import MakeKey, bearing
from tests.waiting import PATIENCE, came

AT = "2026-06-02T08:00:00Z"
NDJSON = {"content-type": "application/x-ndjson"}
ARRAY = {"content-type": "application/json"}
GZIP = {"content-encoding": "gzip"}


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what the server does by itself."""

    async def look() -> bool:
        return is_so()

    await came(look)


class Quiet(uvicorn.Server):
    """A server that leaves the signals to the tests."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@pytest_asyncio.fixture(scope="module")
async def address(app: Starlette) -> AsyncIterator[str]:
    """The address of a real server with the application."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = Quiet(uvicorn.Config(app, lifespan="off", log_level="warning", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve([listening]))
        await until(lambda: server.started)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await serving


@pytest_asyncio.fixture
async def door(address: str, make_key: MakeKey) -> AsyncIterator[httpx.AsyncClient]:
    """A sender with a key that may ingest into the test's workspace."""
    headers = bearing(await make_key(Scope.INGEST))
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=PATIENCE) as client:
        yield client


def outcomes(count: int, first: int = 0, **more: Any) -> list[dict[str, Any]]:
    return [documents.outcome(f"u{n}", "activated", AT, eventId=f"e{n}", **more) for n in range(first, first + count)]


def lines(rows: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def counts(answer: httpx.Response) -> tuple[int, int, int]:
    told = answer.json()
    return told["accepted"], told["duplicates"], told["rejected"]


def reasons(answer: httpx.Response) -> list[tuple[int, str, str]]:
    return [(row["line"], row["code"], row["path"]) for row in answer.json()["rejections"]]


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["extensions"]["code"]


async def stored(database: Database, workspace: Workspace, table: str = "outcomes") -> int:
    async with database.raw() as connection:
        found = f"SELECT count(*) FROM {table} WHERE workspace_id = $1"  # noqa: S608 - a name from this file
        return int(await connection.fetchval(found, workspace.id))


async def test_lines_an_array_and_either_packed_are_taken_alike_and_count_once(
    door: httpx.AsyncClient, database: Database, workspace: Workspace
) -> None:
    rows = outcomes(3)
    array = json.dumps(rows).encode()
    sent = [
        (lines(rows), NDJSON),
        (array, ARRAY | {"content-type": "application/json; charset=utf-8"}),
        (gzip.compress(lines(rows)), NDJSON | GZIP),
        (gzip.compress(array), ARRAY | GZIP),
        (gzip.compress(lines(rows[:1])) + gzip.compress(lines(rows[1:])), NDJSON | GZIP),
    ]
    answers = [await door.post("/v1/outcomes", content=body, headers=headers) for body, headers in sent]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert [counts(answer) for answer in answers] == [(3, 0, 0)] + [(0, 3, 0)] * 4
    assert answers[0].json() == {"accepted": 3, "duplicates": 0, "rejected": 0, "rejections": [], "unlisted": 0}
    assert await stored(database, workspace) == 3


@pytest.mark.usefixtures("started")
async def test_exposures_are_taken_and_wrong_ones_told_by_line(door: httpx.AsyncClient) -> None:
    good = documents.exposure("u1", "tour", AT, attributes={"plan": "free"})
    body = lines([good, good | {"variant": "none"}, good | {"unit": "u2"}, good | {"experiment": "nothing"}])
    answer = await door.post("/v1/exposures", content=body, headers=NDJSON)
    assert counts(answer) == (2, 0, 2)
    assert reasons(answer) == [(2, "UNKNOWN_VARIANT", "variant"), (4, "UNKNOWN_EXPERIMENT", "experiment")]


async def test_memberships_are_taken_and_one_that_contradicts_another_is_told(door: httpx.AsyncClient) -> None:
    ada = {"member": "ada", "account": "acme", "sinceAt": AT}
    body = lines([ada, ada, ada | {"account": "globex"}, {"member": "bob", "sinceAt": AT}])
    answer = await door.post("/v1/memberships", content=body, headers=NDJSON)
    assert counts(answer) == (2, 1, 1)
    assert reasons(answer) == [(3, "CONTRADICTION", "account")]


async def test_traits_are_taken_as_lines_or_an_array_packed_or_not_and_what_is_wrong_is_told(
    door: httpx.AsyncClient,
) -> None:
    plan = {"unit": "acme", "name": "plan", "value": "pro", "sinceAt": AT}
    rows = [plan, plan, plan | {"value": "free"}, {"unit": "acme", "name": "seats", "value": 12}, {"unit": "acme"}]
    answer = await door.post("/v1/traits", content=lines(rows), headers=NDJSON)
    assert counts(answer) == (2, 1, 2)
    assert reasons(answer) == [(3, "CONTRADICTION", "value"), (5, "MALFORMED", "row")]
    packed = gzip.compress(json.dumps(rows).encode())
    again = await door.post("/v1/traits?atomic=true", content=packed, headers=ARRAY | GZIP)
    assert (again.status_code, counts(again)) == (422, (0, 0, 2))


STRANGE: list[tuple[bytes, str]] = [
    (b"{", "MALFORMED"),
    (b'{"unit": "u1"}{}', "MALFORMED"),
    (b"null", "MALFORMED"),
    (b'"text"', "MALFORMED"),
    (b"\xff\xfe", "MALFORMED"),
    (b'{"unit": "\xff"}', "BAD_TEXT"),
    (b'{"unit": "\\ud800"}', "MALFORMED"),
    (b'{"unit": "u\\u0000", "event": "e", "occurredAt": "2026-06-02T08:00:00Z"}', "BAD_TEXT"),
    (b'{"unit": "u1", "event": "e", "occurredAt": "2026-06-02T08:00:00Z", "value": NaN}', "MALFORMED"),
    (b'{"value": ' + b"1" * 5_000 + b"}", "MALFORMED"),
    (b'{"value": ' + b"[" * 100_000, "MALFORMED"),
    (b"[" * 100_000, "MALFORMED"),
    (b'{"' + b"n" * 100_000 + b'": 1}', "MALFORMED"),
    (b'{"unit": "' + b"u" * LONGEST_LINE + b'"}', "TOO_LONG"),
]


async def test_strange_lines_are_each_rejected_and_fail_no_neighbour(
    door: httpx.AsyncClient, database: Database, workspace: Workspace
) -> None:
    good = outcomes(len(STRANGE))
    body = b"\xef\xbb\xbf" + b"".join(
        lines([row]).replace(b"\n", b"\r\n\r\n") + strange + b"\n"
        for row, (strange, _) in zip(good, STRANGE, strict=True)
    )
    answer = await door.post("/v1/outcomes", content=body, headers=NDJSON)
    assert counts(answer) == (len(good), 0, len(STRANGE))
    assert [(line, told) for line, told, _ in reasons(answer)] == [
        (3 * place, told) for place, (_, told) in enumerate(STRANGE, start=1)
    ]
    assert max(len(row["message"]) + len(row["path"]) for row in answer.json()["rejections"]) <= 700
    assert await stored(database, workspace, "rejections") == len(STRANGE)


@pytest.mark.parametrize("packed", [False, True])
async def test_body_that_ends_in_the_middle_of_a_row_keeps_the_rows_before(
    door: httpx.AsyncClient, packed: bool
) -> None:
    whole = lines(outcomes(100))
    body, headers = (gzip.compress(whole, 1)[:-20], NDJSON | GZIP) if packed else (whole[:-20], NDJSON)
    answer = await door.post("/v1/outcomes", content=body, headers=headers)
    accepted, duplicates, rejected = counts(answer)
    assert (duplicates, rejected) == (0, 1)
    assert reasons(answer) == [(accepted + 1, "CUT_SHORT" if packed else "MALFORMED", "row")]
    assert packed or accepted == 99
    assert counts(await door.post("/v1/outcomes", content=whole, headers=NDJSON)) == (100 - accepted, accepted, 0)


async def test_packed_body_that_ends_between_two_rows_does_not_pass_for_whole(door: httpx.AsyncClient) -> None:
    packer = zlib.compressobj(wbits=31)
    cut = packer.compress(lines(outcomes(3))) + packer.flush(zlib.Z_SYNC_FLUSH)  # flushed, never finished
    answer = await door.post("/v1/outcomes", content=cut, headers=NDJSON | GZIP)
    assert counts(answer) == (3, 0, 1)
    assert reasons(answer) == [(4, "CUT_SHORT", "row")]


async def test_body_of_many_chunks_is_taken_in_and_sent_again_counts_nothing(
    door: httpx.AsyncClient, database: Database, workspace: Workspace
) -> None:
    rows: list[Any] = outcomes(2 * CHUNK_ROWS + 7)
    rows[CHUNK_ROWS + 1] = None
    accepted = len(rows) - 1
    answer = await door.post("/v1/outcomes", content=lines(rows), headers=NDJSON)
    assert counts(answer) == (accepted, 0, 1)
    assert reasons(answer) == [(CHUNK_ROWS + 2, "MALFORMED", "row")]
    assert counts(await door.post("/v1/outcomes", content=lines(rows), headers=NDJSON)) == (0, accepted, 1)
    assert await stored(database, workspace) == accepted


async def test_thousand_rejections_are_listed_and_the_rest_counted_and_found_where_the_answer_says(
    door: httpx.AsyncClient, database: Database, workspace: Workspace, make_key: MakeKey
) -> None:
    answer = await door.post("/v1/outcomes", content=b"1\n" * 1_005, headers=NDJSON)
    told = answer.json()
    assert (told["rejected"], len(told["rejections"]), told["unlisted"]) == (1_005, 1_000, 5)
    assert told["hint"].startswith("5 more rejected rows are not listed here.")
    assert await stored(database, workspace, "rejections") == 1_005
    query = told["hint"].split("`")[1]
    reader = bearing(await make_key(Scope.READ))
    found = await door.post("/graphql", json={"query": f"{{ {query} {{ totalCount }} }}"}, headers=reader)
    assert found.json()["data"] == {"rejections": {"totalCount": 1_005}}
    assert "hint" not in (await door.post("/v1/outcomes", content=b"1\n", headers=NDJSON)).json()


async def test_atomic_body_lists_every_rejected_row_for_none_of_them_is_kept(
    door: httpx.AsyncClient, database: Database, workspace: Workspace
) -> None:
    answer = await door.post("/v1/outcomes?atomic=true", content=b"1\n" * 1_005, headers=NDJSON)
    told = answer.json()
    assert code(answer) == (422, "NOT_ALL")
    assert (told["rejected"], len(told["rejections"]), told["unlisted"]) == (1_005, 1_005, 0)
    assert await stored(database, workspace, "rejections") == 0


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize(
    ("body", "limit"),
    [
        (json.dumps([f"{n:0100}" for n in range(LARGEST_ARRAY // 100)]).encode(), "2,000,000 bytes"),
        (b"[" + b"{}," * ARRAY_ROWS + b"{}]", "20,000 rows"),
    ],
)
async def test_array_beyond_its_limits_is_refused_with_the_way_to_send_more(
    door: httpx.AsyncClient, database: Database, workspace: Workspace, body: bytes, limit: str, is_packed: bool
) -> None:
    headers = ARRAY | (GZIP if is_packed else {})
    answer = await door.post("/v1/outcomes", content=gzip.compress(body) if is_packed else body, headers=headers)
    assert code(answer) == (413, "PAYLOAD_TOO_LARGE")
    message = answer.json()["errors"][0]["message"]
    assert limit in message
    assert "application/x-ndjson" in message
    assert await stored(database, workspace, "rejections") == 0


async def test_atomic_body_with_a_bad_row_stores_nothing_and_tells_why(
    door: httpx.AsyncClient, database: Database, workspace: Workspace
) -> None:
    rows: list[Any] = outcomes(3)
    answer = await door.post("/v1/outcomes?atomic=true", content=lines([*rows, None]), headers=NDJSON)
    assert code(answer) == (422, "NOT_ALL")
    assert (counts(answer), reasons(answer)) == ((0, 0, 1), [(4, "MALFORMED", "row")])
    assert await stored(database, workspace) == 0
    assert counts(await door.post("/v1/outcomes?atomic=true", content=lines(rows), headers=NDJSON)) == (3, 0, 0)


async def test_atomic_body_of_more_than_a_chunk_is_refused_before_anything_is_stored(
    door: httpx.AsyncClient, database: Database, workspace: Workspace
) -> None:
    whole = lines(outcomes(CHUNK_ROWS))
    refused = await door.post("/v1/outcomes?atomic=true", content=whole + lines(outcomes(1)), headers=NDJSON)
    assert code(refused) == (413, "PAYLOAD_TOO_LARGE")
    assert await stored(database, workspace) == 0
    taken = await door.post("/v1/outcomes?atomic=true", content=whole, headers=NDJSON)
    assert counts(taken) == (CHUNK_ROWS, 0, 0)


@pytest.mark.parametrize(
    ("body", "headers", "status", "told"),
    [
        (b"", {}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"", {"content-type": "text/csv"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"", {"content-type": "application/jsonx"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"", NDJSON | {"content-encoding": "br"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"not gzip", NDJSON | GZIP, 400, "BAD_REQUEST"),
        (b"", ARRAY, 400, "BAD_REQUEST"),
        (b"{}", ARRAY, 400, "BAD_REQUEST"),
        (b"[1, ", ARRAY, 400, "BAD_REQUEST"),
        (b"[" * 100_000, ARRAY, 400, "BAD_REQUEST"),
        (gzip.compress(b"[1, 2]")[:-9], ARRAY | GZIP, 400, "BAD_REQUEST"),
        (b" [" + b"1," * ARRAY_ROWS + b"1]", ARRAY, 413, "PAYLOAD_TOO_LARGE"),
        (b'"[1]"', ARRAY, 400, "BAD_REQUEST"),
        (b"[" + b" " * LARGEST_ARRAY + b"]", ARRAY, 413, "PAYLOAD_TOO_LARGE"),
    ],
    ids=[
        "no type",
        "csv",
        "nearly json",
        "brotli",
        "no gzip",
        "nothing",
        "an object",
        "cut short",
        "deep",
        "gzip cut short",
        "too many rows",
        "a text",
        "too long",
    ],
)
async def test_body_that_cannot_be_read_gets_its_status_and_a_code(
    door: httpx.AsyncClient, body: bytes, headers: dict[str, str], status: int, told: str
) -> None:
    answer = await door.post("/v1/outcomes", content=body, headers=headers)
    assert code(answer) == (status, told)
    assert answer.json()["errors"][0]["message"].endswith(".")
    assert counts(answer) == (0, 0, 0)


async def test_empty_body_of_lines_is_taken(door: httpx.AsyncClient) -> None:
    for body in (b"", b"\n\r\n \n"):
        assert counts(await door.post("/v1/outcomes", content=body, headers=NDJSON)) == (0, 0, 0)


async def test_atomic_is_true_or_false_and_nothing_else(door: httpx.AsyncClient) -> None:
    assert code(await door.post("/v1/outcomes?atomic=1", content=b"", headers=NDJSON)) == (400, "BAD_REQUEST")


async def test_body_that_says_it_is_too_large_is_refused_unread(address: str, make_key: MakeKey) -> None:
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    key = await make_key(Scope.INGEST)
    head = f"POST /v1/outcomes HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n"
    size = f"content-type: application/x-ndjson\r\ncontent-length: {bodies.LARGEST_BODY + 1}\r\n\r\n"
    writer.write((head + size).encode())
    assert (await asyncio.wait_for(reader.readline(), PATIENCE)).split()[1] == b"413"
    writer.close()
    await writer.wait_closed()


async def test_body_over_the_limit_is_refused_there_and_told_what_was_stored(
    door: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = lines(outcomes(3 * CHUNK_ROWS))
    monkeypatch.setattr(bodies, "LARGEST_BODY", len(body) // 2)
    chunked = (piece async for piece in _pieces(body))
    answer = await door.post("/v1/outcomes", content=chunked, headers=NDJSON)
    assert code(answer) == (413, "PAYLOAD_TOO_LARGE")
    assert counts(answer) == (CHUNK_ROWS, 0, 0)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for place in range(0, len(body), 50_000):
        yield body[place : place + 50_000]


async def test_gzip_bomb_is_refused_early_and_others_are_answered_meanwhile(
    door: httpx.AsyncClient, address: str
) -> None:
    bomb = gzip.compress(b"\n" * 40_000_000)
    assert len(bomb) < 200_000
    upload = asyncio.create_task(door.post("/v1/outcomes", content=bomb, headers=NDJSON | GZIP))
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as other:
        assert (await other.get("/healthz")).status_code == 200
    assert code(await upload) == (413, "PAYLOAD_TOO_LARGE")


async def test_key_is_needed_and_its_scope(address: str, make_key: MakeKey) -> None:
    async with httpx.AsyncClient(base_url=address) as stranger:
        for headers in ({}, bearing("tl_0_0"), {"authorization": "Basic eA=="}):
            answer = await stranger.post("/v1/outcomes", content=b"", headers=NDJSON | headers)
            assert code(answer) == (401, "UNAUTHENTICATED")
            assert answer.headers["www-authenticate"] == "Bearer"
        reader = bearing(await make_key(Scope.READ, Scope.EDIT, Scope.ADMIN))
        assert code(await stranger.post("/v1/outcomes", content=b"", headers=NDJSON | reader)) == (403, "FORBIDDEN")
        assert (await stranger.get("/v1/outcomes")).status_code == 405


class Slow:
    """A body that sends some rows and then waits until it is told to go on."""

    def __init__(self, first: bytes, rest: bytes) -> None:
        self.first, self.rest, self.has_begun, self.may_go_on = first, rest, asyncio.Event(), asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.first
        self.has_begun.set()
        await self.may_go_on.wait()
        yield self.rest


async def test_slow_senders_hold_no_connection_and_one_too_many_is_sent_away(
    door: httpx.AsyncClient, database: Database, app: Starlette
) -> None:
    slow = [Slow(lines(outcomes(2, first=2 * n)), lines(outcomes(1, first=100 + n))) for n in range(ingest.PLACES_EACH)]
    open_ones = [asyncio.create_task(door.post("/v1/outcomes", content=one, headers=NDJSON)) for one in slow]
    await asyncio.gather(*(one.has_begun.wait() for one in slow))
    await until(lambda: app.state.places.taken == len(slow))  # the server may be a moment behind
    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # the pool that the engine has by default
    refused = await door.post("/v1/outcomes", content=b"", headers=NDJSON)
    assert code(refused) == (429, "TOO_MANY_UPLOADS")
    assert int(refused.headers["retry-after"]) > 0
    for one in slow:
        one.may_go_on.set()
    assert [counts(answer) for answer in await asyncio.gather(*open_ones)] == [(3, 0, 0)] * len(slow)
    assert app.state.places.taken == 0


async def test_sender_that_is_too_slow_is_given_up_and_told_what_was_stored(
    door: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "GRACE", 0.2)
    monkeypatch.setattr(bodies, "SLOWEST", 10_000_000)
    slow = Slow(lines(outcomes(CHUNK_ROWS + 1)), b"")
    asyncio.get_running_loop().call_later(2, slow.may_go_on.set)  # this client reads no answer before it has sent all
    answer = await door.post("/v1/outcomes", content=slow, headers=NDJSON)
    assert code(answer) == (408, "TOO_SLOW")
    assert counts(answer) == (CHUNK_ROWS, 0, 0)


async def test_database_that_lags_is_a_503_and_the_same_body_is_taken_later(
    door: httpx.AsyncClient, database: Database, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    await door.post("/v1/outcomes", content=lines(outcomes(1)), headers=NDJSON)
    body = lines(outcomes(5))
    async with database.raw() as connection:
        await connection.execute("LOCK TABLE outcomes IN ACCESS EXCLUSIVE MODE")
        with monkeypatch.context() as patch:
            patch.setattr(ingest, "PATIENCE", 0.3)
            answer = await door.post("/v1/outcomes", content=body, headers=NDJSON)
    assert code(answer) == (503, "UNAVAILABLE")
    assert int(answer.headers["retry-after"]) > 0
    assert counts(answer) == (0, 0, 0)
    assert counts(await door.post("/v1/outcomes", content=body, headers=NDJSON)) == (4, 1, 0)
    assert await stored(database, workspace) == 5


async def test_sender_that_leaves_in_the_middle_frees_its_place_and_whole_chunks_stay(
    door: httpx.AsyncClient, database: Database, workspace: Workspace, app: Starlette
) -> None:
    slow = Slow(lines(outcomes(CHUNK_ROWS + 1)), b"")
    upload = asyncio.create_task(door.post("/v1/outcomes", content=slow, headers=NDJSON))
    await slow.has_begun.wait()
    async with asyncio.timeout(PATIENCE):
        while await stored(database, workspace) == 0:
            pass
    upload.cancel()
    await asyncio.gather(upload, return_exceptions=True)
    await until(lambda: not app.state.places.taken)
    assert await stored(database, workspace) == CHUNK_ROWS

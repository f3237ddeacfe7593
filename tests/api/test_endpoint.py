"""`POST /graphql` as the wire sees it: who may come in, and what becomes of bodies that are none."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from api.app import build
from api.auth.keys import PREFIX, Scope
from api.database import Database
from api.graphql import endpoint
from api.settings import Settings
from kpi.tables import Workspace
from tests.api.conftest import SECRET, Client, MakeKey, bearing

VIEWER = {"query": "{ viewer { workspace } }"}
JSON = {"content-type": "application/json"}
CAP = Settings().max_body_bytes
NOT_JSON = {
    "nothing": b"",
    "half an object": b'{"query":',
    "bad UTF-8": b'{"query": "\xff"}',
    "raw half of a surrogate pair": b'{"query": "\xed\xa0\x80"}',
    "half of a surrogate pair": b'{"query": "{ viewer { workspace } }", "variables": {"a": "\\ud800"}}',
    "UTF-16": json.dumps(VIEWER).encode("utf-16"),
    "not a number": b'{"query": "{ viewer { workspace } }", "variables": {"a": NaN}}',
    "100,000 deep": b"[" * 100_000,
    "deep variables": b'{"query": "{ viewer { workspace } }", "variables": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001,
    "number of 5,000 digits": b'{"query": "{ viewer { workspace } }", "variables": {"a": ' + b"9" * 5_000 + b"}}",
    "bare number of 5,000 digits": b"9" * 5_000,
}
NO_REQUEST = {
    "null": b"null",
    "text": b'"x"',
    "number": b"1",
    "list": b"[]",
    "batch": b'[{"query": "{ viewer { workspace } }"}]',
    "no query": b"{}",
    "null query": b'{"query": null}',
    "numeric query": b'{"query": 1}',
    "variables in a list": b'{"query": "{ viewer { workspace } }", "variables": [1]}',
    "extensions as text": b'{"query": "{ viewer { workspace } }", "extensions": "x"}',
    "unknown operation": b'{"query": "query A { viewer { workspace } }", "operationName": "B"}',
    "hash alone": b'{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "x"}}}',
}


@pytest.fixture
async def reader(client: Client, make_key: MakeKey) -> Client:
    """A client with a key that may read."""
    client.headers.update(bearing(await make_key(Scope.READ)))
    return client


async def still_answers(reader: Client) -> bool:
    answer = await reader.post("/graphql", json=VIEWER)
    return answer.status_code == 200 and "errors" not in answer.json()


def code(answer: httpx.Response) -> str:
    """The code of an answer's only error."""
    (error,) = answer.json()["errors"]
    return str(error["extensions"]["code"])


async def test_key_is_answered_and_told_nothing_to_keep(reader: Client) -> None:
    answer = await reader.post("/graphql", json=VIEWER)
    assert answer.status_code == 200
    assert answer.json()["data"]["viewer"]["workspace"].startswith("test-")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", NOT_JSON)
async def test_body_that_is_not_json_is_refused_with_400_and_the_server_goes_on(reader: Client, name: str) -> None:
    answer = await reader.post("/graphql", content=NOT_JSON[name], headers=JSON)
    assert (answer.status_code, code(answer)) == (400, "BAD_REQUEST")
    assert await still_answers(reader)


@pytest.mark.parametrize("name", NO_REQUEST)
async def test_body_that_is_no_request_is_refused_with_400_and_the_server_goes_on(reader: Client, name: str) -> None:
    answer = await reader.post("/graphql", content=NO_REQUEST[name], headers=JSON)
    assert (answer.status_code, code(answer)) == (400, "BAD_REQUEST")
    assert await still_answers(reader)


@pytest.mark.parametrize(
    "media",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/jsonx",
        "application/json-seq",
        "application/json, text/plain",
        "application/json; charset=utf-16",
        "",
    ],
)
async def test_body_of_another_media_type_is_refused(reader: Client, media: str) -> None:
    answer = await reader.post("/graphql", content=json.dumps(VIEWER), headers={"content-type": media})
    assert (answer.status_code, code(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods_are_refused_and_told_the_right_ones(reader: Client, method: str) -> None:
    answer = await reader.request(method, "/graphql", params=VIEWER)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


async def test_query_by_get_is_answered_with_its_variables(reader: Client) -> None:
    asked = {
        "query": "query A { viewer { workspace } } query Q($first: Int) { kpis(first: $first) { totalCount } }",
        "operationName": "Q",
        "variables": '{"first": 1}',
    }
    answer = await reader.get("/graphql", params=asked)
    assert (answer.status_code, answer.json()["data"]) == (200, {"kpis": {"totalCount": 0}})


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_mutation_by_get_is_refused_and_changes_nothing(
    reader: Client, accept: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await reader.get("/graphql", params={"query": "mutation { __typename }"}, headers={"accept": accept})
    assert (answer.status_code, answer.headers["allow"], code(answer)) == (405, "GET, POST", "METHOD_NOT_ALLOWED")
    assert logged(caplog) == []


@pytest.mark.parametrize(
    "asked",
    [{}, {"query": ""}, VIEWER | {"variables": "{"}, VIEWER | {"variables": "[]"}, VIEWER | {"extensions": "1"}],
)
async def test_parameters_that_are_no_request_are_refused(reader: Client, asked: dict[str, str]) -> None:
    answer = await reader.get("/graphql", params=asked)
    assert (answer.status_code, code(answer)) == (400, "BAD_REQUEST")


GRAPHQL = "application/graphql-response+json"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("*/*", "application/json"),
        ("", "application/json"),
        (GRAPHQL, GRAPHQL),
        (f"application/json;q=0.5, {GRAPHQL}", GRAPHQL),
        (f"{GRAPHQL};q=0.1, application/json", "application/json"),
        (f"{GRAPHQL}, application/json, text/event-stream, multipart/mixed", GRAPHQL),
        ("text/html, */*;q=0.1", "application/json"),
        ("APPLICATION/JSON ; charset=utf-8", "application/json"),
        ("application/json;q=0, application/*", GRAPHQL),
    ],
)
async def test_answer_comes_in_the_form_that_is_liked_best(reader: Client, accept: str, form: str) -> None:
    answer = await reader.post("/graphql", json=VIEWER, headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, f"{form}; charset=utf-8")


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "*/*;q=0", "multipart/mixed", ",;"])
async def test_answer_in_a_form_we_do_not_have_is_refused(reader: Client, accept: str) -> None:
    answer = await reader.post("/graphql", json=VIEWER, headers={"accept": accept})
    assert (answer.status_code, code(answer)) == (406, "NOT_ACCEPTABLE")


async def test_body_over_the_cap_is_refused_by_its_declared_size(reader: Client) -> None:
    answer = await reader.post("/graphql", content=b" " * (CAP + 1), headers=JSON)
    assert (answer.status_code, code(answer)) == (413, "PAYLOAD_TOO_LARGE")
    assert await still_answers(reader)


async def test_body_over_the_cap_is_refused_while_it_streams(reader: Client) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10 * CAP:
            sent += 65_536
            yield b" " * 65_536

    answer = await reader.post("/graphql", content=endless(), headers=JSON)
    assert (answer.status_code, code(answer)) == (413, "PAYLOAD_TOO_LARGE")
    assert sent <= CAP + 2 * 65_536
    assert await still_answers(reader)


@pytest.mark.parametrize("size", ["9" * 5_000, "-1", "1e3", ""])
async def test_declared_size_that_is_no_size_is_refused(reader: Client, size: str) -> None:
    answer = await reader.post("/graphql", content=b"{}", headers=JSON | {"content-length": size})
    assert answer.status_code == 413


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says, but for how slow the machine is today."""
    return [record.getMessage() for record in caplog.records if record.name != "truelift.operations"]


@pytest.mark.parametrize(
    ("document", "word"),
    [
        ("{", "Syntax Error"),
        ("{ nothing }", "Cannot query field"),
        ("{ viewer" * 1_000 + "}" * 1_000, "nested too deeply"),
        ("{ viewer { " + "workspace " * 3_000 + "} }", "tokens"),
        ("{ viewer { ...A } } fragment A on Viewer { ...B } fragment B on Viewer { ...A }", "within itself"),
        ("query A { viewer { workspace } } query B { viewer { workspace } }", "operationName"),
        ("query A($id: ID!) { node(id: $id) { id } }", "to be provided"),
    ],
)
@pytest.mark.parametrize(("accept", "status"), [("application/json", 200), (GRAPHQL, 400), ("text/event-stream", 200)])
async def test_document_that_cannot_be_run_is_refused_without_data_and_says_why(
    reader: Client, document: str, word: str, accept: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Status 200 for plain JSON, as clients from before GraphQL over HTTP expect it."""
    answer = await reader.post("/graphql", json={"query": document}, headers={"accept": accept})
    assert answer.status_code == status
    body = answer.json() if accept != "text/event-stream" else event(answer)
    assert "data" not in body
    assert word in body["errors"][0]["message"]
    assert body["errors"][0]["extensions"]["code"] in {"BAD_REQUEST", "LIMIT_EXCEEDED"}
    assert logged(caplog) == []
    assert await still_answers(reader)


def event(answer: httpx.Response) -> dict[str, Any]:
    """The only event of a stream before it completes."""
    first, last, _ = answer.text.split("\r\n\r\n")
    assert last.startswith("event: complete")
    found: dict[str, Any] = json.loads(first.removeprefix("event: next\r\ndata: "))
    return found


async def test_unknown_operation_of_a_stream_is_refused_in_its_event(reader: Client) -> None:
    asked = {"query": "query A { viewer { workspace } }", "operationName": "B"}
    answer = await reader.post("/graphql", json=asked, headers={"accept": "text/event-stream"})
    (error,) = event(answer)["errors"]
    assert (error["extensions"]["code"], error["message"]) == ("BAD_REQUEST", 'Unknown operation named "B".')


async def test_subscription_that_is_not_asked_for_as_a_stream_is_refused(reader: Client) -> None:
    document = 'subscription { experimentResultsUpdated(id: "x") { experiment { id } } }'
    answer = await reader.post("/graphql", json={"query": document})
    assert (answer.status_code, code(answer)) == (406, "NOT_ACCEPTABLE")
    assert "text/event-stream" in answer.json()["errors"][0]["message"]


async def test_document_over_32_000_bytes_is_refused(reader: Client) -> None:
    within, over = ("{ viewer { workspace } } #" + letter * 15_980 for letter in ("ä", "ä" * 2))
    assert (await reader.post("/graphql", json={"query": within})).status_code == 200
    answer = await reader.post("/graphql", json={"query": over})
    assert (answer.status_code, code(answer)) == (413, "PAYLOAD_TOO_LARGE")


def _strangers(known: str) -> dict[str, str]:
    public_id, token = known.removeprefix(f"{PREFIX}_").split("_", 1)
    return {
        "none": "",
        "another scheme": f"Basic {known}",
        "no scheme": known,
        "no key": "Bearer ",
        "nonsense": "Bearer nonsense",
        "unknown id": f"Bearer {PREFIX}_{'0' * 16}_{token}",
        "wrong secret": f"Bearer {PREFIX}_{public_id}_{token[::-1]}",
        "no secret": f"Bearer {PREFIX}_{public_id}_",
        "id alone": f"Bearer {PREFIX}_{public_id}",
        "a letter more": f"Bearer {known}x",
        "other prefix": f"Bearer xx_{public_id}_{token}",
        "endless": f"Bearer {PREFIX}_{'a' * 10_000}_{token}",
    }


async def test_document_that_was_sent_before_is_answered_anew_and_refused_anew(
    client: Client, make_key: MakeKey, workspace: Workspace
) -> None:
    """Documents are kept parsed and checked; who asks, and with which variables, is not kept with them."""
    reading, blind = bearing(await make_key(Scope.READ)), bearing(await make_key(Scope.INGEST))
    document = "query Q($first: Int) { viewer { workspace } kpis(first: $first) { totalCount } }"
    for first, of_keys in ((1, [reading, blind, reading]), (-1, [reading, blind])):
        for headers in of_keys:
            body = {"query": document, "variables": {"first": first}}
            answer = (await client.post("/graphql", json=body, headers=headers)).json()
            is_fine = first == 1 and headers is reading
            assert ("errors" in answer) is not is_fine
            assert not is_fine or answer["data"]["viewer"]["workspace"] == workspace.key
    for faulty in ("{ viewer { nothing } }", "{ viewer", "{ viewer { workspace } }" + " " * 10 + "# x\n{ a }" * 2):
        said = [(await client.post("/graphql", json={"query": faulty}, headers=reading)).json() for _ in range(2)]
        assert said[0] == said[1]
        assert said[0]["errors"]


async def test_request_without_a_key_that_works_is_401_and_leaks_nothing(client: Client, make_key: MakeKey) -> None:
    known = await make_key(*Scope)
    answers = []
    for header in _strangers(known).values():
        answer = await client.post("/graphql", json=VIEWER, headers={"authorization": header} if header else {})
        assert (answer.status_code, code(answer)) == (401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == "Bearer"
        answers.append(answer.content)
    assert len(set(answers)) == 1
    assert known.encode() not in answers[0]


async def test_request_without_a_key_is_refused_before_its_body_is_read(client: Client) -> None:
    answer = await client.post("/graphql", content=b"[" * 100_000, headers=JSON)
    assert answer.status_code == 401


async def test_bug_is_answered_with_a_trace_id_that_the_log_explains(
    reader: Client, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    hidden = "kpis_of_the_day_before"
    async with database.acting(None).raw() as connection:
        await connection.execute(f"ALTER TABLE kpis RENAME TO {hidden}")
    try:
        with caplog.at_level(logging.ERROR, logger="truelift.graphql"):
            answer = await reader.post("/graphql", json={"query": "{ kpis { totalCount } }"})
    finally:
        async with database.acting(None).raw() as connection:
            await connection.execute(f"ALTER TABLE {hidden} RENAME TO kpis")
    (error,) = answer.json()["errors"]
    assert error["message"] == "Something went wrong on our side."
    assert error["extensions"]["code"] == "INTERNAL"
    assert "kpis" not in json.dumps(error["extensions"]) + error["message"]
    (message,) = [record.getMessage() for record in caplog.records if record.name == "truelift.graphql"]
    assert error["extensions"]["traceId"] in message
    assert "does not exist" in caplog.text


@pytest.fixture
async def homeless() -> AsyncIterator[Client]:
    """A client of an application whose database is not there."""
    database = Database("postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    app = build(database, settings=Settings(), secret=SECRET, with_worker=False)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with Client(transport=transport, base_url="http://truelift.test") as client:
        yield client
    await database.close()


async def test_database_that_is_away_is_503_in_words_and_the_process_lives(
    homeless: Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await homeless.post("/graphql", json=VIEWER, headers=bearing(f"{PREFIX}_{'0' * 16}_x"))
    assert (answer.status_code, code(answer)) == (503, "UNAVAILABLE")
    assert answer.headers["retry-after"] == "5"
    assert "The database does not answer" in caplog.text
    ready = await homeless.get("/readyz")
    assert (ready.status_code, ready.json()["database"]) == (503, "The database does not answer.")
    assert (await homeless.get("/healthz")).status_code == 200


SAFE_HEADERS = {
    "content-security-policy": "default-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/graphql", 401),
        ("GET", "/graphql", 401),
        ("PUT", "/graphql", 405),
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 503),
        ("GET", "/", 303),
        ("GET", "/sign-in", 200),
        ("GET", "/nothing/here", 404),
        ("GET", "/static/nothing.css", 404),
        ("GET", "/static/..%2f..%2fapi/app.py", 404),
        ("POST", "/sign-out", 303),
    ],
)
async def test_every_answer_carries_the_safe_headers(client: Client, method: str, path: str, status: int) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert {name: answer.headers[name][: len(value)] for name, value in SAFE_HEADERS.items()} == SAFE_HEADERS


async def test_answer_to_a_bug_outside_graphql_is_masked_and_carries_the_safe_headers(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    broken: Any = "a secret that is no bytes"
    app = build(database, settings=Settings(), secret=broken, with_worker=False)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with Client(transport=transport, base_url="http://truelift.test") as client:
        answer = await client.post("/sign-in", data={"key": "x"})
    assert (answer.status_code, code(answer)) == (500, "INTERNAL")
    assert answer.json()["errors"][0]["message"] == "Something went wrong on our side."
    assert answer.json()["errors"][0]["extensions"]["traceId"] in caplog.text
    assert {name: answer.headers[name][: len(value)] for name, value in SAFE_HEADERS.items()} == SAFE_HEADERS


async def test_reader_that_takes_nothing_of_its_answer_is_given_up(
    app: Starlette, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key = await make_key(Scope.READ)
    monkeypatch.setattr(endpoint, "SLOWEST_READER", 0.2)
    headers = {"accept": "text/event-stream", "content-type": "application/json"} | bearing(key)
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    sent = asyncio.Queue[dict[str, Any]]()
    sent.put_nowait({"type": "http.request", "body": json.dumps(VIEWER).encode()})

    async def never(_message: Any) -> None:
        await asyncio.Event().wait()

    await asyncio.wait_for(app(scope, sent.get, never), 30)
    assert "is given up" in caplog.text


async def test_many_requests_at_once_are_all_answered(reader: Client) -> None:
    answers = await asyncio.gather(*(reader.post("/graphql", json=VIEWER) for _ in range(60)))
    assert {answer.status_code for answer in answers} == {200}

"""Lines of the log, ids of requests, and what neither ever says."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import asyncpg
import httpx
import pytest

from api.auth.keys import Scope
from api.database import Database
from api.telemetry.logs import Form, formatter
from tests.api.conftest import Client, MakeKey, bearing
from tests.api.servers import serving

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
"""The example of the W3C recommendation."""
SECRETIVE = "alice@example.org"


class Lines(io.StringIO):
    """What was logged."""

    def all(self) -> list[dict[str, Any]]:
        """The lines, read as JSON."""
        return [json.loads(line) for line in self.getvalue().splitlines()]


def caught(form: Form) -> Iterator[Lines]:
    lines = Lines()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(formatter(form))
    root = logging.getLogger()
    root.addHandler(handler)
    yield lines
    root.removeHandler(handler)


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The log as JSON."""
    yield from caught("json")


@pytest.fixture
def text() -> Iterator[Lines]:
    """The log as text."""
    yield from caught("text")


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"traceparent": PARENT}, TRACE),
        ({"traceparent": PARENT, "x-request-id": "0123456789"}, TRACE),
        ({"x-request-id": "6f0c1f9e-42a7-4f6e-9a55-0c1f9e42a74f"}, "6f0c1f9e-42a7-4f6e-9a55-0c1f9e42a74f"),
        ({"traceparent": PARENT.replace(TRACE, "0" * 32), "x-request-id": "0123456789"}, "0123456789"),
    ],
)
async def test_id_that_a_request_came_with_is_in_its_answer(
    client: Client, headers: dict[str, str], found: str
) -> None:
    assert (await client.get("/healthz", headers=headers)).headers["x-request-id"] == found


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-request-id": SECRETIVE},
        {"x-request-id": "short"},
        {"x-request-id": "a" * 65},
        {"x-request-id": "two words here"},
        {"traceparent": PARENT.upper()},
        {"traceparent": f"ff{PARENT[2:]}"},
        {"traceparent": f"{PARENT}-more"},
        {"traceparent": PARENT.replace("00f067aa0ba902b7", "0" * 16)},
    ],
)
async def test_id_that_is_none_is_replaced_by_one_of_ours(client: Client, headers: dict[str, str]) -> None:
    answers = [await client.get("/healthz", headers=headers) for _ in range(2)]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 2
    assert all(len(one) == 32 and int(one, 16) for one in ids)
    assert TRACE not in ids


async def test_refusal_before_any_route_has_an_id_too(client: Client) -> None:
    answer = await client.post("/graphql", content=b"{}", headers={"content-length": "9" * 15, "traceparent": PARENT})
    assert (answer.status_code, answer.headers["x-request-id"]) == (413, TRACE)


async def test_bug_has_the_id_of_its_request_in_answer_header_and_log_and_the_log_has_no_message_of_it(
    client: Client, make_key: MakeKey, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = bearing(await make_key(Scope.READ))
    _break(monkeypatch)
    answer = await client.post(
        "/graphql", json={"query": "{ kpis { totalCount } }"}, headers={**key, "traceparent": PARENT}
    )
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": "INTERNAL", "traceId": TRACE}
    assert answer.headers["x-request-id"] == TRACE
    (line,) = [line for line in lines.all() if line["logger"] == "truelift.graphql"]
    assert (line["request_id"], line["level"]) == (TRACE, "error")
    assert line["error"][-1] == "builtins.ValueError"
    assert any("in_the_deep" in place for place in line["error"])
    assert SECRETIVE not in lines.getvalue()


async def test_bug_outside_graphql_has_the_id_of_its_request_as_well(
    client: Client, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_the_deep(*_: object) -> None:
        raise ValueError(SECRETIVE)

    monkeypatch.setattr("api.doors.export.bearer", in_the_deep)
    answer = await client.get("/v1/export/outcomes.csv", headers={"traceparent": PARENT})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, TRACE)
    assert answer.json()["errors"][0]["extensions"]["traceId"] == TRACE
    assert TRACE in lines.getvalue()
    assert SECRETIVE not in lines.getvalue()


def _break(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_the_deep(*_: object) -> None:
        raise ValueError(SECRETIVE)

    monkeypatch.setattr("api.graphql.lists.page", in_the_deep)


async def test_slow_operation_is_logged_by_its_name_and_hash_and_without_what_it_asked_for(
    database_url: str, make_key: MakeKey, lines: Lines
) -> None:
    key = bearing(await make_key(Scope.READ))
    document = f'query Mine {{ kpi(key: "{SECRETIVE}") {{ name }} }}'
    for seconds, count in ((0, 1), (3_600, 0)):
        lines.seek(0)
        lines.truncate()
        async with serving(database_url, slow_seconds=seconds) as client:
            sent = {"query": document, "operationName": "Mine"}
            await client.post("/graphql", json=sent, headers={**key, "traceparent": PARENT})
            await client.post("/graphql", json={"query": "subscription { x }", "operationName": SECRETIVE}, headers=key)
        told = [line for line in lines.all() if line.get("operation") == "query kpi"]
        assert len(told) == count
        assert SECRETIVE not in lines.getvalue()
        if told:
            assert (told[0]["operation_name"], told[0]["request_id"], told[0]["level"]) == ("Mine", TRACE, "warning")
            assert told[0]["document"] == sha256(document.encode()).hexdigest()[:16]
            assert told[0]["seconds"] >= 0


async def test_error_of_the_database_is_told_by_its_state_and_not_by_the_row_it_quotes(
    database: Database, lines: Lines, text: Lines
) -> None:
    log = logging.getLogger("truelift.test")
    try:
        async with database.raw() as connection:
            await connection.execute(f"SELECT '{SECRETIVE}'::integer")
    except asyncpg.DataError as error:
        log.error("It %s.", "failed", exc_info=error)
    (line,) = lines.all()
    assert (line["message"], line["logger"], line["level"]) == ("It failed.", "truelift.test", "error")
    assert line["error"][-1] == "asyncpg.exceptions.InvalidTextRepresentationError (SQLSTATE 22P02)"
    assert line["timestamp"].endswith("Z")
    assert "error truelift.test It failed." in text.getvalue()
    assert "SQLSTATE 22P02" in text.getvalue()
    assert SECRETIVE not in lines.getvalue() + text.getvalue()


def test_error_that_another_led_to_and_a_group_of_them_are_told_with_their_parts(lines: Lines) -> None:
    log = logging.getLogger("truelift.test")
    try:
        try:
            raise KeyError(SECRETIVE)
        except KeyError as error:
            raise ExceptionGroup(SECRETIVE, [ValueError(SECRETIVE), OSError(SECRETIVE)]) from error
    except ExceptionGroup as group:
        log.error("Several.", exc_info=group)
    (line,) = lines.all()
    kinds = [one for one in line["error"] if one.startswith("builtins.") or one == "which led to"]
    assert kinds == ["builtins.KeyError", "which led to"] + [
        f"builtins.{name}" for name in ("ExceptionGroup", "ValueError", "OSError")
    ]
    assert SECRETIVE not in lines.getvalue()


async def test_requests_at_once_keep_their_own_ids(database_url: str) -> None:
    async with serving(database_url) as client:
        ids = [f"request-{number:04}" for number in range(50)]

        async def answered(identity: str) -> httpx.Response:
            return await client.get("/healthz", headers={"x-request-id": identity})

        answers = await asyncio.gather(*map(answered, ids))
    assert [answer.headers["x-request-id"] for answer in answers] == ids


async def test_error_that_nobody_waits_for_is_told_without_its_message(lines: Lines) -> None:
    task = {"message": "Task exception was never retrieved", "exception": ValueError(SECRETIVE), "future": SECRETIVE}
    asyncio.get_running_loop().default_exception_handler(task)
    (line,) = lines.all()
    assert (line["message"], line["error"]) == (task["message"], ["builtins.ValueError"])
    assert SECRETIVE not in lines.getvalue()


def test_text_that_holds_a_line_break_makes_no_line_of_its_own(text: Lines) -> None:
    logging.getLogger("truelift.test").error("A KPI “%s” is wrong.", "a\n2026-11-22T00:00:00Z info forged")
    assert len(text.getvalue().splitlines()) == 1

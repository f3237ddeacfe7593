"""What the client does about answers that say `not now`, on a small server that says so; and how long pauses are."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import msgspec
import pytest

from truelift import ServerFault, Truelift, Unavailable
from truelift.rows import BATCH
from truelift.steps import Answer, pause_before_next, seconds

STORED = {"accepted": 1, "duplicates": 0, "rejected": 0, "rejections": [], "unlisted": 0}
BUSY = {"errors": [{"message": "Too many.", "extensions": {"code": "TOO_MANY_UPLOADS"}}]}
BUG = {"errors": [{"message": "Something went wrong.", "extensions": {"code": "INTERNAL", "traceId": "ab12"}}]}
Script = list[tuple[int, Any]]


class Busy(HTTPServer):
    """A server that answers from a script, in turn, and keeps what it was sent and when."""

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), Speaking)
        self.script, self.heard = script, list[tuple[float, bytes]]()


class Speaking(BaseHTTPRequestHandler):
    """One request to it."""

    server: Busy

    def do_POST(self) -> None:  # the name that http.server calls
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.heard.append((time.monotonic(), body))
        status, answer = self.server.script.pop(0)
        self.send_response(status)
        if status == 429:
            self.send_header("retry-after", "1")
        self.end_headers()
        self.wfile.write(answer if isinstance(answer, bytes) else msgspec.json.encode(answer))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's own name
        pass


@pytest.fixture
def busy() -> Iterator[Busy]:
    server = Busy([])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def client(server: Busy, attempts: int = 2) -> Truelift:
    return Truelift(f"http://127.0.0.1:{server.server_port}", "key", attempts=attempts)


def test_rows_are_sent_again_after_the_pause_that_the_server_asks_for(busy: Busy) -> None:
    busy.script[:] = [(429, BUSY), (200, STORED)]
    with client(busy) as truelift:
        report = truelift.ingest_outcomes(
            [{"unit": "u", "event": "e", "occurred_at": datetime(2026, 6, 1, tzinfo=UTC)}]
        )
    assert (report.accepted, report.rejected) == (1, 0)
    (first, sent), (second, again) = busy.heard
    assert second - first >= 1
    assert sent == again == b'{"unit":"u","event":"e","occurredAt":"2026-06-01T00:00:00+00:00"}\n'


def test_rows_that_are_given_up_leave_the_report_of_those_before(busy: Busy) -> None:
    busy.script[:] = [(200, STORED | {"accepted": BATCH}), (503, BUSY)]
    with client(busy, attempts=1) as truelift, pytest.raises(Unavailable, match="1,000 accepted") as given_up:
        truelift.ingest_outcomes({"unit": f"u{number}"} for number in range(BATCH + 1))
    assert given_up.value.report is not None
    assert given_up.value.report.accepted == BATCH


def test_mutation_is_never_sent_twice(busy: Busy) -> None:
    busy.script[:] = [(503, BUSY), (200, {"data": {}})]
    with client(busy) as truelift, pytest.raises(Unavailable):
        truelift.query("mutation { kpiRegister(input: {}) { userErrors { message } } }")
    assert len(busy.heard) == 1


def test_bug_of_the_server_carries_its_trace_and_is_not_asked_again(busy: Busy) -> None:
    busy.script[:] = [(200, BUG), (200, BUG)]
    with client(busy) as truelift, pytest.raises(ServerFault, match="trace ab12") as fault:
        truelift.kpis()
    assert (fault.value.code, fault.value.trace_id) == ("INTERNAL", "ab12")
    assert len(busy.heard) == 1


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (404, b"{}"), (200, b"[]")])
def test_address_of_another_server_is_told_as_such(busy: Busy, status: int, body: bytes) -> None:
    busy.script[:] = [(status, body)]
    with client(busy) as truelift, pytest.raises(ServerFault, match="Is it the right one"):
        truelift.kpis()


@pytest.mark.parametrize(("attempt", "least", "most"), [(0, 0.25, 0.5), (3, 2, 4), (9, 15, 30)])
def test_pause_doubles_up_to_a_limit_and_has_jitter(attempt: int, least: float, most: float) -> None:
    pauses = [pause_before_next(Answer(status=503, body=b""), attempt) or 0 for _ in range(200)]
    assert least <= min(pauses) < max(pauses) <= most


def test_pause_is_what_the_server_asks_for_unless_that_is_too_long() -> None:
    assert pause_before_next(Answer(status=429, body=b"", retry_after="60"), 0) == 60
    assert pause_before_next(Answer(status=429, body=b"", retry_after="3600"), 0) is None
    assert pause_before_next(Answer(status=400, body=b"", retry_after="1"), 0) is None
    assert pause_before_next(Answer(status=None, body=b""), 0) is not None


def test_retry_after_is_seconds_or_a_date() -> None:
    then = datetime.now(UTC) + timedelta(seconds=30)
    assert seconds("7") == 7
    assert 28 < seconds(format_datetime(then, usegmt=True)) <= 30
    assert seconds("soon") == seconds(None) == 0

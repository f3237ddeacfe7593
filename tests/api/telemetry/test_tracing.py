"""Traces, as OpenTelemetry's own exporter in memory receives them."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from api.auth.keys import Scope
from api.database import Database
from api.jobs.refresh import refresh_due
from api.jobs.worker import timed
from api.telemetry import tracing
from api.telemetry.errors import NoTracing
from tests.api.conftest import Client, MakeKey, bearing

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
SECRETIVE = "alice@example.org"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """What is exported."""
    exporter = InMemorySpanExporter()
    tracing.use(SimpleSpanProcessor(exporter))
    yield exporter
    tracing.use(None)


def named(spans: InMemorySpanExporter, name: str) -> ReadableSpan:
    (found,) = [span for span in spans.get_finished_spans() if span.name == name]
    return found


async def test_request_and_its_operation_are_spans_of_the_senders_trace_and_say_nothing_of_what_was_asked(
    client: Client, make_key: MakeKey, spans: InMemorySpanExporter
) -> None:
    key = bearing(await make_key(Scope.READ))
    body = {
        "query": f'query Mine($key: String!) {{ kpi(key: $key) {{ name }} other: kpi(key: "{SECRETIVE}") {{ name }} }}',
        "variables": {"key": SECRETIVE},
    }
    answer = await client.post(f"/graphql?name={SECRETIVE}", json=body, headers={**key, "traceparent": PARENT})
    assert answer.status_code == 200
    request, operation = named(spans, "/graphql"), named(spans, "operation")
    assert request.kind is SpanKind.SERVER
    assert request.parent is not None
    assert (f"{request.context.trace_id:032x}", f"{request.parent.span_id:016x}") == (TRACE, "00f067aa0ba902b7")
    assert operation.parent == request.context
    assert dict(request.attributes or {}) == {
        "http.route": "/graphql",
        "http.response.status_code": 200,
        "request.id": TRACE,
    }
    attributes = dict(operation.attributes or {})
    assert attributes.keys() == {"operation", "operation_name", "document"}
    assert (attributes["operation"], attributes["operation_name"]) == ("query kpi", "Mine")
    told = "".join(span.to_json() for span in spans.get_finished_spans())
    assert SECRETIVE not in told
    assert key["authorization"].split()[1] not in told


async def test_request_without_an_id_gets_that_of_its_trace(client: Client, spans: InMemorySpanExporter) -> None:
    answer = await client.get("/healthz")
    assert answer.headers["x-request-id"] == f"{named(spans, '/healthz').context.trace_id:032x}"


async def test_bug_marks_its_spans_as_failed_without_its_message(
    client: Client, make_key: MakeKey, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError(SECRETIVE)

    monkeypatch.setattr("api.graphql.lists.page", broken)
    monkeypatch.setattr("api.doors.export.bearer", broken)
    key = bearing(await make_key(Scope.READ))
    await client.post("/graphql", json={"query": "{ kpis { totalCount } }"}, headers=key)
    await client.get("/v1/export/outcomes.csv")
    failed = [span for span in spans.get_finished_spans() if span.status.status_code is StatusCode.ERROR]
    assert sorted(span.name for span in failed)[-1] == "operation"
    assert len(failed) == 2
    assert [span.events for span in failed] == [(), ()]
    assert SECRETIVE not in "".join(span.to_json() for span in spans.get_finished_spans())


async def test_duty_is_a_span(database: Database, spans: InMemorySpanExporter) -> None:
    await timed(refresh_due, database)
    assert named(spans, "refresh_due").parent is None


def test_nothing_is_traced_unless_a_receiver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tracing.RECEIVERS:
        monkeypatch.delenv(name, raising=False)
    tracing.configure()
    assert tracing.begin("nothing") is None


def test_receiver_without_the_extra_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setattr("api.telemetry.tracing.find_spec", lambda _name: None)
    with pytest.raises(NoTracing, match=r"truelift\[otel\]"):
        tracing.configure()

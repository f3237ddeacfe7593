"""Traces by OpenTelemetry, for those who installed the extra `otel` and named a receiver; else nothing is done.

A span has a name of ours, and an operation its name and the hash of its document: never a document, a variable, a
statement or the message of an error.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from starlette.datastructures import Headers

from api.telemetry.errors import NoTracing

RECEIVERS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
FAILED = 500
_tracer: Any = None


def is_wanted() -> bool:
    """Whether a receiver of traces is named."""
    return any(os.environ.get(name) for name in RECEIVERS)


def configure() -> None:
    """Send traces to the receiver that the surroundings name, if any. Raises NoTracing without the extra `otel`."""
    if not is_wanted():
        return
    if not find_spec("opentelemetry") or not find_spec("opentelemetry.sdk"):
        raise NoTracing(f"{RECEIVERS[0]} is set, but not what sends traces: install truelift[otel].")
    otlp = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    batches = import_module("opentelemetry.sdk.trace.export").BatchSpanProcessor
    use(batches(otlp.OTLPSpanExporter()))


def use(processor: Any) -> None:
    """Hand spans to a processor from now on; None ends that."""
    global _tracer  # noqa: PLW0603 - a process has one, as it has one log
    if processor is None:
        _tracer = None
        return
    sdk, resources = import_module("opentelemetry.sdk.trace"), import_module("opentelemetry.sdk.resources")
    name = os.environ.get("OTEL_SERVICE_NAME", "truelift")
    provider = sdk.TracerProvider(resource=resources.Resource.create({"service.name": name}))
    provider.add_span_processor(processor)
    _tracer = provider.get_tracer("truelift")


@contextmanager
def request(headers: Headers) -> Iterator[Any]:
    """The span of a request, below the one that its sender names; None where nothing is traced."""
    if _tracer is None:
        yield None
        return
    trace, propagation = (
        import_module("opentelemetry.trace"),
        import_module("opentelemetry.trace.propagation.tracecontext"),
    )
    carrier = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
    context = propagation.TraceContextTextMapPropagator().extract(carrier)
    with _tracer.start_as_current_span("request", context, trace.SpanKind.SERVER, **QUIET) as span:
        yield span


QUIET = {"record_exception": False, "set_status_on_exception": False}
"""An error's message may hold what somebody sent."""


def trace_of(span: Any) -> str | None:
    """The id of the trace that a span is part of, as W3C writes it."""
    return None if span is None else f"{span.get_span_context().trace_id:032x}"


def answered(span: Any, route: str, status: int, request_id: str) -> None:
    """Note what became of a request."""
    if span is not None:
        span.update_name(route)
        span.set_attributes({"http.route": route, "http.response.status_code": status, "request.id": request_id})
        _mark(span, is_failed=status >= FAILED)


@contextmanager
def duty(name: str) -> Iterator[None]:
    """The span of a duty."""
    if _tracer is None:
        yield
        return
    with _tracer.start_as_current_span(name, **QUIET):
        yield


def begin(name: str) -> Any:
    """A span below the current one that begins now, and has none below it; None where nothing is traced.

    It is ended by `end`, wherever that happens: a stream may be closed elsewhere than it was opened.
    """
    return None if _tracer is None else _tracer.start_span(name)


def end(span: Any, attributes: Mapping[str, str], *, is_failed: bool = False) -> None:
    """End a span with what it was about."""
    if span is not None:
        span.set_attributes(attributes)
        _mark(span, is_failed=is_failed)
        span.end()


def _mark(span: Any, *, is_failed: bool) -> None:
    if is_failed:
        trace = import_module("opentelemetry.trace")
        span.set_status(trace.StatusCode.ERROR)

"""What is counted and timed in this process. What holds at the moment of asking is in `state`.

A label's values are ours and few: a route as it is written, a field of the schema, a duty. None is what somebody sent.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from kpi.ingest import Report

disable_created_metrics()  # type: ignore[no-untyped-call]  # when a series began is of no use, and doubles the page
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LONG = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900)

REQUEST = Histogram(
    "truelift_http_request_seconds",
    "From a request to the beginning of its answer.",
    ("route", "status"),
    buckets=QUICK,
    registry=REGISTRY,
)
OPERATION = Histogram(
    "truelift_graphql_operation_seconds",
    "A query or mutation, by the field it asks for and the code of its first error.",
    ("operation", "outcome"),
    buckets=QUICK,
    registry=REGISTRY,
)
SUBSCRIPTION = Counter(
    "truelift_graphql_subscriptions", "Subscriptions that have ended.", ("operation", "outcome"), registry=REGISTRY
)
COST = Histogram(
    "truelift_graphql_cost",
    "The price of a document, as its sender is told it.",
    buckets=(1, 5, 10, 50, 100, 250, 500, 1_000, 2_500, 5_000),
    registry=REGISTRY,
)
ROWS = Counter(
    "truelift_ingest_rows", "Rows that were answered, after their commit.", ("noun", "answer"), registry=REGISTRY
)
DUTY = Histogram(
    "truelift_duty_seconds",
    "A duty of the worker, whether there was anything to do or not.",
    ("duty",),
    buckets=LONG,
    registry=REGISTRY,
)
STEP = Histogram(
    "truelift_experiment_seconds",
    "What a duty took for one experiment: its refresh, its looks, its evidence.",
    ("duty",),
    buckets=LONG,
    registry=REGISTRY,
)
FAULTS = Counter("truelift_experiment_faults", "Experiments that a duty failed on.", ("duty",), registry=REGISTRY)
HEARTBEAT = Gauge(
    "truelift_worker_heartbeat_timestamp_seconds",
    "When a round of this process's worker last ended.",
    ("round",),
    registry=REGISTRY,
)
POOL_WAIT = Histogram(
    "truelift_pool_wait_seconds",
    "From asking for a connection to having one that works.",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10),
    registry=REGISTRY,
)


def taken_in(noun: str, report: Report, *, unreadable: int = 0) -> None:
    """Count the rows of a batch that is committed, and those of its file that could not even be read."""
    counts = {
        "accepted": len(report.accepted),
        "duplicate": len(report.duplicates),
        "rejected": len(report.refusals) + unreadable,
    }
    for answer, count in counts.items():
        if count:
            ROWS.labels(noun, answer).inc(count)

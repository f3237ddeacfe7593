"""`/metrics`, in Prometheus's format, on a port of its own.

Not a route of the application: behind a proxy on the same machine every stranger seems to come from it. The port is
closed unless it is set, heard on this machine alone unless a host is, and then only with a token.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from hmac import compare_digest

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.settings import Settings
from api.telemetry import metrics
from api.telemetry.state import State

MOST_AT_ONCE = 8
"""Connections; one more is answered 503."""


class Found(Collector):
    """What was looked up, in the form that the library writes."""

    def __init__(self, families: list[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All of it."""
        return iter(self._families)


class Listener(uvicorn.Server):
    """A server beside the service, which alone hears the signals that end the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None."""
        yield


@asynccontextmanager
async def exposed(settings: Settings, state: State) -> AsyncIterator[None]:
    """Answer `/metrics` while the block runs, where a port is set for it."""
    if settings.metrics_port is None:
        yield
        return
    server = Listener(
        uvicorn.Config(
            page(state, settings.metrics_token),
            host=settings.metrics_host,
            port=settings.metrics_port,
            log_config=None,
            log_level="warning",
            lifespan="off",
            server_header=False,
            limit_concurrency=MOST_AT_ONCE,
            timeout_graceful_shutdown=1,
        )
    )
    task = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await task


def page(state: State, token: str | None) -> Starlette:
    """The one page there is."""
    return Starlette(routes=[Route("/metrics", partial(_metrics, state=state, token=token))])


async def _metrics(request: Request, *, state: State, token: str | None) -> Response:
    given = request.headers.get("authorization", "")
    if token is not None and not compare_digest(given.encode(), f"Bearer {token}".encode()):
        return Response(status_code=401, headers={"www-authenticate": "Bearer"})
    now = CollectorRegistry()
    now.register(Found(await state.look()))
    return Response(generate_latest(metrics.REGISTRY) + generate_latest(now), media_type=CONTENT_TYPE_LATEST)

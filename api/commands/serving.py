"""Running the service: API and pages, with the worker or without."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from api.app import build
from api.commands.observing import observe
from api.commands.process import Surroundings, run
from api.database import Database

CONCURRENCY = 200
"""Connections, beside those of subscriptions, beyond which a request is answered 503 at once instead of waiting."""
LARGEST_MESSAGE = 1_000_000
"""Bytes of a message on a websocket."""
PING_SECONDS = 20.0
"""Between pings on a websocket, and until one must be answered: who reads nothing for twice as long is cut off."""
GRACE = 5
"""Seconds that open requests get to finish when the service ends."""
ENDING = (signal.SIGINT, signal.SIGTERM)


def serve(around: Surroundings, *, host: str, port: int, with_worker: bool, ready: Callable[[], None]) -> None:
    """Serve until interrupted; `ready` is called when the first request can be answered."""
    observe(around)
    run(around, _nothing)
    database = Database(around.url, pool_size=around.settings.pool_size)
    settings = around.settings.model_copy(update={"host": host, "port": port})  # links begin with where we listen
    app = build(database, settings=settings, secret=around.secret, with_worker=with_worker)
    config = configured(app, host=host, port=port, subscriptions=2 * around.settings.max_subscriptions)
    Server(config, ready).run()


def configured(app: Starlette, *, host: str, port: int, subscriptions: int) -> uvicorn.Config:
    """How the application is served."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        log_level="warning",
        server_header=False,
        ws=Wire,
        ws_max_size=LARGEST_MESSAGE,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        limit_concurrency=CONCURRENCY + subscriptions,
        timeout_graceful_shutdown=GRACE,
    )


class Wire(WebSocketsSansIOProtocol):
    """A websocket that ends when its pings are not answered, whatever is still to be sent."""

    def keepalive_timeout(self) -> None:
        """Cut the connection: closed in good order it would wait, for ever, for what it holds to be read."""
        super().keepalive_timeout()
        self.transport.abort()


class Server(uvicorn.Server):
    """A server that says when it has started, and ends quietly when it is told to."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def main_loop(self) -> None:
        """Announce, then serve."""
        self._ready()
        await super().main_loop()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End on a signal, and leave it at that: raised again, it would skip what is left to close."""
        kept = {name: signal.signal(name, self.handle_exit) for name in ENDING}
        try:
            yield
        finally:
            for name, handler in kept.items():
                signal.signal(name, handler)


async def _nothing(_database: Database) -> None:
    """Only the preparation was wanted."""

"""A server of a test's own, on a port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from api.app import build
from api.commands.serving import Server, configured
from api.database import Database
from api.settings import Settings
from tests.api.conftest import SECRET
from tests.service.running import free_port

PATIENCE = 60


@asynccontextmanager
async def serving(url: str, *, with_worker: bool = False, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A server of its own, and a client of it."""
    port = settings.setdefault("port", free_port())
    app = build(Database(url), settings=Settings(**settings), secret=SECRET, with_worker=with_worker)
    started = asyncio.Event()
    config = configured(app, host="127.0.0.1", port=port, subscriptions=1_000)
    config.timeout_graceful_shutdown = 1
    server = Server(config, started.set)
    task = asyncio.create_task(server.serve())
    await started.wait()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
        yield client
    server.should_exit = True
    await task

"""The least that a service of this kind can do: bare Starlette routes, one that reads a row and one that reads none.

BARE_DATABASE=postgresql://... python -m uvicorn benchmarks.bare:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

ONE = "SELECT id, key, name, owner FROM experiments WHERE workspace_id = 1 AND key = $1"


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """A pool of connections, as asyncpg makes it when nothing else is said."""
    async with asyncpg.create_pool(os.environ["BARE_DATABASE"]) as pool:
        app.state.pool = pool
        yield


async def row(request: Request) -> JSONResponse:
    """One row of a table, by its key."""
    found = await request.app.state.pool.fetchrow(ONE, request.path_params["key"])
    return JSONResponse(dict(found))


async def plain(_request: Request) -> JSONResponse:
    """An object that is always the same."""
    return JSONResponse({"experiment": "guided-onboarding"})


app = Starlette(lifespan=lifespan, routes=[Route("/row/{key}", row), Route("/json", plain)])

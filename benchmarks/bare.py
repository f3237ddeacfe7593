"""The least that a service of this kind can do: bare Starlette routes, one that reads a row and one that reads none.

Two more do to the database what others do meanwhile: no answer that is measured waits for them.

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

COMMIT = "SELECT pg_current_xact_id()"
"""A transaction that changed something, as Postgres sees it: whatever is known of its state is over."""
ANOTHER = """
UPDATE moments SET m2 = m2 * (1 + 1e-9)
WHERE (experiment_id, entered_on) IN (SELECT experiment_id, min(entered_on) + 3 FROM moments GROUP BY 1)
"""
"""Numbers of every experiment that nobody has seen yet: what was worked out of others says nothing of them."""
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


async def commit(request: Request) -> JSONResponse:
    """Commit something."""
    await request.app.state.pool.execute(COMMIT)
    return JSONResponse({})


async def another(request: Request) -> JSONResponse:
    """Change what is concluded from."""
    await request.app.state.pool.execute(ANOTHER)
    return JSONResponse({})


ROUTES = [Route("/row/{key}", row), Route("/json", plain), Route("/commit", commit), Route("/another", another)]
app = Starlette(lifespan=lifespan, routes=ROUTES)

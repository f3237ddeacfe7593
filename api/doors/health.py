"""Whether the process is alive, and whether it is ready for work."""

import asyncio

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse

from api import schema
from api.database import Database
from api.jobs.worker import APPLICATION

PATIENCE = 5
"""Seconds to wait for the database before calling it absent."""


async def healthz(_request: Request) -> JSONResponse:
    """Answer while the process lives."""
    return JSONResponse({"status": "alive"})


async def readyz(request: Request) -> JSONResponse:
    """Answer 200 when database, schema and worker are there, else 503 with what is missing in words."""
    checks = await readiness(request.app.state.database)
    is_ready = all(check == "ok" for check in checks.values())
    return JSONResponse({"status": "ready" if is_ready else "not ready", **checks}, 200 if is_ready else 503)


async def readiness(database: Database) -> dict[str, str]:
    """What is there and what is not: database, migrations, worker."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await _look(database)
    except (OSError, TimeoutError, SQLAlchemyError):
        return {"database": "The database does not answer.", "migrations": "unknown", "worker": "unknown"}


async def _look(database: Database) -> dict[str, str]:
    found = await schema.current(database.engine)
    async with database.engine.connect() as connection:
        query = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name")
        workers = (await connection.execute(query, {"name": APPLICATION})).scalar_one()
    return {
        "database": "ok",
        "migrations": "ok" if found == schema.newest() else schema.behind(found),
        "worker": "ok" if workers else "No worker is running: start `truelift work`, or `truelift serve`.",
    }

"""The clock of a database, turned to the day of the simulation: the worker takes the time from nobody else."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from api.database import Database

MADE = (
    "CREATE SCHEMA clock",
    "CREATE TABLE clock.today AS SELECT clock_timestamp() AS at",
    "CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM clock.today'",
)
FIRST = "ALTER DATABASE {name} SET search_path = public, clock, pg_catalog"
"""A function of the clock's schema is found before Postgres' own of the same name."""
QUICK = "ALTER DATABASE {name} SET synchronous_commit = off"
"""A simulated year need not outlive the machine."""


async def make(url: str) -> None:
    """Give an empty database a clock that stands still; connections opened from now on read it."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for statement in (*MADE, *(setting.format(name=engine.url.database) for setting in (FIRST, QUICK))):
            await connection.execute(text(statement))
    await engine.dispose()


async def turn(database: Database, now: datetime) -> None:
    """Set the clock."""
    async with database.raw() as connection:
        await connection.execute("UPDATE clock.today SET at = $1", now)

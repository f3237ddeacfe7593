"""Bringing a database to this version's schema, and telling whether it is there."""

import asyncio
from collections.abc import Callable
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

import migrations
from api import roles

TURN = 0.2
"""Seconds between two looks at whether somebody else's migration is done."""
Step = Callable[[Config], object]
FOLDER = Path(migrations.__file__).parent
LOCK = 7_220_911
"""The advisory lock under which migrations run, so that two starts at once do not collide."""


async def upgrade(engine: AsyncEngine) -> None:
    """Bring the database to the newest revision; safe to call at every start and from several processes."""
    await _run(engine, lambda config: command.upgrade(config, "head"))


async def downgrade(engine: AsyncEngine, revision: str) -> None:
    """Take the database back to a revision."""
    await _run(engine, lambda config: command.downgrade(config, revision))


async def current(engine: AsyncEngine) -> str | None:
    """The revision the database is at; None when it is empty."""
    async with engine.connect() as connection:
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


@cache
def newest() -> str:
    """The revision this version of the program needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("there is no migration")
    return head


async def _run(engine: AsyncEngine, step: Step) -> None:
    async with engine.connect() as connection:
        await _lock(connection)
        await roles.ensure(connection)
        await connection.commit()
        await connection.run_sync(_on, step)
        await connection.exec_driver_sql(f"SELECT pg_advisory_unlock({LOCK})")
        await connection.commit()


async def _lock(connection: AsyncConnection) -> None:
    """Wait for one's turn without a transaction: an index built concurrently waits for all that are open."""
    while not (await connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({LOCK})")).scalar_one():
        await connection.commit()
        await asyncio.sleep(TURN)
    await connection.commit()


def _on(connection: Connection, step: Step) -> None:
    config = _config()
    config.attributes["connection"] = connection
    step(config)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return config


def behind(found: str | None) -> str:
    """What to say of a database that is not at this version's revision."""
    place = f"at revision {found}" if found else "empty"
    return f"The database is {place}, and this version needs {newest()}: run `truelift migrate`."

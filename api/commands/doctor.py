"""`truelift doctor`: what a person would look at first when something is wrong."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import text

from api.commands.process import Surroundings
from api.database import Database
from api.doors.health import readiness

OLDEST_POSTGRES = 15
LARGEST_DRIFT = 5.0
"""Seconds the clocks of this machine and of the database may differ before times become doubtful."""
LEAST_DISK = 1_000_000_000
"""Bytes free below which the next import may fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    is_ok: bool
    sentence: str


async def examine(around: Surroundings, database: Database) -> list[Check]:
    """Look at everything; a database that does not answer ends the examination."""
    ready = await readiness(database)
    found = [_readiness("database", ready), _readiness("migrations", ready), _readiness("worker", ready)]
    if not found[0].is_ok:
        return found
    return [await _version(database), *found[1:], await _clock(database), _disk(around)]


def _readiness(name: str, ready: dict[str, str]) -> Check:
    sentence = ready[name]
    return Check(name=name, is_ok=sentence == "ok", sentence="as it should be" if sentence == "ok" else sentence)


async def _version(database: Database) -> Check:
    async with database.engine.connect() as connection:
        number = int((await connection.execute(text("SHOW server_version_num"))).scalar_one()) // 10_000
    sentence = f"Postgres {number}" if number >= OLDEST_POSTGRES else f"Postgres {number} is older than 15."
    return Check(name="database", is_ok=number >= OLDEST_POSTGRES, sentence=sentence)


async def _clock(database: Database) -> Check:
    async with database.engine.connect() as connection:
        theirs = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    drift = abs((datetime.now(UTC) - theirs).total_seconds())
    sentence = f"{drift:.1f} s between this machine and the database"
    return Check(name="clock", is_ok=drift <= LARGEST_DRIFT, sentence=sentence)


def _disk(around: Surroundings) -> Check:
    if around.folder is None:
        return Check(name="disk", is_ok=True, sentence="the database's own, which cannot be seen from here")
    free = shutil.disk_usage(around.folder).free
    return Check(name="disk", is_ok=free >= LEAST_DISK, sentence=f"{free / 1e9:.1f} GB free where {around.folder} is")

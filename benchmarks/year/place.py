"""Where the year is lived: a Postgres of its own with the real schema and a clock that can be turned."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import numpy as np

from api import embedded, schema
from api.auth.keys import Caller, Scope
from api.auth.tenants import DEFAULT, ensure_workspace
from api.database import Database
from benchmarks.faults.service import place as folder
from benchmarks.year import clock
from benchmarks.year.asking import Desk
from benchmarks.year.cases import Case, cases
from benchmarks.year.company import Company
from benchmarks.year.conclusions import Conclusion


async def year(
    url: str, drawn: Iterable[Case], units: np.random.Generator, tell: Callable[[str], None]
) -> list[Conclusion]:
    """Live one year in an empty database, and return how each experiment ended."""
    async with _desk(url) as desk:
        return await Company(desk=desk, draw=units, tell=tell).live(drawn)


async def year_of_its_own(*, experiments: int, seed: int, tell: Callable[[str], None]) -> list[Conclusion]:
    """Live one year in an embedded Postgres that goes away with it."""
    with folder() as own, embedded.running(own / "database") as found:
        drawn, units = np.random.default_rng(seed).spawn(2)
        return await year(found.url, cases(drawn, experiments), units, tell)


@asynccontextmanager
async def _desk(url: str) -> AsyncIterator[Desk]:
    await clock.make(url)
    database = Database(url)
    try:
        await schema.upgrade(database.engine)
        async with database.write() as session:
            found = await ensure_workspace(session, DEFAULT, datetime.now(UTC))
        caller = Caller(
            workspace_id=found.id,
            workspace=found.key,
            key_name="year",
            public_id="year",
            scopes=frozenset({Scope.READ, Scope.EDIT, Scope.DECIDE}),
        )
        yield Desk(database=database, caller=caller)
    finally:
        await database.close()

"""`truelift doctor --recompute`: what is stored beside what the rows say, on real Postgres."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from api.commands.doctor import Check, recompute
from api.database import Database
from api.jobs.refresh import refresh_due
from tests.api.databases import migrated, url_of
from tests.api.test_commands import SECRET, here, truelift
from tests.experiments.aggregating import START, Running, law_holds, pending, running, send, tables
from tests.experiments.recomputation import DAY, Did, Exposed

UNITS = [Exposed(unit=f"u{n}", variant=n % 2, at=START + n * DAY / 4, plan=None, score=n % 3 or None) for n in range(8)]
ACTS = [Did(unit=f"u{n}", event="did", at=START + n * DAY / 4 + DAY / 3, value=0.1 * n) for n in range(8)]
CROSSING = Exposed(unit="u7", variant=0, at=START + 3 * DAY, plan=None)
WOUNDS = {
    "UPDATE moments SET m2 = m2 * 1.00001 + 0.00001": "cap-2 of 2026-03-02",
    "UPDATE moments SET c_xy = c_xy + 0.00001": "act-2-score of 2026-03-02",
    "UPDATE moments SET missing = NULL": "act-2-score of 2026-03-02",
    "UPDATE durations SET events = events + 1": "ttv-3 of 2026-03-02",
    "DELETE FROM durations": "ttv-3-loss of 2026-03-03",
    "UPDATE entry_counts SET n = n + 1 WHERE segment = ''": "units of 2026-03-02",
    "UPDATE entry_counts SET crossovers = 0": "crossovers of 2026-03-03",
    "UPDATE tallies SET tally = tally + 1": "act-1 (tallies) of 2026-03-02",
    "DELETE FROM exposures WHERE unit = 'u1'": "act-1 of 2026-03-02",
}
"""What somebody does behind the service's back, and a slice that must be named for it."""


@pytest_asyncio.fixture
async def own(database_url: str) -> AsyncIterator[Database]:
    """A database in which nothing else is."""
    found = Database(url_of(database_url, await migrated(database_url)))
    yield found
    await found.close()


@pytest_asyncio.fixture
async def to(own: Database) -> Running:
    """An experiment whose aggregates are up to date."""
    found = await running(own)
    await send(own, found, [*UNITS, *ACTS, CROSSING])
    await refresh_due(own)
    return found


async def examined(database: Database, *, is_mending: bool = False) -> Check:
    (check,) = await recompute(database, is_mending=is_mending)
    assert check.name == "aggregates of shorter-form"
    return check


async def wound(database: Database, statement: str) -> None:
    async with database.raw() as connection:
        await connection.execute(statement)


async def test_recompute_aggregates_that_are_right_are_said_to_be_and_stay_as_they_are(
    own: Database, to: Running
) -> None:
    before = await tables(own, to)
    check = await examined(own)
    assert check.is_ok
    assert check.sentence.endswith("slices, as derived anew")
    assert await tables(own, to) == before


@pytest.mark.parametrize(("statement", "named"), WOUNDS.items(), ids=list(WOUNDS.values()))
async def test_recompute_names_the_slices_that_differ_and_changes_nothing_until_it_mends(
    own: Database, to: Running, statement: str, named: str
) -> None:
    await wound(own, statement)
    before = await tables(own, to)
    check = await examined(own)
    assert (check.is_ok, named in check.sentence) == (False, True), check.sentence
    assert await tables(own, to) == before
    mended = await examined(own, is_mending=True)
    assert mended.is_ok
    assert mended.sentence.endswith("derived anew")
    assert "differ" not in (await examined(own)).sentence
    rows: list[Exposed | Did] = [*UNITS, *ACTS, CROSSING]
    rows = [row for row in rows if "exposures" not in statement or row != UNITS[1]]
    await law_holds(own, to, rows)


async def test_recompute_another_order_of_adding_up_is_no_difference(own: Database, to: Running) -> None:
    assert to
    await wound(own, "UPDATE moments SET mean = mean * (1 + 1e-14), m2 = m2 * (1 - 1e-14)")
    assert (await examined(own)).is_ok


async def test_recompute_what_is_pending_is_no_difference_and_stays_pending(own: Database, to: Running) -> None:
    late: list[Exposed | Did] = [
        Did(unit="u2", event="did", at=START + DAY, value=7.0),
        Exposed(unit="u9", variant=1, at=START, plan=None),
    ]
    await send(own, to, late)
    assert (await examined(own)).is_ok
    assert await pending(own, to) == 2
    await refresh_due(own)
    await law_holds(own, to, [*UNITS, *ACTS, CROSSING, *late])


async def test_recompute_experiment_nobody_has_refreshed_is_behind_until_it_is_mended(own: Database) -> None:
    to = await running(own)
    await send(own, to, [*UNITS, *ACTS])
    check = await examined(own)
    assert (check.is_ok, check.sentence.partition(":")[0]) == (False, "behind")
    assert (await examined(own, is_mending=True)).is_ok
    await law_holds(own, to, [*UNITS, *ACTS])


async def test_recompute_while_rows_come_in_and_a_worker_refreshes_finds_nothing(own: Database, to: Running) -> None:
    async def live() -> None:
        for number in range(40):
            await send(own, to, [Did(unit=f"u{number % 8}", event="did", at=START + number * DAY / 20, value=1.0)])

    async def work() -> None:
        for _ in range(10):
            await refresh_due(own)

    alive = asyncio.gather(live(), work())
    found = [await examined(own) for _ in range(5)]
    await alive
    assert [check.sentence for check in found if not check.is_ok] == []


async def test_recompute_while_evidence_is_weighed_looks_again(own: Database, to: Running) -> None:
    async def note() -> None:
        async with own.raw() as connection:
            await connection.execute(
                "UPDATE refreshes SET weighed_at = clock_timestamp() WHERE experiment_id = $1", to.experiment.id
            )

    async def keep_noting(until: asyncio.Event) -> None:
        while not until.is_set():
            await note()

    for _ in range(3):
        done = asyncio.Event()
        noting = asyncio.create_task(keep_noting(done))
        await asyncio.sleep(0.01)
        checking = asyncio.create_task(examined(own))
        await asyncio.sleep(0.05)
        done.set()
        await noting
        assert (await checking).is_ok


async def test_doctor_command_ends_with_one_when_slices_differ_and_mends_them(own: Database, to: Running) -> None:
    await wound(own, "DELETE FROM moments")
    url = own.engine.url.render_as_string(hide_password=False)
    given = {"DATABASE_URL": url.replace("postgresql+asyncpg", "postgresql"), "TRUELIFT_SECRET": SECRET}
    for run, word, start in (
        (truelift, "--recompute", "wrong"),
        (here, "--mend", "ok   "),
        (here, "--recompute", "ok   "),
    ):
        done = await asyncio.to_thread(run, "doctor", word, **given)
        assert done.returncode == 1  # there is no worker
        assert f"{start} aggregates of shorter-form: " in done.stderr, done.stderr
    await law_holds(own, to, [*UNITS, *ACTS, CROSSING])

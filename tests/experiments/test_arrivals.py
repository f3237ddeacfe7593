"""Late outcomes: how they are counted as they come in, and the check that warns of many."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from api.database import Database
from experiments.aggregation.forgetting import forget
from experiments.inference.facts import Fact, FactName
from experiments.inference.health import Check, CheckKind, HealthState
from experiments.inference.monitoring import late_outcomes
from kpi import batches, events
from kpi.tables import Workspace
from tests.experiments.aggregating import START, Running, outcome_row, refresh
from tests.experiments.recomputation import DAY, Did
from tests.experiments.registering import draft, start
from tests.experiments.test_warehouse import evaluated

OK, WARNING, _ = HealthState
HOUR = timedelta(hours=1)
TODAY = START + 8 * DAY
NOON = TODAY + 12 * HOUR


@pytest.mark.parametrize(
    ("days", "state"),
    [
        ([], None),
        ([(99, 99)], None),
        ([(50, 2), (50, 3)], OK),
        ([(50, 3), (50, 3)], WARNING),
        ([(1000, 0), (20, 20), (30, 30)], OK),
        ([(50, 0), (50, 6)], OK),
        ([(4000, 4000)], OK),
    ],
)
def test_late_outcomes_warn_above_one_in_twenty_of_a_hundred_and_more_on_two_days(
    days: list[tuple[int, int]], state: HealthState | None
) -> None:
    check = late_outcomes(days)
    assert (check and check.state) == state


def test_late_outcomes_say_how_many_and_what_it_means() -> None:
    check = late_outcomes([(1000, 250), (3000, 750)])
    assert check is not None
    assert check.sentence == (
        "1,000 of 4,000 outcomes that came in within 7 days (25.0%) are of a day that was over: the numbers of past"
        " days still change, and a look at midnight is taken without its last day."
    )
    assert check.facts == (Fact(name=FactName.SHARE, value=0.25),)


# --- on rows ----------------------------------------------------------------------------------------------------------


async def started(database: Database) -> Running:
    """An experiment on an activation, whose plan was sealed on the first day."""
    async with database.write() as session:
        place = Workspace(key=f"arrivals-{uuid4().hex}", name="arrivals", created_at=START)
        session.add(place)
        await session.flush()
    return Running(experiment=await start(database, await draft(database, place), now=START), workspace=place)


def outcomes(n: int, at: datetime, event: str = "activated") -> list[Did]:
    return [Did(unit=f"u{place}", event=event, at=at, value=None) for place in range(n)]


async def come(database: Database, to: Running, rows: list[Did], now: datetime = NOON) -> None:
    async with database.raw() as connection:
        await events.ingest(connection, workspace_id=to.workspace.id, rows=list(map(outcome_row, rows)), now=now)


async def check_of(database: Database, to: Running, now: datetime = NOON + HOUR) -> Check | None:
    await refresh(database, to, now)
    made = (await evaluated(database, to.experiment)).health.checks
    return next((check for check in made if check.kind is CheckKind.LATE_OUTCOMES), None)


async def share(database: Database, to: Running, now: datetime = NOON + HOUR) -> float | None:
    check = await check_of(database, to, now)
    return None if check is None else check.facts[0].value


async def test_outcomes_of_yesterday_are_late_and_those_since_midnight_are_not(database: Database) -> None:
    to = await started(database)
    await come(database, to, outcomes(100, TODAY))
    assert await share(database, to) == 0
    await come(database, to, outcomes(25, TODAY - timedelta(microseconds=1)))
    check = await check_of(database, to)
    assert check is not None
    assert (check.state, check.facts[0].value) == (OK, 25 / 125)  # of one day, as history that is taken in
    await come(database, to, outcomes(25, TODAY + HOUR), now=NOON + DAY)
    again = await check_of(database, to, NOON + DAY + HOUR)
    assert again is not None
    assert (again.state, again.facts[0].value) == (WARNING, 50 / 150)


async def test_outcomes_that_the_experiment_does_not_read_do_not_count(database: Database) -> None:
    to, other = await started(database), await started(database)
    await come(database, to, [*outcomes(100, TODAY), *outcomes(300, TODAY - DAY, "other")])
    await come(database, other, outcomes(300, TODAY - DAY))
    assert await share(database, to) == 0


async def test_rows_that_are_sent_again_count_once_and_forgotten_ones_have_come_all_the_same(
    database: Database,
) -> None:
    to = await started(database)
    rows = [*outcomes(90, TODAY), *outcomes(30, TODAY - DAY)]
    for _ in range(3):
        await come(database, to, [*rows, *rows[:5]])
    assert await share(database, to) == 30 / 120
    async with database.raw() as connection:
        await forget(connection, workspace_id=to.workspace.id, unit="u1", now=NOON)
    assert await share(database, to) == 30 / 120


async def test_entries_that_two_workers_settle_count_once(database: Database) -> None:
    to = await started(database)
    await come(database, to, outcomes(100, TODAY - DAY))
    async with database.raw() as connection:
        ids = [row["id"] for row in await batches.pending_ingests(connection, 10**6)]
        await batches.settle_ingests(connection, ids)
        await batches.settle_ingests(connection, ids)
        found = await batches.arrived(connection, to.workspace.id, ["activated"], TODAY.date(), TODAY.date())
    assert found == [(100, 100)]


async def test_what_came_in_more_than_a_week_ago_or_on_the_day_of_the_seal_does_not_count(database: Database) -> None:
    to = await started(database)
    await come(database, to, outcomes(200, START - DAY), now=START + 12 * HOUR)
    assert await check_of(database, to, START + DAY) is None  # history, taken in as the experiment was sealed
    await come(database, to, outcomes(200, TODAY - DAY))
    last = TODAY + 6 * DAY
    assert await share(database, to, last + HOUR) == 1
    assert await check_of(database, to, last + DAY) is None

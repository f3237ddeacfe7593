"""The daily duty that derives what experiments share, and the answer of the API."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import pytest_asyncio

from api import schema
from api.auth.keys import Caller
from api.auth.tenants import ensure_workspace
from api.database import Database
from api.jobs.overlaps import derive_overlaps
from api.jobs.refresh import refresh_due
from api.jobs.worker import LONG_DUTIES
from kpi.tables import Workspace
from tests.api.conftest import Try
from tests.api.databases import made, url_of
from tests.conftest import Ask
from tests.experiments.recomputation import Did, Exposed
from tests.experiments.test_overlaps import START, Pair, did, met, pair, trial

AGED = "UPDATE overlap_runs SET claimed_at = claimed_at - interval '6 hours'"
YESTERDAY = "UPDATE overlap_runs SET data_through = data_through - interval '1 day' WHERE experiment_id = $1"
LINES = "SELECT experiment_id, data_through FROM overlap_runs ORDER BY experiment_id"
INTERACTIONS = """
query Interactions($key: String!) { experiment(key: $key) { results {
  diagnostics { health checks { kind state sentence } }
  interactions {
    experiment { key name } units splitPValue isSplitBroken computedAt dataThrough
    contrasts {
      kpi { key } variant { key } otherVariant { key isControl } scale units withControl withVariant
      difference interval { lower upper level } pValue adjustedPValue isSuspect reason
    }
  }
} } }
"""


@pytest_asyncio.fixture
async def own(database_url: str) -> AsyncIterator[Database]:
    """A database in which nothing else is due."""
    found = Database(url_of(database_url, await made(database_url)))
    await schema.upgrade(found.engine)
    yield found
    await found.close()


async def execute(database: Database, statement: str, *arguments: object) -> None:
    async with database.raw() as connection:
        await connection.execute(statement, *arguments)


async def lines(database: Database) -> dict[int, datetime | None]:
    async with database.raw() as connection:
        return {row["experiment_id"]: row["data_through"] for row in await connection.fetch(LINES)}


async def place(database: Database) -> Workspace:
    async with database.write() as session:
        return await ensure_workspace(session, f"own-{uuid4().hex[:8]}", datetime.now(UTC))


async def sharing(database: Database) -> Pair:
    """Two experiments with units in common, refreshed."""
    of = await pair(database, await place(database))
    units = [Exposed(unit=f"u{n}", variant=n % 2, at=START, plan=None) for n in range(6)]
    for one in (of.own, of.other):
        await met(database, one, units)
    await did(database, of.workspace, [Did(unit="u1", event="did", at=START + timedelta(hours=1), value=2.0)])
    await refresh_due(database)
    return of


async def midnight(database: Database) -> datetime:
    async with database.raw() as connection:
        found: datetime = await connection.fetchval("SELECT date_trunc('day', clock_timestamp(), 'UTC')")
    return found


async def rounds(database: Database) -> list[int]:
    """The experiments of as many rounds as there is something to do."""
    done: list[int] = []
    while (found := await derive_overlaps(database)) is not None:
        done.append(found)
    return done


def test_overlaps_are_derived_where_a_duty_may_take_minutes() -> None:
    assert derive_overlaps in LONG_DUTIES


async def test_overlaps_of_each_experiment_are_derived_once_a_day(own: Database) -> None:
    of = await sharing(own)
    both = [of.own.id, of.other.id]
    assert await rounds(own) == both
    assert await lines(own) == dict.fromkeys(both, await midnight(own))
    await execute(own, AGED)
    assert await rounds(own) == []
    await execute(own, YESTERDAY, of.other.id)
    assert await rounds(own) == [of.other.id]
    assert await rounds(own) == []


async def test_experiment_that_was_begun_is_left_alone_for_six_hours(own: Database) -> None:
    of = await sharing(own)
    await execute(own, "INSERT INTO overlap_runs (experiment_id, claimed_at) VALUES ($1, now())", of.own.id)
    assert await rounds(own) == [of.other.id]
    await execute(own, AGED)
    assert await rounds(own) == [of.own.id]


async def test_experiment_that_does_not_add_up_keeps_what_it_had_and_holds_up_nobody(
    own: Database, caplog: pytest.LogCaptureFixture
) -> None:
    of = await sharing(own)
    assert await rounds(own) == [of.own.id, of.other.id]
    before = (await lines(own))[of.own.id]
    assert before is not None
    for hour in (2, 3):
        await did(own, of.workspace, [Did(unit="u1", event="did", at=START + timedelta(hours=hour), value=1.0)])
    await execute(own, "UPDATE outcomes SET value = 1e308")
    await execute(own, AGED)
    for one in (of.own, of.other):
        await execute(own, YESTERDAY, one.id)
    assert await rounds(own) == [of.own.id, of.other.id]
    assert f"The overlaps of experiment {of.own.id} could not be derived" in caplog.text
    now = await midnight(own)
    assert await lines(own) == {of.own.id: before - timedelta(days=1), of.other.id: now}


async def test_draft_and_experiment_with_given_aggregates_are_never_due(own: Database) -> None:
    of = await sharing(own)
    await execute(own, "UPDATE experiments SET given_at = now() WHERE id = $1", of.own.id)
    assert await rounds(own) == [of.other.id]


# --- the answer ------------------------------------------------------------------------------------------------------


async def test_answer_says_what_the_other_experiment_does_to_the_effect(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    await trial(database, workspace, planted=0.3)
    results = (await ask(INTERACTIONS, {"key": "own"}))["experiment"]["results"]
    (found,) = results["interactions"]
    (contrast,) = found["contrasts"]
    assert found["experiment"]["key"] == "other"
    assert (found["units"], found["isSplitBroken"]) == (1_600, False)
    assert found["dataThrough"] == "2026-03-08T00:00:00+00:00"
    assert (contrast["kpi"]["key"], contrast["variant"]["key"]) == ("activation", "treatment")
    assert contrast["otherVariant"] == {"key": "treatment", "isControl": False}
    assert (contrast["scale"], contrast["reason"], contrast["isSuspect"]) == ("FRACTION", None, True)
    assert contrast["withVariant"] - contrast["withControl"] == pytest.approx(contrast["difference"])
    interval = contrast["interval"]
    assert (interval["lower"] + interval["upper"]) / 2 == pytest.approx(contrast["difference"])
    assert 0 < interval["lower"] < 0.3 < interval["upper"]
    assert contrast["adjustedPValue"] == contrast["pValue"] < 0.05
    (check,) = [one for one in results["diagnostics"]["checks"] if one["kind"] == "INTERACTION"]
    assert (check["state"], results["diagnostics"]["health"]) == ("WARNING", "WARNING")


async def test_answer_before_anything_is_derived_is_empty(database: Database, workspace: Workspace, ask: Ask) -> None:
    of = await pair(database, workspace)
    units = [Exposed(unit="u1", variant=0, at=START, plan=None)]
    for one in (of.own, of.other):
        await met(database, one, units)
    await refresh_due(database)
    results = (await ask(INTERACTIONS, {"key": "own"}))["experiment"]["results"]
    assert results["interactions"] == []
    assert not {"INTERACTION", "SHARED_SPLIT"} & {check["kind"] for check in results["diagnostics"]["checks"]}


async def test_stranger_sees_nothing_of_it(
    database: Database, workspace: Workspace, attempt: Try, stranger: Caller
) -> None:
    await trial(database, workspace, planted=0.0)
    answer = await attempt(INTERACTIONS, {"key": "own"}, caller=stranger)
    assert answer["data"] == {"experiment": None}

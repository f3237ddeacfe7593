"""Any past moment, and planned looks as they were published."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from api.database import Database, driver
from experiments import queries
from experiments.enums import Policy
from experiments.inference import analysis
from experiments.inference.looks import Span
from experiments.life import amendments, moves, publishing, story
from experiments.life.amendments import PlanChange
from experiments.planning.plan import Plan
from experiments.tables import Experiment, PublishedLook
from tests.experiments.aggregating import MOMENT, START, Running, refresh, running, send
from tests.experiments.planning import plan
from tests.experiments.recomputation import DAY, Did, Exposed
from tests.experiments.registering import actor

LATE = timedelta(hours=3)


def rows_of(day: int) -> list[Exposed | Did]:
    """Forty units that enter on a day; some do something a day and five days later."""
    units = [(f"u{day}-{number}", number) for number in range(40)]
    entered = START + day * DAY + LATE
    met: list[Exposed | Did] = [Exposed(unit=unit, variant=number % 2, at=entered, plan=None) for unit, number in units]
    return met + [
        Did(unit=unit, event="did", at=entered + (1 + 4 * (number % 2)) * DAY, value=float(number))
        for unit, number in units
        if number % 3
    ]


async def results(database: Database, to: Running, as_of: datetime | None = None) -> analysis.Results | None:
    async with database.read() as session:
        experiment = (await queries.experiments_by_id(session, to.workspace.id, [to.experiment.id]))[to.experiment.id]
        return await analysis.results(session, await driver(session), experiment, as_of)


async def publish(database: Database, to: Running) -> list[date]:
    async with database.write() as session:
        return await publishing.publish_looks(
            session, await driver(session), workspace_id=to.workspace.id, experiment_id=to.experiment.id
        )


async def published(database: Database, to: Running) -> list[PublishedLook]:
    async with database.read() as session:
        return (await story.published_looks_of(session, [to.experiment.id]))[to.experiment.id]


def said(seen: analysis.Results | None) -> Any:
    """What there is to see, but for when it was computed."""
    assert seen is not None
    return seen.evaluation, seen.verdict, seen.plan, seen.data_through, seen.exposed, seen.span


async def test_results_as_of_each_past_midnight_are_those_that_were_to_be_seen_then(database: Database) -> None:
    to, seen = await running(database), {}
    for day in range(12):
        await send(database, to, rows_of(day))
        midnight = START + (day + 1) * DAY
        await refresh(database, to, midnight)
        seen[midnight] = said(await results(database, to))
    for midnight, then in seen.items():
        assert said(await results(database, to, midnight)) == then


async def test_results_before_the_start_or_the_first_refresh_are_none(database: Database) -> None:
    to = await running(database)
    assert await results(database, to, START + DAY) is None
    await refresh(database, to, START + DAY)
    assert await results(database, to, START - timedelta(seconds=1)) is None
    assert await results(database, to, START) is not None


async def test_results_as_of_before_an_amendment_follow_the_plan_in_force_then(database: Database) -> None:
    to = await running(database)
    await send(database, to, rows_of(0))
    await refresh(database, to, START + 10 * DAY)
    who = actor(to.experiment, START + 5 * DAY, reason="because")
    async with database.write() as session:
        await amendments.amend(session, actor=who, experiment_id=to.experiment.id, change=PlanChange(alpha=0.01))
    before, after = await results(database, to, START + 4 * DAY), await results(database, to, START + 6 * DAY)
    assert before is not None
    assert after is not None
    assert (before.plan.alpha, before.is_exploratory) == (0.05, False)
    assert (after.plan.alpha, after.is_exploratory) == (0.01, True)


async def test_stopped_experiment_shows_what_was_final_at_the_stop_whatever_comes_later(database: Database) -> None:
    to = await running(database)
    for day in range(10):
        await send(database, to, rows_of(day))
    await refresh(database, to, START + 9 * DAY)
    then = await results(database, to)
    async with database.write() as session:
        await moves.stop(session, actor=actor(to.experiment, START + 9 * DAY), experiment_id=to.experiment.id)
    await refresh(database, to, START + 40 * DAY)
    stopped = await results(database, to)
    assert then is not None
    assert stopped is not None
    assert stopped.data_through == then.data_through
    for before, after in zip(then.evaluation.findings, stopped.evaluation.findings, strict=True):
        assert (after.treatment.n, after.difference) == (before.treatment.n, before.difference)
        assert after.is_over


@pytest.mark.parametrize(
    ("frozen_at", "last"), [(4 * DAY - MOMENT, 3), (4 * DAY, 3), (4 * DAY + MOMENT, 4)], ids=["before", "at", "after"]
)
def test_freeze_at_midnight_ends_the_day_before_and_opens_none(frozen_at: timedelta, last: int) -> None:
    times: dict[str, Any] = {"started_at": START, "frozen_at": START + frozen_at, "stopped_at": None}
    span = analysis.span_at(Experiment(**times))
    assert span.frozen_on == START.date() + last * DAY
    # Who entered on that day is final when it and the window of 7 days are over.
    assert span.end(7, START.date()) == START.date() + (last + 1 + 7) * DAY


async def test_published_look_stays_as_it_was_when_late_rows_change_what_it_would_say_now(database: Database) -> None:
    to = await running(database)
    await send(database, to, rows_of(0))
    await refresh(database, to, START + 9 * DAY)
    assert await publish(database, to) == [START.date() + 7 * DAY]
    assert await publish(database, to) == []
    (first,) = await published(database, to)
    look_day = datetime.combine(first.planned_on, datetime.min.time(), UTC)
    told = json.loads(first.document)
    assert told["sampleRatio"]["arms"][0]["observed"] == 20
    standings = told["verdict"]["standings"]
    assert {(standing["state"], standing["rule"]) for standing in standings} == {(first.verdict, first.rule)}
    assert not any("payload" in standing["variant"] for standing in standings)  # the plan has it
    await send(database, to, [replace(row, unit=f"late-{row.unit}") for row in rows_of(1)])
    await refresh(database, to, START + 10 * DAY)
    now = await results(database, to, look_day)
    assert now is not None
    assert now.exposed == 80
    assert await publish(database, to) == []
    assert await published(database, to) == [first]
    assert hashlib.sha256(first.document.encode()).hexdigest() == first.document_hash
    assert (first.verdict, first.data_through) == ("KEEP_RUNNING", look_day)
    assert first.plan_hash == to.experiment.plan_hash


async def test_two_publishers_at_once_publish_once(database: Database) -> None:
    to = await running(database)
    await send(database, to, rows_of(0))
    await refresh(database, to, START + 30 * DAY)
    async with database.write() as session:
        connection = await driver(session)
        await publishing.publish_looks(
            session, connection, workspace_id=to.workspace.id, experiment_id=to.experiment.id
        )
    await publish(database, to)
    assert [look.planned_on for look in await published(database, to)] == [
        START.date() + days * DAY for days in (7, 14, 21, 28)
    ]


@pytest.mark.parametrize(
    ("of", "span", "through", "days"),
    [
        (plan(looks=4, horizon_days=16), Span(started_on=date(2026, 1, 1)), date(2026, 1, 9), [5, 9]),
        (plan(policy=Policy.FIXED, horizon_days=16), Span(started_on=date(2026, 1, 1)), date(2026, 1, 20), [17]),
        (plan(looks=4, horizon_days=16), Span(started_on=date(2026, 1, 1)), date(2026, 1, 4), []),
        (plan(looks=4, horizon_days=16, minimum_days=6), Span(started_on=date(2026, 1, 1)), date(2026, 1, 9), [9]),
        (
            plan(looks=2, horizon_days=16),
            Span(started_on=date(2026, 1, 1), frozen_on=date(2026, 1, 4), stopped_on=date(2026, 1, 6)),
            date(2026, 1, 30),
            [6],
        ),
    ],
)
def test_looks_are_due_when_their_day_has_come_and_the_last_when_measuring_ended(
    of: Plan, span: Span, through: date, days: list[int]
) -> None:
    assert publishing.due(of, span, through, set()) == [date(2026, 1, day) for day in days]
    assert publishing.due(of, span, through, {date(2026, 1, day) for day in days}) == []

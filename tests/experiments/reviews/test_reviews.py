"""Reviews: what they say of KPIs, experiments and what is to be done; and that a closed one never changes."""

import asyncio
import hashlib
import json
from datetime import date, timedelta
from pathlib import Path

import pytest
import rfc8785

from api.database import Database, driver
from api.jobs.reviews import open_reviews
from experiments.enums import Choice
from experiments.life import decisions, moves
from experiments.programme.reviews import queries, service
from experiments.programme.reviews.enums import ItemState, ReviewKind, ReviewState, Topic
from experiments.programme.reviews.figures import NO_HISTORY, NOT_FINAL
from experiments.programme.reviews.snapshot import from_document
from experiments.programme.reviews.tables import ActionItem, Review
from kpi import governance, workspaces
from kpi.enums import Tier
from kpi.errors import Invalid, NotFound
from kpi.history.entry import Entry
from kpi.kinds import Activation
from kpi.queries import all_kpis, latest_definitions
from kpi.tables import Workspace
from tests.api.trail.test_trail import rows as trail
from tests.experiments import registering
from tests.experiments.reviews.kpis import LAST_WEEK, MONDAY, NOW, TOLD_AS, aim, closed, opened, said, weekly, who
from tests.kpi.alerts.test_judging import FLOOR, given, shares, until, watch
from tests.kpi.history.rows import derive, send
from tests.kpi.registering import register_hypothesis, register_kpi
from tests.kpi.test_service import faults, other_workspace

WEEK = timedelta(weeks=1)


async def add(database: Database, workspace: Workspace, review: Review, **given: object) -> ActionItem:
    fields = {"text": "Call the ten", "owner": "Ada", "due_on": date(2026, 6, 30)} | given
    async with database.write() as session:
        return await service.add_item(session, actor=who(workspace), review_id=review.id, **fields)  # type: ignore[arg-type]  # as a test gives them


async def test_figure_is_of_the_week_with_its_change_its_baseline_and_its_target(
    database: Database, workspace: Workspace
) -> None:
    await weekly(database, workspace)
    await aim(database, workspace, "activation", 0.5, date(2026, 12, 31))
    (figure,) = (await said(database, await opened(database, workspace))).figures
    assert (figure.kpi, figure.owner, figure.start_on, figure.is_of_period) == ("activation", "Ada", LAST_WEEK, True)
    assert figure.n == 10
    assert figure.value == pytest.approx(0.2)
    assert figure.course.start_on == [MONDAY + week * WEEK for week in range(4)]
    assert figure.course.value == pytest.approx([0.4, 0.4, 0.4, 0.2])
    assert figure.change is not None
    assert figure.change.difference == pytest.approx(0.2 - 0.4)
    assert figure.baseline is not None
    assert figure.baseline.against == 0.4
    assert figure.baseline.difference == pytest.approx(-0.2)
    assert figure.target is not None
    assert figure.target.value == 0.5
    assert figure.target.difference == pytest.approx(0.2 - 0.5)
    assert not figure.target.is_met
    assert not figure.is_stale


async def test_figure_of_a_period_that_is_not_final_is_of_the_last_one_that_is(
    database: Database, workspace: Workspace
) -> None:
    await weekly(database, workspace)
    (figure,) = (await said(database, await opened(database, workspace, on=NOW.date()))).figures
    assert (figure.start_on, figure.is_of_period) == (LAST_WEEK, False)


async def test_kpis_without_values_say_why(database: Database, workspace: Workspace) -> None:
    await weekly(database, workspace)
    async with database.write() as session:
        await register_kpi(session, workspace, key="plain")
    early = await said(database, await opened(database, workspace, on=date(2026, 5, 20)))
    assert [(one.kpi, one.value, one.reason) for one in early.figures] == [
        ("activation", None, NOT_FINAL),
        ("plain", None, NO_HISTORY),
    ]


async def test_weekly_review_has_leading_kpis_and_a_monthly_one_all_by_tier(
    database: Database, workspace: Workspace
) -> None:
    async with database.write() as session:
        await register_kpi(session, workspace, key="nrr", is_leading=False, tier=Tier.LATE)
        await register_kpi(session, workspace, key="activation")
        await register_kpi(session, workspace, key="a-growth", tier=Tier.GROWTH)
    week = await said(database, await opened(database, workspace))
    month = await said(database, await opened(database, workspace, ReviewKind.MONTHLY))
    quarter = await opened(database, workspace, ReviewKind.QUARTERLY)
    assert [one.kpi for one in week.figures] == ["activation", "a-growth"]
    assert [one.kpi for one in month.figures] == ["activation", "a-growth", "nrr"]
    assert (month.from_on, month.to_on) == (date(2026, 6, 1), date(2026, 6, 30))
    assert (quarter.from_on, quarter.to_on) == (date(2026, 4, 1), date(2026, 6, 30))


async def test_agenda_has_what_fell_beyond_chance_targets_and_what_is_overdue_in_order(
    database: Database, workspace: Workspace
) -> None:
    await weekly(database, workspace, weekly=(400, 400, 400, 200), of=1_000)
    await aim(database, workspace, "activation", 0.5, date(2026, 6, 28))
    review = await opened(database, workspace)
    await add(database, workspace, review)
    await add(database, workspace, review, text="Not yet", due_on=date(2026, 7, 1))
    points = (await said(database, review)).points
    assert [point.topic for point in points] == [Topic.TARGET_MISSED, Topic.DRIFT, Topic.CHANGE, Topic.OVERDUE]
    assert points[0].sentence == "Activation is 20.0%; it was to be 50.0% by 2026-06-28."
    assert points[2].sentence == "Activation is 20.0%, worse than the 40.0% of the period before beyond chance."
    assert points[3].sentence == "“Call the ten” was due on 2026-06-30 and is open."


async def test_target_to_come_that_is_out_of_reach_is_at_risk_and_one_that_is_met_is_not(
    database: Database, workspace: Workspace
) -> None:
    await weekly(database, workspace, weekly=(200, 201, 199, 200), of=1_000, baseline=None)
    review = await opened(database, workspace)
    await aim(database, workspace, "activation", 0.5, date(2026, 7, 10))
    (point,) = (await said(database, review)).points
    assert (point.topic, point.kpi, point.owner) == (Topic.TARGET_AT_RISK, "activation", "Ada")
    await aim(database, workspace, "activation", 0.1, date(2026, 7, 10))
    assert (await said(database, review)).points == []


async def test_target_that_was_set_for_another_definition_says_so(database: Database, workspace: Workspace) -> None:
    definition = await weekly(database, workspace)
    await aim(database, workspace, "activation", 0.5, date(2026, 12, 31))
    async with database.write() as session:
        kind = Activation(event="activation-done", window_days=2)
        actor, entry = who(workspace), Entry(event="activation-began")
        await governance.redefine(session, actor=actor, kpi_id=definition.kpi_id, definition=kind, entry=entry)
        (newest,) = (await latest_definitions(session, [definition.kpi_id])).values()
    await derive(database, newest, NOW.date())
    review = await opened(database, workspace)
    (figure,) = (await said(database, review)).figures
    assert figure.value is not None
    assert figure.target is not None
    assert figure.target.is_of_other_definition
    (entry_of,) = (await said(database, review)).backlog
    assert "another version of its definition" in entry_of.reasons[0]


async def test_data_that_do_not_reach_the_end_of_the_period_are_on_the_agenda(
    database: Database, workspace: Workspace
) -> None:
    await weekly(database, workspace, baseline=None)
    week_ahead = await opened(database, workspace, on=NOW.date())
    (point,) = (await said(database, week_ahead)).points
    assert point.topic is Topic.STALE
    assert "2026-07-05" in point.sentence
    assert "2026-06-30" in point.sentence


async def test_experiment_is_waited_for_until_it_is_decided_and_then_is_among_the_decisions(
    database: Database, workspace: Workspace
) -> None:
    experiment = await registering.start(database, await registering.draft(database, workspace))
    async with database.write() as session:
        await moves.stop(session, actor=registering.actor(experiment), experiment_id=experiment.id)
    month = await opened(database, workspace, ReviewKind.MONTHLY, registering.LATER.date())
    before = await said(database, month)
    assert [(point.topic, point.experiment) for point in before.points] == [(Topic.DECISION, "shorter-form")]
    assert before.experiments == []
    async with database.write() as session:
        who_decides = registering.actor(experiment, reason="nothing came of it")
        connection = await driver(session)
        await decisions.decide(
            session, connection, actor=who_decides, experiment_id=experiment.id, choice=Choice.ABANDON
        )
    after = await said(database, month)
    assert after.points == []
    (decided,) = after.experiments
    assert (decided.experiment, decided.choice, decided.hypothesis, decided.by) == (
        "shorter-form",
        Choice.ABANDON,
        "A shorter form activates more",
        "ada",
    )
    next_month = await opened(database, workspace, ReviewKind.MONTHLY, date(2026, 5, 1))
    assert (await said(database, next_month)).experiments == []


async def test_alert_that_is_open_is_on_the_agenda_with_its_action_and_one_that_is_resolved_only_told(
    database: Database, workspace: Workspace
) -> None:
    definition = await shares(database, workspace, [6, 6, 2, 6])
    async with database.write() as session:
        (kpi,) = await all_kpis(session, workspace.id)
        kpi.action = "Call new sign-ups"
        session.add(kpi)
    await watch(database, workspace, definition, given(FLOOR))
    (raised,) = await until(database, definition, 3)
    week = await opened(database, workspace, on=raised.raised_at.date(), now=raised.raised_at)
    now = await said(database, week, raised.raised_at)
    (alarm,) = now.alarms
    assert (alarm.kpi, alarm.owner, alarm.action, alarm.resolved_at) == ("activation", "Ada", "Call new sign-ups", None)
    (point,) = (point for point in now.points if point.topic is Topic.ALERT)
    assert point.sentence == (
        "Activation: On 2026-05-06 it was 20.0%, below the limit of 30.0%. Then: Call new sign-ups"
    )
    await until(database, definition, 4)
    later = await said(database, week, raised.raised_at)
    assert [one.note for one in later.alarms] == ["It is back within its limits."]
    assert [point for point in later.points if point.topic is Topic.ALERT] == []
    before = await opened(database, workspace, on=LAST_WEEK)
    assert (await said(database, before)).alarms == []


async def test_opening_a_review_again_finds_it_with_what_is_written_in_it(
    database: Database, workspace: Workspace
) -> None:
    first = await opened(database, workspace)
    async with database.write() as session:
        await service.update(session, actor=who(workspace), review_id=first.id, given={"notes": "well", "agenda": None})
    again = await opened(database, workspace, on=LAST_WEEK + timedelta(days=3))
    assert (again.id, again.notes, again.agenda) == (first.id, "well", "")


async def test_review_of_a_period_to_come_and_one_that_is_not_over_are_refused(
    database: Database, workspace: Workspace
) -> None:
    with pytest.raises(Invalid) as caught:
        await opened(database, workspace, on=date(2026, 7, 6))
    assert faults(caught.value) == [("BAD_USER_INPUT", "on")]
    under_way = await opened(database, workspace, on=NOW.date())
    with pytest.raises(Invalid) as caught:
        await closed(database, workspace, under_way)
    assert faults(caught.value) == [("WRONG_STATE", "id")]


async def test_closed_review_never_changes_whatever_comes_later(database: Database, workspace: Workspace) -> None:
    definition = await weekly(database, workspace)
    await aim(database, workspace, "activation", 0.5, date(2026, 12, 31))
    draft = await opened(database, workspace)
    item = await add(database, workspace, draft)
    before = await said(database, draft)
    review = await closed(database, workspace, draft)
    assert review.snapshot_json is not None
    assert json.loads(review.snapshot_json) == review.snapshot
    assert rfc8785.dumps(review.snapshot).decode() == review.snapshot_json
    assert review.snapshot_hash == hashlib.sha256(review.snapshot_json.encode()).hexdigest()
    assert await said(database, review) == before

    late = [(f"late-{n}", event, "2026-06-22T09:00:00Z", None) for n in range(9) for event in EVENTS]
    await send(database, workspace, late)
    await derive(database, definition, NOW.date())
    await aim(database, workspace, "activation", 0.9, date(2026, 12, 31))
    async with database.write() as session:
        given = {"state": ItemState.DONE, "text": "Called them"}
        await service.update_item(session, actor=who(workspace), item_id=item.id, given=given)
    assert (await closed(database, workspace, review, NOW + WEEK)).closed_at == NOW
    async with database.read() as session:
        stored = (await queries.reviews_by_id(session, workspace.id, [review.id]))[review.id]
    assert stored == review
    assert await said(database, stored, NOW + WEEK) == before
    other = await said(database, await opened(database, workspace, ReviewKind.MONTHLY))
    assert other.figures[0].target is not None
    assert other.figures[0].target.value == 0.9


EVENTS = ("activation-began", "activation-done")


def test_review_that_was_closed_by_the_first_version_is_still_read() -> None:
    stored = json.loads(Path(__file__).with_name("closed.json").read_text(encoding="utf-8"))
    found = from_document(stored)
    assert [len(getattr(found, name)) for name in LISTS] == [1] * len(LISTS)
    assert (found.figures[0].value, found.backlog[0].weight.top, found.items[0].state) == (0.38, "nrr", ItemState.DONE)


LISTS = ("points", "figures", "alarms", "experiments", "shipped", "items", "backlog")


async def test_nothing_is_written_in_a_closed_review(database: Database, workspace: Workspace) -> None:
    review = await closed(database, workspace, await opened(database, workspace))
    assert review.state is ReviewState.CLOSED
    with pytest.raises(Invalid) as caught:
        await add(database, workspace, review)
    assert faults(caught.value) == [("WRONG_STATE", "id")]
    with pytest.raises(Invalid):
        async with database.write() as session:
            await service.update(session, actor=who(workspace), review_id=review.id, given={"notes": "more"})


async def test_closing_is_told_once(database: Database, workspace: Workspace) -> None:
    review = await opened(database, workspace)
    for _ in range(2):
        await closed(database, workspace, review)
    async with database.raw() as connection:
        told = await connection.fetch("SELECT type, data FROM notices WHERE workspace_id = $1", workspace.id)
    assert [row["type"] for row in told] == ["REVIEW_CLOSED"]
    assert told[0]["data"]["review"] == "weekly of 2026-06-22 to 2026-06-28"
    assert told[0]["data"]["reviewId"] == TOLD_AS


async def test_open_items_are_followed_up_in_the_next_review_until_they_are_done(
    database: Database, workspace: Workspace
) -> None:
    first, second = (await opened(database, workspace, on=LAST_WEEK - WEEK), await opened(database, workspace))
    item = await add(database, workspace, first, due_on=None)
    (seen,) = (await said(database, second)).items
    assert (seen.id, seen.text, seen.is_earlier, seen.from_on) == (item.id, "Call the ten", True, LAST_WEEK - WEEK)
    assert not seen.is_overdue
    assert [one.is_earlier for one in (await said(database, first)).items] == [False]
    async with database.write() as session:
        done = await service.update_item(
            session, actor=who(workspace), item_id=item.id, given={"state": ItemState.DONE, "note": "all ten"}
        )
    assert (done.done_at, done.note) == (NOW, "all ten")
    assert (await said(database, second)).items == []
    assert [one.state for one in (await said(database, first)).items] == [ItemState.DONE]


async def test_item_that_is_added_twice_is_one(database: Database, workspace: Workspace) -> None:
    async with database.write() as session:
        await register_kpi(session, workspace)
    review = await opened(database, workspace)
    first = await add(database, workspace, review, kpi="activation")
    assert (await add(database, workspace, review, kpi="activation")).id == first.id
    assert (await add(database, workspace, review)).id != first.id


async def test_faults_of_an_item_are_told_all_at_once(database: Database, workspace: Workspace) -> None:
    review = await opened(database, workspace)
    with pytest.raises(Invalid) as caught:
        await add(database, workspace, review, text=" ", owner="", kpi="nothing", experiment="nothing")
    assert faults(caught.value) == [
        ("BAD_USER_INPUT", "text"),
        ("BAD_USER_INPUT", "owner"),
        ("NOT_FOUND", "kpi"),
        ("NOT_FOUND", "experiment"),
        ("BAD_USER_INPUT", "experiment"),
    ]


async def test_review_of_another_workspace_is_not_there(database: Database, workspace: Workspace) -> None:
    review = await opened(database, workspace)
    item = await add(database, workspace, review)
    other = await other_workspace(database, workspace)
    with pytest.raises(NotFound):
        await closed(database, other, review)
    with pytest.raises(NotFound):
        async with database.write() as session:
            await service.update_item(session, actor=who(other), item_id=item.id, given={"note": "mine"})
    async with database.read() as session:
        assert await queries.reviews_by_id(session, other.id, [review.id]) == {}
        assert await queries.items_by_id(session, other.id, [item.id]) == {}


async def test_worker_opens_the_reviews_of_what_ended_once_and_where_they_are_wanted(
    database: Database, workspace: Workspace
) -> None:
    unwanted = await other_workspace(database, workspace)
    async with database.write() as session:
        await register_kpi(session, workspace)
        await register_kpi(session, unwanted)
        await workspaces.update(session, workspace_id=unwanted.id, given={"opens_reviews": False})
    made = set().union(*await asyncio.gather(open_reviews(database), open_reviews(database)))
    assert not made & set(await open_reviews(database))
    async with database.raw() as connection:
        stored = "SELECT id, kind, from_on, to_on, created_by, workspace_id FROM reviews WHERE workspace_id = ANY($1)"
        rows = await connection.fetch(stored, [workspace.id, unwanted.id])
        today = (await connection.fetchval("SELECT now() AT TIME ZONE 'utc'")).date()
    assert {row["workspace_id"] for row in rows} == {workspace.id}
    assert sorted(row["kind"] for row in rows) == ["MONTHLY", "QUARTERLY", "WEEKLY"]
    assert {row["id"] for row in rows} <= made
    assert all(row["created_by"] == "schedule" and row["to_on"] < today for row in rows)
    entries = await trail(database, workspace)
    assert {(entry["action"], entry["actor"], entry["node_type"]) for entry in entries} == {
        ("openReviews", "worker", "Review")
    }
    assert sorted(int(entry["node_id"]) for entry in entries) == sorted(row["id"] for row in rows)
    (week,) = (row for row in rows if row["kind"] == "WEEKLY")
    assert week["to_on"] == today - timedelta(days=today.weekday() + 1)


async def test_worker_opens_no_weekly_review_without_a_leading_kpi_and_none_of_a_time_before_the_kpis(
    database: Database, workspace: Workspace
) -> None:
    async with database.write() as session:
        await register_kpi(session, workspace, is_leading=False)
        opened_then = await service.due(session, registering.NOW)
        assert [one for one in opened_then if one.workspace_id == workspace.id] == []
        found = await service.due(session, NOW)
        assert [one.kind for one in found if one.workspace_id == workspace.id] == [
            ReviewKind.MONTHLY,
            ReviewKind.QUARTERLY,
        ]


async def test_hypotheses_need_no_kpi_of_their_own_to_leave_the_backlog_empty(
    database: Database, workspace: Workspace
) -> None:
    async with database.write() as session:
        await register_kpi(session, workspace)
        await register_hypothesis(session, workspace)
    assert (await said(database, await opened(database, workspace))).backlog == []

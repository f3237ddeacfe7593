"""Rules judged on real histories: what is raised, resolved and told, once however often somebody looks."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlmodel import select

from api.database import Database
from api.jobs.alerts import judge_alerts
from kpi import governance, queries
from kpi.actor import Actor
from kpi.alerts import judging, service
from kpi.alerts.conditions import BaselineDrift, Condition, DataStopped, TargetAtRisk, Threshold, Trend
from kpi.alerts.queries import rules_of
from kpi.alerts.service import RuleGiven
from kpi.alerts.tables import Alert, AlertRule
from kpi.enums import AlertState, Granularity, NoticeType, Severity, Side
from kpi.errors import Invalid, NotFound
from kpi.governance import Aim
from kpi.history.entry import Entry
from kpi.history.periods import DAY
from kpi.kinds import Activation
from kpi.service import BaselineValue
from kpi.tables import Definition, Notice, Workspace
from tests.kpi.history.rows import derive, kept, send
from tests.kpi.registering import BASELINE, register_kpi

FIRST = date(2026, 5, 4)
NOW = datetime(2026, 6, 1, 9, tzinfo=UTC)
FLOOR = Threshold(side=Side.BELOW, limit=0.3, clear=0.5)
ACTIVATION = Activation(event="activated", window_days=1)


def who(workspace: Workspace, reason: str | None = "watched since May") -> Actor:
    return Actor(workspace_id=workspace.id, name="ada", id="k1", now=NOW, reason=reason)


def given(condition: Condition, **changes: Any) -> RuleGiven:
    fields: dict[str, Any] = {
        "segment": "",
        "granularity": Granularity.DAY,
        "severity": Severity.WARNING,
        "is_enabled": True,
        "cooldown_days": 0,
    }
    return RuleGiven(condition=condition, **(fields | changes))


async def shares(database: Database, workspace: Workspace, found: Sequence[int]) -> Definition:
    """A KPI of ten users who enter a day, of whom so many activate within the hour."""
    rows = []
    for place, count in enumerate(found):
        day = FIRST + place * DAY
        for user in range(10):
            rows.append((f"u{place}-{user}", "signed_up", f"{day}T08:00:00Z", None))
            if user < count:
                rows.append((f"u{place}-{user}", "activated", f"{day}T09:00:00Z", None))
    await send(database, workspace, rows)
    return await kept(database, workspace, ACTIVATION, Entry(event="signed_up"))


async def watch(database: Database, workspace: Workspace, definition: Definition, *rules: RuleGiven) -> list[AlertRule]:
    async with database.write() as session:
        await service.set_rules(session, actor=who(workspace), kpi_id=definition.kpi_id, given=rules)
    async with database.read() as session:
        return (await rules_of(session, [definition.kpi_id]))[definition.kpi_id]


async def until(database: Database, definition: Definition, days: int) -> list[Alert]:
    """Let so many days be final, have the rules judged, and read the KPI's alerts, the oldest first."""
    await derive(database, definition, FIRST + (days + 1) * DAY)
    await judge_alerts(database)
    async with database.read() as session:
        mine = select(Alert).where(Alert.kpi_id == definition.kpi_id).order_by(Alert.id)  # type: ignore[arg-type]  # a column
        return list(await session.exec(mine))


async def told(database: Database, workspace: Workspace) -> list[tuple[NoticeType, dict[str, Any]]]:
    async with database.read() as session:
        rows = await session.exec(select(Notice).where(Notice.workspace_id == workspace.id).order_by(Notice.id))  # type: ignore[arg-type]  # a column
        return [(row.type, row.data) for row in rows if row.type is not NoticeType.KPI_CHANGED]


async def test_alert_is_raised_kept_while_in_between_resolved_and_raised_again(
    database: Database, workspace: Workspace
) -> None:
    definition = await shares(database, workspace, [6, 6, 2, 4, 5, 1, 1])
    await watch(database, workspace, definition, given(FLOOR))
    assert await until(database, definition, 2) == []
    (raised,) = await until(database, definition, 3)
    assert (raised.state, raised.value, raised.limit) == (AlertState.RAISED, 0.2, 0.3)
    assert (raised.start_on, raised.end_on) == (date(2026, 5, 6), date(2026, 5, 6))
    assert raised.sentence == "On 2026-05-06 it was 20.0%, below the limit of 30.0%."
    (kept_open,) = await until(database, definition, 4)
    assert (kept_open.id, kept_open.state) == (raised.id, AlertState.RAISED)
    (resolved,) = await until(database, definition, 5)
    assert (resolved.state, resolved.resolved_by) == (AlertState.RESOLVED, "rule")
    assert [alert.state for alert in await until(database, definition, 7)] == [AlertState.RESOLVED, AlertState.RAISED]
    said = {"kpi": "activation", "kind": "THRESHOLD", "severity": "WARNING", "path": "/kpis/activation"}
    assert await told(database, workspace) == [
        (NoticeType.ALERT_RAISED, said),
        (NoticeType.ALERT_RESOLVED, said),
        (NoticeType.ALERT_RAISED, said),
    ]


async def test_period_is_judged_once_however_often_and_by_however_many(
    database: Database, workspace: Workspace
) -> None:
    definition = await shares(database, workspace, [6, 2])
    await watch(database, workspace, definition, given(FLOOR))
    await derive(database, definition, FIRST + 3 * DAY)
    await asyncio.gather(*(judge_alerts(database) for _ in range(3)))
    (alert,) = await until(database, definition, 2)
    async with database.write() as session:
        await service.resolve(session, actor=who(workspace), alert_id=alert.id, note="a holiday")
    # The history is derived again, as by late rows: the day was judged, and what was said of it stays said.
    assert [one.state for one in await until(database, definition, 2)] == [AlertState.RESOLVED]


async def test_days_that_nobody_judged_are_judged_in_order_and_open_ones_wait(
    database: Database, workspace: Workspace
) -> None:
    definition = await shares(database, workspace, [6, 2, 6, 2])
    (rule,) = await watch(database, workspace, definition, given(FLOOR))
    await until(database, definition, 1)
    found = await until(database, definition, 4)
    assert [alert.start_on.day for alert in found] == [5, 7]
    async with database.read() as session:
        judged = await session.get_one(AlertRule, rule.id)
    assert judged.judged_through == date(2026, 5, 7)


async def test_rule_rests_after_its_alert_was_resolved(database: Database, workspace: Workspace) -> None:
    definition = await shares(database, workspace, [2, 6, 2])
    await watch(database, workspace, definition, given(FLOOR, cooldown_days=7))
    assert [alert.state for alert in await until(database, definition, 1)] == [AlertState.RAISED]
    assert [alert.state for alert in await until(database, definition, 3)] == [AlertState.RESOLVED]


async def test_disabled_rule_judges_nothing(database: Database, workspace: Workspace) -> None:
    definition = await shares(database, workspace, [2, 2])
    await watch(database, workspace, definition, given(FLOOR, is_enabled=False))
    assert await until(database, definition, 2) == []


async def test_rule_that_changes_judges_the_newest_period_anew_on_the_record(
    database: Database, workspace: Workspace
) -> None:
    definition = await shares(database, workspace, [6, 4])
    (rule,) = await watch(database, workspace, definition, given(FLOOR))
    assert await until(database, definition, 2) == []
    again = await watch(database, workspace, definition, given(FLOOR))
    assert [row.id for row in again] == [rule.id]  # sending it again is no second rule
    stricter = Threshold(side=Side.BELOW, limit=0.5)
    await watch(database, workspace, definition, given(stricter, rule_id=rule.id))
    await judge_alerts(database)
    (alert,) = await until(database, definition, 2)
    assert alert.limit == 0.5
    async with database.read() as session:
        changes = (await queries.changes_of(session, [definition.kpi_id]))[definition.kpi_id]
    assert [change.what for change in changes] == ["ALERTS", "ALERTS"]
    assert sorted(changes[0].changes, key=lambda change: str(change["path"])) == [
        {"path": f"alertRules.{rule.id}.clear", "before": 0.5, "after": None},
        {"path": f"alertRules.{rule.id}.limit", "before": 0.3, "after": 0.5},
    ]


async def test_removed_rule_judges_no_more_and_its_alert_is_resolved(database: Database, workspace: Workspace) -> None:
    definition = await shares(database, workspace, [2, 2])
    (rule,) = await watch(database, workspace, definition, given(FLOOR))
    await until(database, definition, 1)
    async with database.write() as session:
        await service.remove_rule(session, actor=who(workspace), rule_id=rule.id)
    (alert,) = await until(database, definition, 2)
    assert (alert.state, alert.resolved_by, alert.resolution) == (AlertState.RESOLVED, "ada", "Its rule was removed.")
    async with database.write() as session:
        with pytest.raises(NotFound):
            await service.remove_rule(session, actor=who(workspace), rule_id=rule.id)


async def test_alert_is_acknowledged_once_and_not_after_it_was_resolved(
    database: Database, workspace: Workspace
) -> None:
    definition = await shares(database, workspace, [2])
    await watch(database, workspace, definition, given(FLOOR))
    (alert,) = await until(database, definition, 1)
    for note in ("calling them", "again"):
        async with database.write() as session:
            found = await service.acknowledge(session, actor=who(workspace), alert_id=alert.id, note=note)
    assert (found.state, found.acknowledged_by, found.note) == (AlertState.ACKNOWLEDGED, "ada", "calling them")
    async with database.write() as session:
        await service.resolve(session, actor=who(workspace), alert_id=alert.id, note=None)
    async with database.write() as session:
        with pytest.raises(Invalid, match="is resolved"):
            await service.acknowledge(session, actor=who(workspace), alert_id=alert.id, note=None)


async def test_rows_that_stop_are_told_the_next_day(database: Database, workspace: Workspace) -> None:
    definition = await shares(database, workspace, [5])
    (rule,) = await watch(database, workspace, definition, given(DataStopped()))
    async with database.raw() as connection:
        await connection.execute(
            """INSERT INTO arrivals (event_id, arrived_on, n, late)
            SELECT e.id, $2::date + d, 100, 0 FROM events e, generate_series(0, 39) d WHERE workspace_id = $1""",
            workspace.id,
            FIRST,
        )
    assert await until(database, definition, 39) == []
    (alert,) = await until(database, definition, 40)
    assert (alert.start_on, alert.rule_id) == (FIRST + 40 * DAY, rule.id)
    assert "“activated” and “signed_up”" in alert.sentence


async def test_facts_are_the_newest_target_and_the_segments_own_baseline(
    database: Database, workspace: Workspace
) -> None:
    definition = await shares(database, workspace, [5])
    aim = Aim(value=0.6, due_on=date(2026, 12, 31), owner="Ada", approver="")
    async with database.write() as session:
        await governance.set_target(session, actor=who(workspace), kpi_id=definition.kpi_id, aim=aim)
        stated = BaselineValue(value=0.4, standard_error=0.02, to_on=date(2026, 4, 30))
        kpi = await governance.state_baseline(session, actor=who(workspace), kpi_id=definition.kpi_id, baseline=stated)
    async with database.read() as session:
        found = await judging.facts(session, kpi, definition, "")
        of_segment = await judging.facts(session, kpi, definition, "plan=pro")
    assert found.baseline is not None
    assert found.target is not None
    assert (found.baseline.value, found.baseline.until) == (0.4, date(2026, 4, 30))
    assert (found.target.value, found.target.due_on) == (0.6, date(2026, 12, 31))
    assert (of_segment.baseline, of_segment.target) == (None, None)


async def test_rule_that_cannot_judge_says_why(database: Database, workspace: Workspace) -> None:
    definition = await shares(database, workspace, [5, 5])
    rules = [given(Trend()), given(TargetAtRisk()), given(BaselineDrift(shift=0.03))]
    found = await watch(database, workspace, definition, *rules)
    assert await until(database, definition, 2) == []
    async with database.read() as session:
        said = [(await session.get_one(AlertRule, rule.id)).silence or "" for rule in found]
    assert "fewer than 5" in said[0]
    assert said[1] == "The KPI has no target."
    assert "Fewer than 12 periods" in said[2]
    assert BASELINE.to_on is None  # so it is a level up to the day it was stated


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
async def test_rule_whose_numbers_cannot_be_worked_out_holds_up_no_other(
    database: Database, workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    definition = await shares(database, workspace, [2])
    broken, _ = await watch(database, workspace, definition, given(FLOOR), given(Threshold(side=Side.BELOW, limit=0.4)))
    async with database.raw() as connection:
        await connection.execute(
            "UPDATE alert_rules SET parameters = parameters || '{\"run_length\": 0}' WHERE id = $1", broken.id
        )
    (alert,) = await until(database, definition, 1)
    assert alert.limit == 0.4
    async with database.read() as session:
        said = (await session.get_one(AlertRule, broken.id)).silence
    assert said == "It could not be worked out (ZeroDivisionError)."
    assert f"The alert rule {broken.id} cannot be judged" in caplog.text


async def test_every_fault_of_rules_is_told_at_once_and_nothing_is_stored(
    database: Database, workspace: Workspace
) -> None:
    definition = await shares(database, workspace, [5])
    rules = [
        given(Threshold(side=Side.BELOW, limit=3), cooldown_days=-1),
        given(DataStopped(), granularity=Granularity.WEEK, segment="plan=pro"),
        given(Trend(), rule_id=0),
    ]
    async with database.write() as session:
        with pytest.raises(Invalid) as refused:
            await service.set_rules(session, actor=who(workspace, reason=None), kpi_id=definition.kpi_id, given=rules)
    assert [problem.path for problem in refused.value.problems] == [
        ("reason",),
        ("rules", "0", "condition", "threshold", "limit"),
        ("rules", "0", "condition", "threshold", "clear"),
        ("rules", "0", "cooldownDays"),
        ("rules", "1", "granularity"),
        ("rules", "1", "segment"),
        ("rules", "1", "segment"),
        ("rules", "2", "id"),
    ]
    async with database.read() as session:
        assert await rules_of(session, [definition.kpi_id]) == {}


async def test_kpi_without_values_of_its_own_takes_no_rule(database: Database, workspace: Workspace) -> None:
    async with database.write() as session:
        kpi = await register_kpi(session, workspace)
        with pytest.raises(Invalid, match="whom it counts outside experiments"):
            await service.set_rules(session, actor=who(workspace), kpi_id=kpi.id, given=[given(FLOOR)])

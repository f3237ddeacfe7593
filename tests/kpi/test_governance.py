"""Changing what a KPI is: on the record, all faults at once, nothing lost, and what is pinned stays."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from api.database import Database
from kpi import governance, queries
from kpi.actor import Actor
from kpi.enums import Direction, Governed, Tier
from kpi.errors import Invalid, NotFound
from kpi.governance import Aim
from kpi.kinds import Activation, Mean, Retention, TimeToValue
from kpi.service import BaselineValue
from kpi.tables import Kpi, KpiChange, Target, Workspace
from tests.kpi.registering import BASELINE, NOW, register_kpi
from tests.kpi.test_service import faults, other_workspace

LATER = NOW + timedelta(days=1)
DUE = date(2026, 6, 30)
AIM = Aim(value=0.4, due_on=DUE, owner="Ada", approver="Grace")
NOTHING = Aim(value=None, due_on=None, owner="", approver="")


def who(workspace: Workspace, **changes: Any) -> Actor:
    fields: dict[str, Any] = {
        "workspace_id": workspace.id,
        "name": "ada",
        "id": "k1",
        "now": LATER,
        "reason": "the form is shorter",
    }
    return Actor(**(fields | {"reason": "the form is shorter"} | changes))


@pytest.fixture
async def kpi(database: Database, workspace: Workspace) -> Kpi:
    async with database.write() as session:
        return await register_kpi(session, workspace)


async def history(session: AsyncSession, kpi: Kpi) -> list[KpiChange]:
    return (await queries.changes_of(session, [kpi.id])).get(kpi.id, [])


async def targets(session: AsyncSession, kpi: Kpi) -> list[Target]:
    return (await queries.targets_of(session, [kpi.id])).get(kpi.id, [])


async def test_update_changes_what_is_given_and_says_who_when_and_why(
    database: Database, workspace: Workspace, kpi: Kpi
) -> None:
    given = {"owner": "Grace", "tier": Tier.GROWTH, "data_source": None}
    async with database.write() as session:
        changed = await governance.update(session, actor=who(workspace), kpi_id=kpi.id, given=given)
        (change,) = await history(session, kpi)
    assert (changed.owner, changed.tier, changed.data_source, changed.name) == ("Grace", "GROWTH", "", "Activation")
    assert (change.what, change.by, change.by_id, change.number) == (Governed.DETAILS, "ada", "k1", 1)
    assert (change.reason, change.created_at) == ("the form is shorter", LATER)
    assert {one["path"]: (one["before"], one["after"]) for one in change.changes} == {
        "owner": ("Ada", "Grace"),
        "tier": ("EARLY", "GROWTH"),
        "dataSource": ("product events", ""),
    }


async def test_a_change_that_changes_nothing_leaves_no_trace(
    database: Database, workspace: Workspace, kpi: Kpi
) -> None:
    actor, definition = who(workspace), Activation(event="activated", window_days=7)
    async with database.write() as session:
        await governance.update(session, actor=actor, kpi_id=kpi.id, given={"owner": "Ada"})
        await governance.redefine(session, actor=actor, kpi_id=kpi.id, definition=definition)
        await governance.state_baseline(session, actor=actor, kpi_id=kpi.id, baseline=BASELINE)
        await governance.set_target(session, actor=actor, kpi_id=kpi.id, aim=NOTHING)
        assert await history(session, kpi) == []
        assert await targets(session, kpi) == []
        (only,) = (await queries.definitions_of(session, [kpi.id]))[kpi.id]
    assert only.version == 1


async def test_redefine_makes_the_next_version_and_the_old_baseline_stays_with_the_old_one(
    database: Database, workspace: Workspace, kpi: Kpi
) -> None:
    longer = Activation(event="activated", window_days=14)
    async with database.write() as session:
        await governance.redefine(session, actor=who(workspace), kpi_id=kpi.id, definition=longer)
        newest, first = (await queries.definitions_of(session, [kpi.id]))[kpi.id]
        known = await queries.latest_baselines(session, [newest.id, first.id])
        (change,) = await history(session, kpi)
    assert (newest.version, newest.parameters, first.parameters["window_days"]) == (
        2,
        {"event": "activated", "window_days": 14},
        7,
    )
    assert list(known) == [first.id]
    assert change.what is Governed.DEFINITION
    assert change.changes == [{"path": "windowDays", "before": 7, "after": 14}]


async def test_redefine_to_another_kind_says_what_came_and_what_went(
    database: Database, workspace: Workspace, kpi: Kpi
) -> None:
    baseline = BaselineValue(value=0.2, standard_error=0.01, n=1600)
    async with database.write() as session:
        actor, definition = who(workspace), Retention(event="activated", day=7)
        await governance.redefine(session, actor=actor, kpi_id=kpi.id, definition=definition, baseline=baseline)
        newest = (await queries.latest_definitions(session, [kpi.id]))[kpi.id]
        stated = (await queries.latest_baselines(session, [newest.id]))[newest.id]
        (change,) = await history(session, kpi)
    assert (stated.version, stated.value) == (1, 0.2)
    assert {(one["path"], one["before"], one["after"]) for one in change.changes} == {
        ("kind", "activation", "retention"),
        ("windowDays", 7, None),
        ("day", None, 7),
    }


async def test_state_baseline_adds_a_version_to_the_newest_definition(
    database: Database, workspace: Workspace, kpi: Kpi
) -> None:
    baseline = BaselineValue(value=0.35, standard_error=0.005, n=8400, to_on=date(2026, 2, 28))
    async with database.write() as session:
        await governance.state_baseline(session, actor=who(workspace), kpi_id=kpi.id, baseline=baseline)
        definition = (await queries.latest_definitions(session, [kpi.id]))[kpi.id]
        first, second = (await queries.baselines_of(session, [definition.id]))[definition.id]
        (change,) = await history(session, kpi)
    assert (first.version, first.value, second.version, second.value) == (1, 0.3, 2, 0.35)
    assert change.changes == [
        {"path": "value", "before": 0.3, "after": 0.35},
        {"path": "toOn", "before": None, "after": "2026-02-28"},
    ]


async def test_target_is_set_moved_and_withdrawn_and_every_one_stays(
    database: Database, workspace: Workspace, kpi: Kpi
) -> None:
    actor = who(workspace)
    moved = Aim(value=0.45, due_on=DUE, owner="Ada", approver="Grace")
    async with database.write() as session:
        for aim in (AIM, moved, moved, NOTHING):
            await governance.set_target(session, actor=actor, kpi_id=kpi.id, aim=aim)
        found = await targets(session, kpi)
        changes = await history(session, kpi)
    assert [(target.version, target.value, target.due_on) for target in found] == [
        (3, None, None),
        (2, 0.45, DUE),
        (1, 0.4, DUE),
    ]
    assert [change.what for change in changes] == [Governed.TARGET] * 3
    assert [one["path"] for one in changes[2].changes] == ["value", "dueOn", "owner", "approver"]
    assert changes[1].changes == [{"path": "value", "before": 0.4, "after": 0.45}]


def test_no_text_is_as_good_as_none_and_zero_is_not() -> None:
    before: dict[str, Any] = {"value": None, "approver": None}
    assert list(governance.differences(before, {"value": 0.0, "approver": ""})) == [
        {"path": "value", "before": None, "after": 0.0}
    ]


@pytest.mark.parametrize(
    ("aim", "paths"),
    [
        (Aim(value=1.2, due_on=DUE, owner="Ada", approver=""), ["value"]),
        (Aim(value=40, due_on=DUE, owner=" ", approver=""), ["owner", "value"]),
        (Aim(value=float("nan"), due_on=DUE, owner="Ada", approver=""), ["value"]),
        (Aim(value=0.4, due_on=None, owner="Ada", approver=""), ["dueOn"]),
        (Aim(value=None, due_on=DUE, owner="Ada", approver=""), ["dueOn"]),
        (Aim(value=0.4, due_on=LATER.date(), owner="Ada", approver=""), ["dueOn"]),
    ],
)
async def test_target_that_cannot_be_is_refused_with_all_faults(
    database: Database, workspace: Workspace, kpi: Kpi, aim: Aim, paths: list[str]
) -> None:
    with pytest.raises(Invalid) as invalid:
        async with database.write() as session:
            await governance.set_target(session, actor=who(workspace, reason=" "), kpi_id=kpi.id, aim=aim)
    assert faults(invalid.value) == [("BAD_USER_INPUT", path) for path in ["reason", *paths]]
    async with database.read() as session:
        assert await targets(session, kpi) == []


async def test_target_of_days_ends_where_the_days_are_cut_and_an_amount_may_be_any(
    database: Database, workspace: Workspace
) -> None:
    actor = who(workspace)
    async with database.write() as session:
        days = await register_kpi(
            session, workspace, key="ttfv", definition=TimeToValue(event="done", tau_days=14), baseline=None
        )
        paid = await register_kpi(
            session, workspace, key="paid", definition=Mean(event="paid", window_days=30), baseline=None
        )
        aim = Aim(value=15, due_on=DUE, owner="Ada", approver="")
        with pytest.raises(Invalid, match="0 to 14"):
            await governance.set_target(session, actor=actor, kpi_id=days.id, aim=aim)
        await governance.set_target(session, actor=actor, kpi_id=paid.id, aim=aim)
        assert [target.value for target in await targets(session, paid)] == [15]


async def test_update_tells_all_faults_and_stores_nothing(database: Database, workspace: Workspace, kpi: Kpi) -> None:
    given = {"name": " ", "owner": None, "direction": None, "action": "x" * 5_000}
    with pytest.raises(Invalid) as invalid:
        async with database.write() as session:
            await governance.update(session, actor=who(workspace, reason=None), kpi_id=kpi.id, given=given)
    assert sorted(path for _, path in faults(invalid.value)) == ["action", "direction", "name", "owner", "reason"]
    async with database.read() as session:
        assert await history(session, kpi) == []
        stored = (await queries.kpis_by_key(session, workspace.id, ["activation"]))["activation"]
    assert (stored.name, stored.owner, stored.direction) == ("Activation", "Ada", Direction.HIGHER)


async def test_another_workspaces_kpi_is_not_found(database: Database, workspace: Workspace, kpi: Kpi) -> None:
    other = await other_workspace(database, workspace)
    with pytest.raises(NotFound):
        async with database.write() as session:
            await governance.set_target(session, actor=who(other), kpi_id=kpi.id, aim=AIM)


async def test_two_who_change_at_once_both_stand_in_the_history(
    database: Database, workspace: Workspace, kpi: Kpi
) -> None:
    async def change(number: int) -> None:
        async with database.write() as session:
            aim = Aim(value=number / 10, due_on=DUE, owner="Ada", approver="")
            actor = who(workspace, name=f"p{number}", now=datetime(2026, 4, number, tzinfo=UTC))
            await governance.set_target(session, actor=actor, kpi_id=kpi.id, aim=aim)

    await asyncio.gather(*map(change, range(1, 6)))
    async with database.read() as session:
        found, changes = await targets(session, kpi), await history(session, kpi)
    assert [target.version for target in found] == [5, 4, 3, 2, 1]
    assert sorted(change.by for change in changes) == ["p1", "p2", "p3", "p4", "p5"]
    # Each says of the one before what that one set.
    values = {target.version: target.value for target in found}
    said = {change.number: next(one for one in change.changes if one["path"] == "value") for change in changes}
    assert all(said[number]["before"] == values.get(number - 1) for number in said)

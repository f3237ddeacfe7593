"""Marking units at risk: exactly those of the list carry the trait, and it is on the KPI's record."""

from datetime import timedelta

import pytest

from api.database import Database, driver
from kpi import governance, workspaces
from kpi.actor import Actor
from kpi.enums import Governed
from kpi.errors import Invalid
from kpi.queries import changes_of, kpis_by_key
from kpi.risk import listing
from kpi.risk.marking import Marked
from kpi.risk.ranking import Rule
from kpi.tables import KpiChange, Workspace
from tests.kpi.history.rows import NOW, derive, describe, send
from tests.kpi.risk.accounts import THROUGH, acts, listed, ranked, scored


async def mark(
    database: Database, workspace: Workspace, rule: Rule, *, trait: str = "at_risk", day: int = 0, reason: str = "r"
) -> Marked:
    now = NOW + timedelta(days=day)
    actor = Actor(workspace_id=workspace.id, name="ada", id="k1", now=now, reason=reason)
    async with database.write() as session:
        kpi = (await kpis_by_key(session, workspace.id, ["health"]))["health"]
        _, found = await governance.mark_at_risk(
            session, await driver(session), actor=actor, kpi_id=kpi.id, rule=rule, trait=trait
        )
    return found


async def holders(database: Database, workspace: Workspace, units: list[str], day: int = 0) -> set[str]:
    async with database.read() as session:
        moment = NOW + timedelta(days=day)
        found = await listing.known(await driver(session), workspace.id, units, ["at_risk"], moment)
    return {unit for (unit, _), value in found.items() if value == "yes"}


async def changes(database: Database, workspace: Workspace) -> list[KpiChange]:
    async with database.read() as session:
        kpi = (await kpis_by_key(session, workspace.id, ["health"]))["health"]
        return (await changes_of(session, [kpi.id])).get(kpi.id, [])


ALL = ["ann", "ben", "cat", "dan"]


async def test_exactly_the_units_of_the_list_carry_the_mark_and_lose_it_when_they_are_off_it(
    database: Database, workspace: Workspace
) -> None:
    definition = await scored(database, workspace)
    assert await mark(database, workspace, Rule(worst=0.5)) == Marked(marked=2, kept=0, unmarked=0)
    assert await holders(database, workspace, ALL) == {"ben", "dan"}
    await send(database, workspace, acts("ben", 6, 0, 0) + acts("cat", 6, 0, 4))
    await derive(database, definition, THROUGH)
    assert await mark(database, workspace, Rule(below=-4), day=1) == Marked(marked=1, kept=1, unmarked=1)
    assert await holders(database, workspace, ALL, day=1) == {"ben", "cat"}
    assert await holders(database, workspace, ALL) == {"ben", "dan"}, "what was known of yesterday stays"


async def test_mark_is_on_the_record_once_and_a_retry_leaves_no_trace(database: Database, workspace: Workspace) -> None:
    await scored(database, workspace)
    await mark(database, workspace, Rule(worst=0.5), reason="save experiment")
    assert await mark(database, workspace, Rule(worst=0.5), day=1) == Marked(marked=0, kept=2, unmarked=0)
    (change,) = await changes(database, workspace)
    assert (change.what, change.by, change.reason) == (Governed.RISK, "ada", "save experiment")
    assert change.changes == [
        {"path": "units", "before": 0, "after": 2},
        {"path": "trait", "before": None, "after": "at_risk"},
        {"path": "worst", "before": None, "after": 0.5},
    ]


async def test_mark_of_hidden_units_is_of_what_they_are_stored_as(database: Database, workspace: Workspace) -> None:
    async with database.write() as session:
        await workspaces.update(session, workspace_id=workspace.id, given={"hashes_units": True})
    definition = await scored(database, workspace)
    units = [one.unit for one in await listed(database, await ranked(database, workspace, definition), Rule(worst=1))]
    assert not set(units) & set(ALL)
    await mark(database, workspace, Rule(worst=0.5))
    assert await holders(database, workspace, units) == set(units[:2])


async def test_trait_that_says_other_things_is_refused_and_left_as_it_was(
    database: Database, workspace: Workspace
) -> None:
    await scored(database, workspace)
    with pytest.raises(Invalid) as refused:
        await mark(database, workspace, Rule(worst=0.5), trait="plan")
    assert [problem.path for problem in refused.value.problems] == [("trait",)]
    async with database.read() as session:
        found = await listing.known(await driver(session), workspace.id, ALL, ["plan"], NOW)
    assert found == {("ann", "plan"): "pro", ("ben", "plan"): "pro"}
    assert await changes(database, workspace) == []


async def test_workspace_with_all_its_names_in_use_is_told_so(database: Database, workspace: Workspace) -> None:
    await scored(database, workspace)
    await describe(database, workspace, [("ann", f"trait-{number}", "x", None) for number in range(99)])
    with pytest.raises(Invalid, match="100 traits"):
        await mark(database, workspace, Rule(worst=0.5))


async def test_all_faults_are_told_at_once(database: Database, workspace: Workspace) -> None:
    await scored(database, workspace)
    with pytest.raises(Invalid) as refused:
        await mark(database, workspace, Rule(), trait="", reason=" ")
    assert [problem.path for problem in refused.value.problems] == [("reason",), ("worst",), ("trait",)]

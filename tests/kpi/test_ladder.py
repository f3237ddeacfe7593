"""Links of the ladder: on the record, all faults at once, no circle, and what is assumed stays what it is."""

import asyncio
from typing import Any

import pytest

from api.database import Database
from kpi import ladder, queries
from kpi.enums import LinkSource
from kpi.errors import Invalid
from kpi.ladder import Range
from kpi.tables import KpiLink, Workspace
from tests.kpi.registering import register_kpi
from tests.kpi.test_governance import LATER, who
from tests.kpi.test_service import faults, other_workspace

RANGE = Range(low=0.2, likely=0.5, high=1.1)


@pytest.fixture(autouse=True)
async def kpis(database: Database, workspace: Workspace) -> None:
    async with database.write() as session:
        for key in ("ttfv", "activation", "retention", "nrr"):
            await register_kpi(session, workspace, key=key)


async def assume(database: Database, workspace: Workspace, leading: str, lagging: str, **changes: Any) -> KpiLink:
    range_, actor = changes.pop("range_", RANGE), who(workspace, **changes)
    async with database.write() as session:
        return await ladder.assume(session, actor=actor, leading=leading, lagging=lagging, range_=range_)


async def withdraw(database: Database, workspace: Workspace, leading: str, lagging: str) -> KpiLink:
    async with database.write() as session:
        return await ladder.withdraw(session, actor=who(workspace), leading=leading, lagging=lagging)


async def newest(database: Database, workspace: Workspace) -> list[KpiLink]:
    async with database.read() as session:
        return await queries.newest_links(session, workspace.id)


async def test_assumption_is_kept_as_one_with_its_triangle(database: Database, workspace: Workspace) -> None:
    link = await assume(database, workspace, "activation", "retention")
    assert (link.source, link.version, link.low, link.likely, link.high) == (LinkSource.ASSUMPTION, 1, 0.2, 0.5, 1.1)
    assert link.elasticity == pytest.approx(0.6)  # (0.2 + 0.5 + 1.1) / 3
    assert link.standard_error == pytest.approx(((0.04 + 0.25 + 1.21 - 0.10 - 0.22 - 0.55) / 18) ** 0.5)
    assert (link.by, link.reason, link.created_at) == ("ada", "the form is shorter", LATER)


async def test_next_assumption_is_the_next_version_and_the_same_one_leaves_no_trace(
    database: Database, workspace: Workspace
) -> None:
    await assume(database, workspace, "activation", "retention")
    assert (await assume(database, workspace, "activation", "retention")).version == 1
    other = Range(low=0.1, likely=0.2, high=0.3)
    assert (await assume(database, workspace, "activation", "retention", range_=other)).version == 2
    (link,) = await newest(database, workspace)
    assert (link.version, link.likely) == (2, 0.2)


async def test_withdrawn_assumption_is_a_version_without_numbers(database: Database, workspace: Workspace) -> None:
    await assume(database, workspace, "activation", "retention")
    link = await withdraw(database, workspace, "activation", "retention")
    assert (link.version, link.elasticity, link.standard_error, link.low) == (2, None, None, None)
    assert (await withdraw(database, workspace, "activation", "retention")).version == 2
    assert (await assume(database, workspace, "activation", "retention")).version == 3


async def test_links_that_would_close_a_circle_are_refused(database: Database, workspace: Workspace) -> None:
    for pair in (("ttfv", "activation"), ("activation", "retention"), ("retention", "nrr"), ("ttfv", "nrr")):
        await assume(database, workspace, *pair)
    with pytest.raises(Invalid) as caught:
        await assume(database, workspace, "nrr", "ttfv")
    assert faults(caught.value) == [("BAD_USER_INPUT", "lagging")]
    assert len(await newest(database, workspace)) == 4


async def test_a_withdrawn_link_closes_no_circle(database: Database, workspace: Workspace) -> None:
    await assume(database, workspace, "activation", "retention")
    await withdraw(database, workspace, "activation", "retention")
    assert (await assume(database, workspace, "retention", "activation")).version == 1


async def test_links_made_at_once_close_no_circle(database: Database, workspace: Workspace) -> None:
    pairs = [("ttfv", "activation"), ("activation", "retention"), ("retention", "ttfv")]
    made = await asyncio.gather(*(assume(database, workspace, *pair) for pair in pairs), return_exceptions=True)
    assert sorted(type(one).__name__ for one in made) == ["Invalid", "KpiLink", "KpiLink"]


async def test_all_faults_are_told_at_once(database: Database, workspace: Workspace) -> None:
    wrong = Range(low=0.5, likely=0.2, high=200.0)
    with pytest.raises(Invalid) as caught:
        await assume(database, workspace, "nothing", "nothing", range_=wrong, reason=" ")
    assert faults(caught.value) == [
        ("BAD_USER_INPUT", "reason"),
        ("BAD_USER_INPUT", "high"),
        ("BAD_USER_INPUT", "likely"),
        ("NOT_FOUND", "leading"),
        ("NOT_FOUND", "lagging"),
        ("BAD_USER_INPUT", "lagging"),
    ]
    assert await newest(database, workspace) == []


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
async def test_what_is_no_number_is_refused(database: Database, workspace: Workspace, number: float) -> None:
    with pytest.raises(Invalid) as caught:
        await assume(database, workspace, "ttfv", "nrr", range_=Range(low=0.1, likely=0.2, high=number))
    assert faults(caught.value) == [("BAD_USER_INPUT", "high")]


async def test_withdrawing_what_was_never_assumed_is_refused(database: Database, workspace: Workspace) -> None:
    with pytest.raises(Invalid) as caught:
        await withdraw(database, workspace, "activation", "retention")
    assert faults(caught.value) == [("BAD_USER_INPUT", "lagging")]


async def test_links_of_another_workspace_are_neither_seen_nor_made(database: Database, workspace: Workspace) -> None:
    await assume(database, workspace, "activation", "retention")
    other = await other_workspace(database, workspace)
    assert await newest(database, other) == []
    with pytest.raises(Invalid) as caught:
        await assume(database, other, "activation", "retention")
    assert faults(caught.value) == [("NOT_FOUND", "leading"), ("NOT_FOUND", "lagging")]

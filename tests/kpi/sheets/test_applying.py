"""Making a workspace's KPIs what a file says, on a real Postgres."""

from dataclasses import replace
from datetime import date
from typing import Any

import msgspec
import pytest

from api.database import Database
from kpi import governance, queries
from kpi.actor import Actor
from kpi.errors import Invalid
from kpi.kinds import Activation
from kpi.sheets.applying import apply, workspace_kpis
from kpi.sheets.comparison import Fate, Step
from kpi.sheets.document import parse
from kpi.sheets.reading import read
from kpi.tables import KpiChange, Workspace
from tests.kpi.registering import NOW, register_kpi

FILE = """
kpis:
  - fromCatalogue: happiness
    owner: Ada
    definition:
      composite:
        components: [{kpi: sentiment, weight: 0.5}, {kpi: survey-happiness, weight: 0.5}]
  - {fromCatalogue: sentiment, owner: Ada}
  - {fromCatalogue: survey-happiness, owner: Ada}
  - key: activation
    name: Activation
    direction: HIGHER
    owner: Ada
    entry: {event: signed_up}
    definition: {activation: {event: activated, windowDays: 7}}
    target: {value: 0.45, dueOn: 2026-12-31, owner: Grace}
"""


def actor(workspace: Workspace, reason: str = "As reviewed") -> Actor:
    return Actor(workspace_id=workspace.id, name="ada", id="command", now=NOW, reason=reason)


async def applied(database: Database, workspace: Workspace, text: str, reason: str = "As reviewed") -> list[Step]:
    sheets, problems = read(parse(text).value)
    assert problems == []
    async with database.write() as session:
        return await apply(session, actor=actor(workspace, reason), sheets=sheets)


async def forms(database: Database, workspace: Workspace) -> list[dict[str, Any]]:
    async with database.read() as session:
        return [standing.form for standing in await workspace_kpis(session, workspace.id)]


async def history(database: Database, workspace: Workspace, key: str) -> list[KpiChange]:
    async with database.read() as session:
        kpi = (await queries.kpis_by_key(session, workspace.id, [key]))[key]
        return (await queries.changes_of(session, [kpi.id])).get(kpi.id, [])


def fates(steps: list[Step]) -> dict[str, Fate]:
    return {step.key: step.fate for step in steps}


async def test_apply_registers_what_is_new_components_before_their_composite(
    database: Database, workspace: Workspace
) -> None:
    steps = await applied(database, workspace, FILE)
    assert [step.key for step in steps] == ["happiness", "sentiment", "survey-happiness", "activation"]
    assert {step.fate for step in steps} == {Fate.NEW}
    found = {form["key"]: form for form in await forms(database, workspace)}
    parts = found["happiness"]["definition"]["composite"]["components"]
    assert [(part["kpi"], part["weight"]) for part in parts] == [("sentiment", 0.5), ("survey-happiness", 0.5)]
    assert found["activation"]["target"] == {"value": 0.45, "dueOn": "2026-12-31", "owner": "Grace"}
    assert found["activation"]["entry"] == {"event": "signed_up"}


async def test_apply_of_the_same_file_again_changes_nothing_and_leaves_no_trace(
    database: Database, workspace: Workspace
) -> None:
    await applied(database, workspace, FILE)
    before = {key: len(await history(database, workspace, key)) for key in ("happiness", "activation")}
    steps = await applied(database, workspace, FILE)
    assert {step.fate for step in steps} == {Fate.UNCHANGED}
    assert [step.changes for step in steps] == [()] * 4
    assert {key: len(await history(database, workspace, key)) for key in before} == before


async def test_apply_changes_what_is_different_with_who_and_why(database: Database, workspace: Workspace) -> None:
    await applied(database, workspace, FILE)
    text = FILE.replace("windowDays: 7", "windowDays: 14").replace("name: Activation", "name: Activated")
    steps = await applied(database, workspace, text.replace("value: 0.45", "value: 0.5"), "Two weeks are fairer")
    (step,) = [step for step in steps if step.fate is Fate.CHANGED]
    assert step.changes == (
        {"path": "name", "before": "Activation", "after": "Activated"},
        {"path": "definition.activation.windowDays", "before": 7, "after": 14},
        {"path": "target.value", "before": 0.45, "after": 0.5},
    )
    told = await history(database, workspace, "activation")
    assert [(change.what, change.by, change.reason) for change in told[:3]] == [
        (part, "ada", "Two weeks are fairer") for part in ("TARGET", "DEFINITION", "DETAILS")
    ]


async def test_a_kpi_that_is_applied_anew_begins_its_history_with_who_and_why(
    database: Database, workspace: Workspace
) -> None:
    await applied(database, workspace, FILE)
    first = (await history(database, workspace, "sentiment"))[-1]
    assert (first.number, first.by, first.by_id, first.reason) == (1, "ada", "command", "As reviewed")
    assert {"path": "owner", "before": None, "after": "Ada"} in first.changes


async def test_what_the_file_does_not_name_stays_and_is_told(database: Database, workspace: Workspace) -> None:
    async with database.write() as session:
        await register_kpi(session, workspace, key="older", definition=Activation(event="x", window_days=3))
    steps = await applied(database, workspace, FILE)
    assert fates(steps)["older"] is Fate.UNLISTED
    assert "older" in [form["key"] for form in await forms(database, workspace)]


async def test_what_a_file_does_not_say_of_entry_and_target_stays(database: Database, workspace: Workspace) -> None:
    await applied(database, workspace, FILE)
    lines = [line for line in FILE.splitlines() if "entry:" not in line and "target:" not in line]
    assert set(fates(await applied(database, workspace, "\n".join(lines))).values()) == {Fate.UNCHANGED}


async def test_one_fault_in_a_file_keeps_all_of_it_out_and_every_fault_is_told(
    database: Database, workspace: Workspace
) -> None:
    await applied(database, workspace, "kpis: [{fromCatalogue: sentiment, owner: Ada}]")
    text = FILE.replace("kpi: survey-happiness", "kpi: surveys").replace("2026-12-31", "2026-01-01")
    text = text.replace("fromCatalogue: sentiment,", "fromCatalogue: sentiment, unit: USER,")
    with pytest.raises(Invalid) as invalid:
        await applied(database, workspace, text)
    assert sorted(".".join(problem.path) for problem in invalid.value.problems) == [
        "kpis.0.definition.composite.components.1.kpi",
        "kpis.1.unit",
        "kpis.3.target.dueOn",
    ]
    assert [form["key"] for form in await forms(database, workspace)] == ["sentiment"]


async def test_a_workspace_written_out_and_read_again_is_unchanged(database: Database, workspace: Workspace) -> None:
    await applied(database, workspace, FILE)
    async with database.write() as session:
        kpi = await register_kpi(session, workspace, key="older", description="Two\nlines: “quoted”, yes #1")
        aim = governance.Aim(value=0.4, due_on=date(2026, 12, 1), owner="Ada", approver="Grace")
        await governance.set_target(session, actor=actor(workspace), kpi_id=kpi.id, aim=aim)
        await governance.set_target(
            session, actor=replace(actor(workspace), reason="No more"), kpi_id=kpi.id,
            aim=governance.Aim(value=None, due_on=None, owner="", approver=""),
        )  # fmt: skip
    written = await forms(database, workspace)
    text = msgspec.yaml.encode({"kpis": written}).decode()
    sheets, problems = read(parse(text).value)
    assert problems == []
    async with database.write() as session:
        steps = await apply(session, actor=actor(workspace), sheets=sheets)
    assert set(fates(steps).values()) == {Fate.UNCHANGED}
    assert len(steps) == 5

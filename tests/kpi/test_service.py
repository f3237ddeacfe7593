"""Registering KPIs and hypotheses: all faults at once, with their paths, and nothing stored."""

from datetime import date
from math import inf, nan
from typing import Any

import pytest

from api.database import Database
from kpi import queries
from kpi.errors import Code, Invalid
from kpi.kinds import Activation, Mean
from kpi.service import BaselineValue
from kpi.tables import Workspace
from tests.kpi.registering import BASELINE, NOW, register_hypothesis, register_kpi


def faults(invalid: Invalid) -> list[tuple[str, str]]:
    """Each problem's code and path."""
    return [(problem.code, ".".join(problem.path)) for problem in invalid.problems]


async def other_workspace(database: Database, workspace: Workspace) -> Workspace:
    async with database.write() as session:
        other = Workspace(key=f"{workspace.key}-other", name="other", created_at=NOW)
        session.add(other)
    return other


async def test_register_kpi_stores_it_with_its_first_definition_and_baseline(
    database: Database, workspace: Workspace
) -> None:
    definition = Mean(event="paid", window_days=30, cap=500)
    async with database.write() as session:
        kpi = await register_kpi(session, workspace, definition=definition)
    async with database.read() as session:
        assert await queries.kpis_by_key(session, workspace.id, ["activation"]) == {"activation": kpi}
        found = (await queries.latest_definitions(session, [kpi.id]))[kpi.id]
        baseline = (await queries.latest_baselines(session, [found.id]))[found.id]
    assert (found.version, found.kind) == (1, "mean")
    assert found.parameters == {"event": "paid", "window_days": 30, "of": "VALUE", "cap": 500}
    assert (baseline.version, baseline.value, baseline.standard_error, baseline.n) == (1, 0.3, 0.005, 8400)


async def test_register_kpi_without_a_baseline_has_none(database: Database, workspace: Workspace) -> None:
    async with database.write() as session:
        kpi = await register_kpi(session, workspace, baseline=None)
        found = (await queries.latest_definitions(session, [kpi.id]))[kpi.id]
        assert await queries.latest_baselines(session, [found.id]) == {}


async def test_register_kpi_with_many_faults_tells_them_all_and_stores_nothing(
    database: Database, workspace: Workspace
) -> None:
    with pytest.raises(Invalid) as invalid:
        async with database.write() as session:
            await register_kpi(
                session,
                workspace,
                key="Not A Key",
                name=" ",
                owner="",
                description="d" * 4001,
                action="\0",
                definition=Activation(event="", window_days=0),
                baseline=BaselineValue(
                    value=nan, standard_error=0, n=1, from_on=date(2026, 2, 1), to_on=date(2026, 1, 1)
                ),
            )
    assert faults(invalid.value) == [
        ("BAD_USER_INPUT", path)
        for path in [
            "key",
            "name",
            "description",
            "owner",
            "action",
            "definition.activation.event",
            "definition.activation.windowDays",
            "baseline.value",
            "baseline.standardError",
            "baseline.n",
            "baseline.toOn",
        ]
    ]
    async with database.read() as session:
        assert await queries.kpis_by_key(session, workspace.id, ["Not A Key"]) == {}


async def test_register_kpi_under_a_taken_key_is_refused(database: Database, workspace: Workspace) -> None:
    async with database.write() as session:
        await register_kpi(session, workspace)
    with pytest.raises(Invalid) as invalid:
        async with database.write() as session:
            await register_kpi(session, workspace, name="")
    assert faults(invalid.value) == [(Code.BAD_USER_INPUT, "name"), (Code.KEY_TAKEN, "key")]


async def test_register_kpi_under_another_workspaces_key_is_fine(database: Database, workspace: Workspace) -> None:
    other = await other_workspace(database, workspace)
    async with database.write() as session:
        await register_kpi(session, workspace)
        await register_kpi(session, other)


@pytest.mark.parametrize("key", ["a", "7", "time-to-value", "a" * 63, "a-"])
async def test_register_kpi_good_keys_pass(database: Database, workspace: Workspace, key: str) -> None:
    async with database.write() as session:
        assert (await register_kpi(session, workspace, key=key)).key == key


@pytest.mark.parametrize("key", ["", "-a", "A", "a_b", "a b", "ä", "a" * 64, "a\n", "a\0", "\ud800"])
async def test_register_kpi_bad_keys_are_refused(database: Database, workspace: Workspace, key: str) -> None:
    with pytest.raises(Invalid) as invalid:
        async with database.write() as session:
            await register_kpi(session, workspace, key=key)
    assert faults(invalid.value) == [("BAD_USER_INPUT", "key")]


@pytest.mark.parametrize(("value", "error"), [(inf, 0.1), (0.3, 0.0), (0.3, -1.0), (0.3, nan), (0.3, inf)])
async def test_register_kpi_baseline_without_a_sound_error_is_refused(
    database: Database, workspace: Workspace, value: float, error: float
) -> None:
    with pytest.raises(Invalid):
        async with database.write() as session:
            await register_kpi(session, workspace, baseline=BaselineValue(value=value, standard_error=error))


async def test_register_hypothesis_stores_it(database: Database, workspace: Workspace) -> None:
    async with database.write() as session:
        kpi = await register_kpi(session, workspace, baseline=BASELINE)
        hypothesis = await register_hypothesis(session, workspace)
    async with database.read() as session:
        found = await queries.hypotheses_by_key(session, workspace.id, ["shorter-form"])
    assert found == {"shorter-form": hypothesis}
    assert hypothesis.kpi_id == kpi.id


async def test_register_hypothesis_with_many_faults_tells_them_all(database: Database, workspace: Workspace) -> None:
    changes: dict[str, Any] = {"key": "", "title": "", "change": "", "owner": "", "expected_lift": 0, "kpi": "none"}
    with pytest.raises(Invalid) as invalid:
        async with database.write() as session:
            await register_hypothesis(session, workspace, **changes)
    assert faults(invalid.value) == [
        ("BAD_USER_INPUT", "key"),
        ("BAD_USER_INPUT", "title"),
        ("BAD_USER_INPUT", "change"),
        ("BAD_USER_INPUT", "owner"),
        ("BAD_USER_INPUT", "expectedLift"),
        ("NOT_FOUND", "kpi"),
    ]


async def test_register_hypothesis_on_another_workspaces_kpi_is_not_found(
    database: Database, workspace: Workspace
) -> None:
    other = await other_workspace(database, workspace)
    async with database.write() as session:
        await register_kpi(session, other)
    with pytest.raises(Invalid) as invalid:
        async with database.write() as session:
            await register_hypothesis(session, workspace)
    assert faults(invalid.value) == [("NOT_FOUND", "kpi")]


async def test_register_hypothesis_under_a_taken_key_is_refused(database: Database, workspace: Workspace) -> None:
    async with database.write() as session:
        await register_kpi(session, workspace)
        await register_hypothesis(session, workspace)
    with pytest.raises(Invalid) as invalid:
        async with database.write() as session:
            await register_hypothesis(session, workspace)
    assert faults(invalid.value) == [("KEY_TAKEN", "key")]


@pytest.mark.parametrize("kpi", ["a\0", "\ud800"])
async def test_register_hypothesis_on_a_key_that_is_no_text_is_not_found(
    database: Database, workspace: Workspace, kpi: str
) -> None:
    with pytest.raises(Invalid) as invalid:
        async with database.write() as session:
            await register_hypothesis(session, workspace, kpi=kpi)
    assert faults(invalid.value) == [("NOT_FOUND", "kpi")]

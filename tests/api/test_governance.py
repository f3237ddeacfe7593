"""Changing KPIs through GraphQL: who may, what is told, and what reads back."""

from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from api.auth.keys import Caller, Scope
from tests.api import documents
from tests.api.conftest import Try
from tests.conftest import Ask


@pytest_asyncio.fixture
async def kpi(ask: Ask) -> str:
    """A KPI's global id."""
    payload = (await ask(documents.KPI_REGISTER, {"input": documents.kpi()}))["kpiRegister"]
    found = (await ask("query Id($key: String!) { kpi(key: $key) { id } }", {"key": payload["kpi"]["key"]}))["kpi"]
    return str(found["id"])


async def changed(ask: Ask, verb: str, identity: str, **given: Any) -> dict[str, Any]:
    """What became of a change, and its faults."""
    payload = await ask(
        documents.KPI_CHANGE % {"verb": verb}, {"input": {"id": identity, "reason": "agreed in March"} | given}
    )
    return dict(payload[f"kpi{verb}"])


async def test_target_reads_back_and_withdrawing_it_keeps_it(ask: Ask, kpi: str) -> None:
    aim = {"value": 0.5, "dueOn": "2099-06-30", "owner": "Ada", "approver": "Grace"}
    target = (await changed(ask, "TargetSet", kpi, **aim))["kpi"]["target"]
    assert target == aim | {"version": 1, "by": "test", "reason": "agreed in March"}
    after = (await changed(ask, "TargetSet", kpi))["kpi"]
    assert after["target"] is None
    assert after["targets"] == [{"version": 2, "value": None}, {"version": 1, "value": 0.5}]
    assert [change["what"] for change in after["history"]] == ["TARGET", "TARGET"]


async def test_details_baseline_and_definition_change_on_the_record(ask: Ask, kpi: str) -> None:
    await changed(ask, "Update", kpi, owner="Grace", dataSource=None)
    await changed(ask, "BaselineState", kpi, baseline={"value": 0.4, "standardError": 0.01})
    definition = {"activation": {"event": "activated", "windowDays": 21}}
    after = (await changed(ask, "Redefine", kpi, definition=definition))["kpi"]
    assert (after["owner"], after["dataSource"], after["definitionVersion"]) == ("Grace", "", 2)
    assert after["baseline"] is None  # the old one says nothing of the new number
    assert [change["what"] for change in after["history"]] == ["DEFINITION", "BASELINE", "DETAILS"]
    windows = next(one for one in after["history"][0]["changes"] if one["path"] == "windowDays")
    assert windows["after"] == 21


@pytest.mark.parametrize(
    ("verb", "given", "paths"),
    [
        ("Update", {"reason": "", "owner": None}, [["reason"], ["owner"]]),
        ("TargetSet", {"value": 3, "dueOn": "2020-01-01"}, [["owner"], ["dueOn"], ["value"]]),
        ("TargetSet", {"value": 0.5, "dueOn": "9999-12-31", "owner": "Ada"}, [["dueOn"]]),
        ("BaselineState", {"baseline": {"value": 0.4, "standardError": 0}}, [["baseline", "standardError"]]),
        (
            "Redefine",
            {"definition": {"activation": {"event": "", "windowDays": 0}}},
            [["definition", "activation", "event"], ["definition", "activation", "windowDays"]],
        ),
    ],
)
async def test_all_faults_are_told_with_their_paths(
    ask: Ask, kpi: str, verb: str, given: dict[str, Any], paths: list[list[str]]
) -> None:
    payload = await changed(ask, verb, kpi, **given)
    assert payload["kpi"] is None
    assert [error["path"] for error in payload["userErrors"]] == paths


async def test_what_is_no_kpi_is_not_found(ask: Ask) -> None:
    payload = await changed(ask, "Update", "bm90aGluZw==", owner="Grace")
    assert [error["code"] for error in payload["userErrors"]] == ["NOT_FOUND"]


async def test_a_target_needs_the_scope_to_decide(attempt: Try, caller: Caller, kpi: str) -> None:
    aim = {"id": kpi, "reason": "r", "value": 0.5, "dueOn": "2099-06-30", "owner": "Ada"}
    editor = replace(caller, scopes=frozenset({Scope.READ, Scope.EDIT}))
    refused = await attempt(documents.KPI_CHANGE % {"verb": "TargetSet"}, {"input": aim}, caller=editor)
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"

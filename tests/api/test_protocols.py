"""Protocols through GraphQL: registered, changed in versions, followed by experiments, asked for by a workspace."""

import asyncio
import hashlib
import json
from typing import Any

import pytest_asyncio

from api.auth.keys import Caller
from tests.api import documents
from tests.api.conftest import Try
from tests.conftest import Ask

PLAN = """
query Plan($key: String!) { experiment(key: $key) { plan {
  kpis { role mde margin kpi { key } } alpha power policy looks horizonDays segmentAttributes
  protocol { version protocol { key } } hash canonicalJson
} } }
"""
PRIMARY = {"kpi": "activation", "role": "PRIMARY", "mde": {"difference": 0.05}}


@pytest_asyncio.fixture
async def believed(ask: Ask) -> str:
    """Two KPIs and a hypothesis; its key."""
    for key in ("activation", "tickets"):
        await ask(documents.KPI_REGISTER, {"input": documents.kpi(key)})
    await ask(documents.HYPOTHESIS_REGISTER, {"input": documents.hypothesis()})
    return "guidance-activates"


async def registered(ask: Ask, **changes: Any) -> dict[str, Any]:
    payload = (await ask(documents.PROTOCOL_REGISTER, {"input": documents.protocol(**changes)}))["protocolRegister"]
    assert payload["userErrors"] == []
    return dict(payload["protocol"])


async def updated(ask: Ask, identity: str, **given: Any) -> dict[str, Any]:
    return dict((await ask(documents.PROTOCOL_UPDATE, {"input": {"id": identity} | given}))["protocolUpdate"])


async def faults(ask: Ask, document: str, given: dict[str, Any]) -> list[tuple[str, list[str]]]:
    (payload,) = (await ask(document, {"input": given})).values()
    return [(error["code"], error["path"]) for error in payload["userErrors"]]


async def planned(ask: Ask, plan: dict[str, Any], key: str = "tour", **changes: Any) -> dict[str, Any]:
    given = documents.experiment(key, plan=plan, **changes)
    assert await faults(ask, documents.EXPERIMENT_REGISTER, given) == []
    return dict((await ask(PLAN, {"key": key}))["experiment"]["plan"])


async def test_protocol_reads_back_as_it_was_given(ask: Ask, believed: str) -> None:
    assert believed
    kpis = [
        {"kpi": "tickets", "role": "GUARDRAIL", "margin": 0.1},
        {"kpi": "activation", "role": "PRIMARY", "mde": {"lift": 0.1}, "isFixed": False},
    ]
    given = documents.protocol()
    grown = {"attribute": "age", "operator": "GTE", "values": [18]}
    given["plan"] |= {"correction": "HOLM", "targeting": [grown]}
    protocol = await registered(ask, plan=given["plan"] | {"kpis": kpis})
    latest = protocol["latest"]
    assert protocol["versions"] == [latest]
    assert (protocol["key"], latest["version"], latest["name"], latest["by"]) == ("careful", 1, "Careful", "test")
    assert latest["plan"] == given["plan"] | {
        "kpis": [
            {"kpi": {"key": "tickets"}, "role": "GUARDRAIL", "margin": 0.1, "mde": None, "isFixed": True},
            {
                "kpi": {"key": "activation"},
                "role": "PRIMARY",
                "margin": None,
                "mde": {"difference": None, "lift": 0.1},
                "isFixed": False,
            },
        ],
        "power": None,
        "segmentAttributes": None,
        "holdout": None,
    }
    document = "query One($id: ID!) { node(id: $id) { ... on Protocol { key } } protocols { nodes { key } } }"
    found = await ask(document, {"id": protocol["id"]})
    assert found == {"node": {"key": "careful"}, "protocols": {"nodes": [{"key": "careful"}]}}


async def test_faults_of_a_protocol_are_told_at_once_and_nothing_is_stored(ask: Ask, believed: str) -> None:
    assert believed
    plan = {
        "kpis": [{"kpi": "none", "role": "SECONDARY"}, {"kpi": "tickets", "role": "PRIMARY", "mde": {"lift": 0}}],
        "alpha": 0.9,
        "fixed": ["POWER"],
    }
    given = documents.protocol("No Key", name=" ", description="nul\0", plan=plan)
    assert sorted(await faults(ask, documents.PROTOCOL_REGISTER, given)) == [
        ("BAD_USER_INPUT", ["description"]),
        ("BAD_USER_INPUT", ["key"]),
        ("BAD_USER_INPUT", ["name"]),
        ("BAD_USER_INPUT", ["plan", "alpha"]),
        ("BAD_USER_INPUT", ["plan", "fixed", "0"]),
        ("BAD_USER_INPUT", ["plan", "kpis", "1", "mde"]),
        ("BAD_USER_INPUT", ["plan", "power"]),
        ("NOT_FOUND", ["plan", "kpis", "0", "kpi"]),
    ]
    assert (await ask("{ protocols { totalCount } }"))["protocols"]["totalCount"] == 0
    await registered(ask)
    assert await faults(ask, documents.PROTOCOL_REGISTER, documents.protocol()) == [("KEY_TAKEN", ["key"])]


async def test_update_makes_a_version_of_what_changes_and_none_of_what_does_not(ask: Ask, believed: str) -> None:
    assert believed
    first = await registered(ask)
    second = (await updated(ask, first["id"], plan={"alpha": 0.02, "horizonDays": None}))["protocol"]
    assert [version["version"] for version in second["versions"]] == [1, 2]
    assert second["versions"][0] == first["latest"]
    assert second["latest"]["plan"] == first["latest"]["plan"] | {"alpha": 0.02, "horizonDays": None}
    assert second["latest"]["name"] == "Careful"
    same = (await updated(ask, first["id"], plan={"alpha": 0.02}, name="Careful"))["protocol"]
    assert len(same["versions"]) == 2
    cleared = (await updated(ask, first["id"], description=None, plan=None))["protocol"]["latest"]
    nothing = dict.fromkeys(first["latest"]["plan"]) | {"kpis": [], "fixed": []}
    assert (cleared["version"], cleared["description"], cleared["plan"]) == (3, "", nothing)
    again = (await updated(ask, first["id"], description=None, plan=None))["protocol"]
    assert again["latest"] == cleared


async def test_updates_at_once_each_make_a_version(ask: Ask, believed: str) -> None:
    assert believed
    protocol = await registered(ask)
    await asyncio.gather(*(updated(ask, protocol["id"], name=f"Name {number}") for number in range(4)))
    versions = (await updated(ask, protocol["id"]))["protocol"]["versions"]
    assert [version["version"] for version in versions] == [1, 2, 3, 4, 5]
    assert {version["name"] for version in versions[1:]} == {f"Name {number}" for number in range(4)}


async def test_update_with_faults_makes_no_version(ask: Ask, believed: str) -> None:
    assert believed
    protocol = await registered(ask)
    given = {"id": protocol["id"], "name": None, "plan": {"alpha": None}}
    assert await faults(ask, documents.PROTOCOL_UPDATE, given) == [
        ("BAD_USER_INPUT", ["name"]),
        ("BAD_USER_INPUT", ["plan", "fixed", "0"]),
    ]
    assert (await updated(ask, protocol["id"]))["protocol"] == protocol


async def test_experiment_takes_from_its_protocol_what_it_leaves_out_and_records_the_version(
    ask: Ask, believed: str
) -> None:
    assert believed
    guard = {"kpi": "tickets", "role": "GUARDRAIL", "margin": 0.1}
    protocol = await registered(ask, plan=documents.protocol()["plan"] | {"kpis": [guard]})
    await updated(ask, protocol["id"], plan={"horizonDays": 28})
    plan = await planned(ask, {"kpis": [PRIMARY], "power": 0.9}, protocol="careful")
    assert [(kpi["kpi"]["key"], kpi["role"], kpi["margin"]) for kpi in plan["kpis"]] == [
        ("activation", "PRIMARY", None),
        ("tickets", "GUARDRAIL", 0.1),
    ]
    assert (plan["alpha"], plan["power"], plan["policy"], plan["horizonDays"]) == (0.01, 0.9, "FIXED", 28)
    assert plan["protocol"] == {"version": 2, "protocol": {"key": "careful"}}
    assert json.loads(plan["canonicalJson"])["protocol"] == {"key": "careful", "version": 2}
    await updated(ask, protocol["id"], plan={"alpha": 0.2})
    assert (await ask(PLAN, {"key": "tour"}))["experiment"]["plan"] == plan


async def test_plan_without_a_protocol_is_sealed_as_before_there_were_any(ask: Ask, believed: str) -> None:
    assert believed
    plan = await planned(ask, documents.plan())
    document = json.loads(plan["canonicalJson"])
    # The fields of a plan of the version before, and no other: its seal must not change.
    assert set(document) == {
        *("alpha", "change", "events", "experiment", "horizon_days", "hypothesis", "kind", "kpis", "looks"),
        *("policy", "power", "segment_attributes", "unit", "variants"),
    }
    assert plan["hash"] == hashlib.sha256(plan["canonicalJson"].encode()).hexdigest()
    assert plan["protocol"] is None


async def test_experiment_that_departs_is_refused_with_every_path(ask: Ask, believed: str) -> None:
    assert believed
    guard = {"kpi": "tickets", "role": "GUARDRAIL", "margin": 0.1}
    await registered(ask, plan=documents.protocol()["plan"] | {"kpis": [guard]})
    plan = {"kpis": [PRIMARY, guard | {"margin": 0.2}], "alpha": 0.05, "policy": "ALWAYS_VALID"}
    given = documents.experiment(protocol="careful", plan=plan, name=" ")
    assert await faults(ask, documents.EXPERIMENT_REGISTER, given) == [
        ("BAD_USER_INPUT", ["name"]),
        ("BAD_USER_INPUT", ["plan", "alpha"]),
        ("BAD_USER_INPUT", ["plan", "policy"]),
        ("BAD_USER_INPUT", ["plan", "kpis", "1", "margin"]),
    ]
    missing = documents.experiment(protocol="none", plan={"kpis": [PRIMARY]})
    assert await faults(ask, documents.EXPERIMENT_REGISTER, missing) == [
        ("NOT_FOUND", ["protocol"]),
        ("BAD_USER_INPUT", ["plan", "horizonDays"]),
    ]
    bare = documents.experiment(plan={})
    assert await faults(ask, documents.EXPERIMENT_REGISTER, bare) == [
        ("BAD_USER_INPUT", ["plan", "horizonDays"]),
        ("BAD_USER_INPUT", ["plan", "kpis"]),
    ]
    assert (await ask("{ experiments { totalCount } }"))["experiments"]["totalCount"] == 0


async def test_holdout_of_a_protocol_is_that_of_its_plans_and_has_to_be_there(ask: Ask, believed: str) -> None:
    assert believed
    fixed = documents.protocol(plan={"holdout": "everything", "fixed": ["HOLDOUT"]})
    at_its_place = [("NOT_FOUND", ["plan", "holdout"])]
    assert await faults(ask, documents.PROTOCOL_REGISTER, fixed) == at_its_place
    stated = documents.plan() | {"holdout": "everything"}
    assert await faults(ask, documents.EXPERIMENT_REGISTER, documents.experiment(plan=stated)) == at_its_place
    await planned(ask, documents.plan(), key="everything")
    protocol = await registered(ask, plan=fixed["plan"])
    assert protocol["latest"]["plan"]["holdout"] == "everything"
    await planned(ask, documents.plan(), protocol="careful")
    document = (
        '{ tour: experiment(key: "tour") { holdout { key } } all: experiment(key: "everything") { holdout { key } } }'
    )
    assert await ask(document) == {"tour": {"holdout": {"key": "everything"}}, "all": {"holdout": None}}


async def test_amended_plan_keeps_the_protocol_it_was_made_by(ask: Ask, believed: str) -> None:
    assert believed
    await registered(ask)
    await planned(ask, {"kpis": [PRIMARY]}, protocol="careful")
    identity = (await ask('{ experiment(key: "tour") { id } }'))["experiment"]["id"]
    await ask(documents.EXPERIMENT_START, {"input": {"id": identity}})
    change = {"id": identity, "reason": "A holiday", "plan": {"horizonDays": 30}}
    assert await faults(ask, documents.move("Amend"), change) == []
    plan = (await ask(PLAN, {"key": "tour"}))["experiment"]["plan"]
    assert (plan["horizonDays"], plan["protocol"]["version"]) == (30, 1)


async def test_workspace_may_ask_every_experiment_for_a_protocol(ask: Ask, believed: str) -> None:
    assert believed
    document = """mutation Update($input: WorkspaceUpdateInput!) { workspaceUpdate(input: $input) {
      workspace { requiresProtocol } userErrors { code path } } }"""
    assert await faults(ask, document, {"requiresProtocol": None}) == [("BAD_USER_INPUT", ["requiresProtocol"])]
    changed = (await ask(document, {"input": {"requiresProtocol": True}}))["workspaceUpdate"]
    assert changed == {"workspace": {"requiresProtocol": True}, "userErrors": []}
    given = documents.experiment(plan=documents.plan(alpha=0.00001))
    assert await faults(ask, documents.EXPERIMENT_REGISTER, given) == [
        ("BAD_USER_INPUT", ["protocol"]),
        ("BAD_USER_INPUT", ["plan", "alpha"]),
    ]
    await registered(ask, plan={})
    assert (await planned(ask, documents.plan(), protocol="careful"))["protocol"]["version"] == 1


async def test_stranger_neither_sees_changes_nor_follows_a_protocol(
    ask: Ask, attempt: Try, stranger: Caller, believed: str
) -> None:
    assert believed
    protocol = await registered(ask)
    document = 'query All($id: ID!) { node(id: $id) { id } protocol(key: "careful") { id } protocols { totalCount } }'
    seen = await attempt(document, {"id": protocol["id"]}, caller=stranger)
    assert seen["data"] == {"node": None, "protocol": None, "protocols": {"totalCount": 0}}
    for mutation, given, fault in (
        (documents.PROTOCOL_UPDATE, {"id": protocol["id"], "name": "mine"}, ("NOT_FOUND", ["id"])),
        (documents.EXPERIMENT_REGISTER, documents.experiment(protocol="careful"), ("NOT_FOUND", ["protocol"])),
    ):
        (payload,) = (await attempt(mutation, {"input": given}, caller=stranger))["data"].values()
        assert fault in [(error["code"], error["path"]) for error in payload["userErrors"]]
    assert (await updated(ask, protocol["id"]))["protocol"] == protocol

"""Who may do what: every root field asks for a scope, and another workspace does not exist."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from api.auth.keys import Caller, Scope
from api.auth.permissions import Needs
from api.auth.roles import SCOPES
from api.auth.tables import Role
from api.database import Database
from api.graphql.nodes import global_id
from api.graphql.schema import schema
from api.jobs.refresh import refresh_due
from kpi.wire import camel
from tests.api import documents
from tests.api.conftest import Try
from tests.conftest import Ask

ROOTS = ("Query", "Mutation")
NOBODYS = global_id("Experiment", 999_999_999)
ASKED: dict[str, tuple[Scope, str, dict[str, Any]]] = {
    "viewer": (Scope.READ, "{ viewer { workspace } }", {}),
    "rateLimit": (Scope.READ, "{ rateLimit { cost } }", {}),
    "node": (Scope.READ, "query Q($id: ID!) { node(id: $id) { id } }", {"id": NOBODYS}),
    "nodes": (Scope.READ, "query Q($id: ID!) { nodes(ids: [$id]) { id } }", {"id": NOBODYS}),
    "kpi": (Scope.READ, '{ kpi(key: "k") { id } }', {}),
    "kpis": (Scope.READ, "{ kpis { totalCount } }", {}),
    "kpiCatalogue": (Scope.READ, "{ kpiCatalogue { key } }", {}),
    "kpiLadder": (Scope.READ, "{ kpiLadder { steps { sentence } } }", {}),
    "hypothesis": (Scope.READ, '{ hypothesis(key: "h") { id } }', {}),
    "hypotheses": (Scope.READ, "{ hypotheses { totalCount } }", {}),
    "experiment": (Scope.READ, '{ experiment(key: "e") { id } }', {}),
    "experiments": (Scope.READ, "{ experiments { totalCount } }", {}),
    "experimentDesign": (
        Scope.READ,
        "query Q($input: ExperimentDesignInput!) { experimentDesign(input: $input) { units } }",
        {"input": {"kpis": []}},
    ),
    "job": (Scope.READ, "query Q($id: ID!) { job(id: $id) { id } }", {"id": NOBODYS}),
    "jobs": (Scope.READ, "{ jobs { totalCount } }", {}),
    "jobCancel": (Scope.INGEST, documents.JOB_CANCEL, {"input": {"id": NOBODYS}}),
    "kpiRegister": (Scope.EDIT, documents.KPI_REGISTER, {"input": documents.kpi()}),
    "hypothesisRegister": (Scope.EDIT, documents.HYPOTHESIS_REGISTER, {"input": documents.hypothesis()}),
    "experimentRegister": (Scope.EDIT, documents.EXPERIMENT_REGISTER, {"input": documents.experiment()}),
    "experimentStart": (Scope.EDIT, documents.EXPERIMENT_START, {"input": {"id": NOBODYS}}),
    "experimentRehearse": (Scope.EDIT, documents.EXPERIMENT_REHEARSE, {"input": {"id": NOBODYS}}),
    **{
        f"experiment{verb}": (Scope.EDIT, documents.move(verb), {"input": {"id": NOBODYS}})
        for verb in ("Pause", "Resume", "Freeze", "Stop", "Archive")
    },
    "experimentRamp": (Scope.EDIT, documents.move("Ramp"), {"input": {"id": NOBODYS, "traffic": 1}}),
    "experimentAmend": (Scope.EDIT, documents.move("Amend"), {"input": {"id": NOBODYS, "reason": "r", "plan": {}}}),
    "experimentDecide": (Scope.DECIDE, documents.move("Decide"), {"input": {"id": NOBODYS, "choice": "ABANDON"}}),
    "experimentDecisionApprove": (Scope.DECIDE, documents.move("DecisionApprove"), {"input": {"id": NOBODYS}}),
    "review": (Scope.READ, "query Q($id: ID!) { review(id: $id) { id } }", {"id": NOBODYS}),
    "reviews": (Scope.READ, "{ reviews { totalCount } }", {}),
    "actionItems": (Scope.READ, "{ actionItems { totalCount } }", {}),
    "backlog": (Scope.READ, "{ backlog { rank } }", {}),
    "reviewOpen": (Scope.EDIT, documents.review("Open"), {"input": {"kind": "WEEKLY", "on": "2026-06-01"}}),
    "reviewUpdate": (Scope.EDIT, documents.review("Update"), {"input": {"id": NOBODYS}}),
    "reviewClose": (Scope.EDIT, documents.review("Close"), {"input": {"id": NOBODYS}}),
    "actionItemAdd": (
        Scope.EDIT,
        documents.ACTION_ITEM % {"verb": "Add"},
        {"input": {"review": NOBODYS, "text": "t", "owner": "o"}},
    ),
    "actionItemUpdate": (Scope.EDIT, documents.ACTION_ITEM % {"verb": "Update"}, {"input": {"id": NOBODYS}}),
    "learnings": (Scope.READ, "{ learnings { totalCount } }", {}),
    "impact": (Scope.READ, "{ impact { fromOn } }", {}),
    "impactIf": (Scope.READ, '{ impactIf(kpi: "nothing", lift: 0.1) { lift } }', {}),
    "programme": (Scope.READ, "{ programme { started } }", {}),
    "protocol": (Scope.READ, '{ protocol(key: "p") { id } }', {}),
    "protocols": (Scope.READ, "{ protocols { totalCount } }", {}),
    "protocolRegister": (Scope.DECIDE, documents.PROTOCOL_REGISTER, {"input": documents.protocol()}),
    "protocolUpdate": (Scope.DECIDE, documents.PROTOCOL_UPDATE, {"input": {"id": NOBODYS}}),
    "search": (Scope.READ, '{ search(query: "tour") { totalCount } }', {}),
    "learningRecord": (Scope.EDIT, documents.LEARNING_RECORD, {"input": documents.learning()}),
    "learningUpdate": (Scope.EDIT, documents.LEARNING_UPDATE, {"input": {"id": NOBODYS}}),
    "kpiUpdate": (Scope.EDIT, documents.KPI_CHANGE % {"verb": "Update"}, {"input": {"id": "x", "reason": "r"}}),
    "kpiRedefine": (
        Scope.EDIT,
        documents.KPI_CHANGE % {"verb": "Redefine"},
        {"input": {"id": "x", "reason": "r", "definition": {"activation": {"event": "e", "windowDays": 7}}}},
    ),
    "kpiBaselineState": (
        Scope.EDIT,
        documents.KPI_CHANGE % {"verb": "BaselineState"},
        {"input": {"id": "x", "reason": "r", "baseline": {"value": 0.4, "standardError": 0.01}}},
    ),
    "kpiBaselineMeasure": (
        Scope.EDIT,
        documents.KPI_CHANGE % {"verb": "BaselineMeasure"},
        {"input": {"id": "x", "reason": "r", "fromOn": "2026-01-01", "toOn": "2026-01-31"}},
    ),
    "kpiBaselineSchedule": (
        Scope.EDIT,
        documents.KPI_CHANGE % {"verb": "BaselineSchedule"},
        {"input": {"id": "x", "reason": "r"}},
    ),
    "kpiRedefinePreview": (
        Scope.EDIT,
        documents.KPI_REDEFINE_PREVIEW,
        {"input": {"id": "x", "definition": {"activation": {"event": "e", "windowDays": 7}}}},
    ),
    "kpiTargetSet": (Scope.DECIDE, documents.KPI_CHANGE % {"verb": "TargetSet"}, {"input": {"id": "x", "reason": "r"}}),
    "kpiLinkAssume": (
        Scope.EDIT,
        documents.KPI_LINK % {"verb": "Assume"},
        {"input": {"leading": "a", "lagging": "b", "low": 0.1, "likely": 0.2, "high": 0.3, "reason": "r"}},
    ),
    "kpiLinkEstimate": (
        Scope.EDIT,
        "mutation E($input: KpiLinkEstimateInput!) { kpiLinkEstimate(input: $input) { userErrors { code } } }",
        {"input": {"leading": "a", "lagging": "b", "reason": "r"}},
    ),
    "kpiLinkWithdraw": (
        Scope.EDIT,
        documents.KPI_LINK % {"verb": "Withdraw"},
        {"input": {"leading": "a", "lagging": "b", "reason": "r"}},
    ),
    "kpiAtRiskMark": (Scope.DECIDE, documents.KPI_AT_RISK_MARK, {"input": {"id": "x", "worst": 0.1, "reason": "r"}}),
    "endpoints": (Scope.ADMIN, "{ endpoints { totalCount } }", {}),
    "deliveries": (Scope.ADMIN, "{ deliveries { totalCount } }", {}),
    "endpointRegister": (
        Scope.ADMIN,
        documents.endpoint("Register"),
        {"input": {"kind": "WEBHOOK", "address": "https://example.org/hook"}},
    ),
    **{
        f"endpoint{verb}": (Scope.ADMIN, documents.endpoint(verb), {"input": {"id": NOBODYS}})
        for verb in ("Update", "Rotate", "Remove", "Test")
    },
    "deliveryRedeliver": (Scope.ADMIN, documents.DELIVERY_REDELIVER, {"input": {"id": NOBODYS}}),
    "members": (Scope.ADMIN, "{ members { totalCount } }", {}),
    "apiKeys": (Scope.ADMIN, "{ apiKeys { totalCount } }", {}),
    "memberInvite": (
        Scope.ADMIN,
        documents.MEMBER % {"verb": "Invite"},
        {"input": {"email": "a@example.org", "name": "A", "role": "VIEWER"}},
    ),
    **{
        f"member{verb}": (Scope.ADMIN, documents.MEMBER % {"verb": verb}, {"input": {"id": NOBODYS}})
        for verb in ("Update", "Remove")
    },
    "apiKeyCreate": (Scope.ADMIN, documents.API_KEY % {"verb": "Create"}, {"input": {"name": "k", "scopes": []}}),
    **{
        f"apiKey{verb}": (Scope.ADMIN, documents.API_KEY % {"verb": verb}, {"input": {"id": NOBODYS}})
        for verb in ("Rotate", "Revoke")
    },
    "auditLog": (Scope.ADMIN, "{ auditLog { totalCount } }", {}),
    "auditVerify": (Scope.ADMIN, "{ auditVerify { firstBroken } }", {}),
    "alerts": (Scope.READ, "{ alerts { totalCount } }", {}),
    "alertRuleSet": (Scope.EDIT, documents.ALERT_RULE_SET, {"input": {"id": "x", "reason": "r", "rules": []}}),
    "alertRuleRemove": (Scope.EDIT, documents.ALERT_RULE_REMOVE, {"input": {"id": "x", "reason": "r"}}),
    "alertAcknowledge": (Scope.EDIT, documents.ALERT_ANSWER % {"verb": "Acknowledge"}, {"input": {"id": "x"}}),
    "alertResolve": (Scope.EDIT, documents.ALERT_ANSWER % {"verb": "Resolve"}, {"input": {"id": "x"}}),
    "annotationAdd": (
        Scope.EDIT,
        documents.ANNOTATION_ADD,
        {"input": {"kpi": "nothing", "notedOn": "2026-06-01", "text": "t"}},
    ),
    "annotationRemove": (Scope.EDIT, documents.ANNOTATION_REMOVE, {"input": {"id": "x"}}),
    "workspace": (Scope.READ, "{ workspace { key } }", {}),
    "workspaceUpdate": (Scope.ADMIN, documents.WORKSPACE_UPDATE, {"input": {}}),
    "unitForget": (Scope.ADMIN, documents.UNIT_FORGET, {"input": {"unit": "nobody"}}),
    "exposuresIngest": (Scope.INGEST, documents.EXPOSURES_INGEST, {"input": {"exposures": []}}),
    "rejections": (Scope.READ, "{ rejections { totalCount } }", {}),
    "rejectionsReplay": (Scope.INGEST, documents.REJECTIONS_REPLAY, {"input": {"ids": []}}),
    "membershipsIngest": (Scope.INGEST, documents.MEMBERSHIPS_INGEST, {"input": {"memberships": []}}),
    "outcomesIngest": (Scope.INGEST, documents.OUTCOMES_INGEST, {"input": {"outcomes": []}}),
    "traitsIngest": (Scope.INGEST, documents.TRAITS_INGEST, {"input": {"traits": []}}),
}
"""Every root field: the scope it needs, and a way to ask for it."""

BY_ROLE = {
    Role.VIEWER: "read",
    Role.EDITOR: "read edit",
    Role.REVIEWER: "read edit decide",
    Role.ADMIN: "read edit decide ingest admin schema:read evaluate",
}
"""What each role may do, as docs/people.md says it."""

EVERYTHING = """
{ kpis { nodes { ...I } } hypotheses { nodes { ...I } } experiments { nodes { ...I } } }
fragment I on Node { id }
"""


def root_fields() -> Iterator[Any]:
    for name in ROOTS:
        definition: Any = schema.get_type_by_name(name)
        yield from definition.fields


def test_every_root_field_asks_for_a_scope() -> None:
    fields = list(root_fields())
    assert len(fields) >= 16
    open_doors = [
        field.name for field in fields if not any(issubclass(rule, Needs) for rule in field.permission_classes)
    ]
    assert open_doors == []


def test_every_root_field_is_asked_for_in_the_tests_below() -> None:
    assert {field.graphql_name or camel(field.python_name) for field in root_fields()} == set(ASKED)


@pytest.mark.parametrize("role", Role)
async def test_member_may_do_what_the_scopes_of_their_role_say_and_no_more(
    attempt: Try, caller: Caller, role: Role
) -> None:
    """What else they may is what keys with these scopes may, as below."""
    assert SCOPES[role] == set(BY_ROLE[role].split())
    member = replace(caller, role=role, scopes=SCOPES[role])
    beyond = {field: asked for field, asked in ASKED.items() if asked[0] not in SCOPES[role]}
    assert bool(beyond) == (role is not Role.ADMIN)
    for field, (needed, document, variables) in beyond.items():
        answer = await attempt(document, variables, caller=member)
        told = [(error["extensions"]["code"], error["extensions"]["scope"]) for error in answer["errors"]]
        assert (field, told) == (field, [("FORBIDDEN", needed)])


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("field", ASKED)
async def test_key_with_one_scope_may_do_what_that_scope_says_and_no_more(
    attempt: Try, caller: Caller, field: str, scope: Scope
) -> None:
    needed, document, variables = ASKED[field]
    answer = await attempt(document, variables, caller=replace(caller, scopes=frozenset({scope})))
    codes = [error["extensions"]["code"] for error in answer["errors"]]
    assert codes == ([] if scope is needed else ["FORBIDDEN"])
    if scope is not needed:
        assert answer["errors"][0]["extensions"]["scope"] == needed
        assert not (answer["data"] or {}).get(field)


async def test_mutation_that_is_forbidden_does_nothing(attempt: Try, ask: Ask, caller: Caller) -> None:
    reader = replace(caller, scopes=frozenset({Scope.READ, Scope.INGEST}))
    await attempt(documents.KPI_REGISTER, {"input": documents.kpi()}, caller=reader)
    assert (await ask("{ kpis { totalCount } }"))["kpis"]["totalCount"] == 0


async def test_viewer_is_told_its_workspace_and_its_scopes(ask: Ask, caller: Caller) -> None:
    document = "{ viewer { workspace name role member { id } apiKey { name scopes } } }"
    assert (await ask(document))["viewer"] == {
        "workspace": caller.workspace,
        "name": "test",
        "role": None,
        "member": None,
        "apiKey": {"name": "test", "scopes": sorted(Scope)},
    }


@pytest.mark.parametrize("role", Role)
async def test_viewer_is_told_what_it_may_do_by_the_scopes_of_its_role(
    attempt: Try, caller: Caller, role: Role
) -> None:
    document = "{ viewer { permissions { canRead canEdit canDecide canIngest canAdminister canReadSchema } } }"
    answer = await attempt(document, caller=replace(caller, role=role, scopes=SCOPES[role]))
    names = {"read": "canRead", "edit": "canEdit", "decide": "canDecide", "ingest": "canIngest"}
    names |= {"admin": "canAdminister", "schema:read": "canReadSchema"}
    held = {name: scope in BY_ROLE[role].split() for scope, name in names.items()}
    assert answer["data"]["viewer"]["permissions"] == held


async def test_stranger_finds_nothing_by_key_by_id_or_in_a_list(
    ask: Ask, attempt: Try, stranger: Caller, started: str
) -> None:
    mine = await ask(EVERYTHING)
    ids = [node["id"] for connection in mine.values() for node in connection["nodes"]]
    assert started in ids
    assert len(ids) == 3
    document = """query All($ids: [ID!]!) {
      nodes(ids: $ids) { id } kpi(key: "activation") { id } hypothesis(key: "guidance-activates") { id }
      experiment(key: "guided-tour") { id }
      kpis { totalCount } hypotheses { totalCount } experiments { totalCount }
    }"""
    theirs = await attempt(document, {"ids": ids}, caller=stranger)
    nothing = {"totalCount": 0}
    assert theirs["errors"] == []
    assert theirs["data"] == {
        "nodes": [None] * 3,
        "kpi": None,
        "hypothesis": None,
        "experiment": None,
        "kpis": nothing,
        "hypotheses": nothing,
        "experiments": nothing,
    }


@pytest.mark.parametrize("document", [documents.EXPERIMENT_START, documents.EXPERIMENT_STOP])
async def test_stranger_cannot_move_an_experiment(
    ask: Ask, attempt: Try, stranger: Caller, drafted: str, document: str
) -> None:
    answer = await attempt(document, {"input": {"id": drafted}}, caller=stranger)
    (payload,) = answer["data"].values()
    assert [(error["code"], error["path"]) for error in payload["userErrors"]] == [("NOT_FOUND", ["id"])]
    assert (await ask('{ experiment(key: "guided-tour") { state } }'))["experiment"]["state"] == "DRAFT"


@pytest.mark.parametrize(
    ("document", "given", "path"),
    [
        (documents.HYPOTHESIS_REGISTER, documents.hypothesis(), ["kpi"]),
        (documents.EXPERIMENT_REGISTER, documents.experiment(), ["hypothesis"]),
        (documents.EXPERIMENT_REGISTER, documents.experiment(), ["plan", "kpis", "0", "kpi"]),
    ],
)
async def test_stranger_cannot_build_on_what_is_not_theirs(
    attempt: Try, stranger: Caller, started: str, document: str, given: dict[str, Any], path: list[str]
) -> None:
    assert started
    (payload,) = (await attempt(document, {"input": given}, caller=stranger))["data"].values()
    assert ("NOT_FOUND", path) in [(error["code"], error["path"]) for error in payload["userErrors"]]


async def test_stranger_may_use_the_same_keys(attempt: Try, stranger: Caller, started: str) -> None:
    assert started
    answer = await attempt(documents.KPI_REGISTER, {"input": documents.kpi()}, caller=stranger)
    assert answer["data"]["kpiRegister"]["userErrors"] == []


async def test_stranger_rows_never_reach_an_experiment_or_its_outcomes(
    database: Database, ask: Ask, attempt: Try, stranger: Caller, started: str
) -> None:
    assert started
    mine = documents.exposure("u1", "tour", "2026-06-02T00:00:00Z")
    await ask(documents.EXPOSURES_INGEST, {"input": {"exposures": [mine]}})
    theirs = mine | {"unit": "u2"}
    answer = await attempt(documents.EXPOSURES_INGEST, {"input": {"exposures": [theirs]}}, caller=stranger)
    (row,) = answer["data"]["exposuresIngest"]["report"]["rowErrors"]
    assert (row["code"], row["path"]) == ("UNKNOWN_EXPERIMENT", "experiment")
    outcome = documents.outcome("u1", "activated", "2026-06-03T00:00:00Z")
    answer = await attempt(documents.OUTCOMES_INGEST, {"input": {"outcomes": [outcome]}}, caller=stranger)
    assert answer["data"]["outcomesIngest"]["report"]["accepted"] == 1
    await refresh_due(database)
    found = (await ask(RESULTS))["experiment"]["results"]
    assert found["diagnostics"]["exposed"] == 1
    assert found["findings"][0]["treatment"] == {"n": 1, "value": 0.0}


RESULTS = """
{ experiment(key: "guided-tour") { results { diagnostics { exposed } findings { treatment { n value } } } } }
"""

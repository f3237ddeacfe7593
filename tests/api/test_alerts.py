"""Alerts through GraphQL: rules that are set and suggested, what is raised, answered, noted and heard."""

import asyncio
from contextlib import aclosing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from api.auth.keys import Caller, Scope
from api.database import Database
from api.graphql.nodes import global_id, local_id
from api.jobs.alerts import judge_alerts
from kpi.history.entry import Entry
from kpi.kinds import Activation
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import MakeKey, Try
from tests.api.servers import serving
from tests.api.test_subscriptions import after, events
from tests.api.trail.test_trail import rows as trail
from tests.conftest import Ask
from tests.kpi.history.rows import derive, kept, send
from tests.kpi.registering import BASELINE

DAY = date(2026, 6, 1)
FLOOR = {"condition": {"threshold": {"side": "BELOW", "limit": 0.3}}, "granularity": "DAY", "severity": "CRITICAL"}
ALERTS = """query Alerts($filter: AlertFilter) { alerts(filter: $filter) { totalCount nodes {
  id kind state severity segment granularity startOn endOn value limit sentence evidence raisedAt action owner path
  kpi { key alerts { totalCount } } rule { kind }
} } }"""
SUGGESTED = f"""{{ kpi(key: "activation") {{ alertRuleSuggestions {{
  kind {documents.CONDITION} granularity severity cooldownDays because
}} }} }}"""


@pytest_asyncio.fixture
async def kpi(database: Database, workspace: Workspace) -> str:
    """A KPI that ten users were measured by on a day, of whom two activated; its global id."""
    entered = [(f"u{place}", "signed_up", f"{DAY}T08:00:00Z", None) for place in range(10)]
    activated = [(f"u{place}", "activated", f"{DAY}T09:00:00Z", None) for place in range(2)]
    await send(database, workspace, entered + activated)
    definition = await kept(
        database,
        workspace,
        Activation(event="activated", window_days=1),
        Entry(event="signed_up"),
        action="Call the new accounts.",
    )
    await derive(database, definition, DAY + timedelta(days=2))
    return str(global_id("Kpi", definition.kpi_id))


async def set_rules(ask: Ask, kpi: str, *rules: dict[str, Any]) -> dict[str, Any]:
    given = {"id": kpi, "reason": "agreed in June", "rules": list(rules)}
    return dict((await ask(documents.ALERT_RULE_SET, {"input": given}))["alertRuleSet"])


@pytest_asyncio.fixture
async def raised(database: Database, ask: Ask, kpi: str) -> dict[str, Any]:
    """An alert that a rule raised on that day."""
    await set_rules(ask, kpi, FLOOR)
    await judge_alerts(database)
    (alert,) = (await ask(ALERTS))["alerts"]["nodes"]
    return dict(alert)


async def test_rule_reads_back_and_stands_on_the_record(ask: Ask, kpi: str) -> None:
    payload = await set_rules(ask, kpi, FLOOR)
    assert payload["userErrors"] == []
    (rule,) = payload["kpi"]["alertRules"]
    assert rule.pop("id")
    assert rule == {
        "kind": "THRESHOLD",
        "condition": {"side": "BELOW", "limit": 0.3, "clear": None, "runLength": None},
        "segment": "",
        "granularity": "DAY",
        "severity": "CRITICAL",
        "isEnabled": True,
        "cooldownDays": 0,
        "createdBy": "test",
        "lastJudgedOn": None,
        "silence": None,
    }
    (change,) = payload["kpi"]["history"]
    assert (change["what"], change["reason"]) == ("ALERTS", "agreed in June")
    assert {one["path"].rpartition(".")[2]: one["after"] for one in change["changes"]} == {
        "kind": "THRESHOLD",
        "granularity": "DAY",
        "severity": "CRITICAL",
        "isEnabled": True,
        "cooldownDays": 0,
        "side": "BELOW",
        "limit": 0.3,
    }


async def test_suggestions_fit_the_kpi_and_are_set_with_one_call(ask: Ask, kpi: str) -> None:
    suggested = (await ask(SUGGESTED))["kpi"]["alertRuleSuggestions"]
    assert [one["kind"] for one in suggested] == ["DATA_STOPPED", "TREND", "BASELINE_DRIFT", "THRESHOLD"]
    assert [one["granularity"] for one in suggested] == ["DAY"] * 4
    threshold = suggested[3]["condition"]
    # A tenth below the baseline, cleared when half of that is left.
    assert (threshold["side"], threshold["limit"]) == ("BELOW", pytest.approx(0.9 * BASELINE.value))
    assert threshold["clear"] == pytest.approx(0.95 * BASELINE.value)
    rules = [
        {"condition": {name(one["kind"]): one["condition"]}, "cooldownDays": one["cooldownDays"]} for one in suggested
    ]
    for _ in range(2):
        payload = await set_rules(ask, kpi, *rules)
        assert payload["userErrors"] == []
        assert [rule["kind"] for rule in payload["kpi"]["alertRules"]] == [one["kind"] for one in suggested]
        assert len(payload["kpi"]["history"]) == 1


def name(kind: str) -> str:
    head, *rest = kind.lower().split("_")
    return head + "".join(part.title() for part in rest)


async def test_faults_of_rules_are_told_with_their_paths(ask: Ask, kpi: str) -> None:
    wrong = {"condition": {"trend": {"runLength": 1}}, "segment": "plan=pro", "cooldownDays": 999, "id": kpi}
    payload = await set_rules(ask, kpi, FLOOR, wrong)
    assert payload["kpi"] is None
    assert [error["path"] for error in payload["userErrors"]] == [
        ["rules", "1", "condition", "trend", "runLength"],
        ["rules", "1", "id"],
        ["rules", "1", "cooldownDays"],
        ["rules", "1", "segment"],
    ]
    missing = await set_rules(ask, "nothing", FLOOR)
    assert [error["code"] for error in missing["userErrors"]] == ["NOT_FOUND"]


async def test_alert_carries_what_to_do_who_owns_it_and_where_to_look(raised: dict[str, Any]) -> None:
    assert raised["evidence"]["periods"] == {"startOn": ["2026-06-01"], "value": [0.2]}
    assert raised.pop("evidence")["n"] == 10
    assert raised.pop("id")
    assert datetime.fromisoformat(raised.pop("raisedAt")) <= datetime.now(UTC)
    assert raised == {
        "kind": "THRESHOLD",
        "state": "RAISED",
        "severity": "CRITICAL",
        "segment": "",
        "granularity": "DAY",
        "startOn": "2026-06-01",
        "endOn": "2026-06-01",
        "value": 0.2,
        "limit": 0.3,
        "sentence": "On 2026-06-01 it was 20.0%, below the limit of 30.0%.",
        "action": "Call the new accounts.",
        "owner": "Ada",
        "path": "/kpis/activation",
        "kpi": {"key": "activation", "alerts": {"totalCount": 1}},
        "rule": {"kind": "THRESHOLD"},
    }


async def test_alert_that_a_rule_raised_is_in_the_audit_trail_once_with_its_rule(
    database: Database, workspace: Workspace, raised: dict[str, Any]
) -> None:
    await judge_alerts(database)
    (entry,) = (one for one in await trail(database, workspace) if one["actor"] == "worker")
    assert (entry["action"], entry["node_type"]) == ("judgeAlerts", "AlertRule")
    assert entry["details"] == {"raised": [local_id("Alert", raised["id"])], "resolved": []}


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"state": {"eq": "RAISED"}}, 1),
        ({"state": {"in": ["RESOLVED"]}}, 0),
        ({"isOpen": True}, 1),
        ({"isOpen": False}, 0),
        ({"kpi": {"key": {"eq": "activation"}}}, 1),
        ({"kpi": {"key": {"eq": "another"}}}, 0),
    ],
)
@pytest.mark.usefixtures("raised")
async def test_alerts_are_found_by_state_and_kpi(ask: Ask, wanted: dict[str, Any], count: int) -> None:
    assert (await ask(ALERTS, {"filter": wanted}))["alerts"]["totalCount"] == count


async def test_alert_is_acknowledged_and_resolved_with_a_note(ask: Ask, raised: dict[str, Any]) -> None:
    given = {"id": raised["id"], "note": "Looking into it."}
    acknowledged = (await ask(documents.ALERT_ANSWER % {"verb": "Acknowledge"}, {"input": given}))["alertAcknowledge"]
    assert acknowledged == {
        "alert": {
            "id": raised["id"],
            "state": "ACKNOWLEDGED",
            "acknowledgedBy": "test",
            "note": "Looking into it.",
            "resolvedBy": None,
            "resolution": None,
        },
        "userErrors": [],
    }
    given = {"id": raised["id"], "note": "A holiday."}
    resolved = (await ask(documents.ALERT_ANSWER % {"verb": "Resolve"}, {"input": given}))["alertResolve"]["alert"]
    assert (resolved["state"], resolved["resolvedBy"], resolved["resolution"]) == ("RESOLVED", "test", "A holiday.")
    late = (await ask(documents.ALERT_ANSWER % {"verb": "Acknowledge"}, {"input": given}))["alertAcknowledge"]
    assert [error["code"] for error in late["userErrors"]] == ["WRONG_STATE"]


async def test_annotation_is_shown_with_the_kpi_until_it_is_taken_back(ask: Ask, raised: dict[str, Any]) -> None:
    given = {"kpi": "activation", "notedOn": "2026-06-01", "text": "The form was down.", "alert": raised["id"]}
    added = (await ask(documents.ANNOTATION_ADD, {"input": given}))["annotationAdd"]["annotation"]
    identity = added.pop("id")
    assert added == {
        "notedOn": "2026-06-01",
        "text": "The form was down.",
        "by": "test",
        "alert": {"sentence": raised["sentence"]},
    }
    shown = await ask('{ kpi(key: "activation") { annotations { id text } } }')
    assert shown["kpi"]["annotations"] == [{"id": identity, "text": "The form was down."}]
    taken = (await ask(documents.ANNOTATION_REMOVE, {"input": {"id": identity}}))["annotationRemove"]
    assert taken == {"kpi": {"annotations": []}, "userErrors": []}


async def test_faults_of_an_annotation_are_told_at_once(ask: Ask) -> None:
    given = {"kpi": "nothing", "notedOn": "2026-06-01", "text": " ", "alert": "nothing"}
    payload = (await ask(documents.ANNOTATION_ADD, {"input": given}))["annotationAdd"]
    assert sorted(error["path"] for error in payload["userErrors"]) == [["alert"], ["kpi"], ["text"]]


async def test_another_workspace_sees_and_changes_nothing(
    ask: Ask, attempt: Try, stranger: Caller, kpi: str, raised: dict[str, Any]
) -> None:
    rule = (await ask('{ kpi(key: "activation") { alertRules { id } } }'))["kpi"]["alertRules"][0]["id"]
    assert (await attempt(ALERTS, caller=stranger))["data"]["alerts"]["totalCount"] == 0
    asked = [
        (documents.ALERT_ANSWER % {"verb": "Resolve"}, {"id": raised["id"]}),
        (documents.ALERT_RULE_REMOVE, {"id": rule, "reason": "r"}),
        (documents.ALERT_RULE_SET, {"id": kpi, "reason": "r", "rules": [FLOOR]}),
    ]
    for document, given in asked:
        found = (await attempt(document, {"input": given}, caller=stranger))["data"]
        (payload,) = found.values()
        assert [error["code"] for error in payload["userErrors"]] == ["NOT_FOUND"]
    assert (await ask(ALERTS, {"filter": {"isOpen": True}}))["alerts"]["totalCount"] == 1


async def test_subscriber_hears_each_new_alert_and_none_from_before(
    database: Database, database_url: str, make_key: MakeKey, ask: Ask, kpi: str, raised: dict[str, Any]
) -> None:
    key, document = await make_key(Scope.READ), "subscription { alertRaised { alert { id } } }"
    async with serving(database_url) as client, aclosing(events(client, key, document, "")) as stream:
        upcoming = asyncio.ensure_future(after(stream))
        for percent in range(31, 60):  # the first of them may come before anybody listens
            await set_rules(ask, kpi, {"condition": {"threshold": {"side": "BELOW", "limit": percent / 100}}})
            await judge_alerts(database)
            await asyncio.wait({upcoming}, timeout=1)
            if upcoming.done():
                break
        _, told = await upcoming
    every = [alert["id"] for alert in (await ask(ALERTS))["alerts"]["nodes"]]
    assert told["data"]["alertRaised"]["alert"]["id"] == every[0]
    assert raised["id"] == every[-1]


@pytest.mark.usefixtures("raised")
async def test_ladder_shows_how_many_alerts_of_a_kpi_are_open(ask: Ask) -> None:
    await ask(documents.KPI_REGISTER, {"input": documents.kpi("retention")})
    link = {
        "leading": "activation",
        "lagging": "retention",
        "low": 0.1,
        "likely": 0.2,
        "high": 0.3,
        "reason": "a guess",
    }
    await ask(documents.KPI_LINK % {"verb": "Assume"}, {"input": link})
    rungs = (await ask("{ kpiLadder { rungs { kpi { key } openAlerts } } }"))["kpiLadder"]["rungs"]
    assert {rung["kpi"]["key"]: rung["openAlerts"] for rung in rungs} == {"activation": 1, "retention": 0}

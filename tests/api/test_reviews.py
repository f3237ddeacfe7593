"""Reviews through GraphQL: opened, written in, closed, with what is to be done; and the backlog."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api.auth.keys import Caller
from api.database import Database
from api.jobs.refresh import refresh_due
from tests.api import documents
from tests.api.conftest import Try
from tests.conftest import Ask

NOW = datetime(2026, 7, 1, 9, tzinfo=UTC)
WEEK = {"kind": "WEEKLY", "on": "2026-06-24"}
ITEM = {"text": "Call the ten", "owner": "Ada", "dueOn": "2026-06-30", "kpi": "activation"}


async def review(ask: Ask, verb: str, **given: Any) -> dict[str, Any]:
    return dict((await ask(documents.review(verb), {"input": given}, now=NOW))[f"review{verb}"])


async def item(ask: Ask, verb: str, **given: Any) -> dict[str, Any]:
    document = documents.ACTION_ITEM % {"verb": verb}
    return dict((await ask(document, {"input": given}, now=NOW))[f"actionItem{verb}"])


async def test_review_is_opened_written_in_and_closed_with_its_hash(ask: Ask) -> None:
    await ask(documents.KPI_REGISTER, {"input": documents.kpi()})
    opened = (await review(ask, "Open", **WEEK))["review"]
    assert (opened["fromOn"], opened["toOn"], opened["state"]) == ("2026-06-22", "2026-06-28", "DRAFT")
    assert opened["snapshot"]["figures"][0]["kpi"] == "activation"
    written = (await review(ask, "Update", id=opened["id"], notes="well", decisions="go on"))["review"]
    assert (written["notes"], written["decisions"], written["agenda"]) == ("well", "go on", "")
    added = (await item(ask, "Add", review=opened["id"], **ITEM))["actionItem"]
    assert added["review"] == {"id": opened["id"]}
    assert added["kpi"] == {"key": "activation"}
    closed = (await review(ask, "Close", id=opened["id"]))["review"]
    assert (closed["state"], closed["closedBy"], len(closed["snapshotHash"])) == ("CLOSED", "test", 64)
    assert [one["actionItem"] for one in closed["snapshot"]["items"]] == [{"id": added["id"]}]
    done = (await item(ask, "Update", id=added["id"], state="DONE", note="all ten"))["actionItem"]
    assert (done["state"], done["note"], done["doneAt"]) == ("DONE", "all ten", "2026-07-01T09:00:00+00:00")
    later = datetime(2026, 9, 1, tzinfo=UTC)
    assert (await ask(documents.REVIEW_READ, {"id": opened["id"]}, now=later))["review"] == closed


async def test_closed_review_refuses_what_would_change_it(ask: Ask) -> None:
    opened = (await review(ask, "Open", **WEEK))["review"]
    await review(ask, "Close", id=opened["id"])
    for refused in (
        await review(ask, "Update", id=opened["id"], notes="more"),
        await item(ask, "Add", review=opened["id"], text="t", owner="o"),
    ):
        assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [("WRONG_STATE", ["id"])]


@pytest.mark.parametrize("on", ["2026-07-06", "1989-12-31", "0001-01-01", "9999-12-31"])
async def test_review_of_a_time_that_has_no_rows_is_not_opened(ask: Ask, on: str) -> None:
    refused = await review(ask, "Open", kind="WEEKLY", on=on)
    assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [("BAD_USER_INPUT", ["on"])]


async def test_reviews_are_listed_by_kind_and_state_newest_first(ask: Ask) -> None:
    week = (await review(ask, "Open", **WEEK))["review"]["id"]
    month = (await review(ask, "Open", **WEEK | {"kind": "MONTHLY"}))["review"]["id"]
    document = "query R($filter: ReviewFilter) { reviews(filter: $filter) { totalCount nodes { id } } }"

    async def listed(**filter_: Any) -> list[str]:
        found = (await ask(document, {"filter": filter_}))["reviews"]
        return [node["id"] for node in found["nodes"]]

    assert await listed() == [month, week]
    assert await listed(kind={"eq": "WEEKLY"}) == [week]
    assert await listed(state={"in": ["CLOSED"]}) == []


async def test_stranger_sees_no_review_and_no_item_and_changes_none(ask: Ask, attempt: Try, stranger: Caller) -> None:
    opened = (await review(ask, "Open", **WEEK))["review"]["id"]
    added = (await item(ask, "Add", review=opened, text="t", owner="o"))["actionItem"]["id"]
    document = "query S($ids: [ID!]!, $id: ID!) { nodes(ids: $ids) { id } review(id: $id) { id } }"
    seen = await attempt(document, {"ids": [opened, added], "id": opened}, caller=stranger)
    assert seen["data"] == {"nodes": [None, None], "review": None}
    for document, given in (
        (documents.review("Update"), {"id": opened, "notes": "mine"}),
        (documents.review("Close"), {"id": opened}),
        (documents.ACTION_ITEM % {"verb": "Update"}, {"id": added, "note": "mine"}),
    ):
        (payload,) = (await attempt(document, {"input": given}, caller=stranger))["data"].values()
        assert [error["code"] for error in payload["userErrors"]] == ["NOT_FOUND"]


async def test_node_finds_reviews_and_items(ask: Ask) -> None:
    opened = (await review(ask, "Open", **WEEK))["review"]["id"]
    added = (await item(ask, "Add", review=opened, text="t", owner="o"))["actionItem"]["id"]
    document = "query N($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }"
    found = (await ask(document, {"ids": [opened, added]}))["nodes"]
    assert found == [{"id": opened, "__typename": "Review"}, {"id": added, "__typename": "ActionItem"}]


MRR = {"amount": {"event": "mrr", "of": "LEVEL_AT_START"}}
NRR = {"ratio": {"windowDays": 30, "numerator": {"amount": {"event": "mrr", "of": "LEVEL_AT_END"}}, "denominator": MRR}}
NRR_KPI = {"key": "nrr", "name": "NRR", "direction": "HIGHER", "owner": "Mara", "definition": NRR, "isLeading": False}


async def test_shipped_experiment_is_among_the_decisions_with_its_effect_and_its_impact(
    ask: Ask, database: Database, started: str
) -> None:
    await ask(documents.KPI_REGISTER, {"input": NRR_KPI})
    link = {"leading": "activation", "lagging": "nrr", "low": 0.5, "likely": 0.5, "high": 0.5, "reason": "r"}
    await ask(documents.KPI_LINK % {"verb": "Assume"}, {"input": link})
    units = {f"{arm}-{number}": arm for arm in ("control", "tour") for number in range(500)}
    exposed = [documents.exposure(unit, arm, "2026-06-02T08:00:00Z") for unit, arm in units.items()]
    await ask(documents.EXPOSURES_INGEST, {"input": {"exposures": exposed}}, now=NOW)
    active = [f"control-{number}" for number in range(200)] + [f"tour-{number}" for number in range(300)]
    did = [documents.outcome(unit, "activated", "2026-06-03T08:00:00Z") for unit in active]
    await ask(documents.OUTCOMES_INGEST, {"input": {"outcomes": did}}, now=NOW)
    await refresh_due(database)
    await ask(documents.EXPERIMENT_STOP, {"input": {"id": started, "stoppedAt": "2026-06-25T00:00:00Z"}}, now=NOW)
    await refresh_due(database)
    ship = {"id": started, "choice": "SHIP", "variant": "tour", "reason": "it works"}
    await ask(documents.move("Decide"), {"input": ship}, now=NOW)
    opened = (await review(ask, "Open", kind="MONTHLY", on="2026-07-01"))["review"]["snapshot"]
    (decided,) = opened["experiments"]
    assert (decided["choice"], decided["variant"], decided["by"]) == ("SHIP", "tour", "test")
    (effect,) = decided["effects"]
    assert (effect["kpi"], effect["variant"]) == ("activation", "Tour")
    assert effect["lift"] == pytest.approx(300 / 200 - 1)
    assert effect["liftLower"] < 0.5 < effect["liftUpper"]
    (own,), (together,) = decided["impact"], opened["impact"]
    assert {**own, "name": "NRR"} == together
    assert (own["kpi"], own["isEstimated"], own["net"]) == ("nrr", False, None)
    assert 0 < own["lift"] <= (300 / 200) ** 0.5 - 1 + 1e-9
    assert own["lower"] < own["lift"] < own["upper"]


async def test_backlog_lists_kpis_with_a_target_and_says_why(ask: Ask) -> None:
    await ask(documents.KPI_REGISTER, {"input": documents.kpi()})
    key = '{ kpi(key: "activation") { id } }'
    identity = (await ask(key))["kpi"]["id"]
    target = {"value": 0.5, "dueOn": "2026-12-31", "owner": "Ada", "approver": "Grace"}
    aimed = {"id": identity, "reason": "r"} | target
    await ask(documents.KPI_CHANGE % {"verb": "TargetSet"}, {"input": aimed}, now=NOW)
    document = "{ backlog { rank kpi target gap worth reasons weight { source top } hypotheses { key } } }"
    (entry,) = (await ask(document, now=NOW))["backlog"]
    assert entry == {
        "rank": 1,
        "kpi": "activation",
        "target": 0.5,
        "gap": None,
        "worth": None,
        "weight": {"source": "ASSUMED_DRIVER", "top": None},
        "hypotheses": [],
        "reasons": [
            "Its level is not known.",
            "Nothing links it to revenue: 0.3% for each per cent is assumed, by the part it feeds.",
            "No hypothesis on it is open.",
        ],
    }


async def test_workspace_says_and_settles_whether_reviews_open_by_themselves(ask: Ask) -> None:
    assert (await ask("{ workspace { opensReviews } }"))["workspace"] == {"opensReviews": True}
    answer = (await ask(documents.WORKSPACE_UPDATE, {"input": {"opensReviews": None}}))["workspaceUpdate"]
    assert [error["path"] for error in answer["userErrors"]] == [["opensReviews"]]
    await ask(documents.WORKSPACE_UPDATE, {"input": {"opensReviews": False}})
    assert (await ask("{ workspace { opensReviews } }"))["workspace"] == {"opensReviews": False}

"""Units at risk through the API: the list, the file for outreach, the check, the mark, and who may see whom."""

import csv
from dataclasses import replace
from io import BytesIO, StringIO
from typing import Any

import pyarrow.parquet as pq
import pytest
import pytest_asyncio

from api.auth.keys import Caller, Scope
from api.database import Database
from api.graphql.nodes import sealed
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import Client, MakeKey, Try, bearing
from tests.conftest import Ask
from tests.kpi.history.rows import NOW, derive, describe, send
from tests.kpi.risk.accounts import THROUGH, acts, health, pays, scored

UNITS = """
query Units(
  $first: Int, $after: String, $last: Int, $before: String
  $below: Float, $worst: Float, $segment: String! = "", $traits: [String!]
) {
  kpi(key: "health") { id unitsAtRisk(
    first: $first, after: $after, last: $last, before: $before
    below: $below, worst: $worst, segment: $segment, traits: $traits
  ) {
    totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor }
    nodes {
      unit score rank percentile change level segments reasons
      parts { kpi name value centre contribution } traits { name value }
    }
  } }
}
"""
CHECK = """
{ kpi(key: "health") { riskCheck {
  endedOn untilOn n left isHindsight sentence told { kpi auc lower upper } components { kpi auc }
  fifths { fifth n left share lower upper }
} } }
"""
DOOR = "/v1/export/at-risk.csv"


@pytest_asyncio.fixture
async def accounts(database: Database, workspace: Workspace) -> None:
    await scored(database, workspace)


async def asked(ask: Ask, **variables: Any) -> dict[str, Any]:
    return dict((await ask(UNITS, variables, now=NOW))["kpi"]["unitsAtRisk"])


@pytest.mark.usefixtures("accounts")
async def test_list_says_who_stands_worst_and_why(ask: Ask) -> None:
    found = await asked(ask, below=-1, traits=["plan", "owner"])
    assert found["totalCount"] == 2
    assert found["nodes"][0] == {
        "unit": "ben",
        "score": -5,
        "rank": 1,
        "percentile": 0,
        "change": -6,
        "level": 100,
        "segments": ["plan=pro"],
        "reasons": ["Sessions: 1, centre 4, costs 3", "Tickets: 2, centre 1, costs 2"],
        "parts": [
            {"kpi": "sessions", "name": "Sessions", "value": 1, "centre": 4, "contribution": -3},
            {"kpi": "tickets", "name": "Tickets", "value": 2, "centre": 1, "contribution": -2},
        ],
        "traits": [{"name": "plan", "value": "pro"}, {"name": "owner", "value": None}],
    }
    assert found["nodes"][1]["unit"] == "dan"


@pytest.mark.usefixtures("accounts")
async def test_pages_follow_each_other_and_the_last_says_so(ask: Ask) -> None:
    one = await asked(ask, worst=1, first=3)
    assert ([node["unit"] for node in one["nodes"]], one["totalCount"]) == (["ben", "dan", "cat"], 4)
    assert (one["pageInfo"]["hasNextPage"], one["pageInfo"]["hasPreviousPage"]) == (True, False)
    two = await asked(ask, worst=1, first=3, after=one["pageInfo"]["endCursor"])
    assert [node["unit"] for node in two["nodes"]] == ["ann"]
    assert (two["pageInfo"]["hasNextPage"], two["pageInfo"]["hasPreviousPage"]) == (False, True)
    back = await asked(ask, worst=1, last=2, before=two["pageInfo"]["startCursor"])
    assert [node["unit"] for node in back["nodes"]] == ["dan", "cat"]
    assert (back["pageInfo"]["hasNextPage"], back["pageInfo"]["hasPreviousPage"]) == (True, True)
    assert [node["unit"] for node in (await asked(ask, worst=1, segment="plan=pro"))["nodes"]] == ["ben", "ann"]


@pytest.mark.usefixtures("accounts")
@pytest.mark.parametrize(
    "faulty",
    [
        {},
        {"below": 1, "worst": 0.5},
        {"worst": 0},
        {"worst": 0.5, "first": 101},
        {"worst": 0.5, "first": 1, "last": 1},
        {"worst": 0.5, "before": "x"},
        {"worst": 0.5, "after": "x"},
        {"worst": 0.5, "after": sealed('[1,"a\\u0000"]')},
        {"worst": 0.5, "segment": "a\0"},
        {"worst": 0.5, "traits": ["a\0"]},
        {"worst": 0.5, "traits": [str(number) for number in range(11)]},
    ],
)
async def test_faulty_question_is_the_askers_to_mend(attempt: Try, faulty: dict[str, Any]) -> None:
    answer = await attempt(UNITS, faulty)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]


@pytest.mark.usefixtures("accounts")
async def test_list_needs_admin_and_the_check_only_read(attempt: Try, caller: Caller) -> None:
    every = replace(caller, scopes=frozenset(Scope) - {Scope.ADMIN})
    answer = await attempt(UNITS, {"worst": 1}, caller=every)
    assert answer["data"]["kpi"]["unitsAtRisk"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["FORBIDDEN"]
    answer = await attempt(CHECK, caller=replace(caller, scopes=frozenset({Scope.READ})))
    assert answer["errors"] == []
    assert answer["data"]["kpi"]["riskCheck"]["n"] == 4


@pytest.mark.usefixtures("accounts")
async def test_other_workspace_sees_marks_and_exports_nobody(
    attempt: Try, ask: Ask, stranger: Caller, database: Database
) -> None:
    identity = (await ask(UNITS, {"worst": 1}))["kpi"]["id"]
    assert (await attempt(UNITS, {"worst": 1}, caller=stranger))["data"]["kpi"] is None
    given = {"input": {"id": identity, "worst": 1, "reason": "r"}}
    answer = await attempt(documents.KPI_AT_RISK_MARK, given, caller=stranger)
    assert [error["code"] for error in answer["data"]["kpiAtRiskMark"]["userErrors"]] == ["NOT_FOUND"]
    # The stranger's own KPI of the same key has none of these units.
    own = Workspace(id=stranger.workspace_id, key=stranger.workspace, name="", created_at=NOW)
    definition = await health(database, own)
    await send(database, own, [pays("eve", "2026-01-05", 1)])
    await derive(database, definition, THROUGH)
    found = (await attempt(UNITS, {"worst": 1}, caller=stranger))["data"]["kpi"]["unitsAtRisk"]
    assert [node["unit"] for node in found["nodes"]] == ["eve"]


@pytest.mark.usefixtures("accounts")
async def test_check_says_what_is_not_known(ask: Ask) -> None:
    found = (await ask(CHECK))["kpi"]["riskCheck"]
    assert (found["endedOn"], found["untilOn"], found["n"], found["left"]) == ("2026-03-31", "2026-06-29", 4, 0)
    assert found["told"] == {"kpi": None, "auc": None, "lower": None, "upper": None}
    assert [one["kpi"] for one in found["components"]] == ["sessions", "tickets"]
    assert found["fifths"] == []
    assert found["sentence"].startswith("Not known: 0 of 4 units left")


async def test_kpi_without_numbers_of_units_has_neither_list_nor_check(ask: Ask) -> None:
    await ask(documents.KPI_REGISTER, {"input": documents.kpi("health")})
    assert await asked_of(ask) == (None, None)
    identity = (await ask(UNITS, {"worst": 1}))["kpi"]["id"]
    given = {"input": {"id": identity, "worst": 1, "reason": "r"}}
    marked = (await ask(documents.KPI_AT_RISK_MARK, given))["kpiAtRiskMark"]
    assert (marked["kpi"], [error["path"] for error in marked["userErrors"]]) == (None, [["id"]])


async def asked_of(ask: Ask) -> tuple[Any, Any]:
    units, check = await ask(UNITS, {"worst": 1}), await ask(CHECK)
    return units["kpi"]["unitsAtRisk"], check["kpi"]["riskCheck"]


@pytest.mark.usefixtures("accounts")
async def test_mark_is_seen_as_a_trait_and_in_the_kpis_history(ask: Ask) -> None:
    identity = (await ask(UNITS, {"worst": 1}))["kpi"]["id"]
    given = {"input": {"id": identity, "worst": 0.5, "trait": "at_risk", "reason": "save experiment"}}
    marked = (await ask(documents.KPI_AT_RISK_MARK, given, now=NOW))["kpiAtRiskMark"]
    assert (marked["marked"], marked["kept"], marked["unmarked"], marked["userErrors"]) == (2, 0, 0, [])
    assert marked["kpi"]["history"][0]["what"] == "RISK"
    found = await asked(ask, worst=1, traits=["at_risk"])
    assert {node["unit"]: node["traits"][0]["value"] for node in found["nodes"]} == {
        "ben": "yes",
        "dan": "yes",
        "cat": None,
        "ann": None,
    }


async def test_file_for_outreach_holds_the_list_and_no_formula(
    client: Client, make_key: MakeKey, database: Database, workspace: Workspace
) -> None:
    definition = await health(database, workspace)
    formula = '=HYPERLINK("x")'
    await send(database, workspace, [pays(unit, "2026-01-05", 7) for unit in (formula, "ann")] + acts("ann", 6, 9, 1))
    await describe(database, workspace, [(formula, "owner", "+49 30", None), ("ann", "owner", "Zoë", None)])
    await derive(database, definition, THROUGH)
    said = {"kpi": "health", "worst": "1", "trait": ["owner", "plan"]}
    answer = await client.get(DOOR, params=said, headers=bearing(await make_key(Scope.ADMIN)))
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="at-risk.csv"'
    first, second = csv.DictReader(StringIO(answer.text))
    assert first == {
        "unit": f"'{formula}",
        "score": "-2.0",
        "rank": "1",
        "of": "2",
        "percentile": "0.0",
        "change": "0.0",
        "level": "7.0",
        "segments": "plan=(none)",
        "reasons": "Sessions: 0, centre 4, costs 4",
        "value.sessions": "0.0",
        "contribution.sessions": "-4.0",
        "value.tickets": "0.0",
        "contribution.tickets": "2.0",
        "trait.owner": "'+49 30",
        "trait.plan": "",
    }
    assert (second["unit"], second["score"], second["trait.owner"]) == ("ann", "5.0", "Zoë")


@pytest.mark.usefixtures("accounts")
async def test_parquet_for_outreach_has_the_same_rows(client: Client, make_key: MakeKey) -> None:
    headers = bearing(await make_key(Scope.ADMIN))
    said = {"kpi": "health", "below": "-1"}
    answer = await client.get(DOOR.replace("csv", "parquet"), params=said, headers=headers)
    rows = pq.read_table(BytesIO(answer.content)).to_pylist()
    assert [(row["unit"], row["score"], row["rank"], row["of"]) for row in rows] == [
        ("ben", -5, 1, 4),
        ("dan", -2, 2, 4),
    ]


@pytest.mark.usefixtures("accounts")
@pytest.mark.parametrize(
    ("form", "said", "status"),
    [
        ("csv", {"kpi": "health"}, 400),
        ("csv", {"kpi": "health", "worst": "much"}, 400),
        ("csv", {"kpi": "health", "worst": "1", "below": "1"}, 400),
        ("csv", {"kpi": "health", "worst": "1", "colour": "red"}, 400),
        ("csv", {"worst": "1"}, 400),
        ("csv", {"kpi": "health", "worst": "1", "trait": ["x", "a\0"]}, 400),
        ("csv", {"kpi": "health", "worst": "1", "trait": [str(number) for number in range(21)]}, 400),
        ("csv", {"kpi": "nothing", "worst": "1"}, 404),
        ("csv", {"kpi": "sessions", "worst": "1"}, 404),
        ("xlsx", {"kpi": "health", "worst": "1"}, 404),
    ],
)
async def test_faulty_request_for_a_file_is_told_in_words(
    client: Client, make_key: MakeKey, form: str, said: dict[str, Any], status: int
) -> None:
    headers = bearing(await make_key(Scope.ADMIN))
    answer = await client.get(DOOR.replace("csv", form), params=said, headers=headers)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["message"].endswith(".")


@pytest.mark.usefixtures("accounts")
async def test_file_needs_a_key_with_admin(client: Client, make_key: MakeKey) -> None:
    said = {"kpi": "health", "worst": "1"}
    assert (await client.get(DOOR, params=said)).status_code == 401
    every = await make_key(*(scope for scope in Scope if scope is not Scope.ADMIN))
    assert (await client.get(DOOR, params=said, headers=bearing(every))).status_code == 403

"""The shipped KPIs through the API: listed with all they need, and registered by their keys."""

from dataclasses import replace
from typing import Any

import pytest

from api.auth.keys import Caller
from kpi.catalogue import AREAS, signals, templates
from tests.api.conftest import Try
from tests.conftest import Ask

CATALOGUE = """query Catalogue($area: String) { kpiCatalogue(area: $area) {
  key area name description formula measuredIn unit direction tier isLeading driver frequency action segments
  entry { event every isClustered } events { name of meaning value example }
  definition {
    __typename
    ... on CompositeDefinition { components { kpi weight centre spread definition { __typename } } }
    ... on TimeToValueDefinition { event tauDays lossEvent occurrence }
    ... on RatioDefinition { windowDays numerator { how amount { event of } other { event of } } }
  }
} }"""
REGISTER = """mutation Register($input: KpiRegisterInput!) { kpiRegister(input: $input) {
  kpi {
    key name owner unit direction dataSource segments entry { event every }
    definition { __typename ... on TimeToValueDefinition { event tauDays } }
    baseline { value }
  }
  userErrors { code path message }
} }"""


async def register(ask: Ask, **given: Any) -> dict[str, Any]:
    payload: dict[str, Any] = (await ask(REGISTER, {"input": given}))["kpiRegister"]
    return payload


async def test_the_catalogue_is_listed_area_by_area_with_all_that_a_kpi_needs(ask: Ask) -> None:
    found = (await ask(CATALOGUE))["kpiCatalogue"]
    assert [kpi["key"] for kpi in found] == list(templates())
    assert list(dict.fromkeys(kpi["area"] for kpi in found)) == list(AREAS)
    ttfv = found[0]
    assert ttfv["definition"] == {
        "__typename": "TimeToValueDefinition",
        "event": "first_value",
        "tauDays": 28,
        "lossEvent": "user_deleted",
        "occurrence": 1,
    }
    assert ttfv["entry"] == {"event": "signed_up", "every": None, "isClustered": False}
    assert [event["name"] for event in ttfv["events"]] == ["signed_up", "first_value", "user_deleted"]
    assert ttfv["events"][1]["example"] == signals()["first_value"].example


async def test_the_catalogue_of_one_area_shows_a_composite_with_its_parts(ask: Ask) -> None:
    found = {kpi["key"]: kpi for kpi in (await ask(CATALOGUE, {"area": "health"}))["kpiCatalogue"]}
    assert {kpi["area"] for kpi in found.values()} == {"health"}
    parts = found["health-score"]["definition"]["components"]
    assert [(part["kpi"], part["weight"], part["definition"]["__typename"]) for part in parts] == [
        ("account-usage-days", 0.4, "MeanDefinition"),
        ("feature-breadth", 0.4, "MeanDefinition"),
        ("support-incidents", -0.2, "TotalDefinition"),
    ]


async def test_a_key_of_the_catalogue_is_enough_to_register_a_kpi(ask: Ask) -> None:
    payload = await register(ask, fromCatalogue="ttfv")
    assert payload == {
        "kpi": {
            "key": "ttfv",
            "name": "Time to first value",
            "owner": "test",
            "unit": "USER",
            "direction": "LOWER",
            "dataSource": "Events: signed_up, first_value, user_deleted",
            "segments": ["plan", "source", "role"],
            "entry": {"event": "signed_up", "every": None},
            "definition": {"__typename": "TimeToValueDefinition", "event": "first_value", "tauDays": 28},
            "baseline": None,
        },
        "userErrors": [],
    }


async def test_what_is_given_wins_over_the_catalogue_and_events_have_their_own_names(ask: Ask) -> None:
    given = {"key": "ttfv-report", "owner": "Ada", "segments": [], "baseline": {"value": 9, "standardError": 0.4}}
    renames = [{"from": "first_value", "to": "report_shared"}]
    kpi = (await register(ask, fromCatalogue="ttfv", events=renames, **given))["kpi"]
    assert (kpi["key"], kpi["owner"], kpi["segments"], kpi["baseline"]) == ("ttfv-report", "Ada", [], {"value": 9})
    assert kpi["definition"]["event"] == "report_shared"
    mine = {"timeToValue": {"event": "paid", "tauDays": 10}}
    kpi = (await register(ask, fromCatalogue="ttfv", definition=mine, name="To pay"))["kpi"]
    assert (kpi["name"], kpi["definition"]["event"], kpi["definition"]["tauDays"]) == ("To pay", "paid", 10)


async def test_a_composite_of_the_catalogue_waits_for_its_parts(ask: Ask) -> None:
    payload = await register(ask, fromCatalogue="happiness")
    assert payload["kpi"] is None
    parts = ["survey-happiness", "sentiment", "service-quality"]
    assert [error["message"] for error in payload["userErrors"]] == [f"There is no KPI “{part}”." for part in parts]
    for part in parts:
        assert (await register(ask, fromCatalogue=part))["userErrors"] == []
    assert (await register(ask, fromCatalogue="happiness"))["userErrors"] == []


async def test_every_kpi_of_the_catalogue_can_be_registered_in_its_order(ask: Ask) -> None:
    for key in templates():
        assert (await register(ask, fromCatalogue=key))["userErrors"] == [], key


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({"fromCatalogue": "ttv"}, [["fromCatalogue"]]),
        ({"fromCatalogue": "ttfv", "events": [{"from": "nothing", "to": "x"}]}, [["events", "0", "from"]]),
        ({"key": "mine"}, [["name"], ["direction"], ["owner"], ["definition"]]),
        ({"fromCatalogue": "ttfv", "key": "No", "entry": {}}, [["key"], ["entry", "event"]]),
    ],
)
async def test_a_registration_with_faults_tells_them_and_stores_nothing(
    ask: Ask, given: dict[str, Any], paths: list[list[str]]
) -> None:
    payload = await register(ask, **given)
    assert payload["kpi"] is None
    assert [error["path"] for error in payload["userErrors"]] == paths
    assert (await ask("{ kpis { totalCount } }"))["kpis"]["totalCount"] == 0


async def test_the_catalogue_is_not_for_strangers(attempt: Try, caller: Caller) -> None:
    answer = await attempt(CATALOGUE, caller=replace(caller, scopes=frozenset()))
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"

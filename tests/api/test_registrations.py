"""Registering KPIs, hypotheses and experiments; starting and stopping."""

import asyncio
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.api import documents
from tests.api.conftest import Try
from tests.conftest import Ask

KPI = """
query Kpi($key: String!) { kpi(key: $key) {
  id key name description unit direction tier isLeading driver owner dataSource frequency action createdAt
  definitionVersion definition {
    __typename
    ... on ActivationDefinition { event windowDays hasCurve }
    ... on RetentionDefinition { event day hasCurve form untilDay }
    ... on TimeToValueDefinition { event tauDays lossEvent occurrence }
    ... on MeanDefinition { event windowDays of cap lessEvent }
    ... on TotalDefinition { event windowDays of cap }
    ... on QuantileDefinition { event windowDays of quantile }
    ... on RatioDefinition { windowDays numerator { ...term } denominator { ...term } }
    ... on CompositeDefinition { components {
      kpi version weight centre spread definition { __typename ... on ActivationDefinition { event windowDays } }
    } }
  }
  baseline { version value standardError n fromOn toOn createdAt }
} }
fragment term on RatioTerm { amount { event of lastDays } how other { event of lastDays } }
"""
ALONE = {"amount": {"event": "mrr", "of": "LEVEL_AT_START", "lastDays": None}, "how": None, "other": None}
KEPT = {
    "amount": {"event": "mrr", "of": "LEVEL_AT_END", "lastDays": None},
    "how": "KEPT",
    "other": {"event": "mrr", "of": "LEVEL_AT_START", "lastDays": None},
}
ACTIVE = {"amount": {"event": "used", "of": "ANY", "lastDays": 7}, "how": None, "other": None}
HYPOTHESIS = """
query Hypothesis($key: String!) { hypothesis(key: $key) {
  key title change direction expectedLift segment rationale owner kpi { key }
} }
"""
EXPERIMENT = """
query Experiment($key: String!) { experiment(key: $key) {
  key name kind unit owner state startedAt stoppedAt hypothesis { key }
  variants { key name weight isControl }
  plan {
    kpis { role mde margin definitionVersion kpi { key } }
    alpha power policy looks horizonDays segmentAttributes hash canonicalJson sealedAt
  }
  results { computedAt }
} }
"""


async def problems(ask: Ask, document: str, given: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """The code and path of each fault in an input."""
    (payload,) = (await ask(document, {"input": given})).values()
    assert next(iter(payload.values())) is None
    return [(error["code"], error["path"]) for error in payload["userErrors"]]


async def test_kpi_registered_with_everything_reads_back_as_it_was_given(ask: Ask) -> None:
    given = documents.kpi(
        unit="ACCOUNT",
        description="Accounts that finish a project within a week.",
        tier="GROWTH",
        isLeading=False,
        driver="EXPANSION",
        dataSource="product events",
        frequency="DAILY",
        action="Call the account.",
    )
    now = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
    payload = (await ask(documents.KPI_REGISTER, {"input": given}, now=now))["kpiRegister"]
    found = (await ask(KPI, {"key": "activation"}))["kpi"]
    assert payload == {"kpi": {"id": found["id"], "key": "activation"}, "userErrors": []}
    baseline = found.pop("baseline")
    assert found.pop("definition") == {
        "__typename": "ActivationDefinition",
        "event": "activated",
        "windowDays": 7,
        "hasCurve": False,
    }
    assert found.pop("definitionVersion") == 1
    assert datetime.fromisoformat(found.pop("createdAt")) == now
    assert found == {name: value for name, value in given.items() if name in found} | {"id": found["id"]}
    assert baseline == given["baseline"] | {"version": 1, "createdAt": baseline["createdAt"]}


@pytest.mark.parametrize(
    ("definition", "typename"),
    [
        ({"activation": {"event": "a", "windowDays": 3, "hasCurve": True}}, "ActivationDefinition"),
        (
            {"retention": {"event": "a", "day": 7, "hasCurve": True, "form": "DAY", "untilDay": None}},
            "RetentionDefinition",
        ),
        (
            {"retention": {"event": "a", "day": 7, "hasCurve": False, "form": "ROLLING", "untilDay": 13}},
            "RetentionDefinition",
        ),
        (
            {"timeToValue": {"event": "a", "tauDays": 10, "lossEvent": "b", "occurrence": 2}},
            "TimeToValueDefinition",
        ),
        (
            {"mean": {"event": "a", "windowDays": 3, "of": "DISTINCT", "cap": 12.5, "lessEvent": "b"}},
            "MeanDefinition",
        ),
        ({"total": {"event": "a", "windowDays": 3, "of": "DAYS", "cap": None}}, "TotalDefinition"),
        ({"quantile": {"event": "a", "windowDays": 3, "of": "COUNT", "quantile": 0.9}}, "QuantileDefinition"),
        ({"ratio": {"windowDays": 365, "numerator": KEPT, "denominator": ALONE}}, "RatioDefinition"),
        ({"ratio": {"windowDays": 28, "numerator": ACTIVE, "denominator": ALONE}}, "RatioDefinition"),
    ],
)
async def test_definition_of_each_kind_reads_back_as_it_was_given(
    ask: Ask, definition: dict[str, Any], typename: str
) -> None:
    await ask(documents.KPI_REGISTER, {"input": documents.kpi(definition=definition)})
    found = (await ask(KPI, {"key": "activation"}))["kpi"]["definition"]
    (parameters,) = definition.values()
    assert found == parameters | {"__typename": typename}


async def test_definition_that_says_nothing_new_means_what_it_did_before(ask: Ask) -> None:
    definition = {"retention": {"event": "a", "day": 7}}
    await ask(documents.KPI_REGISTER, {"input": documents.kpi(definition=definition)})
    found = (await ask(KPI, {"key": "activation"}))["kpi"]["definition"]
    usual = {"hasCurve": False, "form": "DAY", "untilDay": None}
    assert found == {"__typename": "RetentionDefinition", "event": "a", "day": 7} | usual


async def test_composite_reads_back_with_what_it_pinned(ask: Ask) -> None:
    for key in ("first", "second"):
        await ask(documents.KPI_REGISTER, {"input": documents.kpi(key=key)})
    components = [{"kpi": "first", "weight": 2.5}, {"kpi": "second", "weight": -1.0, "centre": 0.4, "spread": 0.1}]
    given = documents.kpi(key="health", definition={"composite": {"components": components}})
    await ask(documents.KPI_REGISTER, {"input": given})
    found = (await ask(KPI, {"key": "health"}))["kpi"]["definition"]
    usual = {
        "version": 1,
        "centre": 0.0,
        "spread": 1.0,
        "definition": {"__typename": "ActivationDefinition", "event": "activated", "windowDays": 7},
    }
    assert found == {"__typename": "CompositeDefinition", "components": [usual | one for one in components]}


async def test_faults_of_a_ratio_and_a_composite_are_told_at_their_places(ask: Ask) -> None:
    ratio = {"windowDays": 7, "numerator": KEPT | {"other": None}, "denominator": ACTIVE | {"how": "GAIN"}}
    assert await problems(ask, documents.KPI_REGISTER, documents.kpi(definition={"ratio": ratio})) == [
        ("BAD_USER_INPUT", ["definition", "ratio", "numerator", "other"]),
        ("BAD_USER_INPUT", ["definition", "ratio", "denominator", "other"]),
    ]
    composite = {"components": [{"kpi": "none", "weight": 1.0, "spread": 0.0}]}
    assert await problems(ask, documents.KPI_REGISTER, documents.kpi(definition={"composite": composite})) == [
        ("BAD_USER_INPUT", ["definition", "composite", "components"]),
        ("BAD_USER_INPUT", ["definition", "composite", "components", "0", "spread"]),
        ("NOT_FOUND", ["definition", "composite", "components", "0", "kpi"]),
    ]


async def test_kpi_without_a_baseline_has_none(ask: Ask) -> None:
    await ask(documents.KPI_REGISTER, {"input": documents.kpi(baseline=None)})
    assert (await ask(KPI, {"key": "activation"}))["kpi"]["baseline"] is None


async def test_kpi_with_many_faults_names_all_of_them_at_once_and_is_not_stored(ask: Ask) -> None:
    bad = documents.kpi(
        key="No Spaces",
        name=" ",
        owner="",
        description="x" * 4_001,
        baseline={"value": 0.4, "standardError": 0.0, "n": 1, "fromOn": "2026-02-01", "toOn": "2026-01-01"},
    )
    assert sorted(await problems(ask, documents.KPI_REGISTER, bad)) == [
        ("BAD_USER_INPUT", ["baseline", "n"]),
        ("BAD_USER_INPUT", ["baseline", "standardError"]),
        ("BAD_USER_INPUT", ["baseline", "toOn"]),
        ("BAD_USER_INPUT", ["description"]),
        ("BAD_USER_INPUT", ["key"]),
        ("BAD_USER_INPUT", ["name"]),
        ("BAD_USER_INPUT", ["owner"]),
    ]
    assert (await ask("{ kpis { totalCount } }"))["kpis"]["totalCount"] == 0


@pytest.mark.parametrize(
    ("definition", "field"),
    [
        ({"activation": {"event": "", "windowDays": 7}}, "event"),
        ({"activation": {"event": "a", "windowDays": 366}}, "windowDays"),
        ({"retention": {"event": "a", "day": 0}}, "day"),
        ({"retention": {"event": "a", "day": 91, "hasCurve": True}}, "hasCurve"),
        ({"activation": {"event": "a", "windowDays": 1, "hasCurve": True}}, "hasCurve"),
        ({"timeToValue": {"event": "a", "tauDays": 0}}, "tauDays"),
        ({"timeToValue": {"event": "a", "tauDays": 5, "lossEvent": "a"}}, "lossEvent"),
        ({"mean": {"event": "a", "windowDays": 7, "cap": 0.0}}, "cap"),
    ],
)
async def test_definition_with_a_fault_names_the_field_of_its_kind(
    ask: Ask, definition: dict[str, Any], field: str
) -> None:
    found = await problems(ask, documents.KPI_REGISTER, documents.kpi(definition=definition))
    assert [(code, path[0], path[-1]) for code, path in found] == [("BAD_USER_INPUT", "definition", field)]


@pytest.mark.parametrize(
    "definition", [{}, {"activation": None}, {"retention": {"event": "a", "day": 1}, "mean": None}]
)
async def test_definition_that_is_not_exactly_one_kind_is_refused(attempt: Try, definition: dict[str, Any]) -> None:
    answer = await attempt(documents.KPI_REGISTER, {"input": documents.kpi(definition=definition)})
    assert answer["data"] is None
    assert len(answer["errors"]) >= 1


@pytest.mark.parametrize(
    ("document", "given", "before"),
    [
        (documents.KPI_REGISTER, documents.kpi(), ()),
        (documents.HYPOTHESIS_REGISTER, documents.hypothesis(), ("kpi",)),
        (documents.EXPERIMENT_REGISTER, documents.experiment(), ("kpi", "hypothesis")),
    ],
)
async def test_key_that_is_taken_is_refused(
    ask: Ask, document: str, given: dict[str, Any], before: tuple[str, ...]
) -> None:
    if "kpi" in before:
        await ask(documents.KPI_REGISTER, {"input": documents.kpi()})
    if "hypothesis" in before:
        await ask(documents.HYPOTHESIS_REGISTER, {"input": documents.hypothesis()})
    await ask(document, {"input": given})
    assert await problems(ask, document, given) == [("KEY_TAKEN", ["key"])]


async def test_hypothesis_reads_back_as_it_was_given(ask: Ask) -> None:
    await ask(documents.KPI_REGISTER, {"input": documents.kpi()})
    given = documents.hypothesis(segment="new users", direction="DECREASE")
    await ask(documents.HYPOTHESIS_REGISTER, {"input": given})
    found = (await ask(HYPOTHESIS, {"key": given["key"]}))["hypothesis"]
    assert found == given | {"kpi": {"key": "activation"}}


async def test_hypothesis_with_many_faults_names_all_of_them_at_once(ask: Ask) -> None:
    bad = documents.hypothesis(key="-", title="", change="", kpi="nobody", expectedLift=0.0)
    assert sorted(await problems(ask, documents.HYPOTHESIS_REGISTER, bad)) == [
        ("BAD_USER_INPUT", ["change"]),
        ("BAD_USER_INPUT", ["expectedLift"]),
        ("BAD_USER_INPUT", ["key"]),
        ("BAD_USER_INPUT", ["title"]),
        ("NOT_FOUND", ["kpi"]),
    ]


async def test_experiment_reads_back_as_a_draft_with_the_control_first_and_its_plan(ask: Ask, drafted: str) -> None:
    assert drafted
    found = (await ask(EXPERIMENT, {"key": "guided-tour"}))["experiment"]
    plan = found.pop("plan")
    assert found == {
        "key": "guided-tour",
        "name": "Guided tour",
        "kind": "ONBOARDING_FLOW",
        "unit": "USER",
        "owner": "Ada",
        "state": "DRAFT",
        "startedAt": None,
        "stoppedAt": None,
        "hypothesis": {"key": "guidance-activates"},
        "variants": [
            {"key": "control", "name": "No tour", "weight": 1.0, "isControl": True},
            {"key": "tour", "name": "Tour", "weight": 1.0, "isControl": False},
        ],
        "results": None,
    }
    assert hashlib.sha256(plan["canonicalJson"].encode()).hexdigest() == plan["hash"]
    canonical = json.loads(plan["canonicalJson"])
    assert json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == plan["canonicalJson"]
    assert plan["kpis"] == [
        {"role": "PRIMARY", "mde": 0.05, "margin": None, "definitionVersion": 1, "kpi": {"key": "activation"}}
    ]
    assert (plan["alpha"], plan["power"], plan["policy"], plan["looks"], plan["horizonDays"]) == (
        0.05,
        0.8,
        "FIXED",
        1,
        14,
    )
    assert plan["sealedAt"] is None


OPTIONAL = """{ experiment(key: "guided-tour") {
  layer traffic variants { payload } launchChecks { kind state }
  plan {
    minimumDays traffic audience exclusions correction canonicalJson targeting { attribute operator values sentence }
  }
} }"""


async def test_experiment_with_everything_optional_reads_back_as_it_was_given(ask: Ask) -> None:
    await ask(documents.KPI_REGISTER, {"input": documents.kpi()})
    await ask(documents.HYPOTHESIS_REGISTER, {"input": documents.hypothesis(segment="new teams")})
    optional = {
        "minimumDays": 10,
        "audience": "New teams",
        "exclusions": "Our own staff",
        "correction": "BENJAMINI_YEKUTIELI",
    }
    conditions = [
        {"attribute": "seats", "operator": "GTE", "values": [5]},
        {"attribute": "plan", "operator": "IN", "values": ["pro", True, 7]},
        {"attribute": "trial", "operator": "NOT_EXISTS"},
    ]
    control, tour = documents.experiment()["variants"]
    given = documents.experiment(
        layer="first-day",
        traffic=0.5,
        variants=[control, tour | {"payload": {"steps": [1, 2], "title": None}}],
        plan=documents.plan(**optional, targeting=conditions),
    )
    payload = (await ask(documents.EXPERIMENT_REGISTER, {"input": given}))["experimentRegister"]
    assert payload["userErrors"] == []
    found = (await ask(OPTIONAL))["experiment"]
    assert json.loads(found["plan"].pop("canonicalJson"))["layer"] == "first-day"
    assert {"kind": "AUDIENCE", "state": "PASS"} in found.pop("launchChecks")
    assert found["plan"].pop("targeting") == [
        {
            "attribute": "plan",
            "operator": "IN",
            "values": ["7", "pro", "true"],
            "sentence": "“plan” is one of “7”, “pro”, “true”",
        },
        {"attribute": "seats", "operator": "GTE", "values": [5.0], "sentence": "“seats” is at least 5"},
        {"attribute": "trial", "operator": "NOT_EXISTS", "values": [], "sentence": "“trial” is not known"},
    ]
    assert found == {
        "layer": "first-day",
        "traffic": 0.5,
        "variants": [{"payload": None}, {"payload": {"steps": [1, 2], "title": None}}],
        "plan": optional | {"traffic": 0.5},
    }


CHECKS = '{ experiment(key: "%s") { launchChecks { kind state sentence } } }'


async def test_draft_shows_its_launch_checks_and_what_blocks_comes_back_from_the_start(ask: Ask) -> None:
    await ask(documents.KPI_REGISTER, {"input": documents.kpi()})
    await ask(documents.HYPOTHESIS_REGISTER, {"input": documents.hypothesis()})
    identities = [
        (await ask(documents.EXPERIMENT_REGISTER, {"input": documents.experiment(key, layer="first-day")}))[
            "experimentRegister"
        ]["experiment"]["id"]
        for key in ("guided-tour", "checklist")
    ]
    before = (await ask(CHECKS % "checklist"))["experiment"]["launchChecks"]
    assert [check["kind"] for check in before] == [
        "POWER",
        "LOOKS",
        "BASELINE",
        "WEIGHTS",
        "OVERLAP",
        "DATA",
        "DEFINITION",
        "AA_HISTORY",
    ]
    assert before[4]["state"] == "PASS"
    await ask(documents.EXPERIMENT_START, {"input": {"id": identities[0]}})
    assert (await ask(CHECKS % "guided-tour"))["experiment"]["launchChecks"] == []
    blocking = (await ask(CHECKS % "checklist"))["experiment"]["launchChecks"][4]
    assert blocking["state"] == "BLOCK"
    refused = (await ask(documents.EXPERIMENT_START, {"input": {"id": identities[1]}}))["experimentStart"]
    assert refused == {
        "experiment": None,
        "userErrors": [{"code": "NOT_READY", "path": ["id"], "message": blocking["sentence"]}],
    }


async def test_mde_as_a_lift_is_pinned_as_a_difference_on_the_baseline(ask: Ask) -> None:
    await ask(documents.KPI_REGISTER, {"input": documents.kpi()})
    await ask(documents.HYPOTHESIS_REGISTER, {"input": documents.hypothesis()})
    kpis = [{"kpi": "activation", "role": "PRIMARY", "mde": {"lift": 0.25}}]
    await ask(documents.EXPERIMENT_REGISTER, {"input": documents.experiment(plan=documents.plan(kpis=kpis))})
    (pinned,) = (await ask(EXPERIMENT, {"key": "guided-tour"}))["experiment"]["plan"]["kpis"]
    assert pinned["mde"] == pytest.approx(0.4 * 0.25)


async def test_experiment_with_many_faults_names_all_of_them_at_once(ask: Ask) -> None:
    await ask(documents.KPI_REGISTER, {"input": documents.kpi(baseline=None)})
    bad = documents.experiment(
        key="",
        name="",
        hypothesis="nothing",
        variants=[
            {"key": "control", "name": "", "isControl": True, "weight": 0.0},
            {"key": "control", "name": "Again", "isControl": True},
        ],
        plan=documents.plan(
            alpha=0.0,
            power=1.0,
            looks=0,
            segmentAttributes=["plan", "plan", "a=b"],
            kpis=[
                {"kpi": "activation", "role": "PRIMARY", "mde": {"lift": 0.1}},
                {"kpi": "nobody", "role": "GUARDRAIL"},
                {"kpi": "activation", "role": "SECONDARY", "margin": 0.1},
            ],
        ),
    )
    assert sorted(await problems(ask, documents.EXPERIMENT_REGISTER, bad)) == [
        ("BAD_USER_INPUT", ["key"]),
        ("BAD_USER_INPUT", ["name"]),
        ("BAD_USER_INPUT", ["plan", "alpha"]),
        ("BAD_USER_INPUT", ["plan", "kpis", "0", "mde", "lift"]),
        ("BAD_USER_INPUT", ["plan", "kpis", "1", "margin"]),
        ("BAD_USER_INPUT", ["plan", "kpis", "2", "kpi"]),
        ("BAD_USER_INPUT", ["plan", "kpis", "2", "margin"]),
        ("BAD_USER_INPUT", ["plan", "looks"]),
        ("BAD_USER_INPUT", ["plan", "power"]),
        ("BAD_USER_INPUT", ["plan", "segmentAttributes"]),
        ("BAD_USER_INPUT", ["plan", "segmentAttributes", "2"]),
        ("BAD_USER_INPUT", ["variants"]),
        ("BAD_USER_INPUT", ["variants", "0", "name"]),
        ("BAD_USER_INPUT", ["variants", "0", "weight"]),
        ("BAD_USER_INPUT", ["variants", "1", "key"]),
        ("NOT_FOUND", ["hypothesis"]),
        ("NOT_FOUND", ["plan", "kpis", "1", "kpi"]),
    ]
    assert (await ask("{ experiments { totalCount } }"))["experiments"]["totalCount"] == 0


async def test_horizon_that_ends_before_a_window_names_the_kpi(ask: Ask) -> None:
    await ask(documents.KPI_REGISTER, {"input": documents.kpi()})
    await ask(documents.HYPOTHESIS_REGISTER, {"input": documents.hypothesis()})
    short = documents.experiment(plan=documents.plan(horizonDays=7))
    assert await problems(ask, documents.EXPERIMENT_REGISTER, short) == [
        ("BAD_USER_INPUT", ["plan", "kpis", "0", "kpi"])
    ]


async def test_start_seals_the_plan_and_again_changes_nothing(ask: Ask, drafted: str) -> None:
    now = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
    first = (await ask(documents.EXPERIMENT_START, {"input": {"id": drafted}}, now=now))["experimentStart"]
    again = (await ask(documents.EXPERIMENT_START, {"input": {"id": drafted}}))["experimentStart"]
    assert first == again
    assert first["userErrors"] == []
    assert first["experiment"]["state"] == "RUNNING"
    assert datetime.fromisoformat(first["experiment"]["startedAt"]) == now
    assert datetime.fromisoformat(first["experiment"]["plan"]["sealedAt"]) == now


@pytest.mark.parametrize(
    "at", ["2026-06-01T00:00:00", "1989-12-31T23:59:59Z", "2027-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"]
)
async def test_start_at_an_impossible_time_names_the_field(ask: Ask, drafted: str, at: str) -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    found = await ask(documents.EXPERIMENT_START, {"input": {"id": drafted, "startedAt": at}}, now=now)
    (error,) = found["experimentStart"]["userErrors"]
    assert (error["code"], error["path"]) == ("BAD_USER_INPUT", ["startedAt"])


async def test_freeze_ends_enrolment_and_nothing_starts_again(ask: Ask, started: str) -> None:
    freeze = {"id": started, "frozenAt": "2026-06-10T00:00:00+02:00"}
    frozen = (await ask(documents.EXPERIMENT_FREEZE, {"input": freeze}))["experimentFreeze"]["experiment"]
    assert (frozen["state"], frozen["stoppedAt"]) == ("FROZEN", None)
    assert datetime.fromisoformat(frozen["frozenAt"]) == datetime(2026, 6, 9, 22, tzinfo=UTC)
    again = (await ask(documents.EXPERIMENT_FREEZE, {"input": {"id": started}}))["experimentFreeze"]
    assert again == {"experiment": frozen, "userErrors": []}
    restart = (await ask(documents.EXPERIMENT_START, {"input": {"id": started}}))["experimentStart"]
    assert [(error["code"], error["path"]) for error in restart["userErrors"]] == [("WRONG_STATE", ["id"])]


async def test_amendment_changes_what_is_given_clears_what_is_null_and_leaves_the_rest(ask: Ask, started: str) -> None:
    amend = documents.move("Amend")
    condition = {"attribute": "seats", "operator": "GTE", "values": [5]}
    stated = {"targeting": [condition], "audience": "New teams", "correction": "HOLM", "minimumDays": 10}
    shown = {"variant": "tour", "payload": {"steps": 3}}
    given = {"id": started, "reason": "Large teams first", "plan": stated, "layer": "form", "payloads": [shown]}
    payload = (await ask(amend, {"input": given}))["experimentAmend"]
    assert payload["userErrors"] == []
    assert {change["path"]: change["after"] for change in payload["experiment"]["amendments"][0]["changes"]} == {
        "minimum_days": 10,
        "correction": "HOLM",
        "layer": "form",
        "targeting": [condition | {"values": [5.0]}],
        "audience": "New teams",
        "variants.tour.payload": {"steps": 3},
    }
    cleared = {"id": started, "reason": "All", "plan": {"targeting": None}, "payloads": [{"variant": "tour"}]}
    assert (await ask(amend, {"input": cleared}))["experimentAmend"]["userErrors"] == []
    found = (await ask(OPTIONAL))["experiment"]
    assert (found["layer"], found["plan"]["targeting"], found["variants"][1]["payload"]) == ("form", [], None)
    assert (found["plan"]["audience"], found["plan"]["minimumDays"]) == ("New teams", 10)
    gone = {"id": started, "reason": "None", "layer": None, "plan": {"alpha": None, "minimumDays": None}}
    assert await problems(ask, amend, gone) == [("BAD_USER_INPUT", ["plan", "alpha"])]
    assert (await ask(amend, {"input": gone | {"plan": None}}))["experimentAmend"]["userErrors"] == []
    assert (await ask(OPTIONAL))["experiment"]["layer"] is None


async def test_stop_before_the_start_names_the_field(ask: Ask, started: str) -> None:
    stop = {"id": started, "stoppedAt": "2026-05-31T23:59:59Z"}
    (error,) = (await ask(documents.EXPERIMENT_STOP, {"input": stop}))["experimentStop"]["userErrors"]
    assert (error["code"], error["path"]) == ("BAD_USER_INPUT", ["stoppedAt"])


async def test_stop_of_a_draft_is_refused(ask: Ask, drafted: str) -> None:
    (error,) = (await ask(documents.EXPERIMENT_STOP, {"input": {"id": drafted}}))["experimentStop"]["userErrors"]
    assert (error["code"], error["path"]) == ("WRONG_STATE", ["id"])


@pytest.mark.parametrize("document", [documents.EXPERIMENT_START, documents.EXPERIMENT_STOP])
@pytest.mark.parametrize("identity", ["", "nonsense", "S3BpOjE", "RXhwZXJpbWVudDo5OTk5OTk5OTk"])
async def test_move_of_an_unknown_experiment_is_not_found(ask: Ask, document: str, identity: str) -> None:
    (payload,) = (await ask(document, {"input": {"id": identity}})).values()
    assert [(error["code"], error["path"]) for error in payload["userErrors"]] == [("NOT_FOUND", ["id"])]


@pytest.mark.parametrize(
    ("document", "given"),
    [
        (documents.KPI_REGISTER, documents.kpi(key="\0")),
        (documents.KPI_REGISTER, documents.kpi(definition={"retention": {"event": "\0", "day": 1}})),
        (documents.HYPOTHESIS_REGISTER, documents.hypothesis(kpi="\0")),
        (documents.EXPERIMENT_REGISTER, documents.experiment(hypothesis="\0")),
    ],
)
async def test_nul_in_an_input_is_a_fault_of_the_input_and_nothing_is_stored(
    attempt: Try, ask: Ask, document: str, given: dict[str, Any]
) -> None:
    answer = await attempt(document, {"input": given})
    codes = [error["extensions"]["code"] for error in answer["errors"]]
    payload = next(iter(answer["data"].values())) or {"userErrors": []}
    codes += [error["code"] for error in payload["userErrors"]]
    assert codes
    assert set(codes) <= {"BAD_USER_INPUT", "NOT_FOUND"}
    counts = await ask("{ kpis { totalCount } hypotheses { totalCount } experiments { totalCount } }")
    assert {found["totalCount"] for found in counts.values()} == {0}


async def test_key_registered_by_many_at_once_is_taken_by_one(ask: Ask) -> None:
    asked = [ask(documents.KPI_REGISTER, {"input": documents.kpi()}) for _ in range(8)]
    payloads = [found["kpiRegister"] for found in await asyncio.gather(*asked)]
    assert sum(payload["kpi"] is not None for payload in payloads) == 1
    refused = [payload["userErrors"] for payload in payloads if payload["kpi"] is None]
    assert [[(error["code"], error["path"]) for error in errors] for errors in refused] == [
        [("KEY_TAKEN", ["key"])]
    ] * 7

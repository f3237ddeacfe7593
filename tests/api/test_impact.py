"""What changes are worth, through GraphQL: real experiments, a real revenue KPI, links that are assumed exactly."""

from datetime import timedelta
from math import expm1, log
from typing import Any

import pytest

from api.database import Database, driver
from api.graphql.nodes import global_id, local_id
from api.jobs.histories import refresh_histories
from api.jobs.refresh import refresh_due
from experiments.programme import changes
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import Try
from tests.api.test_links import TODAY, Trial, over, registered
from tests.conftest import Ask
from tests.kpi.history import rows

IMPACT = """
fragment I on Impact {
  isShipped hypothesis { key } parts { experiment { key } } effect { kpi { key } seen lift standardError method }
  tops {
    kpi { key } lift interval { lower upper level } standardError standardErrorOfEffects standardErrorOfLinks
    isEstimated method obstacle sentence
    revenue { yearly summedOn units gain cost net interval { lower upper } }
  }
}
"""
OF_EXPERIMENT = (
    "query E($coverage: Float! = 1, $cost: Float! = 0, $segments: [SegmentShareInput!]) {"
    ' experiment(key: "first") { impact(coverage: $coverage, costToServe: $cost, segments: $segments) { ...I } } }'
    + IMPACT
)
OF_HYPOTHESIS = '{ hypothesis(key: "guidance-activates") { impact { ...I } } }' + IMPACT
SHIPPED = (
    "query S($from: Date, $to: Date) { impact(from: $from, to: $to) { fromOn toOn changes { ...I } tops {"
    " kpi { key } lift obstacle standardErrorOfLinks } } }" + IMPACT
)
DULL = Trial("first", (150, 165), (150, 155))
AGAIN = Trial("again", (150, 168), (150, 155))
LAST_MONTH = TODAY.replace(day=1)
"""The midnight at which the last month that is over ended."""
LEVEL = {"event": "mrr", "of": "LEVEL_AT_START"}
NRR = {
    "ratio": {
        "windowDays": 30,
        "numerator": {"amount": {"event": "mrr", "of": "LEVEL_AT_END"}, "how": "KEPT", "other": LEVEL},
        "denominator": {"amount": LEVEL},
    }
}


def revenue() -> list[tuple[str, str, str, float | None]]:
    """Twenty accounts at 100 a month; ten days before the month ended ten went up to 120, and four left."""
    before, after = LAST_MONTH - timedelta(days=90), LAST_MONTH - timedelta(days=10)
    first = [(f"a{place}", "mrr", before.isoformat(), 100.0) for place in range(20)]
    later = [(f"a{place}", "mrr", after.isoformat(), 120.0 if place < 10 else 0.0) for place in range(14)]
    return [*first, *later]


async def assume(ask: Ask, leading: str, lagging: str, value: float) -> None:
    given = {"leading": leading, "lagging": lagging, "low": value, "likely": value, "high": value, "reason": "known"}
    payload = (await ask(documents.KPI_LINK % {"verb": "Assume"}, {"input": given}))["kpiLinkAssume"]
    assert payload["userErrors"] == []


async def decide(ask: Ask, identity: str, choice: str, variant: str | None = None) -> None:
    given = {"id": identity, "choice": choice, "reason": "it is right"} | ({"variant": variant} if variant else {})
    payload = (await ask(documents.move("Decide"), {"input": given}))["experimentDecide"]
    assert payload["userErrors"] == []


@pytest.fixture
async def experiments(ask: Ask, database: Database, workspace: Workspace) -> list[str]:
    """Two experiments on one hypothesis that are over, and the revenue that KPIs above them are a share of."""
    await registered(ask, "activation", "activated")
    await registered(ask, "retention", "returned")
    nrr = documents.kpi("nrr", unit="ACCOUNT", definition=NRR, entry={"every": "MONTH"}, baseline=None)
    assert (await ask(documents.KPI_REGISTER, {"input": nrr}))["kpiRegister"]["userErrors"] == []
    await ask(documents.HYPOTHESIS_REGISTER, {"input": documents.hypothesis()})
    identities = [await trial.run(ask) for trial in (DULL, AGAIN)]
    await rows.send(database, workspace, revenue(), TODAY)
    await refresh_due(database)
    await refresh_histories(database)
    for identity in identities:
        await over(ask, identity)
    await refresh_due(database)
    return identities


def top(found: dict[str, Any]) -> dict[str, Any]:
    (one,) = found["tops"]
    return dict(one)


@pytest.mark.usefixtures("experiments")
async def test_experiment_is_worth_its_effect_carried_over_two_links_times_revenue(ask: Ask) -> None:
    await assume(ask, "activation", "retention", 0.5)
    await assume(ask, "retention", "nrr", 0.4)
    found = (await ask(OF_EXPERIMENT))["experiment"]["impact"]
    effect, error = DULL.effect("activated")
    # The effect is not significant, so nothing chose it, and it stays as it is.
    assert found["effect"]["lift"] == found["effect"]["seen"] == pytest.approx(expm1(effect))
    assert found["effect"]["standardError"] == pytest.approx(error, rel=0.01)
    assert found["effect"]["kpi"] == {"key": "activation"}
    assert (found["isShipped"], found["parts"]) == (False, [{"experiment": {"key": "first"}}])
    at = top(found)
    assert at["lift"] == pytest.approx(expm1(0.2 * effect))
    assert (at["standardErrorOfEffects"], at["standardErrorOfLinks"]) == (pytest.approx(0.2 * error, rel=0.01), 0)
    assert (at["isEstimated"], at["obstacle"], at["kpi"]) == (False, None, {"key": "nrr"})
    # Ten at 120 and six at 100 pay now; of the 2,000 a month ago 1,800 are kept.
    assert (at["revenue"]["yearly"], at["revenue"]["units"]) == (12 * 1_800, 16)
    assert at["revenue"]["gain"] == pytest.approx(12 * 1_800 * 0.9 * expm1(0.2 * effect))
    assert at["revenue"]["summedOn"] == (TODAY - timedelta(days=1)).date().isoformat()
    assert at["revenue"]["interval"]["lower"] < at["revenue"]["net"] < at["revenue"]["interval"]["upper"]


async def test_programme_for_the_sake_of_some_is_that_of_all_on_their_kpis(
    database: Database, workspace: Workspace, experiments: list[str]
) -> None:
    first, _ = (local_id("Experiment", identity) or 0 for identity in experiments)
    async with database.read() as session:
        given = session, await driver(session), workspace.id, TODAY.date()
        whole, own, none = [await changes.read(*given, of) for of in (None, {first}, {-1})]
    assert len(whole.rows) == 2
    assert own == whole
    assert (none.rows, none.summits) == ((), whole.summits)


@pytest.mark.usefixtures("experiments")
async def test_what_if_fewer_get_it_and_serving_them_costs(ask: Ask) -> None:
    await assume(ask, "activation", "nrr", 0.2)
    found = top((await ask(OF_EXPERIMENT, {"coverage": 0.5, "cost": 10.0}))["experiment"]["impact"])
    effect = log(1 + 0.5 * expm1(DULL.effect("activated")[0]))
    assert found["lift"] == pytest.approx(expm1(0.2 * effect))
    assert found["revenue"]["cost"] == pytest.approx(0.5 * 16 * 10)
    assert found["revenue"]["net"] == pytest.approx(found["revenue"]["gain"] - 80)


@pytest.mark.usefixtures("experiments")
async def test_without_a_way_to_the_top_there_is_no_number_but_the_reason(ask: Ask) -> None:
    await assume(ask, "activation", "retention", 0.5)
    found = top((await ask(OF_EXPERIMENT))["experiment"]["impact"])
    assert (found["lift"], found["interval"], found["revenue"]["gain"]) == (None, None, None)
    assert (found["obstacle"], found["revenue"]["yearly"]) == ("NO_PATH", 21_600)
    assert found["sentence"] == "No link leads from a KPI that was changed to the KPI at the top."


async def test_hypothesis_and_what_was_shipped_count_a_change_that_two_experiments_tested_once(
    ask: Ask, experiments: list[str]
) -> None:
    await assume(ask, "activation", "nrr", 0.2)
    nothing = (await ask(SHIPPED))["impact"]
    assert (nothing["changes"], nothing["tops"][0]["lift"], nothing["tops"][0]["obstacle"]) == ([], None, "NO_PATH")
    await decide(ask, experiments[0], "SHIP", "tour")
    await decide(ask, experiments[1], "SHIP", "tour")
    found = (await ask(SHIPPED))["impact"]
    (change,) = found["changes"]
    assert change == (await ask(OF_HYPOTHESIS))["hypothesis"]["impact"]
    assert {one["experiment"]["key"] for one in change["parts"]} == {"first", "again"}
    assert change["hypothesis"] == {"key": "guidance-activates"}
    assert (change["isShipped"], found["tops"][0]["lift"]) == (True, top(change)["lift"])
    (x, x_error), (y, y_error) = DULL.effect("activated"), AGAIN.effect("activated")
    pooled = (x / x_error**2 + y / y_error**2) / (1 / x_error**2 + 1 / y_error**2)
    assert change["effect"]["seen"] == pytest.approx(expm1(pooled), rel=0.01)
    before = {"from": "2020-01-01", "to": TODAY.date().isoformat()}
    assert (await ask(SHIPPED, before))["impact"]["changes"] == []


async def test_decision_that_a_second_person_has_not_approved_ships_nothing(ask: Ask, experiments: list[str]) -> None:
    wanted = {"needsSecondPerson": True}
    assert (await ask(documents.WORKSPACE_UPDATE, {"input": wanted}))["workspaceUpdate"]["userErrors"] == []
    await decide(ask, experiments[0], "SHIP", "tour")
    assert (await ask(SHIPPED))["impact"]["changes"] == []
    assert (await ask(OF_EXPERIMENT))["experiment"]["impact"]["isShipped"] is False


@pytest.mark.usefixtures("experiments")
async def test_what_cannot_be_is_refused(attempt: Try) -> None:
    half = {"segment": "plan=pro", "share": 0.5}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"coverage": 1.5}, "A coverage lies between 0 and 1."),
        ({"cost": -1.0}, "What serving a unit costs is not negative."),
        ({"segments": [half]}, "The shares of a mix are not negative and add up to 1."),
        (
            {"segments": [half, {"segment": "os=linux", "share": 0.5}]},
            "A mix names segments of one attribute, each once.",
        ),
    ]
    for given, sentence in wrong:
        found = await attempt(OF_EXPERIMENT, given)
        assert [error["message"] for error in found["errors"]] == [sentence]


async def test_other_mix_weighs_the_effects_of_segments_by_share_and_level(ask: Ask, database: Database) -> None:
    await registered(ask, "activation", "activated")
    await ask(documents.HYPOTHESIS_REGISTER, {"input": documents.hypothesis()})
    pro = Trial("first", (150, 200), (150, 155), attributes={"plan": "pro"})
    free = Trial("first", (90, 95), (150, 155), attributes={"plan": "free"})
    await registered(ask, "retention", "returned")
    await pro.run(ask, segmentAttributes=["plan"])
    await free.enter(ask, "free")
    await refresh_due(database)
    shares = [{"segment": "plan=pro", "share": 0.25}, {"segment": "plan=free", "share": 0.75}]
    found = (await ask(OF_EXPERIMENT, {"segments": shares}))["experiment"]["impact"]
    # Shares of the units times levels of control are weights; the mix of the lifts is theirs.
    before, after = (0.25 * pro.done["activated"][arm] + 0.75 * free.done["activated"][arm] for arm in (0, 1))
    assert found["effect"]["lift"] == pytest.approx(after / before - 1)
    assert found["effect"]["method"] == "Effects by segment as measured, not corrected"


@pytest.mark.usefixtures("experiments")
async def test_mix_of_segments_that_were_not_measured_has_no_answer(ask: Ask) -> None:
    shares = {"segments": [{"segment": "plan=pro", "share": 1.0}]}
    assert (await ask(OF_EXPERIMENT, shares))["experiment"]["impact"] is None


async def test_experiment_that_has_not_begun_and_one_of_others_have_no_impact(
    ask: Ask, attempt: Try, drafted: str, stranger: Any
) -> None:
    asked = "query N($id: ID!) { node(id: $id) { ... on Experiment { impact { isShipped } } } }"
    assert (await ask(asked, {"id": drafted}))["node"] == {"impact": None}
    assert (await attempt(asked, {"id": drafted}, caller=stranger))["data"] == {"node": None}
    assert (await ask(asked, {"id": global_id("Experiment", 999_999_999)}))["node"] is None


IF = """
query If($kpi: String! = "activation", $lift: Float! = 0.05, $coverage: Float! = 1, $periods: Float! = 12) {
  impactIf(kpi: $kpi, lift: $lift, coverage: $coverage, periodsAYear: $periods) {
    kpi { key } lift standardErrorOfEffects standardErrorOfLinks isEstimated sentence
    revenue { yearly net interval { lower upper } }
  }
  kpiLadder { rungs { kpi { key } isShareOfRevenue } }
}
"""


@pytest.mark.usefixtures("experiments")
async def test_supposed_change_is_worth_its_lift_carried_over_two_links_times_revenue(ask: Ask) -> None:
    await assume(ask, "activation", "retention", 0.5)
    await assume(ask, "retention", "nrr", 0.4)
    found = await ask(IF, {"coverage": 0.6})
    (at,) = found["impactIf"]
    assert at["lift"] == pytest.approx(expm1(log(1.03) * 0.2))  # 5 % for six tenths are 3 % for all
    assert (at["standardErrorOfEffects"], at["standardErrorOfLinks"], at["isEstimated"]) == (0, 0, False)
    assert at["revenue"]["net"] == pytest.approx(12 * 1_800 * 0.9 * at["lift"])
    assert at["revenue"]["interval"]["lower"] < at["revenue"]["net"] < at["revenue"]["interval"]["upper"]
    shares = {rung["kpi"]["key"]: rung["isShareOfRevenue"] for rung in found["kpiLadder"]["rungs"]}
    assert shares == {"activation": False, "retention": False, "nrr": True}
    assert (await ask(IF, {"periods": 1}))["impactIf"][0]["revenue"]["yearly"] == 1_800
    assert (await ask(IF, {"kpi": "nothing"}))["impactIf"] is None


@pytest.mark.parametrize("faulty", [{"lift": -1}, {"lift": 11}, {"coverage": 1.1}, {"periods": 0}])
async def test_supposition_that_cannot_be_is_the_askers_to_mend(attempt: Try, faulty: dict[str, float]) -> None:
    answer = await attempt(IF, faulty)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]

"""A design through the API: live numbers, the traffic they count on, and faults with their paths."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from statsmodels.stats.power import NormalIndPower

from api.auth.keys import Caller
from api.database import Database
from api.jobs.refresh import refresh_due
from tests.api import documents
from tests.api.conftest import Try
from tests.api.test_results import Trial, run, start
from tests.conftest import Ask

DESIGN = """
query Design($input: ExperimentDesignInput!) { experimentDesign(input: $input) {
  units days gap traffic { unitsPerDay experiment fromOn toOn } userErrors { message code path }
  kpis {
    kpi { key } role policy alpha effect effectLift inflation gap eventsGap
    size { units days information gap }
    reachable { week units difference lift gap }
    powerCurve { units difference lift power gap }
    course {
      looks { number day units informationFraction boundary stopsIfPlanned stopsIfNone }
      horizonDays power daysIfPlanned daysIfNone unitsIfPlanned unitsIfNone gap
    }
  }
} }
"""
ACTIVATION = {"kpi": "activation", "role": "PRIMARY", "mde": {"difference": 0.05}}


async def design(ask: Ask, *kpis: dict[str, Any], **changes: Any) -> dict[str, Any]:
    asked = {"kpis": list(kpis) or [ACTIVATION]} | changes
    found: dict[str, Any] = (await ask(DESIGN, {"input": asked}))["experimentDesign"]
    return found


@pytest.fixture
def trial() -> Trial:
    return Trial()


async def registered(ask: Ask) -> None:
    for given in (documents.kpi(), documents.kpi("revenue", definition=_mean(), baseline=None)):
        await ask(documents.KPI_REGISTER, {"input": given})


def _mean() -> dict[str, Any]:
    return {"mean": {"event": "paid", "windowDays": 7}}


async def test_design_of_a_registered_kpi_answers_every_part(ask: Ask) -> None:
    await registered(ask)
    found = await design(ask, unitsPerDay=400.0)
    (kpi,) = found["kpis"]
    assert found["userErrors"] == []
    assert (found["units"], found["days"], found["gap"]) == (kpi["size"]["units"], kpi["size"]["days"], None)
    assert found["traffic"] == {"unitsPerDay": 400.0, "experiment": None, "fromOn": None, "toOn": None}
    assert (kpi["kpi"]["key"], kpi["policy"], kpi["effect"]) == ("activation", "GROUP_SEQUENTIAL", 0.05)
    assert kpi["effectLift"] == pytest.approx(0.125)
    columns = ("week", "units", "difference", "lift")
    assert len({len(kpi["reachable"][name]) for name in columns}) == 1
    assert len({len(kpi["powerCurve"][name]) for name in ("difference", "lift", "power")}) == 1
    looks = kpi["course"]["looks"]
    assert [look["number"] for look in looks] == [1, 2, 3]  # at the first of four nobody is final
    assert looks[-1]["day"] == kpi["course"]["horizonDays"] == found["days"]
    assert sum(look["stopsIfNone"] for look in looks) == pytest.approx(0.05, abs=1e-5)


async def test_units_under_a_fixed_policy_are_near_statsmodels_for_the_baseline(ask: Ask) -> None:
    await registered(ask)
    found = await design(ask, policy="FIXED", looks=1, unitsPerDay=400.0)
    effect = 0.05 / (0.425 * 0.575) ** 0.5  # of shares of 0.4 and 0.45, with the variance in the middle
    expected = 2 * NormalIndPower().solve_power(effect, alpha=0.05, power=0.8)
    assert found["units"] == pytest.approx(expected, rel=0.005)


async def test_design_without_a_stated_traffic_takes_it_from_the_latest_experiment(
    database: Database, ask: Ask, trial: Trial
) -> None:
    await run(ask, trial)
    await refresh_due(database)
    traffic = (await design(ask, traffic=0.5))["traffic"]
    first, last = (start() + timedelta(days=day) for day in (0, 17))
    # 500 units and one crossover in 18 days, of which half shall enter.
    assert traffic == {
        "unitsPerDay": pytest.approx(501 / 18 / 2),
        "experiment": "guided-tour",
        "fromOn": first.date().isoformat(),
        "toOn": last.date().isoformat(),
    }


async def test_traffic_is_that_of_the_last_four_weeks_of_entries(database: Database, ask: Ask, drafted: str) -> None:
    await ask(documents.EXPERIMENT_START, {"input": {"id": drafted, "startedAt": "2026-06-01T00:00:00Z"}})
    first = datetime(2026, 6, 1, 6, tzinfo=UTC)
    days = [day for day in range(40) for _ in range(9 if day < 12 else 2) if day != 12]
    rows = [
        documents.exposure(f"u{place}", "tour", (first + timedelta(days=day)).isoformat())
        for place, day in enumerate(days)
    ]
    await ask(documents.EXPOSURES_INGEST, {"input": {"exposures": rows}})
    await refresh_due(database)
    traffic = (await design(ask))["traffic"]
    # Days 12 to 39: 2 units on each but the first, on which nobody came.
    assert traffic["unitsPerDay"] == pytest.approx(27 * 2 / 28)
    assert (traffic["fromOn"], traffic["toOn"]) == ("2026-06-13", "2026-07-10")


async def test_traffic_of_other_units_and_of_other_workspaces_is_none_of_it(
    database: Database, ask: Ask, attempt: Try, stranger: Caller, trial: Trial
) -> None:
    await run(ask, trial)
    await refresh_due(database)
    for_accounts = documents.kpi("seats", unit="ACCOUNT")
    await ask(documents.KPI_REGISTER, {"input": for_accounts})
    mine = await design(ask, ACTIVATION | {"kpi": "seats"})
    await attempt(documents.KPI_REGISTER, {"input": documents.kpi()}, caller=stranger)
    theirs = await attempt(DESIGN, {"input": {"kpis": [ACTIVATION]}}, caller=stranger)
    assert mine["traffic"] is theirs["data"]["experimentDesign"]["traffic"] is None
    assert (mine["units"] is None, mine["days"], mine["gap"]) == (False, None, "NO_TRAFFIC")


async def test_kpi_without_a_baseline_says_what_is_missing_beside_the_others(ask: Ask) -> None:
    await registered(ask)
    revenue = {"kpi": "revenue", "role": "GUARDRAIL", "margin": 1.0}
    found = await design(ask, ACTIVATION, revenue, unitsPerDay=400.0)
    one, other = found["kpis"]
    assert (one["gap"], other["gap"], other["size"]["units"]) == (None, "NO_BASELINE", None)
    assert found["units"] == one["size"]["units"]


async def test_lift_of_a_kpi_without_a_baseline_is_no_fault_but_a_gap(ask: Ask) -> None:
    await registered(ask)
    found = await design(ask, {"kpi": "revenue", "role": "PRIMARY", "mde": {"lift": 0.1}})
    assert (found["userErrors"], found["gap"]) == ([], "NO_BASELINE")


async def test_design_stores_nothing(ask: Ask) -> None:
    await registered(ask)
    await design(ask)
    assert (await ask("{ experiments { totalCount } }"))["experiments"]["totalCount"] == 0


async def test_all_faults_are_told_at_once_with_their_paths(ask: Ask) -> None:
    await registered(ask)
    kpis: list[dict[str, Any]] = [
        {"kpi": "activation", "role": "PRIMARY", "mde": {"difference": -1.0}, "correlation": 1.0},
        {"kpi": "nothing", "role": "SECONDARY"},
    ]
    changes: dict[str, Any] = {
        "alpha": 2.0,
        "looks": 0,
        "horizonDays": 3,
        "weights": [1.0, 0.0],
        "unitsPerDay": 0.0,
        "traffic": 2.0,
    }
    found = await design(ask, *kpis, **changes)
    assert {tuple(error["path"]) for error in found["userErrors"]} == {
        ("alpha",),
        ("power",),
        ("looks",),
        ("kpis", "0", "mde"),
        ("kpis", "0", "kpi"),  # a window of seven days does not fit into three
        ("kpis", "0", "correlation"),
        ("kpis", "1", "kpi"),
        ("weights", "1"),
        ("unitsPerDay",),
        ("traffic",),
    }
    assert (found["units"], found["kpis"]) == (None, [])


@pytest.mark.parametrize("kpis", [[], [{"kpi": "activation", "role": "SECONDARY"}]])
async def test_design_decides_on_something(ask: Ask, kpis: list[dict[str, Any]]) -> None:
    await registered(ask)
    found = (await ask(DESIGN, {"input": {"kpis": kpis}}))["experimentDesign"]
    assert [error["path"] for error in found["userErrors"]] == [["kpis"]]


async def test_one_weight_is_no_experiment(ask: Ask) -> None:
    await registered(ask)
    found = await design(ask, weights=[1.0])
    assert [error["path"] for error in found["userErrors"]] == [["weights"]]

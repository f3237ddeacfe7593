"""The customers' KPIs as the product registers and measures them, against the summaries and the law."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from sqlmodel import select

from api.database import Database
from api.graphql.nodes import global_id
from api.sample.customers import Clientele
from api.sample.customers.law import HISTORY_DAYS
from api.sample.customers.leaving import left_since
from api.sample.customers.summaries import WINDOWS, by_cohort, durations, entrants, kept
from api.sample.kpis import CUSTOMER_KPIS, HEALTH_KPIS
from api.sample.steering import AT_RISK, mark
from kpi.enums import Granularity
from kpi.history.periods import ends
from kpi.history.sums import Sums
from kpi.kinds.shape import Floats
from kpi.queries import latest_definitions
from kpi.tables import Definition, Kpi, Workspace
from tests.api.sample.customers.stored import NOW, taken_in
from tests.conftest import Ask
from tests.kpi.history.rows import cohorts, derive

BEGAN = (NOW - timedelta(days=HISTORY_DAYS)).date()
REGISTER = "mutation R($input: KpiRegisterInput!) { kpiRegister(input: $input) { kpi { id } userErrors { message } } }"
MARK = "mutation M($input: KpiAtRiskMarkInput!) { kpiAtRiskMark(input: $input) { marked userErrors { message } } }"
RISK = """
{ kpi(key: "health-score") { values { n } riskCheck { endedOn untilOn n left }
  unitsAtRisk(worst: 0.1, traits: ["at_risk"]) { totalCount nodes { traits { value } parts { kpi } } } } }
"""
RUNGS = {
    "account-activation-90d": "activation",
    "account-retention-d60": "retention",
    "grr-first-year": "grr",
    "nrr-first-year": "nrr",
}


async def registered(ask: Ask, database: Database, workspace: Workspace, kpi: dict[str, Any]) -> Definition:
    """Register a KPI and return the definition it got."""
    payload = (await ask(REGISTER, {"input": kpi}))["kpiRegister"]
    assert payload["userErrors"] == []
    async with database.read() as session:
        where = (Kpi.workspace_id == workspace.id, Kpi.key == kpi["key"])
        identity = (await session.exec(select(Kpi.id).where(*where))).one()
        return (await latest_definitions(session, [identity]))[identity]


async def test_kpis_of_customers_measure_what_the_summaries_say_and_health_knows_who_left(
    ask: Ask, database: Database, workspace: Workspace, drawn: Clientele
) -> None:
    await taken_in(database, workspace, drawn)
    for kpi in CUSTOMER_KPIS:
        definition = await registered(ask, database, workspace, kpi)
        await derive(database, definition, NOW.date())
        found = await cohorts(database, definition)
        if kpi["key"] == "account-ttfv":
            _assert_durations(found, drawn)
        elif kpi["key"] in RUNGS:
            _assert_cohorts(found, drawn, RUNGS[kpi["key"]])
        else:
            _assert_months(found, drawn, kpi["key"])
        regions = [await cohorts(database, definition, f"region={name}") for name in ("europe", "north-america")]
        assert all(0 < np.sum(part.entered) < np.sum(found.entered) for part in regions)
    await _assert_health(ask, database, workspace, drawn)


async def _assert_health(ask: Ask, database: Database, workspace: Workspace, drawn: Clientele) -> None:
    """Who is at risk is marked, and the check of the score is against who left in the drawn truth."""
    for kpi in HEALTH_KPIS:
        definition = await registered(ask, database, workspace, kpi)
    await derive(database, definition, NOW.date())
    await ask(MARK, {"input": {"id": global_id("Kpi", definition.kpi_id), **mark().given}}, now=NOW)
    found = (await ask(RISK, now=NOW))["kpi"]
    ended, until = (date.fromisoformat(found["riskCheck"][name]) for name in ("endedOn", "untilOn"))
    days = [(day - BEGAN).days + 1 for day in (ended, until)]
    then, left = left_since(drawn.customers, *days)
    assert (found["riskCheck"]["n"], found["riskCheck"]["left"]) == (then.sum(), left.sum())
    assert left.sum() > 0
    assert found["unitsAtRisk"]["totalCount"] >= AT_RISK * found["values"]["n"][-1]
    marked = [trait["value"] for node in found["unitsAtRisk"]["nodes"] for trait in node["traits"]]
    assert marked == ["yes"] * len(found["unitsAtRisk"]["nodes"])
    assert [part["kpi"] for part in found["unitsAtRisk"]["nodes"][0]["parts"]] == [
        kpi["key"] for kpi in HEALTH_KPIS[:3]
    ]


def _assert_durations(found: Sums, drawn: Clientele) -> None:
    """Cells by day of entry and day of the event; days on which nobody entered are no cohorts."""
    expected = durations(drawn.customers)
    places = [(day - BEGAN).days for day in found.days]
    assert found.events is not None
    assert found.entered.tolist() == expected.entered[places].tolist()
    assert found.events.tolist() == expected.events[places].tolist()
    assert found.ages[0].tolist() == expected.ages[places].tolist()
    assert expected.entered.sum() == found.entered.sum()


def _assert_cohorts(found: Sums, drawn: Clientele, rung: str) -> None:
    expected = by_cohort(entrants(drawn.customers, rung))
    columns = _columns(found)
    final = np.array([(day - BEGAN).days + 1 + WINDOWS[rung] <= HISTORY_DAYS for day in found.days])
    for name, values in columns.items():
        assert values[final] == pytest.approx(getattr(expected, name), rel=1e-9, abs=1e-6), name
        assert not np.nan_to_num(values[~final]).any()


def _columns(found: Sums) -> dict[str, Floats]:
    if found.pairs is None:
        assert found.moments is not None
        return {"n": found.moments.n, "mean": found.moments.mean, "m2": found.moments.m2}
    means, products = found.pairs.means, found.pairs.products
    return {
        "n": found.pairs.n,
        "mean": means[:, 0],
        "mean_x": means[:, 1],
        "m2": products[:, 0, 0],
        "m2_x": products[:, 1, 1],
        "c_xy": products[:, 0, 1],
    }


def _assert_months(found: Sums, drawn: Clientele, rung: str) -> None:
    """Whole calendar months; who has neither begun nor paid adds nothing to either sum."""
    months = list(ends(BEGAN + timedelta(days=366), NOW.date(), Granularity.MONTH))
    assert found.pairs is not None
    assert set(months) <= set(found.days)
    for place, last in enumerate(found.days):
        if last in months:
            expected = kept(drawn.customers, rung, (last - BEGAN).days + 1)
            sums = found.pairs.n[place] * found.pairs.means[place]
            assert sums.tolist() == pytest.approx([expected.y.sum(), expected.x.sum()], rel=1e-9)

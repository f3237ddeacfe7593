"""A covariate through the API: named in the plan, sealed with it, and told with the finding it adjusts."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

from api.database import Database
from api.jobs.refresh import refresh_due
from tests.api import documents
from tests.conftest import Ask

START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=20)
RESULTS = """
query Results($key: String!) { experiment(key: $key) {
  plan { canonicalJson kpis { covariate { attribute preExposureDays whenMissing slopes correlation } } }
  results { findings {
    method estimate { difference lift } control { value } treatment { value } fixed { statistic }
    adjustment {
      attribute preExposureDays controlSlope treatmentSlope missing varianceReduction difference standardError
      fixed { pValue interval { lower upper } }
    }
  } }
} }
"""


def plan(*covariates: dict[str, Any] | None) -> dict[str, Any]:
    """The revenue decides, the activation informs, each with a covariate of its own."""
    keys, roles = ("revenue", "activation", "ttv"), ("PRIMARY", "SECONDARY", "SECONDARY")
    kpis = [
        {"kpi": key, "role": role, "mde": {"difference": 1.0}, "covariate": covariate}
        for key, role, covariate in zip(keys, roles, covariates, strict=False)
    ]
    return documents.plan(kpis=kpis)


async def registered(ask: Ask, given: dict[str, Any]) -> dict[str, Any]:
    inputs = (
        (documents.KPI_REGISTER, documents.kpi()),
        (documents.KPI_REGISTER, documents.kpi("revenue", definition={"mean": {"event": "paid", "windowDays": 7}})),
        (
            documents.KPI_REGISTER,
            documents.kpi("ttv", definition={"timeToValue": {"event": "activated", "tauDays": 7}}, baseline=None),
        ),
        (documents.HYPOTHESIS_REGISTER, documents.hypothesis()),
        (documents.EXPERIMENT_REGISTER, documents.experiment(plan=given)),
    )
    for document, value in inputs:
        (payload,) = (await ask(document, {"input": value}, now=START)).values()
    return dict(payload)


async def test_covariates_of_a_plan_adjust_its_findings(database: Database, ask: Ask) -> None:
    score = {"attribute": "score", "whenMissing": 1.5, "correlation": 0.6}
    payload = await registered(ask, plan(score, {"preExposureDays": 28}))
    assert payload["userErrors"] == []
    await ask(documents.EXPERIMENT_START, {"input": {"id": payload["experiment"]["id"]}}, now=START)
    draw = np.random.default_rng(8)
    x, arm = np.round(draw.gamma(2, 1, 200), 2), np.arange(200) % 2
    known, y = x < 4, np.round(5 + 2 * x + arm + draw.normal(0, 1, 200), 2)
    entered = [(START + timedelta(days=place % 3, hours=5)).isoformat() for place in range(200)]
    met = [
        documents.exposure(
            f"u{place}",
            ("control", "tour")[arm[place]],
            entered[place],
            attributes={"score": float(x[place]) if known[place] else "many"},
        )
        for place in range(200)
    ]
    after = (datetime.fromisoformat(at) + timedelta(days=1) for at in entered)
    did = [
        documents.outcome(f"u{place}", "paid", at.isoformat(), value=float(y[place])) for place, at in enumerate(after)
    ]
    exposed = await ask(documents.EXPOSURES_INGEST, {"input": {"exposures": met}})
    happened = await ask(documents.OUTCOMES_INGEST, {"input": {"outcomes": did}})
    assert exposed["exposuresIngest"]["report"]["rowErrors"] == []
    assert happened["outcomesIngest"]["report"]["rowErrors"] == []
    await refresh_due(database)
    found = (await ask(RESULTS, {"key": "guided-tour"}))["experiment"]
    named = {"attribute": "score", "preExposureDays": None, "whenMissing": 1.5, "slopes": "ONE", "correlation": 0.6}
    assert found["plan"]["kpis"][0]["covariate"] == named
    assert [kpi["covariate"]["attribute"] for kpi in json.loads(found["plan"]["canonicalJson"])["kpis"]] == [
        "score",
        None,
    ]
    revenue, activation = found["results"]["findings"]
    covariate = np.where(known, x, 1.5)
    theirs = sm.OLS(y, np.column_stack((np.ones(200), arm, covariate - covariate.mean()))).fit()
    told = revenue["adjustment"]
    assert revenue["estimate"]["difference"] == pytest.approx(theirs.params[1])
    assert revenue["estimate"]["lift"] == pytest.approx(theirs.params[1] / theirs.params[0])
    assert revenue["fixed"]["statistic"] == pytest.approx(theirs.tvalues[1])
    assert told["controlSlope"] == told["treatmentSlope"] == pytest.approx(theirs.params[2])
    assert told["missing"] == pytest.approx(1 - known.mean())
    assert told["difference"] == pytest.approx(y[arm == 1].mean() - y[arm == 0].mean())
    assert told["difference"] == pytest.approx(revenue["treatment"]["value"] - revenue["control"]["value"])
    assert told["varianceReduction"] == pytest.approx(1 - (theirs.bse[1] / told["standardError"]) ** 2)
    # Nobody has activated, before or after: there is nothing to adjust, nor to judge by.
    assert (activation["adjustment"]["preExposureDays"], activation["adjustment"]["fixed"]) == (28, None)
    assert activation["adjustment"]["varianceReduction"] is None


async def test_covariates_that_break_rules_are_all_told_with_their_paths(ask: Ask) -> None:
    payload = await registered(
        ask, plan({"attribute": "score", "preExposureDays": 7}, {"preExposureDays": 0}, {"attribute": "score"})
    )
    assert [(error["code"], ".".join(error["path"])) for error in payload["userErrors"]] == [
        ("BAD_USER_INPUT", "plan.kpis.0.covariate"),
        ("BAD_USER_INPUT", "plan.kpis.1.covariate.preExposureDays"),
        ("BAD_USER_INPUT", "plan.kpis.2.covariate"),
    ]
    assert "time" in payload["userErrors"][-1]["message"]

"""Baselines of the early sign-ups, checked on wire rows, by statsmodels' survival curve and by the law."""

from datetime import date, timedelta

import numpy as np
import pytest
from statsmodels.duration.survfunc import SurvfuncRight

from api.sample import Company
from api.sample.kpis import Input
from api.sample.law import NO_EFFECT, levels, over_cells
from api.sample.rows import Row
from api.sample.runs import BASELINE_DAYS, RUNS
from api.sample.truths import LEVEL_OF
from tests.api.sample.conftest import TODAY
from tests.api.sample.wire import event_of, moments, value_of

KEYS = list(LEVEL_OF)


def values_of(company: Company, rows: list[Row], key: str) -> np.ndarray:
    (definition,) = (kpi["definition"] for kpi in company.registrations.kpis if kpi["key"] == key)
    did, end = moments(rows, event_of(definition)), company.began_at + timedelta(days=BASELINE_DAYS)
    entered = {
        row["unit"]: row["occurredAt"] for row in rows if row["event"] == "signed_up" and row["occurredAt"] < end
    }
    return np.array([value_of(definition, did.get(unit, []), at) for unit, at in entered.items()])


def baseline_of(company: Company, key: str) -> Input:
    baseline: Input
    (baseline,) = (kpi["baseline"] for kpi in company.registrations.kpis if kpi["key"] == key)
    return baseline


@pytest.mark.parametrize("key", KEYS)
def test_baseline_equals_the_rows(company: Company, outcome_rows: list[Row], key: str) -> None:
    values, baseline = values_of(company, outcome_rows, key), baseline_of(company, key)
    assert baseline["n"] == len(values)
    assert baseline["value"] == pytest.approx(values.mean(), rel=1e-9)
    assert baseline["standardError"] == pytest.approx(values.std(ddof=1) / np.sqrt(len(values)), rel=1e-9)


def test_baseline_of_ttfv_is_the_area_under_statsmodels_survival_curve(
    company: Company, outcome_rows: list[Row]
) -> None:
    days = values_of(company, outcome_rows, "ttfv")
    curve = SurvfuncRight(days, days < 14)
    steps = dict(zip(curve.surv_times.tolist(), curve.surv_prob.tolist(), strict=True))
    survival = [1.0] + [steps[day] for day in range(1, 14)]
    assert baseline_of(company, "ttfv")["value"] == pytest.approx(sum(survival), rel=1e-9)


@pytest.mark.parametrize("key", KEYS)
def test_baseline_is_within_4_standard_errors_of_the_law(company: Company, key: str) -> None:
    baseline, expected = baseline_of(company, key), over_cells(LEVEL_OF[key](levels(NO_EFFECT)), None)
    assert abs(baseline["value"] - expected) < 4 * baseline["standardError"]


def test_baseline_windows_close_before_the_first_experiment_starts(company: Company) -> None:
    baseline, longest = baseline_of(company, "ttfv"), 15
    first_day = TODAY - timedelta(days=120 - min(run.start_day for run in RUNS))
    assert baseline["fromOn"] == company.began_at.date().isoformat()
    assert date.fromisoformat(str(baseline["toOn"])) + timedelta(days=1 + longest) <= first_day

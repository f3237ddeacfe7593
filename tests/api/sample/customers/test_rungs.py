"""True levels and elasticities against large draws and against regressions over drawn cohorts."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from api.sample.customers import Customers, draw
from api.sample.customers.law import HISTORY_DAYS, REGION_DELAY, WAVE
from api.sample.customers.rungs import LATEST, RUNGS, elasticity, kept_on, level, lift, local_elasticity
from api.sample.customers.summaries import Measured, entrants, kept
from api.sample.kpis import CUSTOMER_KPIS
from api.sample.law import NO_EFFECT, Effect
from api.sample.runs import RUNS
from api.sample.truths import elasticity as truth_between
from api.sample.truths import kept_on as kept_by_key
from api.sample.truths import ladder_truths

MANY = 100_000
LADDER = [*pairwise(("ttfv", "activation", "retention", "nrr")), ("retention", "grr"), ("ttfv", "nrr")]
EFFECTS = [NO_EFFECT, *(run.effect for run in RUNS if run.effect != NO_EFFECT)]


def standard_error(y: np.ndarray, x: np.ndarray) -> float:
    """Of a ratio of sums, by the delta method."""
    return float((y - y.sum() / x.sum() * x).std(ddof=1) / x.mean() / np.sqrt(len(x)))


@pytest.fixture(scope="module")
def crowd() -> Customers:
    """Customers in numbers that leave chance little to say."""
    return draw(6 * MANY, np.random.default_rng(11))


@pytest.mark.parametrize("effect", EFFECTS)
def test_levels_of_a_large_draw_are_within_4_standard_errors_of_the_law(effect: Effect) -> None:
    customers = draw(MANY, np.random.default_rng(20_261_122), effect)
    for rung in RUNGS:
        measured = entrants(customers, rung)
        found = measured.y.sum() / measured.x.sum()
        assert abs(found - level(rung, effect)) < 4 * standard_error(measured.y, measured.x), rung


@pytest.mark.parametrize("day", [400, 511, 620, HISTORY_DAYS])
def test_revenue_kept_up_to_a_day_is_within_4_standard_errors_of_the_law(crowd: Customers, day: int) -> None:
    for rung, expected in zip(("grr", "nrr"), kept_on(day), strict=True):
        measured = kept(crowd, rung, day)
        assert abs(measured.value - expected) < 4 * standard_error(measured.y, measured.x), rung


@pytest.mark.parametrize(("leading", "lagging"), LADDER)
def test_elasticity_is_the_slope_over_cohorts_of_a_large_draw(crowd: Customers, leading: str, lagging: str) -> None:
    """Cohorts are a month of a region: thousands of accounts each, so that chance in the leading rung is small."""
    cell = (crowd.opened // 30).astype(int) * 3 + crowd.region
    x, y = (by_cell(entrants(crowd, rung), cell) for rung in (leading, lagging))
    fit = stats.linregress(np.log(x), np.log(y))
    assert fit.slope == pytest.approx(elasticity(leading, lagging), abs=4 * fit.stderr)
    assert fit.stderr < 0.02


def by_cell(measured: Measured, cell: np.ndarray) -> np.ndarray:
    return np.bincount(cell, weights=measured.y) / np.bincount(cell, weights=measured.x)


@pytest.mark.parametrize(("leading", "lagging"), LADDER)
def test_elasticity_is_about_the_same_for_cohorts_however_late(leading: str, lagging: str) -> None:
    local = [local_elasticity(leading, lagging, late) for late in np.linspace(-1.2, 1.2, 9)]
    assert np.abs(np.array(local) / elasticity(leading, lagging) - 1).max() < 0.2


def test_elasticities_of_a_chain_multiply() -> None:
    chain = [elasticity(*pair) for pair in pairwise(("ttfv", "activation", "retention", "nrr"))]
    assert np.prod(chain) == pytest.approx(elasticity("ttfv", "nrr"), rel=0.02)


def test_accounts_that_are_activated_would_stay_anyway_so_that_comparing_them_overstates_the_link(
    crowd: Customers,
) -> None:
    """The slope between accounts, against the one between cohorts, both of shares."""
    months = (crowd.opened // 30).astype(int) * 3 + crowd.region
    by_month = stats.linregress(*(by_cell(entrants(crowd, rung), months) for rung in ("activation", "retention")))
    by_account = stats.linregress(crowd.is_activated, crowd.is_retained)
    assert by_account.slope - by_month.slope > 4 * by_month.stderr


def test_no_cohort_is_later_than_the_nodes_reach() -> None:
    assert WAVE + np.abs(REGION_DELAY).max() < LATEST


def test_a_faster_start_lifts_every_rung_and_no_effect_none() -> None:
    effect = Effect(first_value_speed=0.3)
    assert lift("ttfv", effect) < -0.1
    assert all(lift(rung, effect) > 0.01 for rung in RUNGS if rung != "ttfv")
    assert all(lift(rung, NO_EFFECT) == 0 for rung in RUNGS)


def test_lift_of_revenue_by_an_effect_on_the_start_is_about_what_the_elasticity_says() -> None:
    effect = Effect(first_value_speed=0.3)
    assert lift("nrr", effect) == pytest.approx(elasticity("ttfv", "nrr") * lift("ttfv", effect), rel=0.25)


@pytest.mark.parametrize("day", [100.0, 365.0, 731.0])
def test_kept_on_a_day_without_a_year_before_it_is_refused(day: float) -> None:
    with pytest.raises(ValueError, match="365 days end"):
        kept_on(day)


def test_truths_of_the_ladder_are_the_rungs_by_the_keys_of_the_kpis() -> None:
    truths = {truth.kpi: truth for truth in ladder_truths()}
    registered = [kpi["key"] for kpi in CUSTOMER_KPIS]
    assert list(truths) == registered[: len(truths)]
    assert truths["account-ttfv"].elasticity == pytest.approx(1)
    assert truths["nrr-first-year"].level == level("nrr")
    assert truths["nrr-first-year"].lifts["guided-onboarding"] == lift("nrr", RUNS[0].effect) > 0.03
    assert truths["grr-first-year"].lifts["weekly-digest"] == 0
    assert truth_between("account-retention-d60", "nrr-first-year") == elasticity("retention", "nrr")
    assert tuple(kept_by_key(700).values()) == kept_on(700)


def test_the_page_about_the_sample_company_says_these_truths() -> None:
    page = (Path(__file__).parents[4] / "docs" / "sample.md").read_text()
    for truth in ladder_truths():
        (line,) = (line for line in page.splitlines() if line.startswith(f"| `{truth.kpi}` |"))
        said = [float(number) for number in re.findall(r"[-+]?[0-9]+\.[0-9]+", line)]
        assert said[:2] == pytest.approx([truth.level, truth.elasticity], abs=0.0006)
        assert said[2] == pytest.approx(100 * truth.lifts["guided-onboarding"], abs=0.06)
    links = [("activation", "retention"), ("retention", "grr"), ("retention", "nrr")]
    steps = [f"{elasticity(*link):.3f}" for link in links]
    assert f"activation to retention {steps[0]}, retention to GRR {steps[1]}, retention to NRR {steps[2]}" in page
    grr, nrr = kept_on(HISTORY_DAYS)
    assert f"{grr:.3f} and {nrr:.3f} of the 365 days" in page

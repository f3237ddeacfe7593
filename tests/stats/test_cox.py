"""Hazard ratios against R, statsmodels and a partial likelihood written out."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from statsmodels.duration.survfunc import survdiff

from stats.arrays import Array
from stats.results import Comparison, Reason, Undefined
from stats.survival import cox, logrank
from stats.survival.counts import LifeTable, life_table
from tests.stats.expansion import Cohorts, draw_cohorts
from tests.stats.freireich import DRUG, DRUG_STATUS, DRUG_WEEKS, PLACEBO, PLACEBO_STATUS, PLACEBO_WEEKS

WEEKS = np.array(DRUG_WEEKS + PLACEBO_WEEKS)
STATUS = np.array(DRUG_STATUS + PLACEBO_STATUS)
ON_PLACEBO = np.repeat([0, 1], 21)


def by_cohort(cohorts: Cohorts) -> LifeTable:
    return life_table(
        cohorts.entered[:, np.newaxis],
        cohorts.events[:, np.newaxis],
        cohorts.losses[:, np.newaxis],
        cohorts.observed[:, np.newaxis],
    )


def rows_by_cohort(cohorts: Cohorts) -> tuple[Array, Array, Array]:
    """Time, status and cohort of each unit, in the order of `rows`."""
    return *cohorts.rows(), np.repeat(np.arange(cohorts.entered.size), cohorts.entered.astype(int))


@pytest.mark.parametrize("seed", range(5))
def test_log_rank_within_cohorts_equals_statsmodels(seed: int) -> None:
    arms = draw_cohorts(seed), draw_cohorts(seed + 100, hazard=0.15)
    parts = [np.concatenate(pair) for pair in zip(*map(rows_by_cohort, arms), strict=True)]
    group = np.repeat([0, 1], [arm.entered.sum().astype(int) for arm in arms])
    chi_square, p_value = survdiff(parts[0], parts[1], group, strata=parts[2])
    ours = cox.stratified(*map(by_cohort, arms))
    assert_allclose((ours.statistic**2, ours.p_value), (chi_square, p_value), rtol=1e-9)


def test_one_stratum_is_the_plain_log_rank() -> None:
    plain = logrank.compare(PLACEBO, DRUG)
    ours = cox.stratified(
        *(
            LifeTable(at_risk=t.at_risk[np.newaxis], events=t.events[np.newaxis], losses=t.losses[np.newaxis])
            for t in (PLACEBO, DRUG)
        )
    )
    assert_allclose((ours.score, ours.variance, ours.p_value), (plain.score, plain.variance, plain.p_value))


def test_a_day_adds_to_the_score_of_each_cohort_without_changing_it() -> None:
    arms = draw_cohorts(3), draw_cohorts(4)
    looks = np.arange(1, 16)[:, np.newaxis]
    watched = np.clip(looks - np.arange(15), 0, None)[..., np.newaxis]
    tables = (
        life_table(a.entered[:, np.newaxis], a.events[:, np.newaxis], a.losses[:, np.newaxis], watched) for a in arms
    )
    ours = cox.stratified(*tables)
    assert ours.score.shape == (15,)
    assert_allclose(ours.score[-1], cox.stratified(*map(by_cohort, arms)).score)
    assert (np.diff(ours.variance) >= 0).all()


def test_log_rank_within_cohorts_finds_what_differing_levels_hide_and_rarely_more() -> None:
    draw = np.random.default_rng(91)
    levels = np.repeat([0.02, 0.5], 3)
    found = {ratio: strata_of(draw, levels, ratio) for ratio in (1.0, 1.5)}
    rates = {ratio: (each.p_value < 0.05).mean() for ratio, each in found.items()}
    assert rates[1.0] == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 4000))
    assert rates[1.5] > 0.6


def strata_of(draw: np.random.Generator, levels: Array, ratio: float) -> logrank.LogRank:
    tables = []
    for hazard in (levels, 1 - (1 - levels) ** ratio):
        entered, happened = np.full((4000, 6, 1), 25), np.zeros((4000, 6, 1, 4))
        still = entered.copy()
        for j in range(4):
            happened[..., j] = draw.binomial(still, hazard[:, np.newaxis])
            still = still - happened[..., j].astype(int)
        tables.append(life_table(entered, happened, np.zeros(4), np.full((6, 1), 4)))
    return cox.stratified(*tables)


def test_strata_without_a_common_risk_have_no_answer() -> None:
    nobody = life_table([[0], [0]], np.zeros((2, 1, 3)), np.zeros((2, 1, 3)), [[3], [3]])
    ours = cox.stratified(nobody, nobody)
    assert ours.reason_at() == Reason.INSUFFICIENT_DATA
    assert np.isnan([ours.statistic, ours.p_value]).all()


def test_cox_on_freireich_equals_r() -> None:
    # R survival 3: coxph(Surv(time, cens) ~ treat, gehan), Efron: coef 1.5721 (sign by level), se(coef) 0.4124
    ours = cox.fit(WEEKS, STATUS, ON_PLACEBO, alpha=0.05).at()
    assert isinstance(ours, Comparison)
    assert ours.difference == pytest.approx(1.5721, abs=5e-5)
    assert ours.standard_error == pytest.approx(0.4124, abs=5e-5)


def efron(log_ratio: float, times: Array, status: Array, treated: Array) -> float:
    """Minus the log partial likelihood, ties as Efron (1977)."""
    risk, total = np.exp(log_ratio * treated), 0.0
    for time in np.unique(times[status == 1]):
        now = (times == time) & (status == 1)
        at_risk, leaving = risk[times >= time].sum(), risk[now].sum()
        total += (log_ratio * treated[now]).sum()
        total -= np.log(at_risk - np.arange(now.sum()) / now.sum() * leaving).sum()
    return float(-total)


def test_cox_is_the_top_of_the_partial_likelihood() -> None:
    best = minimize_scalar(
        efron, args=(WEEKS, STATUS, ON_PLACEBO), bounds=(-3, 3), method="bounded", options={"xatol": 1e-9}
    )
    ours = cox.fit(WEEKS, STATUS, ON_PLACEBO, alpha=0.05)
    # scipy's optimiser is the coarser side: at its top a likelihood is flat. R holds ours to 1e-9 (tests/agreement).
    assert_allclose(ours.difference, best.x, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_one_step_is_close_to_cox_for_a_moderate_effect(seed: int) -> None:
    draw = np.random.default_rng(seed)
    times = np.concatenate((draw.geometric(0.05, 1000), draw.geometric(0.06, 1000)))
    status, treated = (times <= 20).astype(int), np.repeat([0, 1], 1000)
    seen = np.minimum(times, 20)
    tables = (
        life_table([1000], [np.bincount(seen[arm & (status == 1)] - 1, minlength=20)], np.zeros((1, 20)), [20])
        for arm in (treated == 0, treated == 1)
    )
    one_step = logrank.compare(*tables).log_hazard_ratio(alpha=0.05)
    full = cox.fit(seen, status, treated, alpha=0.05)
    assert_allclose(one_step.difference, full.difference, rtol=0.05)
    assert_allclose(one_step.standard_error, full.standard_error, rtol=0.03)


def test_cox_within_strata_compares_only_within_them() -> None:
    draw = np.random.default_rng(92)
    level = np.repeat([0.02, 0.4], 400)
    treated = np.tile([0, 1], 400)
    times = draw.geometric(1 - (1 - level) ** np.exp(0.3 * treated))
    within = cox.fit(times, np.ones(800), treated, alpha=0.05, strata=level > 0.1)
    blurred = cox.fit(times, np.ones(800), treated, alpha=0.05)
    assert abs(within.difference - 0.3) < 3 * within.standard_error
    assert blurred.difference < within.difference


@pytest.mark.parametrize(
    ("times", "status", "treated", "reason"),
    [
        ([1, 2, 3, 4], [1, 1, 0, 0], [0, 0, 1, 1], Reason.TOO_FEW_EVENTS),
        ([1, 2, 3, 4], [1, 1, 1, 1], [0, 0, 1, 1], Reason.TOO_FEW_EVENTS),
        ([1, 2, 3], [1, 1, 1], [1, 1, 1], Reason.INSUFFICIENT_DATA),
        ([1, 2], [0, 0], [0, 1], Reason.TOO_FEW_EVENTS),
        ([], [], [], Reason.INSUFFICIENT_DATA),
    ],
)
def test_ratios_that_would_be_zero_or_infinite_are_undefined(
    times: list[int], status: list[int], treated: list[int], reason: Reason
) -> None:
    assert cox.fit(times, status, treated, alpha=0.05).at() == Undefined(reason=reason)


def test_statsmodels_is_only_loaded_when_asked() -> None:
    program = "import sys, stats.survival.cox; print('statsmodels' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    "ask",
    [
        lambda: cox.fit([1, 2], [1], [0, 1], alpha=0.05),
        lambda: cox.fit([0, 2], [1, 1], [0, 1], alpha=0.05),
        lambda: cox.fit([1, 2], [1, 2], [0, 1], alpha=0.05),
        lambda: cox.fit([1, 2], [1, 1], [0, 1], alpha=0.05, strata=[1]),
        lambda: cox.fit([1, 2], [1, 1], [0, 1], alpha=0.0),
    ],
)
def test_misuse_is_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"row|zero|marked|alpha"):
        ask()

"""Days and shares read from curves, against statsmodels and plain proportions."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import norm
from statsmodels.duration.survfunc import SurvfuncRight

from stats.results import Comparison, Reason, Undefined
from stats.survival import kaplan_meier, quantiles
from stats.survival.counts import LifeTable, life_table
from tests.stats.drawing import few
from tests.stats.expansion import draw_cohorts, table_of
from tests.stats.freireich import DRUG, DRUG_STATUS, DRUG_WEEKS, PLACEBO, PLACEBO_STATUS, PLACEBO_WEEKS


@pytest.mark.parametrize("share", [0.1, 0.25, 0.43, 0.5, 0.77])
@pytest.mark.parametrize("seed", [0, 1, 2, 5, 6, 7])  # of curves that stay above zero
def test_day_and_its_limits_equal_statsmodels(seed: int, share: float) -> None:
    cohorts = draw_cohorts(seed, hazard=0.15, size=30)
    theirs = SurvfuncRight(*cohorts.rows())
    ours = quantiles.quantile(kaplan_meier.estimate(cohorts.table, level=0.9), share)
    with np.errstate(divide="ignore", invalid="ignore"):  # theirs takes the logarithm of zero
        lower, upper = theirs.quantile_ci(share, alpha=0.1)
    day = theirs.quantile(share)
    if np.isnan(lower):  # no event day is within the limits: the curve jumped past them on one day
        lower = upper = day
    assert_allclose(ours.lower, lower)
    assert_allclose(ours.upper, np.nan if np.isinf(upper) else upper)
    assert_allclose(ours.day, day)


def test_median_of_the_drug_equals_r() -> None:
    # R survival 3, survfit(Surv(time, cens) ~ treat, gehan, conf.type = "log-log"): 23, 13 to NA; control 8, 4 to 11
    drug = quantiles.quantile(kaplan_meier.estimate(DRUG, level=0.95), 0.5)
    assert_allclose((drug.day, drug.lower, drug.upper), (23, 13, np.nan))
    placebo = quantiles.quantile(kaplan_meier.estimate(PLACEBO, level=0.95), 0.5)
    assert_allclose((placebo.day, placebo.lower, placebo.upper), (8, 4, 11))


@few
@given(st.integers(0, 5000), st.floats(0.05, 0.4))
def test_quantile_at_a_half_is_the_median(seed: int, hazard: float) -> None:
    curve = kaplan_meier.estimate(draw_cohorts(seed, hazard=hazard).table, level=0.95)
    ours, median = quantiles.quantile(curve, 0.5), kaplan_meier.median(curve)
    assert_allclose(ours.day, median.day)
    assert ours.reason == median.reason


def test_a_curve_level_at_the_share_gives_the_middle() -> None:
    curve = kaplan_meier.estimate(table_of([2, 6, 8, 9], [1, 1, 1, 1], 10), level=0.95)
    assert quantiles.quantile(curve, 0.25).at() == 4


def test_days_not_reached_or_without_units_say_why() -> None:
    few_events = kaplan_meier.estimate(table_of([1, 5, 5, 5], [1, 0, 0, 0], 5), level=0.95)
    assert quantiles.quantile(few_events, 0.5).at() == Undefined(reason=Reason.NOT_REACHED)
    nobody = kaplan_meier.estimate(life_table([0], np.zeros((1, 3)), np.zeros((1, 3)), [3]), level=0.95)
    assert quantiles.quantile(nobody, 0.5).at() == Undefined(reason=Reason.INSUFFICIENT_DATA)


def test_limits_of_the_day_cover_it() -> None:
    draw, n, hazard = np.random.default_rng(81), 80, 0.1
    still, happened = np.full(4000, n), np.zeros((4000, 1, 30))
    for j in range(30):
        happened[:, 0, j] = draw.binomial(still, hazard)
        still = still - happened[:, 0, j].astype(int)
    tables = life_table(np.full((4000, 1), n), happened, np.zeros(30), np.full((4000, 1), 30))
    ours = quantiles.quantile(kaplan_meier.estimate(tables, level=0.9), 0.6)
    truth = np.ceil(np.log(0.4) / np.log(1 - hazard))
    covered = (ours.lower <= truth) & (ours.upper >= truth)
    assert covered.mean() > 0.9 - 3 * np.sqrt(0.09 / 4000)
    assert (ours.upper - ours.lower).mean() < 6


@pytest.mark.parametrize("day", [1, 6, 14])
def test_share_by_a_day_equals_statsmodels_curve_and_cloglog_limits(day: int) -> None:
    cohorts = draw_cohorts(5, size=40)
    theirs = SurvfuncRight(*cohorts.rows())
    position = int(np.searchsorted(theirs.surv_times, day, side="right")) - 1
    left, error = theirs.surv_prob[position], theirs.surv_prob_se[position]
    middle, half = np.log(-np.log(left)), norm.isf(0.025) * error / abs(left * np.log(left))
    ours = quantiles.share_by(kaplan_meier.estimate(cohorts.table, level=0.95), day)
    assert_allclose((ours.share, ours.variance), (1 - left, error**2), rtol=1e-9)
    wanted = 1 - np.exp(-np.exp([middle - half, middle + half]))
    assert_allclose((ours.lower, ours.upper), wanted, rtol=1e-9)


def test_without_censoring_it_is_the_plain_proportion() -> None:
    ours = quantiles.share_by(
        kaplan_meier.estimate(table_of([1] * 12 + [3] * 18 + [7] * 70, [1] * 100, 7), level=0.9), 5
    )
    assert_allclose((ours.share, ours.variance), (0.3, 0.3 * 0.7 / 100), rtol=1e-12)


def test_shares_without_events_or_without_anybody_say_why() -> None:
    curve = kaplan_meier.estimate(table_of([2, 3, 3], [1, 0, 0], 5), level=0.95)
    assert quantiles.share_by(curve, 1).at() == Undefined(reason=Reason.ZERO_VARIANCE)
    assert quantiles.share_by(curve, 5).at() == Undefined(reason=Reason.INSUFFICIENT_DATA)
    assert quantiles.share_by(curve, 1).share == 0


def test_comparison_by_a_day_is_kleins_test() -> None:
    ours = quantiles.compare(PLACEBO, DRUG, day=10, alpha=0.05)
    parts = []
    for rows in ((PLACEBO_WEEKS, PLACEBO_STATUS), (DRUG_WEEKS, DRUG_STATUS)):
        theirs = SurvfuncRight(*map(np.array, rows))
        at = int(np.searchsorted(theirs.surv_times, 10, side="right")) - 1
        left, error = theirs.surv_prob[at], theirs.surv_prob_se[at]
        parts.append((left, error, np.log(-np.log(left)), error / abs(left * np.log(left))))
    (first, e0, g0, s0), (second, e1, g1, s1) = parts
    assert_allclose((ours.difference, ours.variance), (first - second, e0**2 + e1**2), rtol=1e-9)
    assert_allclose(ours.statistic, (g1 - g0) / np.hypot(s0, s1), rtol=1e-9)
    assert isinstance(ours.at(), Comparison)
    assert ours.lower < ours.difference < ours.upper < 0


def test_comparison_by_a_day_holds_its_alpha_covers_and_finds() -> None:
    draw = np.random.default_rng(82)
    tables = {share: by_day(draw, share) for share in (0.02, 0.021, 0.06)}
    nothing = quantiles.compare(tables[0.02], tables[0.021], day=7, alpha=0.05)
    something = quantiles.compare(tables[0.02], tables[0.06], day=7, alpha=0.05)
    assert (nothing.p_value < 0.05).mean() < 0.06
    assert (something.p_value < 0.05).mean() > 0.8
    truth = (1 - 0.02) ** 7 - (1 - 0.06) ** 7
    assert ((something.lower < truth) & (something.upper > truth)).mean() == pytest.approx(0.95, abs=0.015)


def by_day(draw: np.random.Generator, hazard: float) -> LifeTable:
    """2,000 experiments of ten cohorts of 30, the last of them watched for one day."""
    entered, happened = np.full((2000, 10), 30), np.zeros((2000, 10, 7))
    still = entered.copy()
    for j in range(7):
        happened[..., j] = draw.binomial(still, hazard)
        still = still - happened[..., j].astype(int)
    return life_table(entered, happened, np.zeros(7), np.arange(10, 0, -1.0))


def test_numbers_at_risk_equal_statsmodels() -> None:
    theirs = SurvfuncRight(np.array(DRUG_WEEKS), np.array(DRUG_STATUS))
    ours = quantiles.at_risk(DRUG, [int(week) for week in theirs.surv_times])
    assert_allclose(ours.at_risk, theirs.n_risk)
    assert_allclose(ours.events, np.cumsum(theirs.n_events))
    start = quantiles.at_risk(DRUG, [0, 35])
    assert start.at_risk.tolist() == [21, 1]
    assert start.events.tolist() == [0, 9]


@pytest.mark.parametrize(
    "ask",
    [
        lambda: quantiles.quantile(kaplan_meier.estimate(DRUG, level=0.95), 1.0),
        lambda: quantiles.share_by(kaplan_meier.estimate(DRUG, level=0.95), 0),
        lambda: quantiles.share_by(kaplan_meier.estimate(DRUG, level=0.95), 36),
        lambda: quantiles.compare(DRUG, PLACEBO, day=36, alpha=0.05),
        lambda: quantiles.at_risk(DRUG, [36]),
    ],
)
def test_days_and_shares_outside_the_curve_are_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"between 0 and 1|days"):
        ask()

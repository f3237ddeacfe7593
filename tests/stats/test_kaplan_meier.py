"""Survival curves against statsmodels on rows, and against R on a classic data set."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from statsmodels.duration.survfunc import SurvfuncRight

from stats.results import Reason, Undefined
from stats.survival import kaplan_meier
from stats.survival.counts import LifeTable, life_table
from tests.stats.drawing import few
from tests.stats.expansion import draw_cohorts, table_of
from tests.stats.freireich import DRUG, PLACEBO


@few
@given(st.integers(0, 10_000), st.floats(0.02, 0.4))
def test_curve_and_greenwood_variance_equal_statsmodels(seed: int, hazard: float) -> None:
    cohorts = draw_cohorts(seed, hazard=hazard)
    theirs = SurvfuncRight(*cohorts.rows())
    ours = kaplan_meier.estimate(cohorts.table, level=0.95)
    at = theirs.surv_times.astype(int) - 1
    inside = theirs.surv_prob > 1e-12
    assert_allclose(ours.survival[at], theirs.surv_prob, rtol=1e-9, atol=1e-12)
    assert_allclose(np.sqrt(ours.variance[at])[inside], theirs.surv_prob_se[inside], rtol=1e-9)


@few
@given(st.integers(0, 10_000))
def test_limits_enclose_the_curve_and_stay_between_0_and_1(seed: int) -> None:
    ours = kaplan_meier.estimate(draw_cohorts(seed).table, level=0.9)
    known = ~np.isnan(ours.lower)
    assert known.any()
    assert (np.diff(ours.survival[~np.isnan(ours.survival)]) <= 0).all()
    assert ((ours.lower >= 0) & (ours.lower < ours.survival) & (ours.survival < ours.upper) & (ours.upper <= 1))[
        known
    ].all()


def test_curve_of_freireichs_drug_equals_r() -> None:
    # R survival: summary(survfit(Surv(week, relapse) ~ 1, conf.type = "log-log")), three digits.
    ours = kaplan_meier.estimate(DRUG, level=0.95)
    weeks = np.array([6, 7, 10, 13, 16, 22, 23]) - 1
    assert_allclose(ours.survival[weeks], [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], atol=6e-4)
    assert_allclose(ours.lower[weeks], [0.620, 0.563, 0.503, 0.432, 0.368, 0.268, 0.188], atol=6e-4)
    assert_allclose(ours.upper[weeks], [0.952, 0.923, 0.889, 0.849, 0.805, 0.747, 0.680], atol=6e-4)


def test_medians_of_freireich_equal_r() -> None:
    both = LifeTable(
        at_risk=np.stack((DRUG.at_risk, PLACEBO.at_risk)),
        events=np.stack((DRUG.events, PLACEBO.events)),
        losses=np.stack((DRUG.losses, PLACEBO.losses)),
    )
    medians = kaplan_meier.median(kaplan_meier.estimate(both, level=0.95))
    assert medians.at(0) == 23
    assert medians.at(1) == 8


@pytest.mark.parametrize(
    ("times", "status", "expected"),
    [
        ([1, 2, 3, 4], [1, 1, 1, 1], 2.5),  # S = 0.5 from 2 to 3
        ([1, 2, 5, 9], [1, 1, 0, 1], 5.5),  # S = 0.5 from 2 until the event at 9
        ([1, 2, 5, 9], [1, 1, 0, 0], 2.0),  # S = 0.5 from 2 to the end
        ([1, 2, 2, 4], [1, 1, 1, 1], 2.0),  # S passes 0.5
    ],
)
def test_median_at_exactly_a_half_is_the_middle_as_in_r(times: list[int], status: list[int], expected: float) -> None:
    # R survival: survfit(Surv(times, status) ~ 1)
    median = kaplan_meier.median(kaplan_meier.estimate(table_of(times, status, 12), level=0.95))
    assert median.at() == expected


def test_median_that_half_the_units_have_not_reached_is_undefined() -> None:
    few_events = kaplan_meier.estimate(table_of([1, 2, 3, 4, 5], [1, 0, 0, 0, 0], 6), level=0.95)
    assert kaplan_meier.median(few_events).at() == Undefined(reason=Reason.NOT_REACHED)
    all_censored = kaplan_meier.estimate(table_of([1, 2, 3], [0, 0, 0], 6), level=0.95)
    assert kaplan_meier.median(all_censored).at() == Undefined(reason=Reason.NOT_REACHED)
    nobody = kaplan_meier.estimate(life_table([0], [[0, 0]], [[0, 0]], [2]), level=0.95)
    assert kaplan_meier.median(nobody).at() == Undefined(reason=Reason.INSUFFICIENT_DATA)


def test_curve_is_unknown_once_nobody_is_at_risk() -> None:
    ours = kaplan_meier.estimate(life_table([10, 10], [[2, 1, 0], [1, 0, 0]], np.zeros((2, 3)), [2, 1]), level=0.95)
    assert_allclose(ours.survival, [0.85, 0.85 * (7 / 8), np.nan])
    assert np.isnan([ours.variance[2], ours.lower[2], ours.upper[2]]).all()


def test_curve_at_zero_stays_there_without_an_interval() -> None:
    ours = kaplan_meier.estimate(table_of([1, 2], [1, 1], 4), level=0.95)
    assert_allclose(ours.survival, [0.5, 0, 0, 0])
    assert np.isnan(ours.variance[1:]).all()
    assert np.isnan(ours.lower[1:]).all()


def test_curve_without_events_is_one_without_limits() -> None:
    ours = kaplan_meier.estimate(table_of([3, 3], [0, 0], 3), level=0.95)
    assert_allclose(ours.survival, 1.0)
    assert_allclose(ours.variance, 0.0)
    assert np.isnan(ours.lower).all()

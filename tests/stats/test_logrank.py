"""Log-rank against statsmodels on rows: survdiff for the test, the Cox score for its parts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import survdiff

from stats.results import Comparison, Reason, Undefined
from stats.survival import logrank
from stats.survival.counts import LifeTable, life_table
from tests.stats.drawing import few
from tests.stats.expansion import draw_cohorts, table_of
from tests.stats.freireich import DRUG, PLACEBO


@few
@given(st.integers(0, 10_000), st.floats(0.02, 0.3))
def test_statistic_and_p_value_equal_statsmodels(seed: int, hazard: float) -> None:
    control, treatment = draw_cohorts(seed), draw_cohorts(seed + 1, hazard=hazard)
    (times, status), (more_times, more_status) = control.rows(), treatment.rows()
    group = np.repeat([0, 1], [times.size, more_times.size])
    chi_square, p_value = survdiff(np.concatenate((times, more_times)), np.concatenate((status, more_status)), group)
    ours = logrank.compare(control.table, treatment.table)
    assert_allclose((ours.statistic**2, ours.p_value), (chi_square, p_value), rtol=1e-9, atol=1e-9)


def test_score_and_variance_without_ties_are_those_of_the_cox_model_at_zero() -> None:
    times = np.random.default_rng(12).permutation(60) + 1
    status, group = np.random.default_rng(13).binomial(1, 0.8, 60), np.arange(60) % 3 == 0
    cox = PHReg(times, group[:, np.newaxis].astype(float), status=status)
    ours = logrank.compare(
        table_of(list(times[~group]), list(status[~group]), 60), table_of(list(times[group]), list(status[group]), 60)
    )
    assert_allclose(ours.score, cox.score(np.zeros(1))[0], rtol=1e-9)
    assert_allclose(ours.variance, -cox.hessian(np.zeros(1))[0, 0], rtol=1e-9)


def test_freireichs_trial_has_the_published_statistic() -> None:
    # R survival: survdiff(Surv(week, relapse) ~ arm) prints Chisq = 16.8 on 1 df; the textbooks give 16.79.
    ours = logrank.compare(PLACEBO, DRUG)
    assert ours.statistic**2 == pytest.approx(16.79, abs=5e-3)
    assert ours.statistic < 0  # fewer relapses under the drug


def test_one_step_hazard_ratio_has_the_same_test_and_the_right_side() -> None:
    test = logrank.compare(PLACEBO, DRUG)
    ratio = test.log_hazard_ratio(alpha=0.05).at()
    assert isinstance(ratio, Comparison)
    assert ratio.difference == pytest.approx(float(test.score / test.variance), rel=1e-9)
    assert ratio.statistic == pytest.approx(float(test.statistic), rel=1e-9)
    assert ratio.p_value == pytest.approx(float(test.p_value), rel=1e-9)
    assert ratio.interval.upper < 0


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        (table_of([3, 3], [0, 0], 3), table_of([3, 3], [0, 0], 3), Reason.TOO_FEW_EVENTS),
        (table_of([1, 1], [0, 0], 3), table_of([2, 3], [1, 1], 3), Reason.TOO_FEW_EVENTS),
        (
            life_table([0], np.zeros((1, 3)), np.zeros((1, 3)), [3]),
            table_of([1, 2, 3], [1, 1, 1], 3),
            Reason.INSUFFICIENT_DATA,
        ),
    ],
)
def test_arms_without_an_event_at_common_risk_say_why(control: LifeTable, treatment: LifeTable, reason: Reason) -> None:
    ours = logrank.compare(control, treatment)
    assert ours.reason_at() is reason
    assert np.isnan([ours.statistic, ours.p_value]).all()
    assert ours.log_hazard_ratio(alpha=0.05).at() == Undefined(reason=reason)

"""A value against its baseline: scipy's Welch where both have units, the normal distribution otherwise."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats as scipy_stats

from stats import baseline
from stats.results import Comparison, Reason, Undefined


def test_value_and_baseline_with_units_equal_scipys_welch() -> None:
    theirs = scipy_stats.ttest_ind_from_stats(5.0, 2.0, 30, 4.2, 1.5, 12, equal_var=False)
    ours = baseline.compare(
        5.0, 2.0**2 / 30, baseline=4.2, baseline_standard_error=1.5 / np.sqrt(12), alpha=0.05, n=30, baseline_n=12
    )
    assert_allclose((ours.statistic, ours.p_value), theirs, rtol=1e-9)


def test_value_without_units_is_normal_with_both_variances() -> None:
    ours = baseline.compare(0.5, 0.01, baseline=0.2, baseline_standard_error=0.15, alpha=0.1).at()
    standard_error = np.hypot(0.1, 0.15)
    assert isinstance(ours, Comparison)
    assert ours.p_value == pytest.approx(2 * scipy_stats.norm.sf(0.3 / standard_error), rel=1e-9)
    low, high = scipy_stats.norm.interval(0.9, 0.3, standard_error)
    assert_allclose((ours.interval.lower, ours.interval.upper), (low, high), rtol=1e-9)


@pytest.mark.parametrize("units", [{}, {"n": 30, "baseline_n": 12}])
def test_every_baseline_comparison_is_labelled_observational(units: dict[str, int]) -> None:
    ours = baseline.compare(5.0, 0.1, baseline=4.2, baseline_standard_error=0.2, alpha=0.05, **units)
    assert "observational" in ours.method


def test_a_baseline_of_unknown_size_leaves_the_normal_test() -> None:
    ours = baseline.compare(5.0, 0.1, baseline=4.2, baseline_standard_error=0.2, alpha=0.05, n=5)
    assert ours.method == baseline.NORMAL
    assert_allclose(ours.p_value, 2 * scipy_stats.norm.sf(0.8 / np.sqrt(0.14)), rtol=1e-9)


def test_an_exactly_known_baseline_leaves_the_values_own_test() -> None:
    rows = np.array([1.0, 4.0, 6.0, 6.5])
    theirs = scipy_stats.ttest_1samp(rows, 2.0)
    ours = baseline.compare(
        rows.mean(), rows.var(ddof=1) / 4, baseline=2.0, baseline_standard_error=0.0, alpha=0.05, n=4, baseline_n=100
    )
    assert_allclose((ours.statistic, ours.p_value), theirs, rtol=1e-9)


def test_many_days_are_compared_in_one_call() -> None:
    ours = baseline.compare(
        np.array([1.0, 2.0, 3.0]),
        np.array([np.nan, 0.5, 0.1]),
        baseline=1.5,
        baseline_standard_error=0.3,
        alpha=0.05,
        n=np.array([1, 8, 40]),
        baseline_n=50,
    )
    assert ours.at(0) == Undefined(reason=Reason.INSUFFICIENT_DATA)
    assert isinstance(ours.at(2), Comparison)


@pytest.mark.parametrize(
    ("variance", "standard_error", "units", "reason"),
    [
        (0.0, 0.0, {}, Reason.ZERO_VARIANCE),
        (np.nan, 0.1, {}, Reason.INSUFFICIENT_DATA),
        (0.1, 0.1, {"n": 1, "baseline_n": 9}, Reason.INSUFFICIENT_DATA),
        (0.1, 0.1, {"n": 9, "baseline_n": 0}, Reason.INSUFFICIENT_DATA),
    ],
)
def test_a_baseline_that_cannot_be_judged_says_why(
    variance: float, standard_error: float, units: dict[str, int], reason: Reason
) -> None:
    ours = baseline.compare(1.0, variance, baseline=0.0, baseline_standard_error=standard_error, alpha=0.05, **units)
    assert ours.at() == Undefined(reason=reason)


def test_a_negative_standard_error_is_refused() -> None:
    with pytest.raises(ValueError, match="never negative"):
        baseline.compare(1.0, 0.1, baseline=0.0, baseline_standard_error=-1.0, alpha=0.05)

"""Levels against targets and cohorts against cohorts: scipy's tests, and Card & Krueger's table."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats as scipy_stats

from stats.results import Reason
from stats.series import levels


@pytest.mark.parametrize(("sign", "side"), [(1, "greater"), (-1, "less")])
def test_a_level_with_units_against_a_target_is_scipys_one_sample_test(sign: int, side: str) -> None:
    rows = np.array([3.1, 4.5, 2.2, 5.0, 4.1, 3.9])
    theirs = scipy_stats.ttest_1samp(rows, 3.0, alternative=side)
    ours = levels.against_target(rows.mean(), rows.std(ddof=1) / np.sqrt(6), target=3.0, alpha=0.1, sign=sign, n=6)
    assert_allclose(ours.p_value, theirs.pvalue, rtol=1e-9)
    assert_allclose(ours.chance, 1 - theirs.pvalue, rtol=1e-9)
    low, high = scipy_stats.ttest_1samp(rows, 3.0).confidence_interval(0.9)
    assert_allclose((ours.comparison.lower + 3, ours.comparison.upper + 3), (low, high), rtol=1e-9)
    assert ours.is_met == (theirs.pvalue <= 0.1)


def test_a_level_without_units_is_normal_and_many_are_judged_at_once() -> None:
    ours = levels.against_target([0.34, 0.26, np.nan, 0.3], [0.02, 0.02, 0.1, 0.0], target=0.3, alpha=0.05)
    assert_allclose(ours.p_value[:2], scipy_stats.norm.sf([2.0, -2.0]), rtol=1e-9)
    assert ours.is_met.tolist() == [True, False, False, False]
    assert [ours.comparison.reason_at(place) for place in (2, 3)] == [Reason.INSUFFICIENT_DATA, Reason.ZERO_VARIANCE]
    assert "observational" in ours.comparison.method


def test_two_cohorts_with_units_are_scipys_welch() -> None:
    theirs = scipy_stats.ttest_ind_from_stats(5.0, 2.0, 30, 4.2, 1.5, 12, equal_var=False)
    ours = levels.cohorts(
        5.0, 2.0 / np.sqrt(30), other=4.2, other_standard_error=1.5 / np.sqrt(12), alpha=0.05, n=30, other_n=12
    )
    assert_allclose((ours.statistic, ours.p_value), theirs, rtol=1e-9)
    assert ours.method == levels.COHORTS_WELCH


def test_two_changes_are_card_and_kruegers_difference_in_differences() -> None:
    """Their table 3, row 3: 0.59 (0.54) in New Jersey, -2.16 (1.25) in Pennsylvania, 2.76 (1.36) between them."""
    ours = levels.cohorts(0.59, 0.54, other=-2.16, other_standard_error=1.25, alpha=0.05)
    assert_allclose((ours.difference, ours.standard_error), (2.76, 1.36), atol=0.011)
    assert ours.method == levels.COHORTS


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="sign"):
        levels.against_target(0.3, 0.1, target=0.2, alpha=0.05, sign=0)
    with pytest.raises(ValueError, match="never negative"):
        levels.against_target(0.3, -0.1, target=0.2, alpha=0.05)

"""Drift from a baseline: arithmetic of the kernel, and how often it is called over many periods."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from stats import meta
from stats.results import Reason
from stats.series import drift
from tests.stats.series.worlds import at_most

SERIES, PERIODS = 4000, 60


def test_after_each_period_it_is_the_kernel_on_the_weighted_mean() -> None:
    values, errors = np.array([0.27, 0.31, 0.29]), np.array([0.02, 0.01, 0.03])
    found = drift.against(
        values, errors, baseline=0.25, baseline_standard_error=0.015, shift=0.04, alpha=0.05, spread=0.01
    )
    smallest = 1.0
    for now in range(1, 4):
        weights = 1 / (errors[:now] ** 2 + 0.01**2)
        difference = np.average(values[:now], weights=weights) - 0.25
        variance = 1 / weights.sum() + 0.015**2
        k = 0.04**2 / variance  # k, log e and the width as docs/statistics.md gives them
        log_e = -np.log(1 + k) / 2 + difference**2 / variance * k / (2 * (1 + k))
        half = np.sqrt(variance * (1 + k) / k * (np.log(1 + k) + 2 * np.log(20)))
        smallest = min(smallest, np.exp(-log_e))
        assert_allclose(found.difference[now - 1], difference, rtol=1e-9)
        assert_allclose(found.log_e_value[now - 1], log_e, rtol=1e-9)
        assert_allclose(found.upper[now - 1] - found.lower[now - 1], 2 * half, rtol=1e-9)
        assert_allclose(found.p_value[now - 1], smallest, rtol=1e-9)


def test_information_is_never_more_than_the_baseline_allows() -> None:
    found = drift.against(np.zeros(5000), 0.1, baseline=0.0, baseline_standard_error=0.2, shift=0.1, alpha=0.05)
    assert np.all(np.diff(1 / found.variance) > 0)
    assert found.variance[-1] > 0.2**2


def test_looking_after_every_period_keeps_alpha_and_ignoring_the_baselines_error_does_not() -> None:
    draw = np.random.default_rng(61)
    values, before = draw.normal(0, 1, (SERIES, PERIODS)), draw.normal(0, 0.4, SERIES)
    usual: dict[str, Any] = {"baseline": before, "shift": 0.5, "alpha": 0.05}
    found = drift.against(values, 1.0, baseline_standard_error=0.4, **usual)
    naive = drift.against(values, 1.0, baseline_standard_error=0.0, **usual)
    assert found.has_drifted.any(axis=-1).mean() <= at_most(0.05, SERIES)
    assert naive.has_drifted.any(axis=-1).mean() > 0.3


def test_a_drift_of_three_standard_errors_of_the_baseline_is_found_and_its_limits_hold_throughout() -> None:
    draw = np.random.default_rng(62)
    values, before = 1.2 + draw.normal(0, 1, (SERIES, PERIODS)), draw.normal(0, 0.3, SERIES)
    found = drift.against(values, 1.0, baseline=before, baseline_standard_error=0.3, shift=0.8, alpha=0.05)
    assert found.has_drifted[:, -1].mean() > 0.65
    missed = np.any((found.lower > 1.2) | (found.upper < 1.2), axis=-1)
    assert missed.mean() <= at_most(0.05, SERIES)


def test_periods_that_differ_more_than_sampling_keep_alpha_with_their_spread_only() -> None:
    draw = np.random.default_rng(63)
    values = draw.normal(0, np.hypot(1, 2), (SERIES, PERIODS))
    past = draw.normal(0, np.hypot(1, 2), (SERIES, 40))
    spread = np.sqrt(meta.dersimonian_laird(past, 1.0))
    assert np.median(spread) == pytest.approx(2, rel=0.05)
    usual = {"baseline": 0.0, "baseline_standard_error": 0.3, "shift": 1.0, "alpha": 0.05}
    with_it = drift.against(values + draw.normal(0, 0.3, (SERIES, 1)), 1.0, spread=spread, **usual)
    without = drift.against(values + draw.normal(0, 0.3, (SERIES, 1)), 1.0, **usual)
    assert with_it.has_drifted[:, -1].mean() <= at_most(0.05, SERIES)
    assert without.has_drifted[:, -1].mean() > 0.15


def test_what_cannot_be_judged_says_why() -> None:
    usual = {"baseline": 0.2, "shift": 0.1, "alpha": 0.05}
    found = drift.against([np.nan, 0.3, np.nan], 0.1, baseline_standard_error=0.1, **usual)
    assert [found.reason_at(period) for period in range(3)] == [Reason.INSUFFICIENT_DATA, None, None]
    assert found.p_value[2] == found.p_value[1]
    exact = drift.against([0.2, 0.3], 0.0, baseline_standard_error=0.1, **usual)
    assert exact.reason_at(1) is Reason.ZERO_VARIANCE
    with pytest.raises(ValueError, match="never negative"):
        drift.against([0.2], 0.1, baseline_standard_error=-0.1, **usual)
    with pytest.raises(ValueError, match="positive"):
        drift.against([0.2], 0.1, baseline=0.2, baseline_standard_error=0.1, shift=0.0, alpha=0.05)

"""The always-valid kernel: normal densities from scipy for the evidence, scipy's optimiser for the tuning."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from scipy.special import lambertw
from scipy.stats import norm

from stats.sequential import confidence_sequence as kernel
from tests.stats.drawing import few

effects = st.floats(-5, 5)
variances = st.floats(1e-4, 10)


@few
@given(effects, variances, variances, effects)
def test_log_e_value_equals_the_normal_mixture_over_the_null(d: float, v: float, tau2: float, null: float) -> None:
    mixture = norm.logpdf(d, null, np.sqrt(v + tau2)) - norm.logpdf(d, null, np.sqrt(v))
    assert_allclose(kernel.log_e_value(d, v, tau2=tau2, null=null), mixture, rtol=1e-9, atol=1e-9)


@few
@given(variances, variances, st.floats(0.001, 0.5))
def test_a_difference_at_half_the_width_is_just_significant(v: float, tau2: float, alpha: float) -> None:
    width = kernel.half_width(v, tau2=tau2, alpha=alpha)
    assert_allclose(kernel.log_e_value(width, v, tau2=tau2), -np.log(alpha), rtol=1e-9)


@few
@given(st.lists(st.one_of(st.floats(-5, 50), st.just(np.nan)), min_size=1, max_size=20))
def test_running_p_value_never_rises_and_keeps_what_it_knew(log_e: list[float]) -> None:
    p_value = kernel.running_p_value(log_e)
    known = ~np.isnan(p_value)
    assert (np.diff(p_value[known]) <= 0).all()
    assert (np.diff(known.astype(int)) >= 0).all()
    assert known[-1] == (~np.isnan(log_e)).any()
    assert_allclose(p_value[-1], min(1, np.exp(-np.nanmax(log_e))) if known[-1] else np.nan)


def test_tuning_is_the_documented_constant_and_near_the_best() -> None:
    assert kernel.tuning(0.05) == pytest.approx(7.936, abs=5e-4)
    best = minimize_scalar(lambda k: kernel.half_width(1.0, tau2=k, alpha=0.05), bounds=(1, 50), method="bounded")
    assert best.x == pytest.approx(-lambertw(-(0.05**2) / np.e, k=-1).real - 1, rel=1e-4)
    assert kernel.half_width(1.0, tau2=kernel.mixture_variance(1.0, 0.05), alpha=0.05) < 1.0005 * best.fun


def test_at_the_planned_variance_the_bar_is_3_035_standard_errors() -> None:
    assert kernel.half_width(4.0, tau2=kernel.mixture_variance(4.0, 0.05), alpha=0.05) / 2 == pytest.approx(
        3.035, abs=5e-4
    )


def test_looks_without_a_variance_have_no_evidence() -> None:
    variance = np.array([np.nan, 0.0, 0.5])
    log_e = kernel.log_e_value(np.array([np.nan, 0.0, 2.0]), variance, tau2=1.0)
    assert np.isnan(log_e).tolist() == [True, True, False]
    assert np.isnan(kernel.half_width(variance, tau2=1.0, alpha=0.05)).tolist() == [True, True, False]
    assert np.isnan(kernel.running_p_value(log_e)).tolist() == [True, True, False]


def test_each_kpi_may_have_its_own_mixture() -> None:
    difference, variance = np.full((3, 2, 5), 0.3), np.linspace(1, 0.1, 5)
    tau2 = np.array([0.1, 1.0, 10.0])[:, np.newaxis, np.newaxis]
    log_e = kernel.log_e_value(difference, variance, tau2=tau2)
    assert log_e.shape == (3, 2, 5)
    assert_allclose(log_e[2, 1, 4], kernel.log_e_value(0.3, 0.1, tau2=10.0))


def test_overwhelming_evidence_stays_finite() -> None:
    log_e = kernel.log_e_value(1000.0, 1e-6, tau2=1.0)
    assert np.isfinite(log_e)
    assert kernel.running_p_value([float(log_e)])[0] == 0

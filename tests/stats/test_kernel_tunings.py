"""The kernel one-sided, under its named tunings and in its small-sample form; t and normal densities from scipy."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import simpson
from scipy.stats import halfnorm, norm
from scipy.stats import t as student

from stats.arrays import Array, Mask
from stats.sequential import confidence_sequence as kernel
from stats.sequential import regression
from tests.stats.drawing import few

ALPHA, LOOKS, EXPERIMENTS = 0.05, 100, 10_000
effects, variances, alphas = st.floats(-4, 4), st.floats(0.01, 10), st.floats(0.001, 0.4)


def at_most(rate: float, found: Mask) -> bool:
    return bool(found.mean() <= rate + 3 * np.sqrt(rate * (1 - rate) / found.size))


def looked_at(drift: float) -> tuple[Array, Array]:
    """Estimates (experiments x looks) with independent increments, and their variances; 1 at the last look."""
    information = np.arange(1, LOOKS + 1) / LOOKS
    steps = np.random.default_rng(41).normal(drift / LOOKS, np.sqrt(1 / LOOKS), (EXPERIMENTS, LOOKS))
    return steps.cumsum(axis=1) / information, 1 / information


@few
@given(effects, variances, variances, effects)
def test_one_sided_evidence_is_the_mixture_over_positive_effects(d: float, v: float, tau2: float, null: float) -> None:
    peak = max((d - null) * tau2 / (tau2 + v), 0.0)
    reach = 12 * np.sqrt(tau2 * v / (tau2 + v))
    effect = np.linspace(max(peak - reach, 0.0), peak + reach, 20_001)
    log_ratio = norm.logpdf(d - null, effect, np.sqrt(v)) - norm.logpdf(d - null, 0, np.sqrt(v))
    log_density = log_ratio + halfnorm.logpdf(effect, scale=np.sqrt(tau2))
    highest = log_density.max()  # taken out, so that nothing overflows
    mixture = highest + np.log(simpson(np.exp(log_density - highest), x=effect))
    assert_allclose(kernel.one_sided_log_e_value(d, v, tau2=tau2, null=null), mixture, rtol=1e-9, atol=1e-9)


@few
@given(variances, variances, alphas)
def test_a_one_sided_width_is_where_the_evidence_suffices_and_below_the_closed_form(
    v: float, tau2: float, alpha: float
) -> None:
    width, ratio = kernel.one_sided_width(v, tau2=tau2, alpha=alpha), tau2 / v
    assert_allclose(kernel.one_sided_log_e_value(width, v, tau2=tau2), -np.log(alpha), rtol=1e-9, atol=1e-9)
    closed = np.sqrt(2 * v * (1 + ratio) / ratio * np.log1p(np.sqrt(1 + ratio) / (2 * alpha)))
    assert width <= closed
    assert kernel.one_sided_width(v, tau2=tau2, alpha=alpha) < kernel.half_width(v, tau2=tau2, alpha=alpha)


def test_far_evidence_against_the_direction_stays_finite() -> None:
    assert np.isfinite(kernel.one_sided_log_e_value([-1e4, 1e4], 1e-4, tau2=1.0)).all()
    assert np.isnan(kernel.one_sided_log_e_value(1.0, [0.0, np.nan], tau2=1.0)).all()
    assert np.isnan(kernel.one_sided_width([0.0, np.nan], tau2=1.0, alpha=0.05)).all()


@pytest.mark.parametrize("drift", [0.0, -1.0])
def test_one_sided_looks_without_a_gain_rarely_find_one(drift: float) -> None:
    difference, variance = looked_at(drift)
    log_e = kernel.one_sided_log_e_value(difference, variance, tau2=kernel.mixture_variance(1.0, 2 * ALPHA))
    assert at_most(ALPHA, kernel.running_p_value(log_e)[:, -1] <= ALPHA)


def test_one_sided_looks_find_a_gain_more_often_than_two_sided() -> None:
    difference, variance = looked_at(3.3)
    sided = kernel.one_sided_log_e_value(difference, variance, tau2=kernel.mixture_variance(1.0, 2 * ALPHA))
    both = kernel.log_e_value(difference, variance, tau2=kernel.mixture_variance(1.0, ALPHA))
    found = [(kernel.p_value(log_e) <= ALPHA).any(axis=1).mean() for log_e in (sided, both)]
    assert found[0] > found[1] + 0.03
    assert found[1] > 0.6


@pytest.mark.parametrize("null", [0.0, 0.7])
def test_one_sided_limits_stay_below_the_truth_at_all_looks(null: float) -> None:
    difference, variance = looked_at(null)
    lower = difference - kernel.one_sided_width(variance, tau2=kernel.mixture_variance(1.0, 2 * ALPHA), alpha=ALPHA)
    assert at_most(ALPHA, np.asarray((lower > null).any(axis=1)))
    against = kernel.one_sided_log_e_value(difference, variance, tau2=kernel.mixture_variance(1.0, 0.1), null=null)
    assert ((kernel.p_value(against) < ALPHA) == (lower > null)).all()


def test_p_value_of_a_look_may_rise_and_running_may_not() -> None:
    log_e = np.array([np.nan, -2.0, 4.0, 1.0])
    assert_allclose(kernel.p_value(log_e), [np.nan, 1.0, np.exp(-4), np.exp(-1)])
    assert_allclose(np.fmin.accumulate(kernel.p_value(log_e)), kernel.running_p_value(log_e))


def test_mixture_sprt_is_the_statistic_of_its_paper() -> None:
    # Johari et al. (2022): sqrt(V / (V + n tau2)) exp(n^2 tau2 d^2 / (2 V (V + n tau2))), V the variance of a pair.
    n, pair, d, spread = 300.0, 2.5, 0.21, 0.15
    tau2 = spread**2
    theirs = np.log(pair / (pair + n * tau2)) / 2 + n**2 * tau2 * d**2 / (2 * pair * (pair + n * tau2))
    assert_allclose(kernel.log_e_value(d, pair / n, tau2=kernel.mixture_sprt(spread)), theirs, rtol=1e-12)


def test_asymptotic_sequence_has_the_width_of_its_paper() -> None:
    # Waudby-Smith et al. (2024): sd sqrt(2 (n rho2 + 1) / (n^2 rho2) log(sqrt(n rho2 + 1) / alpha)).
    n, sd = np.array([50.0, 700.0, 9000.0]), 1.7
    rho2 = (-2 * np.log(ALPHA) + np.log(1 - 2 * np.log(ALPHA))) / 5000
    theirs = sd * np.sqrt(2 * (n * rho2 + 1) / (n**2 * rho2) * np.log(np.sqrt(n * rho2 + 1) / ALPHA))
    tau2 = kernel.asymptotic(sd**2 / n, n, planned_n=5000, alpha=ALPHA)
    assert_allclose(kernel.half_width(sd**2 / n, tau2=tau2, alpha=ALPHA), theirs, rtol=1e-12)


@few
@given(effects, variances, st.integers(1, 400), st.floats(0.5, 500), effects)
def test_regression_evidence_is_a_ratio_of_student_densities(
    d: float, v: float, df: int, g: float, null: float
) -> None:
    n = df + 2
    t = (d - null) / np.sqrt(v)
    theirs = student.logpdf(t, df, scale=np.sqrt((g + n) / g)) - student.logpdf(t, df)
    assert_allclose(regression.log_e_value(d, v, df=df, n=n, g=g, null=null), theirs, rtol=1e-9, atol=1e-9)


@few
@given(variances, st.integers(1, 400), st.floats(0.5, 500), alphas)
def test_regression_width_is_where_the_evidence_suffices(v: float, df: int, g: float, alpha: float) -> None:
    width = regression.half_width(v, df=df, n=df + 2, g=g, alpha=alpha)
    if np.isfinite(width):
        reached = regression.log_e_value(width, v, df=df, n=df + 2, g=g)
        assert_allclose(reached, -np.log(alpha), rtol=1e-9, atol=1e-9)
    else:
        assert regression.log_e_value(1e6, v, df=df, n=df + 2, g=g) <= -np.log(alpha)


def test_regression_with_many_units_is_the_kernel_tuned_to_the_same_units() -> None:
    n, variance = 1e7, 3e-7
    tau2 = kernel.asymptotic(variance, n, planned_n=2e6, alpha=ALPHA)
    g = regression.tuning(2e6, ALPHA)
    ours = regression.log_e_value(0.002, variance, df=n - 2, n=n, g=g)
    # The kernel is the coarser side: Student's density at ten million degrees of freedom is normal to a few digits.
    assert_allclose(ours, kernel.log_e_value(0.002, variance, tau2=tau2), rtol=1e-4)
    width = regression.half_width(variance, df=n - 2, n=n, g=g, alpha=ALPHA)
    assert_allclose(width, kernel.half_width(variance, tau2=tau2, alpha=ALPHA), rtol=1e-4)


def test_tuned_g_is_much_narrower_than_one_and_near_the_best() -> None:
    widths = regression.half_width(
        1.0, df=998, n=1000, g=np.array([1.0, float(regression.tuning(1000, ALPHA))]), alpha=ALPHA
    )
    best = regression.half_width(1.0, df=998, n=1000, g=np.geomspace(1, 1e4, 4000), alpha=ALPHA).min()
    assert widths[1] < 1.0005 * best < widths[0] / 1.15


def fitted(effect: float, looks: int) -> tuple[Array, Array, Array]:
    """Difference, variance and df of the regression on the arm, looked at after each further pair of units."""
    draw = np.random.default_rng(42).normal(size=(2, 4000, looks + 1))
    draw[1] += effect
    n = np.arange(1.0, looks + 2)
    means = draw.cumsum(axis=-1) / n
    rest = (np.square(draw).cumsum(axis=-1) - n * means**2).sum(axis=0)
    df = 2 * n - 2
    variance = rest[:, 1:] / df[1:] * 2 / n[1:]
    return (means[1] - means[0])[:, 1:], variance, df[1:]


def test_regression_keeps_its_promise_from_the_second_pair_of_units_where_the_kernel_does_not() -> None:
    difference, variance, df = fitted(0.0, LOOKS)
    g = regression.tuning(20, ALPHA)
    exact = regression.log_e_value(difference, variance, df=df, n=df + 2, g=g)
    assert at_most(ALPHA, (exact >= -np.log(ALPHA)).any(axis=1))
    tau2 = kernel.asymptotic(variance, df + 2, planned_n=20, alpha=ALPHA)
    assert (kernel.log_e_value(difference, variance, tau2=tau2) >= -np.log(ALPHA)).any(axis=1).mean() > 0.07


def test_regression_finds_a_difference_among_few_units() -> None:
    difference, variance, df = fitted(0.8, LOOKS // 2)
    log_e = regression.log_e_value(difference, variance, df=df, n=df + 2, g=regression.tuning(100, ALPHA))
    assert (log_e >= -np.log(ALPHA)).any(axis=1).mean() > 0.7


def test_regression_without_degrees_of_freedom_has_no_answer() -> None:
    variance, df = np.array([0.0, np.nan, 1.0]), np.array([5, 5, 0])
    assert np.isnan(regression.log_e_value(1.0, variance, df=df, n=5, g=1.0)).all()
    assert np.isnan(regression.half_width(variance, df=df, n=5, g=1.0, alpha=ALPHA)).all()


@pytest.mark.parametrize(
    "ask", [lambda: kernel.mixture_sprt(0.0), lambda: regression.tuning(0, ALPHA), lambda: kernel.tuning(1.0)]
)
def test_tunings_without_a_plan_are_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"positive|some units|alpha"):
        ask()

"""CUPED, with one slope and with one for each arm, and of ratios, against regressions of the rows in statsmodels."""

from collections.abc import Callable

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from stats.arrays import Array
from stats.comoments import CoMoments
from stats.methods import cuped, lin, ratio, ratio_cuped, welch
from stats.results import Comparisons, Reason, Undefined
from tests.stats.drawing import few

seeds = st.integers(0, 10_000)


def rows_of(draw: np.random.Generator, n: int, level: float, slope: float = 1.0, runs: tuple[int, ...] = ()) -> Array:
    """Values and covariates of n units (..., n, 2), the covariate skewed."""
    x = draw.gamma(2.0, 1.0, (*runs, n))
    return np.stack((level + slope * (x - 2.0) + draw.normal(0, 0.5, x.shape), x), axis=-1)


def regression(control: Array, treatment: Array, *, product: bool, covariance: str) -> tuple[float, float]:
    """Estimate and standard error of the arm in the regression on arm and covariate about its mean."""
    rows = np.concatenate((control, treatment))
    arm = np.repeat([0.0, 1.0], [len(control), len(treatment)])
    x = rows[:, 1] - rows[:, 1].mean()
    columns = [np.ones_like(x), arm, x, arm * x][: 4 if product else 3]
    fit = sm.OLS(rows[:, 0], np.column_stack(columns)).fit(cov_type=covariance)
    return float(fit.params[1]), float(fit.bse[1])


def compare(method: Callable[..., Comparisons], control: Array, treatment: Array, null: float = 0.0) -> Comparisons:
    return method(CoMoments.from_values(control), CoMoments.from_values(treatment), alpha=0.05, null=null)


@few
@given(seeds, st.integers(2, 40))
def test_arms_of_one_size_give_the_analysis_of_covariance(seed: int, n: int) -> None:
    draw = np.random.default_rng(seed)
    control, treatment = rows_of(draw, n, 1.0), rows_of(draw, n, 2.0, 1.5)
    ours = compare(cuped.compare, control, treatment)
    theirs = regression(control, treatment, product=False, covariance="nonrobust")
    assert_allclose((ours.difference, ours.standard_error), theirs, rtol=1e-9)


def test_unequal_arms_give_its_estimate_and_its_robust_standard_error_up_to_the_slope() -> None:
    draw = np.random.default_rng(51)
    control, treatment = rows_of(draw, 4000, 1.0), rows_of(draw, 1000, 2.0)
    treatment[:, 0] += draw.normal(0, 1.0, 1000)
    ours = compare(cuped.compare, control, treatment)
    estimate, standard_error = regression(control, treatment, product=False, covariance="HC2")
    assert_allclose(ours.difference, estimate, rtol=1e-9)
    # Another estimate, not a coarser one: HC2 weighs each row by its leverage, moments know the arms only.
    assert_allclose(ours.standard_error, standard_error, rtol=5e-3)


@few
@given(seeds, st.integers(3, 40), st.integers(3, 40))
def test_a_slope_for_each_arm_gives_the_regression_with_a_product(seed: int, n: int, m: int) -> None:
    draw = np.random.default_rng(seed)
    control, treatment = rows_of(draw, n, 1.0), rows_of(draw, m, 2.0, 1.5)
    ours = compare(lin.compare, control, treatment)
    estimate, _ = regression(control, treatment, product=True, covariance="nonrobust")
    middle = np.concatenate((control, treatment))[:, 1].mean()
    fits = [sm.OLS(arm[:, 0], sm.add_constant(arm[:, 1] - middle)).fit() for arm in (control, treatment)]
    slopes = (fits[1].params[1] - fits[0].params[1]) ** 2
    spread = np.concatenate((control, treatment))[:, 1].var(ddof=1) / (n + m)
    assert_allclose(ours.difference, estimate, rtol=1e-9, atol=1e-10)
    assert_allclose(ours.variance, fits[0].bse[0] ** 2 + fits[1].bse[0] ** 2 + slopes * spread, rtol=1e-9)


def test_a_slope_for_each_arm_is_close_to_lins_robust_regression_where_slopes_agree() -> None:
    draw = np.random.default_rng(52)
    control, treatment = rows_of(draw, 4000, 1.0), rows_of(draw, 1000, 2.0)
    ours = compare(lin.compare, control, treatment)
    _, standard_error = regression(control, treatment, product=True, covariance="HC2")
    # Another estimate, not a coarser one: HC2 weighs each row by its leverage, moments know the arms only.
    assert_allclose(ours.standard_error, standard_error, rtol=5e-3)


@few
@given(seeds, st.floats(0.01, 100), st.floats(-1000, 1000))
def test_another_scale_of_the_covariate_changes_nothing(seed: int, k: float, shift: float) -> None:
    draw = np.random.default_rng(seed)
    control, treatment = rows_of(draw, 12, 1.0), rows_of(draw, 9, 1.5)
    for method in (cuped.compare, lin.compare):
        ours = compare(method, control, treatment)
        scaled = compare(method, control * [1, k] + [0, shift], treatment * [1, k] + [0, shift])
        assert_allclose((scaled.difference, scaled.variance), (ours.difference, ours.variance), rtol=1e-9)


def test_a_covariate_that_does_not_vary_leaves_welchs_test() -> None:
    draw = np.random.default_rng(53)
    control, treatment = rows_of(draw, 20, 1.0) * [1, 0], rows_of(draw, 30, 1.5) * [1, 0]
    arms = CoMoments.from_values(control), CoMoments.from_values(treatment)
    ours = cuped.compare(*arms, alpha=0.05)
    theirs = welch.compare(arms[0].moments(0), arms[1].moments(0), alpha=0.05)
    assert_allclose((ours.p_value, ours.lower, ours.upper), (theirs.p_value, theirs.lower, theirs.upper), rtol=1e-12)


def test_one_control_is_compared_with_every_treatment_over_all_kpis() -> None:
    arms = CoMoments.from_values(rows_of(np.random.default_rng(54), 15, 1.0, runs=(4, 3)))
    for method in (cuped.compare, lin.compare):
        ours = method(arms[:, :1], arms[:, 1:], alpha=0.05)
        assert ours.p_value.shape == (4, 2)
        assert ours.at(3, 1) == method(arms[3, 0], arms[3, 2], alpha=0.05).at()


def exact_line(n: int, level: float) -> Array:
    x = np.arange(n, dtype=float)
    return np.stack((level + 3 * x, x), axis=-1)


@pytest.mark.parametrize("method", [cuped.compare, lin.compare])
@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        (exact_line(1, 0.0), exact_line(4, 0.0), Reason.INSUFFICIENT_DATA),
        (exact_line(4, 0.0), exact_line(0, 0.0), Reason.INSUFFICIENT_DATA),
        (exact_line(0, 0.0), exact_line(0, 0.0), Reason.INSUFFICIENT_DATA),
        (exact_line(5, 0.0), exact_line(7, 0.1), Reason.ZERO_VARIANCE),
        (np.ones((4, 2)), np.ones((5, 2)), Reason.ZERO_VARIANCE),
    ],
)
def test_arms_that_cannot_be_compared_say_why(
    method: Callable[..., Comparisons], control: Array, treatment: Array, reason: Reason
) -> None:
    assert compare(method, control, treatment).at() == Undefined(reason=reason)


def test_two_units_an_arm_are_too_few_for_a_slope_each() -> None:
    control, treatment = np.array([[1.0, 2.0], [2.0, 5.0]]), np.array([[1.0, 2.0], [4.0, 5.0], [3.0, 5.0]])
    assert compare(lin.compare, control, treatment).at() == Undefined(reason=Reason.INSUFFICIENT_DATA)


def test_the_lift_has_the_exact_gradient_of_the_log_ratio_in_the_four_means() -> None:
    draw = np.random.default_rng(55)
    control, treatment = rows_of(draw, 3000, 10.0, 2.0), rows_of(draw, 3000, 13.0, 2.6)
    arms = CoMoments.from_values(control), CoMoments.from_values(treatment)
    slope = float(cuped.theta(*arms))

    def log_ratio(means: Array) -> float:
        (a, xa), (b, xb) = means
        return float(np.log(b - slope * (xb - xa) / 2) - np.log(a - slope * (xa - xb) / 2))

    means = np.array([control.mean(axis=0), treatment.mean(axis=0)])
    steps = 1e-5 * np.eye(4).reshape(4, 2, 2)
    gradient = np.array([(log_ratio(means + step) - log_ratio(means - step)) / 2e-5 for step in steps]).reshape(2, 2)
    covariances = [np.cov(arm, rowvar=False) / 3000 for arm in (control, treatment)]
    variance = sum(g @ v @ g for g, v in zip(gradient, covariances, strict=True))
    ours = cuped.lift(*arms, alpha=0.05)
    width = np.log(ours.upper + 1) - np.log(ours.lower + 1)
    assert_allclose(ours.lift, np.exp(log_ratio(means)) - 1, rtol=1e-9)
    assert_allclose(width, 2 * 1.959963984540054 * np.sqrt(variance), rtol=3e-4)  # up to one degree of freedom


def test_the_lift_with_a_slope_each_has_the_exact_gradient_of_the_log_ratio_in_the_four_means() -> None:
    draw = np.random.default_rng(57)
    control, treatment = rows_of(draw, 6000, 10.0, 2.0), rows_of(draw, 2000, 13.0, 3.2)
    arms = CoMoments.from_values(control), CoMoments.from_values(treatment)
    one, other = (float(lin.theta(arm)) for arm in arms)

    def log_ratio(means: Array) -> float:
        (a, xa), (b, xb) = means
        middle = 0.75 * xa + 0.25 * xb
        return float(np.log(b - other * (xb - middle)) - np.log(a - one * (xa - middle)))

    means = np.array([control.mean(axis=0), treatment.mean(axis=0)])
    steps = 1e-5 * np.eye(4).reshape(4, 2, 2)
    gradient = np.array([(log_ratio(means + step) - log_ratio(means - step)) / 2e-5 for step in steps]).reshape(2, 2)
    covariances = [np.cov(arm, rowvar=False) / len(arm) for arm in (control, treatment)]
    variance = sum(g @ v @ g for g, v in zip(gradient, covariances, strict=True))
    ours = lin.lift(*arms, alpha=0.05)
    width = np.log(ours.upper + 1) - np.log(ours.lower + 1)
    assert_allclose(ours.lift, np.exp(log_ratio(means)) - 1, rtol=1e-9)
    assert_allclose(width, 2 * 1.959963984540054 * np.sqrt(variance), rtol=5e-4)  # up to one degree of freedom


def ratio_rows(draw: np.random.Generator, runs: int, n: int, share: float) -> Array:
    """Clicks and views, now and before, of units that keep their habits (runs, n, 4)."""
    habit, busy = draw.beta(2, 5, (runs, n)) + share, draw.lognormal(1.5, 0.5, (runs, n))
    views, before = draw.poisson(busy) + 1, draw.poisson(3 * busy)
    parts = (
        draw.binomial(views, np.clip(habit, 0, 1)),
        views,
        draw.binomial(before, np.clip(habit - share, 0, 1)),
        before,
    )
    return np.stack(parts, axis=-1).astype(float)


def straight(top: Array, bottom: Array) -> Array:
    level = top.sum() / bottom.sum()
    return np.asarray(level + (top - level * bottom) / bottom.mean())


def test_a_ratio_with_a_covariate_is_cuped_of_the_straightened_rows() -> None:
    draw = np.random.default_rng(56)
    arms = [ratio_rows(draw, 1, n, share)[0] for n, share in ((200, 0.0), (120, 0.1))]
    lines = [np.stack((straight(*arm.T[:2]), straight(*arm.T[2:])), axis=-1) for arm in arms]
    ours, theirs = compare(ratio_cuped.compare, arms[0], arms[1]), compare(cuped.compare, lines[0], lines[1])
    estimate, _ = regression(lines[0], lines[1], product=False, covariance="nonrobust")
    assert_allclose(ours.difference, estimate, rtol=1e-9)
    assert_allclose((ours.variance, ours.p_value), (theirs.variance, theirs.p_value), rtol=1e-9)
    own = ratio_cuped.lift(*map(CoMoments.from_values, arms), alpha=0.05)
    other = cuped.lift(*map(CoMoments.from_values, lines), alpha=0.05)
    assert_allclose((own.lift, own.lower, own.upper), (other.lift, other.lower, other.upper), rtol=1e-9)


def test_a_ratio_without_views_before_or_with_two_variables_is_no_answer() -> None:
    arm = ratio_rows(np.random.default_rng(57), 1, 20, 0.0)[0]
    assert compare(ratio_cuped.compare, arm * [1, 1, 0, 0], arm).at() == Undefined(reason=Reason.INSUFFICIENT_DATA)
    with pytest.raises(ValueError, match="two numerators"):
        compare(ratio_cuped.compare, arm[:, :2], arm)
    for method in (cuped.compare, lin.compare):
        with pytest.raises(ValueError, match="one covariate"):
            compare(method, arm, arm)


def test_a_ratio_with_a_covariate_keeps_false_positives_and_finds_more_than_without() -> None:
    draw = np.random.default_rng(58)
    control, same, better = (ratio_rows(draw, 1500, 150, share) for share in (0.0, 0.0, 0.06))
    nothing = compare(ratio_cuped.compare, control, same).p_value < 0.05
    found = (compare(ratio_cuped.compare, control, better).p_value < 0.05).mean()
    plain = (compare(ratio.compare, control[..., :2], better[..., :2]).p_value < 0.05).mean()
    assert 0.033 < nothing.mean() < 0.067
    assert found > plain + 0.1
    assert found > 0.6


@pytest.mark.parametrize("method", [cuped.compare, lin.compare])
def test_false_positives_are_as_promised_and_a_good_covariate_finds_small_changes(
    method: Callable[..., Comparisons],
) -> None:
    draw, runs = np.random.default_rng(59), (3000,)
    control, same, better = (rows_of(draw, n, level, runs=runs) for n, level in ((60, 1.0), (20, 1.0), (20, 1.4)))
    nothing = compare(method, control, same).p_value < 0.05
    assert 0.038 < nothing.mean() < 0.062
    assert (compare(method, control, better).p_value < 0.05).mean() > 0.75
    raw = welch.compare(*(CoMoments.from_values(arm).moments(0) for arm in (control, better)), alpha=0.05)
    assert (raw.p_value < 0.05).mean() < 0.4


def test_slopes_that_differ_keep_the_false_positives_of_an_uneven_split() -> None:
    draw, runs = np.random.default_rng(60), (3000,)
    control, same = rows_of(draw, 160, 1.0, slope=0.0, runs=runs), rows_of(draw, 40, 1.0, slope=2.0, runs=runs)
    assert 0.036 < (compare(lin.compare, control, same).p_value < 0.05).mean() < 0.07
    one, each = compare(cuped.compare, control, same), compare(lin.compare, control, same)
    assert each.variance.mean() < one.variance.mean()

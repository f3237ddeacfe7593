"""Elasticities against statsmodels, scipy and plain arithmetic."""

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import t, triang

from stats.arrays import Array
from stats.ladder import line
from stats.ladder.cohorts import Cohorts, from_cohorts
from stats.ladder.elasticity import Combined, Elasticity, NotIdentified, Obstacle, Scale, Source, assumed, combined
from stats.ladder.line import Points
from stats.ladder.trials import Trials, egger, from_trials

DRAW = np.random.default_rng(5)
LEADING = 0.3 * np.exp(DRAW.normal(0, 0.15, 24))
LAGGING = 0.2 * (LEADING / 0.3) ** 0.7 * np.exp(DRAW.normal(0, 0.05, 24))
MONTH = np.arange(24) % 8
UNEVEN = LAGGING + 3 * (LEADING - LEADING.mean()) * DRAW.normal(size=8)[MONTH]
"""The farther out, the farther from the line, and months go together: more than independent points have."""


def made(**columns: Any) -> Points:
    return Points(**columns)


def identified(found: Elasticity | NotIdentified) -> Elasticity:
    assert isinstance(found, Elasticity)
    return found


def exact(x: Array, y: Array) -> Points:
    return made(x=x, y=y, x_variance=0.0, y_variance=0.0, covariance=0.0)


def test_slope_without_error_is_least_squares() -> None:
    found = line.through(exact(LEADING, LAGGING))
    fitted = sm.OLS(LAGGING, sm.add_constant(LEADING)).fit()
    assert_allclose(found.slope, fitted.params[1], rtol=1e-10)
    assert_allclose(found.excess, fitted.mse_resid * 22 / 24 / (1 - 2 / 24), rtol=1e-10)


def test_error_without_clusters_is_that_of_hc3() -> None:
    # HC3 is the jackknife but for the factor and the centre (MacKinnon & White 1985): both are the full slope here.
    found = line.through(exact(LEADING, UNEVEN))
    fitted = sm.OLS(UNEVEN, sm.add_constant(LEADING)).fit(cov_type="HC3")
    assert_allclose(found.standard_error, fitted.bse[1] * np.sqrt(23 / 24), rtol=1e-9)


def test_error_of_clusters_is_the_spread_of_slopes_without_each() -> None:
    found = line.through(exact(LEADING, UNEVEN), clusters=MONTH)
    full = sm.OLS(UNEVEN, sm.add_constant(LEADING)).fit().params[1]
    kept = [month != MONTH for month in range(8)]
    without = [sm.OLS(UNEVEN[rows], sm.add_constant(LEADING[rows])).fit().params[1] for rows in kept]
    assert_allclose(found.standard_error, np.sqrt(7 / 8 * np.square(np.array(without) - full).sum()), rtol=1e-9)
    assert found.df == 7


def test_error_of_many_clusters_is_near_that_of_statsmodels() -> None:
    draw = np.random.default_rng(8)
    groups = np.repeat(np.arange(80), 4)
    x = draw.normal(size=80)[groups] + draw.normal(size=320)
    y = 0.5 * x + draw.normal(size=80)[groups] + draw.normal(size=320)
    found = line.through(exact(x, y), clusters=groups)
    fitted = sm.OLS(y, sm.add_constant(x)).fit(cov_type="cluster", cov_kwds={"groups": groups})
    assert_allclose(found.standard_error, fitted.bse[1], rtol=0.05)


def test_slope_through_exact_x_weights_by_the_error_of_y() -> None:
    error = np.linspace(0.01, 0.05, 24)
    y = 2 * LEADING + np.random.default_rng(0).normal(0, error / 2)  # so that nothing is beyond the known error
    points = made(x=LEADING, y=y, x_variance=0.0, y_variance=np.square(error), covariance=0.0)
    found = line.through(points)
    fitted = sm.WLS(y, sm.add_constant(LEADING), weights=1 / np.square(error)).fit()
    assert_allclose(found.slope, fitted.params[1], rtol=1e-9)
    # ... and the error is at least what independent points of known error give.
    assert_allclose(found.standard_error, np.sqrt(fitted.normalized_cov_params[1, 1]), rtol=1e-9)


def test_slope_with_errors_in_both_is_near_that_of_deming() -> None:
    # Deming (1943): the most likely line where the ratio of the error variances is known and nothing else is.
    draw = np.random.default_rng(9)
    truth = draw.normal(0, 1, 400)
    x, y = truth + draw.normal(0, 0.5, 400), 0.7 * truth + draw.normal(0, 0.4, 400)
    found = line.through(made(x=x, y=y, x_variance=0.25, y_variance=0.16, covariance=0.0))
    (sxx, sxy), (_, syy) = np.cov(x, y)
    apart = syy - 0.64 * sxx
    deming = (apart + np.sqrt(apart**2 + 4 * 0.64 * sxy**2)) / (2 * sxy)
    assert_allclose(found.slope, deming, rtol=0.03)
    assert found.uncorrected < 0.62  # 0.7 / 1.25 = 0.56, too flat
    assert abs(found.slope - 0.7) < 3 * found.standard_error


def test_slope_is_that_of_moments_less_known_errors() -> None:
    points = made(x=[1, 2, 4, 5.0], y=[1, 3, 3, 6.0], x_variance=0.2, y_variance=0.2, covariance=0.1)
    found = line.through(points)
    # Equal weights: Sxx = Sxy = 10; both less 3 errors, as one is in the mean.
    assert_allclose(found.slope, (10 - 0.3) / (10 - 0.6), rtol=1e-12)
    assert_allclose(found.reliability, 0.94, rtol=1e-12)


@given(scale=st.floats(0.01, 100), shift=st.floats(-10, 10))
def test_slope_follows_the_units(scale: float, shift: float) -> None:
    def slope(factor: float, moved: float) -> line.Slope:
        x = LEADING * factor + moved
        return line.through(made(x=x, y=LAGGING, x_variance=1e-4 * factor**2, y_variance=1e-4, covariance=0.0))

    assert_allclose(slope(scale, shift).slope * scale, slope(1.0, 0.0).slope, rtol=1e-6)
    assert_allclose(slope(scale, shift).standard_error * scale, slope(1.0, 0.0).standard_error, rtol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [{"x_variance": -1.0}, {"covariance": 2.0}, {"x": [1.0, np.nan]}, {"x": [[1.0, 2.0]]}],
)
def test_points_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"variance|finite"):
        made(**{"x": [1.0, 2.0], "y": 1.0, "x_variance": 1.0, "y_variance": 1.0, "covariance": 0.0} | wrong)


def test_leaving_out_in_parts_is_leaving_out(monkeypatch: pytest.MonkeyPatch) -> None:
    points = made(x=LEADING, y=LAGGING, x_variance=1e-4, y_variance=1e-4, covariance=0.0)
    whole = line.through(points, clusters=MONTH)
    monkeypatch.setattr(line, "AT_ONCE", 72)  # three of the eight months at a time
    assert line.through(points, clusters=MONTH) == whole


def test_one_cluster_gives_no_error() -> None:
    with pytest.raises(ValueError, match="two clusters"):
        line.through(exact(LEADING, LAGGING), clusters=np.zeros(24))


def cohorts(**other: Any) -> Cohorts:
    usual: dict[str, Any] = {"leading": LEADING, "leading_error": 0.01, "lagging": LAGGING, "lagging_error": 0.01}
    return Cohorts(**usual | {"clusters": MONTH} | other)


def test_elasticity_is_the_slope_of_logarithms_with_relative_errors() -> None:
    found = from_cohorts(cohorts(covariance=2e-5), alpha=0.05)
    slope = line.through(
        made(
            x=np.log(LEADING),
            y=np.log(LAGGING),
            x_variance=np.square(0.01 / LEADING),
            y_variance=np.square(0.01 / LAGGING),
            covariance=2e-5 / LEADING / LAGGING,
        ),
        clusters=MONTH,
    )
    answer = identified(found.elasticity)
    assert_allclose([answer.estimate, answer.standard_error, answer.df], [slope.slope, slope.standard_error, 7])
    half = t.ppf(0.975, 7) * answer.standard_error
    assert_allclose([answer.interval.lower, answer.interval.upper], [answer.estimate - half, answer.estimate + half])
    assert (found.cohorts, found.clusters) == (24, 8)
    assert abs(answer.estimate - 0.7) < half
    assert found.uncorrected is not None
    assert found.uncorrected < answer.estimate


def test_linear_slope_is_of_the_values_themselves() -> None:
    found = from_cohorts(cohorts(leading_error=0.0, lagging_error=0.0), scale=Scale.LINEAR, alpha=0.05)
    fitted = sm.OLS(LAGGING, sm.add_constant(LEADING)).fit()
    assert_allclose(identified(found.elasticity).estimate, fitted.params[1], rtol=1e-9)


def test_cohorts_with_gaps_are_left_out() -> None:
    gap = np.where(np.arange(24) == 3, np.nan, LAGGING)
    kept = np.arange(24) != 3
    full = from_cohorts(cohorts(lagging=gap), alpha=0.05)
    assert full == from_cohorts(cohorts(leading=LEADING[kept], lagging=LAGGING[kept], clusters=MONTH[kept]), alpha=0.05)
    assert full.cohorts == 23


@pytest.mark.parametrize(
    ("other", "obstacle"),
    [
        ({"leading": LEADING[:7], "lagging": LAGGING[:7], "clusters": None}, Obstacle.TOO_FEW_COHORTS),
        ({"clusters": np.arange(24) % 5}, Obstacle.TOO_FEW_CLUSTERS),
        ({"lagging": np.where(np.arange(24) == 2, 0.0, LAGGING)}, Obstacle.NOT_POSITIVE),
        ({"leading": np.full(24, 0.3)}, Obstacle.LITTLE_SPREAD),
        ({"leading_error": 0.2}, Obstacle.LITTLE_SPREAD),
        ({"leading": 0.3 + np.where(MONTH == 2, 0.1, 0.008 * np.cos(np.arange(24)))}, Obstacle.ONE_CLUSTER),
        (
            {"leading": 0.3 + 0.0148 * (-1.0) ** np.arange(8), "lagging": LAGGING[:8], "clusters": None},
            Obstacle.UNBOUNDED,
        ),
    ],
)
def test_elasticity_that_cohorts_do_not_give_says_why(other: dict[str, Any], obstacle: Obstacle) -> None:
    found = from_cohorts(cohorts(**other), alpha=0.05)
    assert found.elasticity == NotIdentified(obstacle=obstacle)


@pytest.mark.parametrize("wrong", [{"leading_error": -0.1}, {"clusters": [1, 2]}, {"leading": [[0.3] * 24]}])
def test_cohorts_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"axis|negative|cluster"):
        from_cohorts(cohorts(**wrong), alpha=0.05)


EFFECTS = np.array([0.10, -0.20, 0.15, 0.05, 0.25, -0.08])
ERRORS = np.array([0.010, 0.012, 0.011, 0.009, 0.010, 0.013])
RESPONSES = 0.6 * EFFECTS + np.array([0.01, -0.005, -0.02, 0.012, 0.004, 0.0])


def trials(**other: Any) -> Trials:
    usual: dict[str, Any] = {
        "leading": EFFECTS,
        "leading_error": ERRORS,
        "lagging": RESPONSES,
        "lagging_error": 2 * ERRORS,
    }
    return Trials(**usual | other)


def test_slope_of_strong_effects_is_the_inverse_variance_weighted_one() -> None:
    found = from_trials(trials(leading_error=1e-6), alpha=0.05)
    fitted = sm.WLS(RESPONSES, EFFECTS, weights=1 / np.square(ERRORS)).fit()
    assert_allclose(identified(found.elasticity).estimate, fitted.params[0], rtol=1e-3)
    assert found.q == pytest.approx(fitted.mse_resid * 5 / 4, rel=1e-3)  # the weights of 2 errors each


def test_slope_through_the_origin_is_that_of_moments_less_known_errors() -> None:
    found = from_trials(trials(leading_error=0.02, lagging_error=0.02, covariance=1e-4), alpha=0.05)
    moments = ((EFFECTS * RESPONSES - 1e-4).sum(), (EFFECTS**2 - 4e-4).sum())
    assert_allclose(identified(found.elasticity).estimate, moments[0] / moments[1], rtol=1e-12)
    assert found.strength == pytest.approx((EFFECTS**2 / 4e-4).mean(), rel=1e-12)


def test_spread_around_the_line_is_counted_with_the_error_of_both() -> None:
    found = from_trials(trials(covariance=1e-5), alpha=0.05)
    b = identified(found.elasticity).estimate
    variance = np.square(2 * ERRORS) + np.square(b * ERRORS) - 2 * b * 1e-5
    assert found.q == pytest.approx((np.square(RESPONSES - b * EFFECTS) / variance).sum(), rel=1e-12)


def test_intercept_is_that_of_weighted_least_squares_over_turned_effects() -> None:
    points = made(x=EFFECTS, y=RESPONSES, x_variance=ERRORS**2, y_variance=(0.2 * ERRORS) ** 2, covariance=0.0)
    turned = np.sign(EFFECTS)
    fitted = sm.WLS(RESPONSES * turned, sm.add_constant(EFFECTS * turned), weights=1 / (0.2 * ERRORS) ** 2).fit()
    found = egger(points)
    assert found is not None
    assert fitted.mse_resid > 1  # so that the spread is the fitted one
    expected = [fitted.params[0], fitted.bse[0], fitted.pvalues[0]]
    assert_allclose([found.estimate, found.standard_error, found.p_value], expected, rtol=1e-8)


def test_another_way_to_the_lagging_kpi_is_seen_by_the_intercept() -> None:
    found = from_trials(trials(lagging=RESPONSES + 0.2 * np.sign(EFFECTS)), alpha=0.05)
    assert found.intercept is not None
    assert found.intercept.p_value < 0.01
    assert from_trials(trials(), alpha=0.05).intercept.p_value > 0.3  # type: ignore[union-attr]  # six experiments


@pytest.mark.parametrize(
    ("other", "obstacle"),
    [
        ({"leading": [0.1, 0.2], "lagging": [0.1, 0.1], "leading_error": 0.01, "lagging_error": 0.01}, "too_few"),
        ({"leading": [0.1, 0.2, np.nan, 0.1, np.nan, np.nan], "leading_error": np.nan}, "too_few"),
        ({"leading_error": 0.06}, "weak"),
        (
            {"leading": [0.1, 0.0, 0.0], "lagging": [0.05, 0.01, 0.0], "leading_error": 0.01, "lagging_error": 0.01},
            "unbounded",
        ),
    ],
)
def test_elasticity_that_experiments_do_not_give_says_why(other: dict[str, Any], obstacle: str) -> None:
    found = from_trials(trials(**other), alpha=0.05).elasticity
    assert isinstance(found, NotIdentified)
    assert found.obstacle.value.startswith(obstacle)


def test_experiments_without_error_are_refused() -> None:
    with pytest.raises(ValueError, match="above zero"):
        from_trials(trials(lagging_error=0.0), alpha=0.05)


@pytest.mark.parametrize("corners", [(0.2, 0.5, 1.1), (0.0, 0.0, 1.0), (-1.0, 1.0, 1.0)])
def test_assumption_is_a_triangle(corners: tuple[float, float, float]) -> None:
    low, likely, high = corners
    law = triang(c=(likely - low) / (high - low), loc=low, scale=high - low)
    found = assumed(*corners, alpha=0.1)
    expected = [law.mean(), law.std(), law.ppf(0.05), law.ppf(0.95)]
    actual = [found.estimate, found.standard_error, found.interval.lower, found.interval.upper]
    assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)
    assert not found.is_estimated


def test_assumption_out_of_order_is_refused() -> None:
    with pytest.raises(ValueError, match="in this order"):
        assumed(0.5, 0.2, 0.9, alpha=0.05)


def known(estimate: float, error: float, source: Source, df: float = np.inf) -> Elasticity:
    return Elasticity.of(estimate, error, source=source, df=df, alpha=0.05)


def together(*found: Elasticity | NotIdentified) -> Combined:
    answer = combined(found, alpha=0.05)
    assert isinstance(answer, Combined)
    return answer


def test_sources_that_agree_are_weighted_by_their_precision() -> None:
    trial, past = known(0.5, 0.1, Source.EXPERIMENTS, df=4), known(0.6, 0.2, Source.COHORTS, df=11)
    found = together(past, trial)
    assert_allclose(found.elasticity.estimate, (0.5 * 100 + 0.6 * 25) / 125, rtol=1e-12)
    assert_allclose(found.elasticity.standard_error, 125**-0.5, rtol=1e-12)
    assert_allclose(found.elasticity.df, 125**2 / (100**2 / 4 + 25**2 / 11), rtol=1e-12)  # Satterthwaite
    assert found.q == pytest.approx(0.1**2 / (0.01 + 0.04), rel=1e-12)
    assert found.used == (Source.EXPERIMENTS, Source.COHORTS)
    assert found.elasticity.is_estimated


def test_sources_that_disagree_leave_the_experiments_alone() -> None:
    trial, past = known(0.5, 0.1, Source.EXPERIMENTS), known(1.0, 0.1, Source.COHORTS)
    found = together(past, trial)
    assert found.elasticity == trial
    assert (found.used, found.set_aside, found.do_agree) == ((Source.EXPERIMENTS,), (Source.COHORTS,), False)
    assert found.q_p_value is not None
    assert found.q_p_value < 0.001


def test_an_assumption_in_it_makes_no_estimate() -> None:
    found = together(known(0.5, 0.1, Source.COHORTS), assumed(0.3, 0.5, 0.7, alpha=0.05))
    assert found.used == (Source.COHORTS, Source.ASSUMPTION)
    assert not found.elasticity.is_estimated


def test_an_assumption_of_one_value_gives_way_to_data() -> None:
    past = known(0.5, 0.1, Source.COHORTS)
    found = together(assumed(0.9, 0.9, 0.9, alpha=0.05), past)
    assert found.elasticity == past
    assert found.set_aside == (Source.ASSUMPTION,)


def test_nothing_identified_says_why() -> None:
    weak = NotIdentified(obstacle=Obstacle.WEAK)
    assert combined([weak], alpha=0.05) == weak
    assert combined([], alpha=0.05) == NotIdentified(obstacle=Obstacle.NO_SOURCE)
    assert together(weak, known(0.5, 0.1, Source.COHORTS)).used == (Source.COHORTS,)


def test_a_source_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="once"):
        combined([known(0.5, 0.1, Source.COHORTS)] * 2, alpha=0.05)


@pytest.mark.parametrize("obstacle", list(Obstacle))
def test_every_obstacle_is_one_sentence(obstacle: Obstacle) -> None:
    assert obstacle.sentence.endswith(".")
    assert obstacle.sentence.count(".") == 1


def test_alpha_that_is_none_is_refused_even_where_there_is_no_answer() -> None:
    nothing = trials(leading=np.zeros(6))
    for ask in (
        lambda: from_cohorts(cohorts(clusters=np.zeros(24)), alpha=1.0),
        lambda: from_trials(nothing, alpha=0.0),
        lambda: combined([], alpha=2.0),
    ):
        with pytest.raises(ValueError, match="alpha"):
            ask()

"""Seasons: statsmodels' weighted least squares, and how often seasons are seen that are not there."""

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from stats.results import Reason
from stats.series import season
from tests.stats.series.worlds import at_most, swings


@pytest.mark.parametrize("has_trend", [True, False])
def test_test_effects_and_limits_are_statsmodels(has_trend: bool) -> None:
    draw = np.random.default_rng(71)
    times, places, errors = np.arange(26.0), np.arange(26) % 4, draw.uniform(0.5, 2, 26)
    values = 0.1 * times + np.array([0, 1, -1, 2.0])[places] + draw.normal(0, errors)
    ours = season.effects(times, values, errors, season=places, alpha=0.1, has_trend=has_trend)
    design = np.column_stack([places == place for place in range(4)] + [times] * has_trend).astype(float)
    theirs = sm.WLS(values, design, weights=errors**-2.0).fit()
    contrast = np.hstack((np.eye(4) - 0.25, np.zeros((4, int(has_trend)))))
    found = theirs.t_test(contrast)
    assert_allclose(ours.effect, found.effect, atol=1e-9)
    assert_allclose(ours.standard_error, found.sd, rtol=1e-9)
    assert_allclose(np.stack((ours.lower, ours.upper), axis=-1), found.conf_int(alpha=0.1), rtol=1e-9)
    test = theirs.f_test(contrast[:3])
    assert_allclose((ours.statistic, ours.p_value), (test.fvalue, test.pvalue), rtol=1e-8)
    flat = sm.WLS(values, np.column_stack([np.ones(26)] + [times] * has_trend), weights=errors**-2.0).fit()
    assert_allclose(ours.share, 1 - theirs.mse_resid / flat.mse_resid, rtol=1e-9)


def test_days_of_the_week_that_are_alike_are_seldom_told_apart_and_others_are_found() -> None:
    draw, series = np.random.default_rng(72), 2000
    days = np.arange(56)
    alike = draw.normal(0, 1, (series, 56))
    weekend = alike + 1.5 * (days % 7 >= 5)
    without, with_it = (season.effects(days, values, 1.0, season=days % 7, alpha=0.05) for values in (alike, weekend))
    assert (without.p_value <= 0.05).mean() <= at_most(0.05, series)
    assert (with_it.p_value <= 0.05).mean() > 0.85
    missed = (with_it.lower[:, 6] > 1.5 * 5 / 7) | (with_it.upper[:, 6] < 1.5 * 5 / 7)
    assert missed.mean() <= at_most(0.05, series)


def test_autocorrelation_makes_the_test_of_eight_weeks_careful_not_bold() -> None:
    draw = np.random.default_rng(73)
    values = swings(draw, 1000, 56, tie=0.7, size=1.0)
    found = season.effects(range(56), values, 1.0, season=np.arange(56) % 7, alpha=0.05)
    assert (found.p_value <= 0.05).mean() < 0.03


def test_what_cannot_be_judged_says_why() -> None:
    values = np.array([[1, 2, 3, 4, 5, 7.0], [1, 2, np.nan, 4, np.nan, 7], [3, 3, 3, 3, 3, 3]])
    found = season.effects(range(6), values, 1.0, season=[0, 1] * 3, alpha=0.05)
    assert [found.reason_at(place) for place in range(3)] == [None, Reason.TOO_FEW_PERIODS, Reason.ZERO_VARIANCE]
    assert np.isnan(found.effect[1:]).all()
    assert np.isnan(found.p_value[1:]).all()
    for wrong in ([0, 1, 2], [0, 0.5, 1, 0, 1, 0], [0] * 6):
        with pytest.raises(ValueError, match="season"):
            season.effects(range(6), values, 1.0, season=wrong, alpha=0.05)
    with pytest.raises(ValueError, match="above zero"):
        season.effects(range(6), values, 0.0, season=[0, 1] * 3, alpha=0.05)

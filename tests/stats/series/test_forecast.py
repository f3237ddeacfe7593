"""Forecasts: their intervals cover in the worlds they are meant for, and tell where there is nothing to go by."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from stats.arrays import Array
from stats.results import Reason, Undefined
from stats.series import forecast
from stats.series.forecast import Forecast
from tests.stats.series.worlds import at_most, swings

SERIES, SEEN, LATER = 150, 18, [18, 20, 23]


def world(name: str, draw: np.random.Generator) -> Array:
    """True levels (series, periods), the later ones last."""
    times = np.arange(LATER[-1] + 1.0)
    shape = (SERIES, times.size)
    return {
        "constant": np.zeros(shape),
        "overdispersed": draw.normal(0, 1.5, shape),
        "trend": np.broadcast_to(0.4 * times, shape),
        "walk": np.cumsum(draw.normal(0, 1, shape), axis=1),
        "swings": swings(draw, *shape, tie=0.7, size=1.0),
        "saturating": np.broadcast_to(10 * (1 - np.exp(-times / 6)), shape),
    }[name]


@pytest.mark.parametrize("name", ["constant", "overdispersed", "trend", "walk", "swings", "saturating"])
def test_intervals_cover_at_their_level(name: str) -> None:
    draw = np.random.default_rng(31)
    truth = world(name, draw)
    seen = truth[:, :SEEN] + draw.normal(0, 1, (SERIES, SEEN))
    found = forecast.ahead(range(SEEN), seen, 1.0, later=LATER, alpha=0.1)
    misses = (truth[:, LATER] < found.lower) | (truth[:, LATER] > found.upper)
    # Grids are coarse and the worlds are single: a point beside what the simulation allows (docs, Known limits).
    assert np.all(misses.mean(axis=0) <= at_most(0.1, SERIES) + 0.01)


def test_intervals_of_a_seasonal_series_cover_and_seasons_make_them_narrow() -> None:
    draw = np.random.default_rng(32)
    series, seen, later = 40, 28, [28, 30, 33]
    truth = np.broadcast_to(3 * np.sin(2 * np.pi * np.arange(34) / 7), (series, 34))
    values = truth[:, :seen] + draw.normal(0, 1, (series, seen))
    found = forecast.ahead(range(seen), values, 1.0, later=later, alpha=0.1, season=7)
    blind = forecast.ahead(range(seen), values, 1.0, later=later, alpha=0.1)
    misses = (truth[:, later] < found.lower) | (truth[:, later] > found.upper)
    assert np.all(misses.mean(axis=0) <= at_most(0.1, series))
    assert np.all((found.upper - found.lower).mean(axis=0) < 0.6 * (blind.upper - blind.lower).mean(axis=0))


def test_a_trend_is_followed_and_what_is_far_is_less_sure() -> None:
    draw = np.random.default_rng(33)
    found = forecast.ahead(range(30), 0.5 * np.arange(30) + draw.normal(0, 1, 30), 1.0, later=[30, 40], alpha=0.1)
    assert found.lower[1] > 14.5  # above every true level so far: it does not take the series for a constant
    assert_allclose(found.value, [15, 20], atol=2.0)
    assert found.standard_error[1] > found.standard_error[0] > 0


def test_chances_of_a_target_are_right_as_often_as_they_say() -> None:
    draw = np.random.default_rng(34)
    truth = np.cumsum(draw.normal(0, 1, (200, 16)), axis=1)
    found = forecast.ahead(range(12), truth[:, :12] + draw.normal(0, 1, (200, 12)), 1.0, later=15, alpha=0.1)
    chance, hit = found.chance(0.0)[:, 0], truth[:, 15] >= 0
    assert chance.mean() == pytest.approx(hit.mean(), abs=3 * np.sqrt(0.25 / 200))
    likely, unlikely = chance > 0.8, chance < 0.2
    assert hit[likely].mean() > 0.8
    assert hit[unlikely].mean() < 0.2
    assert_allclose(found.chance(0.0, sign=-1)[:, 0], 1 - chance, atol=1e-12)


def test_the_measured_value_of_a_later_period_is_less_sure_than_the_true_one() -> None:
    given: dict[str, Any] = {
        "period": range(10),
        "value": np.sin(range(10)),
        "standard_error": 0.3,
        "later": [11],
        "alpha": 0.1,
    }
    true, measured = forecast.ahead(**given), forecast.ahead(**given, later_standard_error=0.3)
    assert_allclose(measured.standard_error**2, true.standard_error**2 + 0.3**2, rtol=1e-9)


def test_missing_periods_are_left_out_and_units_do_not_matter() -> None:
    times, values = np.array([0, 1, 2, 4, 5, 7, 8.0]), np.array([1, 3, 2, 4, 4, 6, 5.0])
    found = forecast.ahead(times, values, 0.5, later=[9, 12], alpha=0.1)
    spaced = np.full(9, np.nan)
    spaced[times.astype(int)] = values
    assert_allclose(forecast.ahead(range(9), spaced, 0.5, later=[9, 12], alpha=0.1).lower, found.lower, rtol=1e-9)
    moved = forecast.ahead(times + 100, 1000 - 50 * values, 25.0, later=[109, 112], alpha=0.1)
    assert_allclose(moved.lower, 1000 - 50 * found.upper, rtol=1e-6)


def test_several_series_are_each_forecast_as_alone_and_the_short_one_says_why_not() -> None:
    values = np.array([[1, 2, 4, 3, 5, 4.0], [np.nan, np.nan, np.nan, 1, 2, 3], [2, 2, 2, 2, 2, 2]])
    errors = np.array([0.5, 0.5, 0.0])[:, np.newaxis]
    found = forecast.ahead(range(6), values, errors, later=[6, 8], alpha=0.1)
    alone = forecast.ahead(range(6), values[0], 0.5, later=[6, 8], alpha=0.1)
    first, second = found.at(0, 1), alone.at(1)
    assert isinstance(first, Forecast)
    assert first == second
    assert found.at(1, 0) == Undefined(reason=Reason.TOO_FEW_PERIODS)
    assert found.at(2, 0) == Undefined(reason=Reason.ZERO_VARIANCE)
    assert np.isnan(found.chance(1.0)[1:]).all()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"later": [5]}, "after the last"),
        ({"period": [0, 1, 1, 2, 3, 4]}, "in order"),
        ({"period": range(5)}, "one value a period"),
        ({"standard_error": -1.0}, "never negative"),
        ({"season": 1}, "two periods"),
        ({"alpha": 1.0}, "alpha"),
        ({"value": 3.0}, "along the last axis"),
    ],
)
def test_misuse_is_refused(wrong: dict[str, Any], sentence: str) -> None:
    usual: dict[str, Any] = {
        "period": range(6),
        "value": np.arange(6.0),
        "standard_error": 1.0,
        "later": [6],
        "alpha": 0.1,
    }
    with pytest.raises(ValueError, match=sentence):
        forecast.ahead(**{**usual, **wrong})
    with pytest.raises(ValueError, match="sign"):
        forecast.ahead(**usual).chance(1.0, sign=0)

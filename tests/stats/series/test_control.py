"""Control limits: how often a steady series is called out of line, and how often a period that is out."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from stats.arrays import Array
from stats.results import Reason
from stats.series import control
from tests.stats.series.worlds import at_most, swings

SERIES, PERIODS = 120, 28
STEADY = {"alike": (0.0, 0.0), "overdispersed": (0.0, 2.0), "autocorrelated": (0.6, 1.5), "strongly": (0.85, 2.0)}


def drawn(name: str, seed: int) -> Array:
    draw = np.random.default_rng(seed)
    tie, size = STEADY[name]
    return swings(draw, SERIES, PERIODS, tie=tie, size=size) + draw.normal(0, 1, (SERIES, PERIODS))


@pytest.mark.parametrize("name", STEADY)
def test_a_steady_series_is_out_of_line_as_seldom_as_promised(name: str) -> None:
    found = control.chart(range(PERIODS), drawn(name, 41), 1.0, alpha=0.05)
    for periods in (slice(control.FEWEST, 12), slice(12, None)):
        out = found.is_out[:, periods]
        assert out.mean() <= at_most(0.05, out.size) + 0.005  # periods of one series are not independent


@pytest.mark.parametrize("name", STEADY)
def test_a_newest_value_far_off_is_found_with_the_usual_limits(name: str) -> None:
    values = drawn(name, 42)
    values[:, -1] += 6 * values.std()
    assert control.chart(range(PERIODS), values, 1.0).is_out[:, -1].mean() > 0.85


def test_limits_around_a_plain_mean_would_alarm_on_an_autocorrelated_series() -> None:
    values = drawn("strongly", 43)
    early = values[:, :20]
    plain = np.abs(values[:, 20:] - early.mean(axis=1, keepdims=True)) > 1.96 * early.std(axis=1, ddof=1, keepdims=True)
    ours = control.chart(range(PERIODS), values, 1.0, alpha=0.05).is_out[:, 20:]
    assert plain.mean() > 0.10
    assert ours.mean() < 0.07


def test_a_period_with_few_units_has_wider_limits() -> None:
    values, errors = np.tile([5.0, 6.0], 10), np.full(20, 0.5)
    usual = control.chart(range(20), values, errors)
    errors[-1] = 3.0
    unsure = control.chart(range(20), values, errors)
    assert_allclose(unsure.lower[:-1], usual.lower[:-1], rtol=1e-12)
    assert unsure.upper[-1] - unsure.lower[-1] > 2.5 * (usual.upper[-1] - usual.lower[-1])


def test_surprise_and_p_value_are_two_sides_of_one_chance() -> None:
    values = np.array([5, 6, 5, 4, 6, 5, 5, 6, 4, 5, 9, 1.0])
    found = control.chart(range(12), values, 0.5, alpha=0.05)
    judged = found.reason == 0
    assert_allclose(2 * norm.sf(np.abs(found.surprise[judged])), found.p_value[judged], rtol=1e-9)
    assert found.surprise[-2] > 0 > found.surprise[-1]
    assert found.is_out.tolist() == ((values < found.lower) | (values > found.upper)).tolist()


def test_periods_that_cannot_be_judged_say_why() -> None:
    values = np.array([[1, 2, np.nan, 2, 1, 2, 1, 2.0], [3, 3, 3, 3, 3, 3, 3, 3]])
    found = control.chart(range(8), values, np.array([[0.1], [0.0]]))
    assert [found.reason_at(0, period) for period in (0, 2, 5, 6)] == [
        Reason.TOO_FEW_PERIODS,
        Reason.INSUFFICIENT_DATA,
        Reason.TOO_FEW_PERIODS,
        None,
    ]
    assert {found.reason_at(1, period) for period in (6, 7)} == {Reason.ZERO_VARIANCE}
    assert np.isnan(found.expected[found.reason != 0]).all()
    assert not found.is_out[found.reason != 0].any()

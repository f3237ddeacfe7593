"""How much periods differ for as long as they do, against statsmodels and arithmetic."""

import numpy as np
import pytest
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.tsa.stattools import acovf

from stats.arrays import Array
from stats.series.spread import FEWEST, lasting


def series(phi: float, size: int) -> Array:
    draw, found = np.random.default_rng(7), [0.0]
    for _ in range(size - 1):
        found.append(phi * found[-1] + draw.normal(0, 0.02))
    return 0.5 + np.array(found) + draw.normal(0, 0.01, size)


@pytest.mark.parametrize("phi", [0.0, 0.5])
def test_lasting_spread_is_the_variance_between_periods_times_what_their_likeness_adds(phi: float) -> None:
    values = series(phi, 40)
    tau2 = combine_effects(values, np.full(40, 0.01**2), method_re="dl").tau2
    alike = acovf(values, adjusted=True, nlag=1, fft=False)[1] / tau2
    corrected = min(max(alike + (1 + 3 * alike) / 40, 0.0), 0.9)
    expected = (tau2 * (1 + corrected) / (1 - corrected)) ** 0.5
    assert lasting(range(40), values, 0.01) == pytest.approx(expected)


def test_lasting_spread_of_a_long_autoregression_is_that_of_its_mean() -> None:
    # Of an autoregression with innovations of 0.02 the mean of many has 0.02 / (1 - phi) / sqrt(n) (Bartlett 1946).
    assert lasting(range(4000), series(0.5, 4000), 0.01) == pytest.approx(0.02 / (1 - 0.5), rel=0.1)


def test_lasting_spread_is_none_where_errors_explain_all_and_unknown_of_few_periods() -> None:
    assert lasting(range(12), [0.50, 0.51] * 6, 0.02) == 0
    assert np.isnan(lasting(range(FEWEST - 1), [0.5, 0.6] * 5 + [0.5], 0.01))
    assert np.isnan(lasting(range(12), [0.5, 0.6] * 5 + [float("nan"), 0.6], 0.01))


def test_periods_that_are_not_neighbours_say_nothing_of_how_alike_neighbours_are() -> None:
    values = series(0.8, 24)
    apart = lasting(range(0, 48, 2), values, 0.01)
    tau2 = combine_effects(values, np.full(24, 0.01**2), method_re="dl").tau2
    alike = 1 / 24  # none, and what few periods hide of it
    assert apart == pytest.approx((tau2 * (1 + alike) / (1 - alike)) ** 0.5)

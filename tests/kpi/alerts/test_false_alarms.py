"""Looking at every period keeps the promised rate of false alarms: simulated, seeded, within what chance allows.

Each bound is the promise and 3.3 standard errors of the simulation: exceeded once in 2,000 right ones.
"""

from math import sqrt

import numpy as np

from kpi.alerts.conditions import BaselineDrift, DataStopped, Threshold, Trend
from kpi.alerts.conditions.shape import Level, Reading
from kpi.enums import Side
from kpi.history.periods import DAY
from kpi.kinds.shape import Floats
from tests.kpi.alerts.series import MONDAY, day, known, weeks


def autoregressive(draw: np.random.Generator, size: int, phi: float, spread: float) -> Floats:
    """A series that resembles the period before it, around 0.5."""
    found = [draw.normal(0, spread)]
    for _ in range(size - 1):
        found.append(phi * found[-1] + draw.normal(0, spread * (1 - phi**2) ** 0.5))
    return 0.5 + np.array(found)


def allowed(promise: float, looks: int) -> float:
    return promise + 3.3 * sqrt(promise * (1 - promise) / looks)


def test_sure_threshold_at_the_true_value_is_raised_once_a_run_at_most() -> None:
    draw, condition, looks, n = (
        np.random.default_rng(1),
        Threshold(side=Side.BELOW, limit=0.5, run_length=20),
        2000,
        500,
    )
    raised = 0
    for value in draw.binomial(n, 0.5, looks) / n:
        found = condition.judge(weeks([value], (value * (1 - value) / n) ** 0.5, n), known())
        assert isinstance(found, Reading)
        raised += found.is_beyond
    assert 0.5 / 20 < raised / looks < allowed(1 / 20, looks)


def test_trend_of_a_steady_series_is_raised_once_a_run_at_most_whatever_the_autocorrelation() -> None:
    draw, condition = np.random.default_rng(2), Trend(run_length=20)
    looks = raised = 0
    for _ in range(10):
        past = weeks(autoregressive(draw, 31, 0.6, 0.02) + draw.normal(0, 0.01, 31), 0.01)
        for place in range(20, 31):
            found = condition.judge(past.until(place), known())
            assert isinstance(found, Reading)
            looks, raised = looks + 1, raised + found.is_beyond
    assert raised / looks < allowed(1 / 20, looks)


def test_drift_of_a_level_that_stays_is_raised_in_few_series_at_any_look_and_of_one_that_moves_in_most() -> None:
    # Few, for each look is a judgement; tests/stats/series/test_drift.py judges hundreds of series at once.
    draw, series, before = np.random.default_rng(3), 25, 12
    false = found = 0
    for _ in range(series):
        values = autoregressive(draw, before + 26, 0.7, 0.02) + draw.normal(0, 0.01, before + 26)
        false += raised(values, before)
        found += raised(values + 0.08 * (np.arange(values.size) >= before), before)
    assert false / series < allowed(0.05, series)
    assert found / series > 0.7


def raised(values: Floats, before: int) -> bool:
    """Whether a drift from the first values is called at any of some looks, the last one of them."""
    past = weeks(values, 0.01)
    level = Level(
        value=values[:before].mean(), standard_error=0.01 / before**0.5, until=past.start_on[before - 1] + 6 * DAY
    )
    looks = range(values.size - 1, before, -8)
    readings = [BaselineDrift(shift=0.05).judge(past.until(place), known(baseline=level)) for place in looks]
    return any(isinstance(found, Reading) and found.is_beyond for found in readings)


def test_data_that_come_by_chance_are_called_stopped_once_a_run_at_most() -> None:
    draw, condition, looks, raised = np.random.default_rng(4), DataStopped(run_length=50), 0, 0
    for _ in range(10):
        counts = draw.poisson(2.0, 100)
        rows = {MONDAY + place * DAY: int(count) for place, count in enumerate(counts) if count or place == 0}
        for place in range(40, 100):
            found = condition.judge(day(MONDAY + place * DAY), known(arrivals={"a": rows}))
            assert isinstance(found, Reading)
            looks, raised = looks + 1, raised + found.is_beyond
    assert raised / looks < allowed(1 / 50, looks)

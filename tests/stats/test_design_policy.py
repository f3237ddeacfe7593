"""What looking costs against simulation; days against counting them one by one."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import norm

from stats.design import duration, policy
from stats.sequential import confidence_sequence as kernel
from stats.sequential.group_sequential import Spending, boundaries, obrien_fleming, pocock
from tests.stats.drawing import few

PATHS, LOOKS = 20_000, 28


@pytest.mark.parametrize("tuned_at", [0.5, 1.0])
def test_always_valid_horizon_has_its_power_and_its_mean_in_simulation(tuned_at: float) -> None:
    cost = policy.always_valid(LOOKS, alpha=0.05, power=0.8, tuned_at=tuned_at)
    drift = norm.isf(0.025) + norm.isf(0.2)
    shares = cost.horizon * np.arange(1, LOOKS + 1) / LOOKS
    steps = np.random.default_rng(61).normal(0, np.sqrt(cost.horizon / LOOKS), (PATHS, LOOKS))
    seen = drift + steps.cumsum(axis=-1) / shares
    tau2 = kernel.mixture_variance(1 / tuned_at, 0.05)
    crossed = kernel.log_e_value(seen, 1 / shares, tau2=tau2) >= -np.log(0.05)
    found = crossed.any(axis=-1) & (seen[np.arange(PATHS), crossed.argmax(axis=-1)] > 0)
    assert found.mean() == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / PATHS))
    ended = np.where(crossed.any(axis=-1), shares[crossed.argmax(axis=-1)], cost.horizon)
    assert ended.mean() == pytest.approx(cost.mean, abs=4 * ended.std() / np.sqrt(PATHS))


@pytest.mark.parametrize("spending", [obrien_fleming, pocock])
def test_planned_looks_have_their_power_and_their_mean_in_simulation(spending: Spending) -> None:
    cost = policy.group_sequential(5, alpha=0.05, power=0.8, spending=spending)
    shares = np.arange(1, 6) / 5
    drift = np.sqrt(cost.horizon) * (norm.isf(0.025) + norm.isf(0.2))
    steps = np.random.default_rng(62).normal(0, np.sqrt(1 / 5), (PATHS, 5))
    z = (drift * shares + steps.cumsum(axis=-1)) / np.sqrt(shares)
    crossed = np.abs(z) >= boundaries(shares, alpha=0.05, spending=spending)
    assert crossed.any(axis=-1).mean() == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / PATHS))
    ended = cost.horizon * np.where(crossed.any(axis=-1), shares[crossed.argmax(axis=-1)], 1.0)
    assert ended.mean() == pytest.approx(cost.mean, abs=4 * ended.std() / np.sqrt(PATHS))


@pytest.mark.parametrize("cost", [policy.fixed(), policy.group_sequential(1, alpha=0.05, power=0.8)])
def test_one_look_costs_nothing(cost: policy.Inflation) -> None:
    assert (cost.horizon, cost.mean) == pytest.approx((1.0, 1.0))


def test_one_hundred_looks_cost_what_was_measured() -> None:
    # 40,000 simulated paths of the same rule: horizon 1.66, mean 1.01
    cost = policy.always_valid(100, alpha=0.05, power=0.8)
    assert cost.horizon == pytest.approx(1.66, abs=0.02)
    assert cost.mean == pytest.approx(1.01, abs=0.02)


def test_one_always_valid_look_costs_its_higher_bar() -> None:
    # With one look the horizon h solves sqrt(h) * drift - bar(h) = z of the power.
    cost = policy.always_valid(1, alpha=0.05, power=0.8)
    bar = np.sqrt(cost.horizon) * kernel.half_width(1 / cost.horizon, tau2=kernel.mixture_variance(1, 0.05), alpha=0.05)
    drift = norm.isf(0.025) + norm.isf(0.2)
    assert norm.cdf(drift * np.sqrt(cost.horizon) - bar) == pytest.approx(0.8, abs=1e-6)
    assert cost.mean == pytest.approx(cost.horizon)


@few
@given(st.integers(1, 5000), st.integers(1, 400), st.integers(1, 30))
def test_days_equal_counting_final_units_day_by_day(units: int, per_day: int, window: int) -> None:
    day = final = 0
    while final < units:
        day += 1
        final = per_day * max(day - window + 1, 0)
    assert duration.days(units, per_day=per_day, window=window) == day
    assert duration.final_units(day, per_day=per_day, window=window) == final
    arrivals = np.full(day, per_day)
    assert duration.days_from_arrivals(units, arrivals, window=window) == day


def test_arrivals_that_fade_out_never_reach_it() -> None:
    assert np.isnan(duration.days_from_arrivals(250, [100, 100, 40, 0]))


def test_weeks_are_whole() -> None:
    assert_allclose(duration.whole_weeks([1, 6, 7, 8, 28]), [7, 7, 7, 14, 28])


@pytest.mark.parametrize(
    "ask",
    [
        lambda: policy.always_valid(0, alpha=0.05, power=0.8),
        lambda: policy.always_valid(5, alpha=0.05, power=0.8, tuned_at=0.0),
        lambda: policy.always_valid(5, alpha=0.05, power=0.01),
        lambda: policy.group_sequential(0, alpha=0.05, power=0.8),
        lambda: duration.days(0, per_day=10),
        lambda: duration.days(10, per_day=0),
        lambda: duration.days(10, per_day=5, window=0),
        lambda: duration.days_from_arrivals(10, [5, -1]),
    ],
)
def test_plans_without_sense_are_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"look|power|zero|window|negative"):
        ask()

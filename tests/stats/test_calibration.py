"""False positives of monitored experiments in which nothing happens, and findings where something does.

Small, fixed-seed versions of the calibration; a test that never rejects fails on power.
"""

import numpy as np
import pytest
from scipy.stats import norm

from stats.arrays import Array
from stats.methods import proportions, welch
from stats.moments import Moments
from stats.results import Comparisons
from stats.sequential import confidence_sequence as kernel
from stats.sequential.group_sequential import boundaries
from stats.survival import rmst
from stats.survival.counts import LifeTable, life_table

ALPHA = 0.05
LOOKS = 14
DAILY = 100  # units per arm and day
EXPERIMENTS = 4000
TAU, DAYS = 7, 21


def at_most(rate: float, found: Array) -> bool:
    """Whether a share of findings is no more than the rate, up to three standard errors."""
    return bool(found.mean() <= rate + 3 * np.sqrt(rate * (1 - rate) / found.size))


def daily_shares(control: float, treatment: float) -> Comparisons:
    """Experiments x looks: shares of units, looked at every day."""
    draw = np.random.default_rng(14)
    arms = [
        Moments.of_proportion(draw.binomial(DAILY, share, (EXPERIMENTS, LOOKS)), DAILY).cumulative()
        for share in (control, treatment)
    ]
    return proportions.compare(*arms, alpha=ALPHA)


def staggered_times(hazard: tuple[float, float], experiments: int) -> Comparisons:
    """Experiments x looks: days to the event of units entering daily, looked at every day from day tau on."""
    draw = np.random.default_rng(15)
    tables = [arm_by_day(draw, rate, experiments) for rate in hazard]
    return rmst.compare(*tables, tau=TAU, alpha=ALPHA)


def arm_by_day(draw: np.random.Generator, hazard: float, experiments: int) -> LifeTable:
    entered = np.full((experiments, DAYS), 15)
    events = np.zeros((experiments, DAYS, TAU))
    still = entered.copy()
    for j in range(TAU):
        events[..., j] = happened = draw.binomial(still, hazard)
        still = still - happened
    snapshots = np.arange(TAU, DAYS + 1)[:, np.newaxis]
    observed = np.clip(snapshots - np.arange(DAYS), 0, None)
    return life_table(entered[:, np.newaxis], events[:, np.newaxis], np.zeros(TAU), observed)


def always_valid(daily: Comparisons) -> Array:
    """Which experiments the kernel ever calls, tuned to the variance planned for the end."""
    tau2 = kernel.mixture_variance(np.mean(daily.variance[:, -1]), ALPHA)
    log_e = kernel.log_e_value(daily.difference, daily.variance, tau2=tau2)
    return np.asarray(kernel.running_p_value(log_e)[:, -1] < ALPHA)


def group_sequential(daily: Comparisons) -> Array:
    """Which experiments cross a boundary at any look, the clock being the planned information."""
    information = 1 / daily.variance.mean(axis=0)
    bars = boundaries(information / information[-1], alpha=ALPHA)
    return np.asarray((np.abs(daily.statistic) >= bars).any(axis=-1))


def peeking(daily: Comparisons) -> Array:
    """Which experiments are ever below alpha without any correction."""
    return np.asarray((np.abs(daily.statistic) >= norm.isf(ALPHA / 2)).any(axis=-1))


def test_shares_without_a_difference_are_rarely_called_and_real_ones_often() -> None:
    nothing, something = daily_shares(0.3, 0.3), daily_shares(0.3, 0.35)
    assert peeking(nothing).mean() > 0.15  # why all this is needed
    assert at_most(ALPHA, group_sequential(nothing))
    assert at_most(ALPHA, always_valid(nothing))
    assert group_sequential(nothing).mean() > 0.035
    assert group_sequential(something).mean() > 0.75
    assert always_valid(something).mean() > 0.45


def test_times_without_a_difference_are_rarely_called_and_real_ones_often() -> None:
    nothing, something = staggered_times((0.12, 0.12), 1500), staggered_times((0.12, 0.18), 400)
    assert (nothing.reason == 0).all()
    assert peeking(nothing).mean() > 0.10
    assert at_most(ALPHA, group_sequential(nothing))
    assert at_most(ALPHA, always_valid(nothing))
    assert group_sequential(nothing).mean() > 0.025
    assert group_sequential(something).mean() > 0.75
    assert always_valid(something).mean() > 0.55


@pytest.mark.parametrize("sizes", [(30, 30), (20, 60)])
def test_welch_intervals_cover_the_truth_as_often_as_they_say(sizes: tuple[int, int]) -> None:
    draw = np.random.default_rng(16)
    control, treatment = draw.normal(1, 1, (20_000, sizes[0])), draw.normal(1.5, 3, (20_000, sizes[1]))
    ours = welch.compare(Moments.from_values(control), Moments.from_values(treatment), alpha=ALPHA)
    covered = (ours.lower < 0.5) & (ours.upper > 0.5)
    assert covered.mean() == pytest.approx(0.95, abs=4 * np.sqrt(0.05 * 0.95 / 20_000))

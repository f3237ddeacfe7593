"""Events and restricted means, planned against published values, expected life tables and simulation."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import norm

from stats.arrays import Array
from stats.design import events, normal, rmst
from stats.survival import logrank
from stats.survival import rmst as rmst_method
from stats.survival.counts import LifeTable, life_table

DAYS = np.arange(1, 61)
CURVE = 0.3 + 0.7 * np.exp(-0.05 * DAYS)


def test_events_equal_schoenfelds_formula() -> None:
    # Schoenfeld (1983): 4 (1.96 + 0.84)^2 / log(2)^2 for equal arms
    assert events.needed(0.5, alpha=0.05, power=0.8) == pytest.approx(65.35, abs=0.005)
    assert_allclose(events.needed([0.5, 2.0], alpha=0.05, power=0.8, ratio=3.0), 65.34543 * 4 / 3, rtol=1e-5)


def test_events_power_and_mde_undo_each_other() -> None:
    needed = events.needed([0.7, 1.4], alpha=0.05, power=0.9, ratio=2.0)
    assert_allclose(events.power([0.7, 1.4], events=needed, alpha=0.05, ratio=2.0), 0.9, rtol=1e-12)
    assert_allclose(events.mde(needed[1], alpha=0.05, power=0.9, ratio=2.0), 1.4, rtol=1e-12)
    assert_allclose(events.mde(needed[0], alpha=0.05, power=0.9, ratio=2.0, sign=-1), 0.7, rtol=1e-12)


def test_share_with_the_event_equals_the_integral_over_entry_times() -> None:
    # Exponential times in fine steps: Lachin & Foulkes (1986) by quadrature.
    steps, rate = 1000, 1.2
    curve = np.exp(-rate * np.arange(1, 3 * steps + 1) / steps)
    ours = events.share(curve, accrual=steps * 2, follow_up=steps, hazard_ratio=1.5)
    theirs = quad(lambda entry: 1 - np.exp(-1.5 * rate * (3 - entry)), 0, 2)[0] / 2
    assert_allclose(ours, theirs, rtol=1e-3)


def test_expected_events_are_those_of_the_expected_life_table() -> None:
    entered = np.linspace(50, 20, 30)
    table = expected_table(CURVE[:30], entered)
    assert_allclose(events.expected(CURVE, entered), table.events.sum(), rtol=1e-12)
    assert_allclose(events.expected(CURVE, np.ones(30)) / 30, events.share(CURVE, accrual=30), rtol=1e-12)


def test_units_bring_the_events_asked_for() -> None:
    n = events.units(300, CURVE, hazard_ratio=1.3, accrual=20, follow_up=10, ratio=2.0)
    entered = np.concatenate((np.full(20, n / 20), np.zeros(10)))
    both = events.expected(CURVE, entered) + events.expected(CURVE, 2 * entered, hazard_ratio=1.3)
    assert_allclose(both, 300, rtol=1e-12)


def expected_table(curve: Array, entered: Array) -> LifeTable:
    """The life table in which every cohort loses exactly the expected share on every day."""
    happened = -np.diff(curve, prepend=1.0)
    observed = np.arange(entered.size, 0, -1.0)
    return life_table(entered, entered[:, np.newaxis] * happened, np.zeros(curve.size), observed)


@pytest.mark.parametrize(("accrual", "follow_up"), [(30, 0), (20, 10), (10, 20)])
def test_unit_variance_is_that_of_the_expected_life_table(accrual: int, follow_up: int) -> None:
    tau, n = 24, 1e6
    entered = np.concatenate((np.full(accrual, n / accrual), np.zeros(follow_up)))
    theirs = rmst_method.estimate(expected_table(CURVE[:30], entered), tau)
    ours = rmst.unit_variance(CURVE, tau=tau, watched=rmst.watched(tau=tau, accrual=accrual, follow_up=follow_up))
    assert_allclose(ours, n * theirs.variance, rtol=1e-9)
    assert_allclose(rmst.value(CURVE, tau=tau), theirs.value, rtol=1e-12)


def test_without_censoring_it_is_the_variance_of_the_time_cut_at_tau() -> None:
    tau = 24
    chances = np.append(-np.diff(CURVE[: tau - 1], prepend=1.0), CURVE[tau - 2])
    mean = chances @ np.arange(1, tau + 1)
    ours = rmst.unit_variance(CURVE, tau=tau, watched=np.ones(tau))
    assert_allclose(ours, chances @ np.square(np.arange(1, tau + 1) - mean), rtol=1e-12)
    assert_allclose(rmst.value(CURVE, tau=tau), mean, rtol=1e-12)


def test_units_nobody_watches_long_enough_have_no_variance() -> None:
    assert np.isnan(rmst.unit_variance(CURVE, tau=24, watched=rmst.watched(tau=24, accrual=10)))


def simulated(curve: Array, n: int, accrual: int, experiments: int, seed: int) -> LifeTable:
    """Life tables of n units that enter evenly on the first days, at the end of the days of the curve."""
    draw = np.random.default_rng(seed)
    days = curve.size
    entered = np.zeros((experiments, days))
    entered[:, :accrual] = n // accrual
    happened = np.zeros((experiments, days, days))
    still = entered.copy()
    for j, share in enumerate(-np.diff(curve, prepend=1.0) / np.concatenate(([1.0], curve[:-1]))):
        happened[..., j] = draw.binomial(still.astype(int), share)
        still -= happened[..., j]
    return life_table(entered, happened, np.zeros(days), np.arange(days, 0, -1.0))


def test_planned_units_give_log_rank_and_restricted_means_their_power() -> None:
    faster, accrual, follow_up, tau = CURVE[:30] ** 1.3, 20, 10, 20
    needed = events.needed(1.3, alpha=0.05, power=0.8)
    wanted = events.units(needed, CURVE, hazard_ratio=1.3, accrual=accrual, follow_up=follow_up)
    n = accrual * int(np.ceil(wanted / accrual))
    control, treatment = simulated(CURVE[:30], n, accrual, 1500, 56), simulated(faster, n, accrual, 1500, 57)
    found = logrank.compare(control, treatment).statistic > norm.isf(0.025)
    assert found.mean() == pytest.approx(0.8, abs=0.045)
    watched = rmst.watched(tau=tau, accrual=accrual, follow_up=follow_up)
    before, after = (rmst.unit_variance(curve, tau=tau, watched=watched) for curve in (CURVE, faster))
    gap = rmst.value(faster, tau=tau) - rmst.value(CURVE, tau=tau)
    ours = rmst_method.compare(control, treatment, tau=tau, alpha=0.05)
    assert_allclose(ours.variance.mean() * n, before + after, rtol=0.02)
    power = normal.power(before, after, gap, n=n, alpha=0.05)
    assert 0.6 < power < 0.8
    assert (ours.statistic < norm.ppf(0.025)).mean() == pytest.approx(float(power), abs=0.045)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: events.needed(1.0, alpha=0.05, power=0.8),
        lambda: events.needed(0.0, alpha=0.05, power=0.8),
        lambda: events.power(0.5, events=0, alpha=0.05),
        lambda: events.share(CURVE, accrual=0),
        lambda: events.share(CURVE, accrual=61),
        lambda: events.share([0.5, 0.6], accrual=2),
        lambda: events.units(10, [1.0, 1.0], hazard_ratio=2.0, accrual=2),
        lambda: rmst.watched(tau=0, accrual=1),
        lambda: rmst.value(CURVE, tau=62),
        lambda: rmst.unit_variance(CURVE, tau=10, watched=np.ones(3)),
    ],
)
def test_plans_without_sense_are_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"zero|ratio of 1|day|falls|tau|watched"):
        ask()

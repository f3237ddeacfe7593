"""Sample sizes against statsmodels and R."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import nct, norm, t
from statsmodels.stats.power import TTestIndPower

from stats import power


def test_units_for_a_share_equal_r() -> None:
    # R 4: power.prop.test(p1 = 0.10, p2 = 0.12, power = 0.80) gives n = 3840.847
    assert power.units_per_arm_proportion(0.10, 0.12, 0.05, 0.8) == pytest.approx(3840.847, abs=5e-4)
    assert power.units_per_arm_proportion(0.12, 0.10, 0.05, 0.8) == pytest.approx(3840.847, abs=5e-4)


@pytest.mark.parametrize("effect", [0.003, 0.02, 0.2, 0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize(("alpha", "wanted"), [(0.05, 0.8), (0.01, 0.95)])
def test_units_for_a_mean_equal_statsmodels(effect: float, alpha: float, wanted: float) -> None:
    theirs = TTestIndPower().solve_power(effect, alpha=alpha, power=wanted)
    ours = power.units_per_arm_mean(2.0, -2.0 * effect, alpha, wanted)
    assert_allclose(ours, max(theirs, 2.0), rtol=5e-6)  # theirs also counts findings in the wrong direction


@pytest.mark.parametrize("effect", [0.01, 0.1, 0.5, 1.5])
def test_units_for_a_mean_give_the_power_asked_for(effect: float) -> None:
    n = float(power.units_per_arm_mean(1.0, effect, 0.05, 0.8))
    reached = nct.sf(t.isf(0.025, 2 * n - 2), 2 * n - 2, effect * np.sqrt(n / 2))
    assert reached == pytest.approx(0.8, rel=1e-9)


def test_units_for_half_a_standard_deviation_equal_r() -> None:
    # R 4: power.t.test(delta = 0.5, sd = 1, power = 0.80) gives n = 63.76576
    assert power.units_per_arm_mean(1.0, 0.5, 0.05, 0.8) == pytest.approx(63.76576, abs=5e-5)


def test_units_for_a_huge_difference_are_two_not_fewer() -> None:
    assert power.units_per_arm_mean(1.0, 100.0, 0.05, 0.8) == 2


def test_units_for_many_kpis_come_in_one_call() -> None:
    ours = power.units_per_arm_mean(np.array([1.0, 2.0])[:, np.newaxis], np.array([0.5, 1.0, 2.0]), 0.05, 0.8)
    assert ours.shape == (2, 3)
    assert_allclose(ours[0, 0], ours[1, 1])


def test_information_gives_the_power_asked_for() -> None:
    needed = power.information(0.3, alpha=0.05, power=0.9)
    reached = norm.sf(norm.isf(0.025) - 0.3 * np.sqrt(needed))
    assert reached == pytest.approx(0.9, rel=1e-9)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: power.information(0.0, alpha=0.05, power=0.8),
        lambda: power.information(0.1, alpha=0.05, power=1.0),
        lambda: power.units_per_arm_mean(0.0, 0.1, 0.05, 0.8),
        lambda: power.units_per_arm_proportion(0.1, 0.1, 0.05, 0.8),
        lambda: power.units_per_arm_proportion(0.1, 1.1, 0.05, 0.8),
    ],
)
def test_plans_that_no_size_can_meet_are_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"zero|between 0 and 1|positive"):
        ask()

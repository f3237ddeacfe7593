"""Planning for shares against statsmodels, R, a likelihood maximised by brute force, and simulation."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from statsmodels.stats.proportion import power_proportions_2indep, samplesize_proportions_2indep_onetail

from stats.design import proportions
from stats.methods import miettinen_nurminen
from stats.moments import Moments


def test_units_equal_r() -> None:
    # R 4: power.prop.test(p1 = 0.10, p2 = 0.12, power = 0.80) gives n = 3840.847
    assert proportions.units(0.10, 0.12, alpha=0.05, power=0.8) == pytest.approx(3840.847, abs=5e-4)


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(("before", "after"), [(0.3, 0.4), (0.05, 0.04), (0.9, 0.8)])
def test_units_and_power_equal_statsmodels(before: float, after: float, ratio: float) -> None:
    # Their first group is the one that differs from prop2, and their ratio is group 2 over group 1.
    way = "larger" if before > after else "smaller"
    theirs = samplesize_proportions_2indep_onetail(
        before - after, after, 0.8, ratio=ratio, alpha=0.025, alternative=way
    )
    assert_allclose(proportions.units(before, after, alpha=0.05, power=0.8, ratio=ratio), theirs, rtol=1e-6)
    reached = power_proportions_2indep(
        before - after, after, 400, ratio=ratio, alpha=0.025, alternative=way, return_results=False
    )
    assert_allclose(proportions.power(before, after, n=400, alpha=0.05, ratio=ratio), reached, rtol=1e-9)


@pytest.mark.parametrize("sign", [1, -1])
def test_mde_is_the_difference_with_the_power_asked_for(sign: int) -> None:
    ours = proportions.mde([0.2, 0.5], n=[[500], [5000]], alpha=0.05, power=0.9, ratio=2.0, sign=sign)
    assert (np.sign(ours) == sign).all()
    found = proportions.power([0.2, 0.5], np.array([0.2, 0.5]) + ours, n=[[500], [5000]], alpha=0.05, ratio=2.0)
    assert_allclose(found, 0.9, rtol=1e-9)


def test_mde_of_very_few_units_does_not_exist() -> None:
    assert np.isnan(proportions.mde(0.95, n=20, alpha=0.05, power=0.8))


def farrington_manning(p0: float, p1: float, margin: float, ratio: float) -> float:
    """Units by the textbook formula, the restricted likelihood maximised by a search."""

    def against(share: float) -> float:
        other = share - margin
        chances = np.array([share, 1 - share, other, 1 - other])
        return float(-np.array([p0, 1 - p0, ratio * p1, ratio * (1 - p1)]) @ np.log(chances))

    share = minimize_scalar(against, bounds=(margin, 1), method="bounded", options={"xatol": 1e-12}).x
    null = share * (1 - share) + (share - margin) * (1 - share + margin) / ratio
    truth = p0 * (1 - p0) + p1 * (1 - p1) / ratio
    reach = norm.isf(0.025) * np.sqrt(null) + norm.isf(0.2) * np.sqrt(truth)
    return float(reach / (p1 - p0 + margin)) ** 2


@pytest.mark.parametrize("ratio", [1.0, 3.0])
@pytest.mark.parametrize(("p0", "p1", "margin"), [(0.85, 0.85, 0.05), (0.1, 0.12, 0.04), (0.5, 0.45, 0.2)])
def test_non_inferiority_units_equal_a_search_for_the_restricted_likelihood(
    p0: float, p1: float, margin: float, ratio: float
) -> None:
    ours = proportions.non_inferiority_units(p0, p1, margin=margin, alpha=0.025, power=0.8, ratio=ratio)
    assert_allclose(ours, farrington_manning(p0, p1, margin, ratio), rtol=1e-5)
    found = proportions.non_inferiority_power(p0, p1, margin=margin, n=ours, alpha=0.025, ratio=ratio)
    assert_allclose(found, 0.8, rtol=1e-9)


def test_where_less_is_better_the_failures_are_planned_for() -> None:
    fewer = proportions.non_inferiority_units(0.15, 0.13, margin=0.05, alpha=0.025, power=0.8, sign=-1)
    more = proportions.non_inferiority_units(0.85, 0.87, margin=0.05, alpha=0.025, power=0.8)
    assert_allclose(fewer, more, rtol=1e-9)


@pytest.mark.parametrize(("p1", "expected", "off"), [(0.85, 0.8, 0.012), (0.80, 0.025, 0.004)])
def test_planned_units_give_the_score_test_its_power_and_its_alpha(p1: float, expected: float, off: float) -> None:
    n = int(np.ceil(proportions.non_inferiority_units(0.85, 0.85, margin=0.05, alpha=0.025, power=0.8)))
    draw = np.random.default_rng(55)
    arms = (Moments.of_proportion(draw.binomial(n, share, 20_000), n) for share in (0.85, p1))
    found = miettinen_nurminen.non_inferiority(*arms, margin=0.05) < 0.025
    assert found.mean() == pytest.approx(expected, abs=off)
    ours = proportions.non_inferiority_power(0.85, p1, margin=0.05, n=n, alpha=0.025)
    assert ours == pytest.approx(expected, abs=0.002)


def test_units_without_chance_in_either_arm_are_all_or_nothing() -> None:
    assert proportions.power(0.0, 1.0, n=[1, 100], alpha=0.05).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    "ask",
    [
        lambda: proportions.units(0.1, 0.1, alpha=0.05, power=0.8),
        lambda: proportions.units(0.1, 1.1, alpha=0.05, power=0.8),
        lambda: proportions.units(0.1, 0.2, alpha=0.05, power=0.8, ratio=0.0),
        lambda: proportions.power(0.1, 0.2, n=0, alpha=0.05),
        lambda: proportions.non_inferiority_units(0.85, 0.80, margin=0.05, alpha=0.025, power=0.8),
        lambda: proportions.non_inferiority_units(0.85, 0.85, margin=0.0, alpha=0.025, power=0.8),
    ],
)
def test_plans_without_sense_are_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"zero|between|worse"):
        ask()

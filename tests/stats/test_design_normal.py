"""Units, power and detectable differences against statsmodels; factors against simulation."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from statsmodels.stats.power import NormalIndPower, TTestIndPower

from stats.comoments import CoMoments
from stats.design import factors, normal
from stats.methods import ratio as ratio_method
from tests.stats.drawing import few

SIDES = {2: "two-sided", 1: "larger"}


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("effect", [0.02, 0.3, 1.0])
def test_units_and_power_equal_statsmodels(effect: float, ratio: float, sides: int) -> None:
    theirs = NormalIndPower(ddof=0)
    n = theirs.solve_power(effect, alpha=0.05, power=0.8, ratio=ratio, alternative=SIDES[sides])
    ours = normal.units(4.0, 4.0, 2 * effect, alpha=0.05, power=0.8, ratio=ratio, sides=sides)
    assert_allclose(ours, n, rtol=1e-5)  # theirs also counts findings in the wrong direction
    reached = theirs.power(effect, 200, 0.05 / sides, ratio=ratio, alternative="larger")
    ours = normal.power(4.0, 4.0, 2 * effect, n=200, alpha=0.05, ratio=ratio, sides=sides)
    assert_allclose(ours, reached, rtol=1e-9)


def test_units_are_close_to_those_of_the_t_test_when_many() -> None:
    theirs = TTestIndPower().solve_power(0.05, alpha=0.05, power=0.9)
    assert_allclose(normal.units(1.0, 1.0, 0.05, alpha=0.05, power=0.9), theirs, rtol=1e-3)


@few
@given(st.floats(0.01, 100), st.floats(0.01, 100), st.floats(0.05, 20), st.floats(0.1, 0.99))
def test_units_power_and_mde_undo_each_other(before: float, after: float, ratio: float, power: float) -> None:
    n = normal.units(before, after, -0.7, alpha=0.05, power=power, ratio=ratio)
    assert_allclose(normal.power(before, after, 0.7, n=n, alpha=0.05, ratio=ratio), power, rtol=1e-9)
    assert_allclose(normal.mde(before, after, n=n, alpha=0.05, power=power, ratio=ratio), 0.7, rtol=1e-9)


def test_unequal_arms_need_the_units_that_a_simulation_confirms() -> None:
    n = int(np.ceil(normal.units(1.0, 9.0, 0.5, alpha=0.05, power=0.8, ratio=2.0)))
    draw = np.random.default_rng(51)
    control, treatment = draw.normal(0, 1 / np.sqrt(n), 40_000), draw.normal(0.5, 3 / np.sqrt(2 * n), 40_000)
    found = (treatment - control) / np.sqrt(1 / n + 9 / (2 * n)) > 1.959964
    assert found.mean() == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / 40_000))


def test_a_covariate_takes_away_what_it_explains() -> None:
    draw = np.random.default_rng(52)
    before, noise = draw.normal(size=(2, 200_000))
    value = 0.6 * before + 0.8 * noise
    assert_allclose(factors.cuped(0.6), (value - 0.6 * before).var() / value.var(), rtol=0.02)


def test_clusters_widen_the_mean_by_the_design_effect() -> None:
    draw, icc = np.random.default_rng(53), 0.2
    sizes = draw.choice([5, 15], 100)
    means = [
        (sizes * draw.normal(0, np.sqrt(icc), 100) + draw.normal(0, np.sqrt((1 - icc) * sizes))).sum() / sizes.sum()
        for _ in range(20_000)
    ]
    ours = factors.cluster(sizes.mean(), icc, variation=sizes.std() / sizes.mean()) / sizes.sum()
    assert_allclose(ours, np.var(means), rtol=0.04)


def test_variance_of_a_ratio_equals_that_of_the_method_that_tests_it() -> None:
    draw = np.random.default_rng(54)
    views = draw.poisson(8, 500) + 1.0
    rows = np.stack((draw.binomial(views.astype(int), 0.3).astype(float), views), axis=-1)
    covariance = np.cov(rows, rowvar=False)
    ours = factors.ratio_variance(
        *rows.mean(axis=0),
        numerator_variance=covariance[0, 0],
        denominator_variance=covariance[1, 1],
        covariance=covariance[0, 1],
    )
    assert_allclose(ours, ratio_method.as_mean(CoMoments.from_values(rows)).variance, rtol=1e-9)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: normal.units(1.0, 1.0, 0.0, alpha=0.05, power=0.8),
        lambda: normal.units(0.0, 1.0, 0.1, alpha=0.05, power=0.8),
        lambda: normal.units(1.0, 1.0, 0.1, alpha=0.05, power=0.02),
        lambda: normal.units(1.0, 1.0, 0.1, alpha=0.05, power=1.0),
        lambda: normal.units(1.0, 1.0, 0.1, alpha=0.05, power=0.8, sides=3),
        lambda: normal.power(1.0, 1.0, 0.1, n=0, alpha=0.05),
        lambda: normal.mde(1.0, 1.0, n=[10, -1], alpha=0.05, power=0.8),
        lambda: factors.cuped(1.0),
        lambda: factors.cluster(0.5, 0.1),
        lambda: factors.cluster(5, 1.1),
        lambda: factors.ratio_variance(1.0, 0.0, numerator_variance=1, denominator_variance=1, covariance=0),
    ],
)
def test_plans_without_sense_are_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"zero|between|side|cluster"):
        ask()

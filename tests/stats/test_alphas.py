"""Many alphas in one call give what each alone gives: in every method, lifts, survival and the kernel."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from stats import baseline, lift, methods
from stats.arrays import Array
from stats.moments import Moments
from stats.results import Comparison, Comparisons
from stats.sequential import confidence_sequence
from stats.survival import kaplan_meier, logrank, rmst
from stats.survival.counts import LifeTable
from tests.stats.expansion import draw_cohorts

ALPHAS = np.array([0.2, 0.05, 0.001])
WON, N = np.array([[30, 9], [40, 12], [50, 0]]), np.array([[100, 20], [100, 20], [100, 20]])
CONTROL, TREATMENT = Moments.of_proportion(WON[:, :1], N[:, :1]), Moments.of_proportion(WON + 3, N)
TABLES = [draw_cohorts(seed).table for seed in range(6)]


def stacked(tables: list[LifeTable]) -> LifeTable:
    parts = {name: np.stack([getattr(table, name) for table in tables]) for name in ("at_risk", "events", "losses")}
    return LifeTable(**parts)


def compared(name: str, row: Any, alpha: Any) -> Comparisons:
    return methods.get(name)(CONTROL[row], TREATMENT[row], alpha=alpha)


FIRST, SECOND = stacked(TABLES[:3])[:, np.newaxis], stacked(TABLES[3:])[:, np.newaxis]
COMPARE: dict[str, Callable[[Any, Any], Comparisons]] = {
    **{name: partial(compared, name) for name in methods.METHODS},
    "restricted mean": lambda row, alpha: rmst.compare(FIRST[row], SECOND[row], tau=9, alpha=alpha),
    "log hazard ratio": lambda row, alpha: logrank.compare(FIRST[row], SECOND[row]).log_hazard_ratio(alpha=alpha),
    "baseline": lambda row, alpha: baseline.compare(
        TREATMENT[row].mean,
        TREATMENT[row].mean_variance,
        baseline=0.3,
        baseline_standard_error=0.01,
        alpha=alpha,
        n=TREATMENT[row].n,
        baseline_n=50,
    ),
}


@pytest.mark.parametrize("name", COMPARE)
def test_comparisons_of_many_alphas_equal_those_of_each_alone(name: str) -> None:
    together = COMPARE[name](slice(None), ALPHAS[:, np.newaxis])
    for row, alpha in enumerate(ALPHAS.tolist()):
        alone = COMPARE[name](row, alpha)
        for field in ("difference", "variance", "statistic", "p_value", "lower", "upper", "reason"):
            assert_array_equal(getattr(together[row], field), getattr(alone, field))
        assert together.at(row, 0) == alone.at(0)


def test_comparison_among_others_has_the_level_of_its_own_alpha() -> None:
    together = COMPARE["welch"](slice(None), ALPHAS[:, np.newaxis])
    levels = [one.interval.level for row in range(3) if isinstance(one := together.at(row, 0), Comparison)]
    assert levels == (1 - ALPHAS).tolist()
    assert_array_equal(together[[0, 2], [1, 0]].level, 1 - ALPHAS[[0, 2]])


def test_lifts_of_many_alphas_equal_those_of_each_alone() -> None:
    means: Array = np.array([[1.0, 0.02, 1.3, 0.01], [0.3, 0.02, 0.2, 0.01], [2.0, 1e-4, 1.9, 1e-4]]).T
    together = lift.relative(*means, alpha=ALPHAS)
    for row, alpha in enumerate(ALPHAS.tolist()):
        alone = lift.relative(*(mean[row] for mean in means), alpha=alpha)
        assert together.at(row) == alone.at()


def test_lift_with_many_alphas_has_limits_for_each() -> None:
    found = lift.relative(10.0, 0.04, 11.0, 0.04, alpha=ALPHAS)
    assert found.lift.shape == found.lower.shape == (3,)
    assert [found.at(row) for row in range(3)] == [
        lift.relative(10.0, 0.04, 11.0, 0.04, alpha=alpha).at() for alpha in ALPHAS.tolist()
    ]


def test_kernel_with_many_alphas_equals_that_of_each_alone() -> None:
    variance = np.array([[0.02, 0.01], [0.03, 0.01], [0.04, 0.02]])
    tau2 = confidence_sequence.mixture_variance(0.01, ALPHAS[:, np.newaxis])
    widths = [
        function(variance, tau2=tau2, alpha=ALPHAS[:, np.newaxis])
        for function in (confidence_sequence.half_width, confidence_sequence.one_sided_width)
    ]
    for row, alpha in enumerate(ALPHAS.tolist()):
        alone = confidence_sequence.mixture_variance(0.01, alpha)
        assert tau2[row, 0] == alone
        assert_array_equal(widths[0][row], confidence_sequence.half_width(variance[row], tau2=alone, alpha=alpha))
        assert_array_equal(widths[1][row], confidence_sequence.one_sided_width(variance[row], tau2=alone, alpha=alpha))


def test_curves_of_many_levels_equal_those_of_each_alone() -> None:
    together = kaplan_meier.estimate(stacked(TABLES[:3]), level=1 - ALPHAS[:, np.newaxis])
    for row, alpha in enumerate(ALPHAS.tolist()):
        alone = kaplan_meier.estimate(TABLES[row], level=1 - alpha)
        assert_array_equal(together.lower[row], alone.lower)
        assert_array_equal(together.upper[row], alone.upper)


@pytest.mark.parametrize("name", COMPARE)
@pytest.mark.parametrize("wrong", [0.0, 1.0, -0.1, np.nan])
def test_one_alpha_of_many_that_is_no_alpha_is_refused(name: str, wrong: float) -> None:
    with pytest.raises(ValueError, match="alpha lies between 0 and 1"):
        COMPARE[name](slice(None), np.array([[0.05], [wrong], [0.05]]))

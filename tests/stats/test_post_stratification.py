"""Post-stratification against the saturated regression on the rows in statsmodels, and simulation."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from stats.arrays import Array
from stats.methods import post_stratification, welch
from stats.moments import Moments
from stats.results import Reason, Undefined
from tests.stats.drawing import few

LEVELS = np.array([0.0, 4.0, 10.0])


def by_stratum(cells: list[Array]) -> Moments:
    parts = [Moments.from_values(cell) for cell in cells]
    return Moments(
        n=np.array([part.n for part in parts]),
        mean=np.array([part.mean for part in parts]),
        m2=np.array([part.m2 for part in parts]),
    )


def saturated(control: list[Array], treatment: list[Array], weights: Array) -> tuple[float, float]:
    """The weighted contrast of the regression on every cell of arm and stratum, with HC2."""
    cells = [*control, *treatment]
    columns = np.repeat(np.eye(len(cells)), [len(cell) for cell in cells], axis=0)
    fit = sm.OLS(np.concatenate(cells), columns).fit(cov_type="HC2")
    test = fit.t_test(np.concatenate((-weights, weights)))
    return float(test.effect[0]), float(test.sd[0, 0])


@few
@given(st.integers(0, 10_000), st.lists(st.integers(2, 30), min_size=6, max_size=6))
def test_known_weights_give_the_saturated_regression(seed: int, sizes: list[int]) -> None:
    draw = np.random.default_rng(seed)
    cells = [draw.normal(level, 1 + level, n) for level, n in zip([*LEVELS, *LEVELS + 1], sizes, strict=True)]
    weights = draw.dirichlet([3, 2, 1])
    ours = post_stratification.compare(by_stratum(cells[:3]), by_stratum(cells[3:]), alpha=0.05, weights=5 * weights)
    assert_allclose((ours.difference, ours.standard_error), saturated(cells[:3], cells[3:], weights), rtol=1e-9)


def test_weights_from_the_units_add_the_chance_of_the_mix() -> None:
    draw = np.random.default_rng(61)
    cells = [draw.normal(level, 1, n) for level, n in zip([0, 4, 10, 1, 8, 10], [30, 20, 9, 25, 14, 12], strict=True)]
    weights = np.array([55, 34, 21]) / 110
    estimate, standard_error = saturated(cells[:3], cells[3:], weights)
    apart = np.array([cells[i + 3].mean() - cells[i].mean() for i in range(3)])
    ours = post_stratification.compare(by_stratum(cells[:3]), by_stratum(cells[3:]), alpha=0.05)
    assert_allclose(ours.difference, estimate, rtol=1e-10)
    assert_allclose(ours.variance, standard_error**2 + np.cov(apart, aweights=weights, ddof=0) / 110, rtol=1e-10)


def test_one_stratum_is_welchs_test() -> None:
    draw = np.random.default_rng(62)
    control, treatment = by_stratum([draw.normal(0, 1, 20)]), by_stratum([draw.normal(1, 3, 30)])
    ours = post_stratification.compare(control, treatment, alpha=0.1, null=0.2)
    theirs = welch.compare(control[0], treatment[0], alpha=0.1, null=0.2)
    assert_allclose(
        (ours.statistic, ours.p_value, ours.lower, ours.upper),
        (theirs.statistic, theirs.p_value, theirs.lower, theirs.upper),
        rtol=1e-12,
    )


@pytest.mark.parametrize("weights", [None, [3.0, 2.0, 0.0]])
def test_a_stratum_without_units_or_weight_changes_nothing(weights: list[float] | None) -> None:
    draw = np.random.default_rng(63)
    cells = [draw.normal(size=n) for n in (12, 9, 0, 8, 14, 0)]
    control, treatment = by_stratum(cells[:3]), by_stratum(cells[3:])
    kept = None if weights is None else weights[:2]
    ours = post_stratification.compare(control, treatment, alpha=0.05, weights=weights)
    assert ours.at() == post_stratification.compare(control[:2], treatment[:2], alpha=0.05, weights=kept).at()


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        ([[1.0, 2.0], [1.0]], [[1.0, 2.0], [1.0, 4.0]], Reason.INSUFFICIENT_DATA),
        ([[1.0, 2.0], []], [[1.0, 2.0], [1.0, 4.0]], Reason.INSUFFICIENT_DATA),
        ([[], []], [[], []], Reason.INSUFFICIENT_DATA),
        ([[0.1] * 3, [7.0] * 2], [[0.1] * 10, [8.0] * 4], Reason.ZERO_VARIANCE),
    ],
)
def test_strata_that_cannot_be_compared_say_why(
    control: list[list[float]], treatment: list[list[float]], reason: Reason
) -> None:
    arms = [by_stratum([np.array(cell) for cell in arm]) for arm in (control, treatment)]
    assert post_stratification.compare(*arms, alpha=0.05).at() == Undefined(reason=reason)


def test_a_negative_weight_is_refused() -> None:
    arm = by_stratum([np.array([1.0, 2.0]), np.array([3.0, 5.0])])
    with pytest.raises(ValueError, match="negative weight"):
        post_stratification.compare(arm, arm, alpha=0.05, weights=[1.0, -1.0])


def strata(draw: np.random.Generator, runs: int, n: int, effects: Array) -> Moments:
    """Experiments x strata: n units an arm fall into strata by chance."""
    counts = draw.multinomial(n, [0.5, 0.3, 0.2], runs)
    means = LEVELS + effects + draw.normal(size=counts.shape) / np.sqrt(counts)
    return Moments(n=counts.astype(float), mean=means, m2=draw.chisquare(counts - 1))


def test_false_positives_are_as_promised_also_where_strata_differ_in_effect_and_power_grows() -> None:
    draw = np.random.default_rng(64)
    control = strata(draw, 4000, 100, np.zeros(3))
    balanced = strata(draw, 4000, 100, np.array([-2.0, 1.0, 3.5]))  # adds up to no effect over all
    better = strata(draw, 4000, 100, np.full(3, 0.5))
    assert 0.039 < (post_stratification.compare(control, balanced, alpha=0.05).p_value < 0.05).mean() < 0.061
    found = post_stratification.compare(control, better, alpha=0.05)
    assert (found.p_value < 0.05).mean() > 0.9
    plain = welch.compare(control.total(), better.total(), alpha=0.05)
    assert (plain.p_value < 0.05).mean() < 0.3

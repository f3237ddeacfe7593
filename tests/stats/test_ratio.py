"""Ratios against Welch's test of the straightened rows, cluster-robust regression and simulation."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import ttest_ind

from stats import lift
from stats.arrays import Array
from stats.comoments import CoMoments
from stats.methods import ratio
from stats.results import Reason, Undefined
from tests.stats.drawing import few

pairs = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=2, max_size=25)


def rows_of(draw: np.random.Generator, n: int, share: float) -> Array:
    """Clicks and views of n units (..., n, 2); the more views, the fewer clicks a view."""
    views = draw.poisson(draw.lognormal(1.5, 0.7, n)) + 1
    return np.stack((draw.binomial(views, np.clip(share * (1.3 - 0.02 * views), 0, 1)), views), axis=-1).astype(float)


def straight(rows: Array) -> Array:
    """Deng, Knoblich & Lu's line through the ratio, unit by unit."""
    top, bottom = rows[:, 0], rows[:, 1]
    level = top.sum() / bottom.sum()
    return np.asarray(level + (top - level * bottom) / bottom.mean())


def test_ratios_equal_welchs_test_of_the_straightened_rows() -> None:
    draw = np.random.default_rng(41)
    control, treatment = rows_of(draw, 300, 0.2), rows_of(draw, 120, 0.3)
    ours = ratio.compare(CoMoments.from_values(control), CoMoments.from_values(treatment), alpha=0.1)
    theirs = ttest_ind(straight(treatment), straight(control), equal_var=False)
    limits = theirs.confidence_interval(0.9)
    apart = treatment[:, 0].sum() / treatment[:, 1].sum() - control[:, 0].sum() / control[:, 1].sum()
    assert_allclose(ours.difference, apart, rtol=1e-12)
    assert_allclose((ours.statistic, ours.p_value), (theirs.statistic, theirs.pvalue), rtol=1e-9)
    assert_allclose((ours.lower, ours.upper), limits, rtol=1e-9)


def test_the_variance_of_a_ratio_is_that_of_many_repetitions() -> None:
    draw = np.random.default_rng(42)
    arms = CoMoments.from_values(np.stack([rows_of(draw, 400, 0.2) for _ in range(1500)]))
    ours = ratio.as_mean(arms)
    assert ours.mean_variance.mean() == pytest.approx(ours.mean.var(), rel=0.12)


def test_a_denominator_of_one_gives_the_mean() -> None:
    values = np.array([1.0, 4.0, 2.0, 8.0])
    ours = ratio.as_mean(CoMoments.from_values(np.stack((values, np.ones(4)), axis=-1)))
    assert_allclose((ours.mean, ours.variance), (values.mean(), values.var(ddof=1)), rtol=1e-12)


@few
@given(pairs, pairs, st.floats(0.01, 100))
def test_another_unit_of_the_denominator_changes_no_p_value(
    control: list[tuple[int, int]], treatment: list[tuple[int, int]], k: float
) -> None:
    arms = [np.array(rows, dtype=float) for rows in (control, treatment)]
    ours = ratio.compare(*map(CoMoments.from_values, arms), alpha=0.05)
    assume(ours.reason == 0)
    scaled = ratio.compare(*(CoMoments.from_values(rows * [1.0, k]) for rows in arms), alpha=0.05)
    assert_allclose(scaled.p_value, ours.p_value, rtol=1e-6)
    assert_allclose(scaled.difference * k, ours.difference, rtol=1e-9, atol=1e-12)


def test_the_lift_of_ratios_is_that_of_two_means_with_their_variances() -> None:
    draw = np.random.default_rng(43)
    control, treatment = rows_of(draw, 300, 0.2), rows_of(draw, 300, 0.3)
    ours = ratio.lift(CoMoments.from_values(control), CoMoments.from_values(treatment), alpha=0.05)
    a, b = straight(control), straight(treatment)
    theirs = lift.relative(a.mean(), a.var(ddof=1) / 300, b.mean(), b.var(ddof=1) / 300, alpha=0.05)
    assert_allclose((ours.lift, ours.lower, ours.upper), (theirs.lift, theirs.lower, theirs.upper), rtol=1e-9)


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        ([[1.0, 2.0]], [[1.0, 2.0], [2.0, 3.0]], Reason.INSUFFICIENT_DATA),
        ([[1.0, 2.0], [2.0, 3.0]], np.empty((0, 2)), Reason.INSUFFICIENT_DATA),
        ([[0.0, 0.0], [0.0, 0.0]], [[1.0, 2.0], [2.0, 3.0]], Reason.ZERO_DENOMINATOR),
        ([[1.0, 1.0], [1.0, -1.0]], [[1.0, 2.0], [2.0, 3.0]], Reason.ZERO_DENOMINATOR),
        ([[0.3, 1.0], [2.1, 7.0], [0.9, 3.0]], [[0.5, 1.0], [1.7, 3.4]], Reason.ZERO_VARIANCE),
        ([[0.0, 1.0], [0.0, 7.0]], [[0.0, 2.0], [0.0, 3.0]], Reason.ZERO_VARIANCE),
    ],
)
def test_ratios_that_cannot_be_compared_say_why(control: Array, treatment: Array, reason: Reason) -> None:
    ours = ratio.compare(CoMoments.from_values(control), CoMoments.from_values(treatment), alpha=0.05)
    assert ours.at() == Undefined(reason=reason)


def test_one_arm_without_a_denominator_leaves_the_others_their_answer() -> None:
    arms = CoMoments.from_values([[[0.0, 0.0], [0.0, 0.0]], [[1.0, 2.0], [2.0, 3.0]]])
    ours = ratio.compare(CoMoments.from_values([[1.0, 4.0], [2.0, 3.0]]), arms, alpha=0.05)
    assert ours.reason_at(0) is Reason.ZERO_DENOMINATOR
    assert ours.reason_at(1) is None


def test_the_wrong_number_of_variables_is_refused() -> None:
    with pytest.raises(ValueError, match="numerator and a denominator"):
        ratio.as_mean(CoMoments.from_values(np.ones((3, 4))))
    with pytest.raises(ValueError, match="every numerator"):
        ratio.linearised(CoMoments.from_values(np.ones((3, 3))))


def test_false_positives_are_as_promised_and_real_changes_are_found() -> None:
    draw = np.random.default_rng(44)
    control, same, better = (
        CoMoments.from_values(np.stack([rows_of(draw, 250, share) for _ in range(1200)])) for share in (0.2, 0.2, 0.24)
    )
    nothing = ratio.compare(control, same, alpha=0.05).p_value < 0.05
    assert 0.032 < nothing.mean() < 0.069
    assert (ratio.compare(control, better, alpha=0.05).p_value < 0.05).mean() > 0.7

"""Adjustments against statsmodels; simultaneous limits against the tests they go with, and by simulation."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from stats.arrays import Array
from stats.multiplicity import (
    benjamini_hochberg,
    benjamini_yekutieli,
    bonferroni_limits,
    hochberg,
    holm,
    holm_lower_bounds,
)
from tests.stats.drawing import few

Adjustment = Callable[[Array], Array]
ADJUSTMENTS = [
    (holm, "holm"),
    (hochberg, "simes-hochberg"),
    (benjamini_hochberg, "fdr_bh"),
    (benjamini_yekutieli, "fdr_by"),
]


@pytest.mark.parametrize(("adjust", "name"), ADJUSTMENTS)
@pytest.mark.parametrize("questions", [1, 2, 7, 30])
def test_adjustment_of_the_answered_questions_equals_statsmodels(adjust: Adjustment, name: str, questions: int) -> None:
    p = np.random.default_rng(questions).uniform(size=questions) ** 3
    p[questions // 2 :: 3] = p[0]  # ties
    unanswered = np.insert(p, questions // 2, [np.nan, np.nan])
    ours = adjust(unanswered)
    assert_allclose(ours[np.isfinite(unanswered)], multipletests(p, method=name)[1], rtol=1e-12)
    assert np.isnan(ours[np.isnan(unanswered)]).all()


def test_a_question_without_an_answer_stays_so_and_does_not_count() -> None:
    adjusted = holm([0.01, np.nan, 0.04, 0.03])
    assert_allclose(adjusted, [0.03, np.nan, 0.06, 0.06])


@pytest.mark.parametrize(("adjust", "name"), ADJUSTMENTS)
def test_only_questions_without_an_answer_stay_so(adjust: Adjustment, name: str) -> None:
    assert np.isnan(adjust(np.array([np.nan, np.nan]))).all(), name


@pytest.mark.parametrize(("adjust", "name"), ADJUSTMENTS)
def test_each_row_is_adjusted_by_itself(adjust: Adjustment, name: str) -> None:
    p_values = np.random.default_rng(7).uniform(size=(3, 4, 5))
    assert_allclose(adjust(p_values)[2, 1], multipletests(p_values[2, 1], method=name)[1])


def test_benjamini_hochberg_holds_the_share_of_false_calls_and_still_finds() -> None:
    draw = np.random.default_rng(8)
    truth = np.repeat([0.0, 3.0], [15, 5])
    z = draw.normal(truth, 1.0, (4000, 20))
    called = benjamini_hochberg(2 * norm.sf(np.abs(z))) <= 0.1
    false = called[:, :15].sum(axis=1) / np.maximum(called.sum(axis=1), 1)
    assert false.mean() == pytest.approx(0.1 * 15 / 20, abs=4 * false.std() / np.sqrt(4000))
    assert called[:, 15:].mean() > 0.6


def test_bonferroni_limits_are_normal_intervals_of_the_questions_answered() -> None:
    lower, upper = bonferroni_limits([1.0, np.nan, 2.0, 3.0, 4.0], [0.5, 0.5, 0.1, 0.0, np.nan], alpha=0.1)
    theirs = norm.interval(1 - 0.1 / 2, [1.0, 2.0], np.sqrt([0.5, 0.1]))
    assert_allclose((lower[[0, 2]], upper[[0, 2]]), theirs, rtol=1e-12)
    assert np.isnan([lower[[1, 3, 4]], upper[[1, 3, 4]]]).all()


def test_bonferroni_limits_cover_all_truths_at_once() -> None:
    z = np.random.default_rng(9).normal(size=(20_000, 6))
    lower, upper = bonferroni_limits(z, 1.0, alpha=0.1)
    covered = ((lower < 0) & (upper > 0)).all(axis=-1)
    assert covered.mean() == pytest.approx((1 - 0.1 / 6) ** 6, abs=4 * np.sqrt(0.09 / 20_000))


@few
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8))
def test_holms_bound_reaches_the_null_just_where_holm_rejects(z: list[float]) -> None:
    rejected = holm(norm.sf(z)) <= 0.05
    assert ((holm_lower_bounds(z, 1.0, alpha=0.05) >= 0) == rejected).all()


@pytest.mark.parametrize("truth", [[-1e-9, -1e-9, -1e-9], [-1e-9, 2.0, 4.0], [3.0, 3.0, 3.0]])
def test_holms_bounds_lie_below_all_truths_at_once(truth: list[float]) -> None:
    z = np.random.default_rng(10).normal(truth, 1.0, (20_000, 3))
    below = (holm_lower_bounds(z, 1.0, alpha=0.05) <= np.array(truth)).all(axis=-1)
    assert below.mean() >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 20_000)
    assert below.mean() < 0.99


def test_holms_bounds_without_any_answer_are_unknown() -> None:
    assert np.isnan(holm_lower_bounds([np.nan, 1.0], [1.0, 0.0], alpha=0.05)).all()


@pytest.mark.parametrize("limits", [bonferroni_limits, holm_lower_bounds])
def test_an_alpha_outside_0_and_1_is_refused(limits: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="alpha"):
        limits([1.0], [1.0], alpha=1.0)

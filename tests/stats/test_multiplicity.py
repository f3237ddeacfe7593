"""Holm's adjustment against statsmodels."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from statsmodels.stats.multitest import multipletests

from stats.multiplicity import holm
from tests.stats.drawing import few


@few
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_equals_statsmodels(p_values: list[float]) -> None:
    assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1], rtol=1e-12)


def test_a_question_without_an_answer_stays_so_and_does_not_count() -> None:
    adjusted = holm([0.01, np.nan, 0.04, 0.03])
    assert_allclose(adjusted, [0.03, np.nan, 0.06, 0.06])


def test_only_questions_without_an_answer_stay_so() -> None:
    assert np.isnan(holm([np.nan, np.nan])).all()


def test_each_row_is_adjusted_by_itself() -> None:
    p_values = np.random.default_rng(7).uniform(size=(3, 4, 5))
    assert_allclose(holm(p_values)[2, 1], multipletests(p_values[2, 1], method="holm")[1])

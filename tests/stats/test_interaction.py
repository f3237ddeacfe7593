"""The difference of two differences, against the regression it stands for."""

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from stats.interaction import between, effects_of
from stats.moments import Moments


def test_difference_of_differences_is_the_interaction_of_a_regression_with_hc2_errors() -> None:
    random = np.random.default_rng(11)
    own, other = random.integers(0, 2, 900), random.random(900) < 0.3
    values = random.exponential(2.0, 900) * (1 + own + 3 * own * other)
    design = np.column_stack([np.ones(900), own, other, own * other])
    fitted = OLS(values, design).fit(cov_type="HC2")
    cells = [[Moments.from_values(values[(own == row) & (other == column)]) for column in (0, 1)] for row in (0, 1)]
    difference, variance = between(stacked(cells))
    assert difference.item() == pytest.approx(fitted.params[3], rel=1e-9)
    assert np.sqrt(variance).item() == pytest.approx(fitted.bse[3], rel=1e-9)
    assert effects_of(stacked(cells)).ravel() == pytest.approx([fitted.params[1], fitted.params[1] + fitted.params[3]])


def test_every_variant_is_held_against_both_controls() -> None:
    moments = Moments(n=np.full((3, 4), 50), mean=np.arange(12.0).reshape(3, 4) ** 2, m2=np.full((3, 4), 49.0))
    difference, variance = between(moments)
    mean = moments.mean
    expected = [
        [mean[row, column] - mean[0, column] - (mean[row, 0] - mean[0, 0]) for column in (1, 2, 3)] for row in (1, 2)
    ]
    assert difference.tolist() == expected
    assert variance == pytest.approx(np.full((2, 3), 4 / 50))


def test_contrast_with_an_empty_cell_has_no_answer() -> None:
    difference, variance = between(Moments.of_proportion([[3, 3], [3, 0]], [[9, 9], [9, 0]]))
    assert np.isnan([difference.item(), variance.item()]).all()


def stacked(cells: list[list[Moments]]) -> Moments:
    n, mean, m2 = (
        np.array([[getattr(cell, name) for cell in row] for row in cells], dtype=float) for name in ("n", "mean", "m2")
    )
    return Moments(n=n, mean=mean, m2=m2)

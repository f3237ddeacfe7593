"""Where another implementation is coarse or wrong, a third one decides.

- rpact's bars spend up to 2e-6 of a look's alpha too little or too much (its grid); ours keep nine digits.
- savvi's odds are no logarithms and are infinite for large counts; scipy's Dirichlet multinomial is not.
- gbstats leaves the covariate's common mean out of the gradient of the relative change; here it is a complex step.
- lifelines' variance of a restricted mean is that of min(T, tau): R's survival is asked instead (`r/survival.R`).
- statsmodels' Miettinen-Nurminen interval is wrong: rpact's likelihood is asked (`r/shares.R`).
"""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import dirichlet_multinomial, multinomial, norm

from stats import srm
from stats.arrays import Array, numbers
from stats.methods import cuped
from stats.sequential.group_sequential import Spending, boundaries, obrien_fleming, pocock
from tests.agreement import arms
from tests.agreement.inputs import load


@pytest.mark.parametrize(("which", "spending"), [(0, obrien_fleming), (2, obrien_fleming), (2, pocock)])
def test_bars_spend_what_simpsons_rule_says_to_nine_digits(which: int, spending: Spending) -> None:
    clock = load()["fractions"][which]
    wanted = np.diff(spending(clock, 0.025), prepend=0.0)
    assert_allclose(spent(boundaries(clock, alpha=0.05, spending=spending), numbers(clock)), wanted, rtol=1e-9)


def spent(bars: Array, information: Array, points: int = 1201) -> Array:
    """The probability of crossing upwards first at each look: a sum over a score's values, with nothing clever."""
    crossed, paths, mass = [], np.zeros(1), np.ones(1)
    for bar, now, step in zip(bars, information, np.sqrt(np.diff(information, prepend=0.0)), strict=True):
        edge = min(bar, 9.0) * np.sqrt(now)
        crossed.append(mass @ norm.sf((bar * np.sqrt(now) - paths) / step))
        ahead = np.linspace(-edge, edge, points)
        mass = simpson(ahead) * (norm.pdf((ahead[:, np.newaxis] - paths) / step) / step @ mass)
        paths = ahead
    return np.array(crossed)


def simpson(points: Array) -> Array:
    weights = np.where(np.arange(points.size) % 2, 4.0, 2.0)
    weights[[0, -1]] = 1.0
    return np.asarray(weights * (points[1] - points[0]) / 3)


@pytest.mark.parametrize("observed", [load()["counts"]["observed"][0], [600_000, 500_000, 200_000]])
def test_evidence_on_a_split_equals_scipys_where_odds_overflow(observed: list[int]) -> None:
    shares, total = np.array([0.4, 0.4, 0.2]), sum(observed)
    mixture = dirichlet_multinomial(100 * shares, total).logpmf(observed)
    ours, _ = srm.sequential([observed], [2, 2, 1])
    assert ours[0] > 700  # e to this power is beyond a float
    assert ours[0] == pytest.approx(mixture - multinomial(total, shares).logpmf(observed), rel=1e-9)


def test_the_relative_change_of_cuped_has_the_gradient_taken_numerically() -> None:
    pair = arms.comoments("value", "covariate")
    found, theta = cuped.lift(*pair, alpha=0.05), float(cuped.theta(*pair))
    means, sizes = np.concatenate([arm.means for arm in pair]), np.array([float(arm.n) for arm in pair])

    def log_ratio(given: Any) -> Any:
        values, covariates = given[::2], given[1::2]
        before, after = values - theta * (covariates - sizes @ covariates / sizes.sum())
        return np.log(after / before)

    slope = np.array([log_ratio(means + 1e-20j * way).imag / 1e-20 for way in np.eye(4)])  # exact: a complex step
    rows = [np.array([arm["value"], arm["covariate"]]) for arm in arms.arms()]
    parts = [np.cov(row) / row.shape[1] for row in rows]
    variance = sum(own @ part @ own for own, part in zip((slope[:2], slope[2:]), parts, strict=True))
    # Ours adds the degree of freedom of the slope to what the residuals bring, 1 / (n - 3) for 1 / (n - 2).
    alone = [np.var(row[0] - theta * row[1], ddof=1) / row.shape[1] for row in rows]
    levels = [float(arm.mean) for arm in cuped.adjusted(*pair)]
    raised = sum(each / level**2 for each, level in zip(alone, levels, strict=True)) / (sizes.sum() - 3)
    half = norm.isf(0.025) * np.sqrt(variance + raised)
    ratio = np.exp(log_ratio(means))
    assert_allclose(found.lift, ratio - 1, rtol=1e-9)
    assert_allclose((found.lower, found.upper), (ratio * np.exp(-half) - 1, ratio * np.exp(half) - 1), rtol=1e-9)

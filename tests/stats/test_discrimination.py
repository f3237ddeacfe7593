"""The area under the ROC curve: its value is scipy's Mann-Whitney U, its variance DeLong's kernel written out."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm
from statsmodels.stats.proportion import confint_proportions_2indep

from stats.arrays import Array
from stats.discrimination import FEWEST, discrimination
from stats.results import Reason


def drawn(seed: int, *, n: int, m: int, ties: bool) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0.8, 1, n), rng.normal(0, 1.5, m)
    return (np.round(x), np.round(y)) if ties else (x, y)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("n", "m"), [(12, 40), (300, 25)])
def test_area_is_mann_whitneys_u_and_its_variance_delongs_pairwise_sums(n: int, m: int, ties: bool) -> None:
    x, y = drawn(n, n=n, m=m, ties=ties)
    found = discrimination(x, y, alpha=0.05)
    assert found.auc == pytest.approx(mannwhitneyu(x, y).statistic / (n * m))
    kernel = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])  # DeLong et al. (1988), equation (2)
    variance = np.cov(kernel.mean(axis=1)) / n + np.cov(kernel.mean(axis=0)) / m
    assert found.standard_error == pytest.approx(np.sqrt(variance))


def test_swapped_groups_have_the_mirrored_interval() -> None:
    x, y = drawn(3, n=30, m=50, ties=True)
    one, other = discrimination(x, y, alpha=0.05), discrimination(y, x, alpha=0.05)
    assert one.interval is not None
    assert other.interval is not None
    assert other.interval.lower == pytest.approx(1 - one.interval.upper)
    assert other.interval.upper == pytest.approx(1 - one.interval.lower)


@pytest.mark.parametrize(("left", "stayed"), [(16, 80), (20, 12), (20, 0), (0, 400)])
def test_score_with_two_values_has_agresti_and_caffos_interval(left: int, stayed: int) -> None:
    cases, others = np.arange(20) < left, np.arange(400) < stayed
    found = discrimination(cases, others, alpha=0.05)
    ends = confint_proportions_2indep(left, 20, stayed, 400, method="agresti-caffo")  # the area is (1 + p - q) / 2
    assert found.interval is not None
    expected = [min(max((1 + end) / 2, 0), 1) for end in ends]
    assert [found.interval.lower, found.interval.upper] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("cases", "shift", "most"),
    [(25, 1, 975), (12, 0, 990), (12, 2, 1000)],  # of scores that part well it covers more than it says
)
def test_interval_covers_the_true_area_at_least_about_as_often_as_it_says(cases: int, shift: float, most: int) -> None:
    rng = np.random.default_rng(11)
    truth, covered = norm.cdf(shift / np.sqrt(2)), 0
    for _ in range(1000):
        found = discrimination(rng.normal(shift, 1, cases), rng.normal(0, 1, 100), alpha=0.05)
        covered += found.interval is not None and found.interval.lower <= truth <= found.interval.upper
    assert 929 <= covered <= most  # 950 less 3 standard errors


def test_too_few_of_either_group_have_no_answer() -> None:
    many = np.arange(100.0)
    for x, y in ((many[: FEWEST - 1], many), (many, many[: FEWEST - 1]), ([], [])):
        found = discrimination(x, y, alpha=0.05)
        assert (found.auc, found.interval, found.reason) == (None, None, Reason.INSUFFICIENT_DATA)


@pytest.mark.parametrize(("shift", "auc"), [(100, 1.0), (-100, 0.0)])
def test_groups_apart_without_fault_have_an_interval_that_ends_there(shift: float, auc: float) -> None:
    found = discrimination(np.arange(20) + shift, np.arange(20), alpha=0.05)
    assert (found.auc, found.standard_error, found.reason) == (auc, 0.0, None)
    assert found.interval is not None
    assert auc in (found.interval.lower, found.interval.upper)
    assert 0.05 < found.interval.upper - found.interval.lower < 0.2


def test_scores_that_are_all_alike_tell_nobody_apart() -> None:
    found = discrimination(np.ones(20), np.ones(30), alpha=0.05)
    assert (found.auc, found.interval) == (0.5, None)


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        discrimination([np.nan] * 20, range(20), alpha=0.05)

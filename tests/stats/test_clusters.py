"""Clustered comparisons against the full matrix computation, statsmodels and simulation."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import t

from stats import clusters
from stats.arrays import Array
from stats.clusters import Clusters
from stats.methods import welch
from stats.moments import Moments
from stats.results import Reason, Undefined
from tests.stats.drawing import few

sizes = st.lists(st.integers(1, 9), min_size=2, max_size=8)


def rows_of(draw: np.random.Generator, drawn: list[int]) -> list[Array]:
    """One array of values a cluster, alike inside."""
    return [draw.normal(draw.normal(), 1.0, size) for size in drawn]


def summed(rows: list[Array]) -> Clusters:
    return Clusters(sums=np.array([r.sum() for r in rows]), sizes=np.array([float(len(r)) for r in rows]))


def by_matrices(control: list[Array], treatment: list[Array]) -> tuple[float, float]:
    """CR2 variance of the arm's coefficient and its degrees of freedom, from all the matrices of their definition."""
    cells = [*control, *treatment]
    y, group = np.concatenate(cells), np.repeat(np.arange(len(cells)), [len(cell) for cell in cells])
    x = np.column_stack((np.ones_like(y), group >= len(control)))
    bread = np.linalg.inv(x.T @ x)
    left = np.eye(len(y)) - x @ bread @ x.T
    variance, loadings = 0.0, []
    for g in range(len(cells)):
        here = group == g
        values, vectors = np.linalg.eigh(left[np.ix_(here, here)])
        loading = (vectors / np.sqrt(values)) @ vectors.T @ x[here] @ bread[:, 1]
        variance += float(loading @ (left @ y)[here]) ** 2
        loadings.append(left[:, here] @ loading)
    p = np.array(loadings) @ np.array(loadings).T
    return variance, float(np.trace(p) ** 2 / np.trace(p @ p))


@few
@given(st.integers(0, 10_000), sizes, sizes)
def test_cr2_and_its_degrees_of_freedom_equal_the_matrix_computation(
    seed: int, control: list[int], treatment: list[int]
) -> None:
    draw = np.random.default_rng(seed)
    before, after = rows_of(draw, control), rows_of(draw, treatment)
    variance, df = by_matrices(before, after)
    ours = clusters.cr2(summed(before), summed(after), alpha=0.1)
    assert_allclose(ours.difference, np.concatenate(after).mean() - np.concatenate(before).mean(), atol=1e-12)
    assert_allclose(ours.variance, variance, rtol=1e-9)
    assert_allclose(clusters.degrees_of_freedom(control, treatment), df, rtol=1e-9)
    assert_allclose((ours.upper - ours.lower) / 2, t.isf(0.05, df) * np.sqrt(variance), rtol=1e-9)


def test_cr0_equals_the_clustered_regressions_of_statsmodels() -> None:
    draw = np.random.default_rng(71)
    arms = [rows_of(draw, list(draw.integers(1, 12, g))) for g in (60, 45)]
    ours = clusters.cr0(*(summed(arm).comoments for arm in arms), alpha=0.05)
    theirs = 0.0
    for arm in arms:
        y, group = np.concatenate(arm), np.repeat(np.arange(len(arm)), [len(cell) for cell in arm])
        theirs += sm.OLS(y, np.ones_like(y)).fit(cov_type="cluster", cov_kwds={"groups": group}).bse[0] ** 2
    assert_allclose(ours.variance, theirs, rtol=1e-9)


def test_clusters_of_one_unit_are_welchs_variance_and_pooled_degrees_of_freedom() -> None:
    draw = np.random.default_rng(72)
    control, treatment = draw.normal(0, 1, 12), draw.normal(0, 3, 12)
    ours = clusters.cr2(
        Clusters(sums=control, sizes=np.ones(12)), Clusters(sums=treatment, sizes=np.ones(12)), alpha=0.05
    )
    theirs = welch.compare(Moments.from_values(control), Moments.from_values(treatment), alpha=0.05)
    assert_allclose((ours.difference, ours.variance), (theirs.difference, theirs.variance), rtol=1e-12)
    assert_allclose(clusters.degrees_of_freedom(np.ones(12), np.ones(12)), 22)


def test_both_variances_meet_where_clusters_are_many() -> None:
    draw = np.random.default_rng(73)
    one, other = (summed(rows_of(draw, list(draw.integers(1, 12, 2000)))) for _ in range(2))
    ours = clusters.cr2(one, other, alpha=0.05)
    # Two estimates of one variance: they meet with one over the number of clusters.
    assert_allclose(clusters.cr0(one.comoments, other.comoments, alpha=0.05).variance, ours.variance, rtol=2e-3)


def test_empty_clusters_fill_up_an_arm_and_change_nothing() -> None:
    draw = np.random.default_rng(74)
    control, treatment = summed(rows_of(draw, [3, 1, 4])), summed(rows_of(draw, [2, 6]))
    padded = Clusters(sums=np.append(treatment.sums, 0.0), sizes=np.append(treatment.sizes, 0.0))
    assert clusters.cr2(control, padded, alpha=0.05).at() == clusters.cr2(control, treatment, alpha=0.05).at()
    assert_allclose(padded.comoments.products, treatment.comoments.products)
    assert padded.comoments.n == 2


def test_clusters_of_two_days_add_up() -> None:
    draw = np.random.default_rng(75)
    whole = summed(rows_of(draw, [3, 1, 4, 5, 2]))
    first, second = (Clusters(sums=whole.sums[at], sizes=whole.sizes[at]) for at in (slice(2), slice(2, 5)))
    added = first.comoments + second.comoments
    assert_allclose(added.products, whole.comoments.products, rtol=1e-10)


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        (([4.0], [3]), ([4.0, 5.0], [3, 2]), Reason.INSUFFICIENT_DATA),
        (([4.0, 5.0], [3, 2]), ([], []), Reason.INSUFFICIENT_DATA),
        (([0.0, 0.0], [0, 0]), ([4.0, 5.0], [3, 2]), Reason.INSUFFICIENT_DATA),
        (([0.3, 0.1, 0.7], [3, 1, 7]), ([0.6, 1.4], [3, 7]), Reason.ZERO_VARIANCE),
        (([0.0, 0.0], [3, 1]), ([0.0, 0.0], [3, 7]), Reason.ZERO_VARIANCE),
    ],
)
def test_arms_that_cannot_be_compared_say_why(
    control: tuple[Array, Array], treatment: tuple[Array, Array], reason: Reason
) -> None:
    before, after = (Clusters(sums=np.array(s), sizes=np.array(n, dtype=float)) for s, n in (control, treatment))
    assert clusters.cr2(before, after, alpha=0.05).at() == Undefined(reason=reason)
    assert clusters.cr0(before.comoments, after.comoments, alpha=0.05).at() == Undefined(reason=reason)


def test_impossible_clusters_are_refused() -> None:
    for sums, units in (([1.0], [0.0]), ([1.0], [-2.0])):
        with pytest.raises(ValueError, match="negative size"):
            Clusters(sums=np.array(sums), sizes=np.array(units))


def drawn(draw: np.random.Generator, runs: int, size: Array, effect: float) -> Clusters:
    """Experiments x clusters: sums of units with an intra-cluster correlation of 0.2."""
    level = effect + np.sqrt(0.2) * draw.normal(size=(runs, len(size)))
    return Clusters(sums=size * level + np.sqrt(0.8 * size) * draw.normal(size=(runs, len(size))), sizes=size)


@pytest.mark.parametrize(("largest", "cr2_at_most", "cr0_at_least"), [(20.0, 0.066, 0.06), (40.0, 0.08, 0.11)])
def test_few_uneven_clusters_need_cr2_and_large_changes_are_found(
    largest: float, cr2_at_most: float, cr0_at_least: float
) -> None:
    draw, runs, size = np.random.default_rng(76), 6000, np.array([largest, 10, 10, 5, 5, 5, 5, 5, 5, 5])
    control, same, better = (drawn(draw, runs, size, effect) for effect in (0.0, 0.0, 1.2))
    corrected = (clusters.cr2(control, same, alpha=0.05).p_value < 0.05).mean()
    assert 0.035 < corrected < cr2_at_most
    assert (clusters.cr0(control.comoments, same.comoments, alpha=0.05).p_value < 0.05).mean() > cr0_at_least
    assert (np.abs(same.mean - control.mean) > 1.96 * np.sqrt(2 / size.sum())).mean() > 0.2  # units as if independent
    assert (clusters.cr2(control, better, alpha=0.05).p_value < 0.05).mean() > 0.85


def test_many_clusters_keep_false_positives_with_cr0() -> None:
    draw, size = np.random.default_rng(77), np.tile([20.0, 10, 5, 5, 5], 12)
    control, same = drawn(draw, 4000, size, 0.0), drawn(draw, 4000, size, 0.0)
    nothing = clusters.cr0(control.comoments, same.comoments, alpha=0.05).p_value < 0.05
    assert 0.038 < nothing.mean() < 0.062

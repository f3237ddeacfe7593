"""Quantiles from counts in bins against those from the values themselves, and coverage by simulation."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from stats.quantiles import Histogram, Quantiles, compare, log_edges
from stats.results import Reason
from tests.stats.drawing import few

EDGES = log_edges(0.01, 1e4)


@few
@given(st.lists(st.floats(0.02, 9e3), min_size=1, max_size=80), st.sampled_from([0.1, 0.5, 0.9]))
def test_a_quantile_from_bins_is_off_by_half_a_bin_at_most(drawn: list[float], share: float) -> None:
    histogram, exact = Histogram.from_values(drawn, EDGES), Quantiles.from_values(drawn, share, alpha=0.05)
    binned = Quantiles.from_histogram(histogram, share, alpha=0.05)
    error = histogram.error(share)
    assert abs(binned.value - exact.value) <= error * (1 + 1e-12)
    assert error <= 0.0070 * binned.value  # what `log_edges` promises
    assert np.isnan(binned.lower) == np.isnan(exact.lower)
    if not np.isnan(exact.lower):
        assert binned.lower <= exact.lower <= 1.0141 * binned.lower
    if not np.isnan(exact.upper):
        assert exact.upper <= binned.upper <= 1.0141 * exact.upper


@few
@given(st.lists(st.lists(st.floats(0.001, 2e4), max_size=20), min_size=1, max_size=6))
def test_days_add_up_to_all_units_together(days: list[list[float]]) -> None:
    by_day = Histogram(edges=EDGES, counts=np.stack([Histogram.from_values(day, EDGES).counts for day in days]))
    together = Histogram.from_values([value for day in days for value in day], EDGES)
    assert_allclose(by_day.merged().counts, together.counts, rtol=0)
    assert by_day.merged().n == sum(map(len, days))


def test_bins_hold_what_numpys_histogram_counts() -> None:
    drawn = np.random.default_rng(81).lognormal(1, 2, 5000)
    ours = Histogram.from_values(drawn, EDGES)
    assert_allclose(ours.counts[1:-1], np.histogram(drawn, EDGES)[0], rtol=0)
    assert ours.n == 5000


def test_a_value_on_an_edge_belongs_to_the_bin_below_it() -> None:
    assert_allclose(Histogram.from_values([1.0, 2.0], [1.0, 2.0]).counts, [1, 1, 0])


def test_difference_from_bins_is_that_from_values_but_for_the_bins() -> None:
    rng = np.random.default_rng(82)
    values = [rng.lognormal(1.0, 1.0, 3000), rng.lognormal(1.15, 1.0, 2500)]
    histograms = [Histogram.from_values(arm, EDGES) for arm in values]
    exact = compare(*(Quantiles.from_values(arm, 0.9, alpha=0.05) for arm in values), alpha=0.05)
    binned = compare(*(Quantiles.from_histogram(arm, 0.9, alpha=0.05) for arm in histograms), alpha=0.05)
    slack = sum(float(arm.error(0.9)) for arm in histograms)
    assert abs(binned.difference - exact.difference) <= slack
    assert exact.p_value < binned.p_value < 0.05
    for arm, histogram in zip(values, histograms, strict=True):
        one, other = Quantiles.from_values(arm, 0.9, alpha=0.05), Quantiles.from_histogram(histogram, 0.9, alpha=0.05)
        bin_width = 0.0142 * other.upper  # of the widest bin met
        assert one.upper - one.lower <= other.upper - other.lower <= one.upper - one.lower + 2 * bin_width


def test_intervals_of_medians_from_bins_cover_and_find_a_difference() -> None:
    rng, runs, edges = np.random.default_rng(83), 1000, log_edges(1e-3, 1e3, bins=400)

    def drawn(middle: float) -> Quantiles:
        values = rng.lognormal(middle, 1.0, (runs, 400))
        bins = np.searchsorted(edges, values)
        counts = np.zeros((runs, edges.size + 1))
        np.add.at(counts, (np.arange(runs)[:, np.newaxis], bins), 1)
        return Quantiles.from_histogram(Histogram(edges=edges, counts=counts), 0.5, alpha=0.05)

    control, same, higher = drawn(0.0), drawn(0.0), drawn(0.3)
    covered = (control.lower <= 1) & (control.upper >= 1)
    assert covered.mean() >= 0.95 - 3 * np.sqrt(0.0475 / runs)
    assert (compare(control, same, alpha=0.05).p_value < 0.05).mean() <= 0.05 + 3 * np.sqrt(0.0475 / runs)
    assert (compare(control, higher, alpha=0.05).p_value < 0.05).mean() > 0.8


def test_a_quantile_in_a_bin_without_end_is_none() -> None:
    beyond = Histogram(
        edges=np.array([1.0, 2.0]), counts=np.array([[0.0, 10.0, 90.0], [0.0, 0.0, 0.0], [5.0, 90.0, 5.0]])
    )
    found = Quantiles.from_histogram(beyond, 0.5, alpha=0.05)
    assert_allclose(found.value, [np.nan, np.nan, 1.5])
    assert_allclose(beyond.error(0.5), [np.inf, np.nan, 0.5])
    assert compare(found, found, alpha=0.05).reason_at(0) is Reason.INSUFFICIENT_DATA


@pytest.mark.parametrize(
    "ask",
    [
        lambda: Histogram(edges=np.array([2.0, 1.0]), counts=np.zeros(3)),
        lambda: Histogram(edges=np.array([1.0, 2.0]), counts=np.zeros(2)),
        lambda: Histogram(edges=np.array([1.0]), counts=np.array([1.0, -1.0])),
        lambda: Histogram(edges=np.array([1.0]), counts=np.zeros(2)).merged(),
        lambda: Histogram(edges=np.array([1.0]), counts=np.zeros((3, 2))).merged(axis=1),
        lambda: Histogram(edges=np.array([1.0]), counts=np.zeros((3, 2))).merged(axis=-1),
        lambda: log_edges(0.0, 1.0),
        lambda: log_edges(1.0, 2.0, bins=0),
    ],
)
def test_histograms_without_a_meaning_are_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"grow|a count for each bin|before the bins|bins lie"):
        ask()

"""A cap from before the experiment, against numpy's quantile and moments of the rows, and what it does to a test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from stats import winsorisation
from stats.arrays import Array
from stats.methods import welch
from stats.moments import Moments
from stats.results import Reason, Undefined
from stats.winsorisation import Cap
from tests.stats.drawing import few

tallies = st.dictionaries(st.integers(0, 1000), st.integers(0, 30), min_size=1, max_size=20)


def cap_of(values: list[float], counts: list[float], share: float = 0.99) -> Cap:
    cap = winsorisation.choose(values, counts, share=share)
    assert isinstance(cap, Cap)
    return cap


@few
@given(tallies, st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_the_cap_is_numpys_quantile_of_the_rows(tally: dict[int, int], share: float) -> None:
    values, counts = np.array(list(tally), dtype=float), np.array(list(tally.values()))
    rows = np.repeat(values, counts)
    ours = winsorisation.choose(values, counts, share=share)
    if not rows.size:
        assert ours == Undefined(reason=Reason.INSUFFICIENT_DATA)
    elif (theirs := np.quantile(rows, share, method="inverted_cdf")) == rows.min():
        assert ours == Undefined(reason=Reason.ZERO_VARIANCE)
    else:
        assert ours == Cap(value=float(theirs), share=float((rows <= theirs).mean()), n=rows.size)


@few
@given(tallies)
def test_moments_from_counts_equal_those_of_the_capped_rows(tally: dict[int, int]) -> None:
    values, counts = np.array(list(tally), dtype=float), np.array(list(tally.values()))
    cap = Cap(value=300.0, share=0.9, n=10)
    ours, theirs = cap.moments(values, counts), Moments.from_values(cap.apply(np.repeat(values, counts)))
    assert_allclose(ours.n, theirs.n)
    assert_allclose(ours.mean, theirs.mean, rtol=1e-12)
    assert_allclose(ours.m2, theirs.m2, rtol=1e-9, atol=1e-9)


def test_counts_by_variant_share_one_list_of_values() -> None:
    cap = cap_of([0, 10, 500], [50, 49, 1])
    assert cap.moments([0, 10, 500], [[4, 3, 1], [5, 0, 0]]).mean.tolist() == [5.0, 0.0]


def test_when_nearly_all_units_have_spent_nothing_there_is_no_cap() -> None:
    assert winsorisation.choose([0, 80], [995, 5], share=0.99) == Undefined(reason=Reason.ZERO_VARIANCE)
    assert winsorisation.choose([], [], share=0.99) == Undefined(reason=Reason.INSUFFICIENT_DATA)


def test_impossible_counts_and_shares_are_refused() -> None:
    with pytest.raises(ValueError, match="share"):
        winsorisation.choose([1.0], [1.0], share=0.0)
    with pytest.raises(ValueError, match="never negative"):
        winsorisation.choose([1.0], [-1.0])
    with pytest.raises(ValueError, match="one count"):
        winsorisation.choose([1.0, 2.0], [1.0])


def spending(draw: np.random.Generator, runs: int, factor: float) -> Array:
    """Very skewed values of 300 units, a third of them nothing."""
    return np.asarray(factor * draw.lognormal(0, 2.0, (runs, 300)) * (draw.random((runs, 300)) > 1 / 3))


def test_a_cap_from_before_keeps_false_positives_and_finds_more() -> None:
    draw = np.random.default_rng(91)
    before, counts = np.unique(spending(draw, 20, 1.0), return_counts=True)
    cap = winsorisation.choose(before, counts, share=0.97)
    assert isinstance(cap, Cap)
    control, same, better = (spending(draw, 3000, factor) for factor in (1.0, 1.0, 2.0))

    def found(treatment: Array, largest: Cap) -> float:
        arms = (Moments.from_values(largest.apply(rows)) for rows in (control, treatment))
        return float((welch.compare(*arms, alpha=0.05).p_value < 0.05).mean())

    assert 0.03 < found(same, cap) < 0.062
    assert found(better, cap) > 0.6
    assert found(better, cap) > 2 * found(better, Cap(value=np.inf, share=1.0, n=0))

"""CoMoments against numpy's covariance of the rows themselves."""

from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from stats.comoments import CoMoments
from stats.moments import Moments
from tests.stats.drawing import few, values

rows_by_day = st.lists(st.lists(st.tuples(values, values, values), max_size=6), min_size=1, max_size=6)


def of_rows(rows: list[tuple[float, float, float]]) -> CoMoments:
    return CoMoments.from_values(np.asarray(rows, dtype=float).reshape(-1, 3))


def by_day(drawn: list[list[tuple[float, float, float]]]) -> CoMoments:
    parts = [of_rows(day) for day in drawn]
    return CoMoments(
        n=np.stack([part.n for part in parts]),
        means=np.stack([part.means for part in parts]),
        products=np.stack([part.products for part in parts]),
    )


def assert_same(one: CoMoments, other: CoMoments, *, scale: float = 1.0) -> None:
    assert_allclose(one.n, other.n)
    assert_allclose(one.means, other.means, rtol=1e-9, atol=1e-9 * scale)
    assert_allclose(one.products, other.products, rtol=1e-9, atol=1e-9 * scale**2)


def test_comoments_of_rows_equal_numpys_covariance() -> None:
    rows = np.random.default_rng(31).lognormal(size=(2, 40, 4))
    ours = CoMoments.from_values(rows)
    assert ours.shape == (2,)
    assert ours.variables == 4
    assert_allclose(ours.products[1] / 39, np.cov(rows[1], rowvar=False), rtol=1e-12)
    assert_allclose(ours.moments(2).m2, Moments.from_values(rows[..., 2]).m2, rtol=1e-12)


def test_a_pair_from_a_query_equals_its_rows() -> None:
    rows = np.random.default_rng(32).normal(size=(5, 30, 2))
    whole = CoMoments.from_values(rows)
    first, second = whole.moments(0), whole.moments(1)
    pair = CoMoments.of_pair(
        n=30,
        first_mean=first.mean,
        second_mean=second.mean,
        first_m2=first.m2,
        second_m2=second.m2,
        c=[np.cov(unit, rowvar=False)[0, 1] * 29 for unit in rows],
    )
    assert_same(pair, whole)


@few
@given(rows_by_day)
def test_days_added_up_equal_the_whole(drawn: list[list[tuple[float, float, float]]]) -> None:
    parts, rows = by_day(drawn), [row for day in drawn for row in day]
    scale = 1 + float(np.abs(np.asarray(rows, dtype=float)).max(initial=0.0))
    assert_same(reduce(add, [parts[day] for day in range(len(drawn))]), of_rows(rows), scale=scale)
    assert_same(parts.total(), of_rows(rows), scale=scale)
    running = parts.cumulative()
    for day in range(len(drawn)):
        assert_same(running[day], of_rows([row for part in drawn[: day + 1] for row in part]), scale=scale)


def test_merging_an_inner_axis_keeps_the_others() -> None:
    rows = np.random.default_rng(33).normal(size=(2, 3, 5, 7, 2))
    ours = CoMoments.from_values(rows)
    whole = CoMoments.from_values(np.moveaxis(rows, 1, 2).reshape(2, 5, 21, 2))
    assert_same(ours.total(axis=1), whole)
    assert_same(ours.cumulative(axis=-2)[:, -1], whole)
    assert ours[:, 1].shape == ours[..., 1, :].shape == (2, 5)


def test_weighted_sums_of_variables_equal_those_of_the_rows() -> None:
    rows, weights = np.random.default_rng(34).normal(size=(20, 3)), np.array([[1.0, -2.0, 0.5], [0.0, 1.0, 1.0]])
    assert_same(CoMoments.from_values(rows).combined(weights), CoMoments.from_values(rows @ weights.T))


def test_large_values_with_small_spread_keep_their_digits_when_merged() -> None:
    # NIST StRD univariate data set NumAcc4: certified mean 10000000.2 and standard deviation 0.1.
    column = np.concatenate(([10000000.2], np.tile([10000000.1, 10000000.3], 500)))
    ours = CoMoments.from_values(np.stack((column, -column), axis=-1).reshape(7, 143, 2)).total()
    assert_allclose(np.sqrt(ours.products[0, 0] / 1000), 0.1, rtol=1e-8)
    assert_allclose(ours.products[0, 1], -ours.products[0, 0], rtol=1e-12)


def test_no_units_have_no_means_and_add_nothing() -> None:
    nothing, some = of_rows([]), of_rows([(1.0, 2.0, 3.0), (2.0, 2.0, 5.0)])
    assert np.isnan(nothing.means).all()
    assert_same(nothing + some, some)
    assert_same(some + nothing, some)


def test_impossible_comoments_are_refused() -> None:
    with pytest.raises(ValueError, match="never negative"):
        CoMoments(n=np.array(-1.0), means=np.zeros(2), products=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="never negative"):
        CoMoments(n=np.array(1.0), means=np.zeros(2), products=-np.eye(2))
    with pytest.raises(ValueError, match="p x p"):
        CoMoments(n=np.array(1.0), means=np.zeros(2), products=np.eye(3))

"""Moments against numpy's mean and variance of the rows themselves."""

from collections.abc import Callable
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose

from stats.moments import Moments
from tests.stats.drawing import by_day, days, few


def assert_same(one: Moments, other: Moments, *, scale: float = 1.0) -> None:
    assert_allclose(one.n, other.n)
    assert_allclose(one.mean, other.mean, rtol=1e-9, atol=1e-9 * scale)
    assert_allclose(one.m2, other.m2, rtol=1e-9, atol=1e-9 * scale**2)


def test_moments_of_rows_equal_numpys() -> None:
    rows = np.random.default_rng(1).lognormal(size=(3, 4, 50))
    moments = Moments.from_values(rows)
    assert moments.shape == (3, 4)
    assert_allclose(moments.mean, rows.mean(axis=-1), rtol=1e-12)
    assert_allclose(moments.variance, rows.var(axis=-1, ddof=1), rtol=1e-12)
    assert_allclose(moments.standard_error, np.sqrt(rows.var(axis=-1, ddof=1) / 50), rtol=1e-12)


@few
@given(days)
def test_days_added_up_equal_the_whole(drawn: list[list[float]]) -> None:
    parts, rows = by_day(drawn), np.concatenate([np.asarray(day, dtype=float) for day in drawn])
    whole = Moments.from_values(rows)
    one_by_one = reduce(add, [parts[day] for day in range(len(drawn))])
    scale = 1 + float(np.abs(rows).max(initial=0.0))
    assert_same(one_by_one, whole, scale=scale)
    assert_same(parts.total(), whole, scale=scale)


@few
@given(days)
def test_cumulative_days_equal_the_rows_so_far(drawn: list[list[float]]) -> None:
    running = by_day(drawn).cumulative(axis=-1)
    for day in range(len(drawn)):
        rows = np.concatenate([np.asarray(part, dtype=float) for part in drawn[: day + 1]])
        assert_same(running[day], Moments.from_values(rows), scale=1 + float(np.abs(rows).max(initial=0.0)))


def test_merging_along_an_inner_axis_keeps_the_others() -> None:
    rows = np.random.default_rng(2).normal(5.0, 2.0, size=(2, 3, 4, 10))
    moments = Moments.from_values(rows)
    whole = Moments.from_values(np.moveaxis(rows, 1, 2).reshape(2, 4, 30))
    assert_same(moments.total(axis=1), whole)
    assert_same(moments.cumulative(axis=1)[:, -1], whole)


def test_moments_of_a_proportion_equal_those_of_its_rows() -> None:
    rows = np.repeat([1.0, 0.0], [7, 13])
    assert_same(Moments.of_proportion(7, 20), Moments.from_values(rows))


def test_large_values_with_small_spread_keep_their_digits_when_merged() -> None:
    # NIST StRD univariate data set NumAcc4: certified mean 10000000.2 and standard deviation 0.1.
    rows = np.concatenate(([10000000.2], np.tile([10000000.1, 10000000.3], 500))).reshape(7, 143)
    total = Moments.from_values(rows).total()
    assert_allclose(total.mean, 10000000.2, rtol=1e-14)
    assert_allclose(np.sqrt(total.variance), 0.1, rtol=1e-8)
    assert_allclose(np.sqrt(Moments.from_values(rows).cumulative().variance[-1]), 0.1, rtol=1e-8)


def test_no_units_have_no_mean_and_add_nothing() -> None:
    nothing, three = Moments(n=np.zeros(()), mean=np.zeros(()), m2=np.zeros(())), Moments.from_values([1.0, 2.0, 6.0])
    assert np.isnan(nothing.mean)
    assert_same(nothing + three, three)
    assert_same(three + nothing, three)
    assert (nothing + nothing).n == 0
    assert np.isnan((nothing + nothing).mean)


def test_one_unit_has_a_mean_and_no_variance() -> None:
    one = Moments.from_values([3.0])
    assert one.mean == 3
    assert np.isnan(one.variance)
    assert np.isnan(one.standard_error)


def test_identical_values_that_do_not_add_up_exactly_count_as_constant() -> None:
    assert Moments.from_values([0.1] * 10).constant
    assert Moments.from_values([0.0] * 10).constant
    assert not Moments.from_values([1e6, 1e6 + 1e-3]).constant


@pytest.mark.parametrize(
    "build",
    [
        lambda: Moments(n=np.array(-1.0), mean=np.array(0.0), m2=np.array(0.0)),
        lambda: Moments(n=np.array(2.0), mean=np.array(0.0), m2=np.array(-1.0)),
        lambda: Moments.of_proportion(3, 2),
        lambda: Moments.of_proportion(-1, 2),
    ],
)
def test_impossible_moments_are_refused(build: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"never negative|between none and n"):
        build()

"""Answers after a test with several looks, against quadrature, the fixed test and simulated coverage."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import dblquad, quad
from scipy.optimize import brentq
from scipy.stats import norm

from stats.arrays import Array
from stats.sequential.adjusted import Adjusted, after, repeated_interval
from stats.sequential.group_sequential import boundaries, pocock
from stats.sequential.recursion import MOST_MOVED, Crossings, first_crossings
from tests.stats.drawing import fewer

LOOKS = np.array([0.3, 0.7, 1.0])
BARS = boundaries(LOOKS, alpha=0.1, spending=pocock)
RUNS = 200


def ended(drift: float, runs: int, seed: int) -> tuple[Array, Array]:
    """For each run the number of looks taken and the z at the last of them."""
    steps = np.diff(LOOKS, prepend=0.0)
    z = (np.random.default_rng(seed).normal(size=(runs, 3)) * np.sqrt(steps) + drift * steps).cumsum(axis=1)
    z /= np.sqrt(LOOKS)
    crossed = np.abs(z) >= BARS
    last = np.where(crossed.any(axis=1), crossed.argmax(axis=1), 2)
    return last + 1.0, z[np.arange(runs), last]


@cache
def answers(drift: float, seed: int = 31) -> list[Adjusted]:
    taken, z = ended(drift, RUNS, seed)
    return [after(BARS[: int(k)], LOOKS[: int(k)], float(x), alpha=0.1) for k, x in zip(taken, z, strict=True)]


def upper_tail(drift: float, z: float) -> float:
    """P(up at the first look, or going on and above z at the second), by quadrature."""
    keep = np.sqrt(LOOKS[0] / LOOKS[1])
    mean, later = drift * np.sqrt(LOOKS[:2])

    def above(first: float) -> float:
        return float(norm.pdf(first - mean) * norm.sf((z - later - keep * (first - mean)) / np.sqrt(1 - keep**2)))

    return float(norm.sf(BARS[0] - mean) + quad(above, -BARS[0], BARS[0], epsabs=1e-13)[0])


@pytest.mark.parametrize("z", [-3.0, 0.4, 2.6])
def test_second_look_equals_quadrature_and_root_finding(z: float) -> None:
    ours = after(BARS[:2], LOOKS[:2], z, alpha=0.1)
    assert ours.p_value_above == pytest.approx(upper_tail(0.0, z), abs=1e-10)
    assert ours.p_value == pytest.approx(2 * min(upper_tail(0.0, z), 1 - upper_tail(0.0, z)), abs=1e-10)
    theirs = [brentq(lambda drift, p=p: upper_tail(drift, z) - p, -15, 15, xtol=1e-12) for p in (0.05, 0.5, 0.95)]
    assert_allclose((ours.interval.lower, ours.estimate, ours.interval.upper), theirs, rtol=1e-9)


def test_third_look_equals_integration_over_two_dimensions() -> None:
    steps = np.diff(LOOKS, prepend=0.0)
    low, high = -BARS[:2] * np.sqrt(LOOKS[:2]), BARS[:2] * np.sqrt(LOOKS[:2])

    def going_on(second: float, first: float) -> float:
        density = norm.pdf(first, 0, np.sqrt(steps[0])) * norm.pdf(second, first, np.sqrt(steps[1]))
        return float(density * norm.sf(1.5, second, np.sqrt(steps[2])))

    last = dblquad(going_on, low[0], high[0], low[1], high[1], epsabs=1e-9)[0]
    ours = after(BARS, LOOKS, 1.5, alpha=0.1)
    assert ours.p_value_above == pytest.approx(upper_tail(0.0, BARS[1]) + last, rel=1e-9)


@pytest.mark.parametrize("z", [-1.0, 2.2, 30.0])
def test_a_test_that_ends_at_the_first_look_is_the_fixed_one(z: float) -> None:
    ours = after([2.9], [4.0], z, alpha=0.05, null=7.0)
    assert ours.p_value == pytest.approx(2 * norm.sf(abs(z)), rel=1e-9)
    assert ours.estimate == pytest.approx(7 + z / 2, rel=1e-9)
    limits = 7 + (z + norm.isf([0.975, 0.025])) / 2
    assert_allclose((ours.interval.lower, ours.interval.upper), limits, rtol=1e-9)


@pytest.mark.parametrize("drift", [0.0, 2.0])
def test_intervals_cover_the_truth_as_often_as_they_say(drift: float) -> None:
    found = answers(drift)
    covered = np.mean([one.interval.lower <= drift <= one.interval.upper for one in found])
    too_high = np.mean([one.estimate > drift for one in found])
    assert covered == pytest.approx(0.9, abs=4 * np.sqrt(0.09 / RUNS))
    assert too_high == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / RUNS))


def test_naive_estimates_are_too_high_where_the_adjusted_are_not() -> None:
    taken, z = ended(2.0, RUNS, seed=31)
    naive = np.median(z / np.sqrt(LOOKS[taken.astype(int) - 1]))
    adjusted = np.median([one.estimate for one in answers(2.0)])
    assert adjusted == pytest.approx(2.0, abs=0.2)
    assert naive > adjusted + 0.1


def test_p_values_without_a_difference_are_uniform_and_small_with_one() -> None:
    nothing = np.array([one.p_value for one in answers(0.0)])
    for level in (0.1, 0.3, 0.7):
        assert (nothing <= level).mean() == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / RUNS))
    assert np.mean([one.p_value < 0.1 for one in answers(2.0)]) > 0.45


@fewer
@given(st.integers(1, 3), st.floats(-4, 4), st.floats(0.02, 2))
def test_the_answer_agrees_with_the_bar_and_grows_with_the_statistic(looks: int, z: float, more: float) -> None:
    bars, taken = BARS[:looks], LOOKS[:looks]
    low, high = after(bars, taken, z, alpha=0.1), after(bars, taken, z + more, alpha=0.1)
    assert low.p_value_above > high.p_value_above
    assert low.estimate < high.estimate
    assert low.interval.lower < low.estimate < low.interval.upper
    if looks == 3 and abs(abs(z) - BARS[2]) > 1e-6:  # only the last look's z of any size is an outcome
        assert (low.interval.lower > 0 or low.interval.upper < 0) == (abs(z) > BARS[2])
        assert (low.p_value < 0.1) == (abs(z) > BARS[2])


def test_swapping_the_arms_mirrors_the_answer() -> None:
    one, other = after(BARS, LOOKS, 2.1, alpha=0.1), after(BARS, LOOKS, -2.1, alpha=0.1)
    assert one.estimate == pytest.approx(-other.estimate, rel=1e-9)
    assert one.interval.lower == pytest.approx(-other.interval.upper, rel=1e-9)
    assert one.p_value == pytest.approx(other.p_value, rel=1e-9)


def test_one_sided_bars_leave_the_lower_paths_in() -> None:
    one_sided = after(BARS, LOOKS, 1.2, alpha=0.1, lower=np.full(3, -np.inf))
    assert one_sided.p_value_above > after(BARS, LOOKS, 1.2, alpha=0.1).p_value_above


def test_repeated_intervals_hold_at_all_looks_at_once() -> None:
    steps = np.diff(LOOKS, prepend=0.0)
    sums = np.random.default_rng(35).normal(size=(20_000, 3)) * np.sqrt(steps) + 0.7 * steps
    lower, upper = repeated_interval(sums.cumsum(axis=1) / LOOKS, 1 / LOOKS, BARS)
    covered = ((lower < 0.7) & (upper > 0.7)).all(axis=1).mean()
    assert covered == pytest.approx(0.9, abs=4 * np.sqrt(0.09 / 20_000))


def test_repeated_intervals_without_a_bar_or_a_variance_have_no_limits() -> None:
    lower, upper = repeated_interval(1.0, [0.1, 0.0, np.nan], [np.inf, 2.0, 2.0])
    assert_allclose((lower, upper), [[-np.inf, np.nan, np.nan], [np.inf, np.nan, np.nan]])


@pytest.mark.parametrize(
    "ask",
    [
        lambda: after([2.0, 2.0], [1.0], 1.0, alpha=0.05),
        lambda: after([2.0, 2.0], [2.0, 1.0], 1.0, alpha=0.05),
        lambda: after([2.0], [1.0], 1.0, alpha=0.05, lower=[1.0, 2.0]),
        lambda: after([2.0], [1.0], 1.0, alpha=1.0),
        lambda: after([2.0], [1.0], np.nan, alpha=0.05),
    ],
)
def test_answers_to_looks_out_of_order_are_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"each look|start above zero|alpha|finite"):
        ask()


# --- one recursion for all drifts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("fractions", [[1.0], [0.4, 1.0], [0.05, 0.3, 0.31, 0.8, 1.0], np.arange(1, 13) / 12])
def test_crossings_of_any_drift_equal_those_of_a_recursion_with_it(
    *, fractions: Array, unit: float, one_sided: bool
) -> None:
    information = np.asarray(fractions) * unit
    upper = np.append(boundaries(fractions, alpha=0.01)[:-1], 0.7)
    lower = np.append(np.full(upper.size - 1, -np.inf), 0.7) if one_sided else np.append(-upper[:-1], 0.7)
    most = MOST_MOVED / float(np.sqrt(information[-1]))
    found = Crossings.of(lower, upper, information, most)
    assert found is not None
    for drift in np.linspace(-most, most, 9).tolist():
        expected = first_crossings(lower, upper, information, drift).sum(axis=1)
        assert_allclose(found.tails(drift), expected, rtol=0, atol=3e-11)
        assert sum(found.tails(drift)) == pytest.approx(1, abs=3e-11)


def test_crossings_of_looks_that_hardly_grow_or_drifts_too_large_are_left_to_their_own_recursion() -> None:
    bars = np.array([3.0, 2.5, 2.0])
    assert Crossings.of(-bars, bars, np.array([0.5, 0.5001, 1.0]), 1.0) is None
    assert Crossings.of(-bars, bars, np.array([0.5, 0.9, 1.0]), MOST_MOVED + 1e-9) is None
    assert Crossings.of(-bars, bars, np.array([0.5, 1.0, 1.0]), MOST_MOVED) is not None


@pytest.mark.parametrize("looks", [[0.3, 0.3, 1.0], [0.3, 0.3002, 1.0]])
def test_answer_after_a_look_that_brought_nothing_hardly_differs_from_one_without_it(looks: list[float]) -> None:
    plain = after([3.0, 2.0], [0.3, 1.0], 1.2, alpha=0.05)
    found = after([3.0, 3.0, 2.0], looks, 1.2, alpha=0.05)
    assert found.estimate == pytest.approx(plain.estimate, abs=1e-3)
    assert found.interval.lower == pytest.approx(plain.interval.lower, abs=1e-3)


@pytest.mark.parametrize("alpha", [0.05, 1e-10])
def test_answer_far_from_the_null_or_with_limits_far_away_is_that_of_one_look(alpha: float) -> None:
    # At the first look no other was taken, so the interval is the fixed one.
    found = after([3.0], [4.0], 12.0, alpha=alpha)
    limits = (12 + norm.ppf(alpha / 2)) / 2, (12 + norm.isf(alpha / 2)) / 2
    assert_allclose((found.interval.lower, found.interval.upper), limits, rtol=1e-7)

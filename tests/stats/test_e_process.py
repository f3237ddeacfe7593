"""Exact evidence on shares: against scipy's probabilities, enumeration of every outcome, and simulated looks."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.stats import betabinom, binom

from stats.arrays import Array, Mask, Numbers
from stats.sequential.e_process import difference, difference_interval, share, share_interval, two_shares
from tests.stats.drawing import few

ALPHA, LOOKS, EXPERIMENTS = 0.05, 100, 10_000
block = st.integers(0, 6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
weeks = st.lists(st.tuples(block, block), min_size=1, max_size=7)


def at_most(rate: float, found: Mask) -> bool:
    return bool(found.mean() <= rate + 3 * np.sqrt(rate * (1 - rate) / found.size))


def by_blocks(days: list[tuple[tuple[int, int], tuple[int, int]]]) -> float:
    """The definition, one day after the other."""
    log_e, won, n, gained, m = 0.0, 0, 0, 0, 0
    for (s, k), (r, j) in days:
        one, other = (0.18 + won) / (0.36 + n), (0.18 + gained) / (0.36 + m)
        if k + j:
            both = (k * one + j * other) / (k + j)
            log_e += binom.logpmf(s, k, one) + binom.logpmf(r, j, other)
            log_e -= binom.logpmf(s, k, both) + binom.logpmf(r, j, both)
        won, n, gained, m = won + s, n + k, gained + r, m + j
    return float(log_e)


@few
@given(weeks)
def test_two_shares_equal_the_definition_by_blocks(days: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    counts = np.array(days)
    ours = two_shares(counts[:, 0, 0], counts[:, 0, 1], counts[:, 1, 0], counts[:, 1, 1])
    assert_allclose(ours[-1], by_blocks(days), rtol=1e-9, atol=1e-9)
    assert len(days) == ours.size


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 3), (1, 4), (5, 2), (0, 3)])
def test_the_next_days_evidence_is_one_on_average_or_less_whatever_the_share(n: int, m: int) -> None:
    past = np.array([[2, 7], [5, 6]])  # successes and units of each arm on the day before

    def mean_e(truth: float) -> float:
        total = 0.0
        for s, r in product(range(n + 1), range(m + 1)):
            log_e = two_shares([2, s], [7, n], [5, r], [6, m])
            total += binom.pmf(s, n, truth) * binom.pmf(r, m, truth) * np.exp(log_e[1] - log_e[0])
        return float(total)

    assert max(mean_e(truth) for truth in np.linspace(0, 1, 41)) <= 1 + 1e-12
    one, other = (past[:, 0] + 0.18) / (past[:, 1] + 0.36)
    assert mean_e(float((n * one + m * other) / (n + m))) == pytest.approx(1, abs=1e-12)  # the null it is sharpest at


@few
@given(st.lists(block, min_size=1, max_size=8), st.floats(0.01, 0.99), st.sampled_from([0.5, 1.0, 3.0]))
def test_share_is_scipys_beta_binomial_over_the_binomial(
    days: list[tuple[int, int]], null: float, prior: float
) -> None:
    won, n = np.cumsum(days, axis=0).T
    theirs = betabinom.logpmf(won, n, prior, prior) - binom.logpmf(won, n, null)
    assert_allclose(share(*np.transpose(days), null=null, prior=prior), theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("won", "n"), [(30, 100), (1, 3), (399, 400)])
def test_limits_are_where_the_evidence_suffices(won: int, n: int) -> None:
    def missing(null: float) -> float:
        return float(betabinom.logpmf(won, n, 0.5, 0.5) - binom.logpmf(won, n, null) - np.log(20))

    lower, upper = share_interval([won], [n], alpha=ALPHA)
    theirs = [brentq(missing, 1e-12, won / n, xtol=1e-14), brentq(missing, won / n, 1 - 1e-12, xtol=1e-14)]
    assert_allclose((lower[0], upper[0]), theirs, rtol=1e-9)


def test_limits_of_none_and_all_reach_the_end_and_of_no_units_say_nothing() -> None:
    lower, upper = share_interval([[0, 0], [0, 60]], [[0, 60], [0, 60]], alpha=ALPHA)
    assert_allclose(lower[:, 0], 0, atol=1e-12)
    assert_allclose(upper[:, 0], 1, atol=1e-12)
    assert lower[0, 1] == 0
    assert upper[0, 1] < 0.12
    assert upper[1, 1] == 1
    assert lower[1, 1] > 0.88


def test_days_without_units_add_nothing() -> None:
    log_e = two_shares([0, 3, 0, 5], [0, 9, 4, 9], [0, 0, 0, 1], [0, 0, 0, 9])
    assert_allclose(log_e[:3], 0, atol=1e-15)
    assert log_e[3] != 0
    assert_allclose(share([2, 0], [9, 0], null=0.5), [float(share([2], [9], null=0.5)[0])] * 2)


@pytest.mark.parametrize(
    "ask",
    [
        lambda n: two_shares([3, 4], n, [14, 13], n),
        lambda n: difference([3, 4], n, [14, 13], n, null=[-0.2, 0.1]),
        lambda n: difference_interval([[3, 4], [0, 1]], n, [14, 13], n, alpha=0.05, step=0.1),
        lambda n: share([3, 4], n, null=0.5),
        lambda n: share_interval([3, 4], n, alpha=0.05),
    ],
)
def test_one_number_of_units_stands_for_that_of_every_day(
    ask: Callable[[Numbers], Array | tuple[Array, Array]],
) -> None:
    assert_allclose(ask(40), ask([40, 40]), rtol=0)


def test_overwhelming_evidence_stays_finite() -> None:
    # Linear odds overflow here (a million units with every success in one arm).
    log_e = two_shares([0, 0], [500_000, 500_000], [500_000, 500_000], [500_000, 500_000])
    assert np.isfinite(log_e).all()
    assert log_e[-1] > 1e5
    assert np.isfinite(share([600_000], [1_100_000], null=0.01)).all()


def small_days(truth: tuple[float, float]) -> tuple[Array, ...]:
    """Nought to six units an arm and day: too few for any normal approximation."""
    draw = np.random.default_rng(51)
    n, m = draw.integers(0, 7, (2, EXPERIMENTS, LOOKS))
    return draw.binomial(n, truth[0]), n, draw.binomial(m, truth[1]), m


@pytest.mark.parametrize("truth", [0.02, 0.5])
def test_equal_shares_are_rarely_called_different(truth: float) -> None:
    log_e = two_shares(*small_days((truth, truth)))
    assert at_most(ALPHA, (log_e >= -np.log(ALPHA)).any(axis=1))


def test_different_shares_are_often_called_different() -> None:
    log_e = two_shares(*small_days((0.3, 0.5)))
    assert (log_e >= -np.log(ALPHA)).any(axis=1).mean() > 0.8


@pytest.mark.parametrize("truth", [0.02, 0.5])
def test_limits_of_a_share_cover_it_on_all_days_and_get_narrow(truth: float) -> None:
    won, n, _, _ = small_days((truth, truth))
    assert at_most(ALPHA, (share(won, n, null=truth) >= -np.log(ALPHA)).any(axis=1))
    lower, upper = share_interval(won[:200], n[:200], alpha=ALPHA)
    assert at_most(ALPHA, np.asarray(((lower > truth) | (upper < truth)).any(axis=1)))
    assert (upper - lower)[:, -1].mean() < 0.21


def test_a_wrong_share_is_often_found_out() -> None:
    won, n, _, _ = small_days((0.4, 0.4))
    assert (share(won, n, null=0.5) >= -np.log(ALPHA)).any(axis=1).mean() > 0.6


@pytest.mark.parametrize(
    "ask",
    [
        lambda: two_shares([3], [2], [0], [1]),
        lambda: two_shares([0], [2], [-1], [1]),
        lambda: share([3], [2], null=0.5),
        lambda: share([1], [2], null=1.0),
        lambda: share_interval([1], [2], alpha=0.0),
    ],
)
def test_counts_and_shares_out_of_range_are_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"n successes|between 0 and 1"):
        ask()

"""Always-valid limits of a difference of shares: exact means, scipy's optimiser, and coverage at all looks."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from scipy.special import xlog1py, xlogy
from scipy.stats import binom

from stats.arrays import Array
from stats.sequential.e_process import PRIOR, difference, difference_interval, two_shares
from tests.stats.drawing import few

DAYS = 40
day = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
days = st.lists(st.tuples(day, day), min_size=1, max_size=6)


def arms(drawn: list[tuple[tuple[int, int], tuple[int, int]]]) -> list[Array]:
    return list(np.array(drawn, dtype=float).reshape(len(drawn), 4).T)


@few
@given(days)
def test_evidence_against_no_difference_is_that_of_the_test(
    drawn: list[tuple[tuple[int, int], tuple[int, int]]],
) -> None:
    assert_allclose(difference(*arms(drawn), null=0.0), two_shares(*arms(drawn)), rtol=1e-9, atol=1e-10)


@few
@given(days, st.floats(-0.95, 0.95))
def test_each_day_is_set_against_the_nearest_pair_by_scipys_optimiser(
    drawn: list[tuple[tuple[int, int], tuple[int, int]]], apart: float
) -> None:
    won, n, gained, m = arms(drawn)
    theirs, had = 0.0, np.zeros(4)
    for s, a, t, b in zip(won, n, gained, m, strict=True):
        one, other = (PRIOR + had[0]) / (2 * PRIOR + had[1]), (PRIOR + had[2]) / (2 * PRIOR + had[3])

        def far(p: float, a: float = a, b: float = b, one: float = one, other: float = other) -> float:
            q = p + apart
            control = xlogy(one, p) + xlog1py(1 - one, -p)
            return float(-a * control - b * (xlogy(other, q) + xlog1py(1 - other, -q)))

        bounds = max(0.0, -apart) + 1e-12, min(1.0, 1 - apart) - 1e-12
        p = float(minimize_scalar(far, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x)
        theirs += binom.logpmf(s, a, one) + binom.logpmf(t, b, other)
        theirs -= binom.logpmf(s, a, p) + binom.logpmf(t, b, p + apart)
        had += s, a, t, b
    # scipy's optimiser is the coarser side: at its bottom a function is flat. R's root holds ours to 1e-9
    # (tests/agreement).
    assert difference(won, n, gained, m, null=apart)[-1] == pytest.approx(theirs, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("apart", [-0.6, 0.0, 0.05, 0.4])
@pytest.mark.parametrize(("n", "m"), [(4, 4), (3, 7)])
def test_a_day_gains_nothing_on_average_under_any_pair_of_the_null(apart: float, n: int, m: int) -> None:
    # All outcomes of a second day, after a first that expects the shares 0.3 and 0.55.
    before = [np.full((n + 1, m + 1), count) for count in (3.0, 10.0, 11.0, 20.0)]
    second = np.meshgrid(np.arange(n + 1.0), np.arange(m + 1.0), indexing="ij")
    new = [second[0], np.full_like(second[0], n), second[1], np.full_like(second[0], m)]
    both = [np.stack(pair, axis=-1) for pair in zip(before, new, strict=True)]
    log_e = np.diff(difference(*both, null=apart), axis=-1)[..., 0]
    means = []
    for share in np.linspace(max(0.0, -apart), min(1.0, 1 - apart), 41):
        chance = np.outer(binom.pmf(np.arange(n + 1), n, share), binom.pmf(np.arange(m + 1), m, share + apart))
        means.append(float((chance * np.exp(log_e)).sum()))
    assert max(means) <= 1 + 1e-9
    assert max(means) > 1 - 1e-3  # and the nearest pair gives all of it back


def drawn(p: float, q: float, runs: int, seed: int) -> list[Array]:
    """Days of uneven numbers of units, few of them: (runs, days) for each of the four."""
    rng = np.random.default_rng(seed)
    n, m = rng.integers(0, 8, (runs, DAYS)), rng.integers(1, 12, (runs, DAYS))
    return [numbers.astype(float) for numbers in (rng.binomial(n, p), n, rng.binomial(m, q), m)]


@pytest.mark.parametrize(("p", "q"), [(0.05, 0.05), (0.1, 0.35), (0.9, 0.2), (0.5, 0.52)])
def test_limits_hold_on_all_days_at_once_as_often_as_they_say(p: float, q: float) -> None:
    runs = 4000
    against = difference(*drawn(p, q, runs, seed=75), null=np.full(runs, q - p))
    missed = (against >= -np.log(0.1)).any(axis=-1).mean()
    assert missed <= 0.1 + 3 * np.sqrt(0.09 / runs)


def test_drawn_intervals_cover_on_all_days_and_leave_out_zero_where_there_is_a_difference() -> None:
    lower, upper = difference_interval(*drawn(0.1, 0.4, 200, seed=76), alpha=0.1, step=0.02)
    covered = ((lower < 0.3) & (upper > 0.3)).all(axis=-1).mean()
    assert covered >= 0.9 - 3 * np.sqrt(0.09 / 200)
    assert (lower[:, -1] > 0).mean() > 0.8
    assert (upper - lower)[:, -1].mean() < 0.45


@few
@given(days, st.floats(0.02, 0.3))
def test_limits_lie_one_step_at_most_beyond_what_the_evidence_keeps(
    drawn: list[tuple[tuple[int, int], tuple[int, int]]], alpha: float
) -> None:
    lower, upper = difference_interval(*arms(drawn), alpha=alpha, step=0.02)
    nulls = np.linspace(-0.999, 0.999, 333)
    kept = difference(*arms(drawn), null=nulls)[:, -1] < -np.log(alpha)
    assert lower[-1] <= nulls[kept].min()
    assert upper[-1] >= nulls[kept].max()
    assert lower[-1] >= nulls[kept].min() - 0.03
    assert upper[-1] <= nulls[kept].max() + 0.03


def test_limits_leave_out_zero_on_the_days_of_the_test() -> None:
    given_days = drawn(0.1, 0.4, 30, seed=77)
    lower, upper = difference_interval(*given_days, alpha=0.05, step=0.01)
    rejected = two_shares(*given_days) >= -np.log(0.05)
    out = (lower >= 0) | (upper <= 0)
    assert (rejected | ~out).all()  # a limit at zero itself means that zero was rejected
    assert 0.2 < rejected.mean() < 0.9


def test_swapping_the_arms_mirrors_the_limits() -> None:
    won, n, gained, m = drawn(0.2, 0.5, 5, seed=78)
    lower, upper = difference_interval(won, n, gained, m, alpha=0.05, step=0.01)
    low, high = difference_interval(gained, m, won, n, alpha=0.05, step=0.01)
    assert_allclose(lower, -high, atol=1e-12)
    assert_allclose(upper, -low, atol=1e-12)


def test_a_day_without_units_in_an_arm_says_nothing() -> None:
    assert_allclose(difference([0.0, 3.0], [0.0, 9.0], [2.0, 0.0], [8.0, 0.0], null=[-0.5, 0.0, 0.7]), 0.0)
    assert_allclose(difference_interval([0.0], [0.0], [0.0], [0.0], alpha=0.05), [[-1.0], [1.0]])


@pytest.mark.parametrize(
    "ask",
    [
        lambda: difference([3], [2], [1], [2], null=0.0),
        lambda: difference([1], [2], [1], [2], null=1.0),
        lambda: difference_interval([1], [2], [1], [2], alpha=0.0),
        lambda: difference_interval([1], [2], [1], [2], alpha=0.05, step=0.0),
    ],
)
def test_differences_without_a_meaning_are_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"successes|between -1 and 1|alpha|step"):
        ask()

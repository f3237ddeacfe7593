"""Sample ratio mismatch: scipy's chi-square, and scipy's Dirichlet-multinomial for the sequential form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats as scipy_stats

from stats import srm
from tests.stats.drawing import few

daily = st.lists(st.tuples(*[st.integers(0, 300)] * 3), min_size=1, max_size=12)


def test_chi_square_over_the_last_axis_equals_scipy() -> None:
    observed, weights = np.array([[120, 90, 210], [30, 30, 30]]), np.array([1.0, 1.0, 2.0])
    theirs = [scipy_stats.chisquare(row, row.sum() * weights / 4) for row in observed]
    statistic, p_value = srm.chi_square(observed, weights)
    assert_allclose(statistic, [row.statistic for row in theirs], rtol=1e-9)
    assert_allclose(p_value, [row.pvalue for row in theirs], rtol=1e-9)


def test_chi_square_of_cookie_cats_gives_the_known_answer() -> None:
    # 44,700 and 45,489 players promised halves, public data; computed with scipy 1.18.
    statistic, p_value = srm.chi_square([44700, 45489], [1, 1])
    assert statistic == pytest.approx(6.90240, abs=5e-6)
    assert p_value == pytest.approx(0.00860799, abs=5e-9)


def test_without_units_no_mismatch_can_be_judged() -> None:
    statistic, p_value = srm.chi_square([0, 0], [1, 1])
    assert np.isnan([statistic, p_value]).all()
    log_e, running = srm.sequential([[0, 0], [0, 0]], [1, 1])
    assert_allclose(log_e, 0.0, atol=1e-12)
    assert_allclose(running, 1.0)


@few
@given(daily)
def test_log_e_value_equals_scipys_mixture_over_the_promise(counts: list[tuple[int, int, int]]) -> None:
    shares = np.array([0.5, 0.3, 0.2])
    seen = np.cumsum(counts, axis=0)
    mixture = [scipy_stats.dirichlet_multinomial.logpmf(day, 100 * shares, day.sum()) for day in seen]
    promise = [scipy_stats.multinomial.logpmf(day, day.sum(), shares) for day in seen]
    log_e, _ = srm.sequential(counts, [5, 3, 2])
    assert_allclose(log_e, np.subtract(mixture, promise), rtol=1e-9, atol=1e-9)


@few
@given(daily)
def test_running_p_value_never_rises(counts: list[tuple[int, int, int]]) -> None:
    _, p_value = srm.sequential(counts, [1, 1, 1])
    assert (np.diff(p_value) <= 0).all()
    assert ((p_value > 0) & (p_value <= 1)).all()


def test_kohavis_bing_split_is_a_mismatch_sooner_with_a_larger_concentration() -> None:
    # Kohavi, Tang & Xu (2020), "Trustworthy online controlled experiments", ch. 21: chi-square p = 1.8e-6.
    split, halves = np.array([821588, 815482]), np.array([0.5, 0.5])
    assert srm.chi_square(split, halves)[1] == pytest.approx(1.8e-6, rel=0.02)
    for concentration, rounded in ((100, 0.0015), (1e5, 9e-5)):
        mixture = scipy_stats.dirichlet_multinomial.logpmf(split, concentration * halves, split.sum())
        promise = scipy_stats.multinomial.logpmf(split, split.sum(), halves)
        _, p_value = srm.sequential([split], halves, concentration=concentration)
        assert p_value[0] == pytest.approx(np.exp(promise - mixture), rel=1e-9)
        assert p_value[0] == pytest.approx(rounded, rel=0.05)


def test_many_experiments_are_judged_in_one_call() -> None:
    counts = np.random.default_rng(5).poisson(50, size=(4, 7, 2))
    log_e, p_value = srm.sequential(counts, [1, 1], concentration=np.array([100.0, 200.0, 400.0, 800.0]))
    assert log_e.shape == p_value.shape == (4, 7)
    assert_allclose(log_e[2], srm.sequential(counts[2], [1, 1], concentration=400.0)[0])


def test_peeking_daily_rarely_alarms_on_a_kept_promise_and_always_on_a_broken_one() -> None:
    draw = np.random.default_rng(6)
    kept = draw.multinomial(60, [0.5, 0.5], size=(2000, 50))
    broken = draw.multinomial(60, [0.56, 0.44], size=(200, 50))
    assert (srm.sequential(kept, [1, 1])[1][:, -1] < 0.05).mean() <= 0.05
    assert (srm.sequential(broken, [1, 1])[1][:, -1] < 0.01).mean() > 0.95


def test_concentration_grows_with_the_plan_from_a_floor() -> None:
    assert srm.concentration_for(200) == 100
    assert srm.concentration_for(50_000) == 5000


def test_a_variant_without_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="positive weight"):
        srm.chi_square([1, 2], [1, 0])

"""e-BH and the merging of evidence: against statsmodels' Benjamini-Hochberg, enumeration, and simulated looks."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from statsmodels.stats.multitest import multipletests

from stats.arrays import Array
from stats.discovery import adjusted, average, calibrated, found, product
from stats.sequential import confidence_sequence as kernel
from tests.stats.drawing import few

ALPHA, LOOKS, KPIS, REAL = 0.1, 28, 20, 6
log_values = st.lists(st.floats(-20, 20), min_size=1, max_size=12)


@few
@given(st.lists(st.floats(0, 20), min_size=1, max_size=12))
def test_adjusted_is_benjamini_hochberg_on_the_inverse(log_e: list[float]) -> None:
    # Wang & Ramdas (2022), section 4: with p = 1/e, which is at most 1 here, the two rules are one.
    assert_allclose(adjusted(log_e), multipletests(np.exp(-np.array(log_e)), method="fdr_bh")[1], rtol=1e-9)


def test_calibrated_p_values_are_e_values_that_are_one_on_average_and_grow_as_p_falls() -> None:
    grid = (np.arange(2_000_000) + 0.5) / 2_000_000  # the midpoint rule for p uniform on (0, 1)
    worth = np.exp(calibrated(grid))
    assert worth.mean() == pytest.approx(1.0, abs=1e-3)
    assert np.all(np.diff(worth) < 0)
    assert calibrated([0.0, 1.0, np.nan]).tolist() == [np.inf, -np.inf, pytest.approx(np.nan, nan_ok=True)]
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibrated([1.1])


@few
@given(log_values, st.floats(0.01, 0.5))
def test_found_are_the_largest_so_many_that_each_is_large_enough(log_e: list[float], alpha: float) -> None:
    e = np.sort(np.exp(log_e))[::-1]
    enough = [k for k in range(1, e.size + 1) if e[k - 1] >= e.size / (alpha * k) * (1 + 1e-12)]
    assert found(log_e, alpha=alpha).sum() == max(enough, default=0)


def test_questions_without_an_answer_do_not_count_and_stay_so() -> None:
    log_e = np.log([30.0, np.nan, 5.0])
    assert_allclose(adjusted(log_e), [2 / 30, np.nan, 1 / 5])
    assert found(log_e, alpha=0.1).tolist() == [True, False, False]
    assert np.isnan(adjusted([np.nan, np.nan])).all()
    assert_allclose(adjusted([np.inf, -np.inf]), [0, 1])


def test_each_row_is_judged_by_itself() -> None:
    log_e = np.random.default_rng(81).normal(1, 3, (3, 4, 5))
    assert_allclose(adjusted(log_e)[2, 1], adjusted(log_e[2, 1]))


@few
@given(log_values)
def test_product_and_average_are_those_of_the_e_values(log_e: list[float]) -> None:
    assert_allclose(product(log_e), np.sum(log_e), atol=1e-9)
    assert_allclose(average(log_e), logsumexp(log_e) - np.log(len(log_e)), atol=1e-9)
    weights = np.arange(len(log_e)) + 1.0
    assert_allclose(average(log_e, weights=weights), logsumexp(log_e, b=weights / weights.sum()), atol=1e-9)


def test_an_experiment_without_an_answer_neither_helps_nor_harms() -> None:
    assert product([2.0, np.nan]) == 2.0
    assert_allclose(average([2.0, np.nan]), average([2.0, 0.0]))
    assert average([np.nan, np.nan]) == 0
    assert_allclose(average([3.0, 1e6, np.nan], weights=[1, 0, 0]), 3.0)
    assert average([-np.inf, -np.inf]) == -np.inf


def test_merging_along_an_axis_keeps_the_others() -> None:
    log_e = np.random.default_rng(82).normal(size=(3, 4, 5))
    assert product(log_e, axis=0).shape == average(log_e, axis=0).shape == (4, 5)
    assert_allclose(average(log_e, axis=1)[2, 3], logsumexp(log_e[2, :, 3]) - np.log(4))


def monitored(experiments: int, drift: float, seed: int) -> Array:
    """Log e-values (experiments x KPIs x looks): related KPIs looked at every day, the first six with a difference."""
    draw, information = np.random.default_rng(seed), np.arange(1, LOOKS + 1) / LOOKS
    effect = np.where(np.arange(KPIS) < REAL, drift, 0.0)[:, np.newaxis]
    shared, own = draw.normal(size=(experiments, 1, LOOKS)), draw.normal(size=(experiments, KPIS, LOOKS))
    news = (np.sqrt(0.5) * shared + np.sqrt(0.5) * own) / np.sqrt(LOOKS) + effect / LOOKS
    tau2 = kernel.mixture_variance(1.0, ALPHA)
    return kernel.log_e_value(news.cumsum(axis=-1) / information, 1 / information, tau2=tau2)


def test_false_findings_stay_below_their_share_when_stopping_at_the_worst_moment_and_real_ones_are_found() -> None:
    # Stopped on the first day on which anything is found: the moment someone who wants a finding would choose.
    log_e = monitored(2000, 4.5, seed=83)
    daily = found(np.moveaxis(log_e, 1, 2), alpha=ALPHA)
    stop = np.where(daily.any(axis=(1, 2)), daily.any(axis=2).argmax(axis=1), LOOKS - 1)
    for day in (stop, np.full(2000, LOOKS - 1)):
        chosen = daily[np.arange(2000), day]
        false = chosen[:, REAL:].sum(axis=1) / np.maximum(chosen.sum(axis=1), 1)
        assert false.mean() <= ALPHA
    assert daily[:, -1, :REAL].mean() > 0.5


def test_nothing_real_is_rarely_found_on_any_day() -> None:
    daily = found(np.moveaxis(monitored(2000, 0.0, seed=84), 1, 2), alpha=ALPHA)
    assert daily.any(axis=(1, 2)).mean() <= ALPHA


def test_evidence_of_several_experiments_rarely_misleads_and_finds_what_one_does_not() -> None:
    for drift in (0.0, 2.0):
        log_e = monitored(1000, drift, seed=85)[:, 0].reshape(200, 5, LOOKS)  # five experiments on one hypothesis
        together = product(log_e, axis=1).max(axis=-1) >= -np.log(ALPHA)
        mean = average(log_e, axis=1).max(axis=-1) >= -np.log(ALPHA)
        alone = log_e[:, 0].max(axis=-1) >= -np.log(ALPHA)
        if drift:
            assert together.mean() > alone.mean() + 0.1
        else:
            assert max(together.mean(), mean.mean()) <= ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / 200)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: found([1.0], alpha=0.0),
        lambda: average([1.0, 2.0], weights=[-1, 2]),
        lambda: average([1.0, 2.0], weights=[0, 0]),
    ],
)
def test_levels_and_weights_without_a_meaning_are_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"alpha|weights"):
        ask()

"""The posterior against numerical integration of prior times likelihood, and what it promises under peeking."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import norm

from stats.arrays import Array
from stats.bayes import Prior, read_out
from stats.results import Reason
from tests.stats.drawing import few

EXPERIMENTS = 10_000


def integral(
    difference: float, variance: float, mean: float, spread: float, low: float, power: int, sign: int
) -> float:
    """The integral of (sign * effect)^power from `low` up over prior times likelihood, which is not normalised."""
    middle, scale = (difference + mean) / 2, 12 * np.sqrt(variance + spread) + abs(difference - mean)
    start = max(low, -abs(middle) - scale)

    def density(effect: float) -> float:
        weight = norm.pdf(difference, sign * effect, np.sqrt(variance)) * norm.pdf(sign * effect, mean, np.sqrt(spread))
        return float(effect**power * weight)

    points = sorted({float(np.clip(sign * at, start, abs(middle) + scale)) for at in (difference, mean, middle)})
    return float(quad(density, start, abs(middle) + scale, points=points, limit=400, epsabs=1e-14)[0])


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("difference", "variance", "mean", "spread"), [(0.4, 0.1, 0.0, 0.3), (-1.0, 0.5, 0.3, 0.1)])
def test_posterior_equals_numerical_integration(
    difference: float, variance: float, mean: float, spread: float, sign: int
) -> None:
    ours = read_out(difference, variance, prior=Prior(mean=mean, variance=spread), alpha=0.05, sign=sign)

    def moment(power: int, low: float = -np.inf) -> float:
        return integral(difference, variance, mean, spread, low, power, sign)

    all_of_it = moment(0)
    assert_allclose(sign * ours.mean, moment(1) / all_of_it, rtol=1e-9)
    assert_allclose(ours.variance, moment(2) / all_of_it - (moment(1) / all_of_it) ** 2, rtol=1e-9)
    assert_allclose(ours.chance_to_beat_control, moment(0, 0.0) / all_of_it, rtol=1e-9)
    assert_allclose(ours.loss_if_kept, moment(1, 0.0) / all_of_it, rtol=1e-9)
    assert_allclose(ours.loss_if_shipped, (moment(1, 0.0) - moment(1)) / all_of_it, rtol=1e-9)
    assert_allclose((ours.lower, ours.upper), norm.interval(0.95, ours.mean, np.sqrt(ours.variance)), rtol=1e-12)


def test_without_an_opinion_it_is_the_ordinary_interval_and_one_minus_p() -> None:
    ours = read_out(0.3, 0.04, prior=Prior(mean=5.0, variance=np.inf), alpha=0.1)
    assert_allclose((ours.lower, ours.upper), norm.interval(0.9, 0.3, 0.2), rtol=1e-12)
    assert_allclose(ours.chance_to_beat_control, 1 - norm.sf(1.5), rtol=1e-12)


@pytest.mark.parametrize(("mean", "chance"), [(0.5, 1.0), (0.0, 0.5), (-0.5, 0.0)])
def test_a_prior_without_doubt_is_not_moved(mean: float, chance: float) -> None:
    ours = read_out(0.3, 0.04, prior=Prior(mean=mean, variance=0.0), alpha=0.1)
    assert_allclose((ours.mean, ours.variance, ours.chance_to_beat_control), (mean, 0.0, chance), rtol=0)
    assert_allclose((ours.loss_if_shipped, ours.loss_if_kept), (max(-mean, 0.0), max(mean, 0.0)), rtol=0)


@few
@given(st.floats(-5, 5), st.floats(0.01, 5), st.floats(-5, 5), st.floats(0.01, 5), st.floats(0.01, 5))
def test_reading_twice_equals_reading_all_at_once(
    first: float, first_variance: float, second: float, second_variance: float, spread: float
) -> None:
    once = read_out(first, first_variance, prior=Prior(mean=0.0, variance=spread), alpha=0.05)
    twice = read_out(second, second_variance, prior=Prior(mean=once.mean, variance=once.variance), alpha=0.05)
    both = 1 / (1 / first_variance + 1 / second_variance)
    pooled = both * (first / first_variance + second / second_variance)
    together = read_out(pooled, both, prior=Prior(mean=0.0, variance=spread), alpha=0.05)
    assert_allclose((twice.mean, twice.variance), (together.mean, together.variance), rtol=1e-9, atol=1e-12)


def test_cells_without_an_answer_say_why() -> None:
    ours = read_out(
        [np.nan, 0.1, 0.1],
        [0.1, 0.0, 0.1],
        prior=Prior(mean=np.array([0, 0, np.nan]), variance=np.float64(1)),
        alpha=0.05,
    )
    assert [ours.reason_at(cell) for cell in range(3)] == [
        Reason.INSUFFICIENT_DATA,
        Reason.ZERO_VARIANCE,
        Reason.INSUFFICIENT_DATA,
    ]
    assert np.isnan([ours.mean, ours.lower, ours.chance_to_beat_control, ours.loss_if_shipped]).all()


def called(truth: Array, *, looks: int, spread: float) -> Array:
    """Which experiments ever reach a chance of 95 % at equally spaced looks, information 1 in all."""
    steps = np.random.default_rng(31).normal(0, np.sqrt(1 / looks), (truth.size, looks))
    information = np.arange(1, looks + 1) / looks
    seen = truth[:, np.newaxis] + steps.cumsum(axis=-1) / information
    ours = read_out(seen, 1 / information, prior=Prior(mean=0.0, variance=spread), alpha=0.05)
    return np.asarray((ours.chance_to_beat_control >= 0.95).any(axis=-1))


def test_peeking_at_the_chance_calls_winners_where_there_are_none() -> None:
    planned = norm.isf(0.025) + norm.isf(0.2)
    nothing = np.zeros(EXPERIMENTS)
    allowed = 4 * np.sqrt(0.2 * 0.8 / EXPERIMENTS)
    assert called(nothing, looks=1, spread=planned**2).mean() == pytest.approx(0.04, abs=allowed)
    assert called(nothing, looks=28, spread=planned**2).mean() == pytest.approx(0.13, abs=allowed)
    assert called(nothing, looks=1, spread=np.inf).mean() == pytest.approx(0.05, abs=allowed)
    assert called(nothing, looks=28, spread=np.inf).mean() == pytest.approx(0.23, abs=allowed)


def test_winners_called_while_peeking_are_winners_as_often_as_said_if_the_prior_is_true() -> None:
    truth = np.random.default_rng(32).normal(0, 2.8, EXPERIMENTS)
    won = called(truth, looks=28, spread=2.8**2)
    assert won.mean() > 0.25
    assert (truth[won] > 0).mean() > 0.95 - 3 * np.sqrt(0.05 * 0.95 / won.sum())


@pytest.mark.parametrize(
    ("variance", "spread", "sign", "sentence"),
    [(-1.0, 1.0, 1, "never negative"), (1.0, -1.0, 1, "never negative"), (1.0, 1.0, 0, "sign")],
)
def test_misuse_is_refused(variance: float, spread: float, sign: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_out(0.1, variance, prior=Prior(mean=0.0, variance=spread), alpha=0.05, sign=sign)

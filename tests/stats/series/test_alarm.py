"""The alarm: its evidence against scipy's densities, its promise over many series, and how soon it finds a change."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from stats.series import alarm, control
from stats.series.alarm import Reference
from tests.stats.series.worlds import at_most, swings


def test_evidence_is_the_sum_over_starts_of_scipys_likelihood_ratios() -> None:
    values, errors, shift = np.array([0.2, -0.1, 0.4, 1.1, 0.9]), np.array([0.3, 0.2, 0.4, 0.3, 0.5]), 0.7
    found = alarm.watch(values, errors, shift=shift, run_length=50)
    for now in range(1, 5):
        # The level before is anything: what is left to compare is each period less the first.
        less = np.eye(now + 1)[1:] - np.eye(now + 1)[0]
        seen, null = less @ values[: now + 1], less @ np.diag(errors[: now + 1] ** 2) @ less.T
        ratios = []
        for start in range(1, now + 1):
            moved = (np.arange(now + 1) >= start).astype(float)
            other = null + shift**2 * np.outer(less @ moved, less @ moved)
            ratios.append(multivariate_normal(cov=other).logpdf(seen) - multivariate_normal(cov=null).logpdf(seen))
        assert_allclose(found.log_evidence[now], logsumexp(ratios), rtol=1e-9)
        assert found.since[now] == 1 + int(np.argmax(ratios))
    assert found.log_evidence[0] == -np.inf
    assert found.since[0] == -1


def test_a_reference_is_one_more_period_before_all_others() -> None:
    values = np.array([0.2, -0.1, 0.4, 1.1, 0.9])
    with_it = alarm.watch(values[1:], 0.3, shift=0.7, run_length=50, baseline=Reference(value=0.2, standard_error=0.3))
    assert_allclose(
        with_it.log_evidence, alarm.watch(values, 0.3, shift=0.7, run_length=50).log_evidence[1:], rtol=1e-9
    )


@pytest.mark.parametrize("sign", [0, 1, -1])
def test_false_alarms_within_many_periods_are_as_seldom_as_promised(sign: int) -> None:
    draw, series, periods = np.random.default_rng(51), 1500, 60
    before = Reference(value=draw.normal(0, 0.5, series), standard_error=0.5)
    found = alarm.watch(
        draw.normal(0, 1, (series, periods)), 1.0, shift=1.0, run_length=400, baseline=before, sign=sign
    )
    assert found.is_raised.any(axis=-1).mean() <= at_most(periods / 400, series)
    # The sum less its periods is a martingale, so its mean is the number of periods; 5, for later ones have long tails.
    evidence = np.exp(found.log_evidence[:, 4])
    assert evidence.mean() == pytest.approx(5, abs=4 * evidence.std() / np.sqrt(series))


def test_a_baseline_taken_as_exact_would_break_the_promise() -> None:
    draw, series = np.random.default_rng(52), 1000
    values = draw.normal(0, 1, (series, 60)) + draw.normal(0, 0.7, (series, 1))
    exact = Reference(value=0.0, standard_error=1e-6)
    honest = Reference(value=0.0, standard_error=0.7)
    wrong, right = (
        alarm.watch(values, 1.0, shift=1.0, run_length=400, baseline=one).is_raised.any(axis=-1).mean()
        for one in (exact, honest)
    )
    assert wrong > 0.3 > at_most(60 / 400, series) > right


@pytest.mark.parametrize(("sign", "found_at_least"), [(0, 0.85), (1, 0.9), (-1, 0.0)])
def test_a_lasting_shift_is_found_soon_and_where_it_began(sign: int, found_at_least: float) -> None:
    draw = np.random.default_rng(53)
    values = draw.normal(0, 1, (500, 45))
    values[:, 20:] += 1.5
    found = alarm.watch(values, 1.0, shift=1.0, run_length=1000, sign=sign)
    raised = found.is_raised.any(axis=-1)
    assert raised.mean() >= found_at_least
    if sign >= 0:
        assert np.median(found.is_raised.argmax(axis=-1)[raised]) <= 29
        assert np.median(found.since[raised, -1]) == pytest.approx(20, abs=1)
    else:
        assert raised.mean() < 0.05


def test_surprises_of_an_autocorrelated_series_keep_the_promise_that_its_values_break() -> None:
    draw, series, periods = np.random.default_rng(54), 150, 40
    values = swings(draw, series, periods, tie=0.7, size=1.0) + draw.normal(0, 0.3, (series, periods))
    raw = alarm.watch(values, values.std(), shift=1.0, run_length=400)
    surprise = control.chart(range(periods), values, 0.3).surprise
    tamed = alarm.watch(surprise, 1.0, shift=1.0, run_length=400)
    promise = (periods - control.FEWEST) / 400
    assert raw.is_raised.any(axis=-1).mean() > 0.3
    assert tamed.is_raised.any(axis=-1).mean() <= at_most(promise, series)


def test_a_period_without_a_value_changes_nothing_and_spread_adds_to_the_error() -> None:
    values = np.array([0.1, 0.3, -0.2, 1.5, 1.2])
    spaced = np.array([0.1, 0.3, np.nan, -0.2, 1.5, 1.2])
    found = alarm.watch(values, 0.4, shift=1.0, run_length=50, spread=0.3)
    assert_allclose(found.log_evidence, alarm.watch(values, 0.5, shift=1.0, run_length=50).log_evidence, rtol=1e-9)
    gap = alarm.watch(spaced, 0.5, shift=1.0, run_length=50)
    assert_allclose(gap.log_evidence[[0, 1, 3, 4, 5]], found.log_evidence, rtol=1e-9)
    assert_allclose(gap.log_evidence[2], found.log_evidence[1], rtol=1e-9)


@pytest.mark.parametrize(
    "wrong", [{"shift": 0.0}, {"run_length": 1.0}, {"sign": 2}, {"spread": -1.0}, {"standard_error": -1.0}]
)
def test_misuse_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"above zero|more than one|sign|never negative"):
        alarm.watch([1.0, 2.0], **{"standard_error": 1.0, "shift": 1.0, "run_length": 9.0, **wrong})
    with pytest.raises(ValueError, match="above zero"):
        Reference(value=1.0, standard_error=0.0)

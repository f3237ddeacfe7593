"""Rows a day: arithmetic day by day, scipy's negative binomial, and how often nothing is called something."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats as scipy_stats

from stats.arrays import Array
from stats.results import Reason
from stats.series import arrivals

WEEK = np.array([1.0, 1.2, 1.1, 1.0, 0.9, 0.4, 0.3])
SERIES, DAYS, ALPHA = 1000, 70, 0.001


def drawn(mean: float, dispersion: float, seed: int) -> Array:
    draw = np.random.default_rng(seed)
    level = mean * WEEK[np.arange(DAYS) % 7]
    uneven = draw.gamma(1 / dispersion, dispersion, (SERIES, DAYS)) if dispersion else 1.0
    return draw.poisson(np.broadcast_to(level * uneven, (SERIES, DAYS))).astype(float)


def test_a_days_surprise_is_its_distance_from_the_median_of_its_weekdays() -> None:
    counts = drawn(40, 0.3, 81)[0]
    scaled = 2 * np.sqrt(counts + 3 / 8)
    surprise = np.array(
        [scaled[day] - np.median(scaled[[day - 7 * back for back in (1, 2, 3, 4)]]) for day in range(28, DAYS)]
    )
    spread = scipy_stats.median_abs_deviation(surprise[3:31], center=lambda _, axis: 0.0 * axis, scale="normal")
    floor = np.sqrt(1 + np.pi / 8)
    found = arrivals.jumps(counts, alpha=ALPHA)
    statistic = surprise[31] / max(spread, floor)
    assert_allclose(found.statistic[59], statistic, rtol=1e-4)
    assert_allclose(found.p_value[59], 2 * scipy_stats.t.sf(abs(statistic), 0.37 * 28), rtol=1e-3)


@pytest.mark.parametrize(("mean", "dispersion"), [(30, 0.0), (30, 0.3), (1000, 0.05), (1000, 0.3)])
def test_usual_days_are_seldom_jumps_or_gaps(mean: float, dispersion: float) -> None:
    counts = drawn(mean, dispersion, 82)
    for found, called in (
        (jumps := arrivals.jumps(counts, alpha=ALPHA), jumps.is_jump),
        (gaps := arrivals.gaps(counts, alpha=ALPHA), gaps.is_gap),
    ):
        assert called[found.reason == 0].mean() <= 1.5 * ALPHA


@pytest.mark.parametrize(
    ("mean", "dispersion", "times", "least"), [(30, 0.0, 3.0, 0.7), (1000, 0.05, 3.0, 0.7), (1000, 0.05, 0.05, 0.7)]
)
def test_a_day_with_far_more_or_fewer_rows_is_a_jump(
    mean: float, dispersion: float, times: float, least: float
) -> None:
    counts = drawn(mean, dispersion, 83)
    counts[:, 66] = np.round(times * counts[:, 66])  # a Thursday
    found = arrivals.jumps(counts, alpha=ALPHA)
    assert found.is_jump[:, 66].mean() > least
    assert np.all((found.statistic[:, 66] > 0) == (counts[:, 66] > found.expected[:, 66]))


def test_one_huge_day_does_not_hide_the_next() -> None:
    counts = np.full(60, 100.0)
    counts[[50, 55]] = 5000, 400
    assert np.flatnonzero(arrivals.jumps(counts, alpha=ALPHA, season=1).is_jump).tolist() == [50, 55]


def test_the_chance_of_a_day_without_rows_is_scipys_negative_binomial() -> None:
    counts = np.array([9, 2, 4, 14, 3, 7, 0, 0.0])
    found = arrivals.gaps(counts, alpha=0.01, season=1, rounds=6)
    before = counts[:6]
    u = (before.var(ddof=1) - before.mean()) / before.mean() ** 2 + 1 / (before.sum() + 0.5)
    chance = scipy_stats.nbinom.pmf(0, 1 / u, 1 / (1 + u * before.mean()))
    assert_allclose(found.chance[6], chance, rtol=1e-9)
    assert found.chance[7] < found.chance[6]


def test_silence_is_a_gap_where_rows_are_usual_and_not_on_quiet_days() -> None:
    counts = np.tile([20, 25, 22, 19, 21, 0, 0.0], 6)
    counts[38] = 0  # a Thursday
    assert np.flatnonzero(arrivals.gaps(counts, alpha=ALPHA).is_gap).tolist() == [38]
    counts[39] = 0  # nothing came back before the weekend, so the silence goes on
    assert np.flatnonzero(arrivals.gaps(counts, alpha=ALPHA).is_gap).tolist() == [38, 39, 40, 41]


def test_a_few_quiet_days_in_a_row_add_up_to_a_gap() -> None:
    counts = np.concatenate((np.tile([3.0, 2, 4, 3], 8), np.zeros(5)))
    found = arrivals.gaps(counts, alpha=ALPHA, season=1, rounds=20)
    assert found.is_gap[-5:].tolist() == [False, False, True, True, True]


def test_days_that_cannot_be_judged_say_why() -> None:
    counts = np.concatenate((np.full(50, 10.0), [np.nan]))
    found, silent = arrivals.jumps(counts, alpha=ALPHA), arrivals.gaps(counts, alpha=ALPHA)
    assert [found.reason_at(day) for day in (5, 27, 28, 50)] == [
        Reason.TOO_FEW_PERIODS,
        Reason.TOO_FEW_PERIODS,
        None,
        Reason.INSUFFICIENT_DATA,
    ]
    assert np.isnan(found.p_value[found.reason != 0]).all()
    assert np.isnan(silent.chance[silent.reason != 0]).all()
    assert not silent.is_gap[silent.reason != 0].any()


@pytest.mark.parametrize(
    ("counts", "asked", "sentence"),
    [
        ([-1.0, 2.0], {}, "never negative"),
        (3.0, {}, "last axis"),
        ([1.0], {"season": 0}, "a day or more"),
        ([1.0], {"rounds": 1}, "rounds"),
    ],
)
def test_misuse_is_refused(counts: Any, asked: dict[str, int], sentence: str) -> None:
    for ask in (arrivals.jumps, arrivals.gaps):
        with pytest.raises(ValueError, match=sentence):
            ask(counts, alpha=ALPHA, **asked)

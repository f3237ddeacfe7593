"""Every calendar day of staggered entry, against the life table of that day, statsmodels' strata, and simulation."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from statsmodels.duration.survfunc import survdiff

from stats.arrays import Array, Mask
from stats.results import Reason
from stats.sequential import confidence_sequence as kernel
from stats.sequential import staggered
from stats.sequential.staggered import (
    Cohorts,
    log_rank_by_day,
    log_rank_evidence,
    merged,
    restricted_mean_by_day,
    tables_by_day,
)
from stats.survival import logrank, rmst
from stats.survival.counts import life_table
from tests.stats.drawing import few
from tests.stats.expansion import draw_cohorts
from tests.stats.staggering import DAYS, EVEN, FADING, cohorts_of, two_arms

ALPHA, TAU = 0.05, 10


def at_most(rate: float, found: Mask) -> bool:
    return bool(found.mean() <= rate + 3 * np.sqrt(rate * (1 - rate) / found.size))


def ever(log_e: Array) -> Mask:
    return np.asarray(np.nanmax(np.where(np.isnan(log_e), -np.inf, log_e), axis=-1) >= -np.log(ALPHA))


def log_rank_found(arms: tuple[Cohorts, Cohorts], strata: list[int] | None = None) -> Mask:
    """Which experiments the kernel ever calls on 28 daily looks, tuned to the variance planned for the last."""
    test = log_rank_by_day(*arms, days=DAYS, strata=strata)
    tau2 = kernel.mixture_variance(1 / test.variance[..., -1].mean(), ALPHA)
    return ever(log_rank_evidence(test, tau2=tau2))


def restricted_mean_found(arms: tuple[Cohorts, Cohorts]) -> Mask:
    daily = restricted_mean_by_day(*arms, tau=TAU, alpha=ALPHA, days=DAYS)
    tau2 = kernel.mixture_variance(np.nanmean(daily.variance[..., -1]), ALPHA)
    return ever(kernel.log_e_value(daily.difference, daily.variance, tau2=tau2))


@few
@given(st.integers(0, 10_000))
def test_every_day_equals_the_life_table_of_that_day(seed: int) -> None:
    drawn = draw_cohorts(seed)
    ours = tables_by_day(cohorts_of(drawn), 20)
    for day in (1, 7, 15, 20):
        observed = np.clip(day - np.arange(15), 0, None)
        theirs = life_table(drawn.entered, drawn.events, drawn.losses, observed)
        assert_allclose(ours.at_risk[day - 1], theirs.at_risk)
        assert_allclose(ours.events[day - 1], theirs.events)
        assert_allclose(ours.losses[day - 1], theirs.losses)


def rows(seed: int, day: int) -> tuple[Array, Array, Array]:
    """Time, status and entry day of the units known on a calendar day."""
    drawn = draw_cohorts(seed, size=30)
    parts = []
    for cohort in range(min(day, 15)):
        time, status = drawn.__class__(
            entered=drawn.entered[[cohort]],
            events=drawn.events[[cohort]],
            losses=drawn.losses[[cohort]],
            observed=np.array([day - cohort]),
        ).rows()
        parts.append(np.stack((time, status, np.full(time.size, cohort))))
    return tuple(np.concatenate(parts, axis=1))


@pytest.mark.parametrize("strata", [None, list(range(15)), [0, 4, 5, 11]])
@pytest.mark.parametrize("day", [6, 15])
def test_log_rank_of_a_day_equals_statsmodels_with_strata(strata: list[int] | None, day: int) -> None:
    units = [rows(seed, day) for seed in (3, 4)]
    time, status, cohort = (np.concatenate(pair) for pair in zip(*units, strict=True))
    group = np.repeat([0, 1], [units[0][0].size, units[1][0].size])
    stratum = np.searchsorted(strata or [0], cohort, side="right")
    chi_square, p_value = survdiff(time, status, group, strata=stratum)
    arms = [cohorts_of(draw_cohorts(seed, size=30)) for seed in (3, 4)]
    ours = log_rank_by_day(*arms, days=15, strata=strata)
    assert_allclose((ours.statistic[day - 1] ** 2, ours.p_value[day - 1]), (chi_square, p_value), rtol=1e-9)


def test_pooled_days_equal_the_comparison_of_their_tables_also_for_many_experiments() -> None:
    arms = two_arms(61, 3, 9, FADING)
    ours = log_rank_by_day(*arms, days=DAYS)
    theirs = logrank.compare(*(tables_by_day(arm, DAYS) for arm in arms))
    assert ours.statistic.shape == (3, DAYS)
    assert_allclose(ours.statistic, theirs.statistic)
    mean = restricted_mean_by_day(*arms, tau=TAU, alpha=ALPHA, days=DAYS)
    last = rmst.compare(*(tables_by_day(arm, DAYS) for arm in arms), tau=TAU, alpha=ALPHA)
    assert_allclose(mean.difference[:, -1], last.difference[:, -1])


def test_merged_strata_hold_enough_units_of_both_arms_and_keep_their_past() -> None:
    entered, more = np.array([3, 9, 2, 0, 12, 1, 1]), np.array([8, 2, 2, 7, 3, 9, 0])
    starts = merged(entered, more, fewest=5)
    assert starts == (0, 2, 5)
    for first, last in pairwise(starts):
        assert min(entered[first:last].sum(), more[first:last].sum()) >= 5
    assert merged(entered[:4], more[:4], fewest=5) == (0, 2)
    assert merged(entered, more, fewest=0) == tuple(range(7))


def test_days_before_anything_is_known_have_no_answer() -> None:
    arms = two_arms(62, 2, 3, EVEN)
    assert np.isnan(log_rank_evidence(log_rank_by_day(*arms, days=DAYS), tau2=0.1)[:, 0]).all()
    early = restricted_mean_by_day(*arms, tau=TAU, alpha=ALPHA, days=DAYS, fewest=9)
    assert np.isnan(early.difference[:, : TAU + 1]).all()  # nine units have been watched for tau days on day tau + 2
    assert np.isfinite(early.statistic[:, TAU + 1 :]).all()
    assert early.reason_at(0, TAU) is Reason.INSUFFICIENT_DATA


def test_an_empty_arm_has_no_answer() -> None:
    full = two_arms(63, 1, 9, EVEN)[0]
    empty = Cohorts(entered=np.zeros((1, DAYS)), events=np.zeros((1, DAYS, DAYS)), losses=np.zeros(DAYS))
    assert log_rank_by_day(full, empty, days=DAYS, strata=range(DAYS)).reason_at(0, -1) is Reason.INSUFFICIENT_DATA
    assert restricted_mean_by_day(full, empty, tau=3, alpha=ALPHA, days=DAYS).reason_at(0, -1) is not None


@pytest.mark.parametrize("strata", [None, list(range(DAYS))])
def test_score_has_independent_increments_in_its_variance(strata: list[int] | None) -> None:
    test = log_rank_by_day(*two_arms(64, 1000, 8, FADING), days=DAYS, strata=strata)
    for day in (7, 14, 21):
        correlation = np.corrcoef(test.score[:, day], test.score[:, -1])[0, 1]
        expected = np.sqrt(test.variance[:, day].mean() / test.variance[:, -1].mean())
        assert correlation == pytest.approx(expected, abs=4 / np.sqrt(1000))
    assert test.score[:, -1].var() == pytest.approx(test.variance[:, -1].mean(), rel=4 * np.sqrt(2 / 1000))


@pytest.mark.parametrize("hazard", [EVEN, FADING])
def test_pooled_looks_at_equal_hazards_rarely_find_a_difference(hazard: Array) -> None:
    arms = two_arms(65, 2000, 5, hazard)
    assert at_most(ALPHA, log_rank_found(arms))
    assert at_most(ALPHA, restricted_mean_found(arms))
    naive = log_rank_by_day(*arms, days=DAYS).p_value
    assert (np.nanmin(naive, axis=-1) < ALPHA).mean() > 0.15  # what looking every day does without correction


@pytest.mark.parametrize("strata", [list(range(DAYS)), [0, 7, 14, 21]])
def test_stratified_looks_at_equal_hazards_rarely_find_a_difference(strata: list[int]) -> None:
    assert at_most(ALPHA, log_rank_found(two_arms(66, 1000, 5, FADING), strata))


def test_different_hazards_are_often_found_and_merging_saves_what_small_cohorts_lose() -> None:
    arms = two_arms(67, 600, 5, FADING, ratio=1.7)
    pooled, single = log_rank_found(arms).mean(), log_rank_found(arms, list(range(DAYS))).mean()
    weekly = log_rank_found(arms, list(merged(np.full(DAYS, 5), np.full(DAYS, 5), fewest=35))).mean()
    assert pooled > 0.5
    assert single < weekly
    assert weekly > 0.5
    assert restricted_mean_found(two_arms(68, 600, 10, FADING, ratio=1.7)).mean() > 0.5


def one_unit(events: float) -> Cohorts:
    return Cohorts(entered=np.ones(1), events=np.full((1, 1), events), losses=np.zeros(1))


@pytest.mark.parametrize(
    "ask",
    [
        lambda arms: log_rank_by_day(*arms, days=3, strata=[1, 2]),
        lambda arms: log_rank_by_day(*arms, days=3, strata=[0, 2, 2]),
        lambda arms: log_rank_by_day(*arms, days=3, strata=[0, DAYS]),
        lambda arms: log_rank_by_day(arms[0], one_unit(1.0), days=3),
        lambda arms: restricted_mean_by_day(*arms, tau=DAYS + 1, alpha=ALPHA, days=3),
        lambda _: one_unit(2.0),
        lambda _: one_unit(-1.0),
    ],
)
def test_strata_and_counts_out_of_order_are_refused(ask: Callable[[tuple[Cohorts, Cohorts]], object]) -> None:
    with pytest.raises(ValueError, match=r"strata begin|tau lies|are counts"):
        ask(two_arms(69, 1, 2, EVEN))


def test_speaking_starts_at_twenty_events_of_equal_arms() -> None:
    assert pytest.approx(20 / 4) == staggered.LEAST_VARIANCE

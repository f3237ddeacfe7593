"""Splits of the same units: nothing is lost, nothing but chance is found, and peeking finds more than it may."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from stats.arrays import Array, numbers
from stats.calibration import splits
from stats.calibration.families import FAMILIES, Family, Plan
from stats.calibration.scenarios import MEAN, RESTRICTED_MEAN, SHARE, Reading, Start
from stats.calibration.splits import Replayed, SplitTimes, SplitValues
from stats.methods import proportions
from stats.moments import Moments
from stats.survival import rmst

ALPHA = 0.05
START = Start(units=100, successes=20)
DAYS = np.arange(20)
DAILY = 60
SPLITS = 2_000


def shares(levels: Array, share: float = 0.5) -> SplitValues:
    """Units of which a share of its own succeeds on each day."""
    won = np.round(DAILY * levels).astype(np.int64)
    return SplitValues(
        values=np.tile([0.0, 1.0], won.size),
        counts=np.stack((DAILY - won, won), axis=-1).ravel(),
        final_on=np.repeat(np.arange(won.size), 2),
        days=np.arange(won.size),
        share=share,
        measure=SHARE,
    )


def amounts(share: float = 0.5) -> SplitValues:
    """Units of which most spend nothing and the others amounts of their own."""
    draw = np.random.default_rng(1)
    spent = draw.lognormal(0, 1, (DAYS.size, DAILY // 3))
    values = np.concatenate((np.zeros((DAYS.size, 1)), spent), axis=1)
    counts = np.ones(values.shape, dtype=np.int64)
    counts[:, 0] = DAILY - DAILY // 3
    return SplitValues(
        values=values.ravel(),
        counts=counts.ravel(),
        final_on=np.repeat(DAYS, values.shape[1]),
        days=DAYS,
        share=share,
        measure=MEAN,
    )


def times(share: float = 0.5) -> SplitTimes:
    """Units that get there within five days or not, some of them lost before."""
    draw = np.random.default_rng(2)
    still = np.full(DAYS.size, DAILY)
    events, losses = np.zeros((2, DAYS.size, 5), dtype=np.int64)
    for day in range(5):
        events[:, day] = draw.binomial(still, 0.15)
        losses[:, day] = draw.binomial(still - events[:, day], 0.02)
        still = still - events[:, day] - losses[:, day]
    looks = np.arange(9, DAYS.size + 8)  # the last is when the last cohort, of day 21, has been watched for five days
    entered = np.full(DAYS.size, DAILY)
    return SplitTimes(entered=entered, events=events, losses=losses, first=2, tau=5, days=looks, share=share)


def worthwhile(split: SplitValues | SplitTimes) -> SplitValues | SplitTimes:
    """The split on the days that bring news: amounts of one day may tell more than those of two."""
    variance = split.expected(start=START, alpha=ALPHA).found.variance
    return replace(split, days=split.days[splits.with_news(1 / variance, 1.001)])


def replayed(split: SplitValues | SplitTimes, families: tuple[Family, ...] = FAMILIES) -> dict[str, Replayed]:
    split = worthwhile(split)
    plan = Plan.of(split.expected(start=START, alpha=ALPHA), ALPHA)
    draw = np.random.default_rng(3)
    found = splits.replay(split, plan, draw, replicates=SPLITS, start=START, families=families)
    return {row.family: row for row in found}


@pytest.mark.parametrize(
    "split", [shares(np.full(20, 0.3)), amounts(), amounts(0.2)], ids=["shares", "means", "uneven"]
)
def test_arms_of_values_add_up_to_the_whole_on_every_look(split: SplitValues) -> None:
    control, treatment = split.arms(np.random.default_rng(4), 30)
    both = control + treatment
    for day in DAYS:
        of_day = split.final_on == day
        whole = np.repeat(split.values[of_day], split.counts[of_day])
        assert (both.n[:, day] == whole.size).all()
        np.testing.assert_allclose(both.mean[:, day], whole.mean(), rtol=1e-12)
        np.testing.assert_allclose(both.m2[:, day], whole.var() * whole.size, rtol=1e-9)
    assert np.unique(treatment.n[:, 0]).size > 3


def test_arms_of_times_add_up_to_the_whole_in_every_cell() -> None:
    split = times()
    control, treatment = split.arms(np.random.default_rng(5), 30)
    for name in ("entered", "events", "losses"):
        both = getattr(control, name) + getattr(treatment, name)
        assert (both == getattr(split, name)).all()
    assert np.unique(treatment.entered[:, 0]).size > 3


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_treatment_gets_its_share_of_units_as_a_binomial_number(share: float) -> None:
    _, treatment = amounts(share).arms(np.random.default_rng(6), SPLITS)
    found, expected = treatment.n.sum(axis=-1), binom(DAILY * DAYS.size, share)
    assert found.mean() == pytest.approx(expected.mean(), abs=4 * expected.std() / np.sqrt(SPLITS))
    assert found.var() == pytest.approx(expected.var(), rel=0.15)


def test_units_in_common_cells_are_split_as_units_by_themselves() -> None:
    together = shares(np.full(20, 0.3))
    apart = replace(
        together,
        values=np.repeat(together.values, together.counts),
        final_on=np.repeat(together.final_on, together.counts),
        counts=np.ones(together.counts.sum(), dtype=np.int64),
    )
    found = [
        split.drawn(np.random.default_rng(7), SPLITS, start=START, alpha=ALPHA).found for split in (together, apart)
    ]
    spreads = [one.difference.std(axis=0) for one in found]
    np.testing.assert_allclose(spreads[0], spreads[1], rtol=0.15)
    np.testing.assert_allclose(spreads[0][-1], np.sqrt(found[0].variance[:, -1].mean()), rtol=0.1)


def test_expected_split_of_shares_is_the_comparison_of_its_parts() -> None:
    split = shares(np.linspace(0.2, 0.5, 20), share=0.25)
    found = split.expected(start=START, alpha=ALPHA).found
    n, won = DAILY * (DAYS + 1.0), np.cumsum(np.round(DAILY * np.linspace(0.2, 0.5, 20)))
    arms = (Moments.of_proportion(part * won, part * n) for part in (0.75, 0.25))
    np.testing.assert_allclose(found.variance, proportions.compare(*arms, alpha=ALPHA).variance, rtol=1e-9)
    np.testing.assert_allclose(found.difference, 0, atol=1e-12)


def test_expected_split_of_times_has_the_variance_of_the_whole_twice_over_each_part() -> None:
    split = times(share=0.5)
    found = split.expected(start=START, alpha=ALPHA).found
    at_risk = np.array([split.entered.sum() - (split.events + split.losses)[:, :day].sum() for day in range(5)])
    survival = np.cumprod(1 - split.events.sum(axis=0) / at_risk)
    rest = np.array([survival[day:4].sum() for day in range(4)])
    events = split.events.sum(axis=0)[:4]
    whole = (rest**2 * events / (at_risk[:4] * (at_risk[:4] - events))).sum()  # Greenwood's terms
    assert found.variance[-1] == pytest.approx(4 * whole, rel=1e-12)
    assert found.method == rmst.METHOD


@pytest.mark.parametrize(
    "split",
    [shares(np.full(20, 0.3)), amounts(), times(), shares(np.full(20, 0.4), 0.25)],
    ids=["shares", "means", "times", "uneven shares"],
)
def test_nothing_but_chance_is_found_and_peeking_finds_too_much(split: SplitValues | SplitTimes) -> None:
    found = replayed(split)
    assert list(found) == ["Fixed", "Group sequential", "Always valid", "Peeking"]
    fixed = found["Fixed"].false_positives
    assert fixed.value == pytest.approx(ALPHA, abs=4 * fixed.standard_error)
    assert [row.family for row in found.values() if row.is_broken] == []
    assert found["Group sequential"].false_positives.value > 0.03
    assert found["Peeking"].false_positives.value > 2 * ALPHA


def test_days_that_differ_keep_alpha_because_both_arms_share_them() -> None:
    levels = np.tile([0.1, 0.7], 10)
    found = replayed(shares(levels))
    assert [row.family for row in found.values() if row.is_broken] == []
    # Whole days in one arm do not share them, and the same units then find what is not there.
    draw = np.random.default_rng(8)
    days = np.array([draw.permutation(20) for _ in range(400)])
    won = np.round(DAILY * levels)[days].reshape(400, 2, 10).sum(axis=-1)
    arms = (Moments.of_proportion(won[:, arm], 10 * DAILY) for arm in (0, 1))
    assert (proportions.compare(*arms, alpha=ALPHA).p_value <= ALPHA).mean() > 0.3


def test_family_that_finds_too_much_breaks_its_promise() -> None:
    fixed, *_, peeking = FAMILIES
    spoilt = replayed(shares(np.full(20, 0.3)), (replace(peeking, promise=fixed.promise),))
    assert spoilt["Peeking"].is_broken
    assert spoilt["Peeking"].most == pytest.approx(0.05 + 3 * np.sqrt(0.05 * 0.95 / SPLITS))


def test_days_are_not_looked_at_before_their_units_are_final() -> None:
    split = replace(shares(np.full(20, 0.3)), days=np.array([4, 9]))
    control, treatment = split.arms(np.random.default_rng(9), 3)
    assert ((control + treatment).n == [5 * DAILY, 5 * DAILY]).all()
    assert split.units == 10 * DAILY


def test_units_whose_day_has_not_come_are_not_counted_among_times() -> None:
    split = replace(times(), days=np.array([9]))
    assert split.units == 6 * DAILY  # of days 2 to 7, which have been watched for a day or more by day 9


def test_always_valid_inference_waits_for_units_and_successes_in_both_arms() -> None:
    begun = shares(np.full(20, 0.1)).expected(start=START, alpha=ALPHA).has_begun
    assert begun.tolist() == [False] * 6 + [True] * 14  # 3 of 30 units an arm and day succeed
    begun = amounts().expected(start=START, alpha=ALPHA).has_begun
    assert begun.tolist() == [False] * 3 + [True] * 17
    begun = times().expected(start=Start(units=150, successes=0), alpha=ALPHA).has_begun
    assert begun[:2].tolist() == [True, True]
    late = times().expected(start=Start(units=200, successes=0), alpha=ALPHA).has_begun
    assert late[:2].tolist() == [False, True]  # 30 units an arm and day, and 6 days of them on day 9


@pytest.mark.parametrize(
    ("information", "expected"),
    [
        ([1.0, 2.0, 3.0], [True, True, True]),
        ([np.nan, 2.0, 2.0001, 3.0], [False, True, False, True]),
        ([1.0, 5.0, 2.0, 3.0], [True, False, True, True]),
        ([1.0, 2.0, np.nan], [False, False, False]),
        ([1.0, 3.0, 3.0], [True, False, True]),
        ([], []),
    ],
)
def test_looks_are_worth_it_that_bring_news_and_less_than_the_last(
    information: list[float], expected: list[bool]
) -> None:
    assert splits.with_news(np.array(information), 1.001).tolist() == expected


def test_family_watching_some_looks_claims_there_only() -> None:
    sure = Moments(n=np.array([50, 90, 200]), mean=np.array([1.0, 1.0, 1.0]), m2=np.array([1.0, 1.0, 1.0]))
    none = Moments(n=sure.n, mean=np.zeros(3), m2=sure.m2)
    reading = splits.of_values(none, sure, measure=MEAN, start=START, alpha=ALPHA)
    places = np.array([0, 2])
    plan = Plan.of(splits.at(reading, places), ALPHA)
    (planned,) = (family for family in FAMILIES if family.name == "Group sequential")
    judged = splits.watching(planned, places, plan).judge(reading, plan, 0.0)
    assert judged.rejects.tolist() == [True, False, True]
    assert judged.misses is not None
    assert judged.misses.tolist() == [True, False, True]


def test_reading_at_some_looks_takes_every_array_there() -> None:
    whole = times().expected(start=START, alpha=ALPHA)
    some = splits.at(replace(whole, units=np.arange(19.0)), np.array([1, 5]))
    assert some.found.difference.shape == some.has_begun.shape == (2,)
    assert numbers(some.units if some.units is not None else []).tolist() == [1, 5]
    assert some.found.method == whole.found.method


def test_no_split_at_all_is_refused() -> None:
    split = shares(np.full(20, 0.3))
    plan = Plan.of(split.expected(start=START, alpha=ALPHA), ALPHA)
    with pytest.raises(ValueError, match="a replicate or more"):
        splits.replay(split, plan, np.random.default_rng(1), replicates=0, start=START, families=FAMILIES)


def test_cells_and_looks_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="order of their days"):
        replace(amounts(), days=DAYS[::-1])
    with pytest.raises(ValueError, match="order of their days"):
        replace(amounts(), final_on=amounts().final_on[::-1])


def test_same_seed_gives_the_same_splits() -> None:
    readings: list[Reading] = [times().drawn(np.random.default_rng(10), 5, start=START, alpha=ALPHA) for _ in range(2)]
    np.testing.assert_array_equal(readings[0].found.difference, readings[1].found.difference)
    assert times().measure == RESTRICTED_MEAN

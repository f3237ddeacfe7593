"""Counts by cohort against the same units counted one by one."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from stats.survival.counts import by_snapshot, life_table
from tests.stats.expansion import draw_cohorts


def test_units_at_risk_equal_the_rows_counted() -> None:
    cohorts = draw_cohorts(1)
    times, status = cohorts.rows()
    for j in range(15):
        assert cohorts.table.at_risk[j] == (times >= j + 1).sum()
        assert cohorts.table.events[j] == ((times == j + 1) & (status == 1)).sum()


def test_each_snapshot_equals_the_table_of_its_own_day() -> None:
    cohorts = draw_cohorts(2)
    snapshots = np.arange(1, 21)[:, np.newaxis]
    observed = np.clip(snapshots - np.arange(15), 0, 15)  # cohort c, exposed on day c, as seen on each day
    all_days = life_table(cohorts.entered, cohorts.events, cohorts.losses, observed)
    assert all_days.at_risk.shape == (20, 15)
    for s in range(20):
        one = life_table(cohorts.entered, cohorts.events, cohorts.losses, observed[s])
        assert_array_equal(all_days.at_risk[s], one.at_risk)
        assert_array_equal(all_days.events[s], one.events)
        assert_array_equal(all_days.losses[s], one.losses)


def test_snapshots_and_variants_come_in_one_call() -> None:
    arms = [draw_cohorts(seed) for seed in (3, 4, 5)]
    observed = np.clip(np.arange(1, 8)[:, np.newaxis] - np.arange(15), 0, 15)
    table = life_table(
        np.stack([arm.entered for arm in arms])[:, np.newaxis],
        np.stack([arm.events for arm in arms])[:, np.newaxis],
        np.stack([arm.losses for arm in arms])[:, np.newaxis],
        observed,
    )
    assert table.at_risk.shape == (3, 7, 15)
    alone = life_table(arms[1].entered, arms[1].events, arms[1].losses, observed[6])
    assert_array_equal(table[1, 6].at_risk, alone.at_risk)
    assert_array_equal(table[1, 6].events, alone.events)


def test_cohorts_not_watched_yet_are_not_at_risk() -> None:
    table = life_table([10, 10], [[1, 1], [5, 5]], [[0, 0], [0, 0]], [2, 0])
    assert_array_equal(table.at_risk, [10, 9])
    assert_array_equal(table.events, [1, 1])


@pytest.mark.parametrize("events", [[[8, 3]], [[-1, 0]]])
def test_impossible_counts_are_refused(events: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="no more than the units"):
        life_table([10], events, [[0, 0]], [2])


@pytest.mark.parametrize("snapshots", [0, 1, 30])
def test_snapshots_of_cohorts_in_order_equal_those_of_any_cohorts(snapshots: int) -> None:
    arms = [draw_cohorts(seed) for seed in (3, 4, 5)]
    entered, events, losses = (
        np.stack([getattr(arm, name) for arm in arms]) for name in ("entered", "events", "losses")
    )
    observed = np.maximum(np.arange(snapshots)[:, np.newaxis] - np.arange(15), 0)
    found = by_snapshot(entered, events, losses, observed)
    any_order = life_table(entered[:, np.newaxis], events[:, np.newaxis], losses[:, np.newaxis], observed)
    assert found.at_risk.shape == (3, snapshots, 15)
    assert_array_equal(found.at_risk, any_order.at_risk)
    assert_array_equal(found.events, any_order.events)
    assert_array_equal(found.losses, any_order.losses)


def test_snapshot_of_a_cohort_watched_for_longer_than_one_before_it_is_refused() -> None:
    with pytest.raises(ValueError, match="entered before it"):
        by_snapshot([10, 10], [[1], [1]], [[0], [0]], [[1, 0], [0, 1]])


def test_snapshots_refuse_more_events_than_units() -> None:
    with pytest.raises(ValueError, match="no more than the units entered"):
        by_snapshot([2], [[1, 2]], [[0, 0]], [[2]])

"""Shares that came back, against a recount of single units in pandas and statsmodels' Wilson limits."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from stats.survival import returns

DAYS = 6


def drawn(seed: int, units: int) -> pd.DataFrame:
    """A row for each unit and day of its own, from day 1: its cohort, how long it was watched, whether it came back."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame({"unit": range(units), "cohort": draw.integers(0, 5, units)})
    frame["age"] = np.maximum(6 - 2 * frame["cohort"], 0)
    days = frame.merge(pd.DataFrame({"day": range(1, DAYS + 1)}), how="cross")
    return days.assign(came=draw.random(len(days)) < 0.7 / days["day"])


@settings(max_examples=30, deadline=None, database=None, derandomize=True)
@given(st.integers(0, 10_000), st.integers(0, 80), st.sampled_from([0.01, 0.05, 0.2]))
def test_share_of_each_day_equals_a_recount_of_the_units_watched_through_it(
    seed: int, units: int, alpha: float
) -> None:
    rows = drawn(seed, units)
    entered = rows[rows["day"] == 1].groupby("cohort").size().reindex(range(5), fill_value=0)
    came = rows.pivot_table(index="cohort", columns="day", values="came", aggfunc="sum")
    counts = came.reindex(index=range(5), columns=range(1, DAYS + 1)).fillna(0)
    found = returns.estimate(entered, counts, np.maximum(6 - 2 * np.arange(5), 0), first=1, alpha=alpha)
    for day in range(1, DAYS + 1):
        own = rows[(rows["day"] == day) & (rows["age"] > day)]
        at = day - 1
        assert found.at_risk[at] == len(own)
        if own.empty:
            assert np.isnan([found.share[at], found.lower[at], found.upper[at]]).all()
            continue
        assert found.share[at] == pytest.approx(own["came"].mean())
        limits = proportion_confint(own["came"].sum(), len(own), alpha=alpha, method="wilson")
        assert (found.lower[at], found.upper[at]) == pytest.approx(limits, abs=1e-12)


def test_snapshots_and_arms_are_leading_axes() -> None:
    entered, came = np.array([[10, 8], [6, 4]]), np.array([[[5, 1], [4, 2]], [[6, 0], [1, 1]]])
    ages = np.array([[2, 1], [3, 2], [9, 9]])
    found = returns.estimate(entered[:, np.newaxis], came[:, np.newaxis], ages, first=0, alpha=0.05)
    assert found.at_risk.tolist() == [[[18, 10], [18, 18], [18, 18]], [[10, 6], [10, 10], [10, 10]]]
    assert found.share[0, 0].tolist() == [9 / 18, 1 / 10]
    assert found.share[1, 1].tolist() == [7 / 10, 1 / 10]


def test_more_that_came_back_than_entered_is_refused() -> None:
    with pytest.raises(ValueError, match="units that entered"):
        returns.estimate([3], [[4]], [2], first=1, alpha=0.05)
    with pytest.raises(ValueError, match="units that entered"):
        returns.estimate([3], [[-1]], [2], first=1, alpha=0.05)

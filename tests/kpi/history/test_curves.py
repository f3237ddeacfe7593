"""Shares by day since entry, of cohorts and of all together; expected values are plain arithmetic on a few units."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from api.database import Database
from kpi.enums import Granularity
from kpi.history.curves import adoption, triangle
from kpi.history.entry import Entry
from kpi.history.sums import ByAccount, Sums
from kpi.kinds import Activation, Kind, Mean, Retention, TimeToValue
from kpi.kinds.retention import Form
from kpi.kinds.shape import CurveOf
from kpi.tables import Workspace
from tests.kpi.history.rows import cohorts, derive, kept, send

MONDAYS = (date(2026, 5, 4), date(2026, 5, 11), date(2026, 5, 18))
ACTIVATION = Activation(event="activated", window_days=3, has_curve=True)


def sums(kind: Kind, through: date, entered: list[int], events: list[list[int]], **more: Any) -> Sums:
    """Cohorts of consecutive Mondays, with the units of each day since entry."""
    counts = np.array(events, np.int64)
    losses = np.array(more.pop("losses", np.zeros_like(counts)), np.int64)
    days = MONDAYS[: len(entered)]
    return Sums(kind=kind, through=through, days=days, entered=np.array(entered), events=counts, losses=losses, **more)


def rows(found: Sums, granularity: Granularity = Granularity.WEEK) -> list[Any]:
    shown = triangle(found, granularity)
    assert shown is not None
    return list(zip(shown.start_on, shown.age, shown.n, shown.value, strict=True))


def test_triangle_of_a_share_that_was_reached_adds_up_over_days_and_ends_where_a_cohort_is_not_watched_yet() -> None:
    # 10 came on the 4th and did it 2, 1, 3 a day; 20 came on the 11th, of whom two whole days are known by the 14th.
    found = sums(ACTIVATION, date(2026, 5, 14), [10, 20], [[2, 1, 3], [4, 5, 0]])
    assert rows(found, Granularity.DAY) == [
        (MONDAYS[0], 1, 10, pytest.approx(0.2)),
        (MONDAYS[0], 2, 10, pytest.approx(0.3)),
        (MONDAYS[0], 3, 10, pytest.approx(0.6)),
        (MONDAYS[1], 1, 20, pytest.approx(0.2)),
        (MONDAYS[1], 2, 20, pytest.approx(0.45)),
    ]


def test_triangle_leaves_out_a_period_that_is_not_over() -> None:
    found = sums(ACTIVATION, date(2026, 5, 17), [10, 20], [[2, 1, 3], [4, 5, 1]])
    assert {first for first, *_ in rows(found)} == {MONDAYS[0]}
    assert rows(found, Granularity.MONTH) == []


def test_triangle_of_a_month_waits_for_its_last_units_and_puts_all_together() -> None:
    found = sums(ACTIVATION, date(2026, 6, 1), [10, 20, 10], [[2, 1, 3], [4, 5, 1], [0, 0, 4]])
    # (2 + 4 + 0), + (1 + 5 + 0), + (3 + 1 + 4) of 40
    assert rows(found, Granularity.MONTH) == [
        (date(2026, 5, 1), 1, 40, pytest.approx(6 / 40)),
        (date(2026, 5, 1), 2, 40, pytest.approx(12 / 40)),
        (date(2026, 5, 1), 3, 40, pytest.approx(20 / 40)),
    ]


def test_triangle_of_who_came_back_reads_each_day_by_itself() -> None:
    kind = Retention(event="seen", day=2, has_curve=True)
    found = sums(kind, date(2026, 5, 14), [10, 20], [[0, 4, 2], [0, 5, 9]])
    # Day 1 of whoever came late on the 11th is over late on the 13th: two whole days are known by the 14th, no third.
    assert rows(found, Granularity.DAY) == [
        (MONDAYS[0], 1, 10, pytest.approx(0.4)),
        (MONDAYS[0], 2, 10, pytest.approx(0.2)),
        (MONDAYS[1], 1, 20, pytest.approx(0.25)),
    ]


def test_triangle_of_who_remained_shows_no_day_before_the_last_is_known() -> None:
    kind = Retention(event="seen", day=1, form=Form.ROLLING, until_day=2, has_curve=True)
    found = sums(kind, date(2026, 5, 14), [10, 20], [[0, 4, 2], [0, 5, 9]])
    assert {first for first, *_ in rows(found, Granularity.DAY)} == {MONDAYS[0]}


def test_triangle_of_a_long_curve_has_every_day_of_the_first_month_then_weeks_and_the_last() -> None:
    kind = TimeToValue(event="value", tau_days=60)
    found = sums(kind, date(2026, 12, 1), [100], [[1] * 60])
    ages = [age for _, age, _, _ in rows(found)]
    assert ages == [*range(1, 32), 35, 42, 49, 56, 60]


def test_adoption_puts_cohorts_together_as_far_as_each_was_watched_and_has_the_limits_of_a_single_day() -> None:
    kind = Retention(event="seen", day=2, has_curve=True)
    found = adoption(sums(kind, date(2026, 5, 14), [10, 20], [[0, 4, 2], [0, 5, 9]]))
    assert found is not None
    assert (found.of, found.days, found.n) == (CurveOf.RETURNED, [1, 2], [30, 10])
    assert found.value == [pytest.approx(9 / 30), pytest.approx(2 / 10)]
    lower, upper = proportion_confint(9, 30, method="wilson")
    assert [found.lower[0], found.upper[0]] == pytest.approx([lower, upper])
    assert found.median is None


def test_adoption_of_a_time_to_value_counts_who_is_lost_as_watched_until_then() -> None:
    # Of 10: 2 on day 1, then 3 are lost; of the 5 left 1 does it on day 2: 1 - 8/10 * 4/5.
    kind = TimeToValue(event="value", tau_days=3, loss_event="gone")
    found = adoption(sums(kind, date(2026, 12, 1), [10], [[2, 1, 2]], losses=[[3, 0, 0]]))
    assert found is not None
    assert found.n == [10, 5, 4]
    assert found.value == [pytest.approx(0.2), pytest.approx(0.36), pytest.approx(0.68)]
    assert found.median == 3
    for low, at, high in zip(found.lower, found.value, found.upper, strict=True):
        assert None not in (low, at, high)
        assert sorted([low or 0, at or 0, high or 0]) == [low, at, high]


def test_adoption_of_users_whose_error_is_that_of_accounts_claims_no_limits() -> None:
    one = np.array([10.0])
    by_account = ByAccount(entered_on=MONDAYS[:1], accounts=("acme",), n=one, y=one, x=one)
    found = adoption(sums(ACTIVATION, date(2026, 12, 1), [10], [[2, 1, 3]], accounts=by_account))
    assert found is not None
    assert found.value[2] == pytest.approx(0.6)
    assert found.lower == found.upper == [None, None, None]


def test_curves_of_a_kpi_without_one_are_not_made_up() -> None:
    found = Sums(
        kind=Mean(event="paid", window_days=3), through=date(2026, 12, 1), days=MONDAYS[:1], entered=np.array([3])
    )
    assert adoption(found) is None
    assert triangle(found, Granularity.WEEK) is None


async def test_curves_of_raw_rows_are_those_of_the_units(database: Database, workspace: Workspace) -> None:
    await send(
        database,
        workspace,
        [
            ("ann", "signed_up", "2026-05-04T08:00:00Z", None),
            ("ann", "activated", "2026-05-04T09:00:00Z", None),
            ("ben", "signed_up", "2026-05-05T08:00:00Z", None),
            ("ben", "activated", "2026-05-07T07:00:00Z", None),
            ("cat", "signed_up", "2026-05-06T08:00:00Z", None),
            ("dan", "signed_up", "2026-05-06T08:00:00Z", None),
        ],
    )
    definition = await kept(database, workspace, ACTIVATION, Entry(event="signed_up"))
    await derive(database, definition)
    found = await cohorts(database, definition)
    assert rows(found) == [(date(2026, 5, 4), 1, 4, 0.25), (date(2026, 5, 4), 2, 4, 0.5), (date(2026, 5, 4), 3, 4, 0.5)]
    whole = adoption(found)
    assert whole is not None
    assert whole.value == [pytest.approx(0.25), pytest.approx(0.5), pytest.approx(0.5)]

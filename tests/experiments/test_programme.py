"""The figures of a programme, by plain arithmetic; Wilson's interval by statsmodels."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from statsmodels.stats.proportion import proportion_confint

from experiments.enums import Choice
from experiments.programme.programme import Life, Share, figures, months

START = datetime(2026, 1, 10, 12, tzinfo=UTC)


def life(started: int = 0, stopped: int | None = None, decided: int | None = None, **changes: Any) -> Life:
    """An experiment by days since the tenth of January."""

    def at(days: int | None) -> datetime | None:
        return None if days is None else START + timedelta(days=days)

    fields: dict[str, Any] = {
        "stopped_at": at(stopped),
        "decided_at": at(decided),
        "choice": None if decided is None else Choice.ABANDON,
        "differs": False,
        "is_sealed_before_data": True,
        "is_exploratory": False,
        "has_learning": False,
    }
    return Life(started_at=START + timedelta(days=started), **(fields | changes))


LIVES = [
    life(-40, 5, 6, choice=Choice.SHIP, has_learning=True),  # started before: 46 days to its decision
    life(0, 20, 30, is_exploratory=True),  # 30 days
    life(1, 25, 25, choice=Choice.SHIP, differs=True, is_sealed_before_data=False, has_learning=True),  # 24 days
    life(2, 60),  # stops after the end
    life(50, is_sealed_before_data=False),
    life(51),
]


def test_each_thing_is_counted_where_it_happened() -> None:
    found = figures(LIVES, from_on=date(2026, 1, 10), to_on=date(2026, 3, 7))
    assert (found.started, found.finished, found.decided) == (5, 3, 3)
    assert found.velocity == 5 * 28 / 56
    assert found.win_rate == Share(count=2, of=3)
    assert found.against_verdict == Share(count=1, of=3)
    assert found.median_days_to_decision == 30.0
    assert found.sealed_before_data == Share(count=3, of=5)
    assert found.exploratory == Share(count=1, of=3)
    assert found.learned == Share(count=2, of=3)
    assert found.months.begins_on == [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]
    assert (found.months.started, found.months.finished) == ([3, 0, 2], [2, 1, 0])
    assert (found.months.decided, found.months.shipped) == ([1, 2, 0], [1, 1, 0])


def test_median_of_two_is_half_way_and_days_are_not_rounded() -> None:
    later = life(0, 1, 3)
    half = replace(life(0, 1, 1), decided_at=START + timedelta(hours=36))
    assert figures([later, half], from_on=date(2026, 1, 1), to_on=date(2026, 2, 1)).median_days_to_decision == 2.25


def test_first_day_counts_and_the_last_does_not() -> None:
    midnight = datetime(2026, 1, 10, tzinfo=UTC)
    shifts = (timedelta(microseconds=-1), timedelta(0), timedelta(days=1, microseconds=-1), timedelta(days=1))
    edges = [replace(life(), started_at=midnight + shift) for shift in shifts]
    assert figures(edges, from_on=date(2026, 1, 10), to_on=date(2026, 1, 11)).started == 2


def test_nothing_gives_shares_of_none_and_months_of_zero() -> None:
    found = figures([], from_on=date(2025, 12, 31), to_on=date(2026, 1, 2))
    assert (found.win_rate.value, found.win_rate.interval, found.median_days_to_decision) == (None, None, None)
    assert found.velocity == 0
    assert found.months.begins_on == [date(2025, 12, 1), date(2026, 1, 1)]
    assert found.months.started == found.months.shipped == [0, 0]


def test_months_reach_over_years_and_to_the_end_of_the_calendar() -> None:
    assert len(list(months(date(2020, 2, 29), date(2030, 3, 1)))) == 121
    assert list(months(date(2026, 1, 31), date(2026, 2, 1))) == [date(2026, 1, 1)]
    assert list(months(date(9999, 11, 30), date.max)) == [date(9999, 11, 1), date(9999, 12, 1)]


@pytest.mark.parametrize(("count", "of"), [(0, 1), (1, 1), (1, 3), (3, 10), (0, 40), (40, 40), (57, 190)])
def test_interval_is_wilsons(count: int, of: int) -> None:
    found = Share(count=count, of=of).interval
    assert found is not None
    assert (found.lower, found.upper) == pytest.approx(proportion_confint(count, of, method="wilson"), abs=1e-12)
    assert found.level == 0.95


def test_time_without_a_day_is_refused() -> None:
    with pytest.raises(ValueError, match="one day"):
        figures([], from_on=date(2026, 1, 1), to_on=date(2026, 1, 1))

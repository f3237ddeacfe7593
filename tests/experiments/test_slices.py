"""Which slices a refresh derives: each rule of `slices.due`, by counting days."""

from datetime import date, timedelta

import pytest

from experiments.aggregation.slices import ALL, EVER, NONE, Piece, due, merged
from experiments.enums import Role
from experiments.planning.plan import PinnedDefinition, PlannedKpi
from kpi import kinds
from kpi.enums import Direction
from kpi.kinds import Activation, Retention, TimeToValue

FIRST = date(2026, 3, 1)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def days(first: int, end: int) -> frozenset[date]:
    return frozenset(day(number) for number in range(first, end))


def planned(number: int, kind: kinds.Kind) -> PlannedKpi:
    name, parameters = kinds.encode(kind)
    return PlannedKpi(
        kpi=f"kpi-{number}",
        name=f"KPI {number}",
        role=Role.PRIMARY,
        direction=Direction.HIGHER,
        definition=PinnedDefinition(id=number, version=1, kind=name, parameters=parameters, events=list(kind.events)),
        baseline=None,
        mde=None,
        margin=None,
        information=None,
    )


WEEK = planned(1, Activation(event="did", window_days=7))
THIRD_DAY = planned(2, Retention(event="did", day=3))  # its window ends after day 4 of a unit's own
TIMES = planned(3, TimeToValue(event="did", tau_days=5))


@pytest.mark.parametrize(
    ("stale", "before", "through"),
    [(NONE, None, day(20)), (ALL, day(19), day(20)), (NONE, day(20), day(19))],
    ids=["no refresh before", "everything is stale", "the clock went back"],
)
def test_due_without_something_to_build_on_is_everything(
    stale: frozenset[date] | None, before: date | None, through: date
) -> None:
    assert due([WEEK, TIMES], stale, before=before, through=through) == [
        Piece(days=None, first=EVER, kpis=(WEEK, TIMES), with_entries=True, waiting=(WEEK, TIMES))
    ]


def test_due_after_a_midnight_is_the_entries_of_the_day_and_the_one_day_that_became_final() -> None:
    # Day 20 begins: whoever entered on day 12 has had 7 whole days since the end of it, and nobody later.
    assert due([WEEK], NONE, before=day(19), through=day(20)) == [
        Piece(days=days(20, 21), kpis=(), with_entries=True),
        Piece(days=days(12, 13), kpis=(WEEK,)),
        Piece(days=days(19, 20), kpis=(), waiting=(WEEK,)),
    ]


def test_due_after_three_midnights_is_three_days_that_became_final() -> None:
    _, final, over = due([WEEK], NONE, before=day(17), through=day(20))
    assert final == Piece(days=days(10, 13), kpis=(WEEK,))
    assert over == Piece(days=days(17, 20), kpis=(), waiting=(WEEK,))


def test_due_within_a_day_is_nothing_where_nothing_is_stale() -> None:
    assert due([WEEK, THIRD_DAY], NONE, before=day(20), through=day(20)) == []


def test_due_of_a_stale_final_day_is_its_moments_and_its_entries() -> None:
    # Final and stale days are one piece: they are all of the days whose entries are counted anew.
    assert due([WEEK], days(2, 4), before=day(20), through=day(20)) == [
        Piece(days=days(2, 4), kpis=(WEEK,), with_entries=True),
        Piece(days=days(2, 4), kpis=(), waiting=(WEEK,)),
    ]


def test_due_of_a_stale_day_whose_window_is_open_is_its_entries_and_who_was_early() -> None:
    assert due([WEEK], days(18, 21), before=day(20), through=day(20)) == [
        Piece(days=days(18, 21), kpis=(), with_entries=True),
        Piece(days=days(18, 20), kpis=(), waiting=(WEEK,)),  # day 20 is not over
    ]


def test_due_of_a_stale_day_yet_to_come_is_nothing() -> None:
    assert due([WEEK], days(21, 23), before=day(20), through=day(20)) == []


def test_due_of_windows_of_two_lengths_is_a_piece_for_each() -> None:
    found = due([WEEK, THIRD_DAY], NONE, before=day(19), through=day(20))
    assert [(piece.days, piece.kpis) for piece in found[1:]] == [
        (days(12, 13), (WEEK,)),
        (days(15, 16), (THIRD_DAY,)),
        (days(19, 20), ()),
    ]
    assert found[-1].waiting == (WEEK,)  # a return waits for nothing new


def test_due_of_windows_of_one_length_is_one_piece() -> None:
    twin = planned(4, Activation(event="other", window_days=7))
    _, final, _ = due([WEEK, twin], NONE, before=day(19), through=day(20))
    assert final == Piece(days=days(12, 13), kpis=(WEEK, twin))


def test_due_of_durations_after_a_midnight_is_only_what_has_become_final_since() -> None:
    # Units of days 14 to 18 are between their first and their last of 5 days when day 19 ends.
    assert due([TIMES], NONE, before=day(19), through=day(20))[1:] == [
        Piece(days=days(14, 19), kpis=(TIMES,), since=day(19)),
        Piece(days=days(19, 20), kpis=(), waiting=(TIMES,)),
    ]


def test_due_of_durations_of_a_stale_day_is_the_whole_of_that_day() -> None:
    found = due([TIMES], days(15, 16), before=day(19), through=day(20))
    assert Piece(days=days(15, 16), kpis=(TIMES,)) in found
    assert Piece(days=days(14, 19) - days(15, 16), kpis=(TIMES,), since=day(19)) in found


CURVE = planned(5, Retention(event="did", day=3, has_curve=True))


def test_due_of_a_curve_after_a_midnight_is_its_number_whole_and_its_other_days_as_they_became_final() -> None:
    # Day 15's units are through their window when day 19 ends: all of them are read, and the curve with its number.
    assert due([CURVE], NONE, before=day(19), through=day(20))[1:] == [
        Piece(days=days(15, 16), kpis=(CURVE,)),
        Piece(days=days(16, 19), kpis=(CURVE,), since=day(19)),
    ]


def test_due_of_a_curve_of_a_stale_day_is_the_whole_of_that_day_though_its_window_is_open() -> None:
    found = due([CURVE], days(17, 18), before=day(19), through=day(20))
    assert [(piece.days, piece.since) for piece in found[1:]] == [
        (days(15, 16) | days(17, 18), None),
        (days(16, 19) - days(17, 18), day(19)),
    ]


def test_due_has_the_entries_first_because_they_name_the_segments() -> None:
    found = due([WEEK, THIRD_DAY, TIMES], days(3, 5), before=day(18), through=day(20))
    assert [piece.with_entries for piece in found] == [True] + [False] * (len(found) - 1)
    assert found[0].days == days(3, 5) | days(19, 21)


def test_due_derives_nothing_of_a_frozen_day() -> None:
    found = due([WEEK, TIMES], days(2, 15), before=day(19), through=day(20), floor=day(13))
    derived = frozenset[date]().union(*(piece.days or () for piece in found))
    assert derived == days(13, 21)


def test_due_of_everything_begins_at_the_floor() -> None:
    (piece,) = due([WEEK], ALL, before=day(19), through=day(20), floor=day(13))
    assert (piece.days, piece.first) == (None, day(13))


def test_merged_with_all_days_is_all_days() -> None:
    assert merged([days(1, 3), ALL, days(5, 6)]) is ALL
    assert merged([days(1, 3), days(5, 6)]) == days(1, 3) | days(5, 6)

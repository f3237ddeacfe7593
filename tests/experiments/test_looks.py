"""The calendar of looks, and the group-sequential test along it, held against `group_sequential` by hand."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from experiments.enums import Policy
from experiments.inference import looks
from experiments.inference.looks import NEWS, Course, Look, Seen, Span
from stats.sequential import group_sequential
from tests.experiments.planning import FIRST, day, plan

ALPHA = 0.05
PLANNED = 100.0
many = settings(max_examples=150, deadline=None, database=None, derandomize=True)


def seen(z: float, information: float) -> Seen:
    return Seen(difference=z / sqrt(information), variance=1 / information)


def four(is_final: Sequence[bool] = (False, False, False, True)) -> tuple[Look, ...]:
    return tuple(
        Look(number=number, planned_on=day(4 * number), is_final=final, is_horizon=final)
        for number, final in enumerate(is_final, start=1)
    )


def walked(*what: Seen | None) -> Course:
    return looks.course(four(), what, planned_information=PLANNED, alpha=ALPHA)


# --- the repeated interval of a guardrail ----------------------------------------------------------------------------


def halves(*variances: float) -> list[tuple[float, float] | None]:
    """The limits at each of two looks, on days 8 and 16 of a horizon of 16, around a difference of 0.3."""
    two = tuple(
        Look(number=number, planned_on=day(8 * number), is_final=number == 2, is_horizon=number == 2)
        for number in (1, 2)
    )
    what = [Seen(difference=0.3, variance=variance) for variance in variances]
    found = []
    for taken in range(len(what) + 1):
        seen_by = [*what[:taken], *[None] * (2 - taken)]
        one = looks.repeated(two, seen_by, [0.5, 1.0], planned=None, alpha=ALPHA)
        found.append(None if one is None else (one.lower, one.upper))
    return found


def test_repeated_interval_is_that_of_the_latest_look_by_the_bounds_of_lan_and_demets() -> None:
    # 2.9626 and 1.9686 standard errors with even looks (Proschan, Lan & Wittes 2006, Statistical Monitoring of Clinical
    # Trials, table of O'Brien-Fleming-like spending at 0.05).
    none, first, last = halves(0.02, 0.01)
    assert none is None
    assert first == pytest.approx((0.3 - 2.9626 * sqrt(0.02), 0.3 + 2.9626 * sqrt(0.02)), abs=1e-5)
    assert last == pytest.approx((0.3 - 1.9686 * 0.1, 0.3 + 1.9686 * 0.1), abs=1e-5)


def test_repeated_interval_spends_by_the_calendar_however_fast_the_units_come() -> None:
    _, first, _ = halves(1e-9, 1e-10)
    assert first == pytest.approx((0.3 - 2.9626 * sqrt(1e-9), 0.3 + 2.9626 * sqrt(1e-9)), abs=1e-9)


@pytest.mark.parametrize(
    ("share", "is_final", "bar"),
    [(1.0, True, norm.isf(0.025)), (2.0, True, norm.isf(0.025)), (0.1, True, 2.9626), (1.0, False, 2.9626)],
)
def test_repeated_interval_of_an_early_last_look_spends_by_information_if_that_is_further(
    share: float, is_final: bool, bar: float
) -> None:
    look = Look(number=1, planned_on=day(8), is_final=is_final, is_horizon=False)
    saw = Seen(difference=0.0, variance=1 / (share * PLANNED))
    found = looks.repeated([look], [saw], [0.5], planned=PLANNED, alpha=ALPHA)
    assert found is not None
    assert found.upper * sqrt(share * PLANNED) == pytest.approx(bar, abs=1e-4)


def test_repeated_intervals_show_a_guardrail_kept_that_lies_on_its_margin_in_one_case_of_forty() -> None:
    # The chance that one of the four lower limits clears the margin while the truth lies on it: alpha / 2.
    information = np.array([10.0, 20.0, 30.0, 40.0])
    bars = [
        (found.upper - found.lower) / 2 * sqrt(amount)
        for number, amount in enumerate(information, start=1)
        if (found := interval_of(information[:number])) is not None
    ]
    draw = np.random.default_rng(7)
    paths = draw.normal(size=(400_000, 4)).cumsum(axis=1) / 2 / np.sqrt(information / 40)
    share = (paths >= bars).any(axis=1).mean()
    assert abs(share - ALPHA / 2) < 4 * sqrt(ALPHA / 2 * (1 - ALPHA / 2) / 400_000)


def interval_of(information: Any) -> Any:
    what = [Seen(difference=0.0, variance=1 / amount) for amount in information]
    seen_by = [*what, *[None] * (4 - len(what))]
    return looks.repeated(four(), seen_by, [0.25, 0.5, 0.75, 1.0], planned=None, alpha=ALPHA)


# --- the calendar ----------------------------------------------------------------------------------------------------


def calendar(stopped_on: date | None = None, until: int = 2, **changes: Any) -> list[tuple[int, date, bool]]:
    made = looks.calendar(plan(**changes), Span(started_on=FIRST, frozen_on=stopped_on), until)
    return [(look.number, look.planned_on, look.is_final) for look in made]


def test_calendar_has_a_look_at_every_planned_day_and_the_last_is_the_horizon() -> None:
    assert calendar() == [(1, day(4), False), (2, day(8), False), (3, day(12), False), (4, day(16), True)]


def test_calendar_of_a_fixed_plan_is_the_horizon_alone() -> None:
    assert calendar(policy=Policy.FIXED) == [(1, day(16), True)]


def test_calendar_of_a_stopped_experiment_ends_when_the_last_unit_is_final() -> None:
    # A unit of day 9 is in a cohort that is whole at the midnight of day 10; its two days have passed at that of 12.
    assert calendar(stopped_on=day(9)) == [(1, day(4), False), (2, day(8), False), (3, day(12), True)]
    assert calendar(stopped_on=day(6)) == [(1, day(4), False), (2, day(8), False), (3, day(9), True)]


def test_calendar_stopped_before_the_first_look_has_one() -> None:
    assert calendar(stopped_on=day(0)) == [(1, day(3), True)]


@pytest.mark.parametrize("stopped", [13, 14, 40])
def test_calendar_stopped_too_late_to_matter_keeps_its_horizon(stopped: int) -> None:
    assert calendar(stopped_on=day(stopped)) == calendar()


@pytest.mark.parametrize(
    ("minimum", "ends", "expected"),
    [
        (None, {}, [(4, False), (8, False), (12, False), (16, False)]),
        (8, {}, [(4, True), (8, False), (12, False), (16, False)]),
        (9, {}, [(4, True), (8, True), (12, False), (16, False)]),
        (16, {}, [(4, True), (8, True), (12, True), (16, False)]),
        # Enrolment that ends on day 2 is final on day 5; what is final then is looked at on day 9.
        (9, {"frozen_on": day(2)}, [(4, True), (8, True), (9, False)]),
        (9, {"frozen_on": day(8)}, [(4, True), (8, True), (11, False)]),
        (9, {"frozen_on": day(2), "stopped_on": day(6)}, [(4, True), (6, True)]),
        (9, {"frozen_on": day(9), "stopped_on": day(10)}, [(4, True), (8, True), (10, False)]),
    ],
)
def test_calendar_look_before_the_minimum_is_early_and_an_early_freeze_waits_for_it(
    minimum: int | None, ends: dict[str, date], expected: list[tuple[int, bool]]
) -> None:
    made = looks.calendar(plan(minimum_days=minimum), Span(started_on=FIRST, **ends), until=2)
    assert [(look.planned_on, look.is_early) for look in made] == [(day(on), early) for on, early in expected]


def test_course_does_not_take_an_early_look_however_much_it_would_see() -> None:
    early = tuple(replace(look, is_early=look.number <= 2) for look in four())
    course = looks.course(early, [seen(9, 25), seen(9, 50), None, None], planned_information=PLANNED, alpha=ALPHA)
    assert course == Course(looks=early, last=None, is_over=False, adjusted=None)
    # What an untaken look would have spent is there for the next: Lan & DeMets (1983) spend by information alone.
    found = looks.course(early, [None, None, seen(2, 75), None], planned_information=PLANNED, alpha=ALPHA)
    alone = group_sequential.boundaries([0.75], alpha=ALPHA, information=[75.0])
    assert [look.boundary for look in found.looks] == [None, None, pytest.approx(alone[0]), None]


@many
@given(
    st.integers(1, 20), st.integers(0, 60), st.none() | st.integers(0, 90), st.integers(1, 30), st.sampled_from(Policy)
)
def test_calendar_days_grow_and_only_the_last_is_final(
    count: int, more: int, stopped: int | None, until: int, policy: Policy
) -> None:
    horizon = count + more
    made = calendar(None if stopped is None else day(stopped), until, looks=count, horizon_days=horizon, policy=policy)
    days = [on for _, on, _ in made]
    assert days == sorted(set(days))
    assert [number for number, _, _ in made] == list(range(1, len(made) + 1))
    assert [final for _, _, final in made] == [False] * (len(made) - 1) + [True]
    assert days[-1] == day(horizon if stopped is None else min(horizon, stopped + 1 + until))


# --- the course ------------------------------------------------------------------------------------------------------


def test_course_before_the_first_look_says_nothing() -> None:
    assert walked(None, None, None, None) == Course(looks=four(), last=None, is_over=False, adjusted=None)


def test_course_boundaries_are_those_of_the_information_seen() -> None:
    course = walked(seen(1, 25), seen(1, 45), seen(1, 80), seen(1, 97))
    clock, information = [0.25, 0.45, 0.80, 1.0], [25.0, 45.0, 80.0, 97.0]
    by_hand = group_sequential.boundaries(clock, alpha=ALPHA, information=information)
    assert [look.boundary for look in course.looks] == pytest.approx(list(by_hand))
    assert [look.information_fraction for look in course.looks] == pytest.approx([0.25, 0.45, 0.80, 0.97])
    assert [look.lower for look in course.looks] == pytest.approx((1 - by_hand) / np.sqrt(information))
    assert [look.upper for look in course.looks] == pytest.approx((1 + by_hand) / np.sqrt(information))


def test_course_of_two_equal_looks_has_the_published_boundaries() -> None:
    # Two-sided 0.05, O'Brien-Fleming-type spending, looks at 0.5 and 1: 2.9626 and 1.9686 (R package ldbounds 2.0).
    pair = (
        Look(number=1, planned_on=day(4), is_final=False, is_horizon=False),
        Look(number=2, planned_on=day(8), is_final=True, is_horizon=True),
    )
    course = looks.course(pair, [seen(0, 50), seen(0, 100)], planned_information=PLANNED, alpha=ALPHA)
    assert [look.boundary for look in course.looks] == pytest.approx([2.9626, 1.9686], abs=1e-4)


def test_course_of_one_final_look_is_the_fixed_test() -> None:
    only = (Look(number=1, planned_on=day(16), is_final=True, is_horizon=True),)
    for z, crossed in ((1.95, False), (-1.97, True)):
        course = looks.course(only, [seen(z, 60)], planned_information=PLANNED, alpha=ALPHA)
        assert course.last is not None
        assert course.last.boundary == pytest.approx(norm.isf(ALPHA / 2))
        assert (course.is_over, course.has_crossed) == (True, crossed)
        assert course.p_value == pytest.approx(2 * norm.sf(abs(z)))


def test_course_goes_on_while_looks_are_left() -> None:
    course = walked(seen(1, 25), seen(1, 50), None, None)
    assert (course.is_over, course.has_crossed, course.p_value) == (False, False, None)
    assert course.last == course.looks[1]
    assert [look.is_taken for look in course.looks] == [True, True, False, False]


def test_course_look_that_sees_nothing_new_is_not_taken() -> None:
    course = walked(seen(1, 25), seen(1, 25 * NEWS), seen(1, 24), seen(1, 50))
    assert [look.is_taken for look in course.looks] == [True, False, False, True]
    by_hand = group_sequential.boundaries([0.25, 1.0], alpha=ALPHA, information=[25, 50])
    assert [course.looks[0].boundary, course.looks[3].boundary] == pytest.approx(list(by_hand))


@pytest.mark.parametrize("information", [50.0, 49.0, 50.01])
def test_course_final_look_is_taken_and_spends_the_rest_even_if_nobody_came_since(information: float) -> None:
    course = walked(seen(2.5, 50), None, None, seen(2.5, information))
    by_hand = group_sequential.boundaries([0.5, 1.0], alpha=ALPHA, information=[50, max(50, information)])
    assert course.looks[-1].boundary == pytest.approx(by_hand[-1])
    assert by_hand[-1] < 2.5 < by_hand[0]
    assert (course.is_over, course.has_crossed) == (True, True)


@pytest.mark.parametrize("variance", [0.0, float("nan"), float("inf")])
def test_course_look_without_information_is_not_taken(variance: float) -> None:
    course = walked(Seen(difference=1.0, variance=variance), seen(1, 50), None, None)
    assert [look.is_taken for look in course.looks] == [False, True, False, False]


def test_course_final_look_spends_what_is_left_however_little_it_brings() -> None:
    course = walked(seen(1, 10), seen(1, 20), seen(1, 30), seen(3, 40))
    by_hand = group_sequential.boundaries([0.1, 0.2, 0.3, 1.0], alpha=ALPHA, information=[10, 20, 30, 40])
    assert course.looks[-1].boundary == pytest.approx(by_hand[-1])
    spent = group_sequential.crossing_probability(by_hand, [10, 20, 30, 40], 0.0).sum()
    assert spent == pytest.approx(ALPHA)
    assert (course.is_over, course.has_crossed) == (True, True)


def test_course_overrun_of_the_planned_information_ends_the_test() -> None:
    course = walked(seen(1, 25), seen(1, 130), seen(5, 150), seen(9, 200))
    assert [look.is_taken for look in course.looks] == [True, True, False, False]
    assert (course.is_over, course.has_crossed, course.last) == (True, False, course.looks[1])
    assert course.looks[1].information_fraction == pytest.approx(1.3)
    by_hand = group_sequential.boundaries([0.25, 1.0], alpha=ALPHA, information=[25, 130])
    assert course.looks[1].boundary == pytest.approx(by_hand[1])


def test_course_crossing_is_never_taken_back() -> None:
    crossed = walked(seen(1, 25), seen(4, 50), None, None)
    later = walked(seen(1, 25), seen(4, 50), seen(-6, 75), seen(0, 100))
    assert crossed == later
    assert (later.is_over, later.has_crossed, later.last) == (True, True, later.looks[1])
    assert [look.is_taken for look in later.looks] == [True, True, False, False]


def test_course_p_value_is_stage_wise_so_that_an_earlier_crossing_is_stronger() -> None:
    early, late = walked(seen(1, 25), seen(3.5, 50), None, None), walked(seen(1, 25), seen(1, 50), seen(3.5, 75), None)
    bars = group_sequential.boundaries([0.25, 0.5, 0.75], alpha=ALPHA)
    for course, reached in ((early, [bars[0], 3.5]), (late, [bars[0], bars[1], 3.5])):
        shares = [0.25, 0.5, 0.75][: len(reached)]
        assert course.p_value == pytest.approx(group_sequential.crossing_probability(reached, shares, 0.0).sum())
    assert early.p_value is not None
    assert late.p_value is not None
    assert early.p_value < late.p_value < ALPHA


walks = st.lists(st.none() | st.tuples(st.floats(-6, 6), st.floats(1e-3, 300)), min_size=4, max_size=4)


@many
@given(walks)
def test_course_p_value_is_at_most_alpha_exactly_where_a_boundary_is_crossed(
    walk: list[tuple[float, float] | None],
) -> None:
    course = walked(*(None if one is None else seen(*one) for one in walk))
    for look in course.looks:
        if look.is_taken:
            assert look.lower is not None
            assert look.upper is not None
            assert look.has_crossed == (not look.lower < 0 < look.upper)
    assert (course.p_value is not None) == course.is_over
    if course.p_value is not None:
        assert 0 <= course.p_value <= 1
        assert (course.p_value <= ALPHA + 1e-9) == course.has_crossed


@many
@given(walks, st.integers(0, 3))
def test_course_of_an_earlier_day_is_what_it_was(walk: list[tuple[float, float] | None], cut: int) -> None:
    all_of_it = [None if one is None else seen(*one) for one in walk]
    earlier = walked(*all_of_it[:cut], *[None] * (4 - cut))
    whole = walked(*all_of_it)
    for then, now in zip(earlier.looks[:cut], whole.looks[:cut], strict=True):
        assert (then.is_taken, then.has_crossed) == (now.is_taken, now.has_crossed)
        assert then.boundary == pytest.approx(now.boundary)
    if earlier.is_over:
        assert whole == earlier

"""The scale, its ticks and its span."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.charts.scale import MOST_TICKS, Scale, day_steps, decimals, span, ticks

numbers = st.floats(-1e9, 1e9, allow_nan=False)
lengths = st.floats(1e-6, 1e9, allow_nan=False)


@given(numbers, st.floats(1e3, 1e9), st.integers(1, 9))
def test_ticks_of_any_span_lie_inside_it_evenly_and_are_few(lower: float, length: float, count: int) -> None:
    upper = lower + length
    found = ticks(lower, upper, count)
    slack = 1e-6 * max(abs(lower), abs(upper), length)
    assert all(lower - slack <= tick <= upper + slack for tick in found)
    assert len(found) <= count + 1 <= MOST_TICKS
    gaps = {round((b - a) / length, 4) for a, b in pairwise(found)}
    assert len(gaps) <= 1


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-0.13, 0.21, [-0.1, 0, 0.1, 0.2]),
        (0, 14, [0, 5, 10]),
        (3, 47, [10, 20, 30, 40]),
    ],
)
def test_ticks_of_a_plain_span_are_the_ones_a_person_would_draw(
    lower: float, upper: float, expected: list[float]
) -> None:
    assert ticks(lower, upper) == pytest.approx(expected)


@pytest.mark.parametrize(("lower", "upper"), [(1.0, 1.0), (2.0, 1.0), (0.0, math.inf), (math.nan, 1.0)])
def test_ticks_of_no_span_are_refused(lower: float, upper: float) -> None:
    with pytest.raises(ValueError, match="finite span"):
        ticks(lower, upper)


@pytest.mark.parametrize(("step", "expected"), [(1, 0), (0.5, 1), (0.2, 1), (0.05, 2), (20, 0), (0.001, 3), (0, 0)])
def test_decimals_tell_neighbouring_ticks_apart(step: float, expected: int) -> None:
    assert decimals(step) == expected


@given(st.lists(st.none() | numbers | st.just(math.nan) | st.just(math.inf)))
def test_span_holds_zero_and_every_finite_value_and_is_never_empty(values: list[float | None]) -> None:
    lower, upper = span(values)
    assert lower < upper
    assert lower <= 0 <= upper
    assert all(lower <= value <= upper for value in values if value is not None and math.isfinite(value))


@given(numbers, lengths, numbers)
def test_scale_puts_every_number_on_the_paper(lower: float, length: float, value: float) -> None:
    scale = Scale(lower=lower, upper=lower + length + 1e-3, start=20, end=300)
    assert 20 - 1e-6 <= scale(value) <= 300 + 1e-6


def test_scale_upside_down_maps_ends_to_ends_and_the_middle_to_the_middle() -> None:
    scale = Scale(lower=-1, upper=3, start=200, end=0)
    assert (scale(-1), scale(1), scale(3), scale(9)) == (200, 100, 0, 0)
    assert scale.holds(3)
    assert not scale.holds(3.01)


@given(st.integers(1, 1200), st.integers(1, 12))
def test_day_steps_of_a_long_run_are_even_and_few(count: int, most: int) -> None:
    found = day_steps(count, most)
    assert found[0] == 0
    assert found[-1] < count
    assert len(found) <= most


def test_day_steps_of_four_weeks_fall_on_the_same_weekday() -> None:
    assert list(day_steps(28, 5)) == [0, 7, 14, 21]

"""The course of a KPI over the periods of a review: its values with their intervals, and the target."""

from collections.abc import Callable, Sequence

from markupsafe import Markup

from web.charts.axes import Paper, level, place_axis, runs, value_axis
from web.charts.scale import day_steps
from web.charts.svg import circle, drawing, path

PAPER = Paper(width=360, height=180, left=60, right=24, top=12, bottom=30, tick_count=4, label_count=4, name="course")
MARGIN = 0.08
Column = Sequence[float | None]


def course(
    starts: Sequence[str],
    values: Column,
    lower: Column,
    upper: Column,
    *,
    target: float | None,
    label: str,
    tick_text: Callable[[float, float], str],
) -> Markup:
    """The chart of the periods, by the words of their first days; `tick_text(value, step)` writes an axis number.

    Raises ValueError when no period has a value.
    """
    across, up = PAPER.across(0, max(1, len(starts) - 1)), PAPER.upward(*_span([*values, *lower, *upper, target]))
    places = [across(at) for at in range(len(starts))]
    bands = [
        path(
            [*((x, up(low)) for x, low, _ in run), *((x, up(high)) for x, _, high in reversed(run))],
            "band treatment",
            is_closed=True,
        )
        for run in runs(places, lower, upper)
    ]
    found = runs(places, values)
    parts = [
        *value_axis(PAPER, up, tick_text),
        *bands,
        *([] if target is None else [level(PAPER, up, target, "reference")]),
        *(path([(x, up(value)) for x, value in run], "line treatment") for run in found),
        *(circle(x, up(value), 4, "mark treatment") for x, value in found[-1][-1:]),
        *place_axis(PAPER, [(places[at], starts[at]) for at in day_steps(len(starts), PAPER.label_count)]),
    ]
    return drawing(*parts, width=PAPER.width, height=PAPER.height, label=label, class_="plot course")


def _span(numbers: Column) -> tuple[float, float]:
    """From the least number to the largest and a little beyond, without zero: a course is about what changed."""
    known = [number for number in numbers if number is not None]
    if not known:
        raise ValueError("a course has one value at least")
    room = (max(known) - min(known)) * MARGIN or abs(max(known)) * MARGIN or 1.0
    return min(known) - room, max(known) + room

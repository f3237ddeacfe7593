"""The share that has reached first value, day by day: steps, bands, and the number still waiting under the axis."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from web.charts.axes import Paper, Points, place_axis, runs, value_axis
from web.charts.scale import Scale, day_steps
from web.charts.svg import drawing, group, path, text

LINE = 17.0
"""Height of one line of the table under the axis."""
MARGIN = 34.0
"""Extra room on the left for the names of the arms beside their counts."""
LONGEST = 11
"""Letters of an arm's name that fit into that room."""


Column = Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One arm: shares by the end of each day (None where unknown), and the number at risk at its start."""

    name: str
    style: str
    """control (dashed) or treatment (solid)."""
    reached: Column
    lower: Column
    upper: Column
    at_risk: Sequence[int]


def survival(days: Sequence[int], curves: Sequence[Curve], paper: Paper, *, label: str) -> Markup:
    """The chart of the curves over `days` (whole days since exposure, from 1), drawn as steps from nobody at day 0."""
    below = LINE * (len(curves) + 2)
    paper = replace(paper, height=paper.height + below, bottom=paper.bottom + below, left=paper.left + MARGIN)
    across = paper.across(0, max([1, *days]))
    up = paper.upward(0.0, _ceiling(curves))
    shown = day_steps(max([1, *days]) + 1, paper.label_count)
    parts = [
        *value_axis(paper, up, lambda value, _: f"{value:.0%}"),
        *(mark for curve in curves for mark in _bands(days, curve, across, up)),
        *(mark for curve in curves for mark in _lines(days, curve, across, up)),
        *place_axis(paper, [(across(day), str(day)) for day in shown]),
        *_at_risk(days, curves, shown, across, paper),
    ]
    return drawing(*parts, width=paper.width, height=paper.height, label=label, class_=f"plot {paper.name}")


def _ceiling(curves: Sequence[Curve]) -> float:
    shares = [share for curve in curves for share in (*curve.reached, *curve.upper) if share is not None]
    highest = max([0.0, *shares])
    return next(top for top in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, max(1.0, highest)) if top >= highest)


def _lines(days: Sequence[int], curve: Curve, across: Scale, up: Scale) -> list[Markup]:
    stretches = runs([0, *days], [0.0, *curve.reached])
    return [path(_steps(stretch, 1, across, up), f"line {curve.style}") for stretch in stretches]


def _bands(days: Sequence[int], curve: Curve, across: Scale, up: Scale) -> list[Markup]:
    return [
        path(
            [*_steps(stretch, 1, across, up), *reversed(_steps(stretch, 2, across, up))],
            f"band {curve.style}",
            is_closed=True,
        )
        for stretch in runs(days, curve.lower, curve.upper)
    ]


def _steps(stretch: Sequence[tuple[float, ...]], column: int, across: Scale, up: Scale) -> Points:
    """Flat until the next day, then straight up: nothing between two days is invented."""
    points: Points = []
    for day, *values in stretch:
        y = up(values[column - 1])
        points += [(across(day), points[-1][1] if points else y), (across(day), y)]
    return points


def _at_risk(
    days: Sequence[int], curves: Sequence[Curve], shown: Sequence[int], across: Scale, paper: Paper
) -> list[Markup]:
    base = paper.height - paper.bottom + 22 + LINE
    heading = text(0, base, "Still waiting (number at risk), by day since exposure", "axis")
    rows = [_risk_row(days, curve, shown, across, base + LINE * row) for row, curve in enumerate(curves, start=1)]
    return [heading, *rows]


def _risk_row(days: Sequence[int], curve: Curve, shown: Sequence[int], across: Scale, y: float) -> Markup:
    """Who is at risk at a place on the axis is who is at risk when the day after it starts."""
    waiting = {day - 1: units for day, units in zip(days, curve.at_risk, strict=True)}
    counts = [text(across(day), y, f"{waiting[day]:,}", "tick", "middle") for day in shown if day in waiting]
    return group([text(0, y, _fitted(curve.name), f"arm {curve.style}"), *counts])


def _fitted(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1].rstrip() + "…"

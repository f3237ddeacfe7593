"""Shares by day since exposure: steps, bands, and the number at risk under the axis."""

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
    """One arm: the share of each day (None where unknown), and the number it rests on."""

    name: str
    style: str
    """control (dashed) or treatment (solid)."""
    share: Column
    lower: Column
    upper: Column
    at_risk: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a share by day is drawn: what stands above the counts, and from where to where a day's share holds."""

    heading: str
    delay: int
    """Days after its beginning that a day's share is known: 1 of what has happened by its end, 0 of what did in it."""


WAYS = {
    "REACHED": Way(heading="Still waiting (number at risk), by day since {since}", delay=1),
    "RETURNED": Way(heading="Watched so long (number at risk), by day since {since}", delay=0),
    "REMAINED": Way(heading="Watched to the last day (number at risk), by day since {since}", delay=0),
}


def curves(
    days: Sequence[int], arms: Sequence[Curve], paper: Paper, *, of: str, label: str, since: str = "exposure"
) -> Markup:
    """The chart of the arms over `days` since exposure: REACHED as steps up from nobody, others a step for each day.

    The days are whole ones from 1; of REACHED those that are over, of others those that begin so many days after.
    `since` names what they are counted from.
    """
    way, last = WAYS[of], max([1, *days])
    below = LINE * (len(arms) + 2)
    paper = replace(paper, height=paper.height + below, bottom=paper.bottom + below, left=paper.left + MARGIN)
    across = paper.across(0, last + 1 - way.delay)
    up = paper.upward(0.0, _ceiling(arms))
    shown = day_steps(last + 1, paper.label_count)
    parts = [
        *value_axis(paper, up, lambda value, _: f"{value:.0%}"),
        *(mark for arm in arms for mark in _bands(days, arm, way, across, up)),
        *(mark for arm in arms for mark in _lines(days, arm, way, across, up)),
        *place_axis(paper, [(across(day), str(day)) for day in shown]),
        *_at_risk(days, arms, replace(way, heading=way.heading.format(since=since)), shown, across, paper),
    ]
    return drawing(*parts, width=paper.width, height=paper.height, label=label, class_=f"plot {paper.name}")


def _ceiling(curves: Sequence[Curve]) -> float:
    shares = [share for curve in curves for share in (*curve.share, *curve.upper) if share is not None]
    highest = max([0.0, *shares])
    return next(top for top in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, max(1.0, highest)) if top >= highest)


def _lines(days: Sequence[int], curve: Curve, way: Way, across: Scale, up: Scale) -> list[Markup]:
    stretches = runs([0, *days], [0.0, *curve.share]) if way.delay else _held(runs(days, curve.share))
    return [path(_steps(stretch, 1, across, up), f"line {curve.style}") for stretch in stretches]


def _held(stretches: list[list[tuple[float, ...]]]) -> list[list[tuple[float, ...]]]:
    """Each stretch with its last share held to the end of its day."""
    return [[*stretch, (stretch[-1][0] + 1, *stretch[-1][1:])] for stretch in stretches]


def _bands(days: Sequence[int], curve: Curve, way: Way, across: Scale, up: Scale) -> list[Markup]:
    stretches = runs(days, curve.lower, curve.upper)
    return [
        path(
            [*_steps(stretch, 1, across, up), *reversed(_steps(stretch, 2, across, up))],
            f"band {curve.style}",
            is_closed=True,
        )
        for stretch in (stretches if way.delay else _held(stretches))
    ]


def _steps(stretch: Sequence[tuple[float, ...]], column: int, across: Scale, up: Scale) -> Points:
    """Flat until the next day, then straight up: nothing between two days is invented."""
    points: Points = []
    for day, *values in stretch:
        y = up(values[column - 1])
        points += [(across(day), points[-1][1] if points else y), (across(day), y)]
    return points


def _at_risk(
    days: Sequence[int], arms: Sequence[Curve], way: Way, shown: Sequence[int], across: Scale, paper: Paper
) -> list[Markup]:
    base = paper.height - paper.bottom + 22 + LINE
    begun = [day - way.delay for day in days]
    rows = [_risk_row(begun, arm, shown, across, base + LINE * row) for row, arm in enumerate(arms, start=1)]
    return [text(0, base, way.heading, "axis"), *rows]


def _risk_row(begun: Sequence[int], curve: Curve, shown: Sequence[int], across: Scale, y: float) -> Markup:
    """Who is at risk at a place on the axis is who is at risk on the day that begins there."""
    counted = dict(zip(begun, curve.at_risk, strict=True))
    counts = [text(across(day), y, f"{counted[day]:,}", "tick", "middle") for day in shown if day in counted]
    return group([text(0, y, _fitted(curve.name), f"arm {curve.style}"), *counts])


def _fitted(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1].rstrip() + "…"

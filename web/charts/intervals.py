"""An estimate and its intervals day by day, with the zero line and the looks that were taken."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from web.charts.axes import Paper, level, place_axis, runs, value_axis
from web.charts.scale import Scale, day_steps, span
from web.charts.svg import circle, drawing, group, line, path, text

SETTLING = 3
"""The first third of the days may run off the paper: early intervals are so wide that they would flatten the rest."""

Column = Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Parallel columns, one entry a day; None where a day has no answer (a bound may also be infinite)."""

    days: Sequence[str]
    estimate: Column
    lower: Column
    upper: Column
    always_lower: Column
    always_upper: Column


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A look that was taken: the position of its day, its name, and the interval it gave (None where it has none)."""

    at: int
    name: str
    lower: float | None
    upper: float | None


def intervals(
    series: Series,
    looks: Sequence[Look],
    paper: Paper,
    *,
    label: str,
    tick_text: Callable[[float, float], str],
) -> Markup:
    """The chart of the days, with the looks on it; `tick_text(value, step)` writes an axis number."""
    count = len(series.days)
    across = paper.across(0, max(1, count - 1))
    up = paper.upward(*_span(series))
    labelled = [(across(at), series.days[at]) for at in day_steps(count, paper.label_count)]
    parts = [
        *value_axis(paper, up, tick_text),
        *_bands(series, across, up),
        level(paper, up, 0.0, "zero"),
        *_line(series, across, up),
        *(_look(paper, look, across(look.at), up) for look in looks),
        *place_axis(paper, labelled),
    ]
    return drawing(*parts, width=paper.width, height=paper.height, label=label, class_=f"plot {paper.name}")


def _span(series: Series) -> tuple[float, float]:
    start = len(series.days) // SETTLING
    settled = [*series.lower[start:], *series.upper[start:], *series.always_lower[start:], *series.always_upper[start:]]
    return span([*series.estimate[start:], *settled])


def _bands(series: Series, across: Scale, up: Scale) -> list[Markup]:
    days = [across(at) for at in range(len(series.days))]
    always = [_band(run, up) for run in runs(days, series.always_lower, series.always_upper)]
    return [
        *always,
        *_edges(days, series.always_lower, series.always_upper, up, "edge-always"),
        *_edges(days, series.lower, series.upper, up, "edge-single"),
    ]


def _band(run: list[tuple[float, ...]], up: Scale) -> Markup:
    lower = [(x, up(low)) for x, low, _ in run]
    upper = [(x, up(high)) for x, _, high in run]
    return path([*lower, *reversed(upper)], "band-always", is_closed=True)


def _edges(days: Sequence[float], lower: Column, upper: Column, up: Scale, class_: str) -> list[Markup]:
    """Both bounds as lines, left out where they are off the paper."""
    return [
        path([(x, up(value)) for x, value in run], class_)
        for column in (lower, upper)
        for run in runs(days, [value if value is not None and up.holds(value) else None for value in column])
    ]


def _line(series: Series, across: Scale, up: Scale) -> list[Markup]:
    found = runs([across(at) for at in range(len(series.days))], series.estimate)
    last = [circle(x, up(value), 4, "mark treatment") for x, value in (run[-1] for run in found[-1:])]
    return [*(path([(x, up(value)) for x, value in run], "line treatment") for run in found), *last]


def _look(paper: Paper, look: Look, x: float, up: Scale) -> Markup:
    marks = [line(x, paper.top - 4, x, paper.height - paper.bottom, "look")]
    if look.lower is not None and look.upper is not None:
        low, high = up(look.lower), up(look.upper)
        marks += [line(x, low, x, high, "whisker look-interval")]
        marks += [line(x - 5, y, x + 5, y, "whisker look-interval") for y in (low, high)]
    name = text(x, paper.top - 9, look.name, "look-name", "middle")
    return group([*marks, name], title=f"Look {look.name}")

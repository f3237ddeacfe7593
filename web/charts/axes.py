"""The frame of a chart over time: paper sizes, the two axes and their numbers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from web.charts.scale import Scale, ticks
from web.charts.svg import line, text

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """One size to draw on: the outer size and the room kept free around the plot."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    tick_count: int
    label_count: int
    name: str

    def across(self, lower: float, upper: float) -> Scale:
        """The scale from left to right."""
        return Scale(lower=lower, upper=upper, start=self.left, end=self.width - self.right)

    def upward(self, lower: float, upper: float) -> Scale:
        """The scale from the bottom to the top."""
        return Scale(lower=lower, upper=upper, start=self.height - self.bottom, end=self.top)


WIDE = Paper(width=700, height=300, left=66, right=24, top=26, bottom=34, tick_count=5, label_count=9, name="wide")
NARROW = Paper(width=360, height=250, left=54, right=22, top=26, bottom=34, tick_count=5, label_count=5, name="narrow")
HALF = Paper(width=500, height=270, left=44, right=24, top=16, bottom=34, tick_count=5, label_count=5, name="wide")
SIZES = (WIDE, NARROW)


def value_axis(paper: Paper, up: Scale, write: Callable[[float, float], str]) -> list[Markup]:
    """Light lines across the plot with their numbers on the left; `write(value, step)` words a number."""
    places = ticks(up.lower, up.upper, paper.tick_count)
    step = places[1] - places[0] if len(places) > 1 else 1.0
    lines = [line(paper.left, up(at), paper.width - paper.right, up(at), "grid") for at in places]
    edges = [line(paper.left, y, paper.width - paper.right, y, "grid") for y in (up.start, up.end)]
    return [*edges, *lines, *(text(paper.left - 8, up(at) + 4, write(at, step), "tick", "end") for at in places)]


def level(paper: Paper, up: Scale, value: float, class_: str) -> Markup:
    """One line right across the plot."""
    return line(paper.left, up(value), paper.width - paper.right, up(value), class_)


def place_axis(paper: Paper, places: Iterable[tuple[float, str]]) -> list[Markup]:
    """Short strokes and words under the plot, at places already on the paper."""
    base = paper.height - paper.bottom
    marks: list[Markup] = []
    for x, words in places:
        marks += [line(x, base, x, base + 5, "stroke"), text(x, base + 19, words, "tick", "middle")]
    return marks


def runs(xs: Sequence[float], *columns: Sequence[float | None]) -> list[list[tuple[float, ...]]]:
    """The unbroken stretches in which every column has a number, as tuples (x, column 1, column 2, ...)."""
    stretches: list[list[tuple[float, ...]]] = [[]]
    for row in zip(xs, *columns, strict=True):
        if any(value is None for value in row):
            stretches.append([])
        else:
            stretches[-1].append(tuple(value for value in row if value is not None))
    return [stretch for stretch in stretches if stretch]

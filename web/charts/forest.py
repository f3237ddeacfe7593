"""A forest plot: one row a comparison, its estimate as a mark and its interval as a line, on one shared scale."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from web.charts.scale import Scale, span, ticks
from web.charts.svg import circle, diamond, drawing, element, group, line, path, text

WIDEST = 1.0
"""Intervals beyond a doubling or a total loss are cut with an arrow, unless an estimate itself lies further out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison, in words and numbers; None stands for an answer that does not exist or a bound at infinity."""

    section: str
    name: str
    detail: str
    answer: str
    reading: str
    tone: str
    """better, worse, unclear or missing: picks shape and colour."""
    estimate: float | None
    lower: float | None
    upper: float | None
    reference: float | None = None
    """The planned effect or the margin, drawn as a dashed tick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Where things stand on one size of paper."""

    width: float
    left: float
    right: float
    row: float
    mark: float
    """Depth of the mark inside its row."""
    reach: float
    """How far the grid goes above and below the mark: on narrow paper it must not cross the words."""
    tick_count: int
    name: str


WIDE = Sheet(width=960, left=290, right=640, row=50, mark=25, reach=25, tick_count=6, name="wide")
NARROW = Sheet(width=360, left=12, right=348, row=88, mark=68, reach=12, tick_count=4, name="narrow")
SIZES = (WIDE, NARROW)
SECTION = 28.0
FOOT = 46.0


def forest(rows: Sequence[Row], sheet: Sheet, *, label: str, tick_text: Callable[[float, float], str]) -> Markup:
    """The plot of the rows in their order, under a heading for each section.

    `tick_text(value, step)` writes an axis number; `label` is the sentence a screen reader says.
    """
    lower, upper = _span(rows)
    scale = Scale(lower=lower, upper=upper, start=sheet.left, end=sheet.right)
    body: list[Markup] = []
    top = 0.0
    for section, members in groupby(rows, key=lambda row: row.section):
        body.append(_section(section, top, sheet))
        top += SECTION
        for row in members:
            body.append(_row(row, top, sheet, scale))
            top += sheet.row
    body += _axis(scale, top, sheet, tick_text)
    return drawing(*body, width=sheet.width, height=top + FOOT, label=label, class_=f"plot forest {sheet.name}")


def _span(rows: Sequence[Row]) -> tuple[float, float]:
    furthest = max([WIDEST, *(1.1 * abs(row.estimate) for row in rows if row.estimate is not None)])
    drawn = [value for row in rows if row.estimate is not None for value in (row.lower, row.estimate, row.upper)]
    marks = [row.reference for row in rows if row.estimate is not None]
    return span(max(-furthest, min(furthest, value)) for value in [*drawn, *marks] if value is not None)


def _axis(scale: Scale, base: float, sheet: Sheet, tick_text: Callable[[float, float], str]) -> list[Markup]:
    places = ticks(scale.lower, scale.upper, sheet.tick_count)
    step = places[1] - places[0] if len(places) > 1 else 1.0
    rule = line(scale.start, base, scale.end, base, "stroke")
    numbers = [text(scale(at), base + 18, tick_text(at, step), "tick", "middle") for at in places]
    ends = [
        text(scale.start, base + 37, "← lower than control", "axis"),
        text(scale.end, base + 37, "higher →", "axis", "end"),
    ]
    return [rule, *numbers, *ends]


def _grid(scale: Scale, y: float, sheet: Sheet) -> list[Markup]:
    """The stretch of the grid that belongs to one row."""
    places = [(scale(at), "zero" if at == 0 else "grid") for at in ticks(scale.lower, scale.upper, sheet.tick_count)]
    return [line(x, y - sheet.reach, x, y + sheet.reach, class_) for x, class_ in places]


def _section(name: str, top: float, sheet: Sheet) -> Markup:
    rule = line(0, top + SECTION - 4, sheet.width, top + SECTION - 4, "rule")
    return group([text(0, top + SECTION - 10, name, "section"), rule])


def _row(row: Row, top: float, sheet: Sheet, scale: Scale) -> Markup:
    words = _beside(row, top, sheet) if sheet is WIDE else _above(row, top)
    y = top + sheet.mark
    return group(
        [*_grid(scale, y, sheet), *words, *_marks(row, y, scale)],
        title=f"{row.name}, {row.detail}: {row.answer}. {row.reading}",
        class_="row",
    )


def _beside(row: Row, top: float, sheet: Sheet) -> list[Markup]:
    answer_at = sheet.right + 24
    return [
        text(0, top + 21, _fitted(row.name, 36), "name"),
        text(0, top + 38, _fitted(row.detail, 42), "detail"),
        text(answer_at, top + 21, _fitted(row.answer, 40), "answer"),
        text(answer_at, top + 38, _fitted(row.reading, 42), f"reading {row.tone}"),
    ]


def _above(row: Row, top: float) -> list[Markup]:
    return [
        text(0, top + 16, _fitted(row.name, 44), "name"),
        text(0, top + 32, _fitted(row.detail, 52), "detail"),
        text(0, top + 50, _fitted(f"{row.reading} · {row.answer}", 52), f"reading {row.tone}"),
    ]


def _marks(row: Row, y: float, scale: Scale) -> list[Markup]:
    if row.estimate is None:
        return [line(scale.start, y, scale.end, y, "nothing")]
    reference = [line(scale(row.reference), y - 11, scale(row.reference), y + 11, "reference")] if row.reference else []
    return [*reference, *_whisker(row, y, scale), _point(row.tone, scale(row.estimate), y)]


def _whisker(row: Row, y: float, scale: Scale) -> list[Markup]:
    lower = scale.lower if row.lower is None else row.lower
    upper = scale.upper if row.upper is None else row.upper
    ends = [_end(lower, row.lower, -1, y, scale, row.tone), _end(upper, row.upper, 1, y, scale, row.tone)]
    return [line(scale(lower), y, scale(upper), y, f"whisker {row.tone}"), *ends]


def _end(at: float, bound: float | None, side: int, y: float, scale: Scale, tone: str) -> Markup:
    """A cap where the interval ends on the paper, an arrow where it goes on beyond it."""
    x = scale(at)
    if bound is not None and scale.holds(bound):
        return line(x, y - 5, x, y + 5, f"whisker {tone}")
    return path([(x, y), (x - side * 8, y - 5), (x - side * 8, y + 5)], f"arrow {tone}", is_closed=True)


def _point(tone: str, x: float, y: float) -> Markup:
    if tone == "worse":
        return diamond(x, y, 7.5, "mark worse")
    if tone == "better":
        return circle(x, y, 6.5, "mark better")
    return element("rect", x=x - 5, y=y - 5, width=10, height=10, class_="mark unclear")


def _fitted(words: str, length: int) -> str:
    return words if len(words) <= length else words[: length - 1].rstrip() + "…"

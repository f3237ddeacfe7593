"""The planned looks: the boundary to cross, and the statistic at each look that was taken."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from web.charts.axes import Paper, level, place_axis, value_axis
from web.charts.scale import Scale, span
from web.charts.svg import circle, diamond, drawing, group, path


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look; fraction of the planned information, critical value, and z once it was taken."""

    name: str
    fraction: float
    boundary: float
    statistic: float | None
    has_crossed: bool


def looks(rows: Sequence[Look], paper: Paper, *, label: str) -> Markup:
    """The chart: z against information, with the boundary above and below."""
    across = paper.across(0.0, max([1.0, *(row.fraction for row in rows)]))
    up = paper.upward(
        *span([*(row.statistic for row in rows), *(side * row.boundary for row in rows for side in (-1, 1))])
    )
    taken = [(across(row.fraction), up(row.statistic)) for row in rows if row.statistic is not None]
    parts = [
        *value_axis(paper, up, lambda value, _: f"{value:g}".replace("-", "−")),
        *(_boundary(rows, side, across, up) for side in (-1, 1)),
        level(paper, up, 0.0, "zero"),
        path([(across(0.0), up(0.0)), *taken], "line treatment"),
        *(_mark(row, across, up) for row in rows),
        *place_axis(paper, [(across(part), f"{part:.0%}") for part in (0.0, 0.25, 0.5, 0.75, 1.0)]),
    ]
    return drawing(*parts, width=paper.width, height=paper.height, label=label, class_=f"plot {paper.name}")


def _boundary(rows: Sequence[Look], side: int, across: Scale, up: Scale) -> Markup:
    corners = [(across(row.fraction), up(side * row.boundary)) for row in rows]
    return group([path(corners, "boundary"), *(circle(x, y, 2.5, "boundary-dot") for x, y in corners)])


def _mark(row: Look, across: Scale, up: Scale) -> Markup:
    if row.statistic is None:
        return Markup("")
    draw = diamond if row.has_crossed else circle
    mark = draw(across(row.fraction), up(row.statistic), 7 if row.has_crossed else 4.5, "mark treatment")
    return group([mark], title=f"Look {row.name}: z {row.statistic:.2f}, boundary {row.boundary:.2f}")

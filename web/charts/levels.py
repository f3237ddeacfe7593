"""A KPI's level period by period: what is final and what is not, its baseline, its target, and where it is heading."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from web.charts.axes import Paper, level, place_axis, runs, value_axis
from web.charts.scale import Scale, room
from web.charts.svg import circle, diamond, drawing, line, path, text

Column = Sequence[float | None]
APART = 26
"""How far apart the numbers of two notes stand at least; nearer ones share a place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Parallel columns, one entry a period: when it begins (a day's number), and its level; None without an answer."""

    at: Sequence[int]
    value: Column
    lower: Column
    upper: Column


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What levels are held against: the baseline with its interval, the target, and the day it is due.

    `notes` are days on which somebody noted something, each with its number.
    """

    baseline: float | None = None
    lower: float | None = None
    upper: float | None = None
    target: float | None = None
    due: int | None = None
    notes: Sequence[tuple[int, int]] = ()


def levels(
    known: Levels,
    is_final: Sequence[bool],
    coming: Levels,
    marks: Marks,
    paper: Paper,
    *,
    label: str,
    tick_text: Callable[[float, float], str],
    day_text: Callable[[int], str],
) -> Markup:
    """The chart; `coming` begins after the last final period, so it may lie over periods that are not final yet."""
    places = sorted(
        {*known.at, *coming.at, *([marks.due] if marks.due is not None and marks.target is not None else [])}
    )
    across = paper.across(places[0], max(places[-1], places[0] + 1))
    up = paper.upward(*_span(known, is_final, coming, marks))
    parts = [
        *value_axis(paper, up, tick_text),
        *_baseline(marks, paper, up),
        *_band(_after(known, is_final, coming), across, up, "band outlook"),
        *_band(_only(known, is_final), across, up, "band treatment"),
        *_target(marks, paper, across, up),
        *_line(_after(known, is_final, coming), across, up, "line outlook"),
        *_line(_only(known, is_final), across, up, "line treatment"),
        *_open(known, is_final, across, up),
        *_last(_only(known, is_final), across, up),
        *_notes(marks, paper, across),
        *place_axis(paper, [(across(at), day_text(at)) for at in _labelled(places, paper.label_count)]),
    ]
    return drawing(*parts, width=paper.width, height=paper.height, label=label, class_=f"plot {paper.name}")


def spark(values: Column, label: str) -> Markup:
    """A line as small as a word, from the first value to the last."""
    known = [value for value in values if value is not None]
    up = Scale(**dict(zip(("lower", "upper"), room(known), strict=True)), start=28, end=4)
    across = Scale(lower=0, upper=max(1, len(values) - 1), start=4, end=116)
    found = runs([across(at) for at in range(len(values))], values)
    ends = [circle(x, up(value), 3.5, "mark treatment") for x, value in (run[-1] for run in found[-1:])]
    lines = [path([(x, up(value)) for x, value in run], "line treatment") for run in found]
    return drawing(*lines, *ends, width=120, height=32, label=label, class_="spark")


def _labelled(places: Sequence[int], most: int) -> list[int]:
    """Places that are far enough apart for their words, however unlike the periods are."""
    apart, shown = (places[-1] - places[0]) / max(1, most - 1), [places[0]]
    for place in places[1:]:
        if place - shown[-1] >= apart:
            shown.append(place)
    return shown


def _span(known: Levels, is_final: Sequence[bool], coming: Levels, marks: Marks) -> tuple[float, float]:
    """What must be seen, and of intervals no more than as much again above and below it: a few may be endless."""
    final = _only(known, is_final)
    core = [*final.value, *(marks.baseline, marks.lower, marks.upper, marks.target), *coming.value]
    lower, upper = room(core or known.value, margin=1.0)
    limits = [*final.lower, *final.upper, *coming.lower, *coming.upper, *known.value]
    if len({number for number in core if number is not None}) == 1:
        return room([*core, *limits])
    return room([*core, *(min(max(limit, lower), upper) for limit in limits if limit is not None)])


def _only(known: Levels, which: Sequence[bool]) -> Levels:
    """The same periods, those that are left out without an answer."""

    def kept(column: Column) -> list[float | None]:
        return [value if one else None for value, one in zip(column, which, strict=True)]

    return Levels(at=known.at, value=kept(known.value), lower=kept(known.lower), upper=kept(known.upper))


def _after(known: Levels, is_final: Sequence[bool], coming: Levels) -> Levels:
    """What is to come, from the last value that is final on."""
    final = [place for place, one in enumerate(is_final) if one and known.value[place] is not None]
    if not final or not coming.at:
        return coming
    last = final[-1]
    return Levels(
        at=[known.at[last], *coming.at],
        value=[known.value[last], *coming.value],
        lower=[known.value[last], *coming.lower],
        upper=[known.value[last], *coming.upper],
    )


def _baseline(marks: Marks, paper: Paper, up: Scale) -> list[Markup]:
    if marks.baseline is None:
        return []
    held = [] if marks.lower is None or marks.upper is None else [(marks.lower, marks.upper)]
    left, right = paper.left, paper.width - paper.right
    bands = [
        path([(left, up(low)), (right, up(low)), (right, up(high)), (left, up(high))], "band control", is_closed=True)
        for low, high in held
    ]
    return [*bands, level(paper, up, marks.baseline, "line control")]


def _target(marks: Marks, paper: Paper, across: Scale, up: Scale) -> list[Markup]:
    if marks.target is None:
        return []
    due = [] if marks.due is None else [diamond(across(marks.due), up(marks.target), 6, "mark due")]
    return [level(paper, up, marks.target, "target"), *due]


def _notes(marks: Marks, paper: Paper, across: Scale) -> list[Markup]:
    """A line on each day that was noted, and above it its number; the numbers of neighbours share a place: 2–4."""
    drawn = [
        line(across(day), paper.top, across(day), paper.height - paper.bottom, "note-line") for day, _ in marks.notes
    ]
    close: list[list[tuple[float, int]]] = []
    for day, number in marks.notes:
        if close and across(day) - close[-1][-1][0] < APART:
            close[-1].append((across(day), number))
        else:
            close.append([(across(day), number)])
    return drawn + [_numbers(some, paper) for some in close]


def _numbers(some: Sequence[tuple[float, int]], paper: Paper) -> Markup:
    first, last = some[0], some[-1]
    words = str(first[1]) if len(some) == 1 else f"{first[1]}–{last[1]}"
    return text((first[0] + last[0]) / 2, paper.top - 8, words, "note-number", "middle")


def _band(part: Levels, across: Scale, up: Scale, class_: str) -> list[Markup]:
    stretches = runs([across(at) for at in part.at], part.lower, part.upper)
    return [
        path(
            [*((x, up(low)) for x, low, _ in run), *((x, up(high)) for x, _, high in reversed(run))],
            class_,
            is_closed=True,
        )
        for run in stretches
    ]


def _line(part: Levels, across: Scale, up: Scale, class_: str) -> list[Markup]:
    found = runs([across(at) for at in part.at], part.value)
    return [path([(x, up(value)) for x, value in run], class_) for run in found if len(run) > 1] + [
        circle(run[0][0], up(run[0][1]), 2.5, "mark treatment") for run in found if len(run) == 1
    ]


def _open(known: Levels, is_final: Sequence[bool], across: Scale, up: Scale) -> list[Markup]:
    """Periods that are not final: hollow marks, which belong to no line."""
    rows = zip(known.at, known.value, is_final, strict=True)
    return [circle(across(at), up(value), 3.5, "mark open") for at, value, one in rows if not one and value is not None]


def _last(final: Levels, across: Scale, up: Scale) -> list[Markup]:
    found = [(at, value) for at, value in zip(final.at, final.value, strict=True) if value is not None]
    return [circle(across(at), up(value), 4.5, "mark treatment") for at, value in found[-1:]]

"""The drawings: finite numbers, marks on the paper, words escaped, and what each mark stands for."""

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from web.charts import axes, curves, forest, intervals, looks, svg

HOSTILE = "<script>alert('1')</script>&\"quoted\""
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
effects = st.floats(-5, 5, allow_nan=False)
widths = st.floats(0, 5, allow_nan=False)
words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)


def tick_text(value: float, step: float) -> str:
    return f"{value:g} of {step:g}"


def parsed(markup: str) -> ET.Element:
    return ET.fromstring(markup)  # noqa: S314  our own drawing, not a stranger's file


def off_paper(drawing: ET.Element) -> list[str]:
    """The marks (not the words) that leave the view box."""
    _, _, width, height = map(float, drawing.attrib["viewBox"].split())
    return [
        f"{element.tag} {element.attrib}"
        for element in drawing.iter()
        for x, y in places(element)
        if not (-0.01 <= x <= width + 0.01 and -0.01 <= y <= height + 0.01)
    ]


def places(element: ET.Element) -> list[tuple[float, float]]:
    at = element.attrib
    match element.tag.rpartition("}")[2]:
        case "line":
            return [(float(at["x1"]), float(at["y1"])), (float(at["x2"]), float(at["y2"]))]
        case "circle":
            return [(float(at["cx"]), float(at["cy"]))]
        case "path":
            found = [float(number) for number in NUMBER.findall(at["d"])]
            return list(zip(found[::2], found[1::2], strict=True))
        case "text" | "rect":
            return [(float(at["x"]), float(at["y"]))]
    return []


def of_class(drawing: ET.Element, name: str) -> list[ET.Element]:
    return [element for element in drawing.iter() if name in element.attrib.get("class", "").split()]


@st.composite
def forest_rows(draw: st.DrawFn) -> forest.Row:
    estimate = draw(st.none() | effects)
    around = 0.0 if estimate is None else estimate
    return forest.Row(
        section=draw(st.sampled_from(["Primary", "Secondary"])),
        name=draw(words),
        detail=draw(words),
        answer=draw(words),
        reading=draw(words),
        tone=draw(st.sampled_from(["better", "worse", "unclear", "missing"])),
        estimate=estimate,
        lower=draw(st.none() | widths.map(lambda width: around - width)),
        upper=draw(st.none() | widths.map(lambda width: around + width)),
        reference=draw(st.none() | effects),
    )


@given(st.lists(forest_rows(), max_size=6), st.sampled_from(forest.SIZES), words)
@settings(max_examples=60)
def test_forest_of_any_rows_is_well_formed_and_stays_on_the_paper(
    rows: list[forest.Row], sheet: forest.Sheet, label: str
) -> None:
    drawn = parsed(forest.forest(rows, sheet, label=label, tick_text=tick_text))
    assert off_paper(drawn) == []
    assert len(of_class(drawn, "row")) == len(rows)
    assert len(of_class(drawn, "mark")) == sum(row.estimate is not None for row in rows)


def row(**changes: object) -> forest.Row:
    given = {"section": "Primary", "name": "TTFV", "detail": "B", "answer": "a", "reading": "r", "tone": "better"}
    numbers = {"estimate": 0.1, "lower": 0.05, "upper": 0.15}
    return forest.Row(**(given | numbers | changes))  # type: ignore[arg-type]  # a test's shorthand


def test_forest_row_without_a_bound_ends_in_an_arrow_and_with_both_in_caps() -> None:
    bounded = parsed(forest.forest([row()], forest.WIDE, label="x", tick_text=tick_text))
    unbounded = parsed(forest.forest([row(lower=None)], forest.WIDE, label="x", tick_text=tick_text))
    assert (len(of_class(bounded, "arrow")), len(of_class(unbounded, "arrow"))) == (0, 1)


def test_forest_interval_beyond_a_doubling_is_cut_with_an_arrow() -> None:
    drawn = parsed(forest.forest([row(lower=-40.0)], forest.WIDE, label="x", tick_text=tick_text))
    assert len(of_class(drawn, "arrow")) == 1


def test_forest_marks_better_worse_and_unclear_by_shape_as_well_as_colour() -> None:
    rows = [row(tone=tone) for tone in ("better", "worse", "unclear")]
    drawn = parsed(forest.forest(rows, forest.WIDE, label="x", tick_text=tick_text))
    assert [mark.tag.rpartition("}")[2] for mark in of_class(drawn, "mark")] == ["circle", "path", "rect"]


def test_forest_row_without_an_answer_has_no_mark_but_keeps_its_words() -> None:
    drawn = parsed(forest.forest([row(estimate=None, reading="Why not")], forest.WIDE, label="x", tick_text=tick_text))
    assert of_class(drawn, "mark") == []
    assert [element.text for element in of_class(drawn, "reading")] == ["Why not"]


def test_forest_draws_a_larger_lift_further_right() -> None:
    rows = [row(estimate=value, lower=-0.5, upper=0.9) for value in (-0.2, 0.1, 0.4)]
    drawn = parsed(forest.forest(rows, forest.NARROW, label="x", tick_text=tick_text))
    xs = [float(mark.attrib["cx"]) for mark in of_class(drawn, "mark")]
    assert all(left < right for left, right in pairwise(xs))


columns = st.lists(st.none() | effects, min_size=12, max_size=12)


@given(columns, columns, columns, st.sampled_from(axes.SIZES))
@settings(max_examples=60)
def test_intervals_with_any_gaps_stay_on_the_paper(
    estimate: list[float | None], lower: list[float | None], upper: list[float | None], paper: axes.Paper
) -> None:
    series = intervals.Series(
        days=[f"{at} Nov" for at in range(12)],
        estimate=estimate,
        lower=lower,
        upper=upper,
        always_lower=lower,
        always_upper=upper,
    )
    taken = [
        intervals.Look(at=3, name="1", lower=None, upper=None),
        intervals.Look(at=11, name="2", lower=-9.0, upper=0.5),
    ]
    drawn = parsed(intervals.intervals(series, taken, paper, label="x", tick_text=tick_text))
    assert off_paper(drawn) == []
    assert (len(of_class(drawn, "look")), len(of_class(drawn, "look-interval"))) == (2, 3)


def test_intervals_with_a_gap_are_drawn_as_two_stretches() -> None:
    estimate = [0.1, 0.2, None, 0.3, 0.2]
    series = intervals.Series(
        days=list("abcde"),
        estimate=estimate,
        lower=estimate,
        upper=estimate,
        always_lower=estimate,
        always_upper=estimate,
    )
    drawn = parsed(intervals.intervals(series, [], axes.WIDE, label="x", tick_text=tick_text))
    assert len([mark for mark in of_class(drawn, "line") if "treatment" in mark.attrib["class"]]) == 2
    assert len(of_class(drawn, "band-always")) == 2


shares = st.lists(st.none() | st.floats(0, 1, allow_nan=False), min_size=8, max_size=8)


@given(shares, shares, shares, st.sampled_from(axes.SIZES), st.sampled_from(sorted(curves.WAYS)))
@settings(max_examples=60)
def test_curves_of_any_shares_stay_on_the_paper(
    share: list[float | None], lower: list[float | None], upper: list[float | None], paper: axes.Paper, of: str
) -> None:
    curve = curves.Curve(name=HOSTILE, style="control", share=share, lower=lower, upper=upper, at_risk=list(range(8)))
    drawn = parsed(curves.curves(range(1, 9), [curve, curve], paper, of=of, label="x"))
    assert off_paper(drawn) == []


def arm(share: list[float], at_risk: list[int]) -> curves.Curve:
    return curves.Curve(name="B", style="treatment", share=share, lower=share, upper=share, at_risk=at_risk)


def test_reached_curve_moves_only_straight_along_or_straight_up() -> None:
    curve = arm([0.2, 0.35, 0.4, 0.4], [100, 80, 65, 60])
    drawn = parsed(curves.curves(range(1, 5), [curve], axes.WIDE, of="REACHED", label="x"))
    steps = places(next(mark for mark in of_class(drawn, "line") if "treatment" in mark.attrib["class"]))
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(steps))
    floor = max(y for _, y in steps)
    assert [y for _, y in steps[:2]] == [floor, floor], "nobody has reached it before the first day is over"


def test_returned_curve_holds_each_share_through_its_day_and_may_fall() -> None:
    curve = arm([0.4, 0.2, 0.3], [100, 80, 65])
    drawn = parsed(curves.curves(range(1, 4), [curve], axes.WIDE, of="RETURNED", label="x"))
    steps = places(next(mark for mark in of_class(drawn, "line") if "treatment" in mark.attrib["class"]))
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(steps))
    first, second, third = (len({x for x, y in steps if y == level}) for level in dict.fromkeys(y for _, y in steps))
    assert (first, second, third) == (2, 2, 2), "from where a day begins to where it ends"
    assert len({x for x, _ in steps}) == 4


@pytest.mark.parametrize(
    ("of", "begins"), [("REACHED", ("0", "1")), ("RETURNED", ("1", "2")), ("REMAINED", ("1", "2"))]
)
def test_counts_at_risk_stand_where_their_day_begins(of: str, begins: tuple[str, str]) -> None:
    drawn = parsed(curves.curves([1, 2], [arm([0.2, 0.35], [100, 80])], axes.WIDE, of=of, label="x"))
    ticks = {element.text: element.attrib["x"] for element in of_class(drawn, "tick")}
    assert (ticks["100"], ticks["80"]) == (ticks[begins[0]], ticks[begins[1]])


@given(st.lists(st.tuples(st.floats(0, 1.4), st.floats(0.5, 8), st.none() | st.floats(-12, 12)), max_size=6))
@settings(max_examples=60)
def test_looks_of_any_schedule_stay_on_the_paper(rows: list[tuple[float, float, float | None]]) -> None:
    made = [
        looks.Look(
            name=str(at), fraction=part, boundary=bound, statistic=z, has_crossed=z is not None and abs(z) > bound
        )
        for at, (part, bound, z) in enumerate(rows)
    ]
    for paper in (axes.HALF, axes.NARROW):
        assert off_paper(parsed(looks.looks(made, paper, label="x"))) == []


def test_drawing_escapes_hostile_words_everywhere() -> None:
    hostile = row(section=HOSTILE, name=HOSTILE, detail=HOSTILE, answer=HOSTILE, reading=HOSTILE)
    drawn = forest.forest([hostile], forest.WIDE, label=HOSTILE, tick_text=lambda *_: HOSTILE)
    assert "<script" not in drawn
    assert parsed(drawn).attrib["aria-label"] == HOSTILE


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_drawing_refuses_a_number_that_is_not_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        svg.line(0, 0, bad, 1, "grid")


def test_every_drawing_is_one_image_with_a_sentence() -> None:
    drawn = parsed(forest.forest([row()], forest.WIDE, label="Lift of 10%.", tick_text=tick_text))
    assert (drawn.attrib["role"], drawn.attrib["aria-label"]) == ("img", "Lift of 10%.")

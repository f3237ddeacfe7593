"""From the answer's objects to charts: picks the plain numbers, words the sentence, draws both paper sizes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from markupsafe import Markup

from web.charts import axes, curves, forest, intervals, looks
from web.charts.scale import decimals
from web.quantities import DASH, LIFT, MEASURES, Json, Measure, axis_number, day, difference, lift, lift_interval
from web.readings import Reading, reading, sign
from web.sentences import better, curves_sentence, interval_sentence, looks_sentence

ROLES = {"PRIMARY": "Primary", "SECONDARY": "Secondary", "GUARDRAIL": "Guardrails"}
Size = TypeVar("Size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One chart on both paper sizes (the style sheet shows the one that fits), and its sentence."""

    label: str
    wide: Markup
    narrow: Markup

    def __html__(self) -> Markup:
        return self.wide + self.narrow


def read(finding: Json, experiment: Json) -> Reading:
    """The finding in a word, given whether the experiment's diagnostics hold."""
    return reading(finding, is_trusted=experiment["results"]["diagnostics"]["health"] != "INVALID")


def ordered(findings: Sequence[Json]) -> list[Json]:
    """Primary first, then secondary, then guardrails; within a role as they came."""
    return sorted(findings, key=lambda finding: list(ROLES).index(finding["role"]))


def forest_figure(experiment: Json) -> Figure | None:
    """All findings on the lift scale; None while none of them has a lift."""
    rows = [_forest_row(finding, experiment) for finding in ordered(experiment["results"]["findings"])]
    if all(row.estimate is None for row in rows):
        return None
    told = "; ".join(f"{row.name}, {row.detail}: {row.answer}, {row.reading}" for row in rows)
    label = f"Lift against control with its interval, {len(rows)} rows. {told}."
    return both(lambda sheet: forest.forest(rows, sheet, label=label, tick_text=_ticks(LIFT)), forest.SIZES, label)


def _forest_row(finding: Json, experiment: Json) -> forest.Row:
    bounds = finding["liftInterval"] or {}
    says = read(finding, experiment)
    change = finding["estimate"]["lift"] if bounds else None
    return forest.Row(
        section=ROLES[finding["role"]],
        name=finding["kpi"]["name"],
        detail=f"{finding['variant']['name']} · {better(finding['kpi'])}",
        answer=_answer(finding, change),
        reading=f"{says.arrow} {says.word}".strip(),
        tone=says.tone,
        estimate=change,
        lower=bounds.get("lower"),
        upper=bounds.get("upper"),
        reference=_reference(finding, experiment["plan"]),
    )


def _answer(finding: Json, drawn: float | None) -> str:
    estimate = finding["estimate"]
    if drawn is not None:
        return f"{lift(drawn)}  ({lift_interval(finding['liftInterval'])})"
    if estimate["lift"] is not None:
        return f"{lift(estimate['lift'])}, no interval yet"
    if estimate["difference"] is not None:
        return f"No lift; difference {difference(estimate['difference'], finding['scale'])}"
    return DASH


def _reference(finding: Json, plan: Json) -> float | None:
    """The planned effect of a KPI, or the margin of a guardrail, as a lift on its own side of zero."""
    level, way = finding["control"]["value"], sign(finding["kpi"])
    change = _planned_effect(finding, plan) if finding["margin"] is None else -finding["margin"]
    return way * change / abs(level) if change is not None and level else None


def _planned_effect(finding: Json, plan: Json) -> float | None:
    keys = (planned for planned in plan["kpis"] if planned["kpi"]["key"] == finding["kpi"]["key"])
    mde = next((planned["mde"] for planned in keys), None)
    return None if mde is None else abs(mde)


def interval_figure(finding: Json) -> Figure | None:
    """One finding day by day; None when there are no days yet."""
    if all(number is None for number in finding["series"]["difference"]):
        return None
    shown = MEASURES[finding["scale"]]
    series = _series(finding["series"], shown.factor)
    taken = _looks_on(finding, shown.factor)
    label = interval_sentence(finding, len(taken))
    return both(
        lambda paper: intervals.intervals(series, taken, paper, label=label, tick_text=_ticks(shown, 1)),
        axes.SIZES,
        label,
    )


def _looks_on(finding: Json, factor: float) -> list[intervals.Look]:
    """The looks taken on days the series knows."""
    days, planned = finding["series"]["on"], (finding["groupSequential"] or {"looks": []})["looks"]
    return [
        intervals.Look(
            at=days.index(look["plannedOn"]),
            name=str(look["number"]),
            lower=_scaled(look["lower"], factor),
            upper=_scaled(look["upper"], factor),
        )
        for look in planned
        if look["isTaken"] and look["plannedOn"] in days
    ]


def _scaled(number: float | None, factor: float) -> float | None:
    return None if number is None else number * factor


def _series(columns: Json, factor: float) -> intervals.Series:
    def scaled(name: str) -> list[float | None]:
        return [_scaled(number, factor) for number in columns[name]]

    return intervals.Series(
        days=[_short(on) for on in columns["on"]],
        estimate=scaled("difference"),
        lower=scaled("lower"),
        upper=scaled("upper"),
        always_lower=scaled("alwaysValidLower"),
        always_upper=scaled("alwaysValidUpper"),
    )


def curves_figure(finding: Json, control: Json) -> Figure | None:
    """The share by day since exposure in both arms; None for a KPI without curves."""
    found = finding["curves"]
    if found is None or not found["days"]:
        return None
    arms = [_curve(found["control"], control, "control"), _curve(found["treatment"], finding["variant"], "treatment")]
    label = curves_sentence(finding, control)
    return both(lambda paper: curves.curves(found["days"], arms, paper, of=found["of"], label=label), axes.SIZES, label)


def _curve(columns: Json, variant: Json, style: str) -> curves.Curve:
    return curves.Curve(
        name=variant["name"],
        style=style,
        share=columns["share"],
        lower=columns["lower"],
        upper=columns["upper"],
        at_risk=columns["atRisk"],
    )


def looks_figure(rows: Sequence[Json]) -> Figure | None:
    """The boundary and the path of z; None when the plan has no boundary to draw."""
    drawn = [row for row in rows if row["boundary"] is not None and row["informationFraction"] is not None]
    if not drawn:
        return None
    points = [
        looks.Look(
            name=str(row["number"]),
            fraction=row["informationFraction"],
            boundary=row["boundary"],
            statistic=row["statistic"] if row["isTaken"] else None,
            has_crossed=bool(row["hasCrossed"]),
        )
        for row in drawn
    ]
    label = looks_sentence(rows)
    return both(lambda paper: looks.looks(points, paper, label=label), (axes.HALF, axes.NARROW), label)


def both(draw: Callable[[Size], Markup], sizes: tuple[Size, Size], label: str) -> Figure:
    """One chart drawn on both sizes."""
    wide, narrow = sizes
    return Figure(label=label, wide=draw(wide), narrow=draw(narrow))


def _ticks(shown: Measure, factor: float | None = None) -> Callable[[float, float], str]:
    """Axis numbers of a measure; a factor of 1 when the numbers are already in its unit."""
    scaled = shown.factor if factor is None else factor
    unit = shown.difference_unit.replace("days", "d")
    return lambda number, step: axis_number(number * scaled, decimals(step * scaled), unit)


def _short(on: str) -> str:
    return day(on).rsplit(" ", 1)[0]

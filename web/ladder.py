"""The ladder in words and as a drawing, and what a supposed change comes to, from the answer's objects."""

from collections.abc import Sequence
from functools import partial

from web.charts import rungs
from web.figures import Figure, both
from web.quantities import DASH, Json, count, decimal, lift, scale, value

STATES = {"ON_TARGET": "▲ meets", "OFF_TARGET": "▼ misses", "NO_TARGET": "no target", "UNKNOWN": "not known yet"}
TONES = {"ON_TARGET": "better", "OFF_TARGET": "worse", "NO_TARGET": "unclear", "UNKNOWN": "missing"}
SOURCES = {"EXPERIMENTS": "Experiments", "COHORTS": "Cohorts of the past", "ASSUMPTION": "Assumption"}
STATED = {"12": "of a month", "4": "of a quarter", "1": "of a year"}
"""How often a year revenue is paid, and what the events that state it are then."""

NEAR = 0.0005
"""What is not seen in per cent with one decimal."""


def level(rung: Json) -> str:
    """The newest level of a KPI."""
    return value(rung["level"]["value"] if rung["level"] else None, scale(rung["kpi"]))


def stands(rung: Json) -> str:
    """How a KPI stands against its target: ▼ misses 14.00 days."""
    aim = "" if rung["state"] not in ("ON_TARGET", "OFF_TARGET") else value(rung["target"], scale(rung["kpi"]))
    return f"{STATES[rung['state']]} {aim}".strip()


def tone(rung: Json) -> str:
    """better, worse, unclear or missing."""
    return TONES[rung["state"]]


def style(step: Json) -> str:
    """Whether data alone say how two KPIs move together, an assumption has a part in it, or nothing is known."""
    if step["elasticity"] is None:
        return "unknown"
    return "estimated" if step["isEstimated"] else "assumed"


def answer(step: Json) -> str:
    """The elasticity as the drawing says it."""
    if step["elasticity"] is None:
        return "not identified"
    share = "assumed" if step["used"] == ["ASSUMPTION"] else "partly assumed"
    return decimal(step["elasticity"]) + ("" if step["isEstimated"] else f" {share}")


def elasticity_interval(step: Json) -> str:
    """The interval of an elasticity: −0.57 to −0.21."""
    held = step["interval"]
    if held is None or held["lower"] is None or held["upper"] is None:
        return DASH
    return f"{decimal(held['lower'])} to {decimal(held['upper'])}"


def is_observational(step: Json) -> bool:
    """Whether cohorts, which nobody assigned by chance, have a part in what is known."""
    return "COHORTS" in step["used"]


def layers(ladder: Json) -> list[list[Json]]:
    """The KPIs layer by layer, from the top down."""
    heights = sorted({rung["height"] for rung in ladder["rungs"]}, reverse=True)
    return [[rung for rung in ladder["rungs"] if rung["height"] == height] for height in heights]


def figure(ladder: Json) -> Figure | None:
    """The ladder as a drawing; None while there is no link."""
    if not ladder["rungs"]:
        return None
    drawn = partial(
        rungs.rungs,
        [_rung(one) for one in ladder["rungs"]],
        [_step(one) for one in ladder["steps"]],
        label=said(ladder),
    )
    return both(drawn, rungs.SIZES, said(ladder))


def said(ladder: Json) -> str:
    """What the drawing shows, with its numbers."""
    found, steps = ladder["rungs"], ladder["steps"]
    short = sum(rung["state"] == "OFF_TARGET" for rung in found)
    told = "; ".join(f"{one['leading']['name']} to {one['lagging']['name']} {answer(one)}" for one in steps)
    return (
        f"{count(len(found))} KPIs from leading to lagging, {count(short)} off their targets, joined by "
        f"{count(len(steps))} links with their elasticities: {told}."
    )


def supposed(name: str, change: float, coverage: float) -> str:
    """What is supposed, in words: If Activation rose by 5.0% for 60% of the units."""
    moved = f"{'rose' if change > 0 else 'fell'} by {lift(abs(change)).lstrip('+')}" if change else "stayed as it is"
    share = "" if coverage == 1 else f" for {coverage:.0%} of the units"
    return f"If {name} {moved}{share}"


def reached(tops: Sequence[Json]) -> list[Json]:
    """Those at the top that a way leads to, before the others."""
    return sorted(tops, key=lambda top: top["lift"] is None)


def moved(impact: Json) -> str:
    """The effect that is carried up, and what was seen of it."""
    effect = impact["effect"]
    kpi = effect["kpi"]["name"] if effect["kpi"] else "The KPI"
    words = f"{kpi} changes by {lift(effect['lift'])}."
    if abs(effect["lift"] - effect["seen"]) < NEAR:
        return words
    return f"{words} {lift(effect['seen'])} was seen; what is shown because it was significant is likely less."


def worth(top: Json) -> str:
    """What that is a year in units of revenue."""
    found = top["revenue"]
    if found["net"] is None:
        return DASH
    held = found["interval"]
    if held is None or held["lower"] is None or held["upper"] is None:
        return value(found["net"], "AMOUNT")
    return f"{value(found['net'], 'AMOUNT')} ({value(held['lower'], 'AMOUNT')} to {value(held['upper'], 'AMOUNT')})"


def named(found: Sequence[Json], key: str) -> str:
    """The name of the KPI of a key; the key itself of one that is not on the ladder."""
    return next((str(rung["kpi"]["name"]) for rung in found if rung["kpi"]["key"] == key), key)


def _rung(one: Json) -> rungs.Rung:
    return rungs.Rung(
        key=one["kpi"]["key"],
        name=one["kpi"]["name"],
        value=level(one),
        stands=stands(one),
        tone=tone(one),
        height=one["height"],
        alerts=one["openAlerts"],
        is_share_of_revenue=one["isShareOfRevenue"],
    )


def _step(one: Json) -> rungs.Step:
    return rungs.Step(
        leading=one["leading"]["key"], lagging=one["lagging"]["key"], answer=answer(one), style=style(one)
    )

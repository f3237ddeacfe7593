"""How a KPI stands: its charts and its sentences, from the answer's objects. No number is computed here."""

import json
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial

from markupsafe import Markup

from web import sentences
from web.charts import axes, curves, levels
from web.charts.scale import decimals
from web.figures import Figure, both
from web.quantities import (
    DASH,
    MEASURES,
    Json,
    Measure,
    axis_level,
    chance,
    count,
    day,
    difference,
    interval,
    p_value,
    percent,
    scale,
    sentence,
    value,
)
from web.quantities import levels as limits
from web.readings import ARROWS, Reading, reason, sign

TIERS = {"EARLY": "Early", "GROWTH": "Growth", "LATE": "Late"}
GRANULARITIES = ("DAY", "WEEK", "MONTH", "QUARTER")
LONG = 300
"""Days from which on an axis names months and not days."""
SPARKED = 26
"""Periods of a spark line."""
COHORTS, AGES = 26, 12
"""Rows and columns of the triangle that are shown."""
NAMED = (1, 2, 3, 5, 7, 10, 14, 21, 28, 35, 42, 49, 56, 63, 70, 77, 84, 90)
"""Ages that people speak of."""
SHADES = 6
RANKING = ("ActivationDefinition", "RetentionDefinition", "MeanDefinition", "CompositeDefinition")
"""Kinds with one number a unit, of which the worst can be listed."""
COLUMNS = ("starts", "value", "lower", "upper")
COUNTED = ("COUNT", "DAYS", "ANY")
"""What is read of an event without its value."""
CURVES = {
    "REACHED": "Share that reached it, by day since entry",
    "RETURNED": "Share that came back, by day since entry",
    "REMAINED": "Share that came back then or later, by day since entry",
}
"""What the curve shows."""
SHARES = {
    "REACHED": "Share that reached it by the end of day",
    "RETURNED": "Share that came back on day",
    "REMAINED": "Share that came back on or after day",
}


def period(first: str, granularity: str) -> str:
    """A period in words: 9 Nov 2026, the week from 9 Nov 2026, Nov 2026, Q4 2026."""
    on = date.fromisoformat(first)
    if granularity == "WEEK":
        return f"the week from {day(first)}"
    if granularity == "MONTH":
        return f"{on:%b %Y}"
    return f"Q{(on.month + 2) // 3} {on.year}" if granularity == "QUARTER" else day(first)


def during(first: str, granularity: str) -> str:
    """When something was: on 9 Nov 2026, in Nov 2026."""
    return f"{'on' if granularity == 'DAY' else 'in'} {period(first, granularity)}"


def choices(entry: Json | None) -> list[str]:
    """The periods that a KPI's values can be read by: none shorter than it is measured by."""
    every = entry["every"] if entry else None
    return list(GRANULARITIES[GRANULARITIES.index(every) if every else 0 :])


def by_tier(kpis: Sequence[Json]) -> list[tuple[str, list[Json]]]:
    """KPIs in the order of a customer's life, by name within it; tiers without any left out."""
    named = sorted(kpis, key=lambda kpi: (not kpi["isLeading"], kpi["name"].lower()))
    tiers = ((words, [kpi for kpi in named if kpi["tier"] == tier]) for tier, words in TIERS.items())
    return [(words, some) for words, some in tiers if some]


def by_area(catalogue: Sequence[Json], registered: Sequence[Json]) -> list[tuple[str, list[Json]]]:
    """The KPIs of the catalogue that nobody has registered yet, by area."""
    known = {kpi["key"] for kpi in registered}
    areas = dict.fromkeys(one["area"] for one in catalogue)
    left = [(area, [one for one in catalogue if one["area"] == area and one["key"] not in known]) for area in areas]
    return [(sentence(area), some) for area, some in left if some]


def reading(answer: Json | None, kpi: Json, better: str = "Better", worse: str = "Worse") -> Reading:
    """What a comparison says in a word: whether its interval leaves no doubt about better or worse."""
    if answer is None or answer["difference"] is None:
        return Reading(word=sentence(reason(answer)) if answer else "Nothing to compare with", arrow="", tone="missing")
    change, held = answer["difference"], answer["interval"]
    arrow = ARROWS[(change > 0) - (change < 0)]
    if held is None or (held["lower"] or 0) <= 0 <= (held["upper"] or 0):
        return Reading(word="No clear difference", arrow=arrow, tone="unclear")
    is_better = change * sign(kpi) > 0
    return Reading(word=better if is_better else worse, arrow=arrow, tone="better" if is_better else "worse")


def level_words(standing: Json, kpi: Json, granularity: str) -> str:
    """The newest level in words."""
    on, level = scale(kpi), standing["level"]
    held = limits(level["lower"], level["upper"], on)
    within = "" if held == DASH else f" (95% interval {held})"
    return (
        f"{sentence(during(standing['startOn'], granularity))}: {value(level['value'], on)}{within}, of "
        f"{count(level['n'])} {kpi['unit'].lower()}s."
    )


def unanswered(kpi: Json) -> str:
    """Why a KPI with units has no final value: none of its periods is final, or those that are have no answer."""
    if True not in kpi["values"]["isFinal"]:
        return "No period is final yet: the units that entered are still being observed."
    definition = kpi["definition"] or {"__typename": None}
    match definition["__typename"]:
        case "RatioDefinition":
            why = "what it is divided by adds up to nothing in each of them."
        case "TimeToValueDefinition":
            why = f"in none of them was anybody who still waited watched up to day {definition['tauDays']}."
        case _:
            why = "none of them holds enough units."
    return f"Periods are final, but have no value: {why}"


def against_words(answer: Json, kpi: Json, what: str) -> str:
    """The level against something, in words: 2.10 pp above the baseline of 39.1%, interval …, p …."""
    on = scale(kpi)
    named = f"{what} of {value(answer['against'], on)}" if answer["against"] is not None else what
    if answer["difference"] is None:
        return f"It cannot be held against {named}: {reason(answer)}."
    way = "above" if answer["difference"] > 0 else "below"
    apart = difference(abs(answer["difference"]), on).lstrip("+")
    held = f", interval of the difference {interval(answer['interval'], on)}" if answer["interval"] else ""
    beyond = (
        f" The chance that the true level is there or beyond is {chance(answer['chance'])}."
        if answer["chance"] is not None
        else ""
    )
    told = "" if answer["chance"] is not None else f", p {p_value(answer['pValue'])}"
    return f"{apart} {way} {named}{held}{told}.{beyond}"


def outlook_words(outlook: Json, kpi: Json) -> str:
    """Where it is heading, and the chance to meet the target."""
    if not outlook["starts"]:
        return f"Where it is heading cannot be said: {reason(outlook)}."
    on, last = scale(kpi), outlook["starts"][-1]
    held = limits(outlook["lower"][-1], outlook["upper"][-1], on)
    when = during(last, outlook["granularity"])
    goes = f"If it goes on as it did, it will be {value(outlook['value'][-1], on)} ({held}) {when}."
    if outlook["chance"] is None or kpi["target"] is None:
        return goes
    return f"{goes} The chance to meet the target by {day(kpi['target']['dueOn'])} is {chance(outlook['chance'])}."


def cautions(standing: Json) -> list[str]:
    """All cautions of a standing's answers, each once."""
    answers = (standing[name] for name in ("againstBaseline", "againstTarget", "change"))
    return list(dict.fromkeys(one for answer in answers if answer for one in answer["cautionSentences"]))


def spark(series: Json | None, on: str) -> Markup | None:
    """The final values of a series as a small line; None while there are fewer than two."""
    columns = zip(series["value"], series["isFinal"], strict=True) if series else ()
    known = [number for number, is_final in columns if is_final][-SPARKED:]
    numbers = [number for number in known if number is not None]
    if len(numbers) < 2:
        return None
    label = f"From {value(numbers[0], on)} to {value(numbers[-1], on)} over {len(known)} periods"
    return levels.spark(known, label)


def levels_figure(kpi: Json) -> Figure | None:
    """The KPI over time; None before it has a value."""
    series, on = kpi["values"], scale(kpi)
    if series is None or all(number is None for number in series["value"]):
        return None
    shown = MEASURES[on]
    began = _began(series)
    known = _levels({name: series[name][began:] for name in COLUMNS}, shown.factor)
    outlook = kpi["outlook"]
    coming = _levels(outlook or {"starts": [], "value": [], "lower": [], "upper": []}, shown.factor)
    label = levels_sentence(kpi)
    days = [*known.at, *coming.at]
    draw = partial(
        levels.levels,
        known,
        series["isFinal"][began:],
        coming,
        _marks(kpi, shown.factor),
        label=label,
        tick_text=_ticks(shown),
        day_text=partial(_short, is_long=days[-1] - days[0] > LONG),
    )
    return both(draw, axes.SIZES, label)


def levels_sentence(kpi: Json) -> str:
    """What the chart shows, with its numbers."""
    series, on, baseline = kpi["values"], scale(kpi), _baseline(kpi)
    standing, outlook = kpi["standing"], kpi["outlook"]
    said = [f"{kpi['name']} by {series['granularity'].lower()}, {len(series['starts'])} periods."]
    said += (
        [level_words(standing, kpi, series["granularity"])] if standing else [unanswered(kpi).partition(":")[0] + "."]
    )
    said += [f"Baseline {value(baseline['value'], on)}."] if baseline else []
    said += [f"Target {value(kpi['target']['value'], on)} by {day(kpi['target']['dueOn'])}."] if kpi["target"] else []
    noted = ", ".join(day(note["notedOn"]) for _, note in notes(kpi)[0])
    said += [f"Noted on {noted}."] if noted else []
    said += [outlook_words(outlook, kpi)] if outlook and outlook["starts"] else []
    return " ".join(said)


def ranks_units(kpi: Json) -> bool:
    """Whether its units can be told apart by it: one number a unit, at the end of every period."""
    is_periodic = kpi["entry"] is not None and kpi["entry"]["every"] is not None
    return is_periodic and kpi["definition"] is not None and kpi["definition"]["__typename"] in RANKING


def notes(kpi: Json) -> tuple[list[tuple[int, Json]], list[tuple[None, Json]]]:
    """What people noted within the time of the chart, numbered from the oldest on, and what they noted at others."""
    first, last = span(kpi)
    dated = sorted(kpi["annotations"], key=lambda note: str(note["notedOn"]))
    inside = [note for note in dated if first <= _ordinal(note["notedOn"]) <= last]
    return list(enumerate(inside, 1)), [(None, note) for note in dated if note not in inside]


def span(kpi: Json) -> tuple[int, int]:
    """The days that the chart of levels reaches from and to; an empty stretch where there is none."""
    series, coming = kpi["values"], (kpi["outlook"] or {"starts": []})["starts"]
    known = [] if series is None else [_ordinal(first) for first in series["starts"][_began(series) :]]
    days = known + [_ordinal(first) for first in coming]
    due = kpi["target"]["dueOn"] if kpi["target"] else None
    days += [_ordinal(due)] if due and days else []
    return (min(days), max(days)) if known else (1, 0)


def _began(series: Json) -> int:
    """The place of the first period with a value; beyond the last where there is none."""
    known = (place for place, number in enumerate(series["value"]) if number is not None)
    return next(known, len(series["value"]))


def _ordinal(day_: str) -> int:
    return date.fromisoformat(day_).toordinal()


def _baseline(kpi: Json) -> Json | None:
    """The newest baseline of the segment that is shown."""
    segment = kpi["values"]["segment"]
    return next((one for one in kpi["baselines"] if one["segment"] == segment), None)


def _marks(kpi: Json, factor: float) -> levels.Marks:
    baseline, target = _baseline(kpi), kpi["target"]
    held = baseline["interval"] if baseline else {"lower": None, "upper": None}
    return levels.Marks(
        baseline=_scaled(baseline["value"] if baseline else None, factor),
        lower=_scaled(held["lower"], factor),
        upper=_scaled(held["upper"], factor),
        target=_scaled(target["value"] if target else None, factor),
        due=_ordinal(target["dueOn"]) if target and target["dueOn"] else None,
        notes=[(_ordinal(note["notedOn"]), number) for number, note in notes(kpi)[0]],
    )


def _scaled(number: float | None, factor: float) -> float | None:
    return None if number is None else number * factor


def _levels(columns: Json, factor: float) -> levels.Levels:
    def scaled(name: str) -> list[float | None]:
        return [_scaled(number, factor) for number in columns[name]]

    return levels.Levels(
        at=[date.fromisoformat(first).toordinal() for first in columns["starts"]],
        value=scaled("value"),
        lower=scaled("lower"),
        upper=scaled("upper"),
    )


def _ticks(shown: Measure) -> Callable[[float, float], str]:
    unit = shown.value_unit.replace("days", "d")
    return lambda number, step: axis_level(number, decimals(step), unit)


def _short(ordinal: int, *, is_long: bool) -> str:
    on = date.fromordinal(ordinal)
    return f"{on:%b %Y}" if is_long else f"{on.day} {on:%b}"


def curve_figure(kpi: Json) -> Figure | None:
    """The share by day since entry; None where nobody was watched for a day."""
    found = kpi["adoption"]
    if found is None or all(share is None for share in found["value"]):
        return None
    arm = curves.Curve(
        name="Units",
        style="treatment",
        share=found["value"],
        lower=found["lower"],
        upper=found["upper"],
        at_risk=found["n"],
    )
    label = curve_words(kpi)
    draw = partial(curves.curves, found["days"], [arm], of=found["of"], label=label, since="entry")
    return both(draw, axes.SIZES, label)


def curve_words(kpi: Json) -> str:
    """The curve's numbers of its last day that is known."""
    found = kpi["adoption"]
    last = max(place for place, share in enumerate(found["value"]) if share is not None)
    held = limits(found["lower"][last], found["upper"][last], "FRACTION")
    within = "" if held == DASH else f" (95% interval {held})"
    half = f" Half had reached it by day {found['median']:g}." if found["median"] is not None else ""
    return f"{SHARES[found['of']]} {found['days'][last]}: {percent(found['value'][last], 1)}{within}.{half}"


def shown_ages(triangle: Json) -> list[int]:
    """The ages that get a column: all of a few, else those that people speak of, and the last."""
    ages = sorted(set(triangle["ages"]))
    if len(ages) <= AGES:
        return ages
    some = [age for age in ages if age in NAMED]
    step = -(-len(some) // (AGES - 1))
    return sorted({*some[::step], ages[-1]})


def cohorts(triangle: Json) -> list[tuple[str, int, dict[int, float]]]:
    """The newest cohorts of the triangle, the oldest first: their first day, units, and share by age."""
    found: dict[str, tuple[int, dict[int, float]]] = {}
    for first, age, n, share in zip(*(triangle[name] for name in ("starts", "ages", "n", "value")), strict=True):
        found.setdefault(first, (n, {}))[1][age] = share
    return [(first, n, shares) for first, (n, shares) in found.items()][-COHORTS:]


def shade(share: float, triangle: Json) -> int:
    """How dark a cell is, from 0 to SHADES - 1 between the least share and the greatest."""
    lowest, highest = min(triangle["value"]), max(triangle["value"])
    return int((share - lowest) / (highest - lowest) * (SHADES - 1) + 0.5) if highest > lowest else 0


def stated(told: object) -> str:
    """A value before or after a change, with no more digits than anybody reads."""
    return f"{told:,.4g}" if isinstance(told, float) else sentences.stated(told)


def example(event: str, kpi: Json) -> str:
    """A row of an event, as it is sent; with a value, where the KPI reads one."""
    unit = "a-17" if kpi["unit"] == "ACCOUNT" else "u-1024"
    row: Json = {"unit": unit, "event": event, "occurredAt": f"{kpi['createdAt'][:10]}T09:00:00Z"}
    return json.dumps(row | ({"value": 12.5} if event in valued(kpi) else {}), ensure_ascii=False)


def valued(kpi: Json) -> set[str]:
    """The events of which a KPI reads the value."""
    definition, entry = kpi["definition"] or {}, kpi["entry"] or {}
    terms = [definition[name] for name in ("numerator", "denominator") if name in definition]
    amounts = [definition, *(term[name] for term in terms for name in ("amount", "other") if term[name])]
    found = {amount["event"] for amount in amounts if amount.get("of") not in (None, *COUNTED)}
    beside = (definition.get("lessEvent") if found else None, entry.get("among"))
    return found | {event for event in beside if event}

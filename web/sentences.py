"""Sentences about the numbers: what a chart says to a reader who does not see it, and what the page says in words."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from markupsafe import Markup, escape

from web.quantities import Json, day, decimal, difference, interval, lift, percent, sentence, value

CODE = re.compile("`([^`]+)`")
"""A name that somebody set apart from the words around it."""


def better(kpi: Json) -> str:
    """Which way is good, in words."""
    return "lower is better" if kpi["direction"] == "LOWER" else "higher is better"


def interval_sentence(finding: Json, taken: int) -> str:
    """What the interval chart shows, with its last numbers."""
    titled = f"{finding['kpi']['name']}, {finding['variant']['name']} minus control, day by day"
    return f"{titled}. {interval_words(finding)} Looks taken: {taken}."


def interval_words(finding: Json) -> str:
    """The finding's difference with what the policy allows to believe, and the always-valid interval."""
    on, always = finding["scale"], finding["alwaysValid"]
    change = difference(finding["estimate"]["difference"], on, finding["interval"])
    held = f", interval {interval(finding['interval'], on)}" if finding["interval"] else ""
    whenever = f", always-valid interval {interval(always['interval'], on)}" if always else ""
    return f"Read on {day(finding['readOn'])}: difference {change}{held}{whenever}."


CURVES = {
    "REACHED": ("share that reached it, by day since exposure", "Share that reached it by day"),
    "RETURNED": ("share that came back, by day since exposure", "Share that came back on day"),
    "REMAINED": ("share that came back then or later, by day since exposure", "Share that came back on or after day"),
}
"""What curves show: as a title, and before the number of a day."""


def curves_title(found: Json) -> str:
    """What the curves show: share that came back, by day since exposure."""
    return CURVES[found["of"]][0]


def curves_sentence(finding: Json, control: Json) -> str:
    """What the curves show, with the numbers of the last day that both know."""
    found = finding["curves"]
    columns = (found["days"], found["treatment"]["share"], found["control"]["share"])
    known = [row for row in zip(*columns, strict=True) if None not in row]
    if not known:
        return f"{CURVES[found['of']][1]} 1: not known yet. {curves_words(finding, control)}"
    on, treatment, own = known[-1]
    return (
        f"{CURVES[found['of']][1]} {on}: {finding['variant']['name']} {percent(treatment, 1)}, "
        f"{control['name']} {percent(own, 1)}. {curves_words(finding, control)}"
    )


def curves_words(finding: Json, control: Json) -> str:
    """The difference that the KPI's test is about: of mean times to first value, or of shares."""
    if finding["scale"] == "DAYS":
        return saved(finding, control)
    has_answer = finding["estimate"]["difference"] is not None
    return interval_words(finding) if has_answer else "The difference cannot be given yet."


def saved(finding: Json, control: Json) -> str:
    """The difference in restricted mean time, in words."""
    change, on, tau = finding["estimate"]["difference"], finding["scale"], finding["curves"]["days"][-1]
    if change is None:
        return "The difference in mean time cannot be given yet."
    way = "sooner" if change < 0 else "later"
    held = f" (interval of the difference {interval(finding['interval'], on)})" if finding["interval"] else ""
    return (
        f"Within {tau:g} days, {finding['variant']['name']} reaches first value {value(abs(change), on)} {way} "
        f"on average than {control['name']}{held}."
    )


def covariate(named: Json) -> str:
    """What a KPI is adjusted for, in words."""
    days = named["preExposureDays"]
    if days is None:
        return str(named["attribute"])
    return f"the same KPI in the {'day' if days == 1 else f'{days} days'} before exposure"


def adjusted(found: Json) -> str:
    """What a finding is adjusted for, and what that did: adjusted by sessions_before, variance −37.2%."""
    less = found["varianceReduction"]
    change = "" if less is None else f", variance {lift(-less)}"
    missing = f", missing for {percent(found['missing'], 1)} of the units" if found["missing"] else ""
    return f"adjusted by {covariate(found)}{change}{missing}"


def looks_sentence(rows: Sequence[Json]) -> str:
    """How far the looks have come, with the last statistic and its boundary."""
    taken = [row for row in rows if row["isTaken"]]
    if not taken:
        return f"No look of {len(rows)} has been taken yet."
    last = taken[-1]
    crossed = "crossed" if last["hasCrossed"] else "not crossed"
    return (
        f"Look {last['number']} of {len(rows)} taken, at {percent(last['informationFraction'])} of the planned "
        f"information: z {decimal(last['statistic'])}, boundary ±{decimal(last['boundary'])}, {crossed}."
    )


def outcome(look: Json, results: Json) -> str:
    """What became of a look."""
    if look["isTaken"]:
        return "Crossed" if look["hasCrossed"] else "Not crossed"
    if look["isEarly"]:
        return "Before the minimum"
    return "To come" if look["plannedOn"] > results["dataThrough"][:10] else "Not taken"


CHECKED = {"PASS": "Passes", "WARN": "Think again", "BLOCK": "Blocks the start"}
"""What a check before a launch says, in words."""


def launch_sentence(checks: Sequence[Json]) -> str:
    """Whether a draft may start, and how much there is to think about."""
    blocking, warning = (sum(check["state"] == state for check in checks) for state in ("BLOCK", "WARN"))
    if blocking:
        return f"{blocking} of {len(checks)} checks {'blocks' if blocking == 1 else 'block'} the start."
    if warning:
        return f"It may start; {warning} of {len(checks)} checks {'warns' if warning == 1 else 'warn'}."
    return f"All {len(checks)} checks pass."


def outlook(coming: Json) -> str:
    """What is still to come, as far as anybody can say."""
    looks = [f"next look {day(coming['nextLookOn'])}"] if coming["nextLookOn"] else []
    ends = [*looks, f"the plan ends {day(coming['endsOn'])}"]
    if coming["unitsNeeded"]:
        pace = f", {coming['daysNeeded']:,.0f} days at last week's pace" if coming["daysNeeded"] is not None else ""
        ends.append(f"{coming['unitsNeeded']:,} more final units for the planned power{pace}")
    return sentence("; ".join(ends)) + "."


def split(variants: Sequence[Json]) -> str:
    """The planned shares of the arms: Control 50% · Checklist 50%."""
    whole = sum(variant["weight"] for variant in variants)
    return " · ".join(f"{variant['name']} {percent(variant['weight'] / whole)}" for variant in variants)


def stated(value: object) -> str:
    """What an amendment found or left: words and numbers as they are, anything larger as JSON."""
    if value is None:
        return "–"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict | bool) else str(value)


CORRECTIONS = {
    "HOLM": "Holm's method: the chance of any false finding among them is held to α",
    "BENJAMINI_HOCHBERG": "Benjamini & Hochberg's rule: the share of false ones among those found is held to α",
    "BENJAMINI_YEKUTIELI": "Benjamini & Yekutieli's rule: that share is held to α however the KPIs hang together",
    "E_BENJAMINI_HOCHBERG": "the e-BH rule: the share of false ones among those found is held to α on any day",
}


def correction(rule: str) -> str:
    """What a rule for several questions promises, in words."""
    return CORRECTIONS[rule]


def who(experiment: Json) -> str:
    """Whom the plan lets in: conditions first, then what it says in words, and whom it keeps out."""
    plan, held = experiment["plan"], experiment["holdout"]
    words = [condition["sentence"] for condition in plan["targeting"]]
    words += [plan["audience"]] if plan["audience"] else []
    words += [f"without: {plan['exclusions']}"] if plan["exclusions"] else []
    words += [f"without the control of “{held['name']}”"] if held else []
    return "; ".join(words)


def days_run(experiment: Json) -> int | None:
    """Whole days from the start to the end of enrolment, or to the last data; None with nothing to count."""
    results = experiment["results"]
    end = experiment["frozenAt"] or (results and results["dataThrough"])
    if experiment["startedAt"] is None or end is None:
        return None
    return max(0, (_at(end) - _at(experiment["startedAt"])).days)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


RIGHTS = {
    "canRead": "read",
    "canEdit": "edit",
    "canDecide": "decide",
    "canIngest": "send rows",
    "canAdminister": "see to members and keys",
    "canReadSchema": "ask for the schema",
}
"""What a viewer may do, in words."""


def rights(permissions: Json) -> str:
    """What a viewer may do: read, edit and decide."""
    *all_but_last, last = [word for name, word in RIGHTS.items() if permissions[name]]
    return f"{', '.join(all_but_last)} and {last}" if all_but_last else str(last)


def coded(text: str) -> Markup:
    """A text whose words in backticks are set as code; the rest of it is text, whatever stands in it."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - what was given is escaped

"""What a review says in words: the same on its page, on paper, as Markdown and as a table for a spreadsheet."""

import csv
import re
from collections.abc import Iterator, Sequence
from io import StringIO

from markupsafe import Markup

from web.charts import courses
from web.charts.scale import decimals
from web.quantities import DASH, MEASURES, MINUS, Json, count, day, lift, moment, percent, value, words
from web.quantities import difference as _difference
from web.quantities import interval as _interval
from web.quantities import lift_interval as _lift_interval

MARKED = re.compile(
    r"[\\`*_\[\]<>|&~$@]|:(?=//)|(?<=www)\.|^[#+=-]|(?<=^\d)[.)](?= |$)|(?<=^\d\d)[.)](?= |$)", re.IGNORECASE
)
"""What Markdown, or HTML within it, could take for more than text; some of it only where a line begins."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs text that begins with one of these as a formula."""
COLUMNS = (
    "kpi", "name", "owner", "leading", "period", "n", "value", "lower", "upper", "change", "change_lower",
    "change_upper", "baseline", "baseline_difference", "target", "target_due_on", "target_met", "target_chance",
    "data_through", "stale", "reason",
)  # fmt: skip


def title(review: Json) -> str:
    """Weekly review, 2 Nov 2026 to 8 Nov 2026."""
    return f"{words(review['kind'])} review, {day(review['fromOn'])} to {day(review['toOn'])}"


def level(figure: Json) -> str:
    """The value of a KPI."""
    return value(figure["value"], figure["scale"])


def level_detail(figure: Json) -> str:
    """The interval of the value, the units behind it, and which period it is of where that is not the review's."""
    if figure["value"] is None:
        return str(figure["reason"] or "")
    parts = [f"{count(figure['n'])} units"]
    if figure["lower"] is not None and figure["upper"] is not None:
        parts.insert(0, f"{value(figure['lower'], figure['scale'])} to {value(figure['upper'], figure['scale'])}")
    if not figure["isOfPeriod"]:
        parts.append(f"of {day(figure['startOn'])}")
    return ", ".join(parts)


def difference(held: Json | None, scale: str) -> str:
    """The difference from what a level is held against."""
    return DASH if held is None else _difference(held["difference"], scale, held)


def difference_detail(held: Json | None, scale: str) -> str:
    """The interval of the difference, and whether it is better or worse beyond chance."""
    if held is None or held["lower"] is None or held["upper"] is None:
        return ""
    says = "▲ better" if held["isBetter"] else "▼ worse" if held["isWorse"] else "within chance"
    return f"{_interval(held, scale)}, {says}"


def tone(held: Json | None) -> str:
    """better, worse or unclear."""
    if held is None:
        return "unclear"
    return "better" if held["isBetter"] else "worse" if held["isWorse"] else "unclear"


def target(figure: Json) -> str:
    """Where the KPI shall be by when."""
    aimed = figure["target"]
    return DASH if aimed is None else f"{value(aimed['value'], figure['scale'])} by {day(aimed['dueOn'])}"


def target_detail(figure: Json) -> str:
    """Whether it is met, and the chance that it will be."""
    aimed = figure["target"]
    if aimed is None:
        return "no target"
    parts = ["met now" if aimed["isMet"] else "not met now"]
    if aimed["isOfOtherDefinition"]:
        parts.append("set for another version of the definition")
    if aimed["chance"] is not None:
        parts.append(f"chance by then {percent(aimed['chance'])}")
    return ", ".join(parts)


def decision(decided: Json) -> str:
    """What was decided, and of which variant."""
    return words(decided["choice"]) + (f" “{decided['variant']}”" if decided["variant"] else "")


def effect(found: Json) -> str:
    """What an experiment found on a KPI."""
    bounds = {"lower": found["liftLower"], "upper": found["liftUpper"]}
    if found["lift"] is None:
        return f"{found['name']}, {found['variant']}: no lift"
    span = "" if None in bounds.values() else f" ({_lift_interval(bounds)})"
    return f"{found['name']}, {found['variant']}: {lift(found['lift'])}{span}"


def worths(tops: Sequence[Json]) -> list[str]:
    """What a change comes to at each KPI at the top of the ladder; those without an answer by the reason for it."""
    missing: dict[str, list[str]] = {}
    for found in tops:
        if found["lift"] is None:
            missing.setdefault(found["reason"] or "not known", []).append(found["name"])
    known = [_worth(found) for found in tops if found["lift"] is not None]
    return known + [f"{', '.join(names)}: {reason}" for reason, names in missing.items()]


def _worth(found: Json) -> str:
    """What a change comes to at one of them, and in revenue a year."""
    parts = [f"{found['name']}: {lift(found['lift'])}"]
    if found["lower"] is not None and found["upper"] is not None:
        parts.append(f"({_lift_interval(found)})")
    if found["net"] is not None:
        parts.append(f"or {value(found['net'], 'AMOUNT')} a year")
        if found["netLower"] is not None and found["netUpper"] is not None:
            parts.append(f"({value(found['netLower'], 'AMOUNT')} to {value(found['netUpper'], 'AMOUNT')})")
    return " ".join(parts) + ("" if found["isEstimated"] else ", by links that are assumed")


def about(item: Json) -> str:
    """What something to do is about, and which review found it."""
    parts = [text for text in (item["kpi"], item["experiment"]) if text]
    if item["isEarlier"]:
        parts.append(f"from the review of {day(item['fromOn'])}")
    return " · ".join(parts)


def has_course(figure: Json) -> bool:
    """Whether there are two values to draw a line between."""
    return sum(number is not None for number in figure["course"]["values"]) > 1


def course(figure: Json) -> Markup:
    """The chart of a KPI's periods. Raises ValueError when no period has a value."""
    columns, shown = figure["course"], MEASURES[figure["scale"]]
    aim = None if figure["target"] is None else figure["target"]["value"]
    known = [number for number in columns["values"] if number is not None]
    label = f"{figure['name']} over {count(len(columns['starts']))} periods: from {value(known[0], figure['scale'])}"
    label += f" to {value(known[-1], figure['scale'])}"
    label += "." if aim is None else f"; target {value(aim, figure['scale'])}."
    scaled = {name: [_times(number, shown.factor) for number in columns[name]] for name in ("values", "lower", "upper")}
    return courses.course(
        [day(on).rsplit(" ", 1)[0] for on in columns["starts"]],
        scaled["values"],
        scaled["lower"],
        scaled["upper"],
        target=_times(aim, shown.factor),
        label=label,
        tick_text=lambda number, step: (
            f"{number:,.{decimals(step)}f}".replace("-", MINUS) + shown.value_unit.replace("days", "d")
        ),
    )


def markdown(data: Json) -> str:
    """A review as Markdown: nothing that people wrote can become markup."""
    return "\n".join(_lines(data["review"])) + "\n"


def table(data: Json) -> str:
    """A review as CSV, one row a KPI: plain numbers, and no text that a spreadsheet would run."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(cell) for cell in _row(figure)] for figure in data["review"]["snapshot"]["figures"])
    return text.getvalue()


def _row(figure: Json) -> list[object]:
    change, baseline, aimed = (
        {} if figure[name] is None else figure[name] for name in ("change", "baseline", "target")
    )
    of_change = [change.get(name) for name in ("difference", "lower", "upper")]
    of_target = [aimed.get(name) for name in ("value", "dueOn", "isMet", "chance")]
    return [
        *(figure[name] for name in ("kpi", "name", "owner", "isLeading", "startOn", "n", "value", "lower", "upper")),
        *of_change, baseline.get("against"), baseline.get("difference"), *of_target,
        *(figure[name] for name in ("lastOn", "isStale", "reason")),
    ]  # fmt: skip


def _cell(cell: object) -> object:
    if isinstance(cell, bool):
        return str(cell).lower()
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def _lines(review: Json) -> Iterator[str]:
    said = review["snapshot"]
    yield f"# {plain(title(review))}"
    yield ""
    yield f"{plain(said['workspace'])} · {plain(words(review['state']))} · as of {plain(moment(said['readAt']))}"
    yield from _section(
        "Agenda",
        [
            f"- **{plain(words(one['topic']))}** {plain(one['sentence'])} ({plain(one['owner'])})"
            for one in said["points"]
        ],
        "Nothing needs attention.",
    )
    yield from _written(review["agenda"])
    yield from _table(
        "KPIs",
        ("KPI", "Level", "Against the period before", "Against baseline", "Target", "Data through"),
        [_kpi(one) for one in said["figures"]],
    )
    yield from _table("Alerts", ("KPI", "Alert", "Action", "State"), [_alert(one) for one in said["alerts"]])
    yield from _table(
        "Experiments decided",
        ("Experiment", "Decision", "Verdict", "Effect"),
        [_experiment(one) for one in said["experiments"]],
    )
    yield from (line for told in worths(said["impact"]) for line in ("", f"- Shipped, together: {plain(told)}"))
    yield from _written(review["decisions"])
    yield from _table(
        "To do",
        ("What", "Who", "Due", "State", "About"),
        [
            (
                one["text"],
                one["owner"],
                day(one["dueOn"]) + (" (overdue)" if one["isOverdue"] else ""),
                words(one["state"]) + (f": {one['note']}" if one["note"] else ""),
                about(one),
            )
            for one in said["items"]
        ],
    )
    yield from _table(
        "Backlog of improvements",
        ("Rank", "KPI", "Gap", "Worth", "Why"),
        [
            (str(one["rank"]), one["name"], percent(one["gap"], 1), percent(one["worth"], 2), " ".join(one["reasons"]))
            for one in said["backlog"]
        ],
    )
    if review["notes"]:
        yield from ("", "## Notes")
        yield from _written(review["notes"])
    if review["snapshotHash"]:
        closed = f"Closed {plain(moment(review['closedAt']))} by {plain(review['closedBy'])}."
        yield from ("", f"{closed} SHA-256: `{review['snapshotHash']}`")


def _kpi(figure: Json) -> tuple[str, ...]:
    scale = figure["scale"]
    return (
        f"{figure['name']} ({figure['owner']})",
        f"{level(figure)} ({level_detail(figure)})",
        *(
            f"{difference(held, scale)} {_bracketed(difference_detail(held, scale))}"
            for held in (figure["change"], figure["baseline"])
        ),
        f"{target(figure)} ({target_detail(figure)})",
        day(figure["lastOn"]) + (", behind" if figure["isStale"] else ""),
    )


def _alert(one: Json) -> tuple[str, ...]:
    note = f": {one['note']}" if one["note"] else ""
    said = f"{one['sentence']} ({words(one['severity'])}, {moment(one['raisedAt'])})"
    return (f"{one['name']} ({one['owner']})", said, one["action"] or DASH, words(one["state"]) + note)


def _experiment(one: Json) -> tuple[str, ...]:
    found = [*map(effect, one["effects"]), *worths(one["impact"])]
    effects = "; ".join(found) or "no results"
    verdict = words(one["verdict"]) + (", decided against it" if one["differs"] else "")
    return (f"{one['name']}: {one['hypothesis']}", f"{decision(one)} ({one['by']})", verdict, effects)


def _bracketed(text: str) -> str:
    return f"({text})" if text else ""


def _section(heading: str, lines: Sequence[str], nothing: str) -> Iterator[str]:
    yield from ("", f"## {heading}", "")
    yield from lines or [nothing]


def _table(heading: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    lines = [f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)] if rows else []
    yield from _section(heading, [*lines, *(f"| {' | '.join(map(plain, row))} |" for row in rows)], "Nothing.")


def _written(text: str) -> Iterator[str]:
    """What people wrote, quoted line by line."""
    if text:
        yield ""
        yield from (f"> {plain(line)}  " for line in text.splitlines())


def plain(text: str) -> str:
    """A text that stays one line and no markup in Markdown."""
    return MARKED.sub(r"\\\g<0>", " ".join(text.split()))


def _times(number: float | None, factor: float) -> float | None:
    return None if number is None else number * factor

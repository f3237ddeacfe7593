"""What a KPI's definition says, in words."""

from collections.abc import Callable

from web.quantities import Json, decimal, percent, words

OF = {
    "VALUE": "the values of “{0}”",
    "COUNT": "how often “{0}” happened",
    "DAYS": "the days with “{0}”",
    "DISTINCT": "the different values of “{0}”",
    "AVERAGE": "the average value of “{0}”",
}
AMOUNTS = {
    **OF,
    "ANY": "1 if “{0}” happened",
    "LEVEL_AT_START": "the level of “{0}” at the start",
    "LEVEL_AT_END": "the level of “{0}” at the end",
    "HAD_AT_START": "1 with a level of “{0}” at the start",
    "HAD_AT_END": "1 with a level of “{0}” at the end",
}
HOW = {
    "DIFFERENCE": "{0}, less {1}",
    "KEPT": "{0}, of those with {1}",
    "SMALLER": "the lesser of {0} and {1}",
    "GAIN": "what {0} is above {1}, of those with both",
    "LOSS": "what {0} is below {1}, of those with both",
    "LOST": "{1}, of those without {0}",
    "LEFT": "1 for those without {0} who had {1}",
    "DISTANCE": "the distance between {0} and {1}",
    "MATCHED": "how far {0} matches {1}",
}
TIMES = {1: "", 2: "second ", 3: "third "}


def defined(definition: Json) -> str:
    """The definition in one or two sentences."""
    return WORDED[definition["__typename"]](definition)


def entered(entry: Json, unit: str) -> str:
    """Whom it counts outside experiments, in a sentence."""
    plural = f"{unit.lower()}s"
    if entry["event"] is not None:
        return f"It counts {plural} from their first “{entry['event']}” on."
    among = f" with a level of “{entry['among']}” then" if entry["among"] else ""
    return f"It is measured at the end of each {entry['every'].lower()}, of {plural}{among}, over the window up to it."


def _activation(of: Json) -> str:
    return f"The share with at least one “{of['event']}” within {_days(of['windowDays'])}."


def _retention(of: Json) -> str:
    until = of["untilDay"]
    if of["form"] == "ROLLING":
        return f"The share with “{of['event']}” on day {of['day']} or later, up to day {until}."
    on = f"day {of['day']}" if until is None else f"any of the days {of['day']} to {until}"
    return f"The share with “{of['event']}” on {on}."


def _time_to_value(of: Json) -> str:
    time = TIMES.get(of["occurrence"], f"{of['occurrence']}th ")
    lost = f" Who does “{of['lossEvent']}” is watched until then." if of["lossEvent"] else ""
    return (
        f"The mean days until the {time or 'first '}“{of['event']}”, counted up to day {of['tauDays']}: who has not "
        f"got there yet counts as still waiting, and is not left out.{lost}"
    )


def _mean(of: Json) -> str:
    less = f", less those of “{of['lessEvent']}”" if of["lessEvent"] else ""
    return f"The mean per unit of {_amount(of)}{less} within {_days(of['windowDays'])}{_capped(of)}."


def _total(of: Json) -> str:
    return f"The sum over all units of {_amount(of)} within {_days(of['windowDays'])}{_capped(of)}."


def _ratio(of: Json) -> str:
    return (
        f"Over a window of {_days(of['windowDays'])}, the sum over units of {_term(of['numerator'])}, divided by the "
        f"sum of {_term(of['denominator'])}."
    )


def _quantile(of: Json) -> str:
    name = "median" if of["quantile"] == 0.5 else f"{percent(of['quantile'])} quantile"
    return f"The {name} over units of {_amount(of)} within {_days(of['windowDays'])}."


def _composite(of: Json) -> str:
    parts = "; ".join(
        f"“{part['kpi']}” (version {part['version']}) less {decimal(part['centre'])}, over {decimal(part['spread'])}, "
        f"times {decimal(part['weight'])}"
        for part in of["components"]
    )
    return f"The mean per unit of a weighted sum: {parts}."


def _days(count: int) -> str:
    return "a day" if count == 1 else f"{count} days"


def _capped(of: Json) -> str:
    return "" if of["cap"] is None else f", {of['cap']:,g} at most for each"


def _amount(of: Json) -> str:
    return AMOUNTS.get(of["of"], words(of["of"]).lower() + " of “{0}”").format(of["event"])


def _term(of: Json) -> str:
    alone = _part(of["amount"])
    return alone if of["how"] is None else HOW[of["how"]].format(alone, _part(of["other"]))


def _part(of: Json) -> str:
    late = f" in its last {_days(of['lastDays'])}" if of["lastDays"] else ""
    return _amount(of) + late


WORDED: dict[str, Callable[[Json], str]] = {
    "ActivationDefinition": _activation,
    "RetentionDefinition": _retention,
    "TimeToValueDefinition": _time_to_value,
    "MeanDefinition": _mean,
    "TotalDefinition": _total,
    "RatioDefinition": _ratio,
    "QuantileDefinition": _quantile,
    "CompositeDefinition": _composite,
}

"""KPIs by the product's written semantics, read from wire rows in plain Python: another implementation."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from api.sample.kpis import Input
from api.sample.rows import Row

DAY = timedelta(days=1)
Moments = Mapping[str, Sequence[tuple[datetime, float | None]]]
"""For each unit, the time and value of each of its rows of one event."""


def moments(rows: Sequence[Row], event: str) -> Moments:
    by_unit = defaultdict(list)
    for row in rows:
        if row["event"] == event:
            by_unit[row["unit"]].append((row["occurredAt"], row["value"]))
    return by_unit


def event_of(definition: Input) -> str:
    (terms,) = definition.values()
    return str(terms["event"])


def window_days(definition: Input) -> int:
    """Days after exposure until a unit's value is final."""
    ((kind, terms),) = definition.items()
    if kind == "retention":
        return int(terms["day"]) + 1
    return int(terms["tauDays" if kind == "timeToValue" else "windowDays"])


def value_of(definition: Input, rows: Sequence[tuple[datetime, float | None]], exposed_at: datetime) -> float:
    """One unit's value."""
    ((kind, terms),) = definition.items()
    after = [((at - exposed_at) / DAY, value) for at, value in rows if at >= exposed_at]
    if kind == "timeToValue":
        return min([float(int(days) + 1) for days, _ in after] + [float(terms["tauDays"])])
    if kind == "retention":
        return float(any(terms["day"] <= days < terms["day"] + 1 for days, _ in after))
    inside = [value for days, value in after if days < terms["windowDays"]]
    if kind == "activation":
        return float(bool(inside))
    total = float(len(inside)) if terms["of"] == "COUNT" else sum(value or 0.0 for value in inside)
    return total if terms["cap"] is None else min(total, terms["cap"])

"""Whether a KPI has seasons: days of the week, months or quarters of the year. Pure."""

from dataclasses import dataclass

import numpy as np

from kpi.enums import Granularity
from kpi.history import periods
from kpi.history.values import Series
from stats.results import Reason
from stats.series import season

ALPHA = 0.05
NAMES = {
    Granularity.DAY: ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    Granularity.MONTH: (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    Granularity.QUARTER: ("first quarter", "second quarter", "third quarter", "fourth quarter"),
}
"""Weeks have no season of their own: a year of them is too long for most histories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seasons:
    """By how much each season departs from the mean of all, in the KPI's own units, beside a straight trend.

    `share` is that of the spread around the trend which seasons explain; None, and no effects, where there is a reason.
    """

    name: list[str]
    effect: list[float | None]
    lower: list[float | None]
    upper: list[float | None]
    p_value: float | None
    share: float | None
    reason: Reason | None


def seasons(found: Series) -> Seasons | None:
    """The seasons of a KPI's final periods; None for periods that have none."""
    if found.granularity not in NAMES:
        return None
    final = [place for place, is_final in enumerate(found.is_final) if is_final and found.standard_error[place]]
    names = NAMES[found.granularity]
    if {periods.season(found.start_on[place], found.granularity) for place in final} != set(range(len(names))):
        return _unknown(names, Reason.TOO_FEW_PERIODS)
    value, error = (
        np.array([column[place] for place in final], np.float64) for column in (found.value, found.standard_error)
    )
    days = [found.start_on[place] for place in final]
    seen = season.effects(
        [periods.number(day, found.granularity) for day in days],
        value,
        error,
        season=[periods.season(day, found.granularity) for day in days],
        alpha=ALPHA,
    )
    if (reason := seen.reason_at()) is not None:
        return _unknown(names, reason)
    return Seasons(
        name=list(names),
        effect=seen.effect.tolist(),
        lower=seen.lower.tolist(),
        upper=seen.upper.tolist(),
        p_value=float(seen.p_value),
        share=float(seen.share),
        reason=None,
    )


def _unknown(names: tuple[str, ...], reason: Reason) -> Seasons:
    nothing: list[float | None] = [None] * len(names)
    return Seasons(
        name=list(names), effect=nothing, lower=nothing, upper=nothing, p_value=None, share=None, reason=reason
    )

"""How a KPI's units come, day by day since they entered: of each cohort (the triangle), or of all together. Pure.

A time to value has such a curve by itself, a share where its definition asks for it (`has_curve`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from math import isfinite

import numpy as np

from kpi.enums import Granularity
from kpi.history import periods
from kpi.history.sums import ALPHA, Sums
from kpi.kinds import Aggregate
from kpi.kinds.shape import CurveOf, DayCurve, Ints
from stats.arrays import Array
from stats.survival import kaplan_meier, returns
from stats.survival.counts import life_table

EACH_DAY = 31
"""Up to this day a triangle has every day, beyond it every seventh, and the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """The share of units by day since they entered, with 95% limits of each day by itself.

    `days` are whole days: of REACHED the share has done it by the end of that many days, else it did so on that day
    (RETURNED) or on it or later (REMAINED). None on days through which nobody has been watched yet, and in the limits
    of users whose error is that of accounts. `median` is the day by which half had done it.
    """

    of: CurveOf
    days: list[int]
    n: list[int]
    value: list[float | None]
    lower: list[float | None]
    upper: list[float | None]
    median: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Triangle:
    """Shares of cohorts by age as columns, one place a cell; only cells in which nothing can change any more.

    `start_on` is the first day of the cohort's period, `age` a day as in `Adoption`, `n` the units of the cohort.
    """

    of: CurveOf
    granularity: Granularity
    start_on: list[date]
    age: list[int]
    n: list[int]
    value: list[float | None]


def adoption(found: Sums) -> Adoption | None:
    """The curve of all cohorts together, each for as long as it was watched; None for a KPI without one."""
    if found.events is None or found.losses is None or not found.days:
        return None
    of, days = _shown(found)
    if of is CurveOf.REACHED:
        return _reached(found, found.events[:, : days.stop], found.losses[:, : days.stop])
    # Nobody is known to have stayed away for good before the last day of all.
    ages = np.where(found.ages[0] >= days.stop, found.ages[0], 0) if of is CurveOf.REMAINED else found.ages[0]
    came = found.events[:, days.start : days.stop]
    seen = returns.estimate(found.entered, came, ages, first=days.start, alpha=ALPHA)
    return _curve(found, of, list(days), seen.at_risk, seen.share, seen.lower, seen.upper)


def triangle(found: Sums, granularity: Granularity) -> Triangle | None:
    """The shares of each period's cohorts by age; None for a KPI without a curve."""
    if found.events is None or found.losses is None:
        return None
    of, _ = _shown(found)
    cells = [cell for first in _starts(found, granularity) for cell in _row(found, first, granularity)]
    starts, ages, n, values = zip(*cells, strict=True) if cells else ((), (), (), ())
    return Triangle(
        of=of, granularity=granularity, start_on=list(starts), age=list(ages), n=list(n), value=list(values)
    )


def _row(found: Sums, first: date, granularity: Granularity) -> Iterator[tuple[date, int, int, float | None]]:
    last = periods.last(first, granularity)
    part = found.between(first, last)
    if found.is_periodic:
        part = part.between(part.days[-1], part.days[-1])
    curve = adoption(part)
    if curve is None or last >= found.through:
        return
    units = int(part.entered.sum())
    watched = int(part.ages.min()) + (curve.of is CurveOf.REACHED)
    for day, value in zip(curve.days, curve.value, strict=True):
        is_shown = day <= EACH_DAY or day % 7 == 0 or day == curve.days[-1]
        if is_shown and day < watched and value is not None:
            yield first, day, units, value


def _starts(found: Sums, granularity: Granularity) -> list[date]:
    return sorted({periods.start(day, granularity) for day in found.days})


def _shown(found: Sums) -> tuple[CurveOf, range]:
    """How the curve reads, and its days from 0; a time to value reads as what was reached within its horizon."""
    if found.kind.aggregate is Aggregate.DURATIONS or found.kind.curve is None:
        return CurveOf.REACHED, range(found.kind.window[1])
    curve: DayCurve = found.kind.curve
    return curve.of, curve.days


def _reached(found: Sums, events: Ints, losses: Ints) -> Adoption:
    table = life_table(found.entered, events, losses, found.ages[0])
    seen = kaplan_meier.estimate(table, level=1 - ALPHA)
    days = list(range(1, events.shape[-1] + 1))
    half = float(kaplan_meier.median(seen).day)
    return _curve(
        found, CurveOf.REACHED, days, table.at_risk, 1 - seen.survival, 1 - seen.upper, 1 - seen.lower, median=half
    )


def _curve(
    found: Sums,
    of: CurveOf,
    days: list[int],
    at_risk: Array,
    share: Array,
    lower: Array,
    upper: Array,
    *,
    median: float = np.nan,
) -> Adoption:
    has_limits = found.accounts is None
    return Adoption(
        of=of,
        days=days,
        n=at_risk.astype(np.int64).tolist(),
        value=_column(share),
        lower=_column(lower) if has_limits else [None] * len(days),
        upper=_column(upper) if has_limits else [None] * len(days),
        median=median if isfinite(median) else None,
    )


def _column(numbers: Array) -> list[float | None]:
    return [float(value) if isfinite(value) else None for value in numbers]

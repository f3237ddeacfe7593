"""What is asked of a KPI's level outside experiments: nobody was assigned by chance, so every answer is observational.

A level is held against a baseline, a target or another cohort; a change is judged beside a segment that it did not
reach. What would mislead is said with the answer.
"""

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from math import inf

import numpy as np

from kpi.enums import Direction, Granularity
from kpi.history import periods
from kpi.history.sums import Level, Sums
from kpi.history.values import EVERYBODY, Series, level, series
from kpi.kinds.shape import Floats, Scale
from kpi.tables import Baseline, Target
from stats import baseline as baselines
from stats.results import Comparison, Comparisons, Interval, Reason, Undefined
from stats.series import changes, forecast, levels

ALPHA = 0.05


class Caution(StrEnum):
    """What an answer does not show by itself."""

    NOT_RANDOMISED = "NOT_RANDOMISED"
    NOT_FINAL = "NOT_FINAL"
    SHARED_UNITS = "SHARED_UNITS"
    UNLIKE_BEFORE = "UNLIKE_BEFORE"
    OTHER_DEFINITION = "OTHER_DEFINITION"


CAUTIONS = {
    Caution.NOT_RANDOMISED: "Nobody was assigned by chance: whatever else differs may be the reason.",
    Caution.NOT_FINAL: "Some units are still being observed.",
    Caution.SHARED_UNITS: "Some units are measured on both sides, so the error is only a rough one.",
    Caution.UNLIKE_BEFORE: "Both segments moved differently before the change, which speaks against the effect.",
    Caution.OTHER_DEFINITION: "The target was set for another version of the definition.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A level, what it is held against, and the difference between both; None where a reason stands instead.

    `p_value` is two-sided; against a target one-sided, and `chance` is that the true level is there or beyond.
    """

    level: Level
    against: float | None
    difference: float | None = None
    interval: Interval | None = None
    p_value: float | None = None
    chance: float | None = None
    method: str
    reason: Reason | None = None
    cautions: tuple[Caution, ...] = (Caution.NOT_RANDOMISED,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Units of a segment that entered between two days; of periods, the one that ends last in between."""

    from_on: date
    to_on: date
    segment: str = EVERYBODY

    def meets(self, other: "Window") -> bool:
        """Whether units may be in both."""
        is_apart = self.to_on < other.from_on or other.to_on < self.from_on
        is_other = self.segment != other.segment and EVERYBODY not in (self.segment, other.segment)
        return not (is_apart or is_other)


def against_baseline(found: Sums, window: Window, baseline: Baseline) -> Answer:
    """The level of a window against a baseline, both of which have an error: Welch's test, or the normal one."""
    now = level(found)
    compared = baselines.compare(
        _number(now.value),
        _number(now.standard_error) ** 2,
        baseline=baseline.value,
        baseline_standard_error=baseline.standard_error,
        alpha=ALPHA,
        n=now.n if baseline.n else None,
        baseline_n=baseline.n,
    )
    before = _window_of(baseline)
    is_shared = found.is_periodic or (before is not None and window.meets(before))
    return _answered(now, baseline.value, compared, _cautions(found, is_shared=is_shared))


def against_target(found: Sums, target: Target, direction: Direction, version: int | None = None) -> Answer:
    """The level of a window against a target: one-sided, and the chance that the true level is there.

    `version` is that of the definition that the level is of, if it is known.
    """
    now = level(found)
    tested = levels.against_target(
        _number(now.value),
        _number(now.standard_error),
        target=_number(target.value),
        alpha=ALPHA,
        sign=direction.sign,
        n=now.n or None,
    )
    is_other = None not in (version, target.definition_version) and version != target.definition_version
    cautions = (*_cautions(found), *([Caution.OTHER_DEFINITION] if is_other else []))
    answer = _answered(now, target.value, tested.comparison, cautions)
    if answer.reason is not None:
        return answer
    return replace(answer, p_value=float(tested.p_value), chance=float(tested.chance))


def between_cohorts(found: Sums, window: Window, other: Sums, other_window: Window) -> Answer:
    """The level of one window less that of another."""
    now, then = level(found), level(other)
    compared = levels.cohorts(
        _number(now.value),
        _number(now.standard_error),
        other=_number(then.value),
        other_standard_error=_number(then.standard_error),
        alpha=ALPHA,
        n=now.n,
        other_n=then.n,
    )
    cautions = _cautions(found, other, is_shared=found.is_periodic or window.meets(other_window))
    return _answered(now, then.value, compared, cautions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a change did to a segment beside another one, and two looks at whether both moved alike before it.

    `slope_p_value` is of how the gap moved before, `placebo_p_value` of a change made up in the middle of that.
    """

    answer: Answer
    slope_p_value: float | None
    placebo_p_value: float | None


def of_change(segment: Sums, comparison: Sums, *, changed_on: date, granularity: Granularity) -> Effect:
    """Difference in differences over the periods of two segments; the change takes effect on its first whole period."""
    ours, theirs = (series(part, segment=EVERYBODY, granularity=granularity) for part in (segment, comparison))
    both = [day for day in ours.start_on if day in set(theirs.start_on)]
    change = next((place for place, day in enumerate(both) if day >= changed_on), len(both))
    if not 0 < change < len(both):
        none = Level(n=0)
        return Effect(answer=_unknown(none, Reason.TOO_FEW_PERIODS), slope_p_value=None, placebo_p_value=None)
    value, error = _columns(ours, both)
    beside, beside_error = _columns(theirs, both)
    found = changes.over_periods(
        np.arange(len(both)),
        value,
        error,
        comparison=beside,
        comparison_standard_error=beside_error,
        change=change,
        alpha=ALPHA,
    )
    slope, placebo = (_p_value(part) for part in (found.slope, found.placebo))
    is_unlike = any(p is not None and p < ALPHA for p in (slope, placebo))
    cautions = _cautions(segment, comparison, is_shared=segment.is_periodic)
    answer = _answered(
        Level(n=sum(ours.n)), None, found.effect, (*cautions, *([Caution.UNLIKE_BEFORE] if is_unlike else []))
    )
    return Effect(answer=answer, slope_p_value=slope, placebo_p_value=placebo)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Where a KPI will be in later periods if it goes on as it did, as columns; and the chance to meet its target.

    Limits hold for each period by itself in 95 of 100 cases. `chance` is of the period that the target is due in.
    """

    granularity: Granularity
    start_on: list[date]
    value: list[float | None]
    lower: list[float | None]
    upper: list[float | None]
    chance: float | None
    reason: Reason | None


def outlook(
    found: Sums, *, granularity: Granularity, direction: Direction, target: Target | None, ahead: int
) -> Outlook:
    """The KPI in the next periods, as far as its target is due, from its final periods so far.

    Days are foretold by the week where the target is due further than `MOST_DAYS` ahead.
    """
    granularity = _coarse_enough(found, granularity, target)
    past = series(found, segment=EVERYBODY, granularity=granularity)
    known = [place for place, final in enumerate(past.is_final) if final]
    if not known:
        return _nothing(granularity)
    ahead = min(ahead, MOST_DAYS) if granularity is Granularity.DAY else ahead
    starts, due = _later(past.start_on[known[-1]], granularity, target, ahead)
    value, error = _columns(past, [past.start_on[place] for place in known])
    season = {Granularity.DAY: 7, Granularity.MONTH: 12, Granularity.QUARTER: 4}.get(granularity)
    has_seasons = season is not None and len(known) >= 3 * season
    seen = forecast.ahead(
        np.array(known, np.float64),
        value,
        error,
        later=known[-1] + 1.0 + np.arange(len(starts)),
        alpha=ALPHA,
        season=season if has_seasons else None,
    )
    if isinstance(first := seen.at(0), Undefined):
        return _nothing(granularity, first.reason)
    lowest, highest = _bounds(found)
    columns = [np.clip(part, lowest, highest).tolist() for part in (seen.value, seen.lower, seen.upper)]
    chance = None
    if target is not None and target.value is not None and due is not None:
        chance = float(seen.chance(target.value, sign=direction.sign)[due])
    return Outlook(
        granularity=granularity,
        start_on=starts,
        value=columns[0],
        lower=columns[1],
        upper=columns[2],
        chance=chance,
        reason=None,
    )


def _bounds(found: Sums) -> tuple[float, float]:
    """What the KPI cannot be below or above."""
    if found.kind.scale.is_amount:
        return -inf, inf
    return 0.0, 1.0 if found.kind.scale is Scale.FRACTION else float(found.kind.window[1])


def _later(last: date, granularity: Granularity, target: Target | None, ahead: int) -> tuple[list[date], int | None]:
    """The next periods, as far as a target is due or so many, and the place of the one it is due in."""
    starts = [periods.after(last, granularity)]
    due = None if target is None or target.due_on is None else periods.start(target.due_on, granularity)
    while len(starts) < MOST_AHEAD and (len(starts) < ahead or (due is not None and starts[-1] < due)):
        starts.append(periods.after(starts[-1], granularity))
    return starts, starts.index(due) if due in starts else None


MOST_AHEAD = 120
"""Periods that are foretold."""
MOST_DAYS = 28
"""Days that are foretold: beyond them days say no more than weeks do."""


def _coarse_enough(found: Sums, granularity: Granularity, target: Target | None) -> Granularity:
    due = None if target is None else target.due_on
    is_far = due is not None and due > found.through + MOST_DAYS * periods.DAY
    return Granularity.WEEK if granularity is Granularity.DAY and is_far else granularity


def _nothing(granularity: Granularity, reason: Reason = Reason.TOO_FEW_PERIODS) -> Outlook:
    return Outlook(granularity=granularity, start_on=[], value=[], lower=[], upper=[], chance=None, reason=reason)


def _columns(found: Series, days: list[date]) -> tuple[Floats, Floats]:
    """Values and errors of some periods; NaN where a period has none or is not final."""
    place = {day: index for index, day in enumerate(found.start_on)}
    at = [place[day] for day in days]
    pairs = [
        (_number(found.value[index]), _number(found.standard_error[index])) if found.is_final[index] else (np.nan,) * 2
        for index in at
    ]
    values, errors = np.array(pairs, np.float64).reshape(-1, 2).T
    return values, errors


def _cautions(*sums: Sums, is_shared: bool = False) -> tuple[Caution, ...]:
    said = [Caution.NOT_RANDOMISED]
    if not all(part.is_final for part in sums):
        said.append(Caution.NOT_FINAL)
    return (*said, *([Caution.SHARED_UNITS] if is_shared else []))


def _answered(now: Level, against: float | None, compared: Comparisons, cautions: tuple[Caution, ...]) -> Answer:
    found = compared.at()
    if isinstance(found, Undefined):
        return Answer(level=now, against=against, method=compared.method, reason=found.reason, cautions=cautions)
    return Answer(
        level=now,
        against=against,
        difference=found.difference,
        interval=found.interval,
        p_value=found.p_value,
        method=compared.method,
        cautions=cautions,
    )


def _unknown(now: Level, reason: Reason) -> Answer:
    return Answer(level=now, against=None, method=changes.PERIODS, reason=reason)


def _p_value(compared: Comparisons) -> float | None:
    found = compared.at()
    return found.p_value if isinstance(found, Comparison) else None


def _window_of(baseline: Baseline) -> Window | None:
    if baseline.from_on is None or baseline.to_on is None:
        return None
    return Window(from_on=baseline.from_on, to_on=baseline.to_on, segment=baseline.segment)


def _number(value: float | None) -> float:
    return np.nan if value is None else value

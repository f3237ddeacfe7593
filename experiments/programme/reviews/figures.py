"""What a review says of a KPI: its level in the newest final period, and what that is held against. Pure.

A unit counts once its window is over, so the newest final period may be older than the period of the review: the
figure says which it is of.
"""

from dataclasses import dataclass, replace
from datetime import date
from math import isfinite
from typing import Any

from kpi.enums import Direction, Driver, Granularity, Tier
from kpi.history import periods, questions
from kpi.history.periods import DAY
from kpi.history.questions import Answer, Window
from kpi.history.sums import Sums
from kpi.history.tables import History
from kpi.history.values import EVERYBODY, Series, series
from kpi.kinds.shape import Scale
from kpi.tables import Baseline, Kpi, Target

SHOWN = 13
"""Periods that a figure shows the course of: a quarter of weeks, a year of months and the one before."""
NO_HISTORY = "Its definition does not say whom it counts outside experiments."
NOT_DERIVED = "Its values have not been derived yet."
NOT_FINAL = "No period of it is final yet."


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A level held against something, with the 95% interval of the difference; None where a reason stands instead."""

    against: float | None
    difference: float | None
    lower: float | None
    upper: float | None
    p_value: float | None
    is_better: bool
    is_worse: bool
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aimed:
    """A level held against its target.

    `chance_now` is that the true level is there already, `chance` that it will be in the period that the target is due
    in, if things go on as they did.
    """

    value: float
    due_on: date
    difference: float | None = None
    lower: float | None = None
    upper: float | None = None
    is_met: bool = False
    is_within_error: bool = False
    is_of_other_definition: bool = False
    chance_now: float | None = None
    chance: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The values of the last final periods as columns, oldest first; None where a period has none."""

    start_on: list[date]
    value: list[float | None]
    lower: list[float | None]
    upper: list[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What a review says of a KPI. `start_on` is the first day of the period that the value is of."""

    kpi: str
    name: str
    owner: str
    direction: Direction
    tier: Tier
    driver: Driver
    is_leading: bool
    scale: Scale
    granularity: Granularity
    start_on: date | None = None
    is_of_period: bool = False
    n: int = 0
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    baseline: Held | None = None
    target: Aimed | None = None
    change: Held | None = None
    course: Course
    last_on: date | None
    is_stale: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is read of a KPI: its sums as far as the period of the review, and what it is held against."""

    kpi: Kpi
    version: int  # of the definition
    scale: Scale
    state: History | None
    sums: Sums | None
    baseline: Baseline | None
    target: Target | None


def figure(known: Known, granularity: Granularity, to_on: date) -> Figure:
    """The figure of a KPI in the newest final period that ends on or before a day."""
    found = known.sums
    if found is None:
        return _unknown(known, granularity, to_on, NO_HISTORY if known.state is None else NOT_DERIVED)
    past = series(found, segment=EVERYBODY, granularity=granularity)
    places = [place for place, final in enumerate(past.is_final) if final and past.value[place] is not None]
    places = [place for place in places if periods.last(past.start_on[place], granularity) <= to_on]
    if not places:
        return _unknown(known, granularity, to_on, NOT_FINAL)
    at = places[-1]
    start_on = past.start_on[at]
    window = _window(start_on, granularity)
    part, sign = found.between(window.from_on, window.to_on), known.kpi.direction.sign
    return Figure(
        **_about(known, granularity, to_on),
        start_on=start_on,
        is_of_period=window.to_on == to_on,
        n=past.n[at],
        value=past.value[at],
        lower=_finite(past.lower[at]),
        upper=_finite(past.upper[at]),
        baseline=None
        if known.baseline is None
        else _held(questions.against_baseline(part, window, known.baseline), sign),
        target=_aimed(known, found, part, granularity),
        change=_change(found, part, window, granularity, sign) if at - 1 in places else None,
        course=_course(past, at),
    )


def _change(found: Sums, part: Sums, window: Window, granularity: Granularity, sign: int) -> Held:
    before = _window(periods.start(window.from_on - DAY, granularity), granularity)
    return _held(questions.between_cohorts(part, window, found.between(before.from_on, before.to_on), before), sign)


def _window(first: date, granularity: Granularity) -> Window:
    return Window(from_on=first, to_on=periods.last(first, granularity))


def _held(answer: Answer, sign: int) -> Held:
    lower, upper = _bounds(answer)
    ends = [end * sign for end in (lower, upper) if end is not None]
    return Held(
        against=_finite(answer.against),
        difference=_finite(answer.difference),
        lower=lower,
        upper=upper,
        p_value=_finite(answer.p_value),
        is_better=len(ends) == 2 and min(ends) > 0,
        is_worse=len(ends) == 2 and max(ends) < 0,
        reason=None if answer.reason is None else answer.reason.sentence,
    )


def _aimed(known: Known, found: Sums, part: Sums, granularity: Granularity) -> Aimed | None:
    target, aimed, direction = known.target, _unmeasured(known.target), known.kpi.direction
    if target is None or aimed is None:
        return None
    answer = questions.against_target(part, target, direction, known.version)
    ahead = questions.outlook(found, granularity=granularity, direction=direction, target=target, ahead=1)
    lower, upper = _bounds(answer)
    value = answer.level.value
    return replace(
        aimed,
        difference=_finite(answer.difference),
        lower=lower,
        upper=upper,
        is_met=value is not None and (value - aimed.value) * direction.sign >= 0,
        is_within_error=lower is not None and upper is not None and lower <= 0 <= upper,
        is_of_other_definition=questions.Caution.OTHER_DEFINITION in answer.cautions,
        chance_now=_finite(answer.chance),
        chance=_finite(ahead.chance),
    )


def _unmeasured(target: Target | None) -> Aimed | None:
    """A target that nothing is held against yet."""
    if target is None or target.value is None or target.due_on is None:
        return None
    return Aimed(value=target.value, due_on=target.due_on)


def _course(past: Series, at: int) -> Course:
    shown = slice(max(at + 1 - SHOWN, 0), at + 1)
    lower, upper = ([_finite(end) for end in column[shown]] for column in (past.lower, past.upper))
    return Course(start_on=past.start_on[shown], value=past.value[shown], lower=lower, upper=upper)


def _unknown(known: Known, granularity: Granularity, to_on: date, reason: str) -> Figure:
    nothing = Course(start_on=[], value=[], lower=[], upper=[])
    return Figure(**_about(known, granularity, to_on), target=_unmeasured(known.target), course=nothing, reason=reason)


def _about(known: Known, granularity: Granularity, to_on: date) -> dict[str, Any]:
    kpi, state = known.kpi, known.state
    last_on = None if state is None or state.through is None else state.through - DAY
    is_behind = state is not None and (last_on is None or last_on < to_on or state.failed_at is not None)
    return {
        "kpi": kpi.key,
        "name": kpi.name,
        "owner": kpi.owner,
        "direction": kpi.direction,
        "tier": kpi.tier,
        "driver": kpi.driver,
        "is_leading": kpi.is_leading,
        "scale": known.scale,
        "granularity": granularity,
        "last_on": last_on,
        "is_stale": is_behind or (state is not None and state.stale_from is not None),
    }


def _bounds(answer: Answer) -> tuple[float | None, float | None]:
    if answer.interval is None:
        return None, None
    return _finite(answer.interval.lower), _finite(answer.interval.upper)


def _finite(number: float | None) -> float | None:
    return number if number is not None and isfinite(number) else None

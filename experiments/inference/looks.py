"""The group-sequential test along the plan's calendar: which looks were taken, what they saw, what they decide.

Lan & DeMets (1983): the boundary at a look depends only on the information so far, so a look may come with more or
less information than planned. The horizon was fixed before the data, so the look on it spends all the alpha that is
left. An experiment that ends before it has its last look when nothing more can become final, and that look spends by
its information as any other: an end that was chosen with the data in sight must not buy alpha. A look that sees nothing
new is not taken, and none is before the plan's minimum of days; an enrolment that ended early waits for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import inf, isfinite

import numpy as np

from experiments.planning.plan import Plan
from stats.results import Interval
from stats.sequential import adjusted, group_sequential
from stats.sequential.adjusted import Adjusted

NEWS = 1.001
"""A look must bring at least a thousandth more information than the one before, or it has seen nothing new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The UTC days on which an experiment started, took its last units in, and was measured last; None: not yet."""

    started_on: date
    frozen_on: date | None = None
    stopped_on: date | None = None

    def end(self, until: int, earliest: date) -> date | None:
        """The midnight of the last look after an early end, in a window of so many days; None: no end is known.

        Nothing becomes final after it. Where that is before the `earliest` day of a look, it is that day if measured.
        """
        closed = None if self.frozen_on is None else max(earliest, self.frozen_on + timedelta(days=1 + until))
        ends = [day for day in (closed, self.stopped_on) if day is not None]
        return min(ends, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the data say at one moment: the difference and its variance, NaN while there is no answer."""

    difference: float
    variance: float

    @property
    def information(self) -> float:
        """1 / variance; 0 while there is no answer."""
        return 1 / self.variance if self.variance > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One planned look. What it saw is None until it is taken, which one that `is_early` never is."""

    number: int
    planned_on: date
    is_final: bool
    is_horizon: bool
    is_early: bool = False
    information_fraction: float | None = None
    boundary: float | None = None
    statistic: float | None = None
    difference: float | None = None
    lower: float | None = None
    upper: float | None = None
    has_crossed: bool = False

    @property
    def is_taken(self) -> bool:
        """Whether the look has been taken."""
        return self.statistic is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The whole test: its looks, the last one taken, and whether it is over; then also what it says, adjusted for them.

    The adjusted answer is in the stage-wise order: an earlier crossing is stronger evidence.
    """

    looks: tuple[Look, ...]
    last: Look | None
    is_over: bool
    adjusted: Adjusted | None

    @property
    def p_value(self) -> float | None:
        """The stage-wise p-value, once the test is over."""
        return None if self.adjusted is None else self.adjusted.p_value

    @property
    def has_crossed(self) -> bool:
        """Whether a boundary has been crossed at any look; what comes later does not take it back."""
        return any(look.has_crossed for look in self.looks)


def calendar(plan: Plan, span: Span, until: int) -> tuple[Look, ...]:
    """The looks in order, the last one final. `until` is the window of the KPI, in days."""
    days = [span.started_on + timedelta(days=day) for day in plan.look_days]
    earliest = span.started_on + timedelta(days=plan.earliest_day)
    horizon, end = days[-1], span.end(until, earliest)
    if end is not None and end < horizon:
        days = [*(day for day in days if day < end), end]
    return tuple(
        Look(
            number=number,
            planned_on=day,
            is_final=number == len(days),
            is_horizon=day == horizon,
            is_early=day < earliest,
        )
        for number, day in enumerate(days, start=1)
    )


def course(looks: Sequence[Look], seen: Sequence[Seen | None], *, planned_information: float, alpha: float) -> Course:
    """Walk the calendar. `seen` holds for each look what the data said that day, None for a day yet to come."""
    taken = _taken(looks, seen, planned_information)
    if not taken:
        return Course(looks=tuple(looks), last=None, is_over=False, adjusted=None)
    information = np.maximum.accumulate([saw.information for _, saw in taken])  # the horizon may bring none
    fractions = np.array([_fraction(look, saw, planned_information) for look, saw in taken])
    boundaries = group_sequential.boundaries(fractions, alpha=alpha, information=information)
    filled = [
        _filled(look, saw, fraction, boundary)
        for (look, saw), fraction, boundary in zip(
            taken, (information / planned_information).tolist(), boundaries.tolist(), strict=True
        )
    ]
    has_ended = bool(fractions[-1] >= 1) or seen[-1] is not None
    return _course(looks, filled, boundaries, information, alpha=alpha, has_ended=has_ended)


def repeated(
    looks: Sequence[Look], seen: Sequence[Seen | None], passed: Sequence[float], *, planned: float | None, alpha: float
) -> Interval | None:
    """The interval at the latest look of a test that nothing stops; None before the first.

    The repeated interval (Jennison & Turnbull 1989, JRSS B 51): all of them together cover the truth with 1 - alpha, so
    it does not matter why it is read at which look. Alpha is spent by the calendar (Lan & DeMets 1989, Statistics in
    Medicine 8): `passed` is the share of the horizon at each look, so that some is left for each however fast the units
    come. A last look that comes before the horizon has nothing to leave it to: it spends by the `planned` information
    if that is more.
    """
    taken = _taken(looks, seen, inf)
    if not taken:
        return None
    information = np.maximum.accumulate([saw.information for _, saw in taken])
    clock = [_clock(look, saw, passed[look.number - 1], planned) for look, saw in taken]
    bar = group_sequential.boundaries(clock, alpha=alpha, information=information)[-1]
    saw = taken[-1][1]
    half = float(bar) * saw.variance**0.5
    if not isfinite(half):
        return None
    return Interval(lower=saw.difference - half, upper=saw.difference + half, level=1 - alpha)


def _clock(look: Look, saw: Seen, passed: float, planned: float | None) -> float:
    if not look.is_final or planned is None:
        return passed
    return max(passed, min(1.0, saw.information / planned))


def _taken(looks: Sequence[Look], seen: Sequence[Seen | None], planned_information: float) -> list[tuple[Look, Seen]]:
    taken: list[tuple[Look, Seen]] = []
    for look, saw in zip(looks, seen, strict=True):
        before = taken[-1][1].information if taken else 0.0
        if look.is_early or saw is None or saw.information <= (0.0 if look.is_horizon else before * NEWS):
            continue
        taken.append((look, saw))
        if saw.information >= planned_information:
            break
    return taken


def _fraction(look: Look, saw: Seen, planned_information: float) -> float:
    """The spending clock: the share of the planned information, and 1 on the horizon whatever it brought."""
    return 1.0 if look.is_horizon else min(1.0, saw.information / planned_information)


def _filled(look: Look, saw: Seen, fraction: float, boundary: float) -> Look:
    half = boundary * saw.variance**0.5
    statistic = saw.difference / saw.variance**0.5
    return Look(
        number=look.number,
        planned_on=look.planned_on,
        is_final=look.is_final,
        is_horizon=look.is_horizon,
        information_fraction=fraction,
        boundary=boundary,
        statistic=statistic,
        difference=saw.difference,
        lower=saw.difference - half,
        upper=saw.difference + half,
        has_crossed=abs(statistic) >= boundary,
    )


def _course(
    looks: Sequence[Look],
    filled: list[Look],
    boundaries: np.ndarray[tuple[int], np.dtype[np.float64]],
    information: np.ndarray[tuple[int], np.dtype[np.float64]],
    *,
    alpha: float,
    has_ended: bool,
) -> Course:
    crossed = next((place for place, look in enumerate(filled) if look.has_crossed), None)
    deciding = len(filled) - 1 if crossed is None else crossed
    is_over = crossed is not None or has_ended
    last = filled[deciding]
    by_number = {look.number: look for look in filled[: deciding + 1]}
    return Course(
        looks=tuple(by_number.get(look.number, look) for look in looks),
        last=last,
        is_over=is_over,
        adjusted=_adjusted(boundaries[: deciding + 1], information[: deciding + 1], last, alpha) if is_over else None,
    )


def _adjusted(
    boundaries: np.ndarray[tuple[int], np.dtype[np.float64]],
    information: np.ndarray[tuple[int], np.dtype[np.float64]],
    last: Look,
    alpha: float,
) -> Adjusted:
    return adjusted.after(boundaries, information, last.statistic or 0.0, alpha=alpha)

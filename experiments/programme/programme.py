"""Figures of a programme of experiments over a time: how much is tried, how well, and what comes of it. Pure.

An experiment is counted where the thing happened: started in one month and decided in another, it is in both.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median

import numpy as np

from experiments.enums import Choice
from stats.methods.proportions import wilson
from stats.results import Interval

ALPHA = 0.05
VELOCITY_DAYS = 28
LONGEST = timedelta(days=3_660)
"""The longest time that figures are asked of: 121 months."""
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What happened to one experiment. It is decided when the first decision was recorded; the last one holds."""

    started_at: datetime
    stopped_at: datetime | None
    decided_at: datetime | None
    choice: Choice | None
    differs: bool
    is_sealed_before_data: bool
    is_exploratory: bool
    has_learning: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many of how many."""

    count: int
    of: int

    @property
    def value(self) -> float | None:
        """The share; None of none."""
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> Interval | None:
        """Wilson's 95% interval: where the share may lie of all experiments that might be run so; None of none."""
        if self.value is None:
            return None
        lower, upper = wilson(np.array(self.value), np.array(float(self.of)), ALPHA)
        return Interval(lower=max(0.0, float(lower)), upper=min(1.0, float(upper)), level=1 - ALPHA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Months:
    """The figures by month as parallel lists; the first and the last month are cut at the ends of the time."""

    begins_on: Sequence[date]
    started: Sequence[int]
    finished: Sequence[int]
    decided: Sequence[int]
    shipped: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """The figures of a time, from its first day up to a day that is left out."""

    from_on: date
    to_on: date
    started: int
    finished: int
    decided: int
    velocity: float
    win_rate: Share
    against_verdict: Share
    median_days_to_decision: float | None
    sealed_before_data: Share
    exploratory: Share
    learned: Share
    months: Months


def figures(lives: Iterable[Life], *, from_on: date, to_on: date) -> Programme:
    """The figures of the days (UTC) from `from_on` up to and without `to_on`. Raises ValueError for no day at all."""
    if not from_on < to_on:
        raise ValueError("figures are of one day at least")

    def during(at: datetime | None) -> bool:
        return at is not None and from_on <= day(at) < to_on

    known = list(lives)
    started = [life for life in known if during(life.started_at)]
    finished = [life for life in known if during(life.stopped_at)]
    decided = [life for life in known if during(life.decided_at)]
    shipped = [life for life in decided if life.choice is Choice.SHIP]
    waits = [(life.decided_at - life.started_at) / DAY for life in decided if life.decided_at is not None]
    return Programme(
        from_on=from_on,
        to_on=to_on,
        started=len(started),
        finished=len(finished),
        decided=len(decided),
        velocity=len(started) * VELOCITY_DAYS / (to_on - from_on).days,
        win_rate=Share(count=len(shipped), of=len(decided)),
        against_verdict=_share(life.differs for life in decided),
        median_days_to_decision=median(waits) if waits else None,
        sealed_before_data=_share(life.is_sealed_before_data for life in started),
        exploratory=_share(life.is_exploratory for life in finished),
        learned=_share(life.has_learning for life in finished),
        months=_months(
            list(months(from_on, to_on)),
            [life.started_at for life in started],
            [life.stopped_at for life in finished],
            [life.decided_at for life in decided],
            [life.decided_at for life in shipped],
        ),
    )


def months(from_on: date, to_on: date) -> Iterator[date]:
    """The first days of the months that the days from one up to and without another lie in."""
    last = to_on - DAY
    for number in range(12 * from_on.year + from_on.month - 1, 12 * last.year + last.month):
        yield date(number // 12, number % 12 + 1, 1)


def day(at: datetime) -> date:
    """The day (UTC) of a moment."""
    return at.astimezone(UTC).date()


def _share(answers: Iterable[bool]) -> Share:
    known = list(answers)
    return Share(count=sum(known), of=len(known))


def _months(first_days: Sequence[date], *moments: Sequence[datetime | None]) -> Months:
    counted = [Counter(day(at).replace(day=1) for at in column if at is not None) for column in moments]
    started, finished, decided, shipped = ([column[first] for first in first_days] for column in counted)
    return Months(begins_on=first_days, started=started, finished=finished, decided=decided, shipped=shipped)

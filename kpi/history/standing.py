"""How a KPI stands: its newest final period, against the one before, the baseline and the target. Pure.

Nobody was assigned by chance, so each comparison is observational, with its cautions.
"""

from dataclasses import dataclass
from datetime import date

from kpi.enums import Direction, Granularity
from kpi.history import periods
from kpi.history.questions import Answer, Window, against_baseline, against_target, between_cohorts
from kpi.history.sums import Level, Sums
from kpi.history.values import EVERYBODY, level, series
from kpi.tables import Baseline, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The newest period that is final and has a value: its first and last day, its level, and what it is held against.

    `change` is against the last such period before, which began on `before_on`; None where there is nothing to hold
    the level against.
    """

    start_on: date
    end_on: date
    level: Level
    before_on: date | None
    change: Answer | None
    against_baseline: Answer | None
    against_target: Answer | None


def standing(
    found: Sums,
    *,
    granularity: Granularity,
    direction: Direction,
    baseline: Baseline | None,
    target: Target | None,
    version: int | None = None,
    segment: str = EVERYBODY,
) -> Standing | None:
    """How the KPI stands in a segment, by this version of its definition; None while no period is final."""
    past = series(found, segment=segment, granularity=granularity)
    columns = zip(past.start_on, past.is_final, past.value, strict=True)
    known = [first for first, is_final, value in columns if is_final and value is not None]
    if not known:
        return None
    now, window = _period(found, known[-1], granularity, segment)
    change = None
    if len(known) > 1:
        change = between_cohorts(now, window, *_period(found, known[-2], granularity, segment))
    return Standing(
        start_on=window.from_on,
        end_on=window.to_on,
        level=level(now),
        before_on=known[-2] if change else None,
        change=change,
        against_baseline=None if baseline is None else against_baseline(now, window, baseline),
        against_target=None if target is None else against_target(now, target, direction, version),
    )


def _period(found: Sums, first: date, granularity: Granularity, segment: str) -> tuple[Sums, Window]:
    last = periods.last(first, granularity)
    return found.between(first, last), Window(from_on=first, to_on=last, segment=segment)

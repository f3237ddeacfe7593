"""Days, weeks from Monday, months and quarters of the calendar, all in UTC. Pure."""

from collections.abc import Iterator
from datetime import date, timedelta

from kpi.enums import Frequency, Granularity

DAY = timedelta(days=1)
GRANULARITY = {
    Frequency.DAILY: Granularity.DAY,
    Frequency.WEEKLY: Granularity.WEEK,
    Frequency.MONTHLY: Granularity.MONTH,
    Frequency.QUARTERLY: Granularity.QUARTER,
}
"""The periods that a KPI is reported by."""
MONTHS = {Granularity.MONTH: 1, Granularity.QUARTER: 3}


def start(day: date, granularity: Granularity) -> date:
    """The first day of the period that a day is in."""
    if granularity is Granularity.DAY:
        return day
    if granularity is Granularity.WEEK:
        return day - day.weekday() * DAY
    months = MONTHS[granularity]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def after(first: date, granularity: Granularity) -> date:
    """The first day of the next period."""
    if granularity in MONTHS:
        return start(first + MONTHS[granularity] * 31 * DAY, granularity)
    return first + (7 if granularity is Granularity.WEEK else 1) * DAY


def last(day: date, granularity: Granularity) -> date:
    """The last day of the period that a day is in."""
    return after(start(day, granularity), granularity) - DAY


def ends(first: date, through: date, granularity: Granularity) -> Iterator[date]:
    """The last days of the periods that end on or after a day, and are over at a midnight."""
    end = last(first, granularity)
    while end < through:
        yield end
        end = last(end + DAY, granularity)


def number(first: date, granularity: Granularity) -> int:
    """The place of the period that a day is in among all of its kind: the next period has the next number."""
    if granularity in MONTHS:
        return (first.year * 12 + first.month - 1) // MONTHS[granularity]
    return (first.toordinal() - 1) // (7 if granularity is Granularity.WEEK else 1)


def season(first: date, granularity: Granularity) -> int:
    """The place of a period among the seasons that return: the day of the week, or the month or quarter of the year."""
    if granularity is Granularity.DAY:
        return first.weekday()
    return (first.month - 1) // MONTHS[granularity]

"""From units to days: how long until enough of them are final.

A unit counts when its window closes. With a window of W days, a unit that enters on day d is final at the end of day
d + W - 1; a KPI that is known at once has a window of one day. Days are whole and counted from the first one on.
"""

import numpy as np

from stats.arrays import Array, Numbers, numbers
from stats.design.normal import positive

WEEK = 7


def days(units: Numbers, *, per_day: Numbers, window: Numbers = 1) -> Array:
    """Days until so many units are final, when `per_day` of them enter; for all arms together or for one.

    All arrays broadcast. Raises ValueError for units or a rate not above zero, and a window below one day.

    >>> days([7_682, 500], per_day=1_000, window=7).tolist()
    [14.0, 7.0]
    """
    entering = np.ceil(positive(units, "the number of units") / positive(per_day, "a rate"))
    return np.asarray(entering + _window(window) - 1)


def days_from_arrivals(units: float, arrivals: Numbers, *, window: int = 1) -> Array:
    """Days until so many units are final, from units by day (last axis); NaN where the days given are too few.

    For rates that differ by weekday or fade out. Raises ValueError for negative arrivals and as `days` does.

    >>> days_from_arrivals(250, [[100, 100, 100, 0], [100, 50, 50, 0]], window=2).tolist()
    [4.0, nan]
    """
    entered = numbers(arrivals)
    if np.any(entered < 0):
        raise ValueError("arrivals are never negative")
    enough = entered.cumsum(axis=-1) >= positive(units, "the number of units")
    day = enough.argmax(axis=-1) + _window(window)
    return np.where(enough.any(axis=-1), day, np.nan)


def final_units(days: Numbers, *, per_day: Numbers, window: Numbers = 1) -> Array:
    """The units final after so many days: what `normal.mde` and the like may count on. All arrays broadcast.

    Raises ValueError as `days` does.

    >>> final_units([14, 7, 3], per_day=1_000, window=7).tolist()
    [8000.0, 1000.0, 0.0]
    """
    entering = np.floor(numbers(days)) - _window(window) + 1
    return np.asarray(np.maximum(entering, 0.0) * positive(per_day, "a rate"))


def whole_weeks(days: Numbers) -> Array:
    """The days, rounded up to weeks: each weekday then counts equally often.

    >>> whole_weeks([1, 7, 15]).tolist()
    [7.0, 7.0, 21.0]
    """
    return np.asarray(np.ceil(numbers(days) / WEEK) * WEEK)


def _window(window: Numbers) -> Array:
    length = numbers(window)
    if np.any(length < 1):
        raise ValueError("a window is a day or more")
    return length

"""Time to an event by log-rank: how many events, how many units give that many, and how many days they take.

What counts is events, not units (Schoenfeld 1983, Biometrics 39). A baseline curve says how many units have had the
event some days after they entered; units still without it at the end are censored there.
"""

import numpy as np

from stats.arrays import Array, Numbers, divide, numbers
from stats.design.normal import TWO_SIDED, bar, distance, positive
from stats.distributions import normal_cdf


def needed(hazard_ratio: Numbers, *, alpha: float, power: float, ratio: Numbers = 1.0, sides: int = TWO_SIDED) -> Array:
    """Events in both arms together to find this hazard ratio; not rounded. The arrays broadcast.

    Raises ValueError for a hazard ratio of 1 or not above zero, and a power not between alpha / sides and 1.

    >>> needed(0.5, alpha=0.05, power=0.8).round(2).item()
    65.35
    """
    log = _log(hazard_ratio)
    if np.any(log == 0):
        raise ValueError("no number of events tells a hazard ratio of 1")
    return np.square(distance(alpha, power, sides) / log) / _balance(ratio)


def power(
    hazard_ratio: Numbers, *, events: Numbers, alpha: float, ratio: Numbers = 1.0, sides: int = TWO_SIDED
) -> Array:
    """The chance to find this hazard ratio with so many events in both arms. Raises ValueError as `needed` does.

    >>> power(0.5, events=66, alpha=0.05).round(3).item()
    0.804
    """
    known = positive(events, "the number of events")
    return normal_cdf(np.abs(_log(hazard_ratio)) * np.sqrt(known * _balance(ratio)) - bar(alpha, sides))


def mde(
    events: Numbers, *, alpha: float, power: float, ratio: Numbers = 1.0, sides: int = TWO_SIDED, sign: int = 1
) -> Array:
    """The hazard ratio nearest to 1 found with this power, above it (sign 1) or below (-1).

    Raises ValueError as `needed` does.

    >>> mde(65.35, alpha=0.05, power=0.8, sign=-1).round(3).item()
    0.5
    """
    known = positive(events, "the number of events")
    return np.asarray(np.exp(sign * distance(alpha, power, sides) / np.sqrt(known * _balance(ratio))))


def expected(curve: Numbers, entered: Numbers, *, hazard_ratio: Numbers = 1.0) -> Array:
    """The events at the end of the last entry day, from units by entry day (last axis) and S at days 1, 2, ...

    With a hazard ratio, those of an arm whose curve is that power of the baseline's. `hazard_ratio` has the leading
    axes. Raises ValueError for a curve shorter than the days, or one that rises or leaves [0, 1].

    >>> expected([0.9, 0.8, 0.75], [100, 100, 100]).round(1).item()
    55.0
    """
    arrivals = numbers(entered)
    return np.asarray((_shares(curve, arrivals.shape[-1], hazard_ratio) * arrivals).sum(axis=-1))


def share(curve: Numbers, *, accrual: int, follow_up: int = 0, hazard_ratio: Numbers = 1.0) -> Array:
    """The share of units with the event, if equally many enter on each of `accrual` days and all wait `follow_up` more.

    Lachin & Foulkes (1986), Biometrics 42, by summing instead of a formula for exponential times. Raises ValueError
    as `expected` does and for fewer than one day of accrual.

    >>> share([0.9, 0.8, 0.75], accrual=2, follow_up=1).round(3).item()
    0.225
    """
    if accrual < 1 or follow_up < 0:
        raise ValueError("units enter on at least one day, and follow-up is not negative")
    return np.asarray(_shares(curve, accrual + follow_up, hazard_ratio)[..., :accrual].mean(axis=-1))


def units(
    events: Numbers, curve: Numbers, *, hazard_ratio: Numbers, accrual: int, follow_up: int = 0, ratio: Numbers = 1.0
) -> Array:
    """Control units that lead to so many events in both arms, with entry as in `share`; not rounded.

    Raises ValueError as `share` does, and where nobody would have the event.

    >>> units(65.35, [0.9, 0.8, 0.75], hazard_ratio=0.5, accrual=2, follow_up=1).round(1).item()
    189.5
    """
    control = share(curve, accrual=accrual, follow_up=follow_up)
    treatment = share(curve, accrual=accrual, follow_up=follow_up, hazard_ratio=hazard_ratio)
    return positive(events, "the number of events") / positive(
        control + numbers(ratio) * treatment, "a share of events"
    )


def days(
    events: Numbers,
    curve: Numbers,
    *,
    per_day: float,
    hazard_ratio: Numbers,
    ratio: float = 1.0,
    accrual: int | None = None,
) -> Array:
    """The first day at whose end there are so many events in both arms, when `per_day` units enter in all; NaN if none.

    Units enter on every day, or on the first `accrual` ones. `curve` is the control's S at days 1, 2, ... and says how
    far the search goes. Lachin & Foulkes (1986), Biometrics 42, summed by day. `events` and `hazard_ratio` broadcast.
    Raises ValueError as `expected` does, and for a rate, ratio or number of events not above zero.

    >>> days([20, 2000], [0.9, 0.8, 0.75, 0.7], per_day=100, hazard_ratio=0.8).tolist()
    [2.0, nan]
    """
    survival, parts = numbers(curve), float(positive(ratio, "a ratio"))
    entering = np.full(survival.shape[-1], float(positive(per_day, "a rate")) / (1 + parts))
    entering[accrual if accrual is not None else entering.size :] = 0.0
    wanted, hazards = np.broadcast_arrays(positive(events, "the number of events"), numbers(hazard_ratio))
    had = [
        expected(survival[:day], entering[:day])
        + parts * expected(survival[:day], entering[:day], hazard_ratio=hazards)
        for day in range(1, entering.size + 1)
    ]
    enough = np.stack(had, axis=-1) >= wanted[..., np.newaxis]
    return np.where(enough.any(axis=-1), enough.argmax(axis=-1) + 1.0, np.nan)


def _shares(curve: Numbers, days: int, hazard_ratio: Numbers) -> Array:
    """By entry day, the share of its units that has had the event at the end of the last of so many days."""
    survival = numbers(curve)
    if survival.shape[-1] < days:
        raise ValueError(f"the curve has {survival.shape[-1]} days, and {days} are needed")
    if np.any(np.diff(survival, axis=-1, prepend=1.0) > 0) or np.any(survival < 0):
        raise ValueError("a curve falls from 1 and stays at or above 0")
    power = positive(hazard_ratio, "a hazard ratio")[..., np.newaxis]
    return np.flip(1 - survival[..., :days] ** power, axis=-1)


def _balance(ratio: Numbers) -> Array:
    """The share of treatment units times that of control units."""
    parts = positive(ratio, "a ratio")
    return divide(parts, np.square(1 + parts))


def _log(hazard_ratio: Numbers) -> Array:
    return np.log(positive(hazard_ratio, "a hazard ratio"))

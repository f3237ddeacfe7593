"""Whether a deciding test can still find the effect it was planned for. Pure.

Non-binding: boundaries and p-values are computed as if nobody stopped for futility, so whoever goes on errs no more
often for it; stopping can only cost power. Judged where the policy decides: at planned looks, or on any day.
"""

from dataclasses import dataclass

import numpy as np

from experiments.enums import Policy
from experiments.inference.looks import Course, Look
from experiments.planning.plan import PlannedKpi
from stats.results import Interval
from stats.sequential import conditional, group_sequential

HOPELESS = 0.1
"""Conditional power under the planned effect below which going on is futile. Whoever stops there at any look misses the
planned effect at most 1 / 0.9 times as often as planned (Lan, Simon & Halperin 1982, Sequential Analysis 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Futility:
    """What is left of the planned effect: its chance at the end, and whether the interval has shut it out."""

    mde: float
    conditional_power: float | None
    is_mde_excluded: bool

    @property
    def is_futile(self) -> bool:
        """Whether going on is futile."""
        return self.is_mde_excluded or (self.conditional_power is not None and self.conditional_power < HOPELESS)


def futility(
    policy: Policy, planned: PlannedKpi, alpha: float, *, course: Course | None, interval: Interval | None
) -> Futility | None:
    """Of a deciding test that is not over; None where the plan has no effect, or nothing was looked at yet."""
    if planned.mde is None or policy is Policy.FIXED:
        return None
    if policy is Policy.ALWAYS_VALID:
        limits = None if interval is None else (interval.lower, interval.upper)
        return None if limits is None else _of(planned, planned.mde, None, *limits)
    last = None if course is None else course.last
    if course is None or last is None or last.lower is None or last.upper is None or planned.information is None:
        return None
    return _of(planned, planned.mde, _conditional_power(planned, alpha, course, last), last.lower, last.upper)


def _of(planned: PlannedKpi, mde: float, chance: float | None, lower: float, upper: float) -> Futility:
    best = upper if planned.direction.sign > 0 else -lower
    return Futility(mde=mde, conditional_power=chance, is_mde_excluded=best < mde)


def _conditional_power(planned: PlannedKpi, alpha: float, course: Course, last: Look) -> float:
    """With one more look, at the planned information: the likeliest way to find it, in the direction that is better."""
    taken = [look.information_fraction for look in course.looks if look.information_fraction is not None]
    fractions = np.array([*taken, 1.0])
    bars = group_sequential.boundaries(fractions, alpha=alpha)
    z = planned.direction.sign * (last.statistic or 0.0)
    drift = (planned.mde or 0.0) * np.sqrt(planned.information or 0.0)
    return float(conditional.power(z, fractions[-2], difference=drift, end=1.0, bar=bars[-1]))

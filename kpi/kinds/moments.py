"""What the kinds with one number a unit share: moments by cohort, and their prefix at each snapshot."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from kpi.kinds.shape import Aggregate, Cohorts, Floats, Ints, Kind, Scale
from kpi.kinds.sums import added_up
from stats import methods
from stats.arrays import Mask, Numbers, at_least, divide
from stats.comoments import CoMoments
from stats.moments import Moments
from stats.results import Comparisons

ROUNDING = 1e-6
"""Of a unit: sums of whole numbers that floats have kept are off by less."""


class Number(Kind):
    """A KPI with one number a unit, which is 0 when the unit did nothing."""

    aggregate: ClassVar[Aggregate] = Aggregate.MOMENTS

    @abstractmethod
    def amount(self, numbers: Mapping[str, int], start: int, until: int) -> str:
        """SQL as of `per_unit`: the unit's number, from what it did between two of its days."""

    def per_unit(self, numbers: Mapping[str, int]) -> str:
        """The unit's number within its window."""
        return self.amount(numbers, *self.window)

    def before(self, numbers: Mapping[str, int], days: int) -> str:
        """SQL as of `per_unit`: the number as it was over so many days up to the exposure."""
        return self.amount(numbers, -days, 0)


class Share(Number):
    """A KPI that says of each unit whether it did something within its window."""

    scale = Scale.FRACTION

    def amount(self, numbers: Mapping[str, int], start: int, until: int) -> str:
        """1 when the unit did it, else 0."""
        (event,) = self.events
        return added_up("ANY", self.between(event, numbers, start, until))

    @property
    def alike(self) -> str:
        """The method: shares of any event and window go together."""
        return "proportions"

    def read(self, cohorts: Cohorts, ages: Ints, until: Ints | None = None) -> "MomentSample":
        """The share at each snapshot: of whole units, whatever rounding the days' sums have left.

        A billionth of a billionth of a unit would be a variance where there is none.
        """
        sample = prefix(cohorts, ages, self.window[1] if until is None else until, self.alike)
        ones = sample.moments.n * sample.moments.mean
        is_whole = np.abs(ones - np.rint(ones)) < ROUNDING
        mean = np.where(is_whole, divide(np.rint(ones), sample.moments.n), sample.moments.mean)
        return replace(sample, moments=replace(sample.moments, mean=mean))


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentSample:
    """Moments (..., V, S) of the cohorts that are final, and the method that compares them."""

    moments: Moments
    method: str

    @property
    def n(self) -> Floats:
        """Units counted."""
        return self.moments.n

    @property
    def successes(self) -> Floats:
        """Units with a 1, of shares; all units, of amounts."""
        of_shares = np.where(self.moments.n > 0, self.moments.n * self.moments.mean, 0)
        return of_shares if self.method == "proportions" else self.moments.n

    @property
    def censored(self) -> Floats:
        """None: a unit counts when its window has closed."""
        return np.zeros_like(self.moments.n)

    @property
    def value(self) -> Floats:
        """The mean; NaN before the first unit is final."""
        return self.moments.mean

    @property
    def variance(self) -> Floats:
        """The variance of the mean."""
        return self.moments.mean_variance

    def compare(self, *, alpha: Numbers) -> Comparisons:
        """Each variant but the control against the control: arrays (..., V - 1, S)."""
        control, treatments = self.moments[..., :1, :], self.moments[..., 1:, :]
        return methods.get(self.method)(control, treatments, alpha=alpha)


def prefix(cohorts: Cohorts, ages: Ints, until: int | Ints, method: str) -> MomentSample:
    """Merge the cohorts that are final at each snapshot. Cohorts are in day order, so the final ones are a prefix."""
    if cohorts.moments is None:
        raise ValueError("these cohorts hold no moments")
    merged = cohorts.moments.cumulative(axis=-1)
    last, is_any = latest(ages, until)
    n, mean, m2 = (np.take_along_axis(part, last, axis=-1) for part in (merged.n, merged.mean, merged.m2))
    return MomentSample(moments=Moments(n=np.where(is_any, n, 0), mean=mean, m2=np.where(is_any, m2, 0)), method=method)


def prefix_of_pairs(pairs: CoMoments, ages: Ints, until: int | Ints) -> CoMoments:
    """As `prefix`, of two numbers a unit (..., V, C) to (..., V, S)."""
    last, is_any = latest(ages, until)
    merged = pairs.cumulative(axis=-1)
    return CoMoments(
        n=np.where(is_any, np.take_along_axis(merged.n, last, axis=-1), 0),
        means=np.take_along_axis(merged.means, last[..., np.newaxis], axis=-2),
        products=np.take_along_axis(merged.products, last[..., np.newaxis, np.newaxis], axis=-3),
    )


def latest(ages: Ints, until: int | Ints) -> tuple[Ints, Mask]:
    """At each snapshot the place of the last cohort that is final, and whether there is one at all: (..., 1, S)."""
    days = np.asarray(until)
    count = np.moveaxis(at_least(ages, int(days.max()))[:, days], 0, -1)[..., np.newaxis, :]
    return np.maximum(count - 1, 0), count > 0

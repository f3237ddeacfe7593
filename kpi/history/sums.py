"""A KPI's cohorts as arrays, and the level of the KPI in any of them taken together. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import isfinite, sqrt

import numpy as np

from kpi.kinds import Aggregate, Kind, Quantile, Total
from kpi.kinds.shape import Cohorts, Floats, Ints, Scale
from stats.clusters import Clusters
from stats.comoments import CoMoments
from stats.distributions import critical_z
from stats.methods import ratio
from stats.methods.proportions import wilson
from stats.moments import Moments
from stats.quantiles import ranks

ALPHA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A KPI's level in some cohorts, with the interval that covers the truth in 95 of 100 cases.

    `n` is the units it was measured on; the rest is None where there is no answer.
    """

    n: int
    value: float | None = None
    standard_error: float | None = None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ByAccount:
    """Users of cohorts by account: one row for each account of a day, in day order. Axes: (R)."""

    entered_on: tuple[date, ...]
    accounts: tuple[str, ...]
    n: Floats
    y: Floats
    x: Floats

    def between(self, first: date, last: date) -> "ByAccount":
        """The rows of cohorts between two days, both included."""
        part = _span(self.entered_on, first, last)
        return replace(
            self,
            entered_on=self.entered_on[part],
            accounts=self.accounts[part],
            n=self.n[part],
            y=self.y[part],
            x=self.x[part],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How many units of cohorts have which number: one row for each number of a day, in day order. Axes: (R)."""

    entered_on: tuple[date, ...]
    values: Floats
    n: Ints

    def between(self, first: date, last: date) -> "Counted":
        """The rows of cohorts between two days, both included."""
        part = _span(self.entered_on, first, last)
        return replace(self, entered_on=self.entered_on[part], values=self.values[part], n=self.n[part])


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Cohorts of a definition in a segment, in day order, as far as the days before `through` are over.

    Axes: cohorts C, days D. `n` (C) of moments is 0 for cohorts that are not final. `is_periodic` when each cohort is
    a period that is over.
    """

    kind: Kind
    through: date
    days: tuple[date, ...]
    entered: Ints
    moments: Moments | None = None
    pairs: CoMoments | None = None
    events: Ints | None = None
    losses: Ints | None = None
    accounts: ByAccount | None = None
    counted: Counted | None = None
    is_periodic: bool = False

    def between(self, first: date, last: date) -> "Sums":
        """The cohorts from one day to another, both included."""
        part = _span(self.days, first, last)
        return replace(
            self,
            days=self.days[part],
            entered=self.entered[part],
            moments=None if self.moments is None else self.moments[part],
            pairs=None if self.pairs is None else self.pairs[part],
            events=None if self.events is None else self.events[part],
            losses=None if self.losses is None else self.losses[part],
            accounts=None if self.accounts is None else self.accounts.between(first, last),
            counted=None if self.counted is None else self.counted.between(first, last),
        )

    @property
    def ages(self) -> Ints:
        """Whole days that every unit of each cohort has been observed for: (1, C)."""
        if self.is_periodic:
            return np.full((1, len(self.days)), self.kind.window[1], np.int64)
        return np.array([[max((self.through - day).days - 1, 0) for day in self.days]], np.int64)

    @property
    def is_final(self) -> bool:
        """Whether all units have been observed to the end of their windows."""
        return bool((self.ages >= self.kind.window[1]).all()) if self.days else False

    @property
    def last_final(self) -> date | None:
        """The last cohort of which all units have been observed to the end of their windows."""
        final = [day for day, age in zip(self.days, self.ages[0], strict=True) if age >= self.kind.window[1]]
        return final[-1] if final else None

    def level(self) -> Level:
        """The level of the KPI over all these cohorts together."""
        if not self.days:
            return Level(n=0)
        if isinstance(self.kind, Quantile):
            return _quantile(self.kind, self.counted)
        sample = self.kind.read(self._cohorts(), self.ages)
        n, value, variance = (float(part.reshape(-1)[-1]) for part in (sample.n, sample.value, sample.variance))
        if self.accounts is not None:
            value, variance = _clustered(self.accounts)
        if isinstance(self.kind, Total):
            value, variance = _total(n, value, variance)
        if not isfinite(value):
            return Level(n=int(n))
        if not variance >= 0:
            return Level(n=int(n), value=value)
        lower, upper = limits(self.kind.scale, n, value, variance)
        return Level(n=int(n), value=value, standard_error=sqrt(variance), lower=lower, upper=upper)

    def _cohorts(self) -> Cohorts:
        entered = self.entered[np.newaxis]
        if self.kind.aggregate is Aggregate.DURATIONS:
            events, losses = (None if part is None else part[np.newaxis] for part in (self.events, self.losses))
            return Cohorts(entered=entered, events=events, losses=losses)
        return Cohorts(
            entered=entered,
            moments=None if self.moments is None else self.moments[np.newaxis],
            pairs=None if self.pairs is None else self.pairs[np.newaxis],
        )


def _total(n: float, mean: float, variance: float) -> tuple[float, float]:
    """The sum over units and its variance, when how many units come varies as well: a compound Poisson sum."""
    return n * mean, n**2 * variance * (n - 1) / n + n * mean**2


def _quantile(kind: Quantile, counted: Counted | None) -> Level:
    """The quantile of units' numbers, with the interval of its order statistics."""
    if counted is None or not counted.n.size:
        return Level(n=0)
    order = np.argsort(counted.values)
    values, upto = counted.values[order], np.cumsum(counted.n[order])
    n = int(upto[-1])
    at = ranks(n, kind.quantile, alpha=ALPHA)
    value, lower, upper = (_ranked(values, upto, float(rank)) for rank in (at.middle, at.lower, at.upper))
    if lower is None or upper is None:
        return Level(n=n, value=value)
    error = (upper - lower) / (2 * float(critical_z(ALPHA)))
    return Level(n=n, value=value, standard_error=error, lower=lower, upper=upper)


def _ranked(values: Floats, upto: Ints, rank: float) -> float | None:
    return float(values[np.searchsorted(upto, rank)]) if 1 <= rank <= upto[-1] else None


def limits(scale: Scale, n: float, value: float, variance: float, alpha: float = ALPHA) -> tuple[float, float]:
    """Wilson's for a share, of as many independent units as its variance is worth; else the normal ones."""
    if scale is Scale.FRACTION and 0 <= value <= 1:
        worth = value * (1 - value) / variance if variance > 0 else n
        lower, upper = wilson(np.array(value), np.array(worth), alpha)
        return float(lower), float(upper)
    reach = float(critical_z(alpha)) * sqrt(variance)
    return value - reach, value + reach


def _clustered(rows: ByAccount) -> tuple[float, float]:
    """Value and variance with accounts as what varies by chance; users of no account stand together."""
    names, place = np.unique(np.array(rows.accounts), return_inverse=True)
    n, y, x = (np.bincount(place, part, names.size).astype(np.float64) for part in (rows.n, rows.y, rows.x))
    some = n > 0
    line = ratio.as_mean(Clusters(sums=y[some], sizes=x[some]).comoments)
    return float(line.mean), float(line.mean_variance)


def _span(days: Sequence[date], first: date, last: date) -> slice:
    """The places of the days between two, both included, of days in order."""
    return slice(bisect_left(days, first), bisect_right(days, last))

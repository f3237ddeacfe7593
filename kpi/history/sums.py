"""A KPI's cohorts as arrays, and the level of the KPI in any of them taken together. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import isfinite, nan, sqrt

import numpy as np

from kpi.kinds import Aggregate, Kind, Quantile, Total
from kpi.kinds.shape import Cohorts, Floats, Ints, Scale
from stats.arrays import Mask, Numbers, divide, numbers
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

    `n` is the units it was measured on; the rest is None where there is no answer. There is no interval where all units
    have the same number: what they do not show is how far others would differ.
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
        part = self.span(first, last)
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

    def span(self, first: date, last: date) -> slice:
        """The places of the cohorts from one day to another, both included."""
        return _span(self.days, first, last)

    @property
    def ages(self) -> Ints:
        """Whole days that every unit of each cohort has been observed for: (1, C)."""
        if self.is_periodic:
            return np.full((1, len(self.days)), self.kind.window[1], np.int64)
        return np.array([[max((self.through - day).days - 1, 0) for day in self.days]], np.int64)

    @property
    def is_final(self) -> bool:
        """Whether all units have been observed to the end of their windows."""
        return self.are_final([slice(None)])[0]

    def are_final(self, spans: Sequence[slice]) -> list[bool]:
        """Of spans of the cohorts, whether there are any, and all their units observed to the end of their windows."""
        final = self.ages[0] >= self.kind.window[1]
        return [bool(self.days[span]) and bool(final[span].all()) for span in spans]

    @property
    def last_final(self) -> date | None:
        """The last cohort of which all units have been observed to the end of their windows."""
        final = [day for day, age in zip(self.days, self.ages[0], strict=True) if age >= self.kind.window[1]]
        return final[-1] if final else None

    def level(self) -> Level:
        """The level of the KPI over all these cohorts together."""
        (found,) = self.levels([slice(None)])
        return found

    def levels(self, spans: Sequence[slice]) -> list[Level]:
        """The level of the KPI over each of several spans of the cohorts, all of them worked out at once."""
        if isinstance(self.kind, Quantile):
            return [_quantile(self.kind, self._on(span).counted) for span in spans]
        place, is_there = _places(spans, len(self.days))
        if not place.size:
            return [Level(n=0) for _ in spans]
        until = np.full(place.shape, self.kind.window[1])
        sample = self.kind.read(self._cohorts(place, is_there), until[:1], until[:, 0])
        n, value, variance = (part.reshape(len(spans)) for part in (sample.n, sample.value, sample.variance))
        if self.accounts is not None:
            value, variance = np.array([_clustered(self._on(span).accounts) for span in spans]).T
        if isinstance(self.kind, Total):
            value, variance = _total(n, value, variance)
        lower, upper = limits(self.kind.scale, n, value, variance)
        return [_level(*numbers) for numbers in zip(n, value, variance, lower, upper, strict=True)]

    def _on(self, span: slice) -> "Sums":
        """The cohorts of a span of places."""
        days = self.days[span]
        return self.between(days[0], days[-1]) if days else self.between(date.max, date.min)

    def _cohorts(self, place: Ints, is_there: Mask) -> Cohorts:
        """Cohorts by their places, a set of them a row, as if none were watched further: axes (sets, 1, cohorts)."""
        at = place[:, np.newaxis]
        if self.kind.aggregate is Aggregate.DURATIONS:
            entered, events, losses = self._watched()
            there = is_there[:, np.newaxis]
            events, losses = (part[at] * there[..., np.newaxis] for part in (events, losses))
            return Cohorts(entered=entered[at] * there, events=events, losses=losses)
        counts = (is_there & (self.ages[0] >= self.kind.window[1])[place])[:, np.newaxis]
        return Cohorts(
            entered=self.entered[at] * is_there[:, np.newaxis],
            moments=None if self.moments is None else replace(self.moments[at], n=self.moments.n[at] * counts),
            pairs=None if self.pairs is None else replace(self.pairs[at], n=self.pairs.n[at] * counts),
        )

    def _watched(self) -> tuple[Ints, Ints, Ints]:
        """Units, events and losses by day as far as every unit of a cohort was watched; the rest is lost on that day.

        So cohorts of all ages may be read as if none were watched any further.
        """
        if self.events is None or self.losses is None:
            raise ValueError("these cohorts hold no durations")
        ages = np.minimum(self.ages[0], self.events.shape[-1])
        seen = np.arange(self.events.shape[-1]) < ages[:, np.newaxis]
        events, losses = self.events * seen, self.losses * seen
        entered = self.entered * (ages > 0)
        left = entered - (events + losses).sum(axis=-1)
        losses[np.arange(len(ages)), np.maximum(ages - 1, 0)] += left
        return entered, events, losses


def _places(spans: Sequence[slice], count: int) -> tuple[Ints, Mask]:
    """The places of each span in a row, and which of them are there: rows are as long as the longest needs."""
    bounds = np.array([span.indices(count)[:2] for span in spans], np.int64).reshape(-1, 2)
    first, end = bounds[:, :1], bounds[:, 1:]
    place = first + np.arange(int((end - first).max(initial=0)))
    is_there = place < end
    return np.where(is_there, place, 0), is_there


def _level(n: float, value: float, variance: float, lower: float, upper: float) -> Level:
    if not isfinite(value):
        return Level(n=int(n))
    if not variance >= 0:
        return Level(n=int(n), value=float(value))
    found = Level(n=int(n), value=float(value), standard_error=sqrt(variance))
    # Of units that are all alike the normal limits are the value itself: certainty that so few units do not give.
    return replace(found, lower=float(lower), upper=float(upper)) if lower < upper else found


def _total(n: Floats, mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """The sum over units and its variance, when how many units come varies as well: a compound Poisson sum."""
    return n * mean, n * variance * (n - 1) + n * mean**2


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


def limits(scale: Scale, n: Numbers, value: Numbers, variance: Numbers, alpha: float = ALPHA) -> tuple[Floats, Floats]:
    """Wilson's for a share, of as many independent units as its variance is worth; else the normal ones.

    All broadcast; NaN where value or variance is, or the variance is negative.
    """
    level, size, spread = np.broadcast_arrays(*map(numbers, (value, n, variance)))
    spread = np.where(spread >= 0, spread, np.nan)
    reach = float(critical_z(alpha)) * np.sqrt(spread)
    if scale is not Scale.FRACTION:
        return level - reach, level + reach
    is_share = (level >= 0) & (level <= 1)
    share = np.where(is_share, level, np.nan)
    worth = np.where(spread > 0, divide(share * (1 - share), spread), size)
    lower, upper = wilson(share, worth, alpha)
    return np.where(is_share, lower, level - reach), np.where(is_share, upper, level + reach)


def _clustered(rows: ByAccount | None) -> tuple[float, float]:
    """Value and variance with accounts as what varies by chance; users of no account stand together."""
    if rows is None or not rows.accounts:
        return nan, nan
    names, place = np.unique(np.array(rows.accounts), return_inverse=True)
    n, y, x = (np.bincount(place, part, names.size).astype(np.float64) for part in (rows.n, rows.y, rows.x))
    some = n > 0
    line = ratio.as_mean(Clusters(sums=y[some], sizes=x[some]).comoments)
    return float(line.mean), float(line.mean_variance)


def _span(days: Sequence[date], first: date, last: date) -> slice:
    """The places of the days between two, both included, of days in order."""
    return slice(bisect_left(days, first), bisect_right(days, last))

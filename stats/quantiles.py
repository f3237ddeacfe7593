"""Quantiles of the values of units (median load time, 95th percentile of spending), and their difference.

The interval of one quantile lies between two of the ordered values, whose ranks follow from n alone: David & Nagaraja
(2003), "Order Statistics", section 7.1. Its width stands in for the standard error of the difference: Deng, Knoblich &
Lu (2018), "Applying the delta method in metric analytics", KDD, section 4. So a first query counts the units, `ranks`
says which three values a second query must fetch, and no others leave the database. For a fixed horizon only.

Counts in bins (`Histogram`) need no second query and add up by day. What is lost is known: a quantile lies somewhere
in its bin, so it is off by half of the bin's width at most. Counts of equal values (`Quantiles.from_counts`) add up as
well, and each value stands for all that lies between it and the next lower one: whole numbers and rounded ones lie in
heaps, whose order statistics have no width while the quantile itself may jump by a step.
"""

from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from stats import wald
from stats.arrays import Array, Mask, Numbers, numbers
from stats.comoments import CoMoments
from stats.distributions import binomial_quantile, critical_z, level_of
from stats.methods.ratio import as_mean
from stats.results import Comparisons, Reason, reason_codes

Places: TypeAlias = npt.NDArray[np.int64]
METHOD = "Difference of quantiles, order-statistic intervals (outer)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Which of the ordered values, counted from 1, are the lower limit, the quantile and the upper limit.

    A lower rank below 1 or an upper one above n means that there are too few units for that limit.
    """

    lower: Array
    middle: Array
    upper: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """One quantile of each arm with its limits, in the units of the values; NaN where there is none. All broadcast.

    Raises ValueError unless lower <= value <= upper wherever they are known, and 0 < alpha < 1.
    """

    value: Array
    lower: Array
    upper: Array
    alpha: float  # at which the limits were taken

    def __post_init__(self) -> None:
        level_of(self.alpha)
        value, lower, upper = np.broadcast_arrays(numbers(self.value), numbers(self.lower), numbers(self.upper))
        if np.any(lower > value) or np.any(value > upper):
            raise ValueError("a quantile lies between its limits")
        for name, values in (("value", value), ("lower", lower), ("upper", upper)):
            object.__setattr__(self, name, values)

    @classmethod
    def from_values(cls, values: Numbers, share: float, *, alpha: float) -> Self:
        """The quantile along the last axis of one value per unit; the limits hold for independent units.

        >>> half = Quantiles.from_values(range(1, 101), 0.5, alpha=0.05)
        >>> print(half.lower, half.value, half.upper)
        40.0 50.0 61.0
        """
        ordered = np.sort(numbers(values), axis=-1)
        at = ranks(ordered.shape[-1], share, alpha=alpha)
        value, lower, upper = (_ranked(ordered, rank) for rank in (at.middle, at.lower, at.upper))
        return cls(value=value, lower=lower, upper=upper, alpha=alpha)

    @classmethod
    def from_histogram(cls, histogram: "Histogram", share: float, *, alpha: float) -> Self:
        """The quantile as the middle of its bin, and limits moved outwards to the ends of theirs.

        `value` is off by `histogram.error(share)` at most, and the limits hold at least as often as those from values.
        NaN where a bin without end (or no unit at all) is met.

        >>> histogram = Histogram.from_values(range(1, 101), np.linspace(0.0, 100.0, 21))
        >>> half = Quantiles.from_histogram(histogram, 0.5, alpha=0.05)
        >>> print(half.lower, half.value, half.upper, histogram.error(0.5))
        35.0 47.5 65.0 2.5
        """
        at = ranks(histogram.n, share, alpha=alpha)
        lower, upper = histogram.bin_of(at.lower)[0], histogram.bin_of(at.upper)[1]
        middle = np.asarray(sum(histogram.bin_of(at.middle)) / 2)
        return cls(value=_known(middle), lower=_known(lower), upper=_known(upper), alpha=alpha)

    @classmethod
    def from_counts(cls, values: Numbers, counts: Numbers, share: float, *, alpha: float) -> Self:
        """The quantile of the units of which `counts` (..., B) have each of the `values` (B), which grow.

        The lower limit is the next lower value that a unit has: a value holds what lies above that one, as a bin does.
        So heaps of equal values are no certainty. -inf where no unit has a lower one; NaN with too few units.

        >>> half = Quantiles.from_counts([0, 1, 2, 3], [30, 60, 5, 5], 0.5, alpha=0.05)
        >>> print(half.lower, half.value, half.upper)
        0.0 1.0 1.0
        """
        held, so_far = numbers(values), numbers(counts).cumsum(axis=-1)
        at = ranks(so_far[..., -1], share, alpha=alpha)
        value, upper = _counted(held, so_far, at.middle), _counted(held, so_far, at.upper)
        place = _places(so_far, at.lower)
        under = np.where(place > 0, np.take_along_axis(so_far, np.maximum(place - 1, 0), axis=-1), 0.0)[..., 0]
        lower = np.where(under > 0, _counted(held, so_far, under), -np.inf)
        known = (at.lower >= 1) & ~np.isnan(upper)
        lower, upper = (np.where(known, limit, np.nan) for limit in (lower, upper))
        return cls(value=value, lower=lower, upper=upper, alpha=alpha)

    def __getitem__(self, index: Any) -> Self:
        """Some of the quantiles, by any index that numpy takes."""
        return replace(self, value=self.value[index], lower=self.lower[index], upper=self.upper[index])

    @property
    def variance(self) -> Array:
        """That of a normal estimate whose interval has the same width; infinite without a lower limit."""
        return np.square((self.upper - self.lower) / (2 * critical_z(self.alpha)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many units have a value in each bin, along the last axis.

    `edges` are those between bins, so there is one bin more than edges. A bin holds the values above the edge on its
    left up to the one on its right; the first and the last have no end. Raises ValueError unless the edges grow, the
    counts match them and are never negative.
    """

    edges: Array
    counts: Array

    def __post_init__(self) -> None:
        edges, counts = numbers(self.edges), numbers(self.counts)
        if edges.ndim != 1 or not edges.size or not np.all(np.diff(edges) > 0) or not np.all(np.isfinite(edges)):
            raise ValueError("edges are finite and grow")
        if counts.shape[-1:] != (edges.size + 1,) or not np.all(counts >= 0):
            raise ValueError("there is a count for each bin, one more than edges, and none is negative")
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "counts", counts)

    @classmethod
    def from_values(cls, values: Numbers, edges: Numbers) -> Self:
        """Counts of one value per unit, without leading axes.

        >>> Histogram.from_values([0.5, 1.0, 1.5, 9.0], [1.0, 2.0]).counts.tolist()
        [2.0, 1.0, 1.0]
        """
        bins = np.searchsorted(numbers(edges), numbers(values), side="left")
        return cls(edges=numbers(edges), counts=np.bincount(bins, minlength=numbers(edges).size + 1).astype(float))

    @property
    def n(self) -> Array:
        """The units in all bins."""
        return np.asarray(self.counts.sum(axis=-1))

    def merged(self, axis: int = 0) -> Self:
        """The bins added up over a leading axis, as over days: exactly those of all units together.

        >>> Histogram(edges=numbers([1.0]), counts=numbers([[1.0, 2.0], [3.0, 0.0]])).merged().counts.tolist()
        [4.0, 2.0]
        """
        if not -self.counts.ndim < axis < self.counts.ndim - 1 or axis == -1:
            raise ValueError("days are an axis before the bins")
        return type(self)(edges=self.edges, counts=self.counts.sum(axis=axis))

    def bin_of(self, rank: Numbers) -> tuple[Array, Array]:
        """The ends of the bin that holds the value of this rank, counted from 1; infinite ends and NaN without one.

        >>> low, high = Histogram(edges=numbers([1.0, 2.0]), counts=numbers([2.0, 1.0, 1.0])).bin_of(3)
        >>> print(low, high)
        1.0 2.0
        """
        wanted = numbers(rank)
        there = (wanted >= 1) & (wanted <= self.n)
        at = np.minimum((self.counts.cumsum(axis=-1) < wanted[..., np.newaxis]).sum(axis=-1), self.edges.size)
        ends = np.concatenate(([-np.inf], self.edges, [np.inf]))
        return np.where(there, ends[at], np.nan), np.where(there, ends[at + 1], np.nan)

    def error(self, share: float) -> Array:
        """How far off a quantile may be for being the middle of its bin: half the width; infinite without an end.

        The difference of two quantiles is off by the sum of both errors at most. Raises ValueError for a share outside
        (0, 1).

        >>> Histogram(edges=numbers([1.0, 2.0, 4.0]), counts=numbers([0.0, 3.0, 5.0, 0.0])).error(0.9).item()
        1.0
        """
        low, high = self.bin_of(ranks(self.n, share, alpha=0.5).middle)
        return np.asarray((high - low) / 2)


def log_edges(lowest: float, highest: float, *, bins: int = 1000) -> Array:
    """Edges whose bins all have the same width in per cent; two more bins without an end lie around them.

    A quantile between `lowest` and `highest` is then off by (growth - 1) / (growth + 1) of the middle of its bin at
    most, with growth = (highest / lowest)^(1 / bins): 0.7 % for a thousand bins from 0.01 to 10,000. Raises ValueError
    unless 0 < lowest < highest and there is a bin or more.

    >>> log_edges(1.0, 1000.0, bins=3).round(6).tolist()
    [1.0, 10.0, 100.0, 1000.0]
    """
    if not 0 < lowest < highest < np.inf or bins < 1:
        raise ValueError("bins lie between a lowest value above zero and a higher one")
    return np.asarray(np.geomspace(lowest, highest, bins + 1))


def ranks(n: Numbers, share: Numbers, *, alpha: float, share_variance: Numbers | None = None) -> Ranks:
    """The ranks of the quantile below which this share of n units lies, and of its limits; all arrays broadcast.

    Exact for independent units, by the binomial: covered at least as often as 1 - alpha says, for any distribution.
    Where units come in clusters, `share_variance` is the variance of the share of units below the quantile (see
    `clustered_share_variance`), and the ranks follow from the normal. Raises ValueError for a share outside (0, 1), a
    negative n or variance, and an alpha outside (0, 1).

    >>> at = ranks(100, 0.5, alpha=0.05)
    >>> print(at.lower, at.middle, at.upper)
    40.0 50.0 61.0
    """
    units, q = np.broadcast_arrays(numbers(n), numbers(share))
    level_of(alpha)
    if not np.all((q > 0) & (q < 1)) or np.any(units < 0):
        raise ValueError("a share lies between 0 and 1, and a count is never negative")
    middle = np.asarray(np.ceil(np.round(units * q, 9)))  # 0.07 * 100 is a little more than 7
    if share_variance is None:
        lower, upper = binomial_quantile(alpha / 2, units, q), binomial_quantile(1 - alpha / 2, units, q) + 1
        return Ranks(lower=lower, middle=middle, upper=upper)
    if np.any(numbers(share_variance) < 0):
        raise ValueError("a variance is never negative")
    away = critical_z(alpha) * np.sqrt(numbers(share_variance))
    return Ranks(lower=np.floor(units * (q - away)), middle=middle, upper=np.ceil(units * (q + away)) + 1)


def clustered_share_variance(below: CoMoments) -> Array:
    """The variance of the share of units below a quantile, from moments over clusters of (units below, units).

    Shape of the leading axes; NaN below two clusters. Deng, Knoblich & Lu (2018), section 4: for independent units it
    is q (1 - q) / n. Raises ValueError unless there are two variables.

    >>> clusters = CoMoments.from_values([[3.0, 4.0], [1.0, 5.0], [2.0, 4.0], [4.0, 7.0]])  # below, units
    >>> print(clustered_share_variance(clusters).round(5))
    0.01167
    """
    return as_mean(below).mean_variance


def compare(control: Quantiles, treatment: Quantiles, *, alpha: Numbers, null: float = 0.0) -> Comparisons:
    """Treatment minus control of the same quantile, in the units of the values; the arrays broadcast.

    Normal, with the widths of both intervals as standard errors. Undefined where an arm has too few units for its
    limits or no lower one, and where both intervals have no width (as in a heap of equal values). Raises ValueError
    unless 0 < alpha < 1.

    >>> arms = [Quantiles.from_values(np.arange(200.0) + shift, 0.9, alpha=0.05) for shift in (0.0, 30.0)]
    >>> found = compare(*arms, alpha=0.05).at()
    >>> print(f"{found.difference:.0f} from {found.interval.lower:.1f} to {found.interval.upper:.1f}")
    30 from 17.3 to 42.7
    """
    variance = control.variance + treatment.variance
    difference = treatment.value - control.value
    reason = reason_codes(
        (np.isnan(variance) | np.isnan(difference), Reason.INSUFFICIENT_DATA),
        (np.isinf(variance), Reason.NEAR_LOWEST),
        (variance == 0, Reason.ZERO_VARIANCE),
    )
    return wald.compare(difference, _known(variance), reason=reason, alpha=alpha, null=null, method=METHOD)


def _known(values: Array) -> Array:
    """The values, and NaN for those at an end that a bin does not have."""
    return np.where(np.isfinite(values), values, np.nan)


def _places(so_far: Array, rank: Array) -> Places:
    """Where the units that have a value at most as large first reach a rank: (..., 1); one too many where never."""
    return np.asarray((so_far < rank[..., np.newaxis]).sum(axis=-1, keepdims=True))


def _counted(values: Array, so_far: Array, rank: Array) -> Array:
    """The value of a rank, where `so_far` (..., B) units have one of the `values` up to each; NaN for no such rank."""
    there = (rank >= 1) & (rank <= so_far[..., -1])
    found = values[np.minimum(_places(so_far, rank), values.size - 1)[..., 0]]
    return np.where(there, found, np.nan)


def _ranked(ordered: Array, rank: Array) -> Array:
    """The value of this rank along the last axis; NaN for a rank that there is not."""
    n = ordered.shape[-1]
    there: Mask = np.asarray((rank >= 1) & (rank <= n))
    at = np.where(there, rank - 1, 0).astype(int)
    return np.where(there, ordered[..., at] if n else np.nan, np.nan)

"""Counts, means and sums of squared deviations, which add up exactly from day to day.

Chan, Golub & LeVeque (1979), "Updating formulae and a pairwise algorithm for computing sample variances". Raw sums of
squares are never used: with large values and a small spread they cancel to nonsense, even to negative variances.
"""

from dataclasses import dataclass
from types import EllipsisType
from typing import Self, TypeAlias

import numpy as np

from stats.arrays import Array, Mask, Numbers, Places, divide, numbers

Index: TypeAlias = int | slice | EllipsisType | Places | None

# A spread this small beside the mean is the rounding of a sum over identical values, not a spread.
RELATIVE_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Units, their mean, and their sum of squared deviations from it; arrays of one shape.

    Inputs broadcast against each other. The mean of no units is NaN. Raises ValueError for a negative n or m2.

    >>> monday, tuesday = Moments.from_values([1, 2, 3]), Moments.from_values([6])
    >>> both = monday + tuesday
    >>> both.n.item(), both.mean.item(), both.m2.item()
    (4.0, 3.0, 14.0)
    >>> Moments.of_proportion([3, 4], [10, 10]).total().mean.item()
    0.35
    """

    n: Array
    mean: Array
    m2: Array

    def __post_init__(self) -> None:
        n, mean, m2 = np.broadcast_arrays(numbers(self.n), numbers(self.mean), numbers(self.m2))
        if np.any(n < 0) or np.any(m2 < 0):
            raise ValueError("a count and a sum of squared deviations are never negative")
        object.__setattr__(self, "n", n)
        object.__setattr__(self, "mean", np.where(n > 0, mean, np.nan))
        object.__setattr__(self, "m2", np.where(n > 0, m2, 0.0))

    @classmethod
    def from_values(cls, values: Numbers) -> Self:
        """The moments along the last axis of one value per unit."""
        rows = numbers(values)
        n = np.full(rows.shape[:-1], float(rows.shape[-1]))
        mean = divide(rows.sum(axis=-1), n)
        return cls(n=n, mean=mean, m2=np.square(rows - mean[..., np.newaxis]).sum(axis=-1))

    @classmethod
    def of_proportion(cls, successes: Numbers, n: Numbers) -> Self:
        """The moments of n units with value 1 (a success) or 0. Raises ValueError for more successes than units."""
        won, units = np.broadcast_arrays(numbers(successes), numbers(n))
        if np.any(won > units) or np.any(won < 0):
            raise ValueError("there are between none and n successes")
        share = divide(won, units)
        return cls(n=units, mean=share, m2=won * (1 - share))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape all three arrays share."""
        return self.n.shape

    @property
    def variance(self) -> Array:
        """The sample variance, NaN below two units."""
        return np.where(self.n > 1, divide(self.m2, self.n - 1), np.nan)

    @property
    def mean_variance(self) -> Array:
        """The variance of the mean, NaN below two units."""
        return divide(self.variance, self.n)

    @property
    def standard_error(self) -> Array:
        """The standard error of the mean, NaN below two units."""
        return np.sqrt(self.mean_variance)

    @property
    def constant(self) -> Mask:
        """Where the units differ by no more than rounding."""
        return np.sqrt(divide(self.m2, self.n)) <= RELATIVE_ROUNDING * np.abs(self.mean)

    def __getitem__(self, index: Index | tuple[Index, ...]) -> Self:
        return type(self)(n=self.n[index], mean=self.mean[index], m2=self.m2[index])

    def __add__(self, other: Self) -> Self:
        """The moments of both sets of units together."""
        n = self.n + other.n
        step = np.where((self.n > 0) & (other.n > 0), other.mean - self.mean, 0.0)
        share = np.where(n > 0, divide(other.n, n), 0.0)
        start = np.where(self.n > 0, self.mean, other.mean)
        return type(self)(n=n, mean=start + step * share, m2=self.m2 + other.m2 + step**2 * self.n * share)

    def total(self, axis: int = -1) -> Self:
        """All units along an axis together."""
        n = self.n.sum(axis=axis)
        around = self._nearby(axis)
        mean = around + divide(self._pull(around).sum(axis=axis, keepdims=True), self.n.sum(axis=axis, keepdims=True))
        apart = np.where(self.n > 0, self.mean - mean, 0.0)
        m2 = (self.m2 + self.n * apart**2).sum(axis=axis)
        return type(self)(n=n, mean=np.squeeze(mean, axis=axis), m2=m2)

    def cumulative(self, axis: int = -1) -> Self:
        """For every position along an axis, all units up to and including it: each look of the past in one call."""
        n = np.cumsum(self.n, axis=axis)
        around = self._nearby(axis)
        mean = around + divide(np.cumsum(self._pull(around), axis=axis), n)
        before = n - self.n
        # The roll brings the last mean to the front, where `before` is zero and nothing is taken from it.
        apart = np.where((before > 0) & (self.n > 0), self.mean - np.roll(mean, 1, axis=axis), 0.0)
        grown = self.m2 + apart**2 * before * np.where(n > 0, divide(self.n, n), 0.0)
        return type(self)(n=n, mean=mean, m2=np.cumsum(grown, axis=axis))

    def _nearby(self, axis: int) -> Array:
        """A value near all the means along the axis (a shift that keeps sums of means from losing digits)."""
        weight = self.n.sum(axis=axis, keepdims=True)
        return np.where(weight > 0, divide(np.nansum(self.n * self.mean, axis=axis, keepdims=True), weight), 0.0)

    def _pull(self, around: Array) -> Array:
        """How far each part draws the common mean away from `around`, times its units."""
        return np.where(self.n > 0, self.n * (self.mean - around), 0.0)

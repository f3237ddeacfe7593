"""Moments of several variables of the same units at once, with how they vary together; they add up like `Moments`.

The pairwise update of Chan, Golub & LeVeque (1979), with the outer product of the step in the place of its square. A
ratio needs two variables (numerator, denominator), a covariate as well (value, covariate), a ratio with a covariate
four: 4 means and 10 second moments.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from stats.arrays import Array, Numbers, divide, numbers
from stats.moments import Index, Moments

CANCELLED = 1e-13  # what is left of large terms that cancel is below this share of them only by rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class CoMoments:
    """Units, the means of their variables, and the sums of products of deviations from these means.

    With leading axes L and p variables: n is (L), means (L, p), products (L, p, p) and symmetric; leading axes
    broadcast. Means of no units are NaN. Raises ValueError for a negative n, a negative sum of squares, or axes that
    do not fit.

    >>> days = CoMoments.from_values([[[3.0, 1.0], [5.0, 2.0]], [[1.0, 1.0], [7.0, 4.0]]])  # day, unit, variable
    >>> whole = days.total()
    >>> print(whole.n, whole.means, whole.products[0, 1])
    4.0 [4. 2.] 10.0
    """

    n: Array
    means: Array
    products: Array

    def __post_init__(self) -> None:
        n, means, products = numbers(self.n), numbers(self.means), numbers(self.products)
        if means.ndim < 1 or products.ndim < 2 or products.shape[-2:] != means.shape[-1:] * 2:
            raise ValueError("p variables have p means and p x p sums of products")
        if np.any(n < 0) or np.any(np.diagonal(products, axis1=-2, axis2=-1) < 0):
            raise ValueError("a count and a sum of squared deviations are never negative")
        shape, p = np.broadcast_shapes(n.shape, means.shape[:-1], products.shape[:-2]), means.shape[-1]
        n = np.broadcast_to(n, shape)
        object.__setattr__(self, "n", n)
        object.__setattr__(self, "means", np.where(n[..., np.newaxis] > 0, np.broadcast_to(means, (*shape, p)), np.nan))
        some = n[..., np.newaxis, np.newaxis] > 0
        object.__setattr__(self, "products", np.where(some, np.broadcast_to(products, (*shape, p, p)), 0.0))

    @classmethod
    def from_values(cls, values: Numbers) -> Self:
        """The moments of rows: units along the last axis but one, variables along the last."""
        rows = numbers(values)
        n = np.full(rows.shape[:-2], float(rows.shape[-2]))
        means = divide(rows.sum(axis=-2), n[..., np.newaxis])
        apart = rows - means[..., np.newaxis, :]
        return cls(n=n, means=means, products=np.swapaxes(apart, -1, -2) @ apart)

    @classmethod
    def of_pair(
        cls, *, n: Numbers, first_mean: Numbers, second_mean: Numbers, first_m2: Numbers, second_m2: Numbers, c: Numbers
    ) -> Self:
        """Two variables as a query delivers them; `c` is the sum of products of their deviations. All broadcast."""
        count, *rest = np.broadcast_arrays(*map(numbers, (n, first_mean, second_mean, first_m2, second_m2, c)))
        products = np.stack((rest[2], rest[4], rest[4], rest[3]), axis=-1).reshape(*count.shape, 2, 2)
        return cls(n=count, means=np.stack(rest[:2], axis=-1), products=products)

    @property
    def shape(self) -> tuple[int, ...]:
        """The leading axes."""
        return self.n.shape

    @property
    def variables(self) -> int:
        """How many variables each unit has."""
        return int(self.means.shape[-1])

    def __getitem__(self, index: Index | tuple[Index, ...]) -> Self:
        """A part of the leading axes."""
        at = index if isinstance(index, tuple) else (index,)
        if not any(part is Ellipsis for part in at):
            at = (*at, ...)
        return type(self)(
            n=self.n[at], means=self.means[(*at, slice(None))], products=self.products[(*at, slice(None), slice(None))]
        )

    def moments(self, variable: int) -> Moments:
        """One variable alone."""
        return Moments(n=self.n, mean=self.means[..., variable], m2=self.products[..., variable, variable])

    def combined(self, weights: Numbers) -> Self:
        """New variables, each a weighted sum of these; `weights` is (L, new, p), the units stay the same."""
        w = numbers(weights)
        means = (w @ self.means[..., np.newaxis])[..., 0]
        size = np.abs(w) @ np.abs(self.products) @ np.abs(np.swapaxes(w, -1, -2))
        products = _without_rounding(w @ self.products @ np.swapaxes(w, -1, -2), size)
        return type(self)(n=self.n, means=means, products=products)

    def __add__(self, other: Self) -> Self:
        """The moments of both sets of units together."""
        n = self.n + other.n
        share = np.where(n > 0, divide(other.n, n), 0.0)[..., np.newaxis]
        mine, theirs = self._without_gaps(), other._without_gaps()
        both = ((self.n > 0) & (other.n > 0))[..., np.newaxis]
        step = np.where(both, theirs - mine, 0.0)
        start = np.where(self.n[..., np.newaxis] > 0, mine, theirs)
        grown = _outer(step) * (self.n[..., np.newaxis] * share)[..., np.newaxis]
        return type(self)(n=n, means=start + step * share, products=self.products + other.products + grown)

    def total(self, axis: int = -1) -> Self:
        """All units along a leading axis together."""
        along, n = axis % len(self.shape), self.n[..., np.newaxis]
        around, whole = self._nearby(along), n.sum(axis=along, keepdims=True)
        means = around + divide(self._pull(around).sum(axis=along, keepdims=True), whole)
        apart = np.where(n > 0, self._without_gaps() - means, 0.0)
        products = (self.products + _outer(apart) * n[..., np.newaxis]).sum(axis=along)
        return type(self)(n=self.n.sum(axis=along), means=np.squeeze(means, axis=along), products=products)

    def cumulative(self, axis: int = -1) -> Self:
        """For every position along a leading axis, all units up to and including it: each look of the past at once."""
        along = axis % len(self.shape)
        n, around = np.cumsum(self.n, axis=along), self._nearby(along)
        means = around + divide(np.cumsum(self._pull(around), axis=along), n[..., np.newaxis])
        before = n - self.n
        # The roll brings the last means to the front, where `before` is zero and nothing is taken from them.
        both = ((before > 0) & (self.n > 0))[..., np.newaxis]
        apart = np.where(both, self._without_gaps() - np.roll(means, 1, axis=along), 0.0)
        weight = before * np.where(n > 0, divide(self.n, n), 0.0)
        grown = self.products + _outer(apart) * weight[..., np.newaxis, np.newaxis]
        return type(self)(n=n, means=means, products=np.cumsum(grown, axis=along))

    def _nearby(self, along: int) -> Array:
        """Values near all the means along the axis (a shift that keeps sums of means from losing digits)."""
        n = self.n[..., np.newaxis]
        whole = n.sum(axis=along, keepdims=True)
        middle = divide((n * self._without_gaps()).sum(axis=along, keepdims=True), whole)
        return np.where(whole > 0, middle, 0.0)

    def _pull(self, around: Array) -> Array:
        """How far each part draws the common means away from `around`, times its units."""
        n = self.n[..., np.newaxis]
        return np.where(n > 0, n * (self._without_gaps() - around), 0.0)

    def _without_gaps(self) -> Array:
        return np.where(self.n[..., np.newaxis] > 0, self.means, 0.0)


def _outer(step: Array) -> Array:
    return step[..., :, np.newaxis] * step[..., np.newaxis, :]


def _without_rounding(products: Array, size: Array) -> Array:
    """Symmetric, and exactly zero on the diagonal where nothing is left of terms of this size but their rounding."""
    even = (products + np.swapaxes(products, -1, -2)) / 2
    on = np.arange(products.shape[-1])
    left, before = even[..., on, on], size[..., on, on]
    even[..., on, on] = np.where(left > CANCELLED * before, left, 0.0)
    return np.asarray(even)

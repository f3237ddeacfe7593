"""A line through points that are known with error in both directions, and how sure its slope is.

Points are true values with known sampling variances (`x_variance`, `y_variance`) and the covariance of the two errors.
Least squares through such points is too flat: the error of x adds to its spread. Taking that error's known part off
both moments gives a slope that is right with many points (Fuller 1987, Measurement Error Models, section 3.1; through
the origin: Ye, Shao & Kang 2021, Annals of Statistics 49, who call it debiased inverse-variance weighting).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stats.arrays import Array, Mask, Numbers, divide, numbers

AT_ONCE = 1_000_000
"""Numbers in an array, when clusters are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """The points of the last axis, (n,) each; all broadcast.

    `units` each point was estimated from, where known: points then count by these. An error that was estimated with the
    point goes with the point's own chance, and weights by it would bend the line.

    Raises ValueError for a variance below zero, a covariance larger than the variances allow, what is not finite, and
    units that are not above zero.
    """

    x: Array
    y: Array
    x_variance: Array
    y_variance: Array
    covariance: Array
    units: Array | None = None

    def __post_init__(self) -> None:
        names = ("x", "y", "x_variance", "y_variance", "covariance")
        arrays = np.broadcast_arrays(*(numbers(getattr(self, name)) for name in names))
        for name, array in zip(names, arrays, strict=True):
            object.__setattr__(self, name, array)
        if self.x.ndim != 1 or not np.isfinite(np.stack(arrays)).all():
            raise ValueError("points are rows of finite numbers")
        if np.any(self.x_variance < 0) or np.any(self.y_variance < 0):
            raise ValueError("a variance is never negative")
        if np.any(np.square(self.covariance) > self.x_variance * self.y_variance * (1 + 1e-9)):
            raise ValueError("a covariance is at most the product of both standard errors")
        if self.units is not None and (np.shape(self.units) != self.x.shape or not np.all(numbers(self.units) > 0)):
            raise ValueError("each point has units, more than none")

    @property
    def evened(self) -> "Points":
        """With the errors that points of so many units have on average, where units are known."""
        if self.units is None:
            return self
        units = self.units
        x_variance, y_variance, covariance = (
            (units * one).mean() / units for one in (self.x_variance, self.y_variance, self.covariance)
        )
        return Points(x=self.x, y=self.y, x_variance=x_variance, y_variance=y_variance, covariance=covariance)

    def error_variance(self, slope: Array) -> Array:
        """The known variance of y - slope x, for slopes (...), as (..., n)."""
        b = slope[..., np.newaxis]
        left = self.y_variance + np.square(b) * self.x_variance - 2 * b * self.covariance
        return np.maximum(left, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slopes:
    """Slopes through several choices of points, (...); NaN where x does not spread beyond its error."""

    slope: Array
    uncorrected: Array  # by least squares with the same weights, too near zero
    reliability: Array  # the share of the spread of x that is not sampling error, 1 without error
    excess: Array  # the variance of y around the line beyond sampling error
    spread: Array  # of x beyond its error, weighted: what the slope is divided by
    weights: Array  # (..., n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """One slope with its standard error, judged by t with `df`; see `Slopes` for the rest."""

    slope: float
    standard_error: float
    df: float
    uncorrected: float
    reliability: float
    least_reliability: float  # when any one cluster is left out
    excess: float
    spread_z: float  # the spread of x beyond its error, in standard errors; infinite where x is known


def through(points: Points, *, clusters: Numbers | None = None, has_intercept: bool = True) -> Slope:
    """The slope, its standard error by leaving out each cluster of points in turn, and its degrees of freedom G - 1.

    Leaving clusters out (the jackknife; CV3 of MacKinnon, Nielsen & Webb 2023, Journal of Applied Econometrics 38)
    counts what points of a cluster share, the spread of the points around the line and the error of the correction,
    and with few clusters it errs to the safe side. The standard error is never below the one the known errors and the
    spread around the line give to independent points. Without `clusters` each point is its own. NaN where there is no
    slope. Raises ValueError below two clusters.

    >>> points = Points(x=[1, 2, 3, 4.0], y=[2, 4, 6, 9.0], x_variance=0.1, y_variance=0.1, covariance=0.0)
    >>> found = through(points)
    >>> round(found.slope, 3), round(found.uncorrected, 3), round(found.reliability, 2)
    (2.447, 2.3, 0.94)
    """
    members = (
        np.arange(points.x.size)
        if clusters is None
        else np.unique(clusters, return_inverse=True)[1].astype(np.int64).ravel()
    )
    count = int(members.max(initial=-1)) + 1
    if count < 2:
        raise ValueError("a slope is judged by two clusters or more")
    fits = _slopes(points, np.ones((1, points.x.size), dtype=np.bool_), has_intercept)
    slopes, reliabilities = _left_out(points, members, count, has_intercept)
    jackknife = (count - 1) / count * float(np.square(slopes - fits.slope[0]).sum())
    return Slope(
        slope=float(fits.slope[0]),
        standard_error=float(np.sqrt(np.maximum(jackknife, _model_variance(points, fits, has_intercept)))),
        df=count - 1.0,
        uncorrected=float(fits.uncorrected[0]),
        reliability=float(fits.reliability[0]),
        least_reliability=float(min(fits.reliability[0], reliabilities.min())),
        excess=float(fits.excess[0]),
        spread_z=_spread_z(points, fits, has_intercept),
    )


def _left_out(points: Points, members: npt.NDArray[np.int64], count: int, has_intercept: bool) -> tuple[Array, Array]:
    """Slope and reliability without each cluster in turn, so many at once that memory is not a question."""
    at_once = max(1, AT_ONCE // max(1, points.x.size))
    found = []
    for first in range(0, count, at_once):
        without = np.arange(first, min(first + at_once, count))[:, np.newaxis]
        found.append(_slopes(points, members != without, has_intercept))
    return np.concatenate([one.slope for one in found]), np.concatenate([one.reliability for one in found])


def _slopes(points: Points, chosen: Mask, has_intercept: bool) -> Slopes:
    """Twice: with weights that take no view of the line, then with those its first slope and spread give."""
    evened = points.evened
    first = _weighted(points, np.where(chosen, _plain_weights(evened), 0.0), has_intercept)
    variance = first.excess[..., np.newaxis] + evened.error_variance(first.slope)
    second = np.where(chosen & np.isfinite(variance), divide(1.0, variance), 0.0)
    is_better = np.isfinite(second).all(axis=-1, keepdims=True) & (second.sum(axis=-1, keepdims=True) > 0)
    return _weighted(points, np.where(is_better, second, first.weights), has_intercept)


def _plain_weights(points: Points) -> Array:
    """Half way between equal weights and those of the sampling errors: no slope is needed to know them."""
    parts = (divide(v, v.mean()) for v in (points.x_variance, points.y_variance))
    noise = sum(np.nan_to_num(part) for part in parts)
    return np.asarray(1 / (1.0 + noise))


def _weighted(points: Points, weights: Array, has_intercept: bool) -> Slopes:
    total = weights.sum(axis=-1, keepdims=True)
    x, y = (_apart(values, weights, has_intercept) for values in (points.x, points.y))
    kept = weights * (1 - divide(weights, total)) if has_intercept else weights  # the mean takes a part of each error
    seen_x, seen_xy = (weights * x * x).sum(axis=-1), (weights * x * y).sum(axis=-1)
    true_x = seen_x - (kept * points.x_variance).sum(axis=-1)
    true_xy = seen_xy - (kept * points.covariance).sum(axis=-1)
    slope = divide(true_xy, np.where(true_x > 0, true_x, 0.0))
    around = np.square(y - slope[..., np.newaxis] * x) - points.error_variance(slope)
    used = total[..., 0] - divide(np.square(weights).sum(axis=-1), total[..., 0]) * (1 + has_intercept)
    return Slopes(
        slope=slope,
        uncorrected=divide(seen_xy, seen_x),
        reliability=np.nan_to_num(divide(true_x, seen_x)),
        excess=np.maximum(divide((weights * around).sum(axis=-1), used), 0.0),
        spread=true_x,
        weights=weights,
    )


def _apart(values: Array, weights: Array, has_intercept: bool) -> Array:
    """The values less their weighted mean, or as they are for a line through the origin; (..., n)."""
    if not has_intercept:
        return np.broadcast_to(values, weights.shape)
    return values - divide((weights * values).sum(axis=-1), weights.sum(axis=-1))[..., np.newaxis]


def _model_variance(points: Points, fits: Slopes, has_intercept: bool) -> float:
    """What independent points give to the first slope: errors times x, and errors times errors."""
    weights, slope = fits.weights[0], fits.slope[0]
    x = _apart(points.x, weights, has_intercept)
    around = fits.excess[0] + points.error_variance(slope)
    crossed = np.square(points.covariance - slope * points.x_variance)
    return float(divide((np.square(weights) * (x * x * around + crossed)).sum(), np.square(fits.spread[0])))


def _spread_z(points: Points, fits: Slopes, has_intercept: bool) -> float:
    """What the slope is divided by, in standard errors; (x + u)^2 - var u has variance 4 x^2 var u + 2 (var u)^2."""
    weights, error = fits.weights[0], points.x_variance
    x = _apart(points.x, weights, has_intercept)
    doubt = (np.square(weights) * np.maximum(4 * x * x * error - 2 * np.square(error), 2 * np.square(error))).sum()
    return float(fits.spread[0] / np.sqrt(doubt)) if doubt > 0 else float(np.inf)

"""An elasticity from the past: cohorts in which the leading KPI was higher, and what the lagging KPI was in them.

Observational. Whatever moved both KPIs - a season, a new kind of customer, a trend - is in it, and no standard error
says so. What the error does count is the sampling of both KPIs, what cohorts of one cluster (month, segment) share, and
that cohorts lie around the line. The sampling of the leading KPI would make the slope too flat; that is corrected
(`stats.ladder.line`). With few clusters t with G - 1 degrees of freedom (Cameron & Miller 2015, Journal of Human
Resources 50).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stats.arrays import Array, Numbers, divide, numbers
from stats.comoments import CoMoments
from stats.distributions import critical_z, level_of
from stats.ladder import line
from stats.ladder.elasticity import Elasticity, NotIdentified, Obstacle, Scale, Source
from stats.methods import ratio

FEWEST_COHORTS = 8
FEWEST_CLUSTERS = 6
LEAST_RELIABILITY = 0.5
"""The share of the leading KPI's spread that must be real: below it the correction would more than double the slope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohorts:
    """A row for each cohort: both KPIs with their standard errors, and the cluster it belongs to; columns broadcast.

    `covariance` is that of both sampling errors: the same units are in both KPIs, so it is zero only where other units
    gave the lagging one. Without clusters each cohort is its own. With `units` (how many gave both KPIs) cohorts count
    by these, and logarithms are freed of the half of their variance by which they are too low: with few units a cohort
    both matter. Rows in which anything is NaN are left out. Raises ValueError for columns that are not one axis, and a
    negative standard error.
    """

    leading: Numbers
    leading_error: Numbers
    lagging: Numbers
    lagging_error: Numbers
    covariance: Numbers = 0.0
    clusters: Numbers | None = None
    units: Numbers | None = None

    @classmethod
    def of_sums(cls, sums: CoMoments, *, clusters: Numbers | None = None) -> "Cohorts":
        """Both KPIs measured on the same units: (C,) cohorts of four variables, with what the errors share.

        The variables are numerator and denominator of the leading KPI, then of the lagging one; a denominator of 1
        makes a mean or a share. Errors by the delta method (Deng, Knoblich & Lu 2018, KDD), NaN below two units.
        Raises ValueError unless there are four variables and one axis of cohorts.

        >>> rows = [[[1.0, 1.0, 4.0, 10.0], [0.0, 1.0, 2.0, 5.0]], [[1.0, 1.0, 9.0, 10.0], [1.0, 1.0, 3.0, 10.0]]]
        >>> found = Cohorts.of_sums(CoMoments.from_values(rows))
        >>> found.leading.tolist(), found.lagging.tolist(), found.leading_error.round(3).tolist()
        ([0.5, 1.0], [0.4, 0.6], [0.5, 0.0])
        """
        if sums.variables != 4 or len(sums.shape) != 1:
            raise ValueError("cohorts are rows of four sums: numerator and denominator of each KPI")
        both = ratio.linearised(sums)
        shared = divide(both.products, np.where(both.n > 1, both.n * (both.n - 1), 0.0)[:, np.newaxis, np.newaxis])
        return cls(
            leading=both.means[:, 0],
            leading_error=np.sqrt(shared[:, 0, 0]),
            lagging=both.means[:, 1],
            lagging_error=np.sqrt(shared[:, 1, 1]),
            covariance=shared[:, 0, 1],
            clusters=clusters,
            units=both.n,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FromCohorts:
    """What the past says. `reliability` and `uncorrected` are None where it was not even looked at."""

    elasticity: Elasticity | NotIdentified
    cohorts: int
    clusters: int
    reliability: float | None  # the share of the leading KPI's spread that is not sampling error
    uncorrected: float | None  # the slope as least squares would have it


def from_cohorts(cohorts: Cohorts, *, scale: Scale = Scale.LOG, alpha: float) -> FromCohorts:
    """The elasticity (or linear slope) over cohorts, or why there is none.

    Not identified below 8 cohorts or 6 clusters; where less than half of the leading KPI's spread is more than sampling
    error, with all clusters or without any one of them; where that spread may be zero (a z below that of alpha); and
    on the log scale with a value of zero or below. Raises ValueError for misuse of `Cohorts`, and unless 0 < alpha < 1.

    >>> month = np.arange(12)
    >>> activation, retention = 0.30 + 0.01 * month, 0.20 + 0.004 * month
    >>> cohorts = Cohorts(leading=activation, leading_error=0.004, lagging=retention, lagging_error=0.004)
    >>> found = from_cohorts(cohorts, alpha=0.05)
    >>> round(found.elasticity.estimate, 2), round(found.uncorrected, 2), round(found.reliability, 2)
    (0.65, 0.64, 0.99)
    """
    level_of(alpha)
    rows, clusters, units = _complete(cohorts)
    count = len(np.unique(clusters))
    obstacle = _obstacle_before(rows, count, scale)
    if obstacle is not None:
        return _answer(NotIdentified(obstacle=obstacle), rows, count, None)
    found = line.through(_points(*rows, units=units, scale=scale), clusters=clusters)
    after = _obstacle_after(found, alpha)
    if after is not None:
        return _answer(NotIdentified(obstacle=after), rows, count, found)
    slope = Elasticity.of(found.slope, found.standard_error, df=found.df, source=Source.COHORTS, alpha=alpha)
    return _answer(slope, rows, count, found)


def _points(
    leading: Array,
    leading_error: Array,
    lagging: Array,
    lagging_error: Array,
    covariance: Array,
    *,
    units: Array | None,
    scale: Scale,
) -> line.Points:
    """The points of the line; on the log scale errors are relative ones (delta method)."""
    is_log = scale is Scale.LOG
    over_x, over_y = (leading, lagging) if is_log else (np.ones_like(leading), np.ones_like(lagging))
    x_variance, y_variance = np.square(divide(leading_error, over_x)), np.square(divide(lagging_error, over_y))
    half = 0.5 if units is not None else 0.0  # a logarithm of what varies is too low by so much of its variance
    return line.Points(
        x=np.log(leading) + half * x_variance if is_log else leading,
        y=np.log(lagging) + half * y_variance if is_log else lagging,
        x_variance=x_variance,
        y_variance=y_variance,
        covariance=divide(covariance, over_x * over_y),
        units=units,
    )


def _complete(cohorts: Cohorts) -> tuple[tuple[Array, ...], npt.NDArray[np.int64], Array | None]:
    """The columns, cluster numbers and units of the rows in which nothing is missing."""
    given = (cohorts.leading, cohorts.leading_error, cohorts.lagging, cohorts.lagging_error, cohorts.covariance)
    columns = np.broadcast_arrays(*map(numbers, given))
    if columns[0].ndim != 1:
        raise ValueError("cohorts are rows: columns have one axis")
    if np.any(columns[1] < 0) or np.any(columns[3] < 0):
        raise ValueError("a standard error is never negative")
    size = columns[0].size
    labels = np.arange(size) if cohorts.clusters is None else np.asarray(cohorts.clusters)
    if labels.shape != (size,):
        raise ValueError("each cohort has one cluster")
    known = np.isfinite(np.stack(columns)).all(axis=0)
    units = None if cohorts.units is None else np.broadcast_to(numbers(cohorts.units), (size,))[known]
    members = np.unique(labels[known], return_inverse=True)[1].astype(np.int64).ravel()
    return tuple(column[known] for column in columns), members, units


def _obstacle_before(rows: tuple[Array, ...], clusters: int, scale: Scale) -> Obstacle | None:
    if rows[0].size < FEWEST_COHORTS:
        return Obstacle.TOO_FEW_COHORTS
    if clusters < FEWEST_CLUSTERS:
        return Obstacle.TOO_FEW_CLUSTERS
    if scale is Scale.LOG and (np.any(rows[0] <= 0) or np.any(rows[2] <= 0)):
        return Obstacle.NOT_POSITIVE
    return None


def _obstacle_after(found: line.Slope, alpha: float) -> Obstacle | None:
    if found.reliability < LEAST_RELIABILITY:
        return Obstacle.LITTLE_SPREAD
    if found.least_reliability < LEAST_RELIABILITY:
        return Obstacle.ONE_CLUSTER
    return Obstacle.UNBOUNDED if found.spread_z <= float(critical_z(alpha)) else None


def _answer(
    elasticity: Elasticity | NotIdentified, rows: tuple[Array, ...], clusters: int, found: line.Slope | None
) -> FromCohorts:
    seen = found if found is not None and np.isfinite(found.uncorrected) else None
    return FromCohorts(
        elasticity=elasticity,
        cohorts=rows[0].size,
        clusters=clusters,
        reliability=seen.reliability if seen else None,
        uncorrected=seen.uncorrected if seen else None,
    )

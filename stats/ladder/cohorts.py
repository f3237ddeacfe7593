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
from stats.distributions import critical_z, level_of
from stats.ladder import line
from stats.ladder.elasticity import Elasticity, NotIdentified, Obstacle, Scale, Source

FEWEST_COHORTS = 8
FEWEST_CLUSTERS = 6
LEAST_RELIABILITY = 0.5
"""The share of the leading KPI's spread that must be real: below it the correction would more than double the slope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohorts:
    """A row for each cohort: both KPIs with their standard errors, and the cluster it belongs to; columns broadcast.

    `covariance` is that of both sampling errors: the same units are in both KPIs, so it is zero only where other units
    gave the lagging one. Without clusters each cohort is its own. Rows in which anything is NaN are left out. Raises
    ValueError for columns that are not one axis, and a negative standard error.
    """

    leading: Numbers
    leading_error: Numbers
    lagging: Numbers
    lagging_error: Numbers
    covariance: Numbers = 0.0
    clusters: Numbers | None = None


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
    rows, clusters = _complete(cohorts)
    count = len(np.unique(clusters))
    obstacle = _obstacle_before(rows, count, scale)
    if obstacle is not None:
        return _answer(NotIdentified(obstacle=obstacle), rows, count, None)
    found = line.through(_points(*rows, scale=scale), clusters=clusters)
    after = _obstacle_after(found, alpha)
    if after is not None:
        return _answer(NotIdentified(obstacle=after), rows, count, found)
    slope = Elasticity.of(found.slope, found.standard_error, df=found.df, source=Source.COHORTS, alpha=alpha)
    return _answer(slope, rows, count, found)


def _points(
    leading: Array, leading_error: Array, lagging: Array, lagging_error: Array, covariance: Array, *, scale: Scale
) -> line.Points:
    """The points of the line; on the log scale errors are relative ones (delta method)."""
    if scale is Scale.LINEAR:
        over_x, over_y, x, y = np.ones_like(leading), np.ones_like(lagging), leading, lagging
    else:
        over_x, over_y, x, y = leading, lagging, np.log(leading), np.log(lagging)
    return line.Points(
        x=x,
        y=y,
        x_variance=np.square(divide(leading_error, over_x)),
        y_variance=np.square(divide(lagging_error, over_y)),
        covariance=divide(covariance, over_x * over_y),
    )


def _complete(cohorts: Cohorts) -> tuple[tuple[Array, ...], npt.NDArray[np.int64]]:
    """The columns and the cluster numbers of the rows in which nothing is missing."""
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
    return tuple(column[known] for column in columns), np.unique(labels[known], return_inverse=True)[1].astype(
        np.int64
    ).ravel()


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

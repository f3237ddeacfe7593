"""An elasticity from past experiments: what each did to the leading KPI, and what it did to the lagging one.

A line through the origin, for a change that leaves the leading KPI alone is taken to leave the lagging one alone on
average. Effects of single experiments have errors in both directions, and errors that go together, as both KPIs are
measured on the same units: the correction of both is in `stats.ladder.line` (through the origin it is the debiased
inverse-variance weighting of Ye, Shao & Kang 2021; for experiments Cunningham & Kim 2020, Tripuraneni et al. 2023 and
Bibaut et al. 2024 do the same with the covariance of the errors). Changes that move the lagging KPI by another way as
well spread the points around the line: that spread is in the standard error; if it goes in one direction, MR-Egger's
intercept shows it (Bowden, Davey Smith & Burgess 2015, International Journal of Epidemiology 44).
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Numbers, divide, numbers
from stats.distributions import chi_square_tail, critical_z, level_of, t_cdf
from stats.ladder import line
from stats.ladder.elasticity import Elasticity, NotIdentified, Obstacle, Source

FEWEST_EXPERIMENTS = 3
FEWEST_FOR_INTERCEPT = 4
LEAST_STRENGTH = 10.0
"""The mean F of the effects on the leading KPI below which they are weak (Staiger & Stock 1997, Econometrica 65)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """A row for each comparison: the effects on both KPIs, their standard errors and the covariance of these errors.

    Both on the log scale for an elasticity, or both absolute for a slope. Columns broadcast; rows in which anything is
    NaN are left out. Raises ValueError for columns that are not one axis, and a standard error of zero or below.
    """

    leading: Numbers
    leading_error: Numbers
    lagging: Numbers
    lagging_error: Numbers
    covariance: Numbers = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Intercept:
    """MR-Egger's intercept: what changes do to the lagging KPI on average past the leading one."""

    estimate: float
    standard_error: float
    p_value: float  # by t with k - 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FromTrials:
    """What past experiments say; numbers are None where there are too few."""

    elasticity: Elasticity | NotIdentified
    experiments: int
    strength: float | None  # mean F of the effects on the leading KPI
    q: float | None  # spread around the line, in sampling errors (second-order weights)
    q_p_value: float | None
    intercept: Intercept | None  # from four on


def from_trials(trials: Trials, *, alpha: float) -> FromTrials:
    """The slope through the origin over experiments, or why there is none.

    Not identified below 3 experiments; with a mean F below 10; and where the leading KPI may not have moved at all (a z
    below that of alpha). Rows are taken as independent: variants of one experiment share a control and are not. Q with
    second-order weights: Bowden et al. (2019), International Journal of Epidemiology 48. Raises ValueError for misuse
    of `Trials`, and unless 0 < alpha < 1.

    >>> trials = Trials(
    ...     leading=[0.10, 0.20, -0.15, 0.05], leading_error=0.02, lagging=[0.06, 0.09, -0.07, 0.02], lagging_error=0.02
    ... )
    >>> found = from_trials(trials, alpha=0.05)
    >>> round(found.elasticity.estimate, 3), round(found.strength, 1), round(found.intercept.p_value, 2)
    (0.484, 46.9, 0.86)
    """
    level_of(alpha)
    points = _points(trials)
    k = points.x.size
    if k < FEWEST_EXPERIMENTS:
        few = NotIdentified(obstacle=Obstacle.TOO_FEW_EXPERIMENTS)
        return FromTrials(elasticity=few, experiments=k, strength=None, q=None, q_p_value=None, intercept=None)
    strength = float((np.square(points.x) / points.x_variance).mean())
    found = line.through(points, has_intercept=False)
    q = _q(points, found.slope)
    return FromTrials(
        elasticity=_judged(found, strength, alpha),
        experiments=k,
        strength=strength,
        q=q,
        q_p_value=None if q is None else float(chi_square_tail(k - 1, q)),
        intercept=egger(points) if k >= FEWEST_FOR_INTERCEPT else None,
    )


def egger(points: line.Points) -> Intercept | None:
    """The intercept over effects turned so that the leading one is positive; None where those are all alike.

    Least squares weighted by 1 / lagging variance, t with k - 2, residual spread not below 1. It is a check: with few
    experiments it sees only much. Bowden, Davey Smith & Burgess (2015).

    >>> x, error = np.array([0.10, 0.20, -0.15, 0.05]), np.full(4, 0.0004)
    >>> points = line.Points(x=x, y=0.5 * x + 0.1 * np.sign(x), x_variance=error, y_variance=error, covariance=0 * x)
    >>> found = egger(points)
    >>> round(found.estimate, 3), round(found.standard_error, 4)
    (0.1, 0.0245)
    """
    turn = np.where(points.x < 0, -1.0, 1.0)
    x, y, weights = turn * points.x, turn * points.y, 1 / points.y_variance
    total, mean = weights.sum(), (weights * x).sum() / weights.sum()
    spread = float((weights * np.square(x - mean)).sum())
    if not spread > 0:
        return None
    slope = (weights * (x - mean) * y).sum() / spread
    intercept = (weights * y).sum() / total - slope * mean
    df = x.size - 2
    residual = max(float((weights * np.square(y - intercept - slope * x)).sum()) / df, 1.0)
    error = float(np.sqrt(residual * (1 / total + mean**2 / spread)))
    p_value = 2 * float(t_cdf(df, -abs(intercept) / error))
    return Intercept(estimate=float(intercept), standard_error=error, p_value=p_value)


def _judged(found: line.Slope, strength: float, alpha: float) -> Elasticity | NotIdentified:
    bar = float(critical_z(alpha))
    if strength < LEAST_STRENGTH:
        return NotIdentified(obstacle=Obstacle.WEAK)
    if not found.least_reliability > 0 or found.spread_z <= bar:
        return NotIdentified(obstacle=Obstacle.UNBOUNDED)
    return Elasticity.of(found.slope, found.standard_error, df=found.df, source=Source.EXPERIMENTS, alpha=alpha)


def _q(points: line.Points, slope: float) -> float | None:
    around: Array = divide(np.square(points.y - slope * points.x), points.error_variance(numbers(slope)))
    return float(around.sum()) if np.isfinite(around).all() else None


def _points(trials: Trials) -> line.Points:
    given = (trials.leading, trials.leading_error, trials.lagging, trials.lagging_error, trials.covariance)
    columns = np.broadcast_arrays(*map(numbers, given))
    if columns[0].ndim != 1:
        raise ValueError("experiments are rows: columns have one axis")
    if np.any(columns[1] <= 0) or np.any(columns[3] <= 0):
        raise ValueError("the standard error of an effect is above zero")
    known = np.isfinite(np.stack(columns)).all(axis=0)
    x, x_error, y, y_error, covariance = (column[known] for column in columns)
    return line.Points(x=x, y=y, x_variance=x_error**2, y_variance=y_error**2, covariance=covariance)

"""Whether a KPI has seasons - days of the week, months of the year - and how large they are.

One-way analysis of variance by weighted least squares, weights one over the squared standard errors (Aitken 1936), with
a straight line beside the seasons so that growth is not taken for them. What is left between periods of one season is
the measure, not the sampling errors alone, for periods differ for other reasons too.
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Codes, Mask, Numbers, divide, numbers
from stats.distributions import f_tail, level_of, t_quantile
from stats.results import Reason, reason_codes, reason_of
from stats.series.periods import flat, given, ordered

FEWEST = 2
"""Periods of each season, for there to be a spread within seasons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seasons:
    """The seasons of series (...), effects (..., S) in units of the value; NaN where there is a reason.

    An effect is the season less the mean of all seasons. `share` is that of the spread around the line which the
    seasons explain, with what chance explains taken off (adjusted R2): 0 to 1.
    """

    effect: Array
    standard_error: Array
    lower: Array
    upper: Array
    statistic: Array  # F
    p_value: Array  # of no seasons at all
    share: Array
    level: float
    reason: Codes

    def reason_at(self, *index: int) -> Reason | None:
        """Why this series has no answer, or None if it has one."""
        return reason_of(int(self.reason[index]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """Weighted least squares: coefficients, their covariance up to the scale, and the squares that are left."""

    coefficients: Array
    covariance: Array
    left: Array


def effects(
    period: Numbers,
    value: Numbers,
    standard_error: Numbers,
    *,
    season: Numbers,
    alpha: float,
    has_trend: bool = True,
) -> Seasons:
    """The seasons 0, 1, ... S - 1 of the values (..., T) of periods (T,); `season` (T,) says which each period is in.

    F test of no seasons, intervals of each effect by Student's t, both for one look at independent periods: where what
    is left between them is autocorrelated, the test of a few rounds errs either way. Values that are NaN are left out.
    Undefined with fewer than two periods in a season, and where nothing differs. Raises ValueError for periods out of
    order, a standard error not above zero, seasons that do not fit, fewer than two of them, and an alpha outside
    (0, 1). Aitken (1936), Proceedings of the Royal Society of Edinburgh 55.

    >>> value = [10, 12, 11, 10, 13, 11, 9, 12, 10]
    >>> found = effects(range(9), value, 1.0, season=[0, 1, 2] * 3, alpha=0.05, has_trend=False)
    >>> found.effect.round(2).tolist(), found.statistic.round(2).item(), found.p_value.round(4).item()
    ([-1.22, 1.44, -0.22], 16.33, 0.0037)
    """
    level = float(level_of(alpha))
    values, errors, known = given(value, standard_error)
    times, places = ordered(period, values), _places(season, values)
    if np.any(errors == 0):
        raise ValueError("the weight of a period needs a standard error above zero")
    dummies = (places[:, np.newaxis] == np.arange(places.max() + 1)).astype(np.float64)
    line = [(times - times.mean())[:, np.newaxis] / max(1.0, float(np.ptp(times)))] if has_trend else []
    enough = np.all((known[..., np.newaxis] * dummies).sum(axis=-2) >= FEWEST, axis=-1)
    weight = np.where(known & enough[..., np.newaxis], 1 / np.where(known, errors, 1.0) ** 2, 0.0)
    seen = np.where(known, values, 0.0)
    with_seasons = _fit(np.hstack((dummies, *line)), seen, weight, enough)
    without = _fit(np.hstack((np.ones((times.size, 1)), *line)), seen, weight, enough)
    df, count = known.sum(axis=-1) - dummies.shape[1] - len(line), dummies.shape[1]
    reason = reason_codes(
        (~enough | (df < 1), Reason.TOO_FEW_PERIODS), (flat(values, np.zeros_like(errors), known), Reason.ZERO_VARIANCE)
    )
    return _answered(with_seasons, without, numbers(np.where(reason == 0, df, np.nan)), count, reason, level)


def _answered(found: _Fit, without: _Fit, df: Array, count: int, reason: Codes, level: float) -> Seasons:
    scale, freedom = divide(found.left, df), float(count - 1)
    statistic = divide((without.left - found.left) / freedom, scale)
    contrast = np.eye(count) - 1 / count
    effect = found.coefficients[..., :count] @ contrast
    spread = np.diagonal(contrast @ found.covariance[..., :count, :count] @ contrast, axis1=-2, axis2=-1)
    error = np.sqrt(spread * scale[..., np.newaxis])
    half = -t_quantile(df, (1 - level) / 2)[..., np.newaxis] * error
    share = 1 - divide(scale, divide(without.left, df + freedom))
    return Seasons(
        effect=np.where(reason[..., np.newaxis] == 0, effect, np.nan),
        standard_error=error,
        lower=effect - half,
        upper=effect + half,
        statistic=statistic,
        p_value=f_tail(freedom, df, statistic),
        share=np.maximum(share, 0.0),
        level=level,
        reason=reason,
    )


def _fit(design: Array, values: Array, weight: Array, is_sound: Mask) -> _Fit:
    """Where the fit is not sound, the coefficients are those of nothing at all."""
    weighted = design * weight[..., np.newaxis]
    square = np.where(is_sound[..., np.newaxis, np.newaxis], design.T @ weighted, np.eye(design.shape[1]))
    covariance = np.linalg.inv(square)
    coefficients = (covariance @ (np.swapaxes(weighted, -1, -2) @ values[..., np.newaxis]))[..., 0]
    left = (weight * (values - coefficients @ design.T) ** 2).sum(axis=-1)
    return _Fit(coefficients=coefficients, covariance=numbers(covariance), left=left)


def _places(season: Numbers, values: Array) -> Array:
    places = numbers(season)
    if places.shape != values.shape[-1:]:
        raise ValueError("there is one season a period")
    if np.any(places != np.floor(places)) or np.any(places < 0) or not places.max() >= 1:
        raise ValueError("seasons are counted 0, 1 and so on, and there are two or more")
    return places

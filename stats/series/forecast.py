"""Where a KPI will be in a later period, and the chance that it meets its target there.

The models are those of `models.wandering`, a local linear trend (Harvey 1989, "Forecasting, structural time series
models and the Kalman filter") over a grid of its variances, mixed by how well they foretell the periods seen. No model
is chosen and no variance is estimated at zero, so the interval keeps the doubt about the trend: it is wide for few
periods and for far ones. What is forecast is the true value of that period, without its sampling error unless that
is given.
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Codes, Numbers, numbers
from stats.distributions import level_of
from stats.results import Interval, Reason, Undefined, reason_codes, reason_of
from stats.series import models
from stats.series.mixture import Mixture
from stats.series.periods import flat, given, ordered
from stats.series.trends import unseen

FEWEST = 4
"""Periods with a value below which nothing is forecast."""
MOST = 120
"""Periods, the latest ones, that a forecast is made from: what is older says little and costs much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """One later period by plain numbers.

    >>> Forecast(period=12, value=0.4, standard_error=0.02, interval=Interval(lower=0.36, upper=0.44, level=0.95)).value
    0.4
    """

    period: float
    value: float
    standard_error: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecasts:
    """Later periods (H,) of one series or more: arrays (..., H), NaN where there is a reason (...,).

    `distribution` holds the mixtures (..., H, models) behind them, in units of the KPI.
    """

    period: Array
    value: Array
    standard_error: Array
    lower: Array
    upper: Array
    level: float
    reason: Codes
    distribution: Mixture

    def chance(self, target: Numbers, *, sign: int = 1) -> Array:
        """The chance (..., H) that the value is at the target or beyond: above it (sign 1), or below it (-1).

        Of each period by itself, not of any of them. Raises ValueError for another sign.
        """
        if sign not in {1, -1}:
            raise ValueError(f"the sign is 1 or -1, not {sign}")
        beyond = self.distribution.above if sign == 1 else self.distribution.below
        return beyond(np.broadcast_to(numbers(target), self.value.shape))

    def at(self, *index: int) -> Forecast | Undefined:
        """One period of one series with plain floats; the last index is the period's."""
        reason = reason_of(int(self.reason[index[:-1]]))
        if reason:
            return Undefined(reason=reason)
        return Forecast(
            period=float(self.period[index[-1]]),
            value=float(self.value[index]),
            standard_error=float(self.standard_error[index]),
            interval=Interval(lower=float(self.lower[index]), upper=float(self.upper[index]), level=self.level),
        )


def ahead(
    period: Numbers,
    value: Numbers,
    standard_error: Numbers,
    *,
    later: Numbers,
    alpha: float,
    season: int | None = None,
    later_standard_error: Numbers = 0.0,
) -> Forecasts:
    """The value in `later` periods (H,) from the values (..., T) of periods (T,), with intervals of level 1 - alpha.

    Periods count up by one a period and may leave some out; a value or standard error that is NaN is left out too.
    `season` is the number of periods after which seasons return (7 for days of a week, 12 for months of a year): ask
    for it with three rounds or more. With `later_standard_error` (H,) it is the measured value that is forecast.
    The interval knows no bounds: clip that of a share. Undefined below four values, and where neither values nor
    standard errors differ from zero. Raises ValueError for periods out of order, later ones that are not later, a
    negative standard error, a season below 2 and an alpha outside (0, 1).

    Bayesian model averaging over local linear trends: Harvey (1989); Hoeting et al. (1999), Statistical Science 14.

    >>> value = [0.20, 0.22, 0.21, 0.24, 0.25, 0.25, 0.27, 0.28]
    >>> found = ahead(range(8), value, [0.01] * 8, later=[9, 12], alpha=0.1)
    >>> found.value.round(3).tolist(), found.lower.round(3).tolist(), found.upper.round(3).tolist()
    ([0.294, 0.319], [0.255, 0.25], [0.323, 0.366])
    >>> found.chance(0.3).round(2).tolist()
    [0.41, 0.78]
    """
    level, wanted = float(level_of(alpha)), np.atleast_1d(numbers(later))
    values, errors, known = given(value, standard_error)
    times = ordered(period, values)
    _check(times, wanted, season)
    added = np.broadcast_to(np.square(numbers(later_standard_error)), wanted.shape)
    reason = reason_codes(
        (known.sum(axis=-1) < FEWEST, Reason.TOO_FEW_PERIODS), (flat(values, errors, known), Reason.ZERO_VARIANCE)
    )
    mixtures = {
        index: _series(
            times[known[index]], values[index][known[index]], errors[index][known[index]], wanted, added, season
        )
        for index in np.ndindex(reason.shape)
        if not reason[index]
    }
    found = Mixture.stacked(mixtures, (*reason.shape, wanted.size))
    return Forecasts(
        period=wanted,
        value=found.mean,
        standard_error=found.deviation,
        lower=found.quantile(alpha / 2),
        upper=found.quantile(1 - alpha / 2),
        level=level,
        reason=reason,
        distribution=found,
    )


def _series(times: Array, values: Array, errors: Array, wanted: Array, added: Array, season: int | None) -> Mixture:
    """One series of known values, the latest of them."""
    when, seen, own = (part[-MOST:] for part in (times, values, errors))
    scale, centre = models.scale(when, seen, own), float(seen.mean())
    held = models.wandering(has_seasons=season is not None)
    within = (seen - centre) / scale, own**2 / scale**2
    return unseen(when, *within, wanted, added / scale**2, held, season=season).moved(centre, scale)


def _check(times: Array, wanted: Array, season: int | None) -> None:
    if times.size and not np.all(wanted > times[-1]):
        raise ValueError("a forecast is of a period after the last one seen")
    if season is not None and season < 2:
        raise ValueError("a season has two periods or more")

"""Control limits that know that neighbouring periods resemble each other, for every period and so the newest.

Limits around a plain mean alarm without end when a series is autocorrelated. So each period is held against what the
periods before it lead one to expect (Alwan & Roberts 1988, "Time-series modeling for statistical process control",
Journal of Business & Economic Statistics 6: the special-cause chart; Montgomery & Mastrangelo 1991, "Some statistical
process control methods for autocorrelated data", Journal of Quality Technology 23: limits that move). The models are
those of `models.steady`; their parameters are not estimated but averaged over, so limits are wide after few periods.
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Codes, Mask, Numbers
from stats.distributions import level_of, normal_quantile
from stats.results import Reason, reason_codes, reason_of
from stats.series import models
from stats.series.mixture import Mixture, forward
from stats.series.periods import flat, given, ordered

FEWEST = 5
"""Known periods before the first one that is judged."""
SHEWHART = 0.0027
"""The alpha of limits three standard deviations away (Shewhart 1931): a false alarm in 370 periods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Every period against those before it; arrays (..., T), all NaN where there is a reason.

    `surprise` is the period's place in what was expected, as a standard normal: alike and independent when nothing
    changes, whatever the autocorrelation, and so what an alarm may add up.
    """

    expected: Array
    lower: Array
    upper: Array
    p_value: Array  # two-sided, of this period alone
    surprise: Array
    is_out: Mask
    level: float
    reason: Codes

    def reason_at(self, *index: int) -> Reason | None:
        """Why this period is not judged, or None if it is."""
        return reason_of(int(self.reason[index]))


def chart(period: Numbers, value: Numbers, standard_error: Numbers, *, alpha: float = SHEWHART) -> Chart:
    """Limits of level 1 - alpha for each of the values (..., T) of periods (T,), from the ones before it.

    Sampling errors count, each period's own too. alpha is for one period: looked at every period, a steady series is
    called out of line once in 1 / alpha periods; `alarm.watch` promises more. A period found to be out for a reason
    that is known is best set to NaN, for it pulls at the limits after it. A period is judged from five known ones on,
    and not where the series is one value without errors. Raises ValueError for periods out of order, a negative
    standard error and an alpha outside (0, 1). Alwan & Roberts (1988); Montgomery & Mastrangelo (1991).

    >>> found = chart(range(8), [0.50, 0.52, 0.49, 0.51, 0.50, 0.52, 0.51, 0.70], 0.01)
    >>> found.lower.round(3).tolist()[-1], found.upper.round(3).tolist()[-1], found.is_out.tolist()[-2:]
    (0.441, 0.577, [False, True])
    """
    level = float(level_of(alpha))
    values, errors, known = given(value, standard_error)
    times = ordered(period, values)
    reason = reason_codes(
        (~known, Reason.INSUFFICIENT_DATA),
        (np.cumsum(known, axis=-1) <= FEWEST, Reason.TOO_FEW_PERIODS),
        (flat(values, errors, known)[..., np.newaxis], Reason.ZERO_VARIANCE),
    )
    judged = reason == 0
    found = _stacked(times, values, errors, known, judged)
    p_value = found.two_sided(values)
    return Chart(
        expected=found.mean,
        lower=found.quantile(alpha / 2),
        upper=found.quantile(1 - alpha / 2),
        p_value=p_value,
        surprise=_as_normal(found, values),
        is_out=p_value <= alpha,
        level=level,
        reason=reason,
    )


def _stacked(times: Array, values: Array, errors: Array, known: Mask, judged: Mask) -> Mixture:
    """What was expected of every period that is judged."""
    found = {}
    for index in np.ndindex(values.shape[:-1]):
        if judged[index].any():
            seen = known[index]
            expected = _series(times[seen], values[index][seen], errors[index][seen])
            for place, period in enumerate(np.flatnonzero(seen)):
                if judged[index][period]:
                    found[(*index, int(period))] = expected.taken(place)
    return Mixture.stacked(found, values.shape)


def _series(times: Array, values: Array, errors: Array) -> Mixture:
    scale, centre = models.robust_scale(times, values, errors), float(np.median(values))
    held = models.steady(times, errors**2 / scale**2)
    return forward((values - centre) / scale, held.covariances, held.prior).moved(centre, scale)


def _as_normal(found: Mixture, values: Array) -> Array:
    """The place in the mixture as a z, from the nearer tail, which keeps its digits."""
    below, above = found.below(values), found.above(values)
    return np.asarray(np.where(above < below, -normal_quantile(above), normal_quantile(below)))

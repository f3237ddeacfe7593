"""Whether a variant is not worse than control by a margin or more: one-sided, from any comparison.

A difference that is not significant does not show that there is none; this does, up to the margin. The margin is
chosen before the data and is a size in the units of the difference (ICH E9, 1998, section 3.3.2). For two shares
`methods.miettinen_nurminen.non_inferiority` rests on a better variance, that of shares the margin apart.
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Codes, Mask, Numbers, numbers
from stats.distributions import level_of, t_cdf, t_quantile
from stats.results import Comparisons, Reason, reason_codes, reason_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NonInferiorities:
    """Many tests at once; arrays of one shape. Where there is a reason, statistic, p_value and worst are NaN.

    p_value is at or below alpha just where `worst` keeps the margin.
    """

    statistic: Array
    p_value: Array  # one-sided
    worst: Array  # the limit of the difference on the bad side, one-sided at alpha
    shown: Mask  # not worse by the margin or more
    level: float  # 1 - alpha
    reason: Codes

    def reason_at(self, *index: int) -> Reason | None:
        """Why this cell has no answer, or None if it has one."""
        return reason_of(int(self.reason[index]))


def against(
    comparisons: Comparisons, *, margin: Numbers, alpha: float, sign: int = 1, df: Numbers = np.inf
) -> NonInferiorities:
    """Difference against -margin, where more is better (sign 1), or against margin, where less is (-1).

    alpha is one-sided, by custom 0.025. From the difference and its variance, normal; with `df` of Student's t. The
    margin and df broadcast against the comparisons. Raises ValueError for a margin that is not above zero, a sign
    other than 1 and -1, and an alpha outside (0, 1).

    >>> from stats.methods import welch
    >>> from stats.moments import Moments
    >>> control, treatment = Moments(n=400, mean=5.0, m2=400.0), Moments(n=400, mean=5.05, m2=400.0)
    >>> found = against(welch.compare(control, treatment, alpha=0.05), margin=0.1, alpha=0.025)
    >>> found.p_value.round(4).item(), found.worst.round(4).item(), found.shown.item()
    (0.0171, -0.0888, True)
    """
    reach = numbers(margin)
    if not np.all(reach > 0):
        raise ValueError("a margin is above zero")
    if sign not in {1, -1}:
        raise ValueError(f"the sign is 1 or -1, not {sign}")
    level = float(level_of(alpha))
    gain, variance, room, degrees = np.broadcast_arrays(
        sign * comparisons.difference, comparisons.variance, reach, numbers(df)
    )
    reason = _reasons(comparisons, gain, variance, degrees)
    error = np.sqrt(np.where(reason == 0, variance, np.nan))
    statistic = (gain + room) / error
    worst = gain + t_quantile(degrees, alpha) * error
    p_value = t_cdf(degrees, -statistic)
    return NonInferiorities(
        statistic=statistic, p_value=p_value, worst=sign * worst, shown=p_value <= alpha, level=level, reason=reason
    )


def _reasons(comparisons: Comparisons, gain: Array, variance: Array, degrees: Array) -> Codes:
    """Those of the comparison, and where a comparison has an answer without a variance (a score test) its lack."""
    own = np.broadcast_to(comparisons.reason, gain.shape)
    missing = reason_codes(
        (np.isnan(gain + variance) | ~(degrees > 0), Reason.INSUFFICIENT_DATA),
        (variance <= 0, Reason.ZERO_VARIANCE),
    )
    return np.where(own != 0, own, missing)

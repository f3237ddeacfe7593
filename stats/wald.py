"""An estimate against a value, judged by its standard error: what Welch, baselines and survival times share."""

import numpy as np

from stats.arrays import Array, Codes, Numbers, numbers
from stats.distributions import level_of, t_cdf, t_quantile
from stats.results import Comparisons


def compare(
    difference: Array,
    variance: Array,
    *,
    reason: Codes,
    alpha: Numbers,
    method: str,
    df: Numbers = np.inf,
    null: float = 0.0,
) -> Comparisons:
    """Two-sided t test and interval; with the default, infinite df they are the normal ones.

    df and alpha broadcast to the differences. The caller gives a reason wherever the variance is unknown or zero.
    Raises ValueError unless 0 < alpha < 1.
    """
    level = level_of(alpha)
    standard_error = np.sqrt(np.where(reason == 0, variance, np.nan))
    statistic = (difference - null) / standard_error
    margin = -t_quantile(df, numbers(alpha) / 2) * standard_error
    return Comparisons(
        difference=difference,
        variance=variance,
        statistic=statistic,
        p_value=2 * t_cdf(df, -np.abs(statistic)),
        lower=difference - margin,
        upper=difference + margin,
        level=level,
        reason=reason,
        method=method,
    )

"""A KPI's level against a target, and one cohort's against another's. Observations, not randomised experiments.

Against a baseline it is `stats.baseline.compare`; of two cohorts known by their moments, `stats.methods.welch`.
"""

from dataclasses import dataclass, replace

import numpy as np

from stats import baseline
from stats.arrays import Array, Mask, Numbers, numbers
from stats.distributions import t_cdf
from stats.results import Comparisons

AGAINST_TARGET = "One-sided test against a target (observational)"
COHORTS = "Normal test of two cohorts (observational)"
COHORTS_WELCH = "Welch's t-test of two cohorts (observational)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attainments:
    """Levels against their targets; arrays of one shape, NaN where `comparison` has a reason.

    `comparison` is level less target, two-sided. `p_value` is one-sided, against levels that miss the target, and
    `is_met` says that it is at or below alpha. `chance` is that the true level is at the target or beyond, if nothing
    was known of it before (flat prior): 1 - p_value.
    """

    comparison: Comparisons
    p_value: Array
    chance: Array
    is_met: Mask


def against_target(
    value: Numbers,
    standard_error: Numbers,
    *,
    target: Numbers,
    alpha: Numbers,
    sign: int = 1,
    n: Numbers | None = None,
) -> Attainments:
    """Whether the level is beyond the target: above it (sign 1), or below it (-1). All arrays broadcast.

    Normal, or Student's t (1908) on n - 1 with the units behind the value. A target has no error; one that is itself
    an estimate is a baseline. Raises ValueError for a negative standard error, another sign, an alpha outside (0, 1).

    >>> found = against_target(0.32, 0.02, target=0.30, alpha=0.05)
    >>> found.p_value.round(4).item(), found.chance.round(4).item(), found.is_met.item()
    (0.1587, 0.8413, False)
    """
    if sign not in {1, -1}:
        raise ValueError(f"the sign is 1 or -1, not {sign}")
    errors = numbers(standard_error)
    if np.any(errors < 0):
        raise ValueError("a standard error is never negative")
    exact = None if n is None else np.inf  # a target is known as if from units without end
    compared = baseline.compare(
        value, errors**2, baseline=target, baseline_standard_error=0.0, alpha=alpha, n=n, baseline_n=exact
    )
    df = np.inf if n is None else np.maximum(numbers(n) - 1, 1)
    p_value = t_cdf(df, -sign * compared.statistic)
    return Attainments(
        comparison=replace(compared, method=AGAINST_TARGET),
        p_value=p_value,
        chance=t_cdf(df, sign * compared.statistic),
        is_met=p_value <= numbers(alpha),
    )


def cohorts(
    value: Numbers,
    standard_error: Numbers,
    *,
    other: Numbers,
    other_standard_error: Numbers,
    alpha: Numbers,
    n: Numbers | None = None,
    other_n: Numbers | None = None,
) -> Comparisons:
    """Value less the other cohort's, from estimates that share no unit; all arrays broadcast.

    Welch's t with the units behind both, otherwise normal: as `baseline.compare`, whose errors it raises.

    >>> found = cohorts(0.32, 0.02, other=0.25, other_standard_error=0.015, alpha=0.05).at()
    >>> round(found.difference, 2), round(found.p_value, 4)
    (0.07, 0.0051)
    """
    found = baseline.compare(
        value,
        np.square(numbers(standard_error)),
        baseline=other,
        baseline_standard_error=other_standard_error,
        alpha=alpha,
        n=n,
        baseline_n=other_n,
    )
    return replace(found, method=COHORTS_WELCH if found.method == baseline.WELCH else COHORTS)

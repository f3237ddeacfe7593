"""Difference of two means with unequal variances.

Welch (1947), "The generalization of Student's problem when several different population variances are involved",
Biometrika 34. Degrees of freedom by Satterthwaite (1946), Biometrics Bulletin 2.
"""

import numpy as np

from stats import wald
from stats.arrays import Array, Numbers, divide
from stats.moments import Moments
from stats.results import Comparisons, Reason, reason_codes

METHOD = "Welch's t-test"


def compare(control: Moments, treatment: Moments, *, alpha: Numbers, null: float = 0.0) -> Comparisons:
    """Treatment minus control in the units of the mean, tested against `null`; the arrays broadcast.

    Undefined below two units in an arm, and where neither arm varies.

    >>> control, treatment = Moments.from_values([3, 5, 4, 6, 2]), Moments.from_values([6, 8, 5, 9, 4])
    >>> found = compare(control, treatment, alpha=0.05).at()
    >>> round(found.difference, 2), round(found.p_value, 4)
    (2.4, 0.076)
    """
    variance = control.mean_variance + treatment.mean_variance
    reason = reason_codes(
        (np.isnan(variance), Reason.INSUFFICIENT_DATA),
        (control.constant & treatment.constant, Reason.ZERO_VARIANCE),
    )
    return wald.compare(
        treatment.mean - control.mean,
        variance,
        df=satterthwaite(control.mean_variance, control.n - 1, treatment.mean_variance, treatment.n - 1),
        reason=reason,
        alpha=alpha,
        null=null,
        method=METHOD,
    )


def satterthwaite(first: Array, first_df: Array, second: Array, second_df: Array) -> Array:
    """The degrees of freedom of the sum of two variance estimates, NaN where the sum is zero.

    >>> satterthwaite(np.array(0.5), np.array(4), np.array(0.5), np.array(4)).item()
    8.0
    """
    share = divide(first, first + second)  # shares instead of squared variances: these cannot underflow
    return divide(1.0, divide(share**2, first_df) + divide((1 - share) ** 2, second_df))

"""The share of units that came back on each day of their own, and how many were watched through it.

Unlike a first event, coming back happens on many days, so a unit counts on every day on which it did. A day is read
from all cohorts watched through it: early days rest on more units than late ones, and the share may rise again. Its
limits are Wilson's (1927), JASA 22, for one day that is looked at once.
"""

from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Numbers, divide, numbers
from stats.methods.proportions import wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """For each day (last axis) the units watched through it, the share of them that came back, and its limits.

    NaN on the days through which nobody has been watched.
    """

    at_risk: Array
    share: Array
    lower: Array
    upper: Array


def estimate(entered: Numbers, returned: Numbers, observed: Numbers, *, first: int, alpha: Numbers) -> Returns:
    """Cohorts (by day of exposure) added up by day since exposure.

    `entered` (..., C) units; `returned` (..., C, D) of them by day, from day `first` on; `observed` (..., C) whole days
    each cohort has been watched. The leading axes broadcast, and `alpha` against the result (..., D). A cohort counts
    on day j if j < observed. Raises ValueError for more units that came back than entered, or fewer than none.

    >>> found = estimate([10, 10], [[4, 2], [6, 1]], [3, 2], first=1, alpha=0.05)  # the second cohort is a day younger
    >>> found.at_risk.tolist(), found.share.tolist()
    ([20.0, 10.0], [0.5, 0.2])
    >>> found.lower.round(3).tolist(), found.upper.round(3).tolist()
    ([0.299, 0.057], [0.701, 0.51])
    """
    units, back = numbers(entered)[..., np.newaxis], numbers(returned)
    if not (np.all(back >= 0) and np.all(back <= units)):
        raise ValueError("who came back on a day are counts of the units that entered")
    is_seen = first + np.arange(back.shape[-1]) < numbers(observed)[..., np.newaxis]
    at_risk = np.where(is_seen, units, 0.0).sum(axis=-2)
    share = divide(np.where(is_seen, back, 0.0).sum(axis=-2), at_risk)
    lower, upper = wilson(share, at_risk, alpha)
    return Returns(at_risk=at_risk, share=share, lower=lower, upper=upper)
